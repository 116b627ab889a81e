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

/** The bytes of a text. */
export function encode(text: string): Uint8Array<ArrayBuffer> {
  if (text.isWellFormed()) return encoder.encode(text);
  const parts = text.split(/([\uDC80-\uDCFF])/u).map((part, i) =>
    i % 2 === 1 ? [part.charCodeAt(0) & 0xff] : [...encoder.encode(part)]
  );
  return new Uint8Array(parts.flat());
}

/** How many bytes are quickly looked at, and can be arguments of one call. */
const MOST_ARGUMENTS = 0x1000;

/** The text of bytes. */
export function decode(bytes: Uint8Array): string {
  // Most are short and ASCII; to make the first decoder takes long.
  if (bytes.length <= MOST_ARGUMENTS) {
    const text = String.fromCharCode.apply(null, bytes as unknown as number[]);
    if (/^[\0-\x7f]*$/.test(text)) return text;
  }
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const character = (from: number, size: number): string | undefined => {
    try {
      return decoder.decode(bytes.subarray(from, from + size)) || undefined;
    } catch {
      return undefined;
    }
  };
  const whole = character(0, bytes.length);
  if (whole !== undefined) return whole;

  // The shortest character at each place, and an escape where there is none.
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const size = [1, 2, 3, 4].find((size) => character(at, size) !== undefined);
    text += size ? character(at, size) : String.fromCharCode(0xdc00 + bytes[at]!);
    at += size ?? 1;
  }
  return text;
}

/** The text at an address, up to its NUL. */
export function textAt(address: Deno.PointerObject): string {
  try {
    return Deno.UnsafePointerView.getCString(address);
  } catch {
    // It is not UTF-8.
    const view = new Deno.UnsafePointerView(address);
    let length = 0;
    while (view.getUint8(length) !== 0) length++;
    return decode(new Uint8Array(view.getArrayBuffer(length)));
  }
}
