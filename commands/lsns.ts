/**
 * `denspace lsns`: lsns(8).
 *
 * @module
 */
import { decode, encode } from "../ffi/bytes.ts";
import { ENOTTY } from "../ffi/constants/errno.ts";
import { SyscallError } from "../ffi/errno.ts";
import { readFile } from "../ffi/file.ts";
import { codeset, useLocale } from "../ffi/locale.ts";
import { terminalColumns } from "../ffi/tty.ts";
import { write } from "../ffi/unistd.ts";
import { KINDS, type NamespaceKind } from "../sandbox/listing/kinds.ts";
import { type Listing, listNamespaces } from "../sandbox/listing/namespaces.ts";
import { ArgumentError, getopt, programName } from "./getopt.ts";
import { type Help, HELP_OPTION, print, showHelp, showVersion, VERSION_OPTION } from "./help.ts";
import {
  COLUMN_NAMES,
  type ColumnName,
  columnNamed,
  COLUMNS,
  type DescribedColumn,
  type Subject,
  type Values,
  valuesOf,
} from "./lsns/columns.ts";
import { type GraphFormat, GRAPHS } from "./lsns/graphs.ts";
import { draw } from "./lsns/picture.ts";
import { namespaceRows, processRows, type Row, type Tree } from "./lsns/rows.ts";
import { parseInt32, parseUnsigned } from "./numbers.ts";
import { type Filter, FilterError, parseFilter } from "./table/filter.ts";
import { human } from "./table/human.ts";
import { json } from "./table/json.ts";
import { raw } from "./table/raw.ts";
import { ART, type Column, type Line, type Table } from "./table/table.ts";

const OPTIONS = [
  { name: "json", short: "J", argument: "none", help: "print JSON" },
  {
    name: "raw",
    short: "r",
    argument: "none",
    help: "print one blank between columns and none within; implies --nowrap",
  },
  { name: "list", short: "l", argument: "none", help: "print a list, no tree" },
  { name: "list-columns", short: "H", argument: "none", help: "show which columns there are" },
  {
    name: "task",
    short: "p",
    argument: "required",
    value: "pid",
    complete: "process",
    help: "only the namespaces of this process",
  },
  {
    name: "type",
    short: "t",
    argument: "required",
    value: "mnt|net|ipc|user|pid|uts|cgroup|time",
    complete: KINDS,
    help: "only namespaces of this kind, may be repeated",
  },
  {
    name: "tree",
    short: "T",
    argument: "optional",
    value: "owner|parent|process",
    complete: ["owner", "parent", "process"],
    help: "print a tree: of owning user namespaces, parents, or processes",
  },
  {
    name: "graph",
    argument: "required",
    value: "svg|mermaid|dot",
    complete: ["svg", "mermaid", "dot"],
    help: "draw processes in their namespaces, with their parents and owners",
  },
  {
    name: "output",
    short: "o",
    argument: "required",
    value: "[+]column,...",
    complete: COLUMN_NAMES,
    help: "the columns to print; with + besides the usual ones",
  },
  { name: "output-all", argument: "none", help: "print all columns" },
  {
    name: "persistent",
    short: "P",
    argument: "none",
    help: "only namespaces without processes",
  },
  {
    name: "filter",
    short: "Q",
    argument: "required",
    value: "expression",
    help: "only lines that pass, such as 'TYPE == \"net\" && NPROCS > 1'",
  },
  { name: "notruncate", short: "u", argument: "none", help: "cut nothing off on terminals" },
  { name: "noheadings", short: "n", argument: "none", help: "leave out the headings" },
  {
    name: "nowrap",
    short: "W",
    argument: "none",
    help: "print the mounts of a namespace in one line",
  },
  HELP_OPTION,
  VERSION_OPTION,
] as const;

/** What lsns says of itself. */
export const help: Help = {
  name: "lsns",
  summary: "list namespaces, or draw them",
  usage: "[options] [namespace]",
  about: `Lists namespaces, or the processes in one that is given by its inode number, or
draws them. See lsns(8), and scols-filter(5) for the expressions of filters.`,
  options: OPTIONS,
};

/** Options of which only one can be given. */
const EXCLUSIVE = [["json", "raw"], ["persistent", "task"]] as const;

/** What the command line asks for. */
interface Wanted {
  format: "human" | "json" | "raw";
  graph?: GraphFormat;
  list: boolean;
  listColumns: boolean;
  task?: number;
  kinds: Set<NamespaceKind>;
  tree?: Tree;
  output?: string;
  all: boolean;
  persistent: boolean;
  filter?: Filter;
  truncate: boolean;
  headings: boolean;
  wrap: boolean;
  /** The inode of a namespace whose processes are listed. */
  namespace?: bigint | undefined;
}

/** The status if the kernel does not know what a namespace is asked for. */
const UNSUPPORTED = 2;

