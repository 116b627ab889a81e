/**
 * What execve(2) leaves on the stack of an executable: its arguments and its
 * environment. A plan reads them where they lie, so they are passed on byte for
 * byte, and nothing is copied.
 *
 *     sp       argc
 *     sp + 8   argv[0], argv[1] ... NULL, envp[0], envp[1] ... NULL
 *
 * @module
 */
import { encode } from "../bytes.ts";
import type { Builder } from "./builder.ts";
import { type Cell, type Operand, STACK } from "./step.ts";

/**
 * The address of `argv[index]`, and so of the arguments from there on.
 *
 * See execve(2).
 *
 * @param p the builder of the plan
 * @param index which one
 * @returns the cell that holds the address
 *
 * @example
 * ```ts
 * import { argument, environment, execvp, plan } from "@denspace/denspace";
 *
 * const list = plan("list", (p) => execvp(p, "ls", argument(p, 0), environment(p)));
 * ```
 */
export function argument(p: Builder, index: number): Cell {
  return p.control("add", [STACK, 8 + 8 * index]);
}

/**
 * The address of `envp[0]`, and so of the environment.
 *
 * See environ(7).
 *
 * @param p the builder of the plan
 * @returns the cell that holds the address
 *
 * @example
 * ```ts
 * import { argument, environment, execvp, plan } from "@denspace/denspace";
 *
 * const list = plan("list", (p) => execvp(p, "ls", argument(p, 0), environment(p)));
 * ```
 */
export function environment(p: Builder): Cell {
  const argc = p.control("load64", [STACK, 0]);
  const size = p.control("shl", [argc, 3]);
  return p.control("add", [STACK, p.control("add", [size, 16])]);
}

/**
 * The address of an environment variable's value, or of what stands for it when
 * there is none. See getenv(3).
 *
 * @param p the builder of the plan
 * @param envp the address of the environment
 * @param name at most 7 bytes: it is compared as one word
 * @param fallback what stands for it
 * @returns the cell that holds the address
 * @throws {RangeError} when the name is longer
 *
 * @example
 * ```ts
 * import { AT_FDCWD, environment, plan, variable } from "@denspace/denspace";
 *
 * const home = plan("home", (p) => {
 *   p.call("statx", [AT_FDCWD, variable(p, environment(p), "HOME", "/"), 0, 0, new Uint8Array(256)]);
 *   p.call("exit_group", [0]);
 * });
 * ```
 */
export function variable(
  p: Builder,
  envp: Cell,
  name: string,
  fallback: Operand,
): Cell {
  const bytes = new Uint8Array(8);
  const { written, read } = new TextEncoder().encodeInto(`${name}=`, bytes);
  if (read <= name.length) throw new RangeError(`${name} has more than 7 bytes`);
  const word = new DataView(bytes.buffer).getBigUint64(0, true);
  // Behind the last string of a stack lie 8 bytes more, so a word can be read.
  const found = p.control("find", [envp, word, (1n << BigInt(8 * written)) - 1n]);
  const value = p.control("add", [found, written]);
  const end = p.label();
  p.control("equal", [found, 0], { fail: end });
  p.set(value, fallback);
  p.place(end);
  return value;
}

/** Takes all variables out of an environment, where it lies, but for those of some names. */
export function keepVariables(p: Builder, envp: Cell, names: readonly string[]): void {
  const from = p.control("add", [envp, 0]);
  const to = p.control("add", [envp, 0]);
  const [again, kept, next, done] = [p.here(), p.label(), p.label(), p.label()];
  const entry = p.control("load64", [from, 0]);
  p.branch("equal", entry, 0, done);
  for (const name of names) {
    const other = p.label();
    const start = encode(`${name}=`);
    for (let at = 0; at < start.length; at += 8) {
      const word = new Uint8Array(8);
      word.set(start.subarray(at, at + 8));
      // As above, a word can be read: whatever comes before it is no end of a string.
      const found = p.control("load64", [entry, at]);
      const mask = (1n << BigInt(8 * Math.min(8, start.length - at))) - 1n;
      const expected = new DataView(word.buffer).getBigUint64(0, true);
      p.control("equal", [p.control("and", [found, mask]), expected], { fail: other });
    }
    p.jump(kept);
    p.place(other);
  }
  p.jump(next);
  p.place(kept);
  p.control("store64", [to, 0, entry]);
  p.control("add", [to, 8], { result: to });
  p.place(next);
  p.control("add", [from, 8], { result: from, next: again });
  p.place(done);
  p.control("store64", [to, 0, 0]);
}
