/**
 * Writing a plan to a file, as a program of its own.
 *
 * @module
 */
import { O_CLOEXEC, O_CREAT, O_EXCL, O_WRONLY, open } from "../fcntl.ts";
import { described } from "../libc.ts";
import { close, getpid, rename, unlink, write } from "../unistd.ts";
import type { Architecture } from "./arch.ts";
import { elf } from "./elf.ts";
import { host } from "./host.ts";
import { reporting } from "./report.ts";
import type { Plan } from "./step.ts";

/**
 * Writes a plan to a file: a static executable of a few KB that needs nothing
 * but a kernel. Its own arguments and environment are those that the plan finds
 * on its stack. A file that is there is replaced, at once.
 *
 * See elf(5).
 *
 * @param plan the plan
 * @param path the file
 * @param arch the architecture that it is for
 * @throws {SyscallError} when it can't be written; nothing is left then
 *
 * @example
 * ```ts
 * import { emit, plan } from "@denspace/denspace";
 *
 * const hello = plan("hello", (p) => {
 *   p.call("write", [1, "hello\n", 6]);
 *   p.call("exit_group", [0]);
 * });
 * const file = Deno.makeTempFileSync();
 * emit(hello, file);
 * console.log(new Deno.Command(file).outputSync().stdout);
 * ```
 */
export function emit(plan: Plan, path: string, arch: Architecture = host()): void {
  const image = elf(reporting(plan), arch);
  const draft = `${path}.${getpid()}`;
  const fd = create(draft, path);
  try {
    try {
      for (let at = 0; at < image.length;) at += write(fd, image.subarray(at));
    } finally {
      close(fd);
    }
    rename(draft, path);
  } catch (error) {
    unlink(draft);
    throw error;
  }
}

/** Creates a file for what is to be another one, of which an error speaks. */
function create(draft: string, path: string): number {
  return described({ path }, () => open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o777));
}
