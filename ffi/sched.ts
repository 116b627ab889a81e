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
import { call } from "./libc.ts";

export * from "./constants/sched.ts";

/**
 * Moves the calling thread into new namespaces.
 *
 * `CLONE_NEWPID` and `CLONE_NEWTIME` hold for children only. `CLONE_NEWUSER`
 * asks for a process of one thread, which Deno is not, and fails with EINVAL.
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
  call("unshare", [flagsOf("flags", flags)]);
}

/**
 * Moves the calling thread into a namespace that exists.
 *
 * A mount namespace can only be entered after `unshare(CLONE_FS)`, a user
 * namespace not at all, since Deno has several threads: both fail with EINVAL.
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
  call("setns", [int("fd", fd), flagsOf("nstype", nstype)]);
}
