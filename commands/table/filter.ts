/**
 * Filter expressions over the columns of a table, see scols-filter(5):
 *
 *     TYPE == "net" && (NPROCS > 1 || COMMAND =~ "^ssh")
 *
 * `&&` and `||` bind equally, and less than comparisons; `!` binds most. All of them
 * group from the left. A column has numbers or texts, and what it is compared with
 * decides as which of them it is taken.
 *
 * @module
 */
import { regex } from "../../ffi/regex.ts";

/** An expression that is none. */
export class FilterError extends Error {
  override readonly name = "FilterError";
}

/** What a line has in a column: the text, or `undefined` if there is nothing. */
export type Cell = (
  column: string,
) => { readonly text: string | undefined; readonly number: boolean };

/** A filter. */
export interface Filter {
  /** The columns that it looks at, as they are written, each time that they are. */
  readonly columns: readonly string[];
  /** Whether a line passes. Throws a {@linkcode FilterError} when values can't be compared. */
  readonly passes: (cell: Cell) => boolean;
}

/**
 * Reads an expression; an empty one lets every line pass.
 *
 * @throws {FilterError} when it is none
 */
export function parseFilter(text: string): Filter {
  const columns: string[] = [];
  const tokens = [...tokenize(text)];
  if (tokens.length === 0 && text === "") return { columns, passes: () => true };
  const passes = truth(new Parser(tokens, columns).parse());
  return { columns, passes };
}

// Tokens ---------------------------------------------------------------------

type Operator = "AND" | "OR" | "NEG" | "EQ" | "NE" | "LE" | "LT" | "GE" | "GT" | "REG" | "NREG";
type TokenName = Operator | "TRUE" | "FALSE" | "NUMBER" | "FLOAT" | "STRING" | "HOLDER" | "(" | ")";

interface Token {
  readonly name: TokenName;
  readonly text: string;
}

const WORDS: Readonly<Record<string, TokenName>> = {
  and: "AND",
  "&&": "AND",
  or: "OR",
  "||": "OR",
  not: "NEG",
  "!": "NEG",
  eq: "EQ",
  "==": "EQ",
  ne: "NE",
  "!=": "NE",
  le: "LE",
  "<=": "LE",
  lt: "LT",
  "<": "LT",
  ge: "GE",
  ">=": "GE",
  gt: "GT",
  ">": "GT",
  "=~": "REG",
  "!~": "NREG",
  true: "TRUE",
  false: "FALSE",
  "(": "(",
  ")": ")",
};

const PATTERN =
  /(?<blank>[ \t\n]+)|(?<symbol>&&|\|\||[=!]~|[=!<>]=|[!<>()])|(?<float>\d+\.\d+)|(?<number>\d+(?:[KMGTPEZY](?:iB)?)?)|(?<word>[a-zA-Z][a-zA-Z_.%:\/\-0-9]*)|(?<string>"[^"\n]*"|'[^'\n]*')/y;

function* tokenize(text: string): Generator<Token> {
  PATTERN.lastIndex = 0;
  while (PATTERN.lastIndex < text.length) {
    const at = PATTERN.lastIndex;
    const found = PATTERN.exec(text)?.groups;
    if (!found) throw new FilterError(`syntax error, unexpected ${[...text.slice(at)][0]}`);
    const { symbol, float, number, word, string } = found;
    if (symbol) yield { name: WORDS[symbol]!, text: symbol };
    else if (float) yield { name: "FLOAT", text: float };
    else if (number) yield { name: "NUMBER", text: number };
    else if (string) yield { name: "STRING", text: string.slice(1, -1) };
    else if (word) yield { name: keyword(word) ?? "HOLDER", text: word };
  }
}

/** A word that is an operator or a truth value, all in small or all in capital letters. */
function keyword(word: string): TokenName | undefined {
  const small = word.toLowerCase();
  const isOneCase = word === small || word === word.toUpperCase();
  return isOneCase && Object.hasOwn(WORDS, small) ? WORDS[small] : undefined;
}

// Values ---------------------------------------------------------------------

