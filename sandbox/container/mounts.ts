/**
 * What is mounted in a container: each mount is made before the root changes,
 * from where its source can be seen, and attached afterwards, when nothing but
 * the root is left to attach it to.
 *
 * @module
 */
import { EINVAL } from "../../ffi/constants/errno.ts";
import { AT_FDCWD, S_IFDIR, S_IFMT } from "../../ffi/constants/fcntl.ts";
import {
  MOUNT_ATTR_IDMAP,
  MOUNT_ATTR_RDONLY,
  MS_PRIVATE,
  MS_REC,
} from "../../ffi/constants/mount.ts";
import { described } from "../../ffi/libc.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import type { Cell, Need } from "../../ffi/plan/step.ts";
import { statx } from "../../ffi/stat.ts";
import {
  attach,
  copyMount,
  type FilesystemOption,
  makeFilesystem,
  makeNewPlace,
  openKernelPlace,
  openPlace,
  type PlaceKind,
  relative,
  setAttributes,
} from "../mount_api.ts";
import { type MountOptions, parseMountOptions } from "./mount_options.ts";
import { isWithin } from "./mount_table.ts";
import type { IdRanges } from "../idmap.ts";
import type { IdRange } from "../idranges.ts";
import type { IdMapping, Mount } from "./oci.ts";

/** A mount, as it is to be made. */
export interface MountSpec extends MountOptions {
  /** Where, inside. */
  readonly destination: string;
  /** What is there already if it is to be bound, or the type of a new file system. */
  readonly source: { readonly bind: string } | { readonly type: string; readonly source?: string };
  /** What it can be attached to. */
  readonly kind: PlaceKind;
  /** The ids by which its files are owned inside, if not by those that they have. */
  readonly ids?: IdRanges | undefined;
}

/** A mount that has a descriptor. */
export interface MadeMount {
  /** What it is. */
  readonly spec: MountSpec;
  /** Its descriptor. */
  readonly fd: Cell;
}

/**
 * What a mount of a configuration comes to.
 *
 * @throws {RangeError} when an option can't be had
 * @throws {SyscallError} when there is no such source
 */
export function mountSpec(mount: Mount, ids?: IdRanges): MountSpec {
  const { destination, type, source, options = [], uidMappings, gidMappings } = mount;
  const parsed = parseMountOptions(options);
  const own = (uidMappings ?? gidMappings) && {
    users: (uidMappings ?? []).map(toRange),
    groups: (gidMappings ?? []).map(toRange),
  };
  const mapped = own ?? (parsed.idmap ? ids : undefined);
  if (type === "bind" || parsed.bind) {
    const [option] = parsed.data;
    if (option) throw new RangeError(`mount ${destination}: no option '${option[0]}' of a bind`);
    const bound = source ?? "/";
    const kind = kindOf(bound, destination);
    return { ...parsed, destination, source: { bind: bound }, kind, ids: mapped };
  }
  const named = source === undefined || source === type ? {} : { source };
  return { ...parsed, destination, source: { type: type ?? "none", ...named }, kind: "directory" };
}

function kindOf(path: string, destination: string): PlaceKind {
  const step = `cannot mount ${path} on ${destination}`;
  const { mode } = described({ path, step }, () => statx(path));
  return (mode & S_IFMT) === S_IFDIR ? "directory" : "file";
}

/** A range of ids, as the specification has it. */
export function toRange({ containerID, hostID, size }: IdMapping): IdRange {
  return { inside: containerID, outside: hostID, count: size };
}

/** Copies a mount that is to be bound; a descriptor. With a user namespace its files are owned by that one's ids. */
export function copySource(p: Builder, spec: MountSpec, userns?: Cell): Cell {
  const { destination, source, bind, own, all, propagation = MS_PRIVATE | MS_REC } = spec;
  const from = "bind" in source ? source.bind : "";
  const message = `cannot mount ${from} on ${destination}`;
  const fd = copyMount(p, AT_FDCWD, from, { recursive: bind === "rbind" }, {
    why: "a copy of the mount, of which only we know",
    message,
  });
  const spreads = (propagation & MS_REC) !== 0;
  const type = propagation & ~MS_REC;
  setAttributes(p, fd, { ...all, ...(spreads && { propagation: type }), recursive: true }, {
    why: "what is mounted below it is meant, too",
    message,
  });
  if (own.set || own.clear || !spreads) {
    setAttributes(p, fd, { ...own, ...(!spreads && { propagation: type }) }, { message });
  }
  if (userns) {
    const recursive = bind === "rbind" && spec.idmap !== "idmap";
    setAttributes(p, fd, { set: MOUNT_ATTR_IDMAP, userns, recursive }, {
      why: "its files are owned by other ids inside",
      message: `${message}, with other ids`,
    });
  }
  return fd;
}

