/**
 * Paths of a container that can't be read, or not written.
 *
 * @module
 */
import { ENOENT } from "../../ffi/constants/errno.ts";
import {
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
} from "../../ffi/constants/mount.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import { type Cell, ERRNO, type Label } from "../../ffi/plan/step.ts";
import { stat } from "../descriptors.ts";
import { attach, copyMount, makeFilesystem, openInRoot, setAttributes } from "../mount_api.ts";
import type { Places } from "./mounts.ts";

const [S_IFMT, S_IFDIR] = [0o170000, 0o040000];
const EMPTY = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

/** Hides what is at a path, if there is anything: a directory is empty, a file is /dev/null. */
export function mask(p: Builder, at: Places, path: string, devnull: Cell): void {
  const message = `cannot mask ${path}`;
  const [end, directory] = [p.label(), p.label()];
  const place = openIfThere(p, at, path, message, end);
  const { mode } = stat(p, place, ["mode"], { message });
  p.branch("equal", p.control("and", [mode, S_IFMT]), S_IFDIR, directory);
  const copy = copyMount(p, devnull, "", { recursive: false }, { why: "for a file", message });
  attach(p, copy, place, { why: "what is in it can't be read", message });
  p.call("close", [copy]);
  p.call("close", [place], { next: end });
  p.place(directory);
  const empty = makeFilesystem(p, "tmpfs", [["mode", "755"]], EMPTY, {
    why: "for a directory",
    message,
  });
  attach(p, empty, place, { why: "what is in it can't be seen", message });
  p.call("close", [empty]);
  p.call("close", [place]);
  p.place(end);
}

/** Has nothing at a path changed, if there is anything. */
export function makeReadonly(p: Builder, at: Places, path: string): void {
  const message = `cannot make ${path} read-only`;
  const end = p.label();
  const place = openIfThere(p, at, path, message, end);
  const copy = copyMount(p, place, "", {}, { why: "a mount of its own", message });
  setAttributes(p, copy, { set: MOUNT_ATTR_RDONLY, recursive: true }, { message });
  attach(p, copy, place, { why: "what is in it can't be changed", message });
  p.call("close", [copy]);
  p.call("close", [place]);
  p.place(end);
}

/** Opens a path inside; goes on elsewhere if there is no such thing. */
function openIfThere(p: Builder, at: Places, path: string, message: string, end: Label): Cell {
  const [missing, found] = [p.label(), p.label()];
  const { root, path: rest } = at.find(path);
  const place = openInRoot(p, root, rest, { fail: missing, next: found });
  p.place(missing);
  p.branch("equal", ERRNO, ENOENT, end);
  p.control("raise", [ERRNO], { message });
  p.place(found);
  return place;
}
