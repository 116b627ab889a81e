/**
 * What the options of `denspace run` come to, as an OCI configuration.
 *
 * @module
 */
import { decode } from "../ffi/bytes.ts";
import { RLIMITS } from "../ffi/constants/resource.ts";
import { readFile } from "../ffi/file.ts";
import { getegid, geteuid } from "../ffi/unistd.ts";
import {
  DIE_WITH_PARENT,
  DIFF,
  INIT,
  LANDLOCK,
  LAYERS,
  TIMEOUT,
} from "../sandbox/container/annotations.ts";
import {
  defaultMounts,
  MASKED_PATHS,
  OCI_VERSION,
  READONLY_PATHS,
} from "../sandbox/container/defaults.ts";
import { isNested } from "../sandbox/container/machine.ts";
import { toRange } from "../sandbox/container/mounts.ts";
import type {
  Config,
  IdMapping,
  Namespace,
  NamespaceType,
  Process,
  Rlimit,
} from "../sandbox/container/oci.ts";
import { exists } from "../sandbox/container/state.ts";
import type { Capabilities } from "../sandbox/privileges.ts";
import { defaultSeccomp } from "../sandbox/seccomp/default.ts";
import { parseProfile, resolveProfile, type Seccomp } from "../sandbox/seccomp/profile.ts";
import { kernelRelease } from "../sandbox/target.ts";
import { findUser } from "../sandbox/container/users.ts";
import {
  type IdRange,
  isAmong,
  parseRange,
  rangesOf,
  subordinateIds,
} from "../sandbox/idranges.ts";
import { NAMESPACES } from "../sandbox/namespaces.ts";
import { capabilitiesOf } from "./capabilities.ts";
import type { NamespaceOption, Wanted } from "./container_options.ts";
import { ownVariables, withVariables } from "./environment.ts";
import { ArgumentError, explained } from "./getopt.ts";
import { deviceMounts, resourcesOf } from "./limits.ts";
import { networkOf } from "./network.ts";
import { currentDirectory, insidePath, realDirectory } from "./paths.ts";
import { homeOf, parseGroup, parseUser, type Whose } from "./users.ts";

/**
 * The configuration.
 *
 * @throws {ArgumentError} when options contradict each other
 * @throws {RangeError} when something that they ask for can't be had
 * @throws {SyscallError} when something that they name is not there
 */
export function configOf(want: Wanted): Config {
  const copy = want.rootfs === undefined;
  const root = copy ? "/" : realDirectory(want.rootfs!);
  const namespaces = namespacesOf(want);
  const find = (type: NamespaceType): Namespace | undefined =>
    namespaces.find((each) => each.type === type);
  const isNew = (type: NamespaceType): boolean => !!find(type) && find(type)!.path === undefined;
  const user = whose(want, root);
  const maps = isNew("user") ? mapsOf(want, user) : undefined;
  const inUserNamespace = find("user") !== undefined || isNested();
  const ownMounts = isNew("mount");
  if (want.writable && (copy || want.keep !== undefined || want.diff)) {
    throw new ArgumentError(
      copy
        ? "--writable needs a --rootfs: the machine itself is not changed"
        : "--writable goes neither with --keep nor with --diff: changes go to the root itself",
    );
  }
  const layers = want.keep !== undefined
    ? realDirectory(want.keep)
    : ownMounts && (copy || want.diff)
    ? "tmpfs"
    : undefined;
  const annotations = {
    ...(layers !== undefined && { [LAYERS]: layers }),
    ...(want.diff && { [DIFF]: "true" }),
    ...(want.init && { [INIT]: "true" }),
    ...(want.timeout !== undefined && { [TIMEOUT]: want.timeout }),
    ...(want.landlock.length > 0 && { [LANDLOCK]: want.landlock.join() }),
    ...(want.dieWithParent && { [DIE_WITH_PARENT]: "true" }),
    ...networkOf(want),
  };
  const wanted = [...want.mounts, ...deviceMounts(want.limits)];
  const mounts = ownMounts
    ? [
      ...defaultMounts({
        isNew,
        inUserNamespace,
        hasTtyGroup: maps === undefined
          ? find("user") === undefined && rangesOf("self", "gid_map").some(hasTtyGroup)
          : maps.groups.map(toRange).some(hasTtyGroup),
        copy,
      }).filter(({ destination }) => !wanted.some((mount) => mount.destination === destination)),
      ...wanted,
    ]
    : wanted;
  const { monotonic, boottime } = want.clocks;
  const resources = resourcesOf(want.limits);
  const capabilities = capabilitiesOf(want, user.uid, find("user") !== undefined);
  const seccomp = seccompOf(want, capabilities?.bounding ?? []);
  return {
    ociVersion: OCI_VERSION,
    process: processOf(want, root, user, maps, capabilities),
    root: { path: root, readonly: ownMounts && !copy && !want.writable && layers === undefined },
    ...(want.hostname !== undefined && { hostname: want.hostname }),
    ...(want.domainname !== undefined && { domainname: want.domainname }),
    mounts,
    ...(Object.keys(annotations).length > 0 && { annotations }),
    linux: {
      namespaces,
      ...(maps && { uidMappings: maps.users, gidMappings: maps.groups }),
      ...((monotonic ?? boottime) !== undefined && {
        timeOffsets: {
          ...(monotonic !== undefined && { monotonic: { secs: monotonic } }),
          ...(boottime !== undefined && { boottime: { secs: boottime } }),
        },
      }),
      ...(resources && { resources }),
      ...(want.cgroupParent !== undefined && { cgroupsPath: cgroupBelow(want.cgroupParent) }),
      ...(seccomp && { seccomp }),
      ...(ownMounts && !want.privileged &&
        { maskedPaths: MASKED_PATHS, readonlyPaths: READONLY_PATHS }),
    },
  };
}

