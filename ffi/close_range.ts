/**
 * linux/close_range.h: many descriptors at once.
 *
 * @module
 */
import { flags as flagsOf, uint } from "./arguments.ts";
import { syscall } from "./syscall.ts";

export * from "./constants/close_range.ts";

/**
 * Closes all descriptors from one to another, or, with `CLOSE_RANGE_CLOEXEC`,
 * has them closed when a program is executed.
 *
 * To close descriptors that Deno uses breaks it. Since Linux 5.9, with
 * `CLOSE_RANGE_CLOEXEC` since 5.11.
 *
 * See close_range(2).
 *
 * @param first the first descriptor
 * @param last the last one; 0xffffffff for all
 * @param flags `CLOSE_RANGE_CLOEXEC`, `CLOSE_RANGE_UNSHARE`, or 0
 * @throws {SyscallError} when the kernel refuses it: EINVAL for a flag that it
 *   does not know, ENOSYS
 * @throws {TypeError | RangeError} when an argument does not fit its C type
 *
 * @example
 * ```ts
 * import { CLOSE_RANGE_CLOEXEC, closeRange } from "@denspace/denspace";
 *
 * closeRange(3, 0xffff_ffff, CLOSE_RANGE_CLOEXEC);
 * ```
 */
export function closeRange(first: number, last: number, flags: number = 0): void {
  syscall("close_range", [uint("first", first), uint("last", last), flagsOf("flags", flags)]);
}
