/**
 * What was measured as tables, and as a picture.
 *
 * @module
 */
import type { Contestant, Group } from "./contestant.ts";
import { countCalls } from "./measure.ts";
import { plot } from "./plot.ts";
import { memory, type Waiter } from "./waiter.ts";

/** A line of a table. */
export type Row = Readonly<Record<string, string | number | boolean | undefined>>;

/** The times of a group, as lines. */
export function timesOf(
  { rows, calls }: Group,
  times: ReadonlyMap<Contestant, readonly number[]>,
  directory: string,
): Row[] {
  const median = (contestant: Contestant | undefined): number | undefined => {
    const list = contestant ? times.get(contestant)! : [0];
    return list[list.length >> 1];
  };
  const reference = median(rows[0]![0]);
  return rows.map(([contestant, target, less]) => {
    const [whole, start] = [median(contestant), median(less)!];
    const [ms, min] = [whole && whole - start, times.get(contestant)!.map((ms) => ms - start)[0]];
    const ratio = ms && reference && ms / reference;
    return {
      command: contestant.name,
      "median ms": ms,
      "min ms": min,
      ratio,
      target,
      ok: isOk(ratio, target),
      ...(calls && { "system calls": countCalls(contestant, directory) }),
    };
  });
}

/** What a process has in memory, as a line. */
export function memoryOf(name: string, waiter: Waiter | undefined, target?: number): Row {
  const rss = waiter && memory(waiter, "Rss");
  const pss = waiter && memory(waiter, "Pss");
  return { process: name, "Rss KiB": rss, "Pss KiB": pss, target, ok: isOk(rss, target) };
}

function isOk(value: number | undefined, target: number | undefined): boolean | undefined {
  return value === undefined || target === undefined ? undefined : value <= target;
}

/** Prints rows, numbers to the right. */
export function table(title: string, rows: readonly Row[]): void {
  const names = Object.keys(rows[0]!);
  const cells = rows.map((row) =>
    names.map((name, i) => {
      const value = row[name];
      if (value === undefined) return i === 1 ? "not installed" : "";
      if (typeof value === "boolean") return value ? "ok" : "over";
      return typeof value === "number" && !Number.isInteger(value) ? value.toFixed(2) : `${value}`;
    })
  );
  const widths = names.map((name, i) =>
    Math.max(name.length, ...cells.map((line) => line[i]!.length))
  );
  console.log(`\n${title}`);
  for (const line of [names, ...cells]) {
    const padded = line.map((cell, i) =>
      i === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[i]!)
    );
    console.log(`  ${padded.join("  ")}`.trimEnd());
  }
}

/** The measured times as a picture. */
export function drawn(tables: Readonly<Record<string, Row[]>>, rounds: number): string {
  const measured = Object.entries(tables).map(([title, rows]) =>
    [
      title,
      rows.flatMap(({ command, "median ms": milliseconds, ratio, target }) =>
        typeof milliseconds !== "number" || typeof ratio !== "number" ? [] : [{
          name: String(command),
          milliseconds,
          ratio,
          target: typeof target === "number" ? target : undefined,
        }]
      ),
    ] as const
  );
  const versions = `Deno ${Deno.version.deno}, Linux ${Deno.osRelease()}`;
  return plot(Object.fromEntries(measured), `Medians of ${rounds} runs in turn; ${versions}`);
}
