/**
 * From options, which may come from anywhere, to what a plan is written from:
 * what is wrong is said before anything runs.
 *
 * @module
 */
import { capabilitySet } from "../../ffi/capability.ts";
import type { CapabilityName } from "../../ffi/constants/capability.ts";
import { RLIMITS } from "../../ffi/constants/resource.ts";
import { SIGNALS } from "../../ffi/constants/signal.ts";
import { host } from "../../ffi/plan/host.ts";
import type { Plan } from "../../ffi/plan/step.ts";
import { getegid, geteuid, getpid } from "../../ffi/unistd.ts";
import { findHierarchies } from "../cgroup/hierarchies.ts";
import { type Cgroup, layOutCgroup } from "../cgroup/layout.ts";
import { newId } from "../container/state.ts";
import { checkCgroupsPath, checkResources } from "../container/supported.ts";
import { parseAddress, parsePrefix } from "../network/address.ts";
import { parseRate } from "../network/rate.ts";
import { endsOf, type Veth } from "../network/veth.ts";
import { type MountSpec, mountSpec } from "../container/mounts.ts";
import { type IdRange, subordinateIds } from "../idranges.ts";
import type { InsideId } from "../idmap.ts";
import type { Descriptors } from "../inherit.ts";
import { PROPAGATIONS } from "../mounts.ts";
import { type NamespaceName, NAMESPACES } from "../namespaces.ts";
import { type Landlock, LANDLOCK_SCOPES } from "../landlock.ts";
import type { Capabilities } from "../privileges.ts";
import type { ResourceLimit } from "../rlimits.ts";
import { defaultSeccomp } from "../seccomp/default.ts";
import { type Filter, makeFilter } from "../seccomp/filter.ts";
import { parseProfile, resolveProfile } from "../seccomp/profile.ts";
import { kernelRelease } from "../target.ts";
import {
  boolean,
  id,
  integer,
  known,
  limited,
  list,
  name,
  NO_ID,
  object,
  oneOf,
  optionalId,
  optionalText,
  record,
  seconds,
  show,
  text,
  u64,
} from "./values.ts";
import type {
  IdMap,
  Mount,
  NamespaceChoice,
  Network,
  PlanOptions,
  ProgramOptions,
  SpawnOptions,
  Stdio,
  StreamOptions,
} from "./options.ts";

/** Options that have been found right, all texts as strings. */
export interface Checked {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  readonly env: ReadonlyMap<string, string>;
  readonly clearEnv: boolean;
  /** The kinds of namespaces that are made. */
  readonly made: ReadonlySet<NamespaceName>;
  /** The file of each that is joined. */
  readonly joined: ReadonlyMap<NamespaceName, string>;
  readonly mapUser: InsideId | undefined;
  readonly mapGroup: InsideId | undefined;
  readonly users: readonly IdRange[];
  readonly groupRanges: readonly IdRange[];
  readonly setgroups: "allow" | "deny" | undefined;
  readonly hostname: string | undefined;
  readonly domainname: string | undefined;
  readonly propagation: keyof typeof PROPAGATIONS | "unchanged";
  readonly root: string | undefined;
  readonly chroot: string | undefined;
  readonly mounts: readonly MountSpec[];
  readonly proc: string | undefined;
  readonly loopback: boolean;
  readonly monotonic: bigint | undefined;
  readonly boottime: bigint | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly groups: readonly number[] | undefined;
  readonly capabilities: Capabilities | undefined;
  readonly filter: Filter | undefined;
  readonly landlock: Landlock | undefined;
  readonly noNewPrivs: boolean;
  readonly rlimits: readonly ResourceLimit[];
  /** The number of the signal. */
  readonly dieWithParent: number | undefined;
  readonly descriptors: Descriptors;
  /** A name that no other program has; none if nothing is named by it. */
  readonly id: string;
  readonly cgroup: Cgroup | undefined;
  readonly veth: Veth | undefined;
}

