/**
 * How much is sent in a time, as text, see tc(8).
 *
 * @module
 */
import type { Rate } from "../../ffi/netlink.ts";

const PREFIXES = { "": 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12, ki: 2 ** 10, mi: 2 ** 20, gi: 2 ** 30 };
const SIZES = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** No fewer bytes are sent at once: the largest frame that a veth has, and its header. */
const LEAST_BURST = 2 ** 14;
/** How long a burst lasts at least, and how long something waits, in seconds. */
const [BURST_TIME, WAITING_TIME] = [0.005, 0.05];
const MOST = 2 ** 32 - 1;

/**
 * The rate `10mbit` or `1.5mbps` (bits or bytes a second), with a burst in bytes
 * behind a colon: `10mbit:64k`.
 *
 * @throws {RangeError} when it is none
 */
export function parseRate(text: string): Rate {
  const [, number, prefix, unit, size, multiple] =
    /^(\d+(?:\.\d+)?)([kmgt]i?|)(bit|bps)(?::(\d+)([kmg]?)b?)?$/i.exec(text) ?? [];
  const factor = PREFIXES[prefix?.toLowerCase() as keyof typeof PREFIXES];
  if (number === undefined || factor === undefined) {
    throw new RangeError(`'${text}' is not a rate, as 10mbit or 10mbit:64k`);
  }
  const rate = Math.round(Number(number) * factor / (unit!.toLowerCase() === "bit" ? 8 : 1));
  if (rate < 1) throw new RangeError(`'${text}' is too slow a rate`);
  const burst = size === undefined
    ? Math.max(LEAST_BURST, Math.round(rate * BURST_TIME))
    : Number(size) * SIZES[multiple!.toLowerCase() as keyof typeof SIZES];
  if (burst < 1600 || burst > MOST) {
    throw new RangeError(`'${text}': a burst has at least 1600 bytes, and less than 4 GiB`);
  }
  return { rate, burst, limit: Math.min(MOST, burst + Math.round(rate * WAITING_TIME)) };
}
