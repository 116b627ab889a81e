/**
 * What commands say of themselves: `denspace help`, `--help` and `--version`, out
 * of each command's own table.
 *
 * @module
 */
import { encode } from "../ffi/bytes.ts";
import { SIGNALS } from "../ffi/constants/signal.ts";
import { strerror, SyscallError } from "../ffi/errno.ts";
import { SIG_DFL, signal } from "../ffi/signal.ts";
import { write } from "../ffi/unistd.ts";
import { type Context, loadCommand, shownName } from "./cli.ts";
import { ArgumentError, getopt, type Option } from "./getopt.ts";

/** The version of denspace. */
export const VERSION = "0.1.0";

/** When it was released, as manual pages say it. */
export const RELEASED = "November 24, 2026";

/**
 * What can be put where an argument is wanted, for a shell that completes it:
 * one of some words, or what there is of a kind. `"program"` is a program with
 * its arguments, `"command"` one of ours that runs a plan, with its own, `"name"`
 * the name of any of ours.
 */
export type Completion =
  | "file"
  | "directory"
  | "user"
  | "group"
  | "process"
  | "signal"
  | "program"
  | "command"
  | "name"
  | readonly string[];

/** An option with what a person wants to know of it. */
export interface DescribedOption extends Option {
  /** What its argument is. */
  readonly value?: string;
  /** What its argument can be. */
  readonly complete?: Completion;
  /** What it does. */
  readonly help: string;
}

/** What a command says of itself. It is shown as help, as completions and as a manual page. */
export interface Help {
  /** The command's name. */
  readonly name: string;
  /** What it is for, in a few words. */
  readonly summary: string;
  /** What follows the name. */
  readonly usage: string;
  /** What it does, in lines of less than 80 characters. */
  readonly about: string;
  /** Its options. */
  readonly options: readonly DescribedOption[];
  /** What its operands can be. */
  readonly operands?: Completion;
  /** Whether what it runs is a plan, which can be explained and emitted. */
  readonly plan?: boolean;
}

/** The option that every command has. */
export const HELP_OPTION = {
  name: "help",
  short: "h",
  argument: "none",
  help: "show this text",
} as const satisfies DescribedOption;

/** The option of commands that say which version they are. */
export const VERSION_OPTION = {
  name: "version",
  short: "V",
  argument: "none",
  help: "show the version",
} as const satisfies DescribedOption;

/** What `denspace help`, and `denspace` alone, says of itself. */
export const help: Help = {
  name: "help",
  summary: "say what there is, or what a command takes",
  usage: "[command]",
  about: "Says what commands there are, or what one of them takes.",
  options: [HELP_OPTION, VERSION_OPTION],
  operands: "name",
};

/** Says what commands there are, or what one takes: `argv[0]` and what follows it. */
export async function main(argv: readonly string[], { commands }: Context): Promise<void> {
  const { options, operands } = getopt(help.options, argv.slice(1), { permute: true });
  for (const { name } of options) {
    if (name === "version") return print(`denspace ${VERSION}\n`);
    return await overview(commands);
  }
  const [name, more] = operands;
  if (more !== undefined) throw new ArgumentError(`more than a command given: '${more}'`);
  if (name === undefined) return await overview(commands);
  showHelp((await loadCommand(name, commands)).help);
}

/** What all commands say of themselves. */
export async function allHelp(commands: Context["commands"]): Promise<Help[]> {
  const all = await Promise.all(Object.values(commands).map((load) => load()));
  return all.map(({ help }) => help);
}

async function overview(commands: Context["commands"]): Promise<void> {
  const all = await allHelp(commands);
  const width = Math.max(...all.map(({ name }) => name.length));
  const lines = all.map(({ name, summary }) => ` ${name.padEnd(width)}  ${summary}\n`);
  print(
    `\nUsage:\n denspace command [argument...]\n\nLinux namespaces. Commands:\n${
      lines.join("")
    }\n'denspace help command' says what a command takes.\n`,
  );
}

/** Prints the help of a command, which is known by a name. */
export function showHelp(
  { name, usage, about, options }: Help,
  shown: string = shownName(name),
): void {
  const rows = options.map((option) => [forms(option), option.help] as const);
  const width = Math.min(28, Math.max(...rows.map(([left]) => left.length)));
  const lines = rows.map(([left, right]) =>
    left.length > width
      ? ` ${left}\n ${" ".repeat(width)}  ${right}`
      : ` ${left.padEnd(width)}  ${right}`
  );
  print(`\nUsage:\n ${shown} ${usage}\n\n${about}\n\nOptions:\n${lines.join("\n")}\n`);
}

/** Prints the version, with the name and the release whose behaviour it has. */
export function showVersion(name: string): void {
  print(`${name} from denspace ${VERSION} (as util-linux 2.41)\n`);
}

/** Writes to standard output; a reader that has gone away ends us, as it does other tools. */
export function print(text: string): void {
  signal(SIGNALS.SIGPIPE, SIG_DFL);
  const bytes = encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += write(1, bytes.subarray(at));
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new ArgumentError(`write error: ${strerror(error.errno)}`);
  }
}

/** An option as it is written, with its argument. */
export function forms({ name, short, argument, value }: DescribedOption): string {
  const long = {
    none: `--${name}`,
    required: `--${name} <${value}>`,
    optional: `--${name}[=<${value}>]`,
  }[argument];
  return short === undefined ? `    ${long}` : `-${short}, ${long}`;
}
