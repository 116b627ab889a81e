/**
 * Tables for programs: a blank between columns, and none within.
 *
 * @module
 */
import { encode } from "../../ffi/bytes.ts";
import { type Art, artOf, inOrder, shown, type Table } from "./table.ts";
import { escape } from "./text.ts";

const [BLANK, BACKSLASH, DELETE] = [0x20, 0x5c, 0x7f];

/** The table as text; nothing if there are no lines. */
export function raw(table: Table, art: Art): string {
  const lines = inOrder(table);
  if (lines.length === 0) return "";
  const columns = shown(table);
  const rows = lines.map((line) =>
    columns.map(({ column, index }) =>
      unblank(column.tree ? artOf(line, art) + line.cells[index]! : line.cells[index]!)
    )
  );
  if (table.headings) rows.unshift(columns.map(({ column }) => column.name));
  return rows.map((row) => `${row.join(" ")}\n`).join("");
}

/** Blanks, backslashes and all but ASCII as `\x..`. */
function unblank(text: string): string {
  if (/^[!-\[\]-~]*$/.test(text)) return text;
  return [...encode(text)].map((byte) =>
    byte <= BLANK || byte === BACKSLASH || byte >= DELETE ? escape(byte) : String.fromCharCode(byte)
  ).join("");
}
