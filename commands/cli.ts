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
  /** Told before something that holds here and now goes into a plan. */
  readonly reads?: (read: Read) => void;
}

/** What a plan takes from where it is made. */
export interface Read {
  /** The option that makes it so. */
  readonly option: string;
  /** What is looked at. */
  readonly what: string;
  /** What can be said on the command line instead. */
  readonly instead: string;
}

/** Commands by name, each with how to get it. */
export type Commands = Readonly<Record<string, () => Command | Promise<Command>>>;

/** The commands that the program is when it is called by their name, as by a link. */
export const LINKED: readonly string[] = ["unshare", "nsenter", "lsns"];

/** Runs the command that the command line of this process names, and exits. */
export async function run(commands: Commands): Promise<never> {
  const { name, argv } = invocation(commandLine());
  let done = false;
  try {
    done = await callCommand(await loadCommand(name, commands), argv, { commands });
  } catch (error) {
    complain("denspace", error);
  }
  Deno.exit(done ? 0 : 1);
}

/** Calls a command; whether it did what it should. If not, it has said why. */
async function callCommand(
  command: Command,
  argv: readonly string[],
  context: Context,
): Promise<boolean> {
  try {
    await command.main(argv, context);
    return true;
  } catch (error) {
    complain(argv[0]!, error);
    return false;
  }
}

/** A plan that a command would run, with its arguments. */
export interface Planned {
  /** The plan. */
  readonly plan: Plan;
  /** What it finds on its stack. */
  readonly argv: readonly string[];
}

/**
 * Calls a command of ours for its plan, which is not run; there is none if it
 * only says something.
 *
 * @param operands the command's name and its arguments
 * @param context what it is called with
 * @throws {ArgumentError} when no such command has a plan
 */
export async function callPlanned(
  [name, ...args]: readonly string[],
  context: Context,
): Promise<Planned | undefined> {
  if (name === undefined) throw new UsageError("no command given");
  const command = await loadCommand(name, context.commands);
  if (!command.help.plan) throw new ArgumentError(`'${name}' is no command that runs a plan`);
  let planned: Planned | undefined;
  const run = (plan: Plan, argv: readonly string[]): void => void (planned = { plan, argv });
  if (!await callCommand(command, [shownName(name), ...args], { ...context, run })) Deno.exit(1);
  return planned;
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

function complain(argv0: string, error: unknown): void {
  if (error instanceof UsageError) return void write(2, encode(usageText(argv0, error)));
  if (!(error instanceof ArgumentError || error instanceof SyscallError)) throw error;
  write(2, encode(`${programName(argv0)}: ${error.message}\n`));
}
