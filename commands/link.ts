/**
 * `denspace link`: makes links by which the compiled program is `unshare`, `nsenter`
 * or `lsns`.
 *
 * @module
 */
import { AT_SYMLINK_NOFOLLOW } from "../ffi/constants/fcntl.ts";
import { SyscallError } from "../ffi/errno.ts";
import { described } from "../ffi/libc.ts";
import { statx } from "../ffi/stat.ts";
import { readlink, symlink } from "../ffi/unistd.ts";
import { LINKED } from "./cli.ts";
import { ArgumentError, getopt } from "./getopt.ts";
import { type Help, HELP_OPTION, showHelp } from "./help.ts";

const OPTIONS = [HELP_OPTION] as const;

/** The names of the links, as a sentence has them. */
const NAMES = LINKED.join(", ").replace(/, (\w+)$/, " and $1");

/** What link says of itself. */
export const help: Help = {
  name: "link",
  summary: `make links by which this program is ${NAMES}`,
  usage: "directory",
  about: `Makes symbolic links to this program in a directory: ${NAMES}.
By such a name it is that command.`,
  options: OPTIONS,
  operands: "directory",
};

/** This program, wherever it lies. */
const SELF = "/proc/self/exe";

/** Makes the links: `argv[0]` and what follows it. */
export function main(argv: readonly string[]): void {
  const { options, operands } = getopt(OPTIONS, argv.slice(1), { permute: true });
  for (const _help of options) return showHelp(help);
  const [directory, more] = operands;
  if (!directory) throw new ArgumentError("no directory given that the links go to");
  if (more !== undefined) throw new ArgumentError(`more than a directory given: '${more}'`);
  if (!Deno.build.standalone) {
    throw new ArgumentError("only the compiled program has links: 'deno task compile' makes it");
  }

  const program = readlink(SELF);
  if (!isSelf(program)) throw new ArgumentError(`this program is no longer ${program}`);
  const paths = LINKED.map((name) => `${directory.replace(/\/+$/, "")}/${name}`);
  // All are looked at before one is made.
  for (const path of paths.filter(isMissing)) makeLink(program, path);
}

function makeLink(program: string, path: string): void {
  described({ path, step: `cannot make ${path}` }, () => symlink(program, path));
}

/** Whether there is nothing of that name; a link to this program may stay. */
function isMissing(path: string): boolean {
  if (!exists(path)) return true;
  if (isSelf(path)) return false;
  throw new ArgumentError(`${path} is something else: remove it first`);
}

function exists(path: string): boolean {
  try {
    statx(path, AT_SYMLINK_NOFOLLOW);
    return true;
  } catch (error) {
    if (error instanceof SyscallError) return false; // What is wrong, the link will tell.
    throw error;
  }
}

function isSelf(path: string): boolean {
  try {
    const [file, self] = [statx(path), statx(SELF)];
    return file.dev === self.dev && file.ino === self.ino;
  } catch (error) {
    if (error instanceof SyscallError) return false;
    throw error;
  }
}
