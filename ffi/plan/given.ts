/**
 * What execve(2) would leave on a stack, made by ourselves:
 *
 *     argc, argv[0], argv[1] ... NULL, envp[0], envp[1] ... NULL, the arguments
 *
 * @module
 */
import { cstring } from "../arguments.ts";
import { environment } from "../environ.ts";

/** Arguments and an environment in memory. */
export interface Given {
  /** The arguments. */
  readonly argv: readonly string[];
  /** Where it is. */
  readonly memory: Uint8Array<ArrayBuffer>;
  /** The address of argc. */
  readonly address: bigint;
  /** The addresses of our variables, which the next one may give other values. */
  readonly variables: BigUint64Array;
}

/**
 * Arguments, and our environment as it is now.
 *
 * @param argv the arguments
 * @param old what was made last, which is used again if it fits
 * @throws {TypeError} when there is a NUL in an argument
 */
export function given(argv: readonly string[], old: Given | undefined): Given {
  const variables = environment();
  if (old && old.variables.length === variables.length && equal(old.argv, argv)) {
    old.variables.set(variables);
    return old;
  }
  const strings = argv.map((arg, i) => cstring(`argv[${i}]`, arg));
  const count = 1 + strings.length + 1 + variables.length;
  const size = strings.reduce((size, { length }) => size + length, 8 * count);
  const memory = new Uint8Array(size);
  const words = new BigUint64Array(memory.buffer, 0, count);
  const address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory));
  words[0] = BigInt(strings.length);
  let end = 8 * count;
  strings.forEach((string, i) => {
    words[1 + i] = address + BigInt(end);
    memory.set(string, end);
    end += string.length;
  });
  words.set(variables, count - variables.length);
  return { argv: [...argv], memory, address, variables: words.subarray(count - variables.length) };
}

function equal(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}
