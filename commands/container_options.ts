/**
 * The options of `denspace run`, and what a command line says with them.
 *
 * @module
 */
import type { Mount } from "../sandbox/container/oci.ts";
import { ArgumentError, getopt } from "./getopt.ts";
import { HELP_OPTION, VERSION_OPTION } from "./help.ts";
import type { Limits } from "./limits.ts";
import { parseOffset } from "./numbers.ts";
import { parseMount, parseTmpfs, parseVolume } from "./volumes.ts";

/** What a namespace can be. */
const WHICH = {
  argument: "required",
  value: "new|host|file|pid",
  complete: ["new", "host"],
} as const;

/** The options. */
export const CONTAINER_OPTIONS = [
  HELP_OPTION,
  VERSION_OPTION,
  {
    name: "config",
    argument: "required",
    value: "file|bundle",
    complete: "file",
    help: "all of it, as an OCI configuration; no other option goes with it",
  },
  {
    name: "print-config",
    argument: "none",
    help: "print the OCI configuration that the options come to, and run nothing",
  },
  {
    name: "rootfs",
    argument: "required",
    value: "directory",
    complete: "directory",
    help: "the root, read-only; places for mounts are made where they are missing",
  },
  { name: "writable", argument: "none", help: "have changes go to the root itself" },
  {
    name: "keep",
    argument: "required",
    value: "directory",
    complete: "directory",
    help: "keep what is changed there, as upper layers of overlays, and go on from there",
  },
  {
    name: "diff",
    argument: "none",
    help: "print at the end what was added, changed and deleted: A, C or D, and the path",
  },
  { name: "pid", ...WHICH, help: "pid namespace (new)" },
  {
    name: "net",
    argument: "required",
    value: "none|veth|pasta|host|file|pid",
    complete: ["none", "veth", "pasta", "host"],
    help:
      "network namespace: none has a loopback interface only, veth one to the machine too, pasta one for ordinary users (none)",
  },
  {
    name: "ip",
    argument: "required",
    value: "address/bits",
    help: "address of the interface inside, may be repeated (one of 10.0.0.0/8)",
  },
  {
    name: "gateway",
    argument: "required",
    value: "address",
    help: "by which all else is reached; without --bridge the address of the end outside",
  },
  {
    name: "bridge",
    argument: "required",
    value: "name",
    help: "bridge of the machine that the end outside is a port of",
  },
  {
    name: "net-rate",
    argument: "required",
    value: "rate[:burst]",
    help: "how much is sent, and how much received, such as 10mbit or 10mbit:64k",
  },
  {
    name: "nat",
    argument: "none",
    help: "reach all that the machine can reach, under its address, by nft(8)",
  },
  {
    name: "publish",
    short: "p",
    argument: "required",
    value: "port:port[/udp]",
    help: "port of the machine that leads to one inside, by nft(8) or pasta(1), may be repeated",
  },
  { name: "ipc", ...WHICH, help: "System V IPC namespace (new)" },
  { name: "uts", ...WHICH, help: "UTS namespace: host name (new)" },
  { name: "cgroupns", ...WHICH, help: "cgroup namespace (new)" },
  { name: "time", ...WHICH, help: "time namespace (new)" },
  {
    name: "mntns",
    ...WHICH,
    help: "mount namespace (new); with another one there is no root, and nothing is mounted",
  },
  {
    name: "userns",
    argument: "required",
    value: "one|auto|host|file|pid",
    complete: ["one", "auto", "host"],
    help:
      "user namespace: with our own id only, with those of /etc/subuid and /etc/subgid, or none (root: host, else one)",
  },
  {
    name: "map-users",
    argument: "required",
    value: "inside:outside:count",
    help: "user ids of the user namespace, may be repeated",
  },
  {
    name: "map-groups",
    argument: "required",
    value: "inside:outside:count",
    help: "group ids of the user namespace, may be repeated",
  },
  {
    name: "monotonic",
    argument: "required",
    value: "seconds",
    help: "by how much the monotonic clock is ahead",
  },
  {
    name: "boottime",
    argument: "required",
    value: "seconds",
    help: "by how much the clock since boot is ahead",
  },
  {
    name: "volume",
    short: "v",
    argument: "required",
    value: "source:destination[:options]",
    complete: "directory",
    help: "mount a directory or file of the machine: with ro, rslave, nosuid, ...",
  },
  {
    name: "mount",
    argument: "required",
    value: "type=...,src=...,dst=...,options",
    help: "mount something: bind, tmpfs, overlay, proc, ...",
  },
  {
    name: "tmpfs",
    argument: "required",
    value: "destination[:options]",
    help: "mount memory: with size=64m, mode=1777, ...",
  },
  { name: "hostname", argument: "required", value: "name", help: "name of the host inside" },
  { name: "domainname", argument: "required", value: "name", help: "NIS domain name inside" },
  {
    name: "user",
    short: "u",
    argument: "required",
    value: "uid|name[:gid|group]",
    help: "who runs the program; names are those of the root's own files",
  },
  {
    name: "group-add",
    argument: "required",
    value: "gid|group",
    help: "a further group, may be repeated",
  },
  {
    name: "workdir",
    short: "w",
    argument: "required",
    value: "directory",
    help: "working directory inside (/, or this one in a copy of the machine)",
  },
  {
    name: "env",
    short: "e",
    argument: "required",
    value: "name[=value]",
    help: "set a variable, or pass ours on, may be repeated",
  },
  {
    name: "env-file",
    argument: "required",
    value: "file",
    complete: "file",
    help: "set the variables of a file, one a line, may be repeated",
  },
  { name: "clear-env", argument: "none", help: "pass no variable on that is not named" },
  {
    name: "ulimit",
    argument: "required",
    value: "name=soft[:hard]",
    help: "limit of a resource, such as nofile=1024, may be repeated",
  },
  { name: "memory", argument: "required", value: "bytes", help: "limit of memory, such as 64m" },
  {
    name: "memory-swap",
    argument: "required",
    value: "bytes",
    help: "limit of memory and swap together; -1 for none",
  },
  {
    name: "cpus",
    argument: "required",
    value: "number",
    help: "how much of the processors, such as 1.5",
  },
  {
    name: "cpu-shares",
    argument: "required",
    value: "number",
    help: "share of the processors when others want them, too (1024)",
  },
  {
    name: "cpuset",
    argument: "required",
    value: "list",
    help: "on which processors, such as 0-2,4",
  },
  { name: "pids-limit", argument: "required", value: "number", help: "limit of processes" },
  {
    name: "io-max",
    argument: "required",
    value: "device:limits",
    complete: "file",
    help: "limits of a disk: rbps=,wbps=,riops=,wiops= (bytes, operations), may be repeated",
  },
  {
    name: "device",
    argument: "required",
    value: "device[:place][:rwm]",
    complete: "file",
    help: "a device of the machine, may be repeated; root: only these and the usual ones then",
  },
  {
    name: "cgroup-parent",
    argument: "required",
    value: "path",
    help: "cgroup below which that of the limits is, from the topmost, or from ours",
  },
  { name: "umask", argument: "required", value: "mode", help: "file mode creation mask (022)" },
  {
    name: "cap-add",
    argument: "required",
    value: "capability|ALL",
    help: "a capability beside the usual ones, for another user than root, too; may be repeated",
  },
  {
    name: "cap-drop",
    argument: "required",
    value: "capability|ALL",
    help: "a capability that the container can't have, may be repeated",
  },
  {
    name: "privileged",
    argument: "none",
    help: "keep all capabilities, with no filter of system calls and nothing of /proc hidden",
  },
  {
    name: "seccomp",
    argument: "required",
    value: "file|unconfined",
    complete: "file",
    help: "filter of system calls, in the format of container engines, or none",
  },
  {
    name: "landlock",
    argument: "required",
    value: "ro:path,rw:path,bind:port,connect:port,scope:...",
    help:
      "grant no other files, TCP ports (none), signals or abstract-unix-sockets; may be repeated",
  },
  {
    name: "no-namespaces",
    argument: "none",
    help: "share all namespaces and the root with the machine",
  },
  {
    name: "interactive",
    short: "i",
    argument: "none",
    help: "pass standard input on, which is done anyway",
  },
  { name: "tty", short: "t", argument: "none", help: "give the container a terminal of its own" },
  {
    name: "init",
    argument: "none",
    help: "have a process 1 that does nothing but wait for processes without a parent",
  },
  { name: "timeout", argument: "required", value: "seconds", help: "kill it then; status 124" },
  {
    name: "die-with-parent",
    argument: "none",
    help: "kill it when what started denspace ends",
  },
  { name: "name", argument: "required", value: "name", help: "not supported yet" },
  { name: "detach", short: "d", argument: "none", help: "not supported yet" },
] as const;

