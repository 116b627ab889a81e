/**
 * From a plan to the bytes that an interpreter walks.
 *
 * There are no relocations: a plan is laid out for the addresses where it will
 * lie. It has two parts. The first is only read and executed:
 *
 *     interpreter  unless it is called, from where it lies
 *     header       u64 address of the context, u64 address of the first step
 *     steps        u32 op, u8 refs, u64 result, next, fail, accept, message, arguments...
 *     data         strings, bytes, lists, messages
 *
 * The second is only read and written: the context (three words: the stack
 * pointer at the start, the step that failed last and its errno), then the
 * cells. `op` is a system call number, or 2^31 plus the number of a control
 * operation; a bit of `refs` says that an argument is the address of the value;
 * a bit of `accept` that an errno counts as success.
 *
 * @module
 */
import { encode } from "../bytes.ts";
import { ENOSYS } from "../constants/errno.ts";
import { missingCall, SYSCALL_SINCE } from "../errno.ts";
import type { Architecture } from "./arch.ts";
import { Memory } from "./memory.ts";
import {
  type CallName,
  CONTROL,
  FAILURE,
  isCell,
  type Operand,
  type Plan,
  type Step,
} from "./step.ts";

/** A plan as bytes, for the addresses it was laid out for. */
export interface Layout {
  /** What is read and executed, from its beginning, behind what was left free for others. */
  readonly code: Uint8Array<ArrayBuffer>;
  /** What the writable memory holds at the start; zeros follow. */
  readonly data: Uint8Array;
  /** The address of each step, by which a failure names it. */
  readonly steps: readonly number[];
}

/** Where the words of a step lie, as the interpreters know it. */
export const AT = {
  refs: 4,
  result: 8,
  next: 16,
  fail: 24,
  accept: 32,
  message: 40,
  args: 48,
} as const;

/** An interpreter loads six arguments, whatever the number that a step has. */
const MAX_ARGS = 6;

/** What most plans take: to move what is laid out already is slow. */
const [ROOM, ROOM_OF_STEP] = [0x4000, 160];

/** The op of each control operation. */
const CONTROLS: ReadonlyMap<string, number> = new Map(
  CONTROL.map((name, i) => [name, 0x8000_0000 + i]),
);

/** What goes on elsewhere when it does not hold. */
const CONDITIONS: ReadonlySet<string> = new Set(["equal", "less"]);

/** What the program does not go on after. */
const ENDS: ReadonlySet<string> = new Set(["exit_group", "raise", "return"]);

/**
 * Lays a plan out.
 *
 * @param plan the plan
 * @param arch the architecture
 * @param codeAddress where its first part will lie, a multiple of 8
 * @param dataAddress where its second part will lie, a multiple of 8
 * @param says whether a step has its message, which not everybody reads there
 * @param before how many bytes of the first part are left free at its beginning, a multiple of 8
 * @throws {TypeError} when a step is no call, leads nowhere, or has a NUL in a text
 * @throws {RangeError} when it accepts an errno above 63
 */
