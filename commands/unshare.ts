/**
 * `denspace unshare`: unshare(1).
 *
 * @module
 */
import { exec } from "../ffi/plan/exec.ts";
import { PROPAGATIONS } from "../sandbox/mounts.ts";
import type { Propagation } from "../sandbox/mounts.ts";
import type { NamespaceName } from "../sandbox/namespaces.ts";
import { type Unshare, unsharePlan } from "../sandbox/unshare.ts";
import { ArgumentError, getopt, programName } from "./getopt.ts";
import { showHelp, showVersion } from "./help.ts";
import { parseId } from "./numbers.ts";
import { parseSignal } from "./signals.ts";

const OPTIONS = [
  { name: "mount", short: "m", argument: "none", help: "new mount namespace" },
  { name: "uts", short: "u", argument: "none", help: "new UTS namespace (host name)" },
  { name: "ipc", short: "i", argument: "none", help: "new System V IPC namespace" },
  { name: "net", short: "n", argument: "none", help: "new network namespace" },
  { name: "pid", short: "p", argument: "none", help: "new pid namespace, for children" },
  { name: "user", short: "U", argument: "none", help: "new user namespace" },
  { name: "cgroup", short: "C", argument: "none", help: "new cgroup namespace" },
  { name: "time", short: "T", argument: "none", help: "new time namespace" },
  { name: "fork", short: "f", argument: "none", help: "run the program in a child" },
  {
    name: "kill-child",
    argument: "optional",
    value: "signal",
    help: "when unshare dies, send the child this signal (KILL); implies --fork",
  },
  {
    name: "mount-proc",
    argument: "optional",
    value: "directory",
    help: "mount a new proc (on /proc); implies --mount",
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
    name: "propagation",
    argument: "required",
    value: "slave|shared|private|unchanged",
    help: "what becomes of mounts made later (private)",
  },
  {
    name: "root",
    short: "R",
    argument: "required",
    value: "directory",
    help: "root directory of the program",
  },
  {
    name: "wd",
    short: "w",
    argument: "required",
    value: "directory",
    help: "working directory of the program, within the root",
  },
  { name: "setuid", short: "S", argument: "required", value: "uid", help: "user id inside" },
  {
    name: "setgid",
    short: "G",
    argument: "required",
    value: "gid",
    help: "group id inside; drops the supplementary groups",
  },
  { name: "help", short: "h", argument: "none", help: "show this text" },
  { name: "version", short: "V", argument: "none", help: "show the version" },
] as const;

/** Runs a program in new namespaces: `argv[0]` and what follows it. Does not return. */
export function main(argv: readonly string[]): void {
  const namespaces = new Set<NamespaceName>();
  const want: { -readonly [K in keyof Unshare]: Unshare[K] } = {
    name: programName(argv[0]!),
    namespaces,
    fork: false,
    propagation: "private",
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
        break;
      case "fork":
        want.fork = true;
        break;
      case "kill-child":
        want.killChild = parseSignal(option.value ?? "KILL");
        want.fork = true;
        break;
      case "mount-proc":
        want.mountProc = option.value ?? "/proc";
        namespaces.add("mount");
        break;
      case "map-root-user":
      case "map-current-user":
        want.mapUser = want.mapGroup = option.name === "map-root-user" ? 0 : "current";
        namespaces.add("user");
        break;
      case "propagation":
        want.propagation = parsePropagation(option.value);
        break;
      case "root":
        want.root = option.value;
        break;
      case "wd":
        want.workingDirectory = option.value;
        break;
      case "setuid":
        want.setuid = parseId(option.value, "uid");
        break;
      case "setgid":
        want.setgid = parseId(option.value, "gid");
        break;
      case "help":
        return showHelp({
          name: want.name,
          usage: "[options] [program [argument...]]",
          about: "Runs a program, or a shell, in new namespaces. See unshare(1).",
          options: OPTIONS,
        });
      case "version":
        return showVersion(want.name);
      default:
        option satisfies never;
    }
  }
  const [name] = operands;
  if (name !== undefined) want.program = { name, index: argv.length - operands.length };
  exec(unsharePlan(want), argv);
}

function parsePropagation(text: string): Propagation {
  if (text === "unchanged" || Object.hasOwn(PROPAGATIONS, text)) return text as Propagation;
  throw new ArgumentError(`unsupported propagation mode: ${text}`);
}
