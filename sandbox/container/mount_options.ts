/**
 * Options of mounts, as the OCI runtime specification has them.
 *
 * @module
 */
import {
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_STRICTATIME,
  MS_PRIVATE,
  MS_REC,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
} from "../../ffi/constants/mount.ts";
import type { FilesystemOption } from "../mount_api.ts";

/** What options say. */
export interface MountOptions {
  /** Whether a directory is mounted that is there already, and with the mounts below it. */
  readonly bind?: "bind" | "rbind";
  /** Attributes of the mount to set and to clear. */
  readonly own: { readonly set: number; readonly clear: number };
  /** Those of all mounts below it, too. */
  readonly all: { readonly set: number; readonly clear: number };
  /** How it and, with `MS_REC`, those below spread. */
  readonly propagation?: number;
  /** Whether its files, and those of mounts below, are owned by the ids of the container. */
  readonly idmap?: "idmap" | "ridmap";
  /** Those of the file system. */
  readonly data: readonly FilesystemOption[];
}

/** What attributes an option sets, and clears. */
const ATTRIBUTES: Readonly<Record<string, readonly [set: number, clear: number]>> = {
  ro: [MOUNT_ATTR_RDONLY, 0],
  rw: [0, MOUNT_ATTR_RDONLY],
  nosuid: [MOUNT_ATTR_NOSUID, 0],
  suid: [0, MOUNT_ATTR_NOSUID],
  nodev: [MOUNT_ATTR_NODEV, 0],
  dev: [0, MOUNT_ATTR_NODEV],
  noexec: [MOUNT_ATTR_NOEXEC, 0],
  exec: [0, MOUNT_ATTR_NOEXEC],
  nodiratime: [MOUNT_ATTR_NODIRATIME, 0],
  diratime: [0, MOUNT_ATTR_NODIRATIME],
  nosymfollow: [MOUNT_ATTR_NOSYMFOLLOW, 0],
  symfollow: [0, MOUNT_ATTR_NOSYMFOLLOW],
  relatime: [0, MOUNT_ATTR__ATIME],
  noatime: [MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME],
  strictatime: [MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME],
  atime: [0, MOUNT_ATTR__ATIME],
  norelatime: [0, MOUNT_ATTR__ATIME],
  defaults: [0, 0],
};

/** The flags of mount(2) for each propagation. */
export const PROPAGATIONS: Readonly<Record<string, number>> = {
  private: MS_PRIVATE,
  slave: MS_SLAVE,
  shared: MS_SHARED,
  unbindable: MS_UNBINDABLE,
};

/** Options of other runtimes that a file system must not be given. */
const UNSUPPORTED = ["remount", "tmpcopyup", "copy-symlink"];

/**
 * What options say.
 *
 * @throws {RangeError} for one that can't be had
 */
export function parseMountOptions(options: readonly string[]): MountOptions {
  const own = { set: 0, clear: 0 };
  const all = { set: 0, clear: 0 };
  const data: FilesystemOption[] = [];
  let found: Pick<MountOptions, "bind" | "propagation" | "idmap"> = {};
  for (const option of options) {
    const below = option.startsWith("r") ? option.slice(1) : "";
    if (option === "bind" || option === "rbind") found = { ...found, bind: option };
    else if (option === "idmap" || option === "ridmap") found = { ...found, idmap: option };
    else if (Object.hasOwn(ATTRIBUTES, option)) change(own, ATTRIBUTES[option]!);
    else if (Object.hasOwn(ATTRIBUTES, below)) change(all, ATTRIBUTES[below]!);
    else if (Object.hasOwn(PROPAGATIONS, option)) {
      found = { ...found, propagation: PROPAGATIONS[option]! };
    } else if (Object.hasOwn(PROPAGATIONS, below)) {
      found = { ...found, propagation: PROPAGATIONS[below]! | MS_REC };
    } else if (UNSUPPORTED.includes(option)) {
      throw new RangeError(`mount option '${option}' is not supported`);
    } else data.push(parseData(option));
  }
  return { ...found, own, all, data };
}

function change(
  attributes: { set: number; clear: number },
  [set, clear]: readonly [number, number],
): void {
  attributes.set = attributes.set & ~clear | set;
  attributes.clear = attributes.clear & ~set | clear;
}

/** An option of a file system, as fsconfig(2) takes it. */
function parseData(option: string): FilesystemOption {
  const at = option.indexOf("=");
  return at < 0 ? [option] : [option.slice(0, at), option.slice(at + 1)];
}
