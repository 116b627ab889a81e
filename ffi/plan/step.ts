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
  "find", // the first of the strings in array a that begins with word b, as far as mask c goes; or 0
  "copy", // copies bytes to a from b, up to a NUL, a byte c, or d bytes; their number
  "decimal", // writes a in decimal at address b; the address behind it
  "raise", // fails with errno a, as a system call would
  "return", // goes back to whoever has called the plan as a function
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
  /** Where it lies in the plan's writable memory. */
  readonly offset: number;
  /** Its size in bytes. */
  readonly size: number;
  /** What a person calls it. */
  readonly name: string;
}

/** What a cell holds at the start, if not zeros: bytes, or 64-bit words. */
export interface Initial {
  /** The cell. */
  readonly cell: Cell;
  /** Its contents. */
  readonly value: Uint8Array | readonly Operand[];
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

/** A place among the steps: the index of the step there, once it is known. */
export interface Label {
  /** The index. */
  at?: number;
  /** Whether what leads here by failing is reported in the end. */
  readonly reported?: true;
}

/** The plan's failure, which reports the step that failed last, as a place to go on at. */
export const FAILURE: Label = {};

/** What a call needs of the kernel, and how one that lacks it answers. */
export interface Need {
  /** What is said on a further line when the call fails with this errno. */
  readonly text: string;
  /** The errno. */
  readonly errno: number;
}

/** What else there is to say of a step. */
export interface Note {
  /** Why it is made, in one short sentence. */
  readonly why?: string;
  /** What the process is called that it makes. */
  readonly child?: string;
  /** What is said when it fails, between the program's name and the errno's text; the name of the call if absent. */
  readonly message?: string;
  /** The system call of whose failure a `raise` speaks. */
  readonly call?: CallName;
  /** The address of a string that ends the message. */
  readonly subject?: Cell;
  /** The address of a string that is said on a further line, or 0 for none. */
  readonly hint?: Cell;
  /** What it needs of the kernel, if there are kernels that lack it. */
  readonly needs?: Need;
  /** The exit status when it fails; 1 if absent. */
  readonly status?: number;
  /** The errnos that count as success. */
  readonly accept?: readonly number[];
  /** Where to go on when it fails; the plan's failure if absent. */
  readonly fail?: Label;
  /** Where to go on after success; the step behind it if absent. */
  readonly next?: Label;
  /** The cell for the result, if not one of its own. */
  readonly result?: Cell;
}

/** One step of a plan. */
export interface Step {
  /** The system call or control operation. */
  readonly op: CallName | ControlName;
  /** Its arguments. */
  readonly args: readonly Operand[];
  /** Where the result goes: what a system call returns, errors as `-errno`. */
  readonly result: Cell;
  /** What else there is to say. */
  readonly note: Note;
}

/** A plan. */
export interface Plan {
  /** The program's name, with which its messages begin. */
  readonly name: string;
  /** The steps. */
  readonly steps: readonly Step[];
  /** The index of the step that comes first. */
  readonly start: number;
  /** The index of the step after a failure that no step has a way around, once there is one. */
  readonly failure?: number;
  /** The size of the writable memory. */
  readonly dataSize: number;
  /** What is not zero in it at the start. */
  readonly initial: readonly Initial[];
  /** The process that goes on instead of the first one, if the plan forks such a one. */
  readonly successor?: Successor;
  /**
   * The cell for a descriptor that a plan which closes all descriptors leaves open
   * until its program runs: whoever started it is told by it of a failure. It holds 2 if there is none.
   */
  readonly channel?: Cell;
}

/**
 * A process that a plan forks and that runs the program, while the first one
 * waits for it. Who runs the plan may have it instead as a child of its own.
 */
export interface Successor {
  /** The index of the step that forks it. */
  readonly fork: number;
  /** The index of the step with which the first process goes on, and does not come back. */
  readonly parent: number;
  /** The cell that then holds the other's process id. */
  readonly pid: Cell;
}

/** The context, which the interpreter itself writes. */
const CONTEXT: readonly [Cell, Cell, Cell] = [
  { offset: 0, size: 8, name: "stack" },
  { offset: 8, size: 8, name: "failed step" },
  { offset: 16, size: 8, name: "errno" },
];

/** The size of the context, behind which a plan's own cells lie. */
export const CONTEXT_SIZE = 24;

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

/** Whether an operand is the value in a cell. */
export function isCell(operand: Operand): operand is Cell {
  return typeof operand === "object" && "size" in operand;
}
