/**
 * dirent.h: what is in a directory.
 *
 * @module
 */
import { decode } from "./bytes.ts";
import { O_CLOEXEC, O_DIRECTORY, O_RDONLY, open } from "./fcntl.ts";
import { syscall } from "./syscall.ts";
import { close } from "./unistd.ts";

// struct linux_dirent64: inode, offset, the record's length at 16, type, name at 19
const [LENGTH, NAME] = [16, 19];

/**
 * The names in a directory, without `.` and `..`, in the order in which the file
 * system has them.
 *
 * See getdents64(2), readdir(3).
 *
 * @param path the directory
 * @returns the names
 * @throws {SyscallError} when the kernel refuses it: ENOENT, EACCES, ENOTDIR
 * @throws {TypeError} when there is a NUL in the path
 *
 * @example
 * ```ts
 * import { readdir } from "@denspace/denspace";
 *
 * console.log(readdir("/proc/self/ns")); // [ "net", "uts", ... ]
 * ```
 */
export function readdir(path: string): string[] {
  const names: string[] = [];
  const buffer = new Uint8Array(32 * 1024);
  const view = new DataView(buffer.buffer);
  const fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY[Deno.build.arch]);
  try {
    for (;;) {
      const size = syscall("getdents64", [fd, buffer, buffer.length], { path });
      if (size === 0) return names;
      for (let at = 0; at < size; at += view.getUint16(at + LENGTH, true)) {
        const name = buffer.subarray(at + NAME, buffer.indexOf(0, at + NAME));
        const text = decode(name);
        if (text !== "." && text !== "..") names.push(text);
      }
    }
  } finally {
    close(fd);
  }
}
