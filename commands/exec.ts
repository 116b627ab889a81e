/**
 * `denspace exec`: a further program in a container.
 *
 * @module
 */
import { exec } from "../ffi/plan/exec.ts";
import type { Plan } from "../ffi/plan/step.ts";
import { capabilitySets } from "../sandbox/container/defaults.ts";
import { furtherProgram, type Running } from "../sandbox/container/further.ts";
import type { Process } from "../sandbox/container/oci.ts";
import { planContainer } from "../sandbox/container/plan.ts";
import { supportedConfig } from "../sandbox/container/supported.ts";
import { type IdRange, idSpan, isAmong } from "../sandbox/idranges.ts";
import { capabilitiesOf } from "./capabilities.ts";
import type { Context } from "./cli.ts";
import { ownVariables, withVariables } from "./environment.ts";
import { ArgumentError, explained, getopt } from "./getopt.ts";
import { type Help, HELP_OPTION, showHelp, showVersion, VERSION_OPTION } from "./help.ts";
import { insidePath } from "./paths.ts";
import { homeOf, parseUser } from "./users.ts";

const OPTIONS = [
  HELP_OPTION,
  VERSION_OPTION,
  {
    name: "pid",
    argument: "required",
    value: "pid",
    complete: "process",
    help: "the process that denspace run is",
  },
  {
    name: "interactive",
    short: "i",
    argument: "none",
    help: "pass standard input on, which is done anyway",
  },
  { name: "tty", short: "t", argument: "none", help: "give it a terminal of its own" },
  {
    name: "user",
    short: "u",
    argument: "required",
    value: "uid|name[:gid|group]",
    help: "who runs it; names are those of the container's own files",
  },
  {
    name: "workdir",
    short: "w",
    argument: "required",
    value: "directory",
    help: "working directory inside",
  },
  {
    name: "env",
    short: "e",
    argument: "required",
    value: "name[=value]",
    help: "set a variable, or pass ours on, beside those of the container, may be repeated",
  },
  {
    name: "env-file",
    argument: "required",
    value: "file",
    complete: "file",
    help: "set the variables of a file, one a line, may be repeated",
  },
  {
    name: "privileged",
    argument: "none",
    help: "give it all capabilities, and no filter of system calls; what is hidden stays so",
  },
] as const;

/** What exec says of itself. */
export const help: Help = {
  name: "exec",
  summary: "run a further program in a container",
  usage: "--pid=PID [options] [--] program [argument...]",
  about: `Runs a program in a container that runs: in its namespaces and cgroups, and
unless options say otherwise as its user, with its capabilities, limits,
environment and filter of system calls. Its terminal is ours, or with --tty a
further one of the container.
It ends with the container, if that has a pid namespace of its own.`,
  options: OPTIONS,
  operands: "program",
  plan: true,
};

/** What is wanted of a further program. */
interface Wanted {
  pid?: number;
  tty: boolean;
  user?: string;
  workdir?: string;
  readonly env: string[];
  readonly envFiles: string[];
  privileged: boolean;
}

/** Runs a further program in a container: `argv[0]` and what follows it. Does not return. */
export function main(argv: readonly string[], { run = exec, reads }: Partial<Context> = {}): void {
  const want: Wanted = { tty: false, env: [], envFiles: [], privileged: false };
  const { options, operands } = getopt(OPTIONS, argv.slice(1));
  for (const option of options) {
    switch (option.name) {
      case "help":
        return showHelp(help);
      case "version":
        return showVersion(argv[0]!);
      case "pid":
        if (!/^[1-9]\d{0,9}$/.test(option.value)) {
          throw new ArgumentError(`no process id: '${option.value}'`);
        }
        want.pid = Number(option.value);
        break;
      case "interactive":
        break;
      case "tty":
      case "privileged":
        want[option.name] = true;
        break;
      case "user":
        want.user = option.value;
        break;
      case "workdir":
        want.workdir = insidePath(option.value);
        break;
      case "env":
        want.env.push(option.value);
        break;
      case "env-file":
        want.envFiles.push(option.value);
        break;
      default:
        option satisfies never;
    }
  }
  if (want.pid === undefined) {
    throw new ArgumentError("--pid is missing: the process of denspace run");
  }
  if (operands.length === 0) throw new ArgumentError("no program is given");
  reads?.({ option: "exec", what: "a container that runs", instead: "an emitted nsenter" });
  run(explained(() => planOf(want.pid!, want, operands, argv[0]!)), argv);
}

function planOf(pid: number, want: Wanted, args: readonly string[], name: string): Plan {
  const { config, existing } = furtherProgram(pid, (container) => programOf(want, container, args));
  const filter = want.privileged ? undefined : existing.filter;
  return planContainer(supportedConfig(config), { name, existing: { ...existing, filter } });
}

/** The program: what the first one is, where nothing else is wanted. */
function programOf(want: Wanted, container: Running, args: readonly string[]): Process {
  const { consoleSize: _, ...first } = container.first;
  const user = want.user === undefined ? undefined : parseUser(want.user, container.root);
  const ids = user ? idsOf(user, container) : first.user;
  const term = ownVariables().find((entry) => entry.startsWith("TERM="));
  const variables = [
    ...(first.env ?? []),
    ...(want.tty && term !== undefined ? [term] : []),
    ...(user ? [homeOf(user)] : []),
  ];
  const { bounding = [], ambient = [] } = first.capabilities ?? {};
  const capabilities = want.privileged
    ? capabilitiesOf({ capAdd: [], capDrop: [], ...want }, ids.uid, container.inUserNamespace)
    : first.capabilities && user
    ? capabilitySets(user.uid, bounding, ambient)
    : first.capabilities;
  return {
    ...first,
    args,
    cwd: want.workdir ?? first.cwd,
    env: withVariables(variables, want),
    user: { ...first.user, ...ids },
    ...(capabilities && { capabilities }),
    ...(want.privileged && { noNewPrivileges: false }),
    terminal: want.tty,
  };
}

/** The ids of a user, which must be known inside. */
function idsOf(
  { uid, gid, groups }: ReturnType<typeof parseUser>,
  { ids }: Running,
): Process["user"] {
  mustKnow("user", uid, ids.users);
  mustKnow("group", gid, ids.groups);
  // Who has one id only can't choose groups.
  const oneId = ids.groups.length === 1 && ids.groups[0]!.count === 1;
  return { uid, gid, additionalGids: oneId ? [] : groups };
}

function mustKnow(what: string, id: number, ranges: readonly IdRange[]): void {
  if (ranges.some(({ inside, count }) => isAmong(id, inside, count))) return;
  const known = ranges.map(({ inside, count }) => idSpan(inside, count));
  throw new ArgumentError(
    `--user: there is no ${what} ${id} in the container's user namespace, only ${known.join(", ")}`,
  );
}
