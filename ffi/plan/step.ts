/**
 * What a plan is: plain data that describes a run of system calls.
 *
 * A plan is a table of steps. A step is a system call or one of a few control
 * operations. Its operands are numbers, cells (writable words that hold the
 * results of earlier steps) or the addresses of what the plan carries. Nothing
 * here runs anything: `layout.ts` turns a plan into bytes, the interpreter of
 * an architecture walks them, `print.ts` shows them to a person.
 *
 * @module
 */
import type { Signatures } from "./signatures.ts";

/** The control operations, in the order in which the interpreters number them. */
export const CONTROL = [
  "add", // a + b
  "sub", // a - b
  "and", // a & b
  "or", // a | b
  "shl", // a << b
  "shr", // a >> b, unsigned
  "load8", // the byte at a + b
  "load32",
  "load64",
  "store8", // the byte at a + b becomes c
  "store32",
  "store64",
  "equal", // branches: next when a = b, else fail
  "less", // branches: next when a < b (unsigned), else fail
  "decimal", // writes a in decimal at address b; the address behind it
  "raise", // fails with errno a, as a system call would
] as const;

/** The name of a control operation. */
export type ControlName = typeof CONTROL[number];

/** The name of a system call that plans use. */
export type CallName = keyof Signatures;

/**
 * Writable memory of a plan: 8 bytes that hold a number, or more that a system
 * call fills. As an operand it stands for the 64-bit value in it.
 */
export interface Cell {
  /** Its number within the plan. */
  readonly cell: number;
  /** What a person calls it. */
  readonly name: string;
  /** Its size in bytes. */
  readonly size: number;
  /** What it holds at the start, as 64-bit words or bytes; zeros if absent. */
  readonly init?: Uint8Array | readonly Operand[];
}

/** An argument of a step. */
export type Operand =
  /** This number. */
  | number
  | bigint
  /** The value in this cell. */
  | Cell
  /** The address of this cell, or of a byte in it. */
  | { readonly addressOf: Cell; readonly offset?: number }
  /** The address of this text, NUL-terminated. */
  | string
  /** The address of these bytes. */
  | Uint8Array
  /** The address of a NULL-terminated array of these. */
  | { readonly list: readonly Operand[] };

/** What a failing step tells, and how the program then ends. */
export interface Message {
  /** The text between the program's name and the text of the errno. */
  readonly text: string;
  /** The address of a NUL-terminated string that follows the text. */
  readonly subject?: Cell;
  /** The exit status. */
  readonly status: number;
}

/** One step of a plan. */
export interface Step {
  /** The system call or control operation. */
  readonly op: CallName | ControlName;
  /** Its arguments. */
  readonly args: readonly Operand[];
  /** Where the result goes: what a system call returns, errors as `-errno`. */
  readonly result: Cell;
  /** The index of the step after success. */
  readonly next: number;
  /** The index of the step after failure; absent: the plan's failure. */
  readonly fail?: number;
  /** The errnos that count as success. */
  readonly accept?: readonly number[];
  /** What is said when it fails and the plan's failure is reached. */
  readonly message?: Message;
  /** Which of the plan's processes makes it. */
  readonly who: string;
  /** Why, in one short sentence. */
  readonly why?: string;
}

/** A plan. */
export interface Plan {
  /** The program's name, with which its messages begin. */
  readonly name: string;
  /** The steps. */
  readonly steps: readonly Step[];
  /** The index of the step that comes first; 0 if absent. */
  readonly start?: number;
  /** How many cells are in use. */
  readonly cells: number;
  /** Cells whose value counts though no step uses it. */
  readonly kept?: readonly Cell[];
  /** The index of the step that follows a failure no step has a way around. */
  readonly failure?: number;
}

/** The context, which the interpreter itself writes. */
export const CONTEXT: readonly [Cell, Cell, Cell] = [
  { cell: 0, name: "stack", size: 8 },
  { cell: 1, name: "failed step", size: 8 },
  { cell: 2, name: "errno", size: 8 },
];

/** The stack pointer at the start: in an executable, the address of argc. */
export const STACK: Cell = CONTEXT[0];
/** The address of the step that failed last. */
export const FAILED: Cell = CONTEXT[1];
/** The errno with which it failed. */
export const ERRNO: Cell = CONTEXT[2];

/** Whether `op` is a control operation. */
export function isControl(op: string): op is ControlName {
  return (CONTROL as readonly string[]).includes(op);
}