/** The options that name a namespace. */
const NAMESPACE_OPTIONS = [
  "pid",
  "net",
  "ipc",
  "uts",
  "cgroupns",
  "time",
  "mntns",
  "userns",
] as const;

/** An option that names a namespace. */
export type NamespaceOption = typeof NAMESPACE_OPTIONS[number];

/** What a command line says. */
export interface Wanted {
  /** What is shown, instead of running anything. */
  show?: "help" | "version" | "config";
  /** The file of a configuration, which is then all that counts. */
  config?: string;
  rootfs?: string;
  writable: boolean;
  keep?: string;
  diff: boolean;
  /** What is said of namespaces. */
  readonly namespaces: Partial<Record<NamespaceOption, string>>;
  readonly mapUsers: string[];
  readonly mapGroups: string[];
  readonly clocks: { monotonic?: number; boottime?: number };
  readonly mounts: Mount[];
  hostname?: string;
  domainname?: string;
  user?: string;
  readonly groups: string[];
  workdir?: string;
  readonly env: string[];
  readonly envFiles: string[];
  clearEnv: boolean;
  readonly ulimits: string[];
  umask?: string;
  readonly limits: Limits;
  cgroupParent?: string;
  readonly network: {
    ips: string[];
    gateways: string[];
    publish: string[];
    bridge?: string;
    rate?: string;
    nat?: boolean;
  };
  readonly capAdd: string[];
  readonly capDrop: string[];
  privileged: boolean;
  seccomp?: string;
  readonly landlock: string[];
  tty: boolean;
  init: boolean;
  timeout?: string;
  dieWithParent: boolean;
  /** The program and its arguments. */
  args: string[];
}

