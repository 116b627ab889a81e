/**
 * `denspace nsenter`: nsenter(1).
 *
 * @module
 */
import { geteuid } from "../ffi/unistd.ts";
import { exec } from "../ffi/plan/exec.ts";
import type { NamespaceName } from "../sandbox/namespaces.ts";
import { type Nsenter, nsenterPlan } from "../sandbox/nsenter.ts";
import {
  hasOtherRoot,
  kindsHere,
  otherNamespaces,
  processExists,
  sharesNamespace,
  shellsOf,
} from "../sandbox/target.ts";
import { ArgumentError, getopt, programName } from "./getopt.ts";
import { showHelp, showVersion } from "./help.ts";
import { parseId } from "./numbers.ts";

const OPTIONS = [
  {
    name: "all",
    short: "a",
    argument: "none",
    help: "enter all namespaces, the user namespace only if it is another one",
  },
  {
    name: "target",
    short: "t",
    argument: "required",
    value: "pid",
    help: "process to take namespaces from",
  },
  {
    name: "mount",
    short: "m",
    argument: "optional",
    value: "file",
    help: "enter the mount namespace",
  },
  {
    name: "uts",
    short: "u",
    argument: "optional",
    value: "file",
    help: "enter the UTS namespace (host name)",
  },
  {
    name: "ipc",
    short: "i",
    argument: "optional",
    value: "file",
    help: "enter the System V IPC namespace",
  },
  {
    name: "net",
    short: "n",
    argument: "optional",
    value: "file",
    help: "enter the network namespace",
  },
  { name: "pid", short: "p", argument: "optional", value: "file", help: "enter the pid namespace" },
  {
    name: "cgroup",
    short: "C",
    argument: "optional",
    value: "file",
    help: "enter the cgroup namespace",
  },
  {
    name: "user",
    short: "U",
    argument: "optional",
    value: "file",
    help: "enter the user namespace",
  },
  {
    name: "time",
    short: "T",
    argument: "optional",
    value: "file",
    help: "enter the time namespace",
  },
  {
    name: "setuid",
    short: "S",
    argument: "required",
    value: "uid",
    help: "user id inside (0 with --user)",
  },
  {
    name: "setgid",
    short: "G",
    argument: "required",
    value: "gid",
    help: "group id inside (0 with --user); drops the supplementary groups",
  },
  {
    name: "preserve-credentials",
    argument: "none",
    help: "with --user, leave the ids and groups as they are",
  },
  {
    name: "root",
    short: "r",
    argument: "optional",
    value: "directory",
    help: "root directory: the target's, or this one",
  },
  {
    name: "wd",
    short: "w",
    argument: "optional",
    value: "directory",
    help: "working directory: the target's, or this one",
  },
  {
    name: "no-fork",
    short: "F",
    argument: "none",
    help: "with --pid, run the program without a fork: only its children are inside",
  },
  { name: "help", short: "h", argument: "none", help: "show this text" },
  { name: "version", short: "V", argument: "none", help: "show the version" },
] as const;

/** A path, or `true` for what the target has. */
type PathOrTarget = string | true;

/** What the command line says, before the target is looked at. */
interface Request {
  target: number;
  all: boolean;
  namespaces: Map<NamespaceName, string | undefined>;
  noFork: boolean;
  preserveCredentials: boolean;
  setuid?: number;
  setgid?: number;
  root?: PathOrTarget;
  directory?: PathOrTarget;
  /** Whether the ids are a wish: the namespace may not allow them. */
  lenientIds?: boolean;
  shells?: string[];
}

/** Runs a program in other namespaces: `argv[0]` and what follows it. Does not return. */
export function main(argv: readonly string[]): void {
  const name = programName(argv[0]!);
  const request: Request = {
    target: 0,
    all: false,
    namespaces: new Map(),
    noFork: false,
    preserveCredentials: false,
  };
  const { options, operands } = getopt(OPTIONS, argv.slice(1));
  for (const option of options) {
    switch (option.name) {
      case "all":
        request.all = true;
        break;
      case "target":
        request.target = parseId(option.value, "pid");
        break;
      case "mount":
      case "uts":
      case "ipc":
      case "net":
      case "pid":
      case "cgroup":
      case "user":
      case "time":
        request.namespaces.set(option.name, option.value?.replace(/^=/, ""));
        break;
      case "setuid":
        request.setuid = parseId(option.value, "uid");
        break;
      case "setgid":
        request.setgid = parseId(option.value, "gid");
        break;
      case "preserve-credentials":
        request.preserveCredentials = true;
        break;
      case "root":
        request.root = option.value ?? true;
        break;
      case "wd":
        request.directory = option.value?.replace(/^=/, "") ?? true;
        break;
      case "no-fork":
        request.noFork = true;
        break;
      case "help":
        return showHelp({
          name,
          usage: "[options] [program [argument...]]",
          about:
            `Runs a program, or a shell, in the namespaces of other processes. See nsenter(1).\n` +
            `'${name} --pid 1234' enters all those of process 1234 that are not ours, its root\n` +
            `directory and its working directory.`,
          options: OPTIONS,
        });
      case "version":
        return showVersion(name);
      default:
        option satisfies never;
    }
  }

  if (isTargetOperand(request, operands)) aimAt(request, Number(operands.shift()));
  if (request.all) addAll(request);
  const [program] = operands;
  const { root: _root, ...rest } = request;
  exec(
    nsenterPlan({
      ...rest,
      ...checked(request),
      name,
      fork: request.namespaces.has("pid") && !request.noFork,
      program: program === undefined
        ? undefined
        : { name: program, index: argv.length - operands.length },
    }),
    argv,
  );
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
  const { namespaces } = request;
  if (namespaces.size === 1 && !request.all) {
    namespaces.clear();
    for (const name of otherNamespaces(pid)) namespaces.set(name, undefined);
    if (hasOtherRoot(pid)) request.root ??= true;
    request.directory ??= true;
    request.lenientIds = true;
  }
  const becomesRoot = namespaces.has("user") && !request.preserveCredentials;
  request.shells = shellsOf(pid, request.setuid ?? (becomesRoot ? 0 : geteuid()));
}

/** `--all`: every kind there is, but not our own user namespace: it can't be entered. */
function addAll({ namespaces, target }: Request): void {
  for (const name of kindsHere()) {
    if (namespaces.has(name) || name === "user" && sharesNamespace(target, name)) continue;
    namespaces.set(name, undefined);
  }
}

/** The target and the paths, if what needs a target has one. */
function checked(
  { target, namespaces, root, directory, lenientIds }: Request,
): Pick<Nsenter, "target" | "root" | "workingDirectory"> {
  const inherited = [...namespaces.values()].includes(undefined);
  if (inherited && target === 0) throw new ArgumentError("no target PID specified");
  const path = (value: PathOrTarget | undefined, name: string) => {
    if (value !== true) return value;
    if (target !== 0) return `/proc/${target}/${name}`;
    throw new ArgumentError(`neither filename nor target pid supplied for ${name}`);
  };
  const paths = { root: path(root, "root"), workingDirectory: path(directory, "cwd") };
  // Entering none is fine where only what differs was asked for.
  if (namespaces.size === 0 && !lenientIds) {
    throw new ArgumentError(
      "no namespace specified" +
        (target === 0 ? "" : `\nAdd those to enter, such as --mount or --net, or --all.`),
    );
  }
  return { target, ...paths };
}
