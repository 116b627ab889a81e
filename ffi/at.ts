/**
 * Many small files, as fast as can be: calls relative to a directory, for whoever
 * walks over /proc.
 *
 * They differ from the other wrappers in that a failure is a result, the negated
 * errno, since failures are what a walk over other people's processes is full of,
 * and in that names are bytes which the caller makes once: {@linkcode name}.
 *
 * @module
 */
import { cstring } from "./arguments.ts";
import {
  O_CLOEXEC,
  O_RDONLY,
  STATX_INO,
  STATX_MODE,
  STATX_TYPE,
  STATX_UID,
} from "./constants/fcntl.ts";
import { errnoNow } from "./libc.ts";

// Deno compiles what it opens by name, which takes longer than a few calls that it
// interprets, and then calls it ten times as fast.
const { symbols: libc } = Deno.dlopen("libc.so.6", {
  // int openat(int dirfd, const char *path, int flags, ...);
  openat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  // int close(int fd);
  close: { parameters: ["i32"], result: "i32" },
  // ssize_t read(int fd, void *buf, size_t count);
  read: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  // int statx(int dirfd, const char *path, int flags, unsigned int mask, struct statx *buf);
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  // ssize_t getdents64(int fd, void *dirp, size_t count);
  getdents64: { parameters: ["i32", "buffer", "usize"], result: "i32" },
});

/** The name of a file within a directory, NUL-terminated. */
export type Name = Uint8Array<ArrayBuffer>;

/** A name for the calls of this module. */
export function name(text: string): Name {
  return cstring("name", text);
}

/** The name of the directory itself, for {@linkcode statAt} with `AT_EMPTY_PATH`. */
export const ITSELF: Name = name("");

/** Opens a file; close-on-exec is up to `flags`. The descriptor, or the negated errno. */
export function openAt(directory: number, name: Name, flags: number): number {
  const fd = libc.openat(directory, name, flags);
  return fd === -1 ? -errnoNow[0]! : fd;
}

/** Closes a descriptor. */
export function closeAt(fd: number): void {
  libc.close(fd);
}

/** What {@linkcode statAt} tells. */
export interface SmallStat {
  /** The device, as one number that is the same for the same device. */
  readonly device: number;
  /** The number of the file there; exact up to 2^53. */
  readonly inode: number;
  /** Its type and permissions, see inode(7). */
  readonly mode: number;
  /** Its owner. */
  readonly uid: number;
}

const MASK = STATX_TYPE | STATX_MODE | STATX_UID | STATX_INO;
const statxBuffer = new Uint8Array(256);
const statxView = new DataView(statxBuffer.buffer);

/** Tells what a file is, see statx(2), or the negated errno. */
export function statAt(directory: number, name: Name, flags: number = 0): SmallStat | number {
  if (libc.statx(directory, name, flags, MASK, statxBuffer) === -1) return -errnoNow[0]!;
  const u32 = (at: number): number => statxView.getUint32(at, true);
  return {
    device: u32(136) * 2 ** 20 + u32(140),
    inode: u32(36) * 2 ** 32 + u32(32),
    mode: statxView.getUint16(28, true),
    uid: u32(20),
  };
}

const contents = new Uint8Array(8192);

/**
 * The beginning of a file, up to 8 KiB, or `undefined` if it can't be read. What
 * is returned is overwritten by the next call.
 */
export function readAt(directory: number, name: Name): Uint8Array<ArrayBuffer> | undefined {
  const fd = libc.openat(directory, name, O_RDONLY | O_CLOEXEC);
  if (fd === -1) return undefined;
  let length = 0;
  while (length < contents.length) {
    const count = libc.read(fd, contents.subarray(length), BigInt(contents.length - length));
    if (count <= 0) break;
    length += count;
  }
  libc.close(fd);
  return contents.subarray(0, length);
}

/** How many bytes of names are read at once. */
const CHUNK = 0x8000;

/**
 * The numbers among the names in an open directory, such as process ids in /proc.
 * See getdents(2).
 */
export function* numbersIn(directory: number): Generator<number, void> {
  // linux_dirent64: inode, offset, then the length of the entry at 16, a type at
  // 18, and from 19 on the name
  const [LENGTH, NAME] = [16, 19];
  const buffer = new Uint8Array(CHUNK);
  const view = new DataView(buffer.buffer);
  for (;;) {
    const size = libc.getdents64(directory, buffer, BigInt(CHUNK));
    if (size <= 0) return;
    for (let at = 0; at < size; at += view.getUint16(at + LENGTH, true)) {
      const number = decimal(buffer, at + NAME);
      if (number >= 0) yield number;
    }
  }
}

/** The decimal number from `at` to the next NUL; -1 if there is none. */
function decimal(bytes: Uint8Array, at: number): number {
  let number = bytes[at] === 0 ? -1 : 0;
  for (; bytes[at] !== 0; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}
