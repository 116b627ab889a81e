/**
 * `denspace nsenter`: nsenter(1).
 *
 * @module
 */
import { geteuid } from "../ffi/unistd.ts";
import { exec } from "../ffi/plan/exec.ts";
import type { NamespaceName } from "../sandbox/namespaces.ts";
import { type NewId, type Nsenter, nsenterPlan } from "../sandbox/nsenter.ts";
import {
  cgroupOf,
  environmentOf,
  hasOtherRoot,
  hasSELinux,
  hasUnifiedCgroups,
  isAtLeast,
  kernelRelease,
  kindsHere,
  otherNamespaces,
  processExists,
  securityContextOf,
  sharesNamespace,
  shellsOf,
} from "../sandbox/target.ts";
import type { Context } from "./cli.ts";
import { ArgumentError, getopt, type Match, programName } from "./getopt.ts";
import { type Help, HELP_OPTION, showHelp, showVersion, VERSION_OPTION } from "./help.ts";
import { parseDescriptor, parseId } from "./numbers.ts";

/** An option that enters a namespace. */
const NAMESPACE = { argument: "optional", value: "file|:id", complete: "file" } as const;
/** An option with a directory. */
const DIRECTORY = { argument: "optional", value: "directory", complete: "directory" } as const;

const OPTIONS = [
  {
    name: "all",
    short: "a",
    argument: "none",
    help: "enter all namespaces, the user namespace only if it is another one",
  },
  HELP_OPTION,
  VERSION_OPTION,
  {
    name: "target",
    short: "t",
    argument: "required",
    value: "pid[:inode]",
    complete: "process",
    help: "process to take namespaces from; it must have that inode of a pidfd",
  },
  { name: "mount", short: "m", ...NAMESPACE, help: "enter the mount namespace" },
  { name: "uts", short: "u", ...NAMESPACE, help: "enter the UTS namespace (host name)" },
  { name: "ipc", short: "i", ...NAMESPACE, help: "enter the System V IPC namespace" },
  { name: "net", short: "n", ...NAMESPACE, help: "enter the network namespace" },
  {
    name: "net-socket",
    short: "N",
    argument: "required",
    value: "fd",
    help: "enter the network namespace of a socket that the target has open",
  },
  { name: "pid", short: "p", ...NAMESPACE, help: "enter the pid namespace" },
  { name: "user", short: "U", ...NAMESPACE, help: "enter the user namespace" },
  { name: "cgroup", short: "C", ...NAMESPACE, help: "enter the cgroup namespace" },
  { name: "time", short: "T", ...NAMESPACE, help: "enter the time namespace" },
  {
    name: "setuid",
    short: "S",
    argument: "required",
    value: "uid|follow",
    complete: ["follow"],
    help: "user id inside (0 with --user); 'follow' for the target's",
  },
  {
    name: "setgid",
    short: "G",
    argument: "required",
    value: "gid|follow",
    complete: ["follow"],
    help: "group id inside (0 with --user); drops the supplementary groups",
  },
  { name: "root", short: "r", ...DIRECTORY, help: "root directory: the target's, or this one" },
  { name: "wd", short: "w", ...DIRECTORY, help: "working directory: the target's, or this one" },
  { name: "wdns", short: "W", ...DIRECTORY, help: "working directory, looked up inside" },
  { name: "env", short: "e", argument: "none", help: "run with the target's environment" },
  {
    name: "no-fork",
    short: "F",
    argument: "none",
    help: "with --pid, run the program without a fork: only its children are inside",
  },
  { name: "join-cgroup", short: "c", argument: "none", help: "join the target's cgroup (v2)" },
  {
    name: "preserve-credentials",
    argument: "none",
    help: "with --user, leave the ids and groups as they are",
  },
  {
    name: "keep-caps",
    argument: "none",
    help: "with --user, let the program keep the capabilities that this gives",
  },
  {
    name: "user-parent",
    argument: "none",
    help: "enter the parent of the user namespace",
  },
  {
    name: "follow-context",
    short: "Z",
    argument: "none",
    help: "run in the target's SELinux context",
  },
] as const;

/** What nsenter says of itself. */
export const help: Help = {
  name: "nsenter",
  summary: "run a program in the namespaces of other processes",
  usage: "[options] [program [argument...]]",
  about: `Runs a program, or a shell, in the namespaces of other processes. See nsenter(1).
'nsenter --pid 1234' enters all those of process 1234 that are not ours, its root
directory and its working directory.`,
  options: OPTIONS,
  operands: "program",
  plan: true,
};

/** A path, or `true` for what the target has. */
type PathOrTarget = string | true;

