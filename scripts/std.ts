/**
 * The used part of the Deno standard library, with types.
 *
 * The npm package that carries it has none, so without this module every
 * import would be `any` and a wrong call would pass `deno check`.
 *
 * @module
 */
import * as asserts from "@std/assert";
import * as cli from "@std/cli";
import * as paths from "@std/path";

/** Throws unless `condition` is truthy. */
export const assert: (condition: unknown, message?: string) => asserts condition = asserts.assert;
/** Throws unless both values are deeply equal. */
export const assertEquals: <T>(actual: T, expected: T, message?: string) => void =
  asserts.assertEquals;
/** Throws unless `text` matches `pattern`. */
export const assertMatch: (text: string, pattern: RegExp, message?: string) => void =
  asserts.assertMatch;
/** Throws unless `text` contains `part`. */
export const assertStringIncludes: (text: string, part: string, message?: string) => void =
  asserts.assertStringIncludes;
/** Throws unless `fn` throws an `errorClass`; returns what it threw. */
export const assertThrows: <E extends Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any
  errorClass: new (...args: any[]) => E,
  messagePart?: string,
) => E = asserts.assertThrows;

/** Options of {@linkcode parseArgs}. */
export interface ParseOptions {
  boolean?: readonly string[];
  string?: readonly string[];
  default?: Record<string, unknown>;
  unknown?: (argument: string) => boolean;
}
/** Parses command line arguments as `@std/cli` does. */
export const parseArgs: (
  args: readonly string[],
  options?: ParseOptions,
) => { _: (string | number)[] } & Record<string, unknown> = cli.parseArgs;

/** Joins path parts and normalizes the result. */
export const join: (...parts: string[]) => string = paths.join;
/** The directory part of a path. */
export const dirname: (path: string) => string = paths.dirname;
/** The path that a `file:` URL names. */
export const fromFileUrl: (url: string | URL) => string = paths.fromFileUrl;
/** The `file:` URL of an absolute path. */
export const toFileUrl: (path: string) => URL = paths.toFileUrl;
