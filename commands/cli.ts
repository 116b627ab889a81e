/**
 * The command line: `denspace <command> [arguments]`.
 *
 * @module
 */
import { encode } from "../ffi/bytes.ts";
import { SyscallError } from "../ffi/errno.ts";
import type { Plan } from "../ffi/plan/step.ts";
import { write } from "../ffi/unistd.ts";
import { commandLine } from "./arguments.ts";
import { ArgumentError, programName, UsageError, usageText } from "./getopt.ts";
import type { Help } from "./help.ts";

/** A command. */
export interface Command {
  /** What it does and what it takes. */
  readonly help: Help;
  /** Does what `argv` says, `argv[0]` being the command's name. */
  main(argv: readonly string[], context: Context): void | Promise<void>;
}

/** What a command is called with. */
export interface Context {
  /** All commands. */
  readonly commands: Commands;
  /** What becomes of a plan with its arguments; if absent, it is executed in place. */
  readonly run?: (plan: Plan, argv: readonly string[]) => void;
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
    const command = await loadCommand(name, commands);
    shown = argv[0]!;
    await command.main(argv, { commands });
    Deno.exit(0);
  } catch (error) {
    write(2, encode(explain(shown, error)));
    Deno.exit(1);
  }
}

/** Which command it is, and its `argv`. Options in front of a command are those of `help`. */
function invocation([argv0, ...args]: [string, ...string[]]): { name: string; argv: string[] } {
  const called = programName(argv0);
  if (LINKED.includes(called)) return { name: called, argv: [argv0, ...args] };
  const [name = "", ...rest] = args;
  if (name === "" || name.startsWith("-")) return { name: "help", argv: ["denspace", ...args] };
  return { name, argv: [shownName(name), ...rest] };
}

/**
 * The command of this name.
 *
 * @throws {ArgumentError} when there is none
 */
export async function loadCommand(name: string, commands: Commands): Promise<Command> {
  if (Object.hasOwn(commands, name)) return await commands[name]!();
  const { unknownCommand } = await import("./nearest.ts");
  throw new ArgumentError(unknownCommand(name, Object.keys(commands)));
}

/** What a command calls itself. */
export function shownName(name: string): string {
  return LINKED.includes(name) ? name : `denspace ${name}`;
}

function explain(argv0: string, error: unknown): string {
  if (error instanceof UsageError) return usageText(argv0, error);
  if (error instanceof ArgumentError || error instanceof SyscallError) {
    return `${programName(argv0)}: ${error.message}\n`;
  }
  throw error;
}
