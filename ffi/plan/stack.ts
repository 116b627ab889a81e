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
  const { word, mask, size } = prefix(`${name}=`);
  const value = p.control("add", [fallback, 0]);
  const entry = p.control("add", [envp, 0]);
  const [again, next, end] = [p.here(), p.label(), p.label()];
  const text = p.control("load64", [entry, 0]);
  p.branch("equal", text, 0, end);
  // Behind the last string of a stack lie 8 bytes more, so a word can be read.
  const start = p.control("and", [p.control("load64", [text, 0]), mask]);
  p.control("equal", [start, word], { fail: next });
  p.control("add", [text, size], { result: value, next: end });
  p.place(next);
  p.control("add", [entry, 8], { result: entry, next: again });
  p.place(end);
  return value;
}

function prefix(text: string): { word: bigint; mask: bigint; size: number } {
  const bytes = new Uint8Array(8);
  const { written: size } = new TextEncoder().encodeInto(text, bytes);
  const word = new DataView(bytes.buffer).getBigUint64(0, true);
  return { word, mask: (1n << BigInt(8 * size)) - 1n, size };
}