/** Lists namespaces: `argv[0]` and what follows it. */
export function main(argv: readonly string[]): void {
  const name = programName(argv[0]!);
  const want = parse(name, argv.slice(1));
  if (!want) return;
  useLocale();
  try {
    print(want.listColumns ? columnList(want) : want.graph ? graph(want) : listing(want));
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== ENOTTY) throw error;
    write(2, encode(`${name}: this kernel does not tell what a namespace is: ${error.message}\n`));
    Deno.exit(UNSUPPORTED);
  }
}

function parse(name: string, args: readonly string[]): Wanted | undefined {
  const want: Wanted = {
    format: "human",
    list: false,
    listColumns: false,
    kinds: new Set(),
    all: false,
    persistent: false,
    truncate: true,
    headings: true,
    wrap: true,
  };
  const given = new Set<string>();
  const { options, operands } = getopt(OPTIONS, args, { permute: true });
  for (const option of options) {
    refuseExclusive(given.add(option.name));
    switch (option.name) {
      case "json":
        want.format = "json";
        break;
      case "raw":
        want.format = "raw";
        break;
      case "list":
        want.list = true;
        break;
      case "list-columns":
        want.listColumns = true;
        break;
      case "task":
        want.task = parseInt32(option.value, "invalid PID argument");
        break;
      case "type":
        want.kinds.add(parseKind(option.value));
        break;
      case "tree":
        want.tree = parseTree(option.value ?? "owner");
        break;
      case "graph":
        want.graph = parseGraph(option.value);
        break;
      case "output":
        want.output = option.value;
        break;
      case "output-all":
        want.all = true;
        break;
      case "persistent":
        want.persistent = true;
        break;
      case "filter":
        want.filter = parseExpression(option.value);
        break;
      case "notruncate":
        want.truncate = false;
        break;
      case "noheadings":
        want.headings = false;
        break;
      case "nowrap":
        want.wrap = false;
        break;
      case "help":
        showHelp(help, name);
        return undefined;
      case "version":
        showVersion(name);
        return undefined;
      default:
        option satisfies never;
    }
  }
  if (want.task === 0) delete want.task;
  const [operand] = operands;
  if (operand !== undefined) {
    if (want.task !== undefined) {
      throw new ArgumentError("--task is mutually exclusive with <namespace>");
    }
    want.namespace = parseUnsigned(operand, "invalid namespace argument");
  }
  return want;
}

function refuseExclusive(given: ReadonlySet<string>): void {
  const pair = EXCLUSIVE.find((pair) => pair.every((name) => given.has(name)));
  if (!pair) return;
  const names = pair.map((name) => `--${name}`).join(" ");
  throw new ArgumentError(`mutually exclusive arguments: ${names}`);
}

function parseKind(text: string): NamespaceKind {
  const kind = KINDS.find((kind) => kind === text);
  if (!kind) throw new ArgumentError(`unknown namespace type: ${text}`);
  return kind;
}

function parseTree(text: string): Tree {
  const name = text.replace(/^=/, "");
  if (name === "owner" || name === "parent" || name === "process") return name;
  throw new ArgumentError(`unknown tree type: ${name}`);
}

function parseGraph(text: string): GraphFormat {
  if (Object.hasOwn(GRAPHS, text)) return text as GraphFormat;
  throw new ArgumentError(`unknown graph format: ${text}: use svg, mermaid or dot`);
}

function parseExpression(text: string): Filter {
  try {
    return parseFilter(text);
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    throw new ArgumentError(`failed to parse "${text}": ${error.message}`);
  }
}

// The columns ----------------------------------------------------------------

/** The columns that are shown: those of `--output`, or the usual ones. */
function columnsOf({ output, all, kinds, namespace }: Wanted): ColumnName[] {
  const usual: ColumnName[] = all
    ? [...COLUMN_NAMES]
    : namespace !== undefined
    ? ["PID", "PPID", "USER", "COMMAND"]
    : kinds.has("net")
    ? ["NS", "TYPE", "NPROCS", "PID", "USER", "NETNSID", "NSFS", "COMMAND"]
    : ["NS", "TYPE", "NPROCS", "PID", "USER", "COMMAND"];
  if (output === undefined) return usual;
  const [before, names] = output.startsWith("+") ? [usual, output.slice(1)] : [[], output];
  const list = names.split(",");
  if (list.includes("")) throw new ArgumentError(`invalid list of columns: '${output}'`);
  return [...before, ...list.map(parseColumn)];
}

function parseColumn(name: string): ColumnName {
  const column = columnNamed(name);
  if (!column) throw new ArgumentError(`unknown column: ${name}`);
  return column;
}

/** The columns that the filter wants besides. */
function filterColumns({ filter }: Wanted, columns: readonly ColumnName[]): ColumnName[] {
  const names = filter?.columns ?? [];
  const unknown = names.filter((name) => !columnNamed(name));
  if (unknown.length > 0) {
    const lines = unknown.map((name) => `unknown column: ${name}`);
    throw new ArgumentError([...lines, "failed to initialize filter"].join("\nlsns: "));
  }
  return [...new Set(names.map(parseColumn))].filter((name) => !columns.includes(name));
}

