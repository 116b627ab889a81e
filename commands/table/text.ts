/**
 * Text for terminals: what can't be printed is shown as `\x..`, and columns are
 * counted.
 *
 * @module
 */
import { decode, encode } from "../../ffi/bytes.ts";
import { characterAt } from "../../ffi/locale.ts";

const PRINTABLE = /^[ -\[\]-~]*$/;
const ASCII = /^[ -~]*$/;
const BACKSLASH = 0x5c, X = 0x78;

/**
 * A text in which every byte can be printed, in the locale of the thread: others,
 * and the backslash of what already looks like one, are written as `\x..`.
 */
export function printable(text: string): string {
  if (PRINTABLE.test(text)) return text;
  const bytes = encode(text);
  let result = "";
  for (let at = 0; at < bytes.length;) {
    const byte = bytes[at]!;
    const { length, width } = byte === BACKSLASH && bytes[at + 1] === X
      ? { length: 1, width: undefined }
      : characterAt(bytes, at);
    const character = bytes.subarray(at, at + length);
    result += width === undefined ? [...character].map(escape).join("") : decode(character);
    at += length;
  }
  return result;
}

/** A byte in hexadecimal. */
export function escape(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}

/** How many columns a text takes that can be printed. */
export function widthOf(text: string): number {
  if (ASCII.test(text)) return text.length;
  return characters(text).reduce((sum, { width }) => sum + width, 0);
}

/** As much from the beginning of a text as has place in so many columns. */
export function truncate(text: string, columns: number): string {
  if (ASCII.test(text)) return text.slice(0, columns);
  let [result, rest] = ["", columns];
  for (const { text: character, width } of characters(text)) {
    if (width > rest) break;
    result += character;
    rest -= width;
  }
  return result;
}

function characters(text: string): { text: string; width: number }[] {
  const bytes = encode(text);
  const result = [];
  for (let at = 0; at < bytes.length;) {
    const { length, width = 0 } = characterAt(bytes, at);
    result.push({ text: decode(bytes.subarray(at, at + length)), width });
    at += length;
  }
  return result;
}
