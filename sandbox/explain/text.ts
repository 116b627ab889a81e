/**
 * What a plan would do, as a text.
 *
 * @module
 */
import type { PredictedCall, Prediction } from "../explain.ts";
import type { Privilege } from "./needs.ts";

/** How a kind of text is shown. */
export type Paint = (text: string) => string;

/** How each kind is shown. */
export interface Palette {
  readonly process: Paint;
  readonly call: Paint;
  readonly aside: Paint;
  readonly good: Paint;
  readonly bad: Paint;
}

/** Without anything that a terminal would have to understand. */
export const PLAIN: Palette = {
  process: String,
  call: String,
  aside: String,
  good: String,
  bad: String,
};

/** The text, with the calls of each process in their order. */
export function textOf({ user, processes, calls, ifAllowed }: Prediction, paint: Palette): string {
  const width = Math.max(...processes.map(({ name }) => name.length));
  const shown = (list: readonly PredictedCall[]): string =>
    list.map((call, i) => renderCall(call, list[i - 1], width, paint)).join("");
  if (ifAllowed.length === 0) return shown(calls);
  return `${shown(calls)}\n${
    paint.bad(`So it fails for you, user ${user.uid}. Were all of that allowed, it would go on:`)
  }\n\n${shown(ifAllowed)}`;
}

/** A call, and below it what there is to say of it, but not twice in a row. */
function renderCall(
  { process, call, arguments: list, result, why, manual, needs, errno }: PredictedCall,
  before: PredictedCall | undefined,
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
