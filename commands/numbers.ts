/**
 * Numbers in arguments, as unshare(1) and nsenter(1) read them.
 *
 * Decimal only, `010` being ten. Blanks before the number and a sign are
 * accepted, anything after it is not.
 *
 * @module
 */
import { ArgumentError } from "./getopt.ts";

const INT32_MIN = -(2n ** 31n);
const INT32_MAX = 2n ** 31n - 1n;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

/**
 * A user, group or process id.
 *
 * Any unsigned 64-bit number passes and is cut to 32 bits, as the C tools do:
 * `4294967296` is 0. See strtoul(3).
 *
 * Throws an {@linkcode ArgumentError} that calls the number `what`.
 */
export function parseId(text: string, what: string): number {
  return Number(BigInt.asUintN(32, parseUnsigned(text, `failed to parse ${what}`)));
}

/**
 * A signed 64-bit number, such as the offset in seconds of a clock.
 * See strtoll(3), time_namespaces(7).
 *
 * Throws an {@linkcode ArgumentError} that calls the number `what`.
 */
export function parseOffset(text: string, what: string): bigint {
  return parse(text, `failed to parse ${what}`, INT64_MIN, INT64_MAX);
}

/**
 * The number of a file descriptor: a signed number below 2^31.
 *
 * Any negative one passes and is cut to 32 bits, as in nsenter(1) of util-linux
 * 2.41: `-4294967295` is 1.
 *
 * Throws an {@linkcode ArgumentError} that calls the number `what`.
 */
export function parseDescriptor(text: string, what: string): number {
  const value = parseOffset(text, what);
  if (value > INT32_MAX) throw outOfRange(text, `failed to parse ${what}`);
  return Number(BigInt.asIntN(32, value));
}

/**
 * A signed 32-bit number.
 *
 * Throws an {@linkcode ArgumentError} that begins with `message`.
 */
export function parseInt32(text: string, message: string): number {
  const value = parse(text, message, INT64_MIN, INT64_MAX);
  if (value < INT32_MIN || value > INT32_MAX) throw outOfRange(text, message);
  return Number(value);
}

/**
 * An unsigned 64-bit number. See strtoul(3).
 *
 * Throws an {@linkcode ArgumentError} that begins with `message`.
 */
export function parseUnsigned(text: string, message: string): bigint {
  return parse(text, message, 0n, UINT64_MAX);
}

function parse(text: string, message: string, min: bigint, max: bigint): bigint {
  // The blanks are those of isspace(3); \s would have more.
  const [, digits, trailing] = /^[ \t\n\v\f\r]*([+-]?[0-9]+)(.*)$/s.exec(text) ?? [];
  if (digits === undefined) throw new ArgumentError(failure(text, message));
  const value = BigInt(digits);
  // The range comes first: `-1x` is out of range as a uid, not malformed.
  if (value < min || value > max) throw outOfRange(text, message);
  if (trailing) throw new ArgumentError(failure(text, message));
  return value;
}

function outOfRange(text: string, message: string): ArgumentError {
  return new ArgumentError(
    `${failure(text, message)}: Numerical result out of range`,
  );
}

function failure(text: string, message: string): string {
  return `${message}: '${text}'`;
}
