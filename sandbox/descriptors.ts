/**
 * Files that a plan opens, and what it asks of them.
 *
 * @module
 */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  O_CLOEXEC,
  O_RDONLY,
  STATX_BASIC_STATS,
} from "../ffi/constants/fcntl.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import type { Cell, Note } from "../ffi/plan/step.ts";

/** The last descriptor of close_range(2), when it is about all. */
export const ALL_DESCRIPTORS = 0xffff_ffff;

/** Opens a file or directory for reading. */
export function open(p: Builder, path: string, note: Note = {}): Cell {
  return p.call("openat", [AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0], {
    why: "found now, where the path leads there",
    message: `cannot open ${path}`,
    ...note,
  });
}

/** Where `struct statx` has what is asked for, and its size. See statx(2). */
const STATX = {
  uid: ["load32", 20],
  gid: ["load32", 24],
  mode: ["load32", 28], // 16 bits, and as many zeros
  ino: ["load64", 32],
  rdevMajor: ["load32", 128],
  rdevMinor: ["load32", 132],
} as const;
const STATX_SIZE = 256;

/** Asks what an open file is; ids are those of this user namespace. */
export function stat<F extends keyof typeof STATX>(
  p: Builder,
  fd: Cell,
  fields: readonly F[],
  note: Note,
): Record<F, Cell> {
  const buffer = { addressOf: p.cell("struct statx", STATX_SIZE) };
  p.call("statx", [fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, buffer], note);
  const found = fields.map((field) => {
    const [load, offset] = STATX[field];
    return [field, p.control(load, [buffer, offset])] as const;
  });
  return Object.fromEntries(found) as Record<F, Cell>;
}

/** The address of a text that names a descriptor: its number, and what follows. */
export function numbered(p: Builder, fd: Cell, rest: string): Cell {
  const text = p.cell("text", 10 + rest.length + 1);
  const end = p.control("decimal", [fd, { addressOf: text }]);
  p.control("copy", [end, rest, 0, rest.length]);
  return p.control("add", [{ addressOf: text }, 0]);
}
