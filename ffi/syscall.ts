/**
 * System calls for which a C library may have no function: glibc has that of
 * pivot_root(2) never, those of the mount API and of pidfds since 2.36.
 *
 * @module
 */
import { type FailureDetails, SyscallError } from "./errno.ts";
import { errno, raw } from "./libc.ts";
import { host } from "./plan/host.ts";
import type { CallName } from "./plan/step.ts";

/** An argument: a number, or the bytes whose address is meant; `null` for NULL. */
export type Argument = number | bigint | Uint8Array<ArrayBuffer> | null;

type Six = [bigint, bigint, bigint, bigint, bigint, bigint];

/**
 * Makes a system call, on the calling thread.
 *
 * @throws {SyscallError} when it fails
 */
export function syscall(
  name: CallName,
  args: readonly Argument[],
  details?: FailureDetails,
): number {
  const words = [0n, 0n, 0n, 0n, 0n, 0n] as Six;
  args.forEach((arg, i) => words[i] = word(arg));
  const result = raw("syscall", host().syscalls[name], ...words);
  if (result === -1) throw new SyscallError(name, errno(), details);
  return result;
}

function word(arg: Argument): bigint {
  if (arg === null) return 0n;
  return typeof arg === "object"
    ? Deno.UnsafePointer.value(Deno.UnsafePointer.of(arg))
    : BigInt(arg);
}
