/**
 * Tables as people read them.
 *
 * @module
 */
import { type Art, artBelow, artOf, inOrder, type Line, shown, type Table } from "./table.ts";
import { printable, truncate, widthOf } from "./text.ts";
import { type Measured, widths } from "./widths.ts";

/** What a table is drawn for. */
export interface Screen {
  /** What trees are drawn with. */
  readonly art: Art;
  /** The width of the terminal, if it is one. */
  readonly terminal?: number | undefined;
}

/** The table as text; nothing if there are no lines. */
export function human(table: Table, { art, terminal }: Screen): string {
  const lines = inOrder(table);
  if (lines.length === 0) return "";
  const { columns, headings } = table;

  /** The texts of a cell, one below the other. */
  const texts = (line: Line, index: number): string[] => {
    const { tree, multiline, hidden } = columns[index]!;
    if (hidden) return [""];
    const text = line.cells[index]!;
    if (multiline) return text.split("\n").map(printable);
    return [printable(tree ? artOf(line, art) + text : text)];
  };
  const measured = columns.map((column, index): Measured => ({
    column,
    heading: headings ? widthOf(column.name) : 0,
    cells: lines.map((line) => widthOf(longest(texts(line, index)))),
  }));
  const width = widths(measured, terminal);
  const visible = shown(table);

  const row = (cell: (index: number) => string, below = false): string =>
    visible.map(({ column, index }, i) => {
      const isLast = i === visible.length - 1;
      let text = cell(index);
      if (column.truncate && widthOf(text) > width[index]!) text = truncate(text, width[index]!);
      const padding = " ".repeat(Math.max(0, width[index]! - widthOf(text)));
      if (column.right && text !== "" && !below) return padding + text + (isLast ? "" : " ");
      return isLast ? text : `${text}${padding} `;
    }).join("") + "\n";

  const heading = headings ? row((index) => columns[index]!.name) : "";
  return heading + lines.map((line) => {
    const cells = columns.map((_, index) => texts(line, index));
    const height = Math.max(...visible.map(({ index }) => cells[index]!.length));
    const below = artBelow(line, art) + (line.children.length > 0 ? art.down : "");
    return Array.from({ length: height }, (_, at) =>
      row(
        (index) => cells[index]![at] ?? (columns[index]!.tree ? below : ""),
        at > 0,
      )).join("");
  }).join("");
}

/** The text with the most bytes; of several the last one. */
function longest(texts: readonly string[]): string {
  return texts.reduce((a, b) => b.length >= a.length ? b : a);
}