const PROGRAM_KEYS = new Set<keyof ProgramOptions>([
  "command",
  "args",
  "cwd",
  "env",
  "clearEnv",
  "namespaces",
  "uidMap",
  "gidMap",
  "setgroups",
  "hostname",
  "domainname",
  "propagation",
  "root",
  "chroot",
  "mounts",
  "mountProc",
  "loopback",
  "timeOffsets",
  "uid",
  "gid",
  "groups",
  "capabilities",
  "noNewPrivs",
  "rlimits",
  "dieWithParent",
  "descriptors",
  "seccomp",
  "landlock",
  "resources",
  "cgroupsPath",
  "network",
]);
const STREAM_KEYS = ["stdin", "stdout", "stderr", "signal"] as const;
const SPAWN_KEYS = new Set<keyof SpawnOptions>([...PROGRAM_KEYS, ...STREAM_KEYS]);
/** The options of a plan. */
export const PLAN_KEYS: ReadonlySet<keyof PlanOptions> = new Set(["argv", ...STREAM_KEYS]);

const MAX_DESCRIPTOR = 0xf_ffff;
/** As many as the kernel takes. */
const [MAX_GROUPS, MAX_RANGES] = [65536, 340];

/** How streams lead and what ends the program, with what holds if nothing is said. */
export function checkStdio(
  options: StreamOptions,
  [input, output]: readonly [stdin: Stdio, others: Stdio],
  keys: ReadonlySet<string> = SPAWN_KEYS,
): Record<"stdin" | "stdout" | "stderr", Stdio> & { signal: AbortSignal | undefined } {
  known("option", options, keys);
  const { signal } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`signal must be an AbortSignal, not ${show(signal)}`);
  }
  const stdio = (name: string, value: Stdio | undefined, fallback: Stdio): Stdio =>
    oneOf(name, value, ["piped", "inherit", "null"]) ?? fallback;
  return {
    stdin: stdio("stdin", options.stdin, input),
    stdout: stdio("stdout", options.stdout, output),
    stderr: stdio("stderr", options.stderr, output),
    signal,
  };
}

/** The arguments of a plan. */
export function checkArguments({ name }: Plan, { argv = [name] }: PlanOptions): string[] {
  return list("argv", argv).map((arg, i) => text(`argv[${i}]`, arg));
}

/**
 * Checks what a program is to be.
 *
 * @throws {TypeError} when an option is of the wrong type, or needs another one
 * @throws {RangeError} when it is out of range
 */