/** What the command line says, before the target is looked at. */
interface Request {
  target: number;
  targetInode?: bigint | undefined;
  all: boolean;
  namespaces: Map<NamespaceName, string | bigint | undefined>;
  netSocket?: number | undefined;
  userParent: boolean;
  noFork: boolean;
  preserveCredentials: boolean;
  keepCapabilities: boolean;
  setuid?: NewId;
  setgid?: NewId;
  root?: PathOrTarget;
  directory?: PathOrTarget;
  insideDirectory?: string | undefined;
  /** Which of --wd and --wdns was met. */
  directoryOption?: "wd" | "wdns";
  environment: boolean;
  cgroup: boolean;
  securityContext: boolean;
  /** Whether the ids are a wish: the namespace may not allow them. */
  lenientIds?: boolean;
  shells?: string[];
}

/** An option that asks for something of the program. */
type Wish = Exclude<Match<typeof OPTIONS[number]>, { name: "help" | "version" }>;

/** Runs a program in other namespaces: `argv[0]` and what follows it. Does not return. */
export function main(argv: readonly string[], { run = exec, reads }: Partial<Context> = {}): void {
  const name = programName(argv[0]!);
  const request: Request = {
    target: 0,
    all: false,
    namespaces: new Map(),
    userParent: false,
    noFork: false,
    preserveCredentials: false,
    keepCapabilities: false,
    environment: false,
    cgroup: false,
    securityContext: false,
  };
  let operands = argv.slice(1);
  let pid: number | undefined;
  for (;;) {
    const read = getopt(OPTIONS, operands);
    for (const option of read.options) {
      if (option.name === "version") return showVersion(name);
      if (option.name === "help") return showHelp(help, name);
      note(request, option);
    }
    operands = read.operands;
    if (pid !== undefined || !isTargetOperand(request, operands)) break;
    // Further options may follow the pid.
    pid = Number(operands.shift());
  }

  const { namespaces, netSocket } = request;
  const id = [...namespaces].find(([, source]) => typeof source === "bigint");
  if (id) reads?.({ option: `--${id[0]}=:${id[1]}`, ...OF_THIS_BOOT });
  if (pid !== undefined || request.target !== 0) {
    reads?.({ option: `process ${pid ?? request.target}`, ...OF_THIS_BOOT });
  }
  if (netSocket !== undefined && !namespaces.has("net")) namespaces.set("net", undefined);
  if (request.userParent && !namespaces.has("user")) namespaces.set("user", undefined);
  if (pid !== undefined) aimAt(request, pid);
  const context = contextOf(request);
  if (request.all) addAll(request);
  run(
    nsenterPlan({
      ...request,
      ...resolved(request),
      name,
      securityContext: context,
      fork: namespaces.has("pid") && !request.noFork,
      program: { name: operands[0], index: argv.length - Math.max(1, operands.length) },
    }),
    argv,
  );
}

/** What can't be said of another host. */
const OF_THIS_BOOT = {
  what: "a process or namespace that there is now",
  instead: "give files to which the namespaces are bound, as in --net=/run/netns/blue",
} as const;

/** Notes what an option asks for. */
function note(request: Request, option: Wish): void {
  switch (option.name) {
    case "all":
      request.all = true;
      break;
    case "target":
      Object.assign(request, parseTarget(option.value));
      break;
    case "mount":
    case "uts":
    case "ipc":
    case "net":
    case "pid":
    case "cgroup":
    case "user":
    case "time":
      request.namespaces.set(option.name, parseNamespace(option.value));
      break;
    case "net-socket": {
      const fd = parseDescriptor(option.value, "file descriptor");
      request.netSocket = fd < 0 ? undefined : fd;
      break;
    }
    case "setuid":
      request.setuid = parseNewId(option.value, "uid", request.setuid);
      break;
    case "setgid":
      request.setgid = parseNewId(option.value, "gid", request.setgid);
      break;
    case "root":
      request.root = option.value ?? true;
      break;
    case "wd":
      onlyOne(request, option.name);
      request.directory = withoutEquals(option.value) ?? true;
      break;
    case "wdns":
      onlyOne(request, option.name);
      request.insideDirectory = withoutEquals(option.value);
      break;
    case "env":
      request.environment = true;
      break;
    case "no-fork":
      request.noFork = true;
      break;
    case "join-cgroup":
      request.cgroup = true;
      break;
    case "preserve-credentials":
      request.preserveCredentials = true;
      break;
    case "keep-caps":
      request.keepCapabilities = true;
      break;
    case "user-parent":
      request.userParent = true;
      break;
    case "follow-context":
      request.securityContext = true;
      break;
    default:
      option satisfies never;
  }
}

/** `PID` or `PID:INODE`. */
function parseTarget(text: string): Pick<Request, "target" | "targetInode"> {
  const [, pid, inode] = /^(.*):([0-9]+)$/s.exec(text) ?? [undefined, text];
  const target = parseId(pid!, "pid");
  if (inode === undefined) return { target, targetInode: undefined };
  requireLinux("6.9", `cannot find ${text}: to tell processes apart by an inode`);
  return { target, targetInode: BigInt(inode) };
}

