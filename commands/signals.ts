/**
 * Signals by name, see signal(7).
 *
 * @module
 */
import { SIGNALS } from "../ffi/constants/signal.ts";
import { ArgumentError } from "./getopt.ts";

/** Names that stand for another's number. */
const ALIASES: Readonly<Record<string, number>> = {
  SIGIOT: SIGNALS.SIGABRT,
  SIGCLD: SIGNALS.SIGCHLD,
  SIGPOLL: SIGNALS.SIGIO,
};

/** The real-time signals that a C library leaves to programs. */
const [RTMIN, RTMAX] = [34, 64];

/**
 * The number of a signal.
 *
 * A name may be in lower case and lack its `SIG`; `RTMIN+n`, `RTMAX-n` and `RTn`
 * are real-time signals. Numbers are not understood, as unshare(1) has it.
 *
 * @throws {ArgumentError} for anything else
 */
export function parseSignal(text: string): number {
  const name = text.toUpperCase().replace(/^SIG/, "");
  const number = (SIGNALS as Readonly<Record<string, number>>)[`SIG${name}`] ??
    ALIASES[`SIG${name}`] ?? realTime(name);
  if (number === undefined) throw new ArgumentError(`unknown signal: ${text}`);
  return number;
}

function realTime(name: string): number | undefined {
  const [, base, offset] = /^RT(MIN\+|MAX-|)(\d+)$/.exec(name) ?? [];
  if (offset === undefined) return undefined;
  const number = base === "MAX-" ? RTMAX - Number(offset) : RTMIN + Number(offset);
  return number >= RTMIN && number <= RTMAX ? number : undefined;
}