export function check(options: ProgramOptions): Checked {
  known("option", options, SPAWN_KEYS);
  const [made, joined] = namespaces(options.namespaces);
  const has = (name: NamespaceName): boolean => made.has(name) || joined.has(name);
  const needs = (option: keyof ProgramOptions, holds: boolean, what: string): void => {
    const value = options[option];
    const wanted = value !== undefined && value !== false &&
      !(Array.isArray(value) && value.length === 0);
    if (wanted && !holds) throw new TypeError(`${option} needs ${what}`);
  };
  for (const name of ["uidMap", "gidMap", "setgroups"] as const) {
    needs(name, made.has("user"), "a new user namespace: namespaces.user must be true");
  }
  for (const name of ["hostname", "domainname"] as const) {
    needs(name, has("uts"), "a UTS namespace: namespaces.uts must be given");
  }
  for (const name of ["propagation", "root", "mounts"] as const) {
    needs(name, made.has("mount"), "a new mount namespace: namespaces.mount must be true");
  }
  needs("mountProc", has("mount"), "a mount namespace: namespaces.mount must be given");
  needs("loopback", has("net"), "a network namespace: namespaces.net must be given");
  needs("network", made.has("net"), "a new network namespace: namespaces.net must be true");
  needs("cgroupsPath", options.resources !== undefined, "resources");
  needs("timeOffsets", made.has("time"), "a new time namespace: namespaces.time must be true");

  const users = idMap("uidMap", options.uidMap, "/etc/subuid", geteuid);
  const groups = idMap("gidMap", options.gidMap, "/etc/subgid", getegid);
  if (options.setgroups === "allow" && groups.inside !== undefined) {
    throw new TypeError("setgroups can't be allowed with a gidMap of one id");
  }
  const { monotonic, boottime } = record("timeOffsets", options.timeOffsets, [
    "monotonic",
    "boottime",
  ]);
  const root = optionalText("root", options.root);
  const chroot = optionalText("chroot", options.chroot);
  if (root !== undefined && chroot !== undefined) {
    throw new TypeError("root and chroot exclude each other");
  }
  const proc = options.mountProc;
  const allowed = capabilities(options.capabilities);
  const restricted = (options.seccomp ?? options.landlock) !== undefined;
  if (restricted && options.noNewPrivs === false) {
    throw new TypeError("seccomp and landlock need noNewPrivs");
  }
  return {
    command: text("command", options.command),
    args: list("args", options.args).map((arg, i) => text(`args[${i}]`, arg)),
    cwd: optionalText("cwd", options.cwd),
    env: environment(options.env),
    clearEnv: boolean("clearEnv", options.clearEnv),
    made,
    joined,
    mapUser: users.inside,
    mapGroup: groups.inside,
    users: users.ranges,
    groupRanges: groups.ranges,
    setgroups: oneOf("setgroups", options.setgroups, ["allow", "deny"]),
    hostname: name("hostname", options.hostname),
    domainname: name("domainname", options.domainname),
    propagation: oneOf("propagation", options.propagation, PROPAGATION_NAMES) ??
      (made.has("mount") ? "private" : "unchanged"),
    root,
    chroot,
    mounts: list("mounts", options.mounts).map(mount),
    proc: typeof proc === "boolean" || proc === undefined
      ? (proc ? "/proc" : undefined)
      : text("mountProc", proc),
    loopback: boolean("loopback", options.loopback),
    monotonic: seconds("timeOffsets.monotonic", monotonic),
    boottime: seconds("timeOffsets.boottime", boottime),
    uid: optionalId("uid", options.uid),
    gid: optionalId("gid", options.gid),
    groups: options.groups === undefined ? undefined : limited(
      "groups",
      list("groups", options.groups).map((group, i) => id(`groups[${i}]`, group)),
      MAX_GROUPS,
    ),
    capabilities: allowed,
    noNewPrivs: boolean("noNewPrivs", options.noNewPrivs) || restricted,
    filter: filter(options.seccomp, allowed?.bounding ?? []),
    landlock: options.landlock === undefined ? undefined : landlock(options.landlock),
    rlimits: list("rlimits", options.rlimits).map(limit),
    dieWithParent: deathSignal(options.dieWithParent),
    descriptors: descriptors(options.descriptors),
    ...outside(options),
  };
}

/** What a program is to have outside of it. */
function outside(
  { resources, cgroupsPath, network }: ProgramOptions,
): Pick<Checked, "id" | "cgroup" | "veth"> {
  const id = resources || network ? newId() : "";
  if (cgroupsPath !== undefined) checkCgroupsPath(cgroupsPath, "cgroupsPath");
  const path = cgroupsPath ?? `denspace-${id}`;
  return {
    id,
    cgroup: resources && layOutCgroup(
      { resources: checkResources(resources), path, counted: true, stays: true },
      findHierarchies(),
    ),
    veth: network && interfaces(network, id),
  };
}

function interfaces(wanted: Network, id: string): Veth {
  const keys = ["addresses", "outside", "gateways", "bridge", "rate"] as const;
  const { addresses, outside, gateways, bridge, rate } = record("network", wanted, keys);
  const texts = (what: string, values: readonly string[] | undefined): string[] =>
    list(`network.${what}`, values).map((value, i) => text(`network.${what}[${i}]`, value));
  const wantedRate = optionalText("network.rate", rate);
  return {
    ...endsOf(id),
    addresses: texts("addresses", addresses).map(parsePrefix),
    outside: texts("outside", outside).map(parsePrefix),
    gateways: texts("gateways", gateways).map(parseAddress),
    bridge: optionalText("network.bridge", bridge),
    rate: wantedRate === undefined ? undefined : parseRate(wantedRate),
  };
}