/** The file of a namespace, or its id after a `:`. */
function parseNamespace(text: string | undefined): string | bigint | undefined {
  const path = withoutEquals(text);
  if (path === undefined || !/^:[0-9]+$/.test(path)) return path;
  requireLinux("6.19", `cannot open ${path}: to open a namespace by its id`);
  return BigInt(path.slice(1));
}

/** Fails on kernels before this one, where what is asked for would do something else. */
function requireLinux(least: string, why: string): void {
  const release = kernelRelease();
  if (isAtLeast(release, least)) return;
  throw new ArgumentError(`${why} takes Linux ${least}, here is ${release}`);
}

/** A leading `=` stands between a short option and its value. */
function withoutEquals(text: string | undefined): string | undefined {
  return text?.replace(/^=/, "");
}

/** An id, or `follow`, which stays whatever comes later. */
function parseNewId(text: string, what: string, before: NewId | undefined): NewId {
  const id = text === "follow" ? text : parseId(text, what);
  return before === "follow" ? before : id;
}

function onlyOne(request: Request, name: "wd" | "wdns"): void {
  if ((request.directoryOption ??= name) === name) return;
  throw new ArgumentError("mutually exclusive arguments: --wdns --wd");
}

/** Whether `--pid 1234` stands where nsenter(1) misses a `--target`. */
function isTargetOperand({ target, namespaces }: Request, [operand]: string[]): boolean {
  return target === 0 && namespaces.has("pid") && namespaces.get("pid") === undefined &&
    operand !== undefined && /^[0-9]+$/.test(operand);
}

/** `--pid 1234`: all that the process has and we have not, unless more is said. */
function aimAt(request: Request, pid: number): void {
  request.target = pid;
  if (!processExists(pid)) {
    throw new ArgumentError(`no process has the pid ${pid} (see ps -e for those that there are)`);
  }
  const { namespaces, setuid } = request;
  if (namespaces.size === 1 && !request.all) {
    namespaces.clear();
    for (const name of otherNamespaces(pid)) namespaces.set(name, undefined);
    if (hasOtherRoot(pid)) request.root ??= true;
    if (request.directoryOption === undefined) request.directory = true;
    request.lenientIds = true;
  }
  const becomesRoot = namespaces.has("user") && !request.preserveCredentials;
  const uid = typeof setuid === "number" ? setuid : becomesRoot ? 0 : geteuid();
  request.shells = shellsOf(pid, uid);
}

/** `--all`: every kind there is, but not our own user namespace: it can't be entered. */
function addAll({ namespaces, target }: Request): void {
  for (const name of kindsHere()) {
    if (namespaces.has(name) || name === "user" && sharesNamespace(target, name)) continue;
    namespaces.set(name, undefined);
  }
}

/** The target's SELinux context, if it is asked for and there is such a thing. */
function contextOf({ target, securityContext }: Request): string | undefined {
  if (!securityContext || !hasSELinux()) return undefined;
  if (target !== 0) return securityContextOf(target);
  throw new ArgumentError("no target PID specified for --follow-context");
}

/** The paths, the cgroup and the environment, if what needs a target has one. */
function resolved(
  request: Request,
): Required<Pick<Nsenter, "root" | "workingDirectory" | "cgroup" | "environment">> {
  const { target, namespaces, root, directory, setuid, setgid } = request;
  const inherited = [...namespaces.values()].includes(undefined);
  if (target === 0 && (inherited || request.netSocket !== undefined || request.userParent)) {
    throw new ArgumentError("no target PID specified");
  }
  const ofTarget = (name: string): string => {
    if (target !== 0) return `/proc/${target}/${name}`;
    throw new ArgumentError(`neither filename nor target pid supplied for ${name}`);
  };
  const found = {
    root: root === true ? ofTarget("root") : root,
    workingDirectory: directory === true ? ofTarget("cwd") : directory,
    environment: request.environment && ofTarget("environ") ? environmentOf(target) : undefined,
    cgroup: request.cgroup ? cgroup(target, ofTarget) : undefined,
  };
  if (setuid === "follow" || setgid === "follow") ofTarget("");
  // Entering none is fine where only what differs was asked for.
  if (namespaces.size === 0 && !request.lenientIds) {
    throw new ArgumentError(
      "no namespace specified" +
        (target === 0 ? "" : `\nAdd those to enter, such as --mount or --net, or --all.`),
    );
  }
  return found;
}

function cgroup(target: number, ofTarget: (name: string) => string): string {
  if (!hasUnifiedCgroups()) {
    throw new ArgumentError("--join-cgroup is only supported in cgroup v2");
  }
  ofTarget("cgroup");
  const path = cgroupOf(target);
  if (path === undefined) throw new ArgumentError("failed to get cgroup path");
  return path;
}
