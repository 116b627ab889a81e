/**
 * `denspace explain`: says what a command would do, and does not do it.
 *
 * @module
 */
import { decode } from "../ffi/bytes.ts";
import { readFile } from "../ffi/file.ts";
import {
  explain,
  type ExplainedCall,
  type Explanation,
  type Privilege,
} from "../sandbox/explain.ts";
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
  const explanation = explain(planned.plan, planned.argv, environment);
  print(
    json ? JSON.stringify(explanation, null, 2) + "\n" : render(explanation, palette(environment)),
  );
}

/** How a kind of text is shown. */
type Paint = (text: string) => string;

/** How each kind is shown. */
interface Palette {
  readonly process: Paint;
  readonly call: Paint;
  readonly aside: Paint;
  readonly good: Paint;
  readonly bad: Paint;
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

function render({ user, processes, calls, ifAllowed }: Explanation, paint: Palette): string {
  const width = Math.max(...processes.map(({ name }) => name.length));
  const shown = (list: readonly ExplainedCall[]): string =>
    list.map((call, i) => renderCall(call, list[i - 1], width, paint)).join("");
  if (ifAllowed.length === 0) return shown(calls);
  return `${shown(calls)}\n${
    paint.bad(`So it fails for you, user ${user.uid}. Were all of that allowed, it would go on:`)
  }\n\n${shown(ifAllowed)}`;
}

/** A call, and below it what there is to say of it, but not twice in a row. */
function renderCall(
  { process, call, arguments: list, result, why, manual, needs, errno }: ExplainedCall,
  before: ExplainedCall | undefined,
  width: number,
  paint: Palette,
): string {
  const name = paint.process(process) + " ".repeat(width - process.length);
  const came = errno === null ? result : paint.bad(result);
  const margin = " ".repeat(width + 2);
  const lines = [`${name}  ${paint.call(call)}(${list.join(", ")}) = ${came}`];
  const said = why === null ? manual : `${why} — ${manual}`;
  const again = before?.process === process && before.why === why && before.manual === manual;
  if (!again) lines.push(`${margin}  ${paint.aside(said)}`);
  // What the host allows is worth a word only where it does not.
  const worth = needs.filter(({ capability, has }) => !has || capability !== undefined);
  for (const need of worth) lines.push(`${margin}  ${renderNeed(need, paint)}`);
  return lines.map((line) => `${line}\n`).join("");
}

function renderNeed({ text, has }: Privilege, paint: Palette): string {
  return `${paint.aside(`needs ${text}:`)} ${has ? paint.good("yes") : paint.bad("no")}`;
}
