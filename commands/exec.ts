/**
 * `denspace exec`: a further program in a container.
 *
 * @module
 */
import { exec } from "../ffi/plan/exec.ts";
import type { Plan } from "../ffi/plan/step.ts";
import { furtherProgram } from "../sandbox/container/further.ts";
import { containerPlan } from "../sandbox/container/plan.ts";
import type { Process } from "../sandbox/container/oci.ts";
import { supportedConfig } from "../sandbox/container/supported.ts";
import type { Context } from "./cli.ts";
import { ArgumentError, explained, getopt } from "./getopt.ts";
import { type Help, HELP_OPTION, showHelp, showVersion, VERSION_OPTION } from "./help.ts";
import { insidePath } from "./paths.ts";

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
    name: "env",
    short: "e",
    argument: "required",
    value: "name=value",
    help: "set a variable, beside those that the container has, may be repeated",
  },
  {
    name: "workdir",
    short: "w",
    argument: "required",
    value: "directory",
    help: "working directory inside",
  },
] as const;

/** What exec says of itself. */
export const help: Help = {
  name: "exec",
  summary: "run a further program in a container",
  usage: "--pid=PID [options] [--] program [argument...]",
  about: `Runs a program in a container that runs: in its namespaces and cgroups, as its
user, with its capabilities, limits, environment and filter of system calls.
It ends with the container, if that has a pid namespace of its own.`,
  options: OPTIONS,
  operands: "program",
  plan: true,
};

/** Runs a further program in a container: `argv[0]` and what follows it. Does not return. */
export function main(argv: readonly string[], { run = exec, reads }: Partial<Context> = {}): void {
  let pid: number | undefined;
  let workdir: string | undefined;
  const variables: string[] = [];
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
        pid = Number(option.value);
        break;
      case "workdir":
        workdir = insidePath(option.value);
        break;
      case "env":
        if (option.value.indexOf("=") < 1) {
          throw new ArgumentError(`no name=value: '${option.value}'`);
        }
        variables.push(option.value);
        break;
      default:
        option satisfies never;
    }
  }
  if (pid === undefined) throw new ArgumentError("--pid is missing: the process of denspace run");
  if (operands.length === 0) throw new ArgumentError("no program is given");
  reads?.({ option: "exec", what: "a container that runs", instead: "an emitted nsenter" });
  const change = (first: Process): Process => ({
    ...first,
    args: operands,
    cwd: workdir ?? first.cwd,
    env: withVariables(first.env ?? [], variables),
  });
  run(explained(() => planOf(pid!, change, argv[0]!)), argv);
}

function planOf(pid: number, change: (first: Process) => Process, name: string): Plan {
  const { config, existing } = furtherProgram(pid, change);
  return containerPlan(supportedConfig(config), { name, existing });
}

function withVariables(env: readonly string[], more: readonly string[]): string[] {
  const name = (entry: string): string => entry.slice(0, entry.indexOf("="));
  const all = new Map([...env, ...more].map((entry) => [name(entry), entry]));
  return [...all.values()];
}
