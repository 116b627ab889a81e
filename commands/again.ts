/**
 * Another start of Deno, in place of this one.
 *
 * @module
 */
import { decode } from "../ffi/bytes.ts";
import { readFile } from "../ffi/file.ts";
import { execve } from "../ffi/unistd.ts";
import { commandLine } from "./arguments.ts";

/** Replaces this process by Deno with another entry; arguments and environment stay what they are. */
export function startAgain(entry: URL): never {
  const [, ...args] = commandLine();
  // Deno changes its own environment.
  const environment = decode(readFile("/proc/self/environ")).split("\0").slice(0, -1);
  execve("/proc/self/exe", ["deno", "run", "--allow-ffi", entry.href, ...args], environment);
}
