/**
 * Doing nothing for a while.
 *
 * @module
 */
import type { Builder } from "../ffi/plan/builder.ts";
import type { Note } from "../ffi/plan/step.ts";

/** Waits so many nanoseconds, below a second. */
export function pause(p: Builder, nanoseconds: number, note: Note): void {
  // The kernel would write what is left of the time, but not to where it can't.
  const time = new Uint8Array(new BigUint64Array([0n, BigInt(nanoseconds)]).buffer);
  p.call("ppoll", [0, 0, time, 0, 0], note);
}
