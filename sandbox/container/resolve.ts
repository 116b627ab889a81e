/**
 * What a configuration comes to on a machine: nothing is left to be found out but
 * what only the kernel knows.
 *
 * @module
 */
import type { IdRanges } from "../idmap.ts";
import type { IdRange } from "../idranges.ts";
import { type Cgroup, layOutCgroup } from "../cgroup/layout.ts";
import type { NamespaceName } from "../namespaces.ts";
import { type Landlock, parseLandlock } from "../landlock.ts";
import { DIE_WITH_PARENT, DIFF, INIT, LANDLOCK, LAYERS, TIMEOUT } from "./annotations.ts";
import { boundCgroups, cgroupMounts } from "./cgroups.ts";
import { USUAL_DEVICES } from "./defaults.ts";
import { isKept, isLayer, knownOwners, type Layer, type Layers, machineLayers } from "./layers.ts";
import type { Machine } from "./machine.ts";
import { type MountSpec, mountSpec, toRange } from "./mounts.ts";
import { isWithin } from "./mount_table.ts";
import { natOf, pastaOf, vethOf } from "./network.ts";
import type { Pasta } from "../network/pasta.ts";
import type { Nat } from "../network/nat.ts";
import type { Veth } from "../network/veth.ts";
import { stateDirectory } from "./state.ts";
import { ConfigError } from "./supported.ts";
import type { Config, IdMapping, NamespaceType, Process } from "./oci.ts";

/** A container, as it is to be made here. */
export interface Container {
  /** The configuration. */
  readonly config: Config;
  /** The program. */
  readonly process: Process;
  /** The namespaces to make. */
  readonly made: ReadonlySet<NamespaceName>;
  /** The namespaces to join, by their files. */
  readonly joined: ReadonlyMap<NamespaceName, string>;
  /** The ids of a new user namespace. */
  readonly ids: Ids | undefined;
  /** Whether it is in a user namespace, of its own or not. */
  readonly inUserNamespace: boolean;
  /** Whether it is run by an ordinary user. */
  readonly ordinary: boolean;
  /** What is attached to the root, in this order. */
  readonly mounts: readonly (MountSpec | Layer)[];
  /** The root, unless it is a directory as it is. */
  readonly layers: Layers | undefined;
  /** The directory in which layers are kept; none if they vanish. */
  readonly keep: string | undefined;
  /** Its cgroups; none if it has no limits. */
  readonly cgroup: Cgroup | undefined;
  /** The file in which it is noted what it has outside. */
  readonly state: string | undefined;
  /** Its interface to the machine. */
  readonly veth: Veth | undefined;
  /** The program that passes on what it sends, if that is one. */
  readonly pasta: Pasta | undefined;
  /** What becomes of packets from and to it. */
  readonly nat: Nat | undefined;
  /** Whether there is a process 1 beside the program. */
  readonly init: boolean;
  /** Whether it is said what was changed. */
  readonly diff: boolean;
  /** Whether it ends with what started it. */
  readonly dieWithParent: boolean;
  /** What it is granted by Landlock. */
  readonly landlock: Landlock | undefined;
  /** After how many seconds it is ended. */
  readonly timeout: number | undefined;
}

/** The ids of a user namespace: our own one, which we may write, or ranges. */
export type Ids =
  | { readonly user: number; readonly group: number }
  | { readonly ranges: IdRanges };

/** What a kind of namespace is called here, by what the specification calls it. */
export const KINDS: Readonly<Record<NamespaceType, NamespaceName>> = {
  pid: "pid",
  network: "net",
  mount: "mount",
  ipc: "ipc",
  uts: "uts",
  user: "user",
  cgroup: "cgroup",
  time: "time",
};

/**
 * What a configuration, which is valid, comes to.
 *
 * @throws {RangeError} when it can't be had
 * @throws {SyscallError} when something outside can't be looked at
 */
export function resolve(config: Config, machine: Machine): Container {
  const { linux = {}, annotations = {} } = config;
  const process = config.process!;
  const made = new Set<NamespaceName>();
  const joined = new Map<NamespaceName, string>();
  for (const { type, path } of linux.namespaces ?? []) {
    if (path === undefined) made.add(KINDS[type]);
    else joined.set(KINDS[type], path);
  }
  const inUserNamespace = machine.nested || made.has("user") || joined.has("user");
  const specs = (config.mounts ?? [])
    .flatMap((mount) =>
      mount.type !== "cgroup"
        ? [mount]
        : inUserNamespace && !made.has("cgroup") && !joined.has("cgroup")
        ? [boundCgroups(mount)]
        : cgroupMounts(mount)
    )
    .map((mount) => mountSpec(mount, idmapOf(linux.uidMappings, linux.gidMappings)));
  const directory = stateDirectory(machine.uid);
  const veth = vethOf(annotations, machine.id);
  const exists = (path: string): boolean => machine.files.stat(path) !== undefined;
  const { [LAYERS]: keep, [TIMEOUT]: timeout, [LANDLOCK]: granted } = annotations;
  const layers = keep === undefined ? undefined : layersOf(config, specs, machine, inUserNamespace);
  const kept = keep === "tmpfs" ? undefined : keep;
  if (kept !== undefined && !isKept(machine.files.list(kept))) {
    throw new ConfigError(
      `annotations.${LAYERS}`,
      `is to be an empty directory, or one that has kept changes before: ${kept}`,
    );
  }
  const mounts = [
    ...layers?.layers.slice(1) ?? [],
    ...withDirectory(specs, process.cwd, layers, machine),
  ];
  return {
    config,
    process,
    made,
    joined,
    ids: made.has("user") ? idsOf(linux.uidMappings, linux.gidMappings, machine) : undefined,
    inUserNamespace,
    ordinary: machine.uid !== 0,
    layers,
    mounts: kept === undefined ? mounts : withoutKept(mounts, kept, config),
    keep: kept,
    cgroup: cgroupOf(config, machine),
    state: directory === undefined ? undefined : `${directory}/${machine.id}`,
    veth,
    pasta: pastaOf(annotations, exists),
    nat: natOf(annotations, veth, exists),
    init: annotations[INIT] === "true",
    diff: annotations[DIFF] === "true",
    dieWithParent: annotations[DIE_WITH_PARENT] === "true",
    landlock: granted === undefined ? undefined : parseLandlock(granted),
    timeout: timeout === undefined ? undefined : Number(timeout),
  };
}

