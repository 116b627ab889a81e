/**
 * How wide the columns of a table are.
 *
 * Away from a terminal a column is as wide as its widest cell. On a terminal,
 * columns that may be cut off give way until the lines fit: first the one with the
 * most extreme cells, down to what two thirds of them need, then all of them, bit by
 * bit. These are the rules of libsmartcols 2.41.
 *
 * @module
 */
import type { Column } from "./table.ts";

/** A column to be measured. */
export interface Measured {
  /** The column. */
  readonly column: Column;
  /** How wide its name is; 0 if that is not shown. */
  readonly heading: number;
  /** How wide its cells are. */
  readonly cells: readonly number[];
}

/** The columns between two columns of a table. */
const GAP = 1;

interface Sized {
  readonly column: Column;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly deviation: number;
  width: number;
}

/** The width of each column; `terminal` is the width of the terminal, if there is one. */
export function widths(columns: readonly Measured[], terminal: number | undefined): number[] {
  const sized = columns.map(size);
  if (terminal !== undefined) fit(sized, terminal);
  return sized.map(({ width }) => width);
}

function size({ column, heading, cells }: Measured): Sized {
  const mean = sum(cells) / Math.max(1, cells.length);
  const squares = sum(cells.map((width) => (width - mean) ** 2));
  const deviation = cells.length > 1 ? Math.sqrt(squares / (cells.length - 1)) : 0;
  const max = cells.reduce((a, b) => Math.max(a, b), 0);
  const { hint = 0, hidden } = column;
  const min = hidden || (heading === 0 && max === 0) ? 0 : Math.max(1, heading);
  const width = max < min ? min : max < hint && min < hint ? hint : max;
  return { column, min, max, mean, deviation, width: hidden ? 0 : width };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}

function fit(columns: readonly Sized[], terminal: number): void {
  const shown = columns.filter(({ column }) => !column.hidden);
  const total = (): number => sum(shown.map(({ width }) => width)) + GAP * (shown.length - 1);
  const excess = (): number => total() - terminal;

  const worstFirst = columns.toReversed().sort((a, b) => extent(b) - extent(a));
  const [worst] = worstFirst;
  const flexible = worstFirst.filter(({ column }) => column.truncate && !column.hidden);
  const repeat = (reduce: () => void): void => {
    for (let before = 0; excess() > 0 && excess() !== before;) {
      before = excess();
      reduce();
    }
  };
  const narrow = (column: Sized): void => {
    if (excess() > 0) {
      column.width = Math.max(column.min, column.width - (column === worst ? 3 : 1));
    }
  };
  repeat(() => worst?.column.truncate && reduceToMost(worst, excess()));
  repeat(() => flexible.filter(isUneven).forEach(narrow));
  repeat(() => flexible.forEach(narrow));

  const last = columns.at(-1);
  if (last && !last.column.right && !last.column.hidden) last.width -= Math.min(0, excess());
}

/** Three deviations are where next to all cells end. */
function extent({ mean, deviation }: Sized): number {
  return mean + 3 * deviation;
}

function isUneven({ mean, deviation }: Sized): boolean {
  return deviation >= mean / 2.2;
}

/** One deviation is where two thirds of the cells end. */
function reduceToMost(column: Sized, excess: number): void {
  const { min, max, mean, deviation, width } = column;
  if (deviation < 1) return;
  const most = Math.min(max, Math.max(min, Math.trunc(mean + deviation)));
  if (most < width) column.width = Math.max(most, width - excess);
}
