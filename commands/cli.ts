/**
 * The command line: `denspace <command> [arguments]`.
 *
 * @module
 */
import { encode } from "../ffi/bytes.ts";
import { SyscallError } from "../ffi/errno.ts";
import { write } from "../ffi/unistd.ts";
import { rawArguments } from "./arguments.ts";
import { ArgumentError, programName, UsageError, usageText } from "./getopt.ts";

/** A command. */
export interface Command {
  /** Does what `argv` says, `argv[0]` being the command's name. */
  main(argv: readonly string[]): void;
}

/** Commands by name, each with how to get it. */
export type Commands = Readonly<Record<string, () => Command | Promise<Command>>>;

/** Runs the command that the arguments of this process name, and exits. */
export async function run(commands: Commands): Promise<never> {
  const argv = rawArguments();
  const [name = ""] = argv;
  try {
    const load = commands[name];
    if (!load) throw new ArgumentError(unknown(name, commands));
    (await load()).main(argv);
    Deno.exit(0);
  } catch (error) {
    write(2, encode(explain(commands[name] ? name : "denspace", error)));
    Deno.exit(1);
  }
}

function unknown(name: string, commands: Commands): string {
  const known = Object.keys(commands).join(", ");
  return name === ""
    ? `no command: use one of ${known}`
    : `no command '${name}': there are ${known}`;
}

function explain(argv0: string, error: unknown): string {
  if (error instanceof UsageError) return usageText(argv0, error);
  if (error instanceof ArgumentError || error instanceof SyscallError) {
    return `${programName(argv0)}: ${error.message}\n`;
  }
  throw error;
}
