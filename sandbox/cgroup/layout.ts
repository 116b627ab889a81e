/**
 * Which cgroups a container needs: one in each hierarchy that controls something of
 * what is wanted. They are below our own, so that limits that we have hold for the
 * container, too; or where the configuration says.
 *
 * @module
 */
import type { Resources } from "../container/oci.ts";
import { deviceLines, type DeviceRule } from "./devices.ts";
import { type Reader, readSmallFile } from "../small_file.ts";
import type { Hierarchy } from "./hierarchies.ts";
import { nameInVersion1, settingsOf, type Write } from "./settings.ts";

/** A cgroup to make. */
export interface Group {
  /** The version of its hierarchy. */
  readonly version: 1 | 2;
  /** Its directory. */
  readonly path: string;
  /** Directories above it, and what has to be written to their cgroup.subtree_control. */
  readonly enable: readonly (readonly [directory: string, controllers: string])[];
  /** Another cgroup, to which we have to move: ours can't have both processes and limits below. */
  readonly aside?: string | undefined;
  /** What is written to its files. */
  readonly writes: readonly Write[];
  /** Which devices its processes may use, if the kernel has to be given a program for it. */
  readonly devices?: readonly DeviceRule[] | undefined;
}

/** The cgroups of a container. */
export interface Cgroup {
  /** One in each hierarchy. */
  readonly groups: readonly Group[];
  /** Where the kernel counts how often a limit was reached. */
  readonly counters: readonly Counter[];
}

/** A file in which the kernel counts. */
export interface Counter {
  /** The file. */
  readonly path: string;
  /** The word before the number. */
  readonly key: "oom_kill" | "max";
  /** What the number is of. */
  readonly text: string;
}

/** What is wanted of cgroups. */
export interface CgroupWanted {
  /** The limits. */
  readonly resources: Resources;
  /** Where: an absolute path in each hierarchy, or one below our own cgroup. */
  readonly path: string;
  /** Whether what is used is counted, also where there is no limit. */
  readonly counted?: boolean;
  /** Whether whoever makes them stays where it is, though no limits can be kept below it then. */
  readonly stays?: boolean;
}

/**
 * The cgroups for limits, on this machine.
 *
 * @throws {RangeError} when there is no cgroup that could keep one of them
 */
export function layOutCgroup(
  { resources, path, counted = false, stays = false }: CgroupWanted,
  hierarchies: readonly Hierarchy[],
  read: Reader = readSmallFile,
): Cgroup {
  const groups = new Map<Hierarchy, { controllers: Set<string>; writes: Write[] }>();
  const at = (hierarchy: Hierarchy) => {
    const found = groups.get(hierarchy) ?? { controllers: new Set<string>(), writes: [] };
    groups.set(hierarchy, found);
    return found;
  };
  for (const { field, controller, v1, v2 } of settingsOf(resources)) {
    const [hierarchy, name] = findController(hierarchies, controller, `linux.resources.${field}`);
    const writes = hierarchy.version === 1 ? v1 : v2;
    if (!writes) {
      throw new RangeError(
        `linux.resources.${field} can't be had with version ${hierarchy.version} of cgroups`,
      );
    }
    const group = at(hierarchy);
    group.controllers.add(name);
    group.writes.push(...writes);
  }
  const rules = resources.devices ?? [];
  const filter = rules.length > 0 ? hierarchyOfDevices(hierarchies) : undefined;
  if (filter?.version === 1) at(filter).writes.push(...deviceLines(rules));
  else if (filter) at(filter);
  for (const hierarchy of counted ? hierarchies : []) {
    const counts = COUNTING.filter((name) => hierarchy.controllers.includes(name));
    for (const name of counts) at(hierarchy).controllers.add(name);
  }
  // Without limits a cgroup still has what can be counted.
  if (groups.size === 0) hierarchies.filter(({ version }) => version === 2).forEach(at);

  const made = [...groups].map(([hierarchy, { controllers, writes }]): Group => {
    const { version, mount, own } = hierarchy;
    const directory = path.startsWith("/") ? `${mount}${path}` : `${own}/${path}`;
    const parent = directory.slice(0, directory.lastIndexOf("/"));
    const enable = version === 2 ? missingControllers(mount, parent, controllers, read) : [];
    const crowded = enable.some(([each]) => each === own) &&
      read(`${own}/cgroup.type`) !== undefined; // the topmost has none
    return {
      version,
      path: directory,
      enable,
      aside: crowded && !stays ? `${directory}.supervisor` : undefined,
      writes: controllers.has("cpuset") && version === 1
        ? wholeCpuset(writes, parent, read)
        : writes,
      devices: filter === hierarchy && version === 2 ? rules : undefined,
    };
  });
  return { groups: made, counters: countersOf(made, resources) };
}

