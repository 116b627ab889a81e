/**
 * Runs contestants in turn.
 *
 * @module
 */
import { type Contestant, exists, read, succeed } from "./contestant.ts";

const WARM_UP = 3;
/** Milliseconds between two runs: namespaces are taken down after whoever was in them has ended. */
const REST = 5;

/** Runs all contestants so many times; the milliseconds that each run took, in order. */
export async function measure(
  contestants: ReadonlySet<Contestant>,
  rounds: number,
): Promise<Map<Contestant, number[]>> {
  const times = new Map(
    [...contestants].map((contestant): [Contestant, number[]] => [contestant, []]),
  );
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const [{ run }, list] of shuffle([...times])) {
      if (!run) continue;
      rest();
      const start = performance.now();
      const result = run();
      const told = result instanceof Promise ? await result : result;
      const end = performance.now();
      if (round >= 0) list.push(told ?? end - start);
    }
  }
  for (const list of times.values()) list.sort((a, b) => a - b);
  return times;
}

/** Waits, as between two runs. */
export function rest(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, REST);
}

/** The time in the middle. */
export function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 1]!;
}

/** How many system calls a command and its children make, if strace(1) is there to count them. */
export function countCalls({ argv }: Contestant, directory: string): number | undefined {
  const strace = "/usr/bin/strace";
  if (!argv || !exists(strace)) return undefined;
  const summary = `${directory}/calls`;
  succeed(strace, "-c", "-f", "-U", "calls,name", "-o", summary, ...argv);
  const [, total] = / *(\d+) +total$/m.exec(read(summary)!)!;
  return Number(total);
}

function shuffle<T>(items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}
