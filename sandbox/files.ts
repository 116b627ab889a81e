/**
 * Small files of /proc, written by a plan.
 *
 * @module
 */
import { ENOENT } from "../ffi/constants/errno.ts";
import { AT_FDCWD, O_CLOEXEC, O_WRONLY } from "../ffi/constants/fcntl.ts";
import { encode } from "../ffi/bytes.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import type { Cell, Note, Operand } from "../ffi/plan/step.ts";

/** What else there is to say of a file that is written. */
export interface WriteNotes {
  /** Why it is written. */
  readonly why?: string;
  /** Whether it does not matter if there is no such file. */
  readonly optional?: boolean;
  /** What there is to say of opening it. */
  readonly open?: Note;
  /** What there is to say of writing it. */
  readonly write?: Note;
}

const WRITTEN: Note = { why: "what is written is written" };

/** Writes bytes to a file that exists. */
export function writeFile(
  p: Builder,
  path: string,
  bytes: Operand,
  size: Operand,
  { why = `write ${path}`, optional, open, write }: WriteNotes = {},
): void {
  const missing = p.label();
  const fd = p.call("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0], {
    why,
    message: `cannot open ${path}`,
    ...(optional && { accept: [ENOENT] }),
    ...open,
  });
  if (optional) p.branch("equal", fd, -ENOENT, missing);
  p.call("write", [fd, bytes, size], { why, message: `write failed ${path}`, ...write });
  p.call("close", [fd], WRITTEN);
  p.place(missing);
}

/** The address of `/proc/PID` and what follows, for a process that is only known at the run. */
export function procPath(p: Builder, pid: Cell, rest: string): Cell {
  const prefix = encode("/proc/");
  const size = encode(rest).length;
  const path = p.cell("path", prefix.length + 10 + size + 1, prefix);
  const end = p.control("decimal", [pid, { addressOf: path, offset: prefix.length }]);
  p.control("copy", [end, rest, 0, size]);
  return p.control("add", [{ addressOf: path }, 0]);
}
