/**
 * locale.h and wchar.h: what bytes look like on a terminal, in the locale of the
 * environment. See locale(7).
 *
 * @module
 */
import { raw } from "./libc.ts";

/** `LC_CTYPE_MASK` and `LC_ALL`'s part of it: how bytes become characters. */
const LC_CTYPE_MASK = 1 << 0;
/** `CODESET` of langinfo.h. */
const CODESET = 14;

/**
 * Lets the calling thread have the locale that LC_ALL, LC_CTYPE or LANG name; if
 * there is no such locale, nothing changes. Deno itself leaves it at "C".
 *
 * See newlocale(3), uselocale(3).
 */
export function useLocale(): void {
  const locale = raw("newlocale", LC_CTYPE_MASK, new Uint8Array(1), null);
  if (locale) raw("uselocale", locale);
}

/** How characters are encoded, `UTF-8` for example. See nl_langinfo(3). */
export function codeset(): string {
  return Deno.UnsafePointerView.getCString(raw("nl_langinfo", CODESET)!);
}

/** A character of a text of bytes. */
export interface Character {
  /** How many bytes it has. */
  readonly length: number;
  /** How many columns it takes; `undefined` if it can't be printed. */
  readonly width: number | undefined;
}

const wide = new Uint32Array(1);

/**
 * The character that begins at a byte other than NUL; a byte that begins none is one
 * that can't be printed.
 *
 * See mbrtowc(3), iswprint(3), wcwidth(3).
 */
export function characterAt(bytes: Uint8Array<ArrayBuffer>, at: number): Character {
  const rest = bytes.subarray(at);
  const state = new Uint8Array(8);
  const length = raw("mbrtowc", wide, rest, BigInt(rest.length), state);
  if (length <= 0) return { length: 1, width: undefined };
  const printable = raw("iswprint", wide[0]!) !== 0;
  return { length, width: printable ? raw("wcwidth", wide[0]!) : undefined };
}
