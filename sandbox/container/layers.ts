/**
 * A root whose changes lie elsewhere: overlays, of a directory or of the whole
 * machine, of which the upper layers are kept in one place. See overlayfs in the
 * kernel's documentation.
 *
 *     layers/%2F/upper         what was changed in /, and in no other layer
 *     layers/home/upper        what was changed in /home
 *     layers/home%2Fme/upper   ...
 *     layers/%skeleton         directories for mounts, if / can't be a lower layer
 *
 * @module
 */
import { EINVAL } from "../../ffi/constants/errno.ts";
import type { Need } from "../../ffi/plan/step.ts";
import { isAmong } from "../idranges.ts";
import type { FilesystemOption } from "../mount_api.ts";
import { isWithin, type MountEntry } from "./mount_table.ts";
import type { IdMapping, Linux } from "./oci.ts";

/** One overlay, or what stands for it. */
export interface Layer {
  /** Where it is inside, and where what it shows lies outside. */
  readonly place: string;
  /** The lower directory, outside; absent for the skeleton. */
  readonly lower?: string;
  /** What it is: anything but a directory is bound, and can't be changed. */
  readonly kind: "directory" | "file";
  /** Attributes of the mount whose files it shows. */
  readonly attributes: number;
  /** Permissions and owner of the lower directory. */
  readonly owner: Owner;
  /** Whether an overlay is needed; if not, it is read-only where there can't be one. */
  readonly required: boolean;
}

/** Whether what is attached to a root is a layer of it. */
export function isLayer(mount: object): mount is Layer {
  return "place" in mount;
}

/** Permissions, owner and group of a directory. */
export interface Owner {
  /** The permissions. */
  readonly mode: number;
  /** The user id. */
  readonly uid: number;
  /** The group id. */
  readonly gid: number;
}

/** Tells whose files a user namespace of a container's own knows; of another one it is taken to be all. */
export function knownOwners(
  { uidMappings: users, gidMappings: groups }: Linux,
): (owner: Pick<Owner, "uid" | "gid">) => boolean {
  return ({ uid, gid }) => !users || !groups || isMapped(users, uid) && isMapped(groups, gid);
}

function isMapped(mappings: readonly IdMapping[], id: number): boolean {
  return mappings.some(({ hostID, size }) => isAmong(id, hostID, size));
}

/** What has to be in the skeleton: directories, files to mount on, and links with their text. */
export interface SkeletonEntry {
  /** Its path from the root. */
  readonly path: string;
  /** Its kind. */
  readonly kind: "directory" | "file" | "link";
  /** The text of a link. */
  readonly target?: string;
  /** The permissions of a directory. */
  readonly mode?: number;
}

/** A root made of layers. */
export interface Layers {
  /** The layers, each before those within it; the first is the root. */
  readonly layers: readonly Layer[];
  /** What the lower directory of the root consists of, if it is not one of the machine. */
  readonly skeleton?: readonly SkeletonEntry[];
}

/** How files are looked at. */
export interface Files {
  /** What is at a path, itself if it is a link; nothing if it is not there. */
  stat(path: string): (Owner & { readonly kind: string }) | undefined;
  /** The names in a directory; none if it can't be read. */
  list(path: string): readonly string[];
  /** The text of a link. */
  readlink(path: string): string;
}

/** File systems that are no files of the machine. */
const PSEUDO = new Set(
  ("proc sysfs cgroup cgroup2 devpts devtmpfs mqueue debugfs tracefs securityfs pstore bpf " +
    "configfs fusectl efivarfs hugetlbfs binfmt_misc autofs rpc_pipefs nsfs selinuxfs").split(" "),
);

/** What a copy of the machine depends on. */
export interface Copied {
  /** The mounts, each before those below it. */
  readonly mounts: readonly MountEntry[];
  /** The files. */
  readonly files: Files;
  /**
   * In a user namespace, whether an owner is known there. An overlay is then refused what
   * has mounts below it, and does not copy a directory of somebody else to change what is
   * in it.
   */
  readonly knows?: (owner: Owner) => boolean;
}

/**
 * The layers of a copy of the machine.
 *
 * @param covered where something else is mounted inside
 * @param directory the working directory, which must be a layer that can be changed
 */
