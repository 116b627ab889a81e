/**
 * getopt_long(3) over a table of options, as unshare(1) and nsenter(1) use it.
 *
 * The rules and the messages are glibc's. One thing differs: glibc walks over
 * bytes, this module over the characters of strings. For an unknown short
 * option outside of ASCII glibc prints the first byte of the character, we
 * print the character.
 *
 * @module
 */

/** Whether an option has an argument: see has_arg in getopt_long(3). */
export type ArgumentKind = "none" | "required" | "optional";

/**
 * One option, as data. Entries that share `short` and `argument` are aliases:
 * an abbreviation that fits both of them is not ambiguous.
 */
export interface Option {
  /** The long name, without `--`. */
  readonly name: string;
  /** The letter of the short form, without `-`. */
  readonly short?: string;
  /** What the long form takes, and the short one if nothing else is said. */
  readonly argument: ArgumentKind;
  /** For unshare's `-m`, which takes nothing while `--mount` may. */
  readonly shortArgument?: ArgumentKind;
}

type Values = {
  none: undefined;
  required: string;
  optional: string | undefined;
};

type Kinds<T extends Option> =
  | T["argument"]
  | (T extends { readonly shortArgument: infer Kind extends ArgumentKind } ? Kind
    : never);

/**
 * An option met on the command line: its entry in the table and the argument.
 * A union over the table, so that `name` tells the type of `value`.
 */
export type Match<T extends Option> = T extends Option ? T & { readonly value: Values[Kinds<T>] }
  : never;

/** A wrong command line. The message lacks the program: {@linkcode usageText}. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** An option's argument that can't be used; such errors have no `Try` line. */
export class ArgumentError extends Error {
  override readonly name = "ArgumentError";
}

/** What a function returns; a RangeError, which says what can't be had, is one of an argument. */
export function explained<T>(find: () => T, prefix: string = ""): T {
  try {
    return find();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ArgumentError(prefix + error.message);
  }
}

/**
 * Matches `args` against `table`, from left to right.
 *
 * `options` is lazy: an option is handed out before what follows it is looked
 * at, hence an error in its argument, or `-h`, comes before later mistakes.
 * It throws a {@linkcode UsageError} when it meets a mistake. `operands` is
 * filled once `options` has run to its end.
 *
 * Parsing stops at the first operand, as with a leading `+` in getopt(3)'s
 * optstring. With `permute`, operands may stand among the options. A lone `-`
 * is an operand; `--` ends the options.
 *
 * See getopt_long(3).
 *
 * @example
 * ```ts
 * import { getopt } from "./getopt.ts";
 *
 * const table = [
 *   { name: "target", short: "t", argument: "required" },
 *   { name: "all", short: "a", argument: "none" },
 * ] as const;
 * const { options, operands } = getopt(table, ["-at1", "ls", "-l"]);
 * for (const option of options) console.log(option.name, option.value);
 * console.log(operands); // ["ls", "-l"]
 * ```
 */
export function getopt<T extends Option>(
  table: readonly T[],
  args: readonly string[],
  { permute = false }: { permute?: boolean } = {},
): { options: Iterable<Match<T>>; operands: string[] } {
  const operands: string[] = [];
  return { options: walk(table, args, permute, operands), operands };
}

/** The two lines that a program started as `argv0` prints for `error`. */
export function usageText(argv0: string, error: UsageError): string {
  return `${argv0}: ${error.message}
Try '${programName(argv0)} --help' for more information.
`;
}

/** `argv0` after its last slash: see program_invocation_short_name(3). */
export function programName(argv0: string): string {
  return argv0.slice(argv0.lastIndexOf("/") + 1);
}

function* walk<T extends Option>(
  table: readonly T[],
  args: readonly string[],
  permute: boolean,
  operands: string[],
): Generator<Match<T>, void> {
  // Shared, as an option takes the next argument out of it. Array iterators
  // go on after a `break`.
  const rest = args.values();
  for (const arg of rest) {
    if (arg === "--") break;
    if (arg === "-" || !arg.startsWith("-")) {
      operands.push(arg);
      if (!permute) break;
    } else if (arg.startsWith("--")) {
      yield matchLong(table, arg.slice(2), rest);
    } else {
      yield* matchBundle(table, arg.slice(1), rest);
    }
  }
  for (const arg of rest) operands.push(arg);
}

function matchLong<T extends Option>(
  table: readonly T[],
  text: string,
  rest: Iterator<string, undefined>,
): Match<T> {
  const equals = text.indexOf("=");
  const attached = equals < 0 ? undefined : text.slice(equals + 1);
  const option = findLong(table, text, equals < 0 ? text.length : equals);
  const shown = `option '--${option.name}'`;
  switch (option.argument) {
    case "none":
      if (attached === undefined) return match(option, undefined);
      throw new UsageError(`${shown} doesn't allow an argument`);
    case "optional":
      return match(option, attached);
    case "required":
      return match(
        option,
        attached ?? next(rest, `${shown} requires an argument`),
      );
  }
}

/** The option named, or abbreviated, by the start of `text`. */
function findLong<T extends Option>(
  table: readonly T[],
  text: string,
  length: number,
): T {
  const name = text.slice(0, length);
  const exact = table.find((option) => option.name === name);
  if (exact) return exact;

  const [first, ...others] = table.filter((option) => option.name.startsWith(name));
  if (!first) throw new UsageError(`unrecognized option '--${text}'`);
  const rivals = others.filter((other) => !isAlias(first, other));
  if (rivals.length === 0) return first;
  const names = [first, ...rivals].map((option) => `'--${option.name}'`);
  throw new UsageError(
    `option '--${text}' is ambiguous; possibilities: ${names.join(" ")}`,
  );
}

function isAlias(a: Option, b: Option): boolean {
  return a.short !== undefined && a.short === b.short &&
    a.argument === b.argument;
}

/** Matches the letters of one argument such as `-Urpf` or `-t1`. */
function* matchBundle<T extends Option>(
  table: readonly T[],
  bundle: string,
  rest: Iterator<string, undefined>,
): Generator<Match<T>, void> {
  let attached = bundle;
  for (const letter of bundle) {
    attached = attached.slice(letter.length);
    const option = table.find((option) => option.short === letter);
    if (!option) throw new UsageError(`invalid option -- '${letter}'`);
    switch (option.shortArgument ?? option.argument) {
      case "none":
        yield match(option, undefined);
        break;
      case "optional":
        yield match(option, attached || undefined);
        return;
      case "required":
        attached ||= next(rest, `option requires an argument -- '${letter}'`);
        yield match(option, attached);
        return;
    }
  }
}

function next(rest: Iterator<string, undefined>, message: string): string {
  const { value } = rest.next();
  if (value === undefined) throw new UsageError(message);
  return value;
}

/** Trusts the caller to give a `value` only where `option` can have one. */
function match<T extends Option>(
  option: T,
  value: string | undefined,
): Match<T> {
  return { ...option, value } as unknown as Match<T>;
}