export function layout(
  plan: Plan,
  arch: Architecture,
  codeAddress: number,
  dataAddress: number,
  says: (step: Step) => boolean = () => true,
  before = 0,
): Layout {
  const { steps, start, failure, initial } = plan;
  const table = before + arch.interpreter.length;
  const texts = new Texts();
  const blocks = new Map<Uint8Array, number>();
  const messages = new Map<string, { at: number; step: Step }[]>();
  const data = new Memory(initialSize(plan));
  const code = new Memory(table + 16, ROOM + ROOM_OF_STEP * steps.length);

  // Steps have the size of their arguments, so their places are known first.
  const places = steps.map(({ args }) => code.take(AT.args + 8 * args.length));
  code.take(8 * MAX_ARGS);

  /** Writes the word that stands for an operand. */
  const write = (memory: Memory, at: number, operand: Operand): void => {
    if (typeof operand === "number" || typeof operand === "bigint") memory.put(at, operand);
    else if (typeof operand === "string") texts.refer(memory, at, operand);
    else if (isCell(operand)) memory.put(at, dataAddress + operand.offset);
    else if ("addressOf" in operand) {
      memory.put(at, dataAddress + operand.addressOf.offset + (operand.offset ?? 0));
    } else if ("list" in operand) memory.put(at, codeAddress + list(operand.list));
    else if (operand instanceof Uint8Array) memory.put(at, codeAddress + block(operand));
    else throw new TypeError(`plan ${plan.name}: ${operand} is no argument`);
  };
  /** Where bytes are that several steps may be about. */
  const block = (bytes: Uint8Array): number => {
    let at = blocks.get(bytes);
    if (at === undefined) {
      blocks.set(bytes, at = code.take(bytes.length));
      code.bytes.set(bytes, at);
    }
    return at;
  };
  /** Where an array is, with a NULL at its end. */
  const list = (operands: readonly Operand[]): number => {
    const at = code.take(8 * (operands.length + 1));
    for (let i = 0; i < operands.length; i++) write(code, at + 8 * i, operands[i]!);
    return at;
  };
  /**
   * Where it stands what a step says: address and size of the text, the cells with more
   * of it and with a hint, exit status, the errno and the text of what it needs, the text
   * for ENOSYS, or 0. What several steps say is there once.
   */
  const message = (step: Step): number => {
    const { op, note } = step;
    const { message = op, subject, hint, needs, status = 1 } = note;
    const same = messages.get(message);
    for (let i = 0; same && i < same.length; i++) {
      const { at, step: { op: other, note: its } } = same[i]!;
      if (
        subject === its.subject && hint === its.hint && needs === its.needs &&
        note.status === its.status && (op === other || !SYSCALL_SINCE[op] && !SYSCALL_SINCE[other])
      ) return at;
    }
    const at = code.take(8 * 8);
    if (same) same.push({ at, step });
    else messages.set(message, [{ at, step }]);
    const missing = needOf(step, ENOSYS);
    const said = `${plan.name}: ${message}`;
    texts.refer(code, at, said);
    code.put(at + 8, byteLength(said)); // a NUL follows that is not said
    if (subject) code.put(at + 16, dataAddress + subject.offset);
    if (hint) code.put(at + 24, dataAddress + hint.offset);
    code.put(at + 32, status);
    if (needs) {
      code.put(at + 40, needs.errno);
      texts.refer(code, at + 48, `${plan.name}: ${needs.text}\n`);
    }
    if (missing !== undefined) texts.refer(code, at + 56, `${plan.name}: ${missing}\n`);
    return at;
  };
  const addressOf = (step: Step, index: number | undefined): number => {
    const at = places[index!];
    if (at === undefined) throw new TypeError(`plan ${plan.name}: ${step.op} leads nowhere`);
    return codeAddress + at;
  };

  for (let i = 0; i < steps.length; i++) {
    const step = steps[i]!;
    const { op, args, result, note } = step;
    const at = places[i]!;
    const control = CONTROLS.get(op);
    let refs = 0;
    for (let j = 0; j < args.length; j++) {
      const operand = args[j]!;
      write(code, at + AT.args + 8 * j, operand);
      if (isCell(operand)) refs |= 1 << j;
    }
    const reports = (!note.fail || note.fail.reported) && (control === undefined || op === "raise");
    const fail = note.fail ? note.fail.at : reports ? failure : undefined;
    // Nothing follows the step that ends a program.
    const next = note.next
      ? note.next === FAILURE ? failure : note.next.at
      : ENDS.has(op)
      ? i
      : i + 1;

    const number = control ?? arch.syscalls[op as CallName];
    if (number === undefined) throw new TypeError(`plan ${plan.name}: there is no call ${op}`);
    code.put32(at, number);
    code.put32(at + AT.refs, refs);
    code.put(at + AT.result, dataAddress + result.offset);
    code.put(at + AT.next, addressOf(step, next));
    if (note.fail || reports || CONDITIONS.has(op)) code.put(at + AT.fail, addressOf(step, fail));
    if (note.accept) code.put(at + AT.accept, errnoSet(step));
    if (reports && says(step)) code.put(at + AT.message, codeAddress + message(step));
  }

  for (const { cell, value } of initial) {
    if (value instanceof Uint8Array) data.bytes.set(value, cell.offset);
    else value.forEach((word, i) => write(data, cell.offset + 8 * i, word));
  }
  code.bytes.set(arch.interpreter, before);
  code.put(table, dataAddress);
  code.put(table + 8, codeAddress + places[start]!);
  texts.place(code, codeAddress);
  return {
    code: code.bytes.subarray(0, code.size),
    data: data.bytes.subarray(0, data.size),
    steps: places.map((at) => codeAddress + at),
  };
}

/** The texts of a plan: each is there once, and all are encoded in one go. */
class Texts {
  readonly #starts = new Map<string, number>();
  readonly #words: { memory: Memory; at: number; start: number }[] = [];
  #size = 0;

  /** Has a word become the address of a text. */
  refer(memory: Memory, at: number, text: string): void {
    let start = this.#starts.get(text);
    if (start === undefined) {
      // What the kernel got would end there.
      if (text.includes("\0")) throw new TypeError(`a plan must not contain NUL: ${text}`);
      this.#starts.set(text, start = this.#size);
      this.#size += byteLength(text) + 1;
    }
    this.#words.push({ memory, at, start });
  }

  /** Puts the texts behind all else, and their addresses where they belong. */
  place(code: Memory, codeAddress: number): void {
    const from = code.take(this.#size + 8); // `find` reads eight bytes, however short a text is
    code.bytes.set(encode([...this.#starts.keys(), ""].join("\0")), from);
    for (const { memory, at, start } of this.#words) memory.put(at, codeAddress + from + start);
  }
}

/** How many bytes a text has. */
function byteLength(text: string): number {
  return /[^\0-\x7f]/.test(text) ? encode(text).length : text.length;
}

/** What a step needs of the kernel that has failed it with this errno. */
export function needOf({ op, note: { needs } }: Step, errno: number): string | undefined {
  // Who lacks the whole call lacks what is needed of it, too.
  const lacks = needs?.errno === errno || missingCall(op, errno) !== undefined;
  return lacks ? needs?.text ?? missingCall(op, errno) : undefined;
}

/** How much of the writable memory is not all zeros at the start. */
export function initialSize({ initial }: Plan): number {
  let size = 0;
  for (const { cell } of initial) size = Math.max(size, cell.offset + cell.size);
  return (size + 7) & ~7;
}

/** The set of errnos that a step accepts: bit n for errno n. */
function errnoSet({ op, note }: Step): bigint {
  let set = 0n;
  for (const errno of note.accept!) {
    if (errno > 63) throw new RangeError(`${op}: errno ${errno} can't be accepted`);
    set |= 1n << BigInt(errno);
  }
  return set;
}