/** What the arguments say. */
export function parseContainer(args: readonly string[]): Wanted {
  const want: Wanted = {
    writable: false,
    diff: false,
    namespaces: {},
    mapUsers: [],
    mapGroups: [],
    clocks: {},
    mounts: [],
    groups: [],
    env: [],
    envFiles: [],
    clearEnv: false,
    ulimits: [],
    limits: { ioMax: [], devices: [] },
    network: { ips: [], gateways: [], publish: [] },
    capAdd: [],
    capDrop: [],
    privileged: false,
    landlock: [],
    tty: false,
    init: false,
    dieWithParent: false,
    args: [],
  };
  const { options, operands } = getopt(CONTAINER_OPTIONS, args);
  const used: string[] = [];
  for (const option of options) {
    used.push(option.name);
    switch (option.name) {
      case "help":
      case "version":
        want.show = option.name;
        return want;
      case "print-config":
        want.show = "config";
        break;
      case "config":
      case "rootfs":
      case "keep":
      case "hostname":
      case "domainname":
      case "user":
      case "workdir":
      case "umask":
      case "seccomp":
      case "timeout":
        want[option.name] = option.value;
        break;
      case "writable":
      case "privileged":
      case "diff":
      case "init":
      case "tty":
        want[option.name] = true;
        break;
      case "pid":
      case "net":
      case "ipc":
      case "uts":
      case "cgroupns":
      case "time":
      case "mntns":
      case "userns":
        want.namespaces[option.name] = option.value;
        break;
      case "map-users":
        want.mapUsers.push(option.value);
        break;
      case "map-groups":
        want.mapGroups.push(option.value);
        break;
      case "monotonic":
      case "boottime":
        want.clocks[option.name] = Number(parseOffset(option.value, `${option.name} offset`));
        break;
      case "volume":
        want.mounts.push(parseVolume(option.value));
        break;
      case "mount":
        want.mounts.push(parseMount(option.value));
        break;
      case "tmpfs":
        want.mounts.push(parseTmpfs(option.value));
        break;
      case "group-add":
        want.groups.push(option.value);
        break;
      case "env":
        want.env.push(option.value);
        break;
      case "env-file":
        want.envFiles.push(option.value);
        break;
      case "clear-env":
        want.clearEnv = true;
        break;
      case "ulimit":
        want.ulimits.push(option.value);
        break;
      case "memory":
      case "memory-swap":
      case "cpus":
      case "cpu-shares":
      case "cpuset":
      case "pids-limit":
        want.limits[option.name] = option.value;
        break;
      case "io-max":
        want.limits.ioMax.push(option.value);
        break;
      case "device":
        want.limits.devices.push(option.value);
        break;
      case "cgroup-parent":
        want.cgroupParent = option.value;
        break;
      case "ip":
        want.network.ips.push(option.value);
        break;
      case "gateway":
        want.network.gateways.push(option.value);
        break;
      case "publish":
        want.network.publish.push(option.value);
        break;
      case "nat":
        want.network.nat = true;
        break;
      case "bridge":
        want.network.bridge = option.value;
        break;
      case "net-rate":
        want.network.rate = option.value;
        break;
      case "cap-add":
        want.capAdd.push(option.value);
        break;
      case "cap-drop":
        want.capDrop.push(option.value);
        break;
      case "landlock":
        want.landlock.push(option.value);
        break;
      case "no-namespaces":
        for (const name of NAMESPACE_OPTIONS) want.namespaces[name] ??= "host";
        break;
      case "interactive":
        break;
      case "die-with-parent":
        want.dieWithParent = true;
        break;
      case "name":
      case "detach":
        throw new ArgumentError(
          `--${option.name} is not supported yet: containers that outlive their terminal ` +
            "come with the OCI runtime commands",
        );
      default:
        option satisfies never;
    }
  }
  want.args = operands;
  if (want.config !== undefined) {
    const other = used.find((name) => name !== "config" && name !== "print-config");
    if (other !== undefined || operands.length > 0) {
      throw new ArgumentError(
        `--config says all: it goes with no ${other ? `--${other}` : "program"}`,
      );
    }
  }
  return want;
}