const PROPAGATION_NAMES = [
  ...Object.keys(PROPAGATIONS) as (keyof typeof PROPAGATIONS)[],
  "unchanged" as const,
];

function namespaces(
  wanted: ProgramOptions["namespaces"],
): [made: Set<NamespaceName>, joined: Map<NamespaceName, string>] {
  const names = Object.keys(NAMESPACES) as NamespaceName[];
  const choices = record("namespaces", wanted, names);
  const [made, joined] = [new Set<NamespaceName>(), new Map<NamespaceName, string>()];
  for (const name of names) {
    const choice = choices[name];
    if (choice === undefined || choice === false) continue;
    if (choice === true) made.add(name);
    else joined.set(name, namespaceFile(name, choice));
  }
  return [made, joined];
}

/** The file by which a namespace is opened. */
function namespaceFile(name: NamespaceName, choice: Exclude<NamespaceChoice, boolean>): string {
  const what = `namespaces.${name}`;
  if (typeof choice === "number") {
    integer(what, choice, 1, 0x7fff_ffff);
    return `/proc/${choice}/ns/${NAMESPACES[name].file}`;
  }
  if (typeof choice === "string") return text(what, choice);
  if (typeof choice !== "object" || choice === null) {
    throw new TypeError(
      `${what} must be true, a process id, a path or a Namespace, not ${show(choice)}`,
    );
  }
  if (choice.type !== name) {
    throw new TypeError(`${what} must be a ${name} namespace, not ${show(choice.type)}`);
  }
  if (choice.fd === -1) throw new TypeError(`${what} is disposed of`);
  integer(`${what}.fd`, choice.fd, 0, 0x7fff_ffff);
  return `/proc/${getpid()}/fd/${choice.fd}`;
}

function idMap(
  name: string,
  map: IdMap | undefined,
  file: string,
  own: () => number,
): { inside: InsideId | undefined; ranges: readonly IdRange[] } {
  const single = (inside: InsideId) => ({ inside, ranges: [] });
  if (map === undefined) return { inside: undefined, ranges: [] };
  if (typeof map === "number") return single(id(name, map));
  if (typeof map === "string") {
    const known = oneOf(name, map, ["root", "current", "auto"]);
    if (known === "root") return single(0);
    if (known === "current") return single("current");
    const { start, count } = subordinateIds(file, geteuid());
    const ranges = [{ inside: 0, outside: own(), count: 1 }, { inside: 1, outside: start, count }];
    return { inside: undefined, ranges };
  }
  const ranges = list(name, map).map((range, i) => {
    const what = `${name}[${i}]`;
    const { inside, outside, count } = record(what, range, ["inside", "outside", "count"]);
    const found = {
      inside: id(`${what}.inside`, inside),
      outside: id(`${what}.outside`, outside),
      count: integer(`${what}.count`, count, 1, NO_ID),
    };
    for (const from of [found.inside, found.outside]) {
      if (from + found.count > NO_ID) throw new RangeError(`${what} goes beyond the last id`);
    }
    return found;
  });
  if (ranges.length === 0) throw new RangeError(`${name} must have a range`);
  return { inside: undefined, ranges: limited(name, ranges, MAX_RANGES) };
}

function environment(wanted: ProgramOptions["env"]): Map<string, string> {
  const variables = new Map<string, string>();
  for (const [name, value] of Object.entries(object("env", wanted))) {
    if (name === "" || /[=\0]/.test(name)) {
      throw new TypeError(`env has a variable whose name can't be one: ${show(name)}`);
    }
    if (value !== undefined) variables.set(name, text(`env.${name}`, value));
  }
  return variables;
}

function mount(wanted: Mount, index: number): MountSpec {
  const what = `mounts[${index}]`;
  const keys = ["destination", "type", "source", "options"] as const;
  const { destination, type, source, options } = record(what, wanted, keys);
  const place = text(`${what}.destination`, destination);
  if (!place.startsWith("/")) {
    throw new RangeError(`${what}.destination must be an absolute path, not ${show(place)}`);
  }
  const [kind, from] = [
    optionalText(`${what}.type`, type),
    optionalText(`${what}.source`, source),
  ];
  const spec = mountSpec({
    destination: place,
    ...(kind !== undefined && { type: kind }),
    ...(from !== undefined && { source: from }),
    options: list(`${what}.options`, options).map((each, i) => text(`${what}.options[${i}]`, each)),
  });
  if (spec.idmap) throw new RangeError(`${what}: no option ${spec.idmap} here`);
  return spec;
}

