/**
 * `denspace unshare`: unshare(1).
 *
 * @module
 */
import { exec } from "../ffi/plan/exec.ts";
import { groupId, userId } from "../ffi/pwd.ts";
import { getegid, geteuid } from "../ffi/unistd.ts";
import type { InsideId } from "../sandbox/idmap.ts";
import {
  identityRanges,
  type IdRange,
  mergeRanges,
  OWN_ID,
  parseRange,
  subordinateIds,
} from "../sandbox/idranges.ts";
import { BINFMT_DIRECTORY, type Propagation, PROPAGATIONS } from "../sandbox/mounts.ts";
import type { NamespaceName } from "../sandbox/namespaces.ts";
import { type Unshare, unsharePlan } from "../sandbox/unshare.ts";
import type { Context } from "./cli.ts";
import { ArgumentError, explained, getopt, programName } from "./getopt.ts";
import { type Help, HELP_OPTION, showHelp, showVersion, VERSION_OPTION } from "./help.ts";
import { parseId, parseOffset } from "./numbers.ts";
import { parseSignal } from "./signals.ts";

/** An option that makes a namespace: only its long form takes a file. */
const NAMESPACE = {
  argument: "optional",
  shortArgument: "none",
  value: "file",
  complete: "file",
} as const;

const OPTIONS = [
  HELP_OPTION,
  VERSION_OPTION,
  { name: "mount", short: "m", ...NAMESPACE, help: "new mount namespace, bound to a file" },
  { name: "uts", short: "u", ...NAMESPACE, help: "new UTS namespace (host name)" },
  { name: "ipc", short: "i", ...NAMESPACE, help: "new System V IPC namespace" },
  { name: "net", short: "n", ...NAMESPACE, help: "new network namespace" },
  { name: "pid", short: "p", ...NAMESPACE, help: "new pid namespace, for children" },
  { name: "user", short: "U", ...NAMESPACE, help: "new user namespace" },
  { name: "cgroup", short: "C", ...NAMESPACE, help: "new cgroup namespace" },
  { name: "time", short: "T", ...NAMESPACE, help: "new time namespace" },
  { name: "fork", short: "f", argument: "none", help: "run the program in a child" },
  {
    name: "kill-child",
    argument: "optional",
    value: "signal",
    complete: "signal",
    help: "when unshare dies, send the child this signal (KILL); implies --fork",
  },
  {
    name: "mount-proc",
    argument: "optional",
    value: "directory",
    complete: "directory",
    help: "mount a new proc (on /proc); implies --mount",
  },
  {
    name: "mount-binfmt",
    argument: "optional",
    value: "directory",
    complete: "directory",
    help: "mount a new binfmt_misc; implies --user, --mount, and --mount-proc without a directory",
  },
  {
    name: "map-user",
    argument: "required",
    value: "uid|name",
    complete: "user",
    help: "user id inside for our own; implies --user",
  },
  {
    name: "map-users",
    argument: "required",
    value: "inside:outside:count|auto|subids|all",
    complete: ["auto", "subids", "all"],
    help: "map user ids, may be repeated; implies --user",
  },
  {
    name: "map-group",
    argument: "required",
    value: "gid|name",
    complete: "group",
    help: "group id inside for our own; implies --user",
  },
  {
    name: "map-groups",
    argument: "required",
    value: "inside:outside:count|auto|subids|all",
    complete: ["auto", "subids", "all"],
    help: "map group ids, may be repeated; implies --user",
  },
  {
    name: "map-root-user",
    short: "r",
    argument: "none",
    help: "be root inside; implies --user",
  },
  {
    name: "map-current-user",
    short: "c",
    argument: "none",
    help: "keep the ids inside; implies --user",
  },
  {
    name: "map-auto",
    argument: "none",
    help: "map the ids that /etc/subuid and /etc/subgid give us, from 0 on",
  },
  {
    name: "map-subids",
    argument: "none",
    help: "map the ids that /etc/subuid and /etc/subgid give us to themselves",
  },
  {
    name: "propagation",
    argument: "required",
    value: "slave|shared|private|unchanged",
    complete: ["slave", "shared", "private", "unchanged"],
    help: "what becomes of mounts made later (private)",
  },
  {
    name: "setgroups",
    argument: "required",
    value: "allow|deny",
    complete: ["allow", "deny"],
    help: "whether setgroups(2) works in the user namespace",
  },
  {
    name: "keep-caps",
    argument: "none",
    help: "keep the capabilities that a new user namespace gives",
  },
  { name: "setuid", short: "S", argument: "required", value: "uid", help: "user id inside" },
  {
    name: "setgid",
    short: "G",
    argument: "required",
    value: "gid",
    help: "group id inside; drops the supplementary groups",
  },
  {
    name: "root",
    short: "R",
    argument: "required",
    value: "directory",
    complete: "directory",
    help: "root directory of the program",
  },
  {
    name: "wd",
    short: "w",
    argument: "required",
    value: "directory",
    complete: "directory",
    help: "working directory of the program, within the root",
  },
  {
    name: "monotonic",
    argument: "required",
    value: "seconds",
    help: "by how much the monotonic clock is ahead, with --time",
  },
  {
    name: "boottime",
    argument: "required",
    value: "seconds",
    help: "by how much the clock since boot is ahead, with --time",
  },
  {
    name: "load-interp",
    short: "l",
    argument: "required",
    value: "format",
    help: "register an interpreter in binfmt_misc; implies --mount-binfmt",
  },
  {
    name: "forward-signals",
    argument: "none",
    help: "pass SIGINT and SIGTERM on to the child; implies --fork",
  },
  {
    name: "owner",
    argument: "required",
    value: "uid[:gid]",
    help: "who owns the new user namespace; implies --user",
  },
  { name: "clear-env", argument: "none", help: "run the program with an empty environment" },
  {
    name: "whitelist-env",
    argument: "required",
    value: "name,...",
    help: "run the program with these environment variables only",
  },
] as const;