export function machineLayers(
  { mounts, files, knows }: Copied,
  covered: readonly string[],
  directory: string,
): Layers {
  const real = mounts.filter(({ path, type }) =>
    !PSEUDO.has(type) && !covered.some((place) => isWithin(path, place))
  );
  const attributesOf = (path: string): number =>
    mounts.findLast((each) => isWithin(path, each.path))?.attributes ?? 0;
  const layer = (place: string, owner: Owner & { kind: string }): Layer => ({
    place,
    lower: place,
    kind: owner.kind === "directory" ? "directory" : "file",
    attributes: attributesOf(place),
    owner,
    required: false,
  });

  const layers: Layer[] = [];
  const skeleton: SkeletonEntry[] = [];
  const root = files.stat("/")!;
  const isCovered = (path: string): boolean => covered.includes(path);
  /** Whether something is mounted below a path, or hides what is there. */
  const hasMounts = (path: string): boolean =>
    mounts.some((each) => each.path !== path && isWithin(each.path, path));
  /** Whether directories of others lie between one and the working directory. */
  const isCutOff = (path: string): boolean => {
    if (!isWithin(directory, path)) return false;
    const names = directory.slice(path.length).split("/").slice(1, -1);
    return names.some((_, i) => {
      const between = files.stat(`${path}/${names.slice(0, i + 1).join("/")}`);
      return between !== undefined && !knows!(between);
    });
  };
  /** The parts of a directory that can't be one layer. */
  const divide = (parent: string): void => {
    for (const name of files.list(parent === "" ? "/" : parent)) {
      const path = `${parent}/${name}`;
      const is = files.stat(path);
      if (!is) continue;
      const mount = mounts.find((each) => each.path === path);
      if (is.kind === "link") {
        skeleton.push({ path, kind: "link", target: files.readlink(path) });
      } else if (is.kind === "directory") {
        skeleton.push({ path, kind: "directory", mode: is.mode });
        if (isCovered(path) || mount && PSEUDO.has(mount.type)) continue;
        if (hasMounts(path) || isCutOff(path)) divide(path);
        else layers.push(layer(path, is));
      } else if (is.kind === "file") {
        skeleton.push({ path, kind: "file" });
        layers.push(layer(path, is));
      }
    }
  };

  if (knows) {
    const { lower: _, ...top } = layer("/", root);
    layers.push({ ...top, required: true });
    divide("");
  } else {
    layers.push({ ...layer("/", root), required: true });
    for (const { path } of real) {
      const is = path === "/" ? undefined : files.stat(path);
      if (is) layers.push(layer(path, is));
    }
  }
  const holder = layers.findLast(({ place }) => isWithin(directory, place))!;
  return {
    layers: layers.map((each) => each === holder ? { ...each, required: true } : each),
    ...(knows && { skeleton }),
  };
}

/** The name of a layer's directory. */
export function layerName(place: string): string {
  const escaped = place.replaceAll("%", "%25").replace(/^\/(?!$)/, "");
  return escaped.replaceAll("/", "%2F");
}

/** Where the layer of this name is. */
export function layerPlace(name: string): string {
  const place = name.replaceAll("%2F", "/").replaceAll("%25", "%");
  return place === "/" ? place : `/${place}`;
}

/** Whether a directory of these entries can be one in which layers are kept: the first is `%2F`, or `%skeleton`. */
export function isKept(names: readonly string[]): boolean {
  return names.length === 0 || names.some((name) => name.startsWith("%"));
}

/** What can't hold the changes of an overlay. */
const UNFIT: Need = {
  errno: EINVAL,
  text: "changes can't be kept on another overlay, or over a network: " +
    "--keep takes a directory on another file system",
};

/** The options of an overlay whose upper layer is below the working directory. */
export function overlayOptions(
  name: string,
  lower: string,
  inUserNamespace: boolean,
): FilesystemOption[] {
  return [
    // A colon separates several directories.
    ["lowerdir", lower.replace(/[\\:]/g, "\\$&")],
    ["upperdir", `${name}/upper`, UNFIT],
    ["workdir", `${name}/work`],
    // What was changed is then to be seen in the upper layer alone.
    ["redirect_dir", "nofollow"],
    ["metacopy", "off"],
    ...(inUserNamespace ? [["userxattr"] as const] : []),
  ];
}