/** The types of values, and how JavaScript has them. */
type Types = { number: bigint; float: number; string: string; boolean: boolean };
type Type = keyof Types;

/** A value; `empty` if there is none, and then what stands for it. */
interface Value {
  readonly type: Type;
  readonly value: Types[Type];
  readonly empty?: boolean;
}

/** What a part of an expression is. */
type Node =
  | { readonly kind: "constant"; readonly value: Value }
  | { readonly kind: "column"; readonly name: string }
  | { readonly kind: "expression"; readonly passes: (cell: Cell) => boolean };

const UINT64_MAX = 2n ** 64n - 1n;

function numberOf(text: string): bigint {
  const [, digits = "", unit] = /^(\d+)([A-Z]?)/.exec(text)!;
  if (unit === "") return min(BigInt(digits), UINT64_MAX);
  // A number with a unit may be octal, as strtoumax(3) has it with base 0.
  const octal = /^0[0-7]*$/.test(digits);
  const value = BigInt(octal && digits !== "0" ? `0o${digits.slice(1)}` : digits) <<
    BigInt(10 * ("KMGTPEZY".indexOf(unit!) + 1));
  if (value <= UINT64_MAX) return value;
  throw new FilterError(`"${text}" token error: Numerical result out of range`);
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** The value in a column: a text without blanks around it, or the number that it is. */
function cellValue(cell: Cell, name: string): Value {
  const { text, number } = cell(name);
  const value: Value = { type: "string", value: trim(text ?? ""), empty: text === undefined };
  return number ? { ...cast(value, "number"), empty: text === undefined } : value;
}

function trim(text: string): string {
  return text.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, "");
}

/** A value as another type. */
function cast(from: Value, type: Type): Value {
  if (from.type === type) return from;
  const { value, empty = false } = from;
  switch (type) {
    case "number":
      if (typeof value === "string") return { type, value: empty ? 0n : parse(value), empty };
      return { type, value: BigInt(Math.trunc(Number(value))) };
    case "float":
      if (typeof value !== "string") return { type, value: Number(value) };
      if (!empty && (value === "" || Number.isNaN(Number(value)))) throw notComparable();
      return { type, value: Number(value), empty };
    case "boolean":
      if (typeof value !== "string") return { type, value: Number(value) > 0 };
      return { type, value: /^(1|true|[yY].*)$/is.test(value), empty };
    case "string":
      return { type, value: String(typeof value === "number" ? short(value) : value) };
  }
}

function parse(text: string): bigint {
  if (!/^\+?\d+$/.test(text)) throw notComparable();
  return BigInt(text);
}

/** A number as `%g` of printf(3) has it. */
function short(value: number): string {
  const text = Number(value.toPrecision(6));
  return String(text);
}

function notComparable(): FilterError {
  return new FilterError("failed to apply filter: Invalid argument");
}

// Evaluation -----------------------------------------------------------------

function truth(node: Node): (cell: Cell) => boolean {
  if (node.kind === "expression") return node.passes;
  const isTrue = ({ value, empty }: Value): boolean => !empty && Boolean(value);
  if (node.kind === "constant") return () => isTrue(node.value);
  return (cell) => isTrue(cellValue(cell, node.name));
}

function evaluate(node: Node, cell: Cell): Value {
  if (node.kind === "constant") return node.value;
  if (node.kind === "column") return cellValue(cell, node.name);
  return { type: "boolean", value: node.passes(cell) };
}

/** What two values are compared as: a constant decides, and of two the left one. */
function commonType(left: Node, right: Node, a: Type, b: Type): Type {
  const type = left.kind === "column" && right.kind !== "column" ? b : a;
  return type === "number" && (a === "float" || b === "float") ? "float" : type;
}

function compare(
  left: Node,
  right: Node,
  passes: (order: number) => boolean,
): (cell: Cell) => boolean {
  return (cell) => {
    const [l, r] = [evaluate(left, cell), evaluate(right, cell)];
    const type = commonType(left, right, l.type, r.type);
    const [a, b] = [cast(l, type), cast(r, type)];
    if (type === "string") return passes(order(present(a), present(b)));
    return !a.empty && !b.empty && passes(order(a.value, b.value));
  };
}

