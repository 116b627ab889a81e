/**
 * Small files of /proc, written by a plan.
 *
 * @module
 */
import { ENOENT } from "../ffi/constants/errno.ts";
import { AT_FDCWD, O_CLOEXEC, O_WRONLY } from "../ffi/constants/fcntl.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import type { Note } from "../ffi/plan/step.ts";
import type { Operand } from "../ffi/plan/step.ts";

/** Writes bytes to a file that exists. */
export function writeFile(
  p: Builder,
  path: string,
  bytes: Operand,
  size: Operand,
  note: Note & { optional?: boolean } = {},
): void {
  const { optional, ...rest } = note;
  const missing = p.label();
  const fd = p.call("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0], {
    ...rest,
    message: `cannot open ${path}`,
    ...(optional && { accept: [ENOENT] }),
  });
  if (optional) p.branch("equal", fd, -ENOENT, missing);
  p.call("write", [fd, bytes, size], { message: `write failed ${path}` });
  p.call("close", [fd]);
  p.place(missing);
}
