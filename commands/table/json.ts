/**
 * Tables as JSON: an object with an array of the lines, in which `children` are
 * lines, too.
 *
 * @module
 */
import { isTree, type Line, roots, shown, type Table } from "./table.ts";

/** The table as text. */
export function json(table: Table): string {
  const columns = shown(table);
  const nested = isTree(table);
  const object = (line: Line, depth: number): string => {
    const indent = "   ".repeat(depth + 1);
    const fields = columns.map(({ column, index }) =>
      `${indent}"${column.name.toLowerCase()}": ${value(line.cells[index]!, column.number)}`
    );
    if (nested && line.children.length > 0) {
      fields.push(`${indent}"children": ${array(line.children, depth + 1)}`);
    }
    return `{\n${fields.join(",\n")}\n${"   ".repeat(depth)}}`;
  };
  const array = (lines: readonly Line[], depth: number): string => {
    const [outer, inner] = ["   ".repeat(depth), "   ".repeat(depth + 1)];
    const objects = lines.map((line) => object(line, depth + 1)).join(",");
    return `[\n${objects === "" ? "" : inner}${objects}\n${outer}]`;
  };
  const lines = nested ? roots(table) : table.lines;
  return `{\n   "${table.name}": ${array(lines, 1)}\n}\n`;
}

function value(text: string, number: boolean | undefined): string {
  if (text === "") return "null";
  return number ? text : quote(text);
}

/** As the tools have it: what is not a control character stands for itself. */
function quote(text: string): string {
  const escaped = text.replace(/["\\]/g, "\\$&").replace(
    // deno-lint-ignore no-control-regex
    /[\x00-\x1f]/g,
    (character) => JSON.stringify(character).slice(1, -1),
  );
  return `"${escaped}"`;
}
