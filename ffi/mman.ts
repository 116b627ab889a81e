/**
 * sys/mman.h: memory, and files that are in memory only.
 *
 * @module
 */
import { cstring, flags as flagsOf, int, ulong } from "./arguments.ts";
import { SyscallError } from "./errno.ts";
import { call, errno, raw } from "./libc.ts";

export * from "./constants/mman.ts";

/** `MAP_FAILED` of sys/mman.h. */
const MAP_FAILED = 2n ** 64n - 1n;

/**
 * Maps memory, at an address that the kernel chooses.
 *
 * The memory is not Deno's: no garbage collection moves or frees it, a child
 * of clone(2) can use it, and only {@linkcode munmap} gives it back.
 *
 * See mmap(2).
 *
 * @param length in bytes
 * @param prot `PROT_READ`, `PROT_WRITE`, ... joined by `|`, or `PROT_NONE`
 * @param flags `MAP_PRIVATE` or `MAP_SHARED`, and more, joined by `|`
 * @param fd the file to map, or -1 with `MAP_ANONYMOUS`
 * @param offset where in the file to begin, in bytes: a multiple of the page size
 * @returns the address
 * @throws {SyscallError} when the kernel refuses it: EINVAL, ENOMEM
 * @throws {TypeError | RangeError} when an argument does not fit its C type
 *
 * @example
 * ```ts
 * import {
 *   MAP_ANONYMOUS,
 *   MAP_PRIVATE,
 *   mmap,
 *   munmap,
 *   PROT_READ,
 *   PROT_WRITE,
 * } from "@denspace/denspace";
 *
 * const length = 4096;
 * const address = mmap(length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
 * const bytes = new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(address, length));
 * bytes[0] = 1;
 * munmap(address, length); // `bytes` must not be used any more
 * ```
 */
export function mmap(
  length: number,
  prot: number,
  flags: number,
  fd: number = -1,
  offset: number = 0,
): Deno.PointerObject {
  const args = [
    null,
    BigInt(ulong("length", length)),
    flagsOf("prot", prot),
    flagsOf("flags", flags),
    int("fd", fd),
    BigInt(ulong("offset", offset)),
  ] as const;
  const address = raw("mmap", ...args);
  if (address === null || Deno.UnsafePointer.value(address) === MAP_FAILED) {
    throw new SyscallError("mmap", errno());
  }
  return address;
}

/**
 * Changes what may be done with mapped memory.
 *
 * See mprotect(2).
 *
 * @param address where it begins: a multiple of the page size
 * @param length in bytes
 * @param prot `PROT_READ`, `PROT_EXEC`, ... joined by `|`, or `PROT_NONE`
 * @throws {SyscallError} when the kernel refuses it: EACCES, ENOMEM
 * @throws {TypeError | RangeError} when an argument does not fit its C type
 *
 * @example
 * ```ts
 * import {
 *   MAP_ANONYMOUS,
 *   MAP_PRIVATE,
 *   mmap,
 *   mprotect,
 *   munmap,
 *   PROT_READ,
 *   PROT_WRITE,
 * } from "@denspace/denspace";
 *
 * const address = mmap(4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
 * mprotect(address, 4096, PROT_READ);
 * munmap(address, 4096);
 * ```
 */
export function mprotect(address: Deno.PointerObject, length: number, prot: number): void {
  call("mprotect", [address, BigInt(ulong("length", length)), flagsOf("prot", prot)]);
}

/**
 * Gives mapped memory back. To touch it afterwards kills the process.
 *
 * See munmap(2).
 *
 * @param address where it begins: a multiple of the page size
 * @param length in bytes
 * @throws {SyscallError} when the kernel refuses it: EINVAL
 * @throws {TypeError | RangeError} when an argument does not fit its C type
 *
 * @example
 * ```ts
 * import { MAP_ANONYMOUS, MAP_PRIVATE, mmap, munmap, PROT_NONE } from "@denspace/denspace";
 *
 * munmap(mmap(4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS), 4096);
 * ```
 */
export function munmap(address: Deno.PointerObject, length: number): void {
  call("munmap", [address, BigInt(ulong("length", length))]);
}

/**
 * Makes a file that is in memory only, and empty.
 *
 * See memfd_create(2).
 *
 * @param name shown as /memfd:name in /proc/PID/fd; at most 249 bytes
 * @param flags `MFD_CLOEXEC`, `MFD_EXEC`, ... joined by `|`; 0 for none
 * @returns the descriptor, open for reading and writing; the caller closes it
 * @throws {SyscallError} when the kernel refuses it: EINVAL for a flag that it
 *   does not know, as `MFD_EXEC` before Linux 6.3
 * @throws {TypeError | RangeError} when `flags` are no 32-bit integer, or when
 *   there is a NUL in `name`
 *
 * @example
 * ```ts
 * import { close, memfdCreate, MFD_CLOEXEC, write } from "@denspace/denspace";
 *
 * const fd = memfdCreate("note", MFD_CLOEXEC);
 * write(fd, "kept in memory\n");
 * close(fd);
 * ```
 */
export function memfdCreate(name: string, flags: number): number {
  return call("memfd_create", [cstring("name", name), flagsOf("flags", flags) >>> 0]);
}
