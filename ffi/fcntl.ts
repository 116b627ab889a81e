/**
 * fcntl.h: opening files, and what open ones are.
 *
 * @module
 */
import { cstring, flags as flagsOf, int, uint, ulong } from "./arguments.ts";
import { call } from "./libc.ts";

export * from "./constants/fcntl.ts";

/**
 * Opens a file.
 *
 * Nothing is added to `flags`. Without `O_CLOEXEC` the descriptor is inherited
 * by every program that this process starts, so pass it unless that is wanted.
 *
 * See open(2).
 *
 * @param path the file, looked up in the mount namespace of the calling thread
 * @param flags `O_RDONLY`, `O_WRONLY` or `O_RDWR`, and more, joined by `|`;
 *   those that differ by architecture are picked by `Deno.build.arch`
 * @param mode permissions of a file that `O_CREAT` makes, less the umask
 * @returns the descriptor; the caller closes it
 * @throws {SyscallError} when the kernel refuses it, with the path: ENOENT, EACCES
 * @throws {TypeError | RangeError} when a number does not fit its C type, or
 *   when there is a NUL in `path`
 *
 * @example
 * ```ts
 * import { close, O_CLOEXEC, O_DIRECTORY, O_RDONLY, open } from "@denspace/denspace";
 *
 * const fd = open("/proc", O_RDONLY | O_CLOEXEC | O_DIRECTORY[Deno.build.arch]);
 * close(fd);
 * ```
 */
export function open(path: string, flags: number, mode: number = 0o666): number {
  return call("open", [cstring("path", path), flagsOf("flags", flags), uint("mode", mode)], {
    path,
  });
}

/**
 * Asks for or changes what a descriptor is.
 *
 * What the argument and the result are is decided by `op`: `F_SETFD` takes
 * `FD_CLOEXEC` or 0, `F_DUPFD_CLOEXEC` the lowest number that the copy may have.
 *
 * See fcntl(2).
 *
 * @param fd the descriptor
 * @param op `F_GETFD`, `F_SETFD`, `F_DUPFD_CLOEXEC`, ...
 * @param arg a number; 0 if `op` has none
 * @returns what `op` asks for: flags, the new descriptor; else 0
 * @throws {SyscallError} when the kernel refuses it: EBADF, EINVAL, EMFILE
 * @throws {TypeError | RangeError} when an argument does not fit its C type
 *
 * @example
 * ```ts
 * import { close, F_DUPFD_CLOEXEC, fcntl } from "@denspace/denspace";
 *
 * const copy = fcntl(1, F_DUPFD_CLOEXEC, 100);
 * console.log(copy >= 100); // true
 * close(copy);
 * ```
 */
export function fcntl(fd: number, op: number, arg: number = 0): number {
  return call("fcntl", [int("fd", fd), int("op", op), BigInt(ulong("arg", arg))]);
}