/** What counts what is used, in either version. */
const COUNTING = ["cpuacct", "cpu", "memory", "blkio", "io", "pids"];

/** The hierarchy that has a controller, and what it is called there. */
function findController(
  hierarchies: readonly Hierarchy[],
  controller: string,
  field: string,
): [Hierarchy, string] {
  for (const hierarchy of hierarchies) {
    const name = hierarchy.version === 1 ? nameInVersion1(controller) : controller;
    if (hierarchy.controllers.includes(name)) return [hierarchy, name];
  }
  const known = hierarchies.flatMap(({ controllers }) => controllers).join(" ");
  throw new RangeError(
    `${field} needs the cgroup controller ${controller}, which this machine does not have` +
      (known === "" ? ": no cgroup hierarchy is mounted" : ` (it has: ${known})`),
  );
}

function hierarchyOfDevices(hierarchies: readonly Hierarchy[]): Hierarchy {
  const found = hierarchies.find(({ controllers }) => controllers.includes("devices")) ??
    hierarchies.find(({ version }) => version === 2);
  if (!found) throw new RangeError("linux.resources.devices needs a mounted cgroup hierarchy");
  return found;
}

/** What is not yet passed down on the way to a cgroup. */
function missingControllers(
  top: string,
  parent: string,
  controllers: ReadonlySet<string>,
  read: Reader,
): [string, string][] {
  if (controllers.size === 0) return [];
  const names = parent.slice(top.length).split("/").slice(1);
  const directories = [top, ...names.map((_, i) => `${top}/${names.slice(0, i + 1).join("/")}`)];
  return directories.flatMap((directory): [string, string][] => {
    const passed = (read(`${directory}/cgroup.subtree_control`) ?? "").split(/\s+/);
    const missing = [...controllers].filter((name) => !passed.includes(name));
    return missing.length === 0 ? [] : [[directory, missing.map((name) => `+${name}`).join(" ")]];
  });
}

/** A cpuset of version 1 begins with nothing, and then nothing can run in it. */
function wholeCpuset(writes: readonly Write[], parent: string, read: Reader): Write[] {
  const has = (file: string): boolean => writes.some(([name]) => name === file);
  const inherited = ["cpus", "mems"].filter((name) => !has(`cpuset.${name}`)).map((name): Write => [
    `cpuset.${name}`,
    (read(`${parent}/cpuset.${name}`) ?? "").trim(),
  ]);
  return [...inherited, ...writes];
}

function countersOf(groups: readonly Group[], { memory, pids }: Resources): Counter[] {
  const having = (file: string): Group | undefined =>
    groups.find(({ writes }) => writes.some(([name]) => name.startsWith(file)));
  const counters: Counter[] = [];
  const withMemory = having("memory.");
  if (withMemory) {
    const file = withMemory.version === 1 ? "memory.oom_control" : "memory.events";
    const limit = memory?.limit;
    counters.push({
      path: `${withMemory.path}/${file}`,
      key: "oom_kill",
      text: limit !== undefined && limit >= 0
        ? `the memory limit of ${limit} bytes was reached: processes killed: `
        : "memory ran out: processes killed: ",
    });
  }
  const withPids = having("pids.");
  if (withPids) {
    counters.push({
      path: `${withPids.path}/pids.events`,
      key: "max",
      text: `the limit of ${pids!.limit} processes was reached: forks that failed: `,
    });
  }
  return counters;
}
