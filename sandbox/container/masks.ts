/**
 * Paths of a container that can't be read, or not written.
 *
 * @module
 */
import { ENOENT } from "../../ffi/constants/errno.ts";
import { S_IFDIR, S_IFMT } from "../../ffi/constants/fcntl.ts";
import {
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
} from "../../ffi/constants/mount.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import { type Cell, ERRNO, type Label, type Note } from "../../ffi/plan/step.ts";
import { stat } from "../descriptors.ts";
import {
  attach,
  copyMount,
  makeFilesystem,
  openInRoot,
  relative,
  setAttributes,
} from "../mount_api.ts";
import type { Places } from "./mounts.ts";

const EMPTY = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

/** Hides what is at these paths, if there is anything: a directory is empty, a file is /dev/null. */
export function mask(p: Builder, at: Places, paths: readonly string[], devnull: Cell): void {
  forEach(p, at, paths, "cannot mask ", (place, note, next) => {
    const { mode } = stat(p, place, ["mode"], note);
    const [directory, done] = [p.label(), p.label()];
    const mount = p.cell("mask");
    p.branch("equal", p.control("and", [mode, S_IFMT]), S_IFDIR, directory);
    p.set(
      mount,
      copyMount(p, devnull, "", { recursive: false }, { why: "for a file", ...note }),
      done,
    );
    p.place(directory);
    const options = [["mode", "755"]] as const;
    p.set(mount, makeFilesystem(p, "tmpfs", options, EMPTY, { why: "for a directory", ...note }));
    p.place(done);
    attach(p, mount, place, { why: "what is in it can't be seen", ...note });
    p.call("close", [mount]);
    p.call("close", [place], { next });
  });
}

/** Has nothing at these paths changed, if there is anything. */
export function makeReadonly(p: Builder, at: Places, paths: readonly string[]): void {
  forEach(p, at, paths, "cannot make read-only ", (place, note, next) => {
    const copy = copyMount(p, place, "", {}, { why: "a mount of its own", ...note });
    setAttributes(p, copy, { set: MOUNT_ATTR_RDONLY, recursive: true }, note);
    attach(p, copy, place, { why: "what is in it can't be changed", ...note });
    p.call("close", [copy]);
    p.call("close", [place], { next });
  });
}

/**
 * Does something with each path that is there, whose place is open then; the paths
 * of one file system in a loop, so that a plan does not grow with their number.
 */
function forEach(
  p: Builder,
  at: Places,
  paths: readonly string[],
  message: string,
  work: (place: Cell, note: Note, next: Label) => void,
): void {
  const groups = Map.groupBy(paths, (path) => at.find(path).root);
  for (const [root, group] of groups) {
    const list = group.flatMap((path) => [relative(at.find(path).path), path]);
    const entry = p.control("add", [{ list }, 0]);
    const [again, next, missing, found, done] = [
      p.here(),
      p.label(),
      p.label(),
      p.label(),
      p.label(),
    ];
    const path = p.control("load64", [entry, 0]);
    p.branch("equal", path, 0, done);
    const note: Note = { message, subject: p.control("load64", [entry, 8]) };
    const place = openInRoot(p, root, path, { ...note, fail: missing, next: found });
    p.place(missing);
    p.branch("equal", ERRNO, ENOENT, next);
    p.control("raise", [ERRNO], note);
    p.place(found);
    work(place, note, next);
    p.place(next);
    p.control("add", [entry, 16], { result: entry, next: again });
    p.place(done);
  }
}
