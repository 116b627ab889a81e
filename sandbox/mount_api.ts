/**
 * Mounts by descriptor: a mount is made first, seen by nobody, given its
 * attributes, and attached to a place that was looked up once. No path is
 * resolved twice, so that nobody can put something else there in between. See
 * fsopen(2), open_tree(2), mount_setattr(2), move_mount(2), openat2(2).
 *
 * @module
 */
import { EEXIST, ENOENT, EPERM } from "../ffi/constants/errno.ts";
import {
  AT_EMPTY_PATH,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from "../ffi/constants/fcntl.ts";
import {
  AT_RECURSIVE,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../ffi/constants/mount.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import { type Cell, ERRNO, type Need, type Note, type Operand } from "../ffi/plan/step.ts";
import { NEEDS } from "./kernel.ts";

/** An option of a file system: a flag, or a name and its value; and what is said if it is refused. */
export type FilesystemOption = readonly [name: string, value?: string, refused?: Need];

/** What is to be changed of a mount's attributes, see mount_setattr(2). */
export interface Attributes {
  /** `MOUNT_ATTR_*` to set. */
  readonly set?: number;
  /** `MOUNT_ATTR_*` to clear. */
  readonly clear?: number;
  /** `MS_PRIVATE`, `MS_SLAVE`, ... */
  readonly propagation?: number;
  /** The user namespace by whose maps its files are owned, with `MOUNT_ATTR_IDMAP`. */
  readonly userns?: Cell;
  /** Whether all mounts below are meant, too. */
  readonly recursive?: boolean;
}

/** Makes a file system; a descriptor of its mount, which is not attached yet. */
export function makeFilesystem(
  p: Builder,
  type: string,
  options: readonly FilesystemOption[],
  attributes: number,
  note: Note,
): Cell {
  const context = p.call("fsopen", [type, FSOPEN_CLOEXEC], { needs: NEEDS.mountApi, ...note });
  for (const [name, value, refused] of options) {
    const command = value === undefined ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
    p.call("fsconfig", [context, command, name, value ?? 0, 0], {
      why: "an option of the file system",
      ...refusedOption(note, name, value),
      ...(refused && { needs: refused }),
    });
  }
  const { why: _, ...rest } = note;
  p.call("fsconfig", [context, FSCONFIG_CMD_CREATE, 0, 0, 0], {
    why: "make the file system",
    ...rest,
  });
  const mount = p.call("fsmount", [context, FSMOUNT_CLOEXEC, attributes], {
    why: "make a mount of it, which is attached later",
    ...rest,
    ...(SYSTEM.includes(type) && { needs: WHOLE }),
  });
  p.call("close", [context]);
  return mount;
}

/** File systems of which no new one shows what of an old one is hidden. */
const SYSTEM = ["proc", "sysfs"];
const WHOLE: Need = {
  errno: EPERM,
  text:
    "who is in a user namespace gets a new /proc or /sys only where nothing of the old one is " +
    "hidden or read-only, as it is in a container: start that one with --privileged, " +
    "or docker's with --security-opt systempaths=unconfined",
};

function refusedOption(
  { message, fail }: Note,
  name: string,
  value: string | undefined,
): Note {
  const option = value === undefined ? name : `${name}=${value}`;
  return { message: `${message}, with ${option}`, ...(fail && { fail }) };
}

/** Copies a mount, or the part of it below a path; a descriptor of the copy, which is not attached yet. */
export function copyMount(
  p: Builder,
  directory: Operand,
  path: string,
  { recursive = true }: { recursive?: boolean },
  note: Note,
): Cell {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0) |
    (path === "" ? AT_EMPTY_PATH : 0);
  return p.call("open_tree", [directory, path, flags], { needs: NEEDS.mountApi, ...note });
}

/** Changes attributes of a mount. */
export function setAttributes(
  p: Builder,
  mount: Cell,
  { set = 0, clear = 0, propagation = 0, userns, recursive }: Attributes,
  note: Note,
): void {
  const attributes = p.cell("struct mount_attr", 32, [set, clear, propagation, 0]);
  if (userns) p.control("store64", [{ addressOf: attributes }, 24, userns]);
  const flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  p.call("mount_setattr", [mount, "", flags, { addressOf: attributes }, 32], {
    needs: NEEDS.mountApi,
    ...note,
  });
}

/** Attaches a mount at a place that is open. */
export function attach(p: Builder, mount: Cell, place: Cell, note: Note): void {
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  p.call("move_mount", [mount, "", place, "", flags], note);
}

/** `struct open_how` for a path within a root: links lead nowhere else, and those of /proc nowhere. */
const IN_ROOT: Uint8Array = structure([
  O_PATH | O_CLOEXEC,
  0,
  RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
]);

/** `struct open_how` for a name in a directory that is no link. */
const NO_LINK: Uint8Array = structure([
  O_PATH | O_CLOEXEC,
  0,
  RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
]);

/** Opens a path within a root; one that is known at the run must not begin with a slash. */
export function openInRoot(p: Builder, root: Cell, path: string | Cell, note: Note): Cell {
  const from = typeof path === "string" ? relative(path) : path;
  return p.call("openat2", [root, from, IN_ROOT, IN_ROOT.length], {
    needs: NEEDS.mountApi,
    ...note,
  });
}

/** What stands at a place where something is mounted. */
export type PlaceKind = "directory" | "file";

/** Opens the place for a mount within a root; what is missing of it is made. */
export function openPlace(
  p: Builder,
  root: Cell,
  path: string,
  kind: PlaceKind,
  message: string,
): Cell {
  const [missing, make, found] = [p.label(), p.label(), p.label()];
  const place = p.cell(`place ${path}`);
  openInRoot(p, root, path, {
    why: "the place in the root, wherever links lead",
    result: place,
    fail: missing,
    next: found,
  });
  p.place(missing);
  p.branch("equal", ERRNO, ENOENT, make);
  p.control("raise", [ERRNO], { message });
  p.place(make);
  p.set(place, makePlace(p, root, path, kind, message));
  p.place(found);
  return place;
}

/** Makes the place for a mount in a file system that is new, in which nobody has put links. */
export function makeNewPlace(
  p: Builder,
  root: Cell,
  path: string,
  kind: PlaceKind,
  message: string,
): Cell {
  const names = relative(path).split("/");
  const note = { why: "a place for a mount", message, accept: [EEXIST] };
  names.forEach((_, i) => {
    const last = i === names.length - 1;
    if (last && kind === "file") return;
    p.call("mkdirat", [root, names.slice(0, i + 1).join("/"), 0o755], note);
  });
  const name = names.join("/");
  return kind === "file"
    ? p.call("openat", [root, name, O_CREAT | O_CLOEXEC, 0o644], { ...note, accept: [] })
    : p.call("openat2", [root, name, NO_LINK, NO_LINK.length], { message });
}

/** Opens the place for a mount in a file system of the kernel, which has it. */
export function openKernelPlace(p: Builder, root: Cell, path: string, message: string): Cell {
  return p.call("openat2", [root, relative(path), NO_LINK, NO_LINK.length], { message });
}

function makePlace(
  p: Builder,
  root: Cell,
  path: string,
  kind: PlaceKind,
  message: string,
): Cell {
  const names = relative(path).split("/").filter((name) => name !== "" && name !== ".");
  let parent = root;
  names.forEach((name, i) => {
    const [missing, found] = [p.label(), p.label()];
    const entry = p.cell(`place ${name}`);
    const last = i === names.length - 1;
    if (!last) {
      openInRoot(p, root, names.slice(0, i + 1).join("/"), {
        result: entry,
        fail: missing,
        next: found,
      });
      p.place(missing);
    }
    const note = {
      why: "there is no such place yet",
      accept: [EEXIST],
      message: `${message}: cannot make the mount point`,
    };
    if (last && kind === "file") {
      const fd = p.call("openat", [parent, name, O_CREAT | O_EXCL | O_CLOEXEC, 0o644], note);
      const open = p.label();
      p.branch("equal", fd, -EEXIST, open);
      p.call("close", [fd]);
      p.place(open);
    } else {
      p.call("mkdirat", [parent, name, 0o755], note);
    }
    p.call("openat2", [parent, name, NO_LINK, NO_LINK.length], {
      why: "a link that was put there instead is not followed",
      message,
      result: entry,
    });
    p.place(found);
    parent = entry;
  });
  return parent;
}

/** A path within a root, from that root: `openat2` takes an absolute one, too, mkdirat does not. */
export function relative(path: string): string {
  return path.replace(/^\/+/, "") || ".";
}

/** 64-bit words as bytes. */
export function structure(words: readonly (number | bigint)[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new BigUint64Array(words.map(BigInt)).buffer);
}
