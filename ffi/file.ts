/**
 * Whole files, for those of /proc, /sys and cgroups: Deno's own functions want
 * all permissions there, and the asynchronous ones look from another thread,
 * which may be in other namespaces.
 *
 * @module
 */
import { encode } from "./bytes.ts";
import { O_CLOEXEC, O_RDONLY, O_WRONLY, open } from "./fcntl.ts";
import { call } from "./libc.ts";
import { close } from "./unistd.ts";

/**
 * Reads a whole file.
 *
 * See open(2) and read(2).
 *
 * @param path the file
 * @returns what is in it
 * @throws {SyscallError} when it can't be opened or read, with the path
 * @throws {TypeError} when there is a NUL in `path`
 *
 * @example
 * ```ts
 * import { readFile } from "@denspace/denspace";
 *
 * const maps = new TextDecoder().decode(readFile("/proc/thread-self/uid_map"));
 * for (const line of maps.trimEnd().split("\n")) {
 *   const [inside, outside, count] = line.trim().split(/ +/);
 *   console.log(`${count} ids from ${inside} on are ${outside} outside`);
 * }
 * ```
 */
export function readFile(path: string): Uint8Array<ArrayBuffer> {
  const fd = open(path, O_RDONLY | O_CLOEXEC);
  try {
    // The size that /proc gives its files is 0.
    let buffer = new Uint8Array(0x4000);
    let length = 0;
    for (;;) {
      const rest = buffer.subarray(length);
      const count = call("read", [fd, rest, BigInt(rest.length)], { path });
      if (count === 0) return buffer.slice(0, length);
      length += count;
      if (length === buffer.length) buffer = new Uint8Array(buffer.buffer.transfer(2 * length));
    }
  } finally {
    close(fd);
  }
}

/**
 * Writes to a file that exists, from its beginning.
 *
 * All of it goes into one write(2), as uid_map, setgroups and cgroup.procs ask
 * for, unless the kernel takes only a part. The file is neither made nor truncated.
 *
 * See open(2) and write(2).
 *
 * @param path the file
 * @param data the bytes; a text is written as UTF-8
 * @throws {SyscallError} when it can't be opened or written, with the path
 * @throws {TypeError} when there is a NUL in `path`
 *
 * @example
 * ```ts
 * import { writeFile } from "@denspace/denspace";
 *
 * function mapRoot(pid: number, uid: number, gid: number): void {
 *   writeFile(`/proc/${pid}/setgroups`, "deny");
 *   writeFile(`/proc/${pid}/uid_map`, `0 ${uid} 1`);
 *   writeFile(`/proc/${pid}/gid_map`, `0 ${gid} 1`);
 * }
 * ```
 */
export function writeFile(path: string, data: string | Uint8Array): void {
  let rest = typeof data === "string" ? encode(data) : data as Uint8Array<ArrayBuffer>;
  const fd = open(path, O_WRONLY | O_CLOEXEC);
  try {
    do {
      rest = rest.subarray(call("write", [fd, rest, BigInt(rest.length)], { path }));
    } while (rest.length > 0);
  } finally {
    close(fd);
  }
}
