/**
 * The arguments of this process, byte for byte.
 *
 * @module
 */
import { decode } from "../ffi/bytes.ts";
import { readFile } from "../ffi/file.ts";

/**
 * The arguments, with bytes that are no UTF-8 escaped as in bytes.ts.
 *
 * Deno replaces such bytes by U+FFFD: only when one is there the kernel is asked.
 */
export function rawArguments(): string[] {
  if (!Deno.args.some((arg) => arg.includes("\uFFFD"))) return Deno.args;
  const all = decode(readFile("/proc/self/cmdline")).split("\0").slice(0, -1);
  return all.slice(all.length - Deno.args.length);
}
