/**
 * The command line of this process, byte for byte.
 *
 * @module
 */
import { decode } from "../ffi/bytes.ts";
import { readFile } from "../ffi/file.ts";
import { readlink } from "../ffi/unistd.ts";

/**
 * `argv[0]`, which is `denspace` when run by Deno, and the arguments, with bytes
 * that are no UTF-8 escaped as in bytes.ts.
 *
 * Deno replaces such bytes by U+FFFD: only when one is there the kernel is asked.
 * The compiled program always asks: Deno does not tell it `argv[0]`, and drops a
 * first argument that is the path of the program itself.
 */
export function commandLine(): [argv0: string, ...args: string[]] {
  if (Deno.build.standalone) return whole();
  if (!Deno.args.some((arg) => arg.includes("\uFFFD"))) return ["denspace", ...Deno.args];
  const all = whole();
  return ["denspace", ...all.slice(all.length - Deno.args.length)];
}

/** How this program was called, up to its arguments. */
export function ownCommand(): string[] {
  const program = readlink("/proc/self/exe");
  if (Deno.build.standalone) return [program];
  const [, ...args] = whole();
  return [program, ...args.slice(0, args.length - Deno.args.length)];
}

function whole(): [string, ...string[]] {
  const [argv0 = "", ...args] = decode(readFile("/proc/self/cmdline")).split("\0").slice(0, -1);
  return [argv0, ...args];
}