/** The path of a new cgroup. */
function cgroupBelow(parent: string): string {
  const name = `denspace-${crypto.randomUUID().slice(0, 8)}`;
  return parent === "/" ? `/${name}` : `${parent.replace(/\/+$/, "")}/${name}`;
}

// Namespaces ---------------------------------------------------------------

/** The options by kind, and their files in /proc/PID/ns. */
const KINDS: readonly (readonly [NamespaceOption, NamespaceType, string])[] = [
  ["userns", "user", NAMESPACES.user.file],
  ["pid", "pid", NAMESPACES.pid.file],
  ["net", "network", NAMESPACES.net.file],
  ["ipc", "ipc", NAMESPACES.ipc.file],
  ["uts", "uts", NAMESPACES.uts.file],
  ["mntns", "mount", NAMESPACES.mount.file],
  ["cgroupns", "cgroup", NAMESPACES.cgroup.file],
  ["time", "time", NAMESPACES.time.file],
];

function namespacesOf({ namespaces, mapUsers, mapGroups }: Wanted): Namespace[] {
  const mapped = mapUsers.length + mapGroups.length > 0;
  return KINDS.flatMap(([option, type, file]): Namespace[] => {
    const value = namespaces[option] ?? defaultOf(option, mapped);
    if (value === "host") return [];
    if (isNewNamespace(option, value)) return [{ type }];
    if (/^\d+$/.test(value)) return [{ type, path: `/proc/${value}/ns/${file}` }];
    if (value.includes("/")) return [{ type, path: insidePath(value) }];
    throw new ArgumentError(`--${option} is no file, no pid and none of its words: '${value}'`);
  });
}

function defaultOf(option: NamespaceOption, mapped: boolean): string {
  if (option === "net") return "none";
  if (option === "userns") return mapped ? "auto" : geteuid() === 0 ? "host" : "one";
  return option === "time" && !exists("/proc/self/ns/time") ? "host" : "new";
}

function isNewNamespace(option: NamespaceOption, value: string): boolean {
  if (option === "net") return value === "none" || value === "veth" || value === "pasta";
  return option === "userns" ? value === "one" || value === "auto" : value === "new";
}

// Ids ----------------------------------------------------------------------

/** Id maps. */
interface Maps {
  users: IdMapping[];
  groups: IdMapping[];
}

function mapsOf({ namespaces, mapUsers, mapGroups }: Wanted, user: Whose): Maps {
  if (mapUsers.length + mapGroups.length > 0) {
    return { users: mapUsers.map(parseMapping), groups: mapGroups.map(parseMapping) };
  }
  if (namespaces.userns !== "auto") {
    return {
      users: [{ containerID: user.uid, hostID: geteuid(), size: 1 }],
      groups: [{ containerID: user.gid, hostID: getegid(), size: 1 }],
    };
  }
  return {
    users: subordinates("/etc/subuid", geteuid()),
    groups: subordinates("/etc/subgid", getegid()),
  };
}

function hasTtyGroup({ inside, count }: IdRange): boolean {
  return isAmong(5, inside, count);
}

