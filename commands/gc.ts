/**
 * `denspace gc`: removes what containers have left that were killed.
 *
 * @module
 */
import { exec } from "../ffi/plan/exec.ts";
import { geteuid } from "../ffi/unistd.ts";
import { gcPlan } from "../sandbox/container/gc.ts";
import { deadContainers, ownNetwork, stateDirectory } from "../sandbox/container/state.ts";
import type { Context } from "./cli.ts";
import { ArgumentError, getopt } from "./getopt.ts";
import { type Help, HELP_OPTION, showHelp } from "./help.ts";

const OPTIONS = [HELP_OPTION] as const;

/** What gc says of itself. */
export const help: Help = {
  name: "gc",
  summary: "remove what killed containers have left",
  usage: "",
  about: `Removes the cgroups and interfaces of containers whose supervisor was killed by
SIGKILL, so that it could not do so itself, with all processes that are left in
these cgroups. Prints a line for each. Containers that run are not touched.`,
  options: OPTIONS,
};

/** Removes it: `argv[0]` and what follows it. Does not return if there is something. */
export function main(argv: readonly string[], { run = exec }: Partial<Context> = {}): void {
  const { options, operands } = getopt(OPTIONS, argv.slice(1), { permute: true });
  if ([...options].length > 0) return showHelp(help);
  if (operands.length > 0) throw new ArgumentError(`nothing is given to it, but '${operands[0]}'`);
  const directory = stateDirectory(geteuid());
  const dead = directory === undefined ? [] : deadContainers(directory);
  if (dead.length > 0) run(gcPlan(argv[0]!, dead, ownNetwork()), argv);
}
