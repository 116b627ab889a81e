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
import type { Builder } from "./builder.ts";
import { type Cell, type Operand, STACK } from "./step.ts";

/** The address of `argv[index]`. */
export function argument(p: Builder, index: number): Cell {
  return p.control("add", [STACK, 8 + 8 * index]);
}

/** The address of `envp[0]`. */
export function environment(p: Builder): Cell {
  const argc = p.control("load64", [STACK, 0]);
  const size = p.control("shl", [argc, 3]);
  return p.control("add", [STACK, p.control("add", [size, 16])]);
}

/**
 * The address of an environment variable's value, or of what stands for it when
 * there is none. See getenv(3).
 *
 * @param envp the address of the environment
 * @param name at most 7 characters: it is compared as one word
 * @param fallback what stands for it
 */
export function variable(
  p: Builder,
  envp: Cell,
  name: string,
  fallback: Operand,
): Cell {
  const bytes = new Uint8Array(8);
  const { written } = new TextEncoder().encodeInto(`${name}=`, bytes);
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