/** Makes a file system; a descriptor. */
export function makeMount(p: Builder, spec: MountSpec): Cell {
  const { destination, source, own, all, data } = spec;
  if (!("type" in source)) throw new TypeError(`${destination} is bound`);
  const options: FilesystemOption[] = source.source === undefined
    ? [...data]
    : [["source", source.source], ...data];
  const attributes = own.set | all.set;
  const now = isLateReadonly(spec) ? attributes & ~MOUNT_ATTR_RDONLY : attributes;
  return makeFilesystem(p, source.type, options, now, {
    why: `for ${destination}`,
    message: `cannot mount ${source.type} on ${destination}`,
  });
}

/** Whether a mount becomes read-only in the end, when there are places in it for other mounts. */
export function isLateReadonly({ source, own, all }: MountSpec): boolean {
  return "type" in source && source.type === "tmpfs" &&
    ((own.set | all.set) & MOUNT_ATTR_RDONLY) !== 0;
}

/** Where a path inside is looked up. */
export interface Found {
  /** The directory from which. */
  readonly root: Cell;
  /** The path from there. */
  readonly path: string;
  /** The type of the file system there, if it was made here; nobody has put links in it. */
  readonly fresh: string | undefined;
}

/** Where mounts are attached. */
export interface Places {
  /** Where a path inside is looked up. */
  find(path: string): Found;
  /** Opens, or makes, the place for a mount. */
  open(p: Builder, path: string, kind: PlaceKind, message: string): Cell;
  /** That a mount is attached there, of this type if it was made here. */
  add(path: string, mount: Cell, fresh?: string): void;
}

/**
 * A path inside is looked up from the root; below a file system that was made
 * here, from that one: whatever somebody makes of the path to it meanwhile, what
 * is meant to lie in /proc lies in the /proc that was mounted.
 */
export function places(root: Cell): Places {
  let mounted: { path: string; mount: Cell; fresh: string | undefined }[] = [
    { path: "/", mount: root, fresh: undefined },
  ];
  const find = (path: string): Found => {
    const { path: base, mount, fresh } = mounted.findLast((each) => isWithin(path, each.path))!;
    return { root: fresh ? mount : root, path: fresh ? path.slice(base.length) : path, fresh };
  };
  return {
    find,
    open: (p, path, kind, message) => {
      const { root, path: rest, fresh } = find(path);
      // What lies on another mount is not new there.
      if (fresh === undefined || relative(rest) === ".") {
        return openPlace(p, root, rest, kind, message);
      }
      return fresh === "tmpfs"
        ? makeNewPlace(p, root, rest, kind, message)
        : openKernelPlace(p, root, rest, message);
    },
    add: (path, mount, fresh) => {
      mounted = mounted.filter((each) => each.path === "/" || !isWithin(each.path, path));
      mounted.push({ path, mount, fresh });
    },
  };
}

/** What move_mount(2) has no errno of its own for. */
const SAME_KIND: Need = {
  errno: EINVAL,
  text: "a directory is mounted on a directory, all else on what is none",
};

/** Attaches a mount where it belongs. */
export function attachMount(p: Builder, at: Places, { spec, fd }: MadeMount): void {
  const { destination, kind, source } = spec;
  const message = `cannot mount ${"bind" in source ? source.bind : source.type} on ${destination}`;
  const place = at.open(p, destination, kind, message);
  attach(p, fd, place, { why: `there is ${destination}`, message, needs: SAME_KIND });
  at.add(destination, fd, "bind" in source || source.type === "overlay" ? undefined : source.type);
}
