/**
 * sys/pidfd.h: descriptors of processes, which never come to mean another one.
 *
 * @module
 */
import { flags as flagsOf, int } from "./arguments.ts";
import { type SignalName, signalNumber } from "./signal.ts";
import { syscall } from "./syscall.ts";

export * from "./constants/pidfd.ts";

/**
 * Opens a process.
 *
 * poll(2) finds the descriptor readable once the process has ended. It is
 * close-on-exec. Since Linux 5.3.
 *
 * See pidfd_open(2).
 *
 * @param pid the process
 * @param flags `PIDFD_NONBLOCK`, ... joined by `|`; 0 for none
 * @returns the descriptor; the caller closes it
 * @throws {SyscallError} when the kernel refuses it: ESRCH when there is no
 *   such process, EINVAL when `pid` is not positive, or a thread that is no process
 * @throws {TypeError | RangeError} when an argument does not fit its C type
 *
 * @example
 * ```ts
 * import { close, getpid, pidfdOpen } from "@denspace/denspace";
 *
 * const fd = pidfdOpen(getpid());
 * close(fd);
 * ```
 */
export function pidfdOpen(pid: number, flags: number = 0): number {
  return syscall("pidfd_open", [int("pid", pid), flagsOf("flags", flags)]);
}

/**
 * Sends a signal to a process that is open.
 *
 * See pidfd_send_signal(2).
 *
 * @param pidfd a descriptor of the process
 * @param signal the signal by number or name; 0 only asks whether it could be sent
 * @throws {SyscallError} when the kernel refuses it: ESRCH when the process has
 *   ended and was waited for, EPERM, EBADF
 * @throws {TypeError | RangeError} when `pidfd` is no 32-bit integer, or when
 *   there is no such signal name
 *
 * @example
 * ```ts
 * import { close, getpid, pidfdOpen, pidfdSendSignal } from "@denspace/denspace";
 *
 * const fd = pidfdOpen(getpid());
 * pidfdSendSignal(fd, "SIGCONT");
 * close(fd);
 * ```
 */
export function pidfdSendSignal(pidfd: number, signal: number | SignalName): void {
  syscall("pidfd_send_signal", [int("pidfd", pidfd), signalNumber(signal), 0, 0]);
}

/**
 * Copies a descriptor of another process: both refer to the same open file.
 *
 * Who may do so is who may trace the process, see ptrace(2). Since Linux 5.6.
 *
 * See pidfd_getfd(2).
 *
 * @param pidfd a descriptor of the process
 * @param targetfd the number that the open file has there
 * @param flags must be 0 as yet
 * @returns the copy, close-on-exec; the caller closes it
 * @throws {SyscallError} when the kernel refuses it: EPERM, EBADF, ESRCH
 * @throws {TypeError | RangeError} when an argument does not fit its C type
 *
 * @example
 * ```ts
 * import { close, getpid, pidfdGetfd, pidfdOpen } from "@denspace/denspace";
 *
 * const pidfd = pidfdOpen(getpid());
 * const copy = pidfdGetfd(pidfd, 2);
 * close(copy);
 * close(pidfd);
 * ```
 */
export function pidfdGetfd(pidfd: number, targetfd: number, flags: number = 0): number {
  const args = [int("pidfd", pidfd), int("targetfd", targetfd), flagsOf("flags", flags)];
  return syscall("pidfd_getfd", args);
}
