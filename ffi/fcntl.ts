/**
 * fcntl.h: opening files.
 *
 * @module
 */
import { cstring, flags as flagsOf, uint } from "./arguments.ts";
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
