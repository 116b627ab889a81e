/**
 * `denspace explain`: says what a command would do, and does not do it.
 *
 * @module
 */
import { decode } from "../ffi/bytes.ts";
import { readFile } from "../ffi/file.ts";
import { predict } from "../sandbox/explain.ts";
import { type Paint, type Palette, textOf } from "../sandbox/explain/text.ts";
import { callPlanned, type Context } from "./cli.ts";
import { getopt } from "./getopt.ts";
import { type Help, HELP_OPTION, print, showHelp } from "./help.ts";

const OPTIONS = [
  HELP_OPTION,
  { name: "json", short: "J", argument: "none", help: "say it as JSON" },
] as const;

/** What explain says of itself. */
export const help: Help = {
  name: "explain",
  summary: "say which system calls a command would make, and why",
  usage: "[options] command [argument...]",
  about: `Says what a command of ours would do here and now, and does not do it: each
system call as strace(1) would show it, which process makes it, why, the page of
the manual, and which privilege it needs that not everybody has. <...> stands for
what is known only at a run.`,
  options: OPTIONS,
  operands: "command",
};

/** Explains a command: `argv[0]` and what follows it. */
export async function main(argv: readonly string[], { commands }: Context): Promise<void> {
  let json = false;
  const { options, operands } = getopt(OPTIONS, argv.slice(1));
  for (const { name } of options) {
    if (name === "help") return showHelp(help);
    json = true;
  }
  const planned = await callPlanned(operands, { commands });
  if (!planned) return;
  const environment = decode(readFile("/proc/self/environ")).split("\0").filter(Boolean);
  const prediction = predict(planned.plan, planned.argv, environment);
  print(
    json ? JSON.stringify(prediction, null, 2) + "\n" : textOf(prediction, palette(environment)),
  );
}

/** Colours on a terminal, unless NO_COLOR says otherwise, see https://no-color.org. */
function palette(environment: readonly string[]): Palette {
  const value = (name: string): string | undefined =>
    environment.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  const plain = !Deno.stdout.isTerminal() || value("NO_COLOR") || value("TERM") === "dumb";
  const sgr = (code: number): Paint => (text) => plain ? text : `\x1b[${code}m${text}\x1b[0m`;
  const colours = [36, 35, 33, 34].map(sgr);
  const names: string[] = [];
  return {
    process: (name) => {
      if (!names.includes(name)) names.push(name);
      return colours[names.indexOf(name) % colours.length]!(name);
    },
    call: sgr(1),
    aside: sgr(2),
    good: sgr(32),
    bad: sgr(31),
  };
}