function columnList({ format }: Wanted): string {
  const lines = COLUMN_NAMES.map((name): Line => {
    const { number, help }: DescribedColumn = COLUMNS[name];
    return { cells: [name, number ? "<integer>" : "<string>", help], children: [] };
  });
  const columns = [{ name: "HOLDER", right: true }, { name: "TYPE" }, { name: "DESCRIPTION" }];
  return render({ name: "lsns-columns", columns, lines, headings: false }, format);
}

// The lines ------------------------------------------------------------------

function listing(want: Wanted): string {
  const { format, wrap, headings } = want;
  const tree = want.tree ?? (usesTree(want) ? "process" : undefined);
  const chosen = columnsOf(want);
  const hidden = filterColumns(want, chosen);
  const found = find(want, [...chosen, ...hidden], tree !== undefined && tree !== "process");
  const values = valuesOf(found, format === "human" && wrap ? "\n" : ",");
  const rows = rowsOf(found, want, tree, values);
  const columns = [...chosen, ...hidden].map((name, index) =>
    columnOf(name, { ...want, tree, hidden: index >= chosen.length })
  );
  const lines = linesOf(rows, (row) => chosen.map((name) => values(name, row) ?? ""));
  return render({ name: "namespaces", columns, lines, headings }, format);
}

/** Whether lines hang from each other even if nobody asks for it. */
function usesTree({ list, all, namespace }: Wanted): boolean {
  return !list && (namespace !== undefined || !all);
}

function find({ kinds }: Wanted, columns: readonly ColumnName[], ancestors: boolean): Listing {
  return listNamespaces({
    kinds: kinds.size > 0 ? [...kinds] : undefined,
    netnsids: columns.includes("NETNSID"),
    ancestors,
  });
}

function rowsOf(
  listing: Listing,
  { task, persistent, namespace, filter }: Wanted,
  tree: Tree | undefined,
  values: Values,
): Row[] {
  const selection = { tree, task, persistent, keep: passes(filter, values) };
  if (!namespace) return namespaceRows(listing, selection);
  const found = listing.namespaces.get(Number(namespace));
  if (!found) throw new ArgumentError(`not found namespace: ${namespace}`);
  return processRows(listing, found, selection);
}

/** Whether a line passes the filter. */
function passes(filter: Filter | undefined, values: Values): (subject: Subject) => boolean {
  return (subject) => {
    try {
      return filter?.passes((text) => {
        const name = columnNamed(text)!;
        const { number = false }: DescribedColumn = COLUMNS[name];
        return { text: values(name, subject), number };
      }) ?? true;
    } catch (error) {
      throw error instanceof FilterError ? new ArgumentError(error.message) : error;
    }
  };
}

function columnOf(
  name: ColumnName,
  { tree, truncate, hidden }: { tree: Tree | undefined; truncate: boolean; hidden: boolean },
): Column {
  const column: DescribedColumn = COLUMNS[name];
  const isTree = !hidden && name === (tree === "process" ? "COMMAND" : tree && "NS");
  return {
    ...column,
    name,
    hidden,
    tree: isTree,
    right: column.right === true && !isTree,
    truncate: column.truncate === true && truncate,
  };
}

function linesOf(rows: readonly Row[], cells: (row: Row) => string[]): Line[] {
  type Open = Line & { readonly children: Line[] };
  const lines = new Map<Row | undefined, Open>();
  for (const row of rows) {
    const parent = lines.get(row.parent);
    const line: Open = { cells: cells(row), parent, children: [] };
    parent?.children.push(line);
    lines.set(row, line);
  }
  return [...lines.values()];
}

function render(table: Table, format: Wanted["format"]): string {
  if (format === "json") return json(table);
  const art = codeset() === "UTF-8" ? ART.unicode : ART.ascii;
  return format === "raw" ? raw(table, art) : human(table, { art, terminal: terminalWidth() });
}

/** The width of the terminal that we write to, if it is one. */
function terminalWidth(): number | undefined {
  const columns = terminalColumns(1);
  if (columns !== 0) return columns;
  const [, value] = /(?:^|\0)COLUMNS=(\d+)\0/.exec(decode(readFile("/proc/self/environ"))) ?? [];
  return Number(value) || 80;
}

// The picture ----------------------------------------------------------------

function graph(want: Wanted): string {
  filterColumns(want, []);
  const { namespace: inode, kinds } = want;
  const found = listNamespaces({ netnsids: true, ancestors: true });
  const values = valuesOf(found, ", ");
  const chosen = rowsOf(found, { ...want, namespace: undefined }, undefined, values)
    .map(({ namespace }) => namespace)
    .filter(({ kind }) => kinds.size === 0 || kinds.has(kind))
    .filter((namespace) => !inode || namespace.inode === Number(inode));
  if (inode && chosen.length === 0) throw new ArgumentError(`not found namespace: ${inode}`);
  return GRAPHS[want.graph!](draw(found, chosen, values));
}
