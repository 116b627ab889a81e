/**
 * `denspace completion`: what makes a shell complete our command lines.
 *
 * @module
 */
import type { Context } from "./cli.ts";
import { bash } from "./completion/bash.ts";
import { fish } from "./completion/fish.ts";
import { zsh } from "./completion/zsh.ts";
import { ArgumentError, getopt } from "./getopt.ts";
import { allHelp, type Help, HELP_OPTION, print, showHelp } from "./help.ts";

const SHELLS: Readonly<Record<string, (commands: readonly Help[]) => string>> = {
  bash,
  zsh,
  fish,
};

const OPTIONS = [HELP_OPTION] as const;

/** What completion says of itself. */
export const help: Help = {
  name: "completion",
  summary: "print what makes a shell complete our command lines",
  usage: "bash|zsh|fish",
  about: `Prints a script that makes a shell complete the command lines of denspace:

  bash  denspace completion bash > ~/.local/share/bash-completion/completions/denspace
  zsh   denspace completion zsh > DIRECTORY/_denspace, where DIRECTORY is in $fpath
  fish  denspace completion fish > ~/.config/fish/completions/denspace.fish`,
  options: OPTIONS,
  operands: Object.keys(SHELLS),
};

/** Prints the script: `argv[0]` and what follows it. */
export async function main(argv: readonly string[], { commands }: Context): Promise<void> {
  const { options, operands } = getopt(OPTIONS, argv.slice(1), { permute: true });
  for (const _help of options) return showHelp(help);
  const [shell, more] = operands;
  if (shell === undefined || more !== undefined || !Object.hasOwn(SHELLS, shell)) {
    const known = Object.keys(SHELLS).join(", ");
    const wrong = shell === undefined
      ? "no shell given"
      : more !== undefined
      ? `more than a shell given: '${more}'`
      : `no completions for '${shell}'`;
    throw new ArgumentError(`${wrong}: there are ${known}`);
  }
  print(SHELLS[shell]!(await allHelp(commands)));
}
