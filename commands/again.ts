/**
 * Another start of Deno, in place of this one.
 *
 * @module
 */
import { decode } from "../ffi/bytes.ts";
import { readFile } from "../ffi/file.ts";
import { execve } from "../ffi/unistd.ts";
import { commandLine, ownCommand } from "./arguments.ts";

/** Replaces this process by Deno with another entry; all else it is called with stays as it is. */
export function startAgain(entry: URL): never {
  const [[program, ...options], [, ...args]] = [ownCommand(), commandLine()];
  // Deno changes its own environment.
  const environment = decode(readFile("/proc/self/environ")).split("\0").slice(0, -1);
  execve(program!, ["deno", ...options.slice(0, -1), entry.href, ...args], environment);
}