/** Nothing comes before every text. */
function present({ value, empty }: Value): string {
  return empty ? "" : `.${value}`;
}

function order<T>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function match(left: Node, pattern: Value, wanted: boolean): (cell: Cell) => boolean {
  let matches: (text: string) => boolean;
  try {
    matches = regex(pattern.value as string);
  } catch (error) {
    throw error instanceof SyntaxError ? new FilterError(error.message) : error;
  }
  return (cell) => {
    const value = evaluate(left, cell);
    if (left.kind !== "column" && value.type !== "string") throw notComparable();
    return matches(cast(value, "string").value as string) === wanted;
  };
}

const COMPARISONS: Readonly<Record<string, (order: number) => boolean>> = {
  EQ: (order) => order === 0,
  NE: (order) => order !== 0,
  LE: (order) => order <= 0,
  LT: (order) => order < 0,
  GE: (order) => order >= 0,
  GT: (order) => order > 0,
};

// Syntax ---------------------------------------------------------------------

class Parser {
  #at = 0;
  constructor(readonly tokens: readonly Token[], readonly columns: string[]) {}

  parse(): Node {
    const node = this.#logic();
    if (this.#peek()) this.#unexpected(", expecting end of file");
    return node;
  }

  #logic(): Node {
    let left = this.#comparison();
    for (let token = this.#take("AND", "OR"); token; token = this.#take("AND", "OR")) {
      const [a, b] = [truth(left), truth(this.#comparison())];
      const isAnd = token.name === "AND";
      left = {
        kind: "expression",
        passes: (cell) => isAnd ? a(cell) && b(cell) : a(cell) || b(cell),
      };
    }
    return left;
  }

  #comparison(): Node {
    let left = this.#operand();
    for (let token = this.#comparator(); token; token = this.#comparator()) {
      const right = this.#operand();
      left = { kind: "expression", passes: comparison(token.name, left, right) };
    }
    return left;
  }

  #comparator(): Token | undefined {
    return this.#take("EQ", "NE", "LE", "LT", "GE", "GT", "REG", "NREG");
  }

  #operand(): Node {
    if (this.#take("NEG")) {
      const passes = truth(this.#operand());
      return { kind: "expression", passes: (cell) => !passes(cell) };
    }
    if (this.#take("(")) {
      const node = this.#logic();
      if (!this.#take(")")) this.#unexpected();
      return node;
    }
    const token = this.#take("NUMBER", "FLOAT", "STRING", "TRUE", "FALSE", "HOLDER");
    if (!token) this.#unexpected();
    const { name, text } = token;
    if (name === "HOLDER") {
      this.columns.push(text);
      return { kind: "column", name: text };
    }
    return { kind: "constant", value: constant(name, text) };
  }

  #peek(): Token | undefined {
    return this.tokens[this.#at];
  }

  #take(...names: TokenName[]): Token | undefined {
    const token = this.#peek();
    if (!token || !names.includes(token.name)) return undefined;
    this.#at++;
    return token;
  }

  #unexpected(expected = ""): never {
    const name = this.#peek()?.name ?? "end of file";
    const shown = name === "(" || name === ")" ? `'${name}'` : name;
    throw new FilterError(`syntax error, unexpected ${shown}${expected}`);
  }
}

function comparison(name: TokenName, left: Node, right: Node): (cell: Cell) => boolean {
  const passes = COMPARISONS[name];
  if (passes) return compare(left, right, passes);
  if (right.kind !== "constant" || right.value.type !== "string") {
    throw new FilterError("a regular expression must be a string");
  }
  return match(left, right.value, name === "REG");
}

function constant(name: TokenName, text: string): Value {
  if (name === "NUMBER") return { type: "number", value: numberOf(text) };
  if (name === "FLOAT") return { type: "float", value: Number(text) };
  if (name === "STRING") return { type: "string", value: trim(text) };
  return { type: "boolean", value: name === "TRUE" };
}
