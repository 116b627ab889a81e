/**
 * regex.h: extended regular expressions, as grep(1) -E has them.
 *
 * @module
 */
import { cstring } from "./arguments.ts";
import { raw } from "./libc.ts";

const [REG_EXTENDED, REG_NOSUB] = [1, 8];
/** At least the size of a `regex_t`, which has 64 bytes. */
const SIZE = 128;

/**
 * Compiles an extended regular expression, see regex(3) and regex(7).
 *
 * What it takes in memory is not given back: this is for a few expressions in the
 * life of a process.
 *
 * @param pattern the expression
 * @returns what tells whether a text matches
 * @throws {SyntaxError} when it is none, with the text of regerror(3)
 * @throws {TypeError} when there is a NUL in it
 *
 * @example
 * ```ts ignore
 * const matches = regex("^[[:upper:]]+$");
 * console.log(matches("ABC"), matches("abc")); // true false
 * ```
 */
export function regex(pattern: string): (text: string) => boolean {
  const compiled = new Uint8Array(SIZE);
  const error = raw("regcomp", compiled, cstring("pattern", pattern), REG_EXTENDED | REG_NOSUB);
  if (error !== 0) {
    const text = new Uint8Array(256);
    const length = Number(raw("regerror", error, compiled, text, BigInt(text.length)));
    throw new SyntaxError(new TextDecoder().decode(text.subarray(0, length - 1)));
  }
  return (text) => raw("regexec", compiled, cstring("text", text), 0n, null, 0) === 0;
}
