/**
 * Tables, as the listing tools of util-linux have them: columns, and lines that may
 * form trees. What they look like is up to `human.ts`, `raw.ts` and `json.ts`.
 *
 * @module
 */

/** A column. */
export interface Column {
  /** What it is called, in capitals. */
  readonly name: string;
  /** Whether it has numbers, which JSON has without quotes and filters compare as such. */
  readonly number?: boolean;
  /** Whether it stands on the right. */
  readonly right?: boolean;
  /** Whether it may be cut off where a terminal ends. */
  readonly truncate?: boolean;
  /** The width that it has at least, if what is in it is wider than its name. */
  readonly hint?: number;
  /** Whether a newline within a cell begins a further line. */
  readonly multiline?: boolean;
  /** Whether the tree is drawn in it. */
  readonly tree?: boolean;
  /** Whether it is there for filters only. */
  readonly hidden?: boolean;
}

/** A line. */
export interface Line {
  /** A text for each column. */
  readonly cells: readonly string[];
  /** The line that it hangs from in a tree. */
  readonly parent?: Line | undefined;
  /** The lines that hang from it. */
  readonly children: readonly Line[];
}

/** A table. */
export interface Table {
  /** What JSON calls it. */
  readonly name: string;
  /** The columns. */
  readonly columns: readonly Column[];
  /** The lines, those within trees among them, as they were made. */
  readonly lines: readonly Line[];
  /** Whether the names of the columns are shown. */
  readonly headings: boolean;
}

/** Whether lines hang from others: a column has to show that. */
export function isTree({ columns }: Table): boolean {
  return columns.some(({ tree }) => tree);
}

/** The lines in the order in which they are shown. */
export function inOrder(table: Table): Line[] {
  const withChildren = (line: Line): Line[] => [line, ...line.children.flatMap(withChildren)];
  return isTree(table) ? roots(table).flatMap(withChildren) : [...table.lines];
}

/** The lines that hang from none. */
export function roots({ lines }: Table): Line[] {
  return lines.filter(({ parent }) => parent === undefined);
}

/** The columns that are shown, with their places in the cells. */
export function shown({ columns }: Table): { readonly column: Column; readonly index: number }[] {
  return columns.map((column, index) => ({ column, index })).filter(({ column }) => !column.hidden);
}

/** What trees are drawn with. */
export interface Art {
  /** In front of a line with others behind it that hang from the same. */
  readonly branch: string;
  /** In front of the last one. */
  readonly last: string;
  /** What leads on to lines below. */
  readonly down: string;
  /** What stands where nothing leads on. */
  readonly blank: string;
}

/** The art of terminals that have more than ASCII, and of others. */
export const ART: Readonly<Record<"unicode" | "ascii", Art>> = {
  unicode: { branch: "├─", last: "└─", down: "│ ", blank: "  " },
  ascii: { branch: "|-", last: "`-", down: "| ", blank: "  " },
};

function isLast(line: Line): boolean {
  return line.parent?.children.at(-1) === line;
}

/** What stands in front of the text of a line in a tree. */
export function artOf(line: Line, art: Art): string {
  if (!line.parent) return "";
  return artBelow(line.parent, art) + (isLast(line) ? art.last : art.branch);
}

/** What stands below that, next to further lines of the same cell. */
export function artBelow(line: Line, art: Art): string {
  if (!line.parent) return "";
  return artBelow(line.parent, art) + (isLast(line) ? art.blank : art.down);
}