/** What unshare says of itself. */
export const help: Help = {
  name: "unshare",
  summary: "run a program in new namespaces",
  usage: "[options] [program [argument...]]",
  about: "Runs a program, or a shell, in new namespaces. See unshare(1).",
  options: OPTIONS,
  operands: "program",
  plan: true,
};

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What the command line says of id maps, before they are merged. */
interface Maps {
  user?: InsideId;
  group?: InsideId;
  users: IdRange[];
  groups: IdRange[];
}

/** Runs a program in new namespaces: `argv[0]` and what follows it. Does not return. */
export function main(argv: readonly string[], { run = exec, reads }: Partial<Context> = {}): void {
  const namespaces = new Set<NamespaceName>();
  const files = new Map<NamespaceName, string>();
  const maps: Maps = { users: [], groups: [] };
  const want: Writable<Unshare> = {
    name: programName(argv[0]!),
    namespaces,
    files,
    fork: false,
    forwardSignals: false,
    ranges: { users: [], groups: [] },
    propagation: "private",
    keepCapabilities: false,
  };
  const { options, operands } = getopt(OPTIONS, argv.slice(1));
  for (const option of options) {
    switch (option.name) {
      case "mount":
      case "uts":
      case "ipc":
      case "net":
      case "pid":
      case "user":
      case "cgroup":
      case "time":
        namespaces.add(option.name);
        if (option.value !== undefined) files.set(option.name, option.value);
        break;
      case "fork":
        want.fork = true;
        break;
      case "kill-child":
        want.killChild = parseSignal(option.value ?? "KILL");
        want.fork = true;
        break;
      case "forward-signals":
        want.forwardSignals = want.fork = true;
        break;
      case "mount-proc":
        want.mountProc = option.value ?? "/proc";
        namespaces.add("mount");
        break;
      case "mount-binfmt":
        useBinfmt(want, namespaces, option.value);
        break;
      case "load-interp":
        useBinfmt(want, namespaces, want.mountBinfmt);
        want.interpreter = option.value || undefined; // an empty one registers nothing
        break;
      case "map-user":
        maps.user = idOf(option, userId, "uid", reads);
        namespaces.add("user");
        break;
      case "map-group":
        maps.group = idOf(option, groupId, "gid", reads);
        namespaces.add("user");
        break;
      case "map-root-user":
      case "map-current-user":
        maps.user = maps.group = option.name === "map-root-user" ? 0 : "current";
        namespaces.add("user");
        break;
      case "map-users":
        maps.users.push(...rangesOf(option.value, "uid_map", reads));
        namespaces.add("user");
        break;
      case "map-groups":
        maps.groups.push(...rangesOf(option.value, "gid_map", reads));
        namespaces.add("user");
        break;
      case "map-auto":
      case "map-subids": {
        const source = option.name === "map-auto" ? "auto" : "subids";
        maps.users.push(...rangesOf(source, "uid_map", reads));
        maps.groups.push(...rangesOf(source, "gid_map", reads));
        namespaces.add("user");
        break;
      }
      case "owner":
        want.owner = parseOwner(option.value);
        namespaces.add("user");
        break;
      case "propagation":
        want.propagation = parsePropagation(option.value);
        break;
      case "setgroups":
        want.setgroups = parseSetgroups(option.value);
        break;
      case "keep-caps":
        want.keepCapabilities = true;
        break;
      case "setuid":
        want.setuid = parseId(option.value, "uid");
        break;
      case "setgid":
        want.setgid = parseId(option.value, "gid");
        break;
      case "root":
        want.root = option.value;
        break;
      case "wd":
        want.workingDirectory = option.value;
        break;
      case "monotonic":
        want.monotonic = parseOffset(option.value, "monotonic offset");
        break;
      case "boottime":
        want.boottime = parseOffset(option.value, "boottime offset");
        break;
      case "clear-env":
        want.variables = [];
        break;
      case "whitelist-env":
        want.variables = option.value.split(",").filter((name) => name !== "");
        break;
      case "help":
        return showHelp(help, want.name);
      case "version":
        return showVersion(want.name);
      default:
        option satisfies never;
    }
  }
  if ((want.monotonic ?? want.boottime) !== undefined && !namespaces.has("time")) {
    throw new ArgumentError(
      "options --monotonic and --boottime require unsharing of a time namespace (-T)",
    );
  }
  useMaps(want, maps, reads);
  want.program = { name: operands[0], index: argv.length - Math.max(1, operands.length) };
  run(unsharePlan(want), argv);
}

