/**
 * What differs between architectures: an interpreter, and the system call
 * numbers. Everything else in this folder is the same for all of them.
 *
 * @module
 */
import type { CallName } from "./step.ts";

/** An architecture that plans can be laid out for. */
export interface Architecture {
  /** Its name, as `uname -m` gives it. */
  readonly name: "x86_64" | "aarch64";
  /** `e_machine` in the header of its executables. */
  readonly machine: number;
  /** The interpreter: it walks the plan behind it. */
  readonly interpreter: Uint8Array;
  /** Where in it the function begins that walks the plan whose address it is given. */
  readonly call: number;
  /** The numbers of the system calls. */
  readonly syscalls: Readonly<Record<CallName, number>>;
}
