/**
 * Steps that are there once, though several places go through them.
 *
 * @module
 */
import type { Builder } from "../ffi/plan/builder.ts";
import type { Label } from "../ffi/plan/step.ts";

/** Such steps. */
export interface Routine {
  /** Goes through them, and on from here. */
  run(): void;
  /** Writes them, when all places are known; behind a step that does not go on to the next one. */
  write(): void;
}

/** Steps that `body` writes. */
export function routine(p: Builder, body: () => void): Routine {
  const [start, place] = [p.label(), p.cell("from where")];
  const places: Label[] = [];
  return {
    run: () => {
      const back = p.label();
      p.set(place, places.length, start);
      p.place(back);
      places.push(back);
    },
    write: () => {
      p.place(start);
      body();
      const [first, ...others] = places as [Label, ...Label[]];
      others.forEach((back, i) => p.branch("equal", place, i + 1, back));
      p.jump(first);
    },
  };
}
