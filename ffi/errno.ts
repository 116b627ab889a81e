/**
 * The one error of this library.
 *
 * @module
 */
import { ENOSYS, ERRNO_NAMES, ERROR_TEXTS } from "./constants/errno.ts";

/** The kernel that brought a system call, of those that a kernel may lack. See syscalls(2). */
export const SYSCALL_SINCE: Readonly<Record<string, string>> = {
  clone3: "5.3",
  close_range: "5.9",
  execveat: "3.19",
  fsconfig: "5.2",
  fsmount: "5.2",
  fsopen: "5.2",
  fspick: "5.2",
  landlock_add_rule: "5.13",
  landlock_create_ruleset: "5.13",
  landlock_restrict_self: "5.13",
  listmount: "6.8",
  memfd_create: "3.17",
  mount_setattr: "5.12",
  move_mount: "5.2",
  open_tree: "5.2",
  openat2: "5.6",
  pidfd_getfd: "5.6",
  pidfd_open: "5.3",
  pidfd_send_signal: "5.1",
  seccomp: "3.17",
  statmount: "6.8",
  statx: "4.11",
};

/**
 * What to say of a system call that has failed since the kernel has none of that name.
 *
 * See syscalls(2).
 *
 * @param syscall its name
 * @param errno what it left
 * @returns a sentence, or nothing if that is not why it failed
 *
 * @example
 * ```ts
 * import { ENOSYS, missingCall } from "@denspace/denspace";
 *
 * console.log(missingCall("pidfd_open", ENOSYS));
 * ```
 */
export function missingCall(syscall: string, errno: number): string | undefined {
  const release = SYSCALL_SINCE[syscall];
  if (errno !== ENOSYS || release === undefined) return undefined;
  return `${syscall}(2) needs Linux ${release} or later`;
}

/** What is known of a failure besides the system call and its errno. */
export interface FailureDetails {
  /** The path that the call was about. */
  path?: string;
  /** The step of a plan that failed, as its message names it. */
  step?: string;
  /** What to do about it. */
  hint?: string;
}

/**
 * A system call has failed.
 *
 * The message reads as a system tool's does: what was tried, and the text of
 * the errno. See errno(3).
 *
 * @example
 * ```ts
 * import { sethostname, SyscallError } from "@denspace/denspace";
 *
 * try {
 *   sethostname("x".repeat(65));
 * } catch (error) {
 *   if (!(error instanceof SyscallError)) throw error;
 *   console.log(error.syscall, error.code); // sethostname EINVAL
 * }
 * ```
 */
export class SyscallError extends Error {
  /** The name of the class. */
  override readonly name = "SyscallError";
  /** The name of the system call. */
  readonly syscall: string;
  /** The error number. */
  readonly errno: number;
  /** The name of the error number, for example `"EPERM"`. */
  readonly code: string;
  /** The path that the call was about. */
  readonly path?: string;
  /** The step of a plan that failed, as its message names it. */
  readonly step?: string;
  /** What to do about it. */
  readonly hint?: string;

  /** An error of `syscall`, which left `errno`. */
  constructor(syscall: string, errno: number, details: FailureDetails = {}) {
    const { path, step, hint = missingCall(syscall, errno) } = details;
    const what = step ?? (path === undefined ? syscall : `${syscall} ${path}`);
    super(`${what}: ${strerror(errno)}${hint === undefined ? "" : `\n${hint}`}`);
    this.syscall = syscall;
    this.errno = errno;
    this.code = errnoName(errno);
    if (path !== undefined) this.path = path;
    if (step !== undefined) this.step = step;
    if (hint !== undefined) this.hint = hint;
  }
}

/**
 * The text of an error number, as strerror(3) gives it in the C locale.
 *
 * @param errno the number
 * @returns the text
 *
 * @example
 * ```ts
 * import { EPERM, strerror } from "@denspace/denspace";
 *
 * console.log(strerror(EPERM)); // Operation not permitted
 * ```
 */
export function strerror(errno: number): string {
  return ERROR_TEXTS[errno] ?? `Unknown error ${errno}`;
}

/**
 * The name of an error number, as strerrorname_np(3) gives it.
 *
 * @param errno the number
 * @returns the name
 *
 * @example
 * ```ts
 * import { EPERM, errnoName } from "@denspace/denspace";
 *
 * console.log(errnoName(EPERM)); // EPERM
 * ```
 */
export function errnoName(errno: number): string {
  return ERRNO_NAMES[errno] || `E${errno}`;
}
