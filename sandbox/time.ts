/**
 * The clocks of a time namespace, see time_namespaces(7).
 *
 * @module
 */
import type { Builder } from "../ffi/plan/builder.ts";
import { writeFile } from "./files.ts";

/** By how many seconds clocks are ahead inside; less than 0: behind. */
export interface ClockOffsets {
  /** CLOCK_MONOTONIC. */
  readonly monotonic?: bigint | undefined;
  /** CLOCK_BOOTTIME. */
  readonly boottime?: bigint | undefined;
}

const [CLOCK_MONOTONIC, CLOCK_BOOTTIME] = [1, 7];

/** Sets the clocks of the new time namespace, before anything is in it. */
export function setClocks(p: Builder, { monotonic, boottime }: ClockOffsets): void {
  if (boottime !== undefined) setClock(p, CLOCK_BOOTTIME, boottime);
  if (monotonic !== undefined) setClock(p, CLOCK_MONOTONIC, monotonic);
}

function setClock(p: Builder, clock: number, seconds: bigint): void {
  const text = `${clock} ${seconds} 0`;
  const file = "/proc/self/timens_offsets";
  writeFile(p, file, text, text.length, {
    why: "by how many seconds and nanoseconds a clock is ahead",
    open: { message: `failed to open ${file}` },
    write: { message: `failed to write to ${file}` },
  });
}
