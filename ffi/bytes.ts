/**
 * Text that may hold any bytes.
 *
 * Paths, arguments and environment variables are bytes to the kernel, mostly
 * UTF-8. A byte that is none becomes a lone low surrogate, U+DC80 to U+DCFF,
 * as in Python's `surrogateescape`, so that every string of bytes has a
 * JavaScript string that turns into the same bytes again.
 *
 * @module
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const ESCAPED = /([\uDC80-\uDCFF])/u;

/** The bytes of a text. */
export function encode(text: string): Uint8Array<ArrayBuffer> {
  if (!ESCAPED.test(text)) return encoder.encode(text);
  const parts = text.split(ESCAPED).map((part) =>
    ESCAPED.test(part) ? [part.charCodeAt(0) & 0xff] : [...encoder.encode(part)]
  );
  return new Uint8Array(parts.flat());
}

/** The text of bytes. */
export function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    return decodeEscaped(bytes);
  }
}

/** Takes the longest character at each place, and escapes what is none. */
function decodeEscaped(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const size = [1, 2, 3, 4].find((size) => isCharacter(bytes.subarray(at, at + size)));
    text += size ? decoder.decode(bytes.subarray(at, at + size)) : escape(bytes[at]!);
    at += size ?? 1;
  }
  return text;
}

function isCharacter(bytes: Uint8Array): boolean {
  try {
    return decoder.decode(bytes).length > 0;
  } catch {
    return false;
  }
}

function escape(byte: number): string {
  return String.fromCharCode(0xdc00 + byte);
}
