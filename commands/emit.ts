/**
 * `denspace emit`: writes a program that does what a command would do.
 *
 * @module
 */
import { withArguments } from "../ffi/plan/arguments.ts";
import { emit } from "../ffi/plan/file.ts";
import { architectures, host } from "../ffi/plan/host.ts";
import { callPlanned, type Context, type Read } from "./cli.ts";
import { ArgumentError, getopt, UsageError } from "./getopt.ts";
import { type Help, HELP_OPTION, showHelp } from "./help.ts";

const ARCHITECTURES = Object.keys(architectures);

const OPTIONS = [
  HELP_OPTION,
  {
    name: "output",
    short: "o",
    argument: "required",
    value: "file",
    complete: "file",
    help: "the program to write",
  },
  {
    name: "arch",
    argument: "required",
    value: ARCHITECTURES.join("|"),
    complete: ARCHITECTURES,
    help: "the machine on which it runs (this one)",
  },
] as const;

/** What emit says of itself. */
export const help: Help = {
  name: "emit",
  summary: "write a program of a few KB that does what a command would do",
  usage: "-o file [options] command [argument...]",
  about: `Writes a static executable that does what a command of ours would do, and does
not do it. The program needs nothing but a kernel, neither Deno nor a C library.
Its arguments are added to those of the command. Ids, environment, SHELL, PATH
and working directory are those of whoever runs it.`,
  options: OPTIONS,
  operands: "command",
};

/** Writes the program: `argv[0]` and what follows it. */
export async function main(argv: readonly string[], { commands }: Context): Promise<void> {
  let output: string | undefined;
  let arch = host();
  const { options, operands } = getopt(OPTIONS, argv.slice(1));
  for (const option of options) {
    switch (option.name) {
      case "help":
        return showHelp(help);
      case "output":
        output = option.value;
        break;
      case "arch": {
        const found = Object.values(architectures).find(({ name }) => name === option.value);
        if (!found) {
          throw new ArgumentError(
            `no architecture '${option.value}': there are ${ARCHITECTURES.join(" and ")}`,
          );
        }
        arch = found;
        break;
      }
      default:
        option satisfies never;
    }
  }
  if (output === undefined) throw new UsageError("option '--output' is missing");
  const planned = await callPlanned(operands, { commands, reads: refuse });
  if (planned) emit(withArguments(planned.plan, planned.argv), output, arch);
}

/** What holds here need not hold where the program runs. */
function refuse({ option, what, instead }: Read): never {
  throw new ArgumentError(
    `can't be emitted: ${option} needs ${what}, and the program may run elsewhere: ${instead}`,
  );
}
