/**
 * The mounts of this process that can be reached by a path, see
 * proc_pid_mountinfo(5).
 *
 * @module
 */
import { decode } from "../../ffi/bytes.ts";
import {
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
} from "../../ffi/constants/mount.ts";
import { readFile } from "../../ffi/file.ts";
import { type MountLine, parseMountinfo } from "../mountinfo.ts";

/** A mount. */
export interface MountEntry {
  /** Where it is mounted. */
  readonly path: string;
  /** The type of the file system. */
  readonly type: string;
  /** Attributes that a copy of its files is to have, too: `MOUNT_ATTR_*`. */
  readonly attributes: number;
}

const KEPT: Readonly<Record<string, number>> = {
  nosuid: MOUNT_ATTR_NOSUID,
  nodev: MOUNT_ATTR_NODEV,
  noexec: MOUNT_ATTR_NOEXEC,
};

/** The mounts that can be reached, each before those below it. */
export function readMounts(): MountEntry[] {
  return reachable(decode(readFile("/proc/self/mountinfo")));
}

/** Those of the text that can be reached: others are hidden by what is mounted over them. */
export function reachable(text: string): MountEntry[] {
  const mounts = parseMountinfo(text);
  const ids = new Set(mounts.map(({ id }) => id));
  const children = Map.groupBy(mounts, ({ id, parent }) => id === parent ? "" : parent);
  const found: MountEntry[] = [];
  const visit = (mount: MountLine): void => {
    const below = children.get(mount.id) ?? [];
    // The last one that lies on all of this mount hides it, and what is below it.
    const cover = below.findLast(({ path }) => path === mount.path);
    if (cover) return visit(cover);
    const attributes = mount.options.reduce((all, option) => all | (KEPT[option] ?? 0), 0);
    found.push({ path: mount.path, type: mount.type, attributes });
    below.forEach((child, i) => {
      const later = below.slice(i + 1);
      if (!later.some(({ path }) => isWithin(child.path, path))) visit(child);
    });
  };
  const top = mounts.findLast(({ id, parent, path }) =>
    path === "/" && (!ids.has(parent) || id === parent)
  );
  if (top) visit(top);
  return found.sort((a, b) => a.path < b.path ? -1 : 1);
}

/** Whether a path is another one, or lies below it. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || directory === "/" || path.startsWith(`${directory}/`);
}
