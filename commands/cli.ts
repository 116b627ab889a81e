/**
 * The command line: `denspace <command> [arguments]`.
 *
 * @module
 */
import { encode } from "../ffi/bytes.ts";
import { SyscallError } from "../ffi/errno.ts";
import { write } from "../ffi/unistd.ts";
import { commandLine } from "./arguments.ts";
import { ArgumentError, programName, UsageError, usageText } from "./getopt.ts";

/** A command. */
export interface Command {
  /** Does what `argv` says, `argv[0]` being the command's name. */
  main(argv: readonly string[]): void;
}

/** Commands by name, each with how to get it. */
export type Commands = Readonly<Record<string, () => Command | Promise<Command>>>;

/** The commands that the program is when it is called by their name, as by a link. */
export const LINKED: readonly string[] = ["unshare", "nsenter"];

/** Runs the command that the command line of this process names, and exits. */
export async function run(commands: Commands): Promise<never> {
  const { name, argv } = invocation(commandLine());
  let shown = "denspace";
  try {
    const load = Object.hasOwn(commands, name) && commands[name];
    if (!load) throw new ArgumentError(unknown(name, commands));
    shown = argv[0]!;
    (await load()).main(argv);
    Deno.exit(0);
  } catch (error) {
    write(2, encode(explain(shown, error)));
    Deno.exit(1);
  }
}

/** Which command it is, and its `argv`. */
function invocation([argv0, ...args]: [string, ...string[]]): { name: string; argv: string[] } {
  const called = programName(argv0);
  if (LINKED.includes(called)) return { name: called, argv: [argv0, ...args] };
  const [name = "", ...rest] = args;
  return { name, argv: [LINKED.includes(name) ? name : `denspace ${name}`, ...rest] };
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
