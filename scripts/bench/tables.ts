/**
 * What was measured as tables, and as a picture.
 *
 * @module
 */
import type { Contestant, Group } from "./contestant.ts";
import { countCalls } from "./measure.ts";
import { plot } from "./plot.ts";
import type { Memory } from "./waiter.ts";

/** A line of a table. */
export type Row = Readonly<Record<string, string | number | boolean | undefined>>;

/** The times of a group, as lines. */
export function timesOf(
  { rows, calls }: Group,
  times: ReadonlyMap<Contestant, readonly number[]>,
  directory: string,
): Row[] {
  const middle = (contestant: Contestant): number | undefined => {
    const list = times.get(contestant)!;
    return list[list.length >> 1];
  };
  const taken = ({ less }: Contestant): number => (less && middle(less)) ?? 0;
  const median = (contestant: Contestant): number | undefined => {
    const whole = middle(contestant);
    return whole && whole - taken(contestant);
  };
  const reference = median(rows[0]![0]);
  return rows.map(([contestant, target]) => {
    const ms = median(contestant);
    const least = times.get(contestant)![0];
    const min = least && least - taken(contestant);
    const ratio = ms && reference && ms / reference;
    return {
      command: contestant.name,
      "median ms": ms,
      "min ms": min,
      ratio,
      target,
      ok: isOk(ratio, target),
      ...(calls && { "system calls": countCalls(contestant, directory) }),
      missing: contestant.missing,
    };
  });
}

/** What is in memory, as a line. */
export function memoryRow(
  name: string,
  memory: Memory | undefined,
  target?: number,
): Row {
  const { rss, pss } = memory ?? {};
  return {
    command: name,
    "Rss KiB": rss,
    "Pss KiB": pss,
    target,
    ok: isOk(rss, target),
    missing: memory ? undefined : "not here",
  };
}

function isOk(value: number | undefined, target: number | undefined): boolean | undefined {
  return value === undefined || target === undefined ? undefined : value <= target;
}

/** Prints rows, numbers to the right. What is missing stands in place of the first number. */
export function table(title: string, rows: readonly Row[]): void {
  const names = Object.keys(rows[0]!).filter((name) => name !== "missing");
  const cells = rows.map((row) =>
    names.map((name, i) => {
      const value = row[name];
      if (value === undefined) return i === 1 ? `${row.missing ?? ""}` : "";
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
