/**
 * Words for shells.
 *
 * @module
 */
import { SIGNALS } from "../../ffi/constants/signal.ts";
import type { Help } from "../help.ts";

/** The signals that have a name, without `SIG`. */
export const SIGNAL_NAMES: readonly string[] = Object.keys(SIGNALS)
  .map((name) => name.replace(/^SIG/, ""));

/** The commands that run a plan. */
export function planned(commands: readonly Help[]): string[] {
  return commands.filter(({ plan }) => plan).map(({ name }) => name);
}

/** A word that no shell of ours takes apart. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
