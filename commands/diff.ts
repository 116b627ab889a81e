/**
 * `denspace diff`: what was changed in a container.
 *
 * @module
 */
import { readdir } from "../ffi/dirent.ts";
import { changes } from "../sandbox/container/diff.ts";
import { isKept } from "../sandbox/container/layers.ts";
import type { Context } from "./cli.ts";
import { ArgumentError, getopt } from "./getopt.ts";
import { type Help, HELP_OPTION, print, showHelp } from "./help.ts";
import { realDirectory } from "./paths.ts";

const OPTIONS = [
  HELP_OPTION,
  {
    name: "rootfs",
    argument: "required",
    value: "directory",
    complete: "directory",
    help: "the root that the container had a copy of (/)",
  },
] as const;

/** What diff says of itself. */
export const help: Help = {
  name: "diff",
  summary: "say what was changed in a container",
  usage: "[options] directory",
  about: `Says what was changed in a container whose changes are kept in a directory by
run --keep: A, C or D for what was added, changed or deleted, and its path.`,
  options: OPTIONS,
  operands: "directory",
};

/** Says what was changed: `argv[0]` and what follows it. */
export function main(argv: readonly string[], _context: Context): void {
  let root = "/";
  const { options, operands } = getopt(OPTIONS, argv.slice(1), { permute: true });
  for (const option of options) {
    if (option.name === "help") return showHelp(help);
    root = realDirectory(option.value);
  }
  const [directory, more] = operands;
  if (directory === undefined || more !== undefined) {
    throw new ArgumentError("which directory? run --keep has one");
  }
  const names = readdir(directory);
  if (!isKept(names)) {
    throw new ArgumentError(`${directory} is no directory in which run --keep has kept changes`);
  }
  print(changes(directory, root).map(({ kind, path }) => `${kind} ${path}\n`).join(""));
}
