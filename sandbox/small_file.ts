/**
 * Small files of this machine as texts, such as those of /proc and of cgroups.
 *
 * @module
 */
import { decode } from "../ffi/bytes.ts";
import { readFile } from "../ffi/file.ts";
import { optional } from "../ffi/libc.ts";

/** Reads a file; nothing if there is none, or none for us. */
export type Reader = (path: string) => string | undefined;

/** Reads a file of this machine. */
export function readSmallFile(path: string): string | undefined {
  return optional(() => decode(readFile(path)));
}
