/**
 * The texts of `--help` and `--version`, out of a command's option table.
 *
 * @module
 */
import { encode } from "../ffi/bytes.ts";
import { strerror, SyscallError } from "../ffi/errno.ts";
import { write } from "../ffi/unistd.ts";
import { ArgumentError, type Option } from "./getopt.ts";

/** The version of denspace. */
export const VERSION = "0.1.0";

/** An option with what a person wants to know of it. */
export interface DescribedOption extends Option {
  /** What its argument is. */
  readonly value?: string;
  /** What it does. */
  readonly help: string;
}

/** What a command's help consists of. */
export interface Help {
  /** The command's name. */
  readonly name: string;
  /** What follows the name. */
  readonly usage: string;
  /** What the command does. */
  readonly about: string;
  /** Its options. */
  readonly options: readonly DescribedOption[];
}

/** Prints the help of a command. */
export function showHelp({ name, usage, about, options }: Help): void {
  const rows = options.map((option) => [forms(option), option.help] as const);
  const width = Math.min(28, Math.max(...rows.map(([left]) => left.length)));
  const lines = rows.map(([left, right]) =>
    left.length > width
      ? ` ${left}\n ${" ".repeat(width)}  ${right}`
      : ` ${left.padEnd(width)}  ${right}`
  );
  print(`\nUsage:\n ${name} ${usage}\n\n${about}\n\nOptions:\n${lines.join("\n")}\n`);
}

/** Prints the version, with the name and the release whose behaviour it has. */
export function showVersion(name: string): void {
  print(`${name} from denspace ${VERSION} (as util-linux 2.41)\n`);
}

/** Writes to standard output. */
export function print(text: string): void {
  const bytes = encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += write(1, bytes.subarray(at));
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new ArgumentError(`write error: ${strerror(error.errno)}`);
  }
}

function forms({ name, short, argument, value }: DescribedOption): string {
  const long = {
    none: `--${name}`,
    required: `--${name} <${value}>`,
    optional: `--${name}[=<${value}>]`,
  }[argument];
  return short === undefined ? `    ${long}` : `-${short}, ${long}`;
}
