/**
 * `denspace man`: manual pages, out of the commands' own tables.
 *
 * @module
 */
import { type Context, loadCommand } from "./cli.ts";
import { ArgumentError, getopt } from "./getopt.ts";
import { allHelp, type Help, HELP_OPTION, print, showHelp } from "./help.ts";
import { commandPage, mainPage } from "./man/page.ts";

const OPTIONS = [HELP_OPTION] as const;

/** What man says of itself. */
export const help: Help = {
  name: "man",
  summary: "print a manual page",
  usage: "[command]",
  about: `Prints the page of a command, or of denspace, in mdoc(7), for man(1):

  denspace man unshare | man -l -`,
  options: OPTIONS,
  operands: "name",
};

/** Prints a page: `argv[0]` and what follows it. */
export async function main(argv: readonly string[], { commands }: Context): Promise<void> {
  const { options, operands } = getopt(OPTIONS, argv.slice(1), { permute: true });
  for (const _help of options) return showHelp(help);
  const [name, more] = operands;
  if (more !== undefined) throw new ArgumentError(`more than a command given: '${more}'`);
  if (name === undefined) return print(mainPage(await allHelp(commands)));
  print(commandPage((await loadCommand(name, commands)).help));
}