function cgroupOf({ linux = {} }: Config, { id, hierarchies }: Machine): Cgroup | undefined {
  const { resources = {}, cgroupsPath } = linux;
  if (cgroupsPath === undefined && Object.keys(resources).length === 0) return undefined;
  const path = cgroupsPath ?? `denspace-${id}`;
  const { devices = [] } = resources;
  const ruled = devices.length === 0
    ? resources
    : { ...resources, devices: [...devices, ...USUAL_DEVICES] };
  return layOutCgroup({ resources: ruled, path }, hierarchies());
}

function layersOf(
  { root, process, linux = {} }: Config,
  specs: readonly MountSpec[],
  { files, mounts }: Machine,
  inUserNamespace: boolean,
): Layers {
  const { path } = root!;
  if (path === "/") {
    const covered = specs.map(({ destination }) => destination);
    const copied = {
      mounts: mounts(),
      files,
      ...(inUserNamespace && { knows: knownOwners(linux) }),
    };
    return machineLayers(copied, covered, process!.cwd);
  }
  const owner = files.stat(path) ?? { mode: 0o755, uid: 0, gid: 0 };
  return {
    layers: [{ place: "/", lower: path, kind: "directory", attributes: 0, owner, required: true }],
  };
}

/** What is new in a copy of the machine without being asked for. */
const NEW = ["/run", "/tmp"];

/** In a copy of the machine the working directory is there, even in a /tmp that is new. */
function withDirectory(
  specs: readonly MountSpec[],
  directory: string,
  layers: Layers | undefined,
  { files }: Machine,
): (MountSpec | Layer)[] {
  const over = specs.findLastIndex(({ destination }) => isWithin(directory, destination));
  const spec = specs[over];
  const owner = files.stat(directory);
  const isNew = spec !== undefined && "type" in spec.source && spec.source.type === "tmpfs" &&
    !isWithin(directory, "/dev") && (spec.destination !== directory || NEW.includes(directory));
  // The lower directory of a copy of the machine is where its place is.
  const root = layers?.layers[0];
  const copies = root && (root.lower === undefined || root.lower === "/");
  if (!copies || !isNew || owner?.kind !== "directory") return [...specs];
  const layer: Layer = {
    place: directory,
    lower: directory,
    kind: "directory",
    attributes: 0,
    owner,
    required: true,
  };
  return [...specs.slice(0, over + 1), layer, ...specs.slice(over + 1)];
}

/**
 * The directory in which layers are kept is empty inside, where it can be seen there:
 * an overlay answers ELOOP to whoever looks at its own layers in it.
 */
function withoutKept(
  mounts: readonly (MountSpec | Layer)[],
  kept: string,
  { root, process }: Config,
): (MountSpec | Layer)[] {
  const above = root!.path === "/" ? "" : root!.path;
  const place = kept.slice(above.length);
  const over = mounts.findLast((mount) => isWithin(place, placeOf(mount)));
  if (!isWithin(kept, root!.path) || over && !isLayer(over)) return [...mounts];
  if (isWithin(process!.cwd, place)) {
    throw new ConfigError(
      "process.cwd",
      `${process!.cwd} is in ${place}, where changes are kept: that is empty inside`,
    );
  }
  const empty = mountSpec({ destination: place, type: "tmpfs", options: EMPTY });
  const at = over ? mounts.indexOf(over) + 1 : 0;
  return [...mounts.slice(0, at), empty, ...mounts.slice(at)];
}

const EMPTY = ["ro", "nosuid", "nodev", "noexec", "mode=755"];

function placeOf(mount: MountSpec | Layer): string {
  return isLayer(mount) ? mount.place : mount.destination;
}

/** The ids by which the files of a mount with the option `idmap` are owned. */
function idmapOf(
  users: readonly IdMapping[] | undefined,
  groups: readonly IdMapping[] | undefined,
): IdRanges | undefined {
  return users && groups && { users: users.map(toRange), groups: groups.map(toRange) };
}

function idsOf(
  users: readonly IdMapping[] = [],
  groups: readonly IdMapping[] = [],
  { uid, gid }: Machine,
): Ids {
  const [user, group] = [users.map(toRange), groups.map(toRange)];
  const isOwn = (ranges: IdRange[], id: number): boolean =>
    ranges.length === 1 && ranges[0]!.count === 1 && ranges[0]!.outside === id;
  if (isOwn(user, uid) && isOwn(group, gid)) {
    return { user: user[0]!.inside, group: group[0]!.inside };
  }
  return { ranges: { users: user, groups: group } };
}
