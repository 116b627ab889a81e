/**
 * From a plan to the bytes that an interpreter walks.
 *
 * There are no relocations: a plan is laid out for the addresses where it will
 * lie. It has two parts. The first is only read and executed:
 *
 *     interpreter
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
import { missingCall } from "../errno.ts";
import type { Architecture } from "./arch.ts";
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
  /** What is read and executed. The first byte is where execution starts. */
  readonly code: Uint8Array;
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

/** The op of each control operation. */
const CONTROLS: ReadonlyMap<string, number> = new Map(
  CONTROL.map((name, i) => [name, 0x8000_0000 + i]),
);

/** What goes on elsewhere when it does not hold. */
const CONDITIONS: ReadonlySet<string> = new Set(["equal", "less"]);

/** What the program does not go on after. */
const ENDS: ReadonlySet<string> = new Set(["exit_group", "raise"]);

/**
 * Lays a plan out.
 *
 * @param plan the plan
 * @param arch the architecture
 * @param codeAddress where its first part will lie, a multiple of 8
 * @param dataAddress where its second part will lie, a multiple of 8
 * @param says whether a step has its message, which not everybody reads there
 * @throws {Error} when a step leads nowhere, or accepts an errno above 63
 */
export function layout(
  plan: Plan,
  arch: Architecture,
  codeAddress: number,
  dataAddress: number,
  says: (step: Step) => boolean = () => true,
): Layout {
  const { steps, start, failure, initial } = plan;
  const table = arch.interpreter.length;
  const texts = new Map<string, number>();
  const blocks = new Map<Uint8Array, number>();
  const messages = new Map<string, number>();
  let end = table + 16;

  // Steps have the size of their arguments, so their places are known first;
  // all that they point to takes its place behind them.
  const addresses: number[] = [];
  for (const { args } of steps) {
    addresses.push(codeAddress + end);
    end += AT.args + 8 * args.length;
  }
  end += 8 * MAX_ARGS;
  let code = new Uint8Array(end + 16 * 1024);
  let view = new DataView(code.buffer);

  /** Puts bytes behind all others; their address. */
  const place = (bytes: Uint8Array): number => {
    const at = end;
    end = (at + bytes.length + 7) & ~7;
    if (end > code.length) {
      const old = code;
      code = new Uint8Array(2 * end);
      code.set(old);
      view = new DataView(code.buffer);
    }
    code.set(bytes, at);
    return codeAddress + at;
  };
  const text = (value: string): number => {
    let address = texts.get(value);
    if (address === undefined) {
      address = place(encode(value + "\0"));
      texts.set(value, address);
    }
    return address;
  };
  /** Bytes that several steps are about are there once. */
  const block = (bytes: Uint8Array): number => {
    let address = blocks.get(bytes);
    if (address === undefined) blocks.set(bytes, address = place(bytes));
    return address;
  };
  /** The word that stands for an operand. */
  const word = (operand: Operand): number | bigint => {
    if (typeof operand === "number" || typeof operand === "bigint") return operand;
    if (typeof operand === "string") return text(operand);
    if (operand instanceof Uint8Array) return block(operand);
    if ("list" in operand) return place(words([...operand.list, 0]));
    if ("addressOf" in operand) {
      return dataAddress + operand.addressOf.offset + (operand.offset ?? 0);
    }
    return dataAddress + operand.offset;
  };
  const words = (operands: readonly Operand[]): Uint8Array => {
    const bytes = new Uint8Array(8 * operands.length);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < operands.length; i++) put(view, 8 * i, word(operands[i]!));
    return bytes;
  };
  /**
   * Address and size of the text, the cells with more of it and with a hint, exit
   * status, the errno and the text of what it needs, the text for ENOSYS. What several
   * steps say is there once.
   */
  const message = (step: Step): number => {
    const { op, note: { message = op, subject, hint, needs, status = 1 } } = step;
    const missing = needOf(step, ENOSYS);
    const cells = [subject, hint].map((cell) => cell ? dataAddress + cell.offset : 0);
    const key = `${message}\n${cells}\n${status}\n${needs?.text}\n${missing}`;
    let address = messages.get(key);
    if (address !== undefined) return address;
    const said = `${plan.name}: ${message}`;
    const size = encode(said).length; // a NUL follows that is not said
    const line = (text?: string): string => text === undefined ? "" : `${plan.name}: ${text}\n`;
    const need = [needs?.errno ?? 0, line(needs?.text), line(missing)];
    messages.set(key, address = place(words([said, size, ...cells, status, ...need])));
    return address;
  };

  const addressOf = (step: Step, at: number | undefined): number => {
    const address = addresses[at!];
    if (address === undefined) throw new Error(`plan ${plan.name}: ${step.op} leads nowhere`);
    return address;
  };

  for (let i = 0; i < steps.length; i++) {
    const step = steps[i]!;
    const { op, args, result, note } = step;
    const at = addresses[i]! - codeAddress;
    const control = CONTROLS.get(op);
    let refs = 0;
    for (let j = 0; j < args.length; j++) {
      const value = word(args[j]!);
      put(view, at + AT.args + 8 * j, value);
      if (isCell(args[j]!)) refs |= 1 << j;
    }
    const reports = (!note.fail || note.fail.reported) && (control === undefined || op === "raise");
    const text = reports && says(step) ? message(step) : 0;
    const fail = note.fail ? note.fail.at : reports ? failure : undefined;
    // Nothing follows the step that ends a program.
    const next = note.next
      ? note.next === FAILURE ? failure : note.next.at
      : ENDS.has(op)
      ? i
      : i + 1;

    view.setUint32(at, control ?? arch.syscalls[op as CallName], true);
    view.setUint8(at + AT.refs, refs);
    put(view, at + AT.result, dataAddress + result.offset);
    put(view, at + AT.next, addressOf(step, next));
    if (note.fail || reports || CONDITIONS.has(op)) put(view, at + AT.fail, addressOf(step, fail));
    if (note.accept) put(view, at + AT.accept, errnoSet(step));
    put(view, at + AT.message, text);
  }

  const data = new Uint8Array(initialSize(plan));
  for (const { cell, value } of initial) {
    data.set(value instanceof Uint8Array ? value : words(value), cell.offset);
  }
  put(view, table, dataAddress);
  put(view, table + 8, addresses[start]!);
  code.set(arch.interpreter);
  return { code: code.subarray(0, end), data, steps: addresses };
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

/** Writes a word. Most are small, and far more quickly written as such. */
export function put(view: DataView, at: number, word: number | bigint): void {
  if (typeof word === "number" && (word | 0) === word) {
    view.setInt32(at, word, true);
    if (word < 0) view.setInt32(at + 4, -1, true);
  } else {
    view.setBigInt64(at, BigInt.asIntN(64, BigInt(word)), true);
  }
}

/** The set of errnos that a step accepts: bit n for errno n. */
function errnoSet({ op, note }: Step): bigint {
  let set = 0n;
  for (const errno of note.accept!) {
    if (errno > 63) throw new Error(`${op}: errno ${errno} can't be accepted`);
    set |= 1n << BigInt(errno);
  }
  return set;
}
