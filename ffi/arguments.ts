/**
 * What C takes, from what TypeScript has. Deno converts -1 and 1.5 to a
 * `size_t` without a word, so numbers are checked here.
 *
 * @module
 */
import { encode } from "./bytes.ts";

/**
 * A number that fits a C type.
 *
 * @throws {TypeError} when it is no integer
 * @throws {RangeError} when it does not fit
 */
function integer(name: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value)) {
    throw new TypeError(`${name} must be an integer, not ${value}`);
  }
  if (value < min || value > max) {
    throw new RangeError(`${name} must be from ${min} to ${max}, not ${value}`);
  }
  return value;
}

/** A signed 32-bit `int`. */
export function int(name: string, value: number): number {
  return integer(name, value, -0x8000_0000, 0x7fff_ffff);
}

/** An unsigned 32-bit number, such as a `uid_t`. */
export function uint(name: string, value: number): number {
  return integer(name, value, 0, 0xffff_ffff);
}

/** A `size_t` or an `unsigned long`. */
export function ulong(name: string, value: number): number {
  return integer(name, value, 0, Number.MAX_SAFE_INTEGER);
}

/**
 * An unsigned 64-bit number, such as a set of capabilities or of signals.
 *
 * @throws {RangeError} when it does not fit
 */
export function u64(name: string, value: bigint): bigint {
  if (value === BigInt.asUintN(64, value)) return value;
  throw new RangeError(`${name} must be an unsigned 64-bit number, not ${value}`);
}

/**
 * Flags: an unsigned 32-bit number as the `int` of the same bits, since bit 31
 * is a flag as well (`MS_NOUSER`, `CLONE_IO`).
 */
export function flags(name: string, value: number): number {
  return integer(name, value, -0x8000_0000, 0xffff_ffff) | 0;
}

/**
 * A NUL-terminated string.
 *
 * @throws {TypeError} when there is a NUL in it
 */
export function cstring(name: string, value: string): Uint8Array<ArrayBuffer> {
  const bytes = encode(value);
  if (bytes.includes(0)) throw new TypeError(`${name} must not contain NUL`);
  const terminated = new Uint8Array(bytes.length + 1);
  terminated.set(bytes);
  return terminated;
}

/**
 * A NULL-terminated array of strings, such as an `argv`.
 *
 * @throws {TypeError} when there is a NUL in one
 */
export function cstrings(name: string, values: readonly string[]): Uint8Array<ArrayBuffer> {
  values.forEach((value, i) => {
    if (value.includes("\0")) throw new TypeError(`${name}[${i}] must not contain NUL`);
  });
  return pointers(encode(values.map((value) => value + "\0").join("")));
}

/**
 * The NULL-terminated array of pointers to strings that lie one behind the
 * other, each with its NUL. They come with it, in the same buffer, so that one
 * reference keeps all of it.
 */
export function pointers(strings: Uint8Array): Uint8Array<ArrayBuffer> {
  const starts = [];
  for (let at = 0; at < strings.length; at = strings.indexOf(0, at) + 1) starts.push(at);
  const table = 8 * (starts.length + 1);
  const buffer = new Uint8Array(table + strings.length);
  buffer.set(strings, table);
  const base = Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer)) + BigInt(table);
  const words = new BigUint64Array(buffer.buffer, 0, starts.length);
  for (let i = 0; i < starts.length; i++) words[i] = base + BigInt(starts[i]!);
  return buffer;
}
