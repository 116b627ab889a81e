/**
 * Values that may be anything, as what they should be.
 *
 * Each function throws a TypeError when a value is of the wrong type, and a
 * RangeError when it is out of range; both name it.
 *
 * @module
 */
import { u64 as unsigned } from "../../ffi/arguments.ts";
import { decode, encode } from "../../ffi/bytes.ts";

/** Four bytes of ones are no id: they stand for one that is not changed. */
export const NO_ID = 0xffff_ffff;
const HOST_NAME_MAX = 64;

/** A value as a message shows it. */
export function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  const isObject = typeof value === "function" || typeof value === "object" && value !== null;
  return isObject ? Object.prototype.toString.call(value) : String(value);
}

/** Fails unless an object has none but these keys. */
export function known(what: string, value: object, keys: ReadonlySet<string>): void {
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`${what}s must be an object, not ${show(value)}`);
  }
  for (const key of Object.keys(value)) {
    if (!keys.has(key)) throw new TypeError(`there is no ${what} ${show(key)}`);
  }
}

/** An object, or an empty one for none. */
export function object(name: string, value: object | undefined): Record<string, unknown & never> {
  if (value === undefined) return {};
  // An array, a Map, Headers: what is in them would not be found.
  if (typeof value !== "object" || value === null || Symbol.iterator in value) {
    throw new TypeError(`${name} must be a plain object, not ${show(value)}`);
  }
  return value as Record<string, never>;
}

/** An object of no other keys. */
export function record<T extends object>(
  name: string,
  value: T | undefined,
  keys: readonly string[],
): Partial<T> {
  const found = object(name, value);
  for (const key of Object.keys(found)) {
    if (!keys.includes(key)) throw new TypeError(`${name} has no ${show(key)}`);
  }
  return found as Partial<T>;
}

/** An array, or an empty one for none. */
export function list<T>(name: string, value: readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new TypeError(`${name} must be an array, not ${show(value)}`);
  return Array.from(value as readonly T[]);
}

/** A list of no more than so many elements. */
export function limited<T>(name: string, values: readonly T[], most: number): readonly T[] {
  if (values.length > most) throw new RangeError(`${name} must have at most ${most} elements`);
  return values;
}

/** A text: what is given as bytes is decoded. */
export function text(name: string, value: unknown): string {
  const found = value instanceof Uint8Array ? decode(value) : value;
  if (typeof found !== "string") {
    throw new TypeError(`${name} must be a string or a Uint8Array, not ${show(value)}`);
  }
  if (found.includes("\0")) throw new TypeError(`${name} must not contain NUL`);
  return found;
}

/** A text, or none. */
export function optionalText(name: string, value: unknown): string | undefined {
  return value === undefined ? undefined : text(name, value);
}

/** The name of a host or domain. */
export function name(what: string, value: unknown): string | undefined {
  const found = optionalText(what, value);
  if (found !== undefined && encode(found).length > HOST_NAME_MAX) {
    throw new RangeError(`${what} must have at most ${HOST_NAME_MAX} bytes`);
  }
  return found;
}

/** A boolean; `false` for none. */
export function boolean(name: string, value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value !== "boolean") {
    throw new TypeError(`${name} must be a boolean, not ${show(value)}`);
  }
  return value;
}

/** One of some words, or none. */
export function oneOf<T extends string>(
  name: string,
  value: T | undefined,
  values: readonly T[],
): T | undefined {
  if (value === undefined || values.includes(value)) return value;
  throw new TypeError(`${name} must be one of ${values.map(show).join(", ")}, not ${show(value)}`);
}

/** A whole number within bounds. */
export function integer(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== "number" || !Number.isInteger(value)) {
    throw new TypeError(`${name} must be an integer, not ${show(value)}`);
  }
  if (value < min || value > max) {
    throw new RangeError(`${name} must be from ${min} to ${max}, not ${value}`);
  }
  return value;
}

/** A user or group id. */
export function id(name: string, value: unknown): number {
  return integer(name, value, 0, NO_ID - 1);
}

/** An id, or none. */
export function optionalId(name: string, value: unknown): number | undefined {
  return value === undefined ? undefined : id(name, value);
}

/** A whole number that may need 64 bits. */
export function wide(name: string, value: unknown): bigint {
  if (typeof value === "bigint") return value;
  return BigInt(integer(name, value, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER));
}

/** An unsigned number of 64 bits. */
export function u64(name: string, value: unknown): bigint {
  return unsigned(name, wide(name, value));
}

/** A number of seconds of 64 bits, or none. */
export function seconds(name: string, value: unknown): bigint | undefined {
  if (value === undefined) return undefined;
  const found = wide(name, value);
  if (found === BigInt.asIntN(64, found)) return found;
  throw new RangeError(`${name} must be a signed 64-bit number, not ${found}`);
}
