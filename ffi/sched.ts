/**
 * sched.h: namespaces of the calling thread.
 *
 * A namespace belongs to a thread. What these functions change holds for the
 * thread of the caller, for the threads and processes it starts afterwards,
 * and for none that are there already: see namespaces(7).
 *
 * @module
 */
import { flags as flagsOf, int } from "./arguments.ts";
import { decode } from "./bytes.ts";
import { EINVAL, EUSERS } from "./constants/errno.ts";
import { CLONE_NEWTIME, CLONE_NEWUSER } from "./constants/sched.ts";
import { SyscallError } from "./errno.ts";
import { readFile } from "./file.ts";
import { call } from "./libc.ts";

export * from "./constants/sched.ts";

/**
 * Moves the calling thread into new namespaces.
 *
 * `CLONE_NEWPID` and `CLONE_NEWTIME` hold for children only. `CLONE_NEWUSER`
 * asks for a process of one thread, which Deno is not, and fails with EINVAL;
 * the error says so.
 * After `CLONE_NEWPID` this process can't make threads any more.
 *
 * See unshare(2).
 *
 * @param flags `CLONE_NEWNS`, `CLONE_NEWUTS`, ... joined by `|`
 * @throws {SyscallError} when the kernel refuses it: EPERM without CAP_SYS_ADMIN
 * @throws {TypeError | RangeError} when `flags` are no 32-bit integer
 *
 * @example
 * ```ts
 * import { CLONE_NEWUTS, sethostname, unshare } from "@denspace/denspace";
 *
 * function renameForThisThread(): void {
 *   unshare(CLONE_NEWUTS);
 *   sethostname("inside");
 * }
 * ```
 */
export function unshare(flags: number): void {
  const bits = flagsOf("flags", flags);
  explained(() => call("unshare", [bits]), bits & CLONE_NEWUSER);
}

/**
 * Moves the calling thread into a namespace that exists.
 *
 * A mount namespace can only be entered after `unshare(CLONE_FS)`, a user
 * or time namespace not at all, since Deno has several threads: EINVAL, or
 * EUSERS for the latter, and the error says so. A pid namespace is that of
 * children only.
 *
 * See setns(2).
 *
 * @param fd a file of /proc/PID/ns, or a pidfd
 * @param nstype which kind it must be, `CLONE_NEWNET` for example, or 0 for
 *   any; with a pidfd, the kinds to enter, joined by `|`
 * @throws {SyscallError} when the kernel refuses it: EBADF, EINVAL, EPERM
 * @throws {TypeError | RangeError} when an argument does not fit its C type
 *
 * @example
 * ```ts
 * import { CLONE_NEWNET, close, O_CLOEXEC, O_RDONLY, open, setns } from "@denspace/denspace";
 *
 * function enterNetworkOf(pid: number): void {
 *   const fd = open(`/proc/${pid}/ns/net`, O_RDONLY | O_CLOEXEC);
 *   try {
 *     setns(fd, CLONE_NEWNET);
 *   } finally {
 *     close(fd);
 *   }
 * }
 * ```
 */
export function setns(fd: number, nstype: number): void {
  const bits = flagsOf("nstype", nstype);
  explained(() => call("setns", [int("fd", fd), bits]), bits & (CLONE_NEWUSER | CLONE_NEWTIME));
}

/** Says what a process of several threads can do instead. */
export function threadHint(): string {
  const [, threads] = /^Threads:\t(\d+)/m.exec(decode(readFile("/proc/self/status"))) ?? [];
  return `this process has ${threads ?? "several"} threads; use spawn`;
}

/** Makes a call; if it fails and may have done so because Deno has several threads, the error says that. */
function explained(make: () => void, needsOneThread: number): void {
  try {
    make();
  } catch (error) {
    const isThreads = error instanceof SyscallError && needsOneThread !== 0 &&
      (error.errno === EINVAL || error.errno === EUSERS);
    if (!isThreads) throw error;
    throw new SyscallError(error.syscall, error.errno, { hint: threadHint() });
  }
}