const SETS = ["bounding", "effective", "permitted", "inheritable", "ambient"] as const;

function capabilities(wanted: ProgramOptions["capabilities"]): Capabilities | undefined {
  if (wanted === undefined) return undefined;
  const sets = Array.isArray(wanted)
    ? Object.fromEntries(SETS.map((name) => [name, wanted]))
    : record("capabilities", wanted as Capabilities, SETS);
  for (const name of SETS) capabilitySet(list(`capabilities.${name}`, sets[name]));
  return sets;
}

function filter(
  wanted: ProgramOptions["seccomp"],
  capabilities: readonly CapabilityName[],
): Filter | undefined {
  if (wanted === undefined) return undefined;
  const arch = host().name;
  const where = { arch, kernel: kernelRelease(), capabilities };
  if (wanted === "default") return makeFilter(defaultSeccomp(where), arch);
  try {
    return makeFilter(resolveProfile(parseProfile(JSON.stringify(wanted)), where), arch);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RangeError(`seccomp: ${error.message}`);
  }
}

function landlock(wanted: Landlock): Landlock {
  const paths = (name: "read" | "write"): readonly string[] | undefined =>
    wanted[name] &&
    list(`landlock.${name}`, wanted[name]).map((path, i) => text(`landlock.${name}[${i}]`, path));
  const ports = (name: "bind" | "connect"): readonly number[] | undefined =>
    wanted[name] &&
    list(`landlock.${name}`, wanted[name]).map((port, i) =>
      integer(`landlock.${name}[${i}]`, port, 0, 65535)
    );
  record("landlock", wanted, ["read", "write", "bind", "connect", "scopes"]);
  return {
    read: paths("read"),
    write: paths("write"),
    bind: ports("bind"),
    connect: ports("connect"),
    scopes: wanted.scopes &&
      list("landlock.scopes", wanted.scopes).map((scope, i) =>
        oneOf(`landlock.scopes[${i}]`, scope, LANDLOCK_SCOPES)!
      ),
  };
}

function limit(wanted: ResourceLimit, index: number): ResourceLimit {
  const what = `rlimits[${index}]`;
  const { type, soft, hard } = record(what, wanted, ["type", "soft", "hard"]);
  if (typeof type !== "string" || !Object.hasOwn(RLIMITS, type)) {
    throw new TypeError(`${what}.type: there is no limit ${show(type)}`);
  }
  const [low, high] = [u64(`${what}.soft`, soft), u64(`${what}.hard`, hard)];
  if (low > high) throw new RangeError(`${what}.soft must not be above its hard limit`);
  return { type, soft: low, hard: high };
}

function deathSignal(wanted: ProgramOptions["dieWithParent"]): number | undefined {
  if (wanted === undefined || wanted === false) return undefined;
  if (wanted === true) return SIGNALS.SIGKILL;
  if (typeof wanted === "string" && Object.hasOwn(SIGNALS, wanted)) return SIGNALS[wanted];
  throw new TypeError(
    `dieWithParent must be a boolean or the name of a signal, not ${show(wanted)}`,
  );
}

function descriptors(wanted: ProgramOptions["descriptors"]): Descriptors {
  const found: Record<number, number> = {};
  for (const [to, from] of Object.entries(object("descriptors", wanted))) {
    if (!/^(0|[1-9]\d*)$/.test(to)) {
      throw new TypeError(`descriptors must have numbers as names, not ${show(to)}`);
    }
    const number = integer("a number in descriptors", Number(to), 0, MAX_DESCRIPTOR);
    found[number] = integer(`descriptors[${to}]`, from, 0, 0x7fff_ffff);
  }
  return found;
}
