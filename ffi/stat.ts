/**
 * sys/stat.h: what a file is.
 *
 * @module
 */
import { cstring, flags as flagsOf, int } from "./arguments.ts";
import { AT_EMPTY_PATH, AT_FDCWD, STATX_BASIC_STATS } from "./constants/fcntl.ts";
import type { FailureDetails } from "./errno.ts";
import { call } from "./libc.ts";

/** What {@linkcode statx} tells of a file. */
export interface Stat {
  /** The device it is on, as `st_dev` of stat(2). */
  dev: bigint;
  /** Its number there. */
  ino: bigint;
  /** Its type and permissions, see inode(7). */
  mode: number;
  /** Its owner. */
  uid: number;
  /** Its group. */
  gid: number;
  /** The device it stands for, if it is a device. */
  rdev: bigint;
  /** Its size in bytes. */
  size: bigint;
}

/**
 * Tells what a file is.
 *
 * Two paths lead to the same file, or /proc/PID/ns to the same namespace, when
 * `dev` and `ino` are the same.
 *
 * See statx(2).
 *
 * @param path the file, looked up in the mount namespace of the calling thread
 * @param flags `AT_SYMLINK_NOFOLLOW`, `AT_NO_AUTOMOUNT`, ... joined by `|`
 * @returns what it is
 * @throws {SyscallError} when the kernel refuses it, with the path: ENOENT, EACCES
 * @throws {TypeError | RangeError} when `flags` are no 32-bit integer, or when
 *   there is a NUL in `path`
 *
 * @example
 * ```ts
 * import { getppid, statx } from "@denspace/denspace";
 *
 * const ours = statx("/proc/thread-self/ns/net");
 * const theirs = statx(`/proc/${getppid()}/ns/net`);
 * console.log(ours.dev === theirs.dev && ours.ino === theirs.ino ? "same" : "another");
 * ```
 */
export function statx(path: string, flags: number = 0): Stat {
  return statOf(AT_FDCWD, path, flagsOf("flags", flags), { path });
}

/**
 * Tells what an open file is.
 *
 * See fstat(2).
 *
 * @param fd its descriptor
 * @returns what it is
 * @throws {SyscallError} when the kernel refuses it: EBADF
 * @throws {TypeError | RangeError} when `fd` is no 32-bit integer
 *
 * @example
 * ```ts
 * import { fstat, S_IFIFO, S_IFMT } from "@denspace/denspace";
 *
 * console.log((fstat(1).mode & S_IFMT) === S_IFIFO ? "into a pipe" : "somewhere else");
 * ```
 */
export function fstat(fd: number): Stat {
  return statOf(int("fd", fd), "", AT_EMPTY_PATH, {});
}

function statOf(directory: number, path: string, flags: number, details: FailureDetails): Stat {
  const buffer = new Uint8Array(256);
  call("statx", [directory, cstring("path", path), flags, STATX_BASIC_STATS, buffer], details);
  const view = new DataView(buffer.buffer);
  const u32 = (at: number) => view.getUint32(at, true);
  const u64 = (at: number) => view.getBigUint64(at, true);
  return {
    dev: makedev(u32(136), u32(140)),
    ino: u64(32),
    mode: view.getUint16(28, true),
    uid: u32(20),
    gid: u32(24),
    rdev: makedev(u32(128), u32(132)),
    size: u64(40),
  };
}

/**
 * The major number of a device: which driver it has.
 *
 * See major(3).
 *
 * @param device the device, as `rdev` or `dev` of {@linkcode Stat}
 * @returns the number
 *
 * @example
 * ```ts
 * import { major, minor, statx } from "@denspace/denspace";
 *
 * const { rdev } = statx("/dev/null");
 * console.log(major(rdev), minor(rdev)); // 1 3
 * ```
 */
export function major(device: bigint): number {
  return Number(device >> 8n & 0xfffn | device >> 32n & 0xffff_f000n);
}

/**
 * The minor number of a device: which one it is of its driver's.
 *
 * See minor(3).
 *
 * @param device the device, as `rdev` or `dev` of {@linkcode Stat}
 * @returns the number
 *
 * @example
 * ```ts
 * import { minor, statx } from "@denspace/denspace";
 *
 * console.log(minor(statx("/dev/null").rdev)); // 3
 * ```
 */
export function minor(device: bigint): number {
  return Number(device & 0xffn | device >> 12n & 0xffff_ff00n);
}

/** makedev(3), as glibc has it. */
function makedev(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return (high & 0xfffff000n) << 32n | (high & 0xfffn) << 8n |
    (low & 0xffffff00n) << 12n | low & 0xffn;
}