function parseMapping(text: string): IdMapping {
  const range = parseRange(text);
  if (!range) throw new ArgumentError(`no inside:outside:count: '${text}'`);
  return { containerID: range.inside, hostID: range.outside, size: range.count };
}

/** Our own id as 0, and from 1 on those that a file gives us; root's own id is not given away. */
function subordinates(file: string, own: number): IdMapping[] {
  const { start, count } = subordinateIds(file, geteuid());
  if (geteuid() === 0) return [{ containerID: 0, hostID: start, size: count }];
  return [
    { containerID: 0, hostID: own, size: 1 },
    { containerID: 1, hostID: start, size: count },
  ];
}

/** Who runs the program. */
function whose({ user, rootfs, namespaces }: Wanted, root: string): Whose {
  if (user !== undefined) return parseUser(user, root);
  // Among ranges of ids it is root that has our own id, and our files.
  const own = rootfs === undefined && namespaces.userns !== "auto";
  const [uid, gid] = own ? [geteuid(), getegid()] : [0, 0];
  const known = rootfs === undefined ? undefined : findUser(root, "0");
  return { uid, gid, groups: [], known };
}

// Privileges ---------------------------------------------------------------

function seccompOf(
  { seccomp, privileged }: Wanted,
  capabilities: readonly string[],
): Seccomp | undefined {
  if (seccomp === "unconfined" || (seccomp === undefined && privileged)) return undefined;
  const where = { arch: Deno.build.arch, kernel: kernelRelease(), capabilities };
  if (seccomp === undefined) return defaultSeccomp(where);
  const text = decode(readFile(seccomp));
  return explained(() => resolveProfile(parseProfile(text), where), `${seccomp}: `);
}

// The program --------------------------------------------------------------

function processOf(
  want: Wanted,
  root: string,
  user: Whose,
  maps: Maps | undefined,
  capabilities: Capabilities | undefined,
): Process {
  const copy = want.rootfs === undefined;
  const oneId = maps && maps.groups.length === 1 && maps.groups[0]!.size === 1;
  if (oneId && want.groups.length > 0) {
    throw new ArgumentError("--group-add needs more than one group id: --userns=auto");
  }
  const named = want.groups.map((group) => parseGroup(group, root));
  const groups = oneId ? [] : [...new Set([...user.groups, ...named])];
  const env = environmentOf(want, user, copy);
  return {
    cwd: insidePath(want.workdir ?? (copy ? currentDirectory() : "/")),
    args: want.args.length > 0 ? want.args : [shellOf(env, copy)],
    env,
    user: {
      uid: user.uid,
      gid: user.gid,
      ...(want.umask !== undefined && { umask: parseUmask(want.umask) }),
      ...(groups.length > 0 && { additionalGids: groups }),
    },
    ...(want.ulimits.length > 0 && { rlimits: want.ulimits.map(parseUlimit) }),
    ...(capabilities && { capabilities }),
    noNewPrivileges: !want.privileged,
    ...(want.tty && { terminal: true }),
  };
}

function shellOf(env: readonly string[], copy: boolean): string {
  const shell = env.find((entry) => entry.startsWith("SHELL="))?.slice("SHELL=".length);
  return copy && shell ? shell : "/bin/sh";
}

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

function environmentOf(want: Wanted, user: Whose, copy: boolean): string[] {
  const ofUser = !copy || want.user !== undefined;
  const env = withVariables([
    ...(want.clearEnv ? [] : ownVariables()),
    ...(ofUser ? [homeOf(user)] : []),
  ], want);
  return env.some((entry) => entry.startsWith("PATH=")) ? env : [...env, PATH];
}

function parseUmask(text: string): number {
  if (!/^[0-7]{1,4}$/.test(text)) throw new ArgumentError(`no octal mode: '${text}'`);
  return Number.parseInt(text, 8);
}

/** No limit, as the specification has it: the largest number of 64 bits, or the nearest there is. */
const UNLIMITED = 2 ** 64;

function parseUlimit(text: string): Rlimit {
  const [, name, soft, hard = soft] = /^(\w+)=(\d+|unlimited)(?::(\d+|unlimited))?$/.exec(text) ??
    [];
  const type = `RLIMIT_${name?.toUpperCase()}`;
  if (name === undefined) throw new ArgumentError(`no name=soft[:hard]: '${text}'`);
  if (!Object.hasOwn(RLIMITS, type)) throw new ArgumentError(`no limit '${name}'`);
  const value = (limit: string): number => limit === "unlimited" ? UNLIMITED : Number(limit);
  return { type, soft: value(soft!), hard: value(hard!) };
}