function useBinfmt(
  want: Writable<Unshare>,
  namespaces: Set<NamespaceName>,
  directory: string | undefined,
): void {
  namespaces.add("mount").add("user");
  want.mountBinfmt = directory ?? BINFMT_DIRECTORY;
  if (directory === undefined) want.mountProc ??= "/proc";
}

/** Who writes which map: a single id is written by the process, unless there are ranges, too. */
function useMaps(
  want: Writable<Unshare>,
  { user, group, users, groups }: Maps,
  reads: Context["reads"],
): void {
  const owner = want.owner;
  const outside = { uid: owner?.uid ?? geteuid, gid: owner?.gid ?? getegid };
  const single = (inside: InsideId | undefined, id: number | (() => number)): IdRange[] => {
    if (inside === undefined) return [];
    // Elsewhere it is not known whose.
    const outside = typeof id === "number" ? id : reads ? OWN_ID : id();
    return [{ inside: inside === "current" ? outside : inside, outside, count: 1 }];
  };
  const merged = (
    inside: InsideId | undefined,
    id: number | (() => number),
    ranges: IdRange[],
  ): IdRange[] => ranges.length > 0 || owner ? mergeRanges(single(inside, id)[0], ranges) : [];

  want.ranges = {
    users: merged(user, outside.uid, users),
    groups: merged(group, outside.gid, groups),
  };
  if (want.ranges.users.length === 0) want.mapUser = user;
  if (want.ranges.groups.length === 0) want.mapGroup = group;
  if (want.mapGroup !== undefined && want.setgroups === "allow") {
    throw new ArgumentError("options --setgroups=allow and --map-group are mutually exclusive");
  }
}

/** The id that an option gives, as a name or as a number. */
function idOf(
  { name, value }: { name: string; value: string },
  find: (name: string) => number | undefined,
  what: "uid" | "gid",
  reads: Context["reads"],
): number {
  if (!/^[0-9]+$/.test(value)) {
    reads?.({
      option: `--${name}=${value}`,
      what: "names of this host",
      instead: `give the ${what}`,
    });
  } else if (reads) {
    return parseId(value, what);
  }
  return find(value) ?? parseId(value, what);
}

function rangesOf(
  text: string,
  map: "uid_map" | "gid_map",
  reads: Context["reads"],
): IdRange[] {
  const file = map === "uid_map" ? "/etc/subuid" : "/etc/subgid";
  if (text === "all" || text === "auto" || text === "subids") {
    reads?.({
      option: `a map of '${text}'`,
      what: text === "all" ? `/proc/self/${map}` : file,
      instead: "give the ranges, as in --map-users=0:100000:65536",
    });
  }
  if (text === "all") return identityRanges(map);
  if (text === "auto" || text === "subids") {
    const { start, count } = explained(() => subordinateIds(file, geteuid()));
    return [{ inside: text === "auto" ? 0 : start, outside: start, count }];
  }
  const range = parseRange(text);
  if (!range) throw new ArgumentError(`invalid mapping '${text}'`);
  return [range];
}

function parseOwner(text: string): Unshare["owner"] {
  const [, uid, , gid] = /^(\d+)(:(\d+))?$/.exec(text) ?? [];
  if (uid === undefined) throw new ArgumentError("failed to parse owner");
  return { uid: Number(uid), gid: gid === undefined ? undefined : Number(gid) };
}

function parsePropagation(text: string): Propagation {
  if (text === "unchanged" || Object.hasOwn(PROPAGATIONS, text)) return text as Propagation;
  throw new ArgumentError(`unsupported propagation mode: ${text}`);
}

function parseSetgroups(text: string): "allow" | "deny" {
  if (text === "allow" || text === "deny") return text;
  throw new ArgumentError(`unsupported --setgroups argument '${text}'`);
}
