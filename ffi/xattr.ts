/**
 * sys/xattr.h: extended attributes of files.
 *
 * @module
 */
import { cstring } from "./arguments.ts";
import { ENODATA, EOPNOTSUPP } from "./constants/errno.ts";
import { SyscallError } from "./errno.ts";
import { syscall } from "./syscall.ts";

/**
 * An extended attribute of a file, of itself if it is a link.
 *
 * See getxattr(2), xattr(7).
 *
 * @param path the file
 * @param name such as `user.comment`
 * @returns its value; `undefined` when the file has no such attribute, or its
 *   file system none at all
 * @throws {SyscallError} when the kernel refuses it, with the path: ENOENT, ERANGE
 *   when it has more than 64 KiB
 * @throws {TypeError} when there is a NUL in a string
 *
 * @example
 * ```ts
 * import { lgetxattr } from "@denspace/denspace";
 *
 * console.log(lgetxattr("/etc/passwd", "user.comment")); // undefined
 * ```
 */
export function lgetxattr(path: string, name: string): Uint8Array | undefined {
  const value = new Uint8Array(64 * 1024); // XATTR_SIZE_MAX
  try {
    const args = [cstring("path", path), cstring("name", name), value, value.length] as const;
    return value.subarray(0, syscall("lgetxattr", args, { path }));
  } catch (error) {
    const none = error instanceof SyscallError &&
      (error.errno === ENODATA || error.errno === EOPNOTSUPP);
    if (none) return undefined;
    throw error;
  }
}
