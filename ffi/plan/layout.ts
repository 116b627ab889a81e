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
 * The second is only read and written: the context (three words, see
 * `CONTEXT`), then the cells. `op` is a system call number, or 2^31 plus the
 * number of a control operation; a bit of `refs` says that an argument is the
 * address of the value; a bit of `accept` that an errno counts as success.
 *
 * @module
 */
import { encode } from "../bytes.ts";
import type { Architecture } from "./arch.ts";
import {
  type Cell,
  CONTEXT,
  CONTROL,
  isControl,
  type Message,
  type Operand,
  type Plan,
  STACK,
  type Step,
} from "./step.ts";

/** A plan as bytes, for the addresses it was laid out for. */
export interface Layout {
  /** What is read and executed. The first byte is where execution starts. */
  readonly code: Uint8Array;
  /** What the writable memory holds at the start; zeros follow. */
  readonly data: Uint8Array;
  /** The size of the writable memory. */
  readonly dataSize: number;
  /** The address of each step, by which a failure names it. */
  readonly steps: readonly number[];
  /** Where a cell lies in the writable memory; absent if nothing uses it. */
  readonly offsetOf: (cell: Cell) => number | undefined;
}

/** Where a step's words lie, as the interpreters know it. */
const AT = { refs: 4, result: 8, next: 16, fail: 24, accept: 32, message: 40, args: 48 };

/** Where the message of a step lies within it. */
export const MESSAGE_OFFSET: number = AT.message;

/** An interpreter loads six arguments, whatever the number that a step has. */
const MAX_ARGS = 6;

/**
 * Lays a plan out.
 *
 * @param plan the plan
 * @param arch the architecture
 * @param codeAddress where its first part will lie, a multiple of 8
 * @param dataAddress where its second part will lie, a multiple of 8, given the
 *   size of the first
 * @throws {Error} when the plan can't be laid out: this is an error in the plan
 */
export function layout(
  plan: Plan,
  arch: Architecture,
  codeAddress: number,
  dataAddress: (codeSize: number) => number,
): Layout {
  // Steps have the size of their arguments, so their places are known first ...
  const header = arch.interpreter.length;
  let codeSize = header + 16;
  const offsets = plan.steps.map((step) => {
    const at = codeSize;
    codeSize += AT.args + 8 * step.args.length;
    return at;
  });
  codeSize += 8 * MAX_ARGS;

  // ... then all that they point to takes its place behind them.
  const code: Part[] = [];
  const data: Part[] = [];
  const texts = new Map<string, number>();
  const cells = new Map<number, number>();
  let dataSize = 0;
  // The second part's address depends on the size of the first, which is known
  // last: until then a cell's address is its offset, and the place is kept here.
  const cellAddresses: [view: DataView, at: number, offset: number][] = [];

  function place(bytes: Uint8Array, align = 1): number {
    const at = Math.ceil(codeSize / align) * align;
    code.push({ at, bytes });
    codeSize = at + bytes.length;
    return codeAddress + at;
  }
  function text(value: string): number {
    const known = texts.get(value);
    if (known !== undefined) return known;
    const address = place(encode(value + "\0"));
    texts.set(value, address);
    return address;
  }
  function cell({ cell, size, init }: Cell): number {
    const known = cells.get(cell);
    if (known !== undefined) return known;
    const at = dataSize;
    cells.set(cell, at);
    dataSize += Math.ceil(size / 8) * 8;
    if (init) {
      data.push({ at, bytes: init instanceof Uint8Array ? init : words(init) });
    }
    return at;
  }
  function put(view: DataView, at: number, operand: Operand): void {
    if (typeof operand === "object" && !(operand instanceof Uint8Array)) {
      if ("cell" in operand) {
        cellAddresses.push([view, at, cell(operand)]);
        return;
      }
      if ("addressOf" in operand) {
        const { addressOf, offset = 0 } = operand;
        cellAddresses.push([view, at, cell(addressOf) + offset]);
        return;
      }
    }
    view.setBigInt64(at, BigInt.asIntN(64, BigInt(valueOf(operand))), true);
  }
  function valueOf(operand: Exclude<Operand, Cell | { addressOf: Cell }>): number | bigint {
    if (typeof operand === "string") return text(operand);
    if (operand instanceof Uint8Array) return place(operand, 8);
    if (typeof operand === "object") return place(words([...operand.list, 0]), 8);
    return operand;
  }
  function words(operands: readonly Operand[]): Uint8Array {
    const bytes = new Uint8Array(8 * operands.length);
    const view = new DataView(bytes.buffer);
    operands.forEach((operand, i) => put(view, 8 * i, operand));
    return bytes;
  }
  function message({ text, subject, status }: Message): number {
    const whole = encode(`${plan.name}: ${text}`);
    const cell = subject ? { addressOf: subject } : 0;
    return place(words([whole, whole.length, cell, status]), 8);
  }

  for (const context of CONTEXT) cell(context);
  const read = cellsRead(plan);
  const table = new Uint8Array(codeSize - header);
  const view = new DataView(table.buffer);
  code.push({ at: 0, bytes: arch.interpreter }, { at: header, bytes: table });
  put(view, 0, { addressOf: STACK });
  put(view, 8, codeAddress + offsets[plan.start ?? 0]!);
  plan.steps.forEach((step, i) => {
    const at = offsets[i]! - header;
    const address = (index: number) => codeAddress + offsets[index]!;
    const fail = step.fail ?? plan.failure;
    view.setUint32(at, opcode(step, arch), true);
    view.setUint8(at + AT.refs, bits(step.args.flatMap((arg, i) => isCell(arg) ? [i] : [])));
    put(view, at + AT.result, read.has(step.result.cell) ? { addressOf: step.result } : 0);
    put(view, at + AT.next, address(step.next));
    put(view, at + AT.fail, fail === undefined ? 0 : address(fail));
    put(view, at + AT.accept, accepted(step));
    if (step.message) put(view, at + AT.message, message(step.message));
    step.args.forEach((arg, j) => put(view, at + AT.args + 8 * j, arg));
  });

  const base = dataAddress(codeSize);
  for (const [view, at, offset] of cellAddresses) {
    view.setBigUint64(at, BigInt(base + offset), true);
  }
  return {
    code: join(code, codeSize),
    data: join(data, Math.max(0, ...data.map(({ at, bytes }) => at + bytes.length))),
    dataSize,
    steps: offsets.map((at) => codeAddress + at),
    offsetOf: ({ cell }) => cells.get(cell),
  };
}

interface Part {
  readonly at: number;
  readonly bytes: Uint8Array;
}

function join(parts: readonly Part[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  for (const { at, bytes } of parts) whole.set(bytes, at);
  return whole;
}

function isCell(operand: Operand): operand is Cell {
  return typeof operand === "object" && "cell" in operand;
}

/** The cells whose value or address anything uses: only their results are kept. */
function cellsRead({ steps, kept = [] }: Plan): Set<number> {
  const read = new Set([...CONTEXT, ...kept].map(({ cell }) => cell));
  const visit = (operand: Operand): void => {
    if (typeof operand !== "object" || operand instanceof Uint8Array) return;
    if ("list" in operand) operand.list.forEach(visit);
    else {
      const cell = "cell" in operand ? operand : operand.addressOf;
      if (read.has(cell.cell)) return;
      read.add(cell.cell);
      if (cell.init && !(cell.init instanceof Uint8Array)) cell.init.forEach(visit);
    }
  };
  for (const { args, message } of steps) {
    args.forEach(visit);
    if (message?.subject) visit(message.subject);
  }
  return read;
}

function opcode({ op }: Step, { syscalls }: Architecture): number {
  return isControl(op) ? 0x8000_0000 + CONTROL.indexOf(op) : syscalls[op];
}

function bits(positions: readonly number[]): number {
  return positions.reduce((mask, position) => mask | 1 << position, 0);
}

function accepted({ op, accept = [] }: Step): bigint {
  return accept.reduce((mask, errno) => {
    if (errno > 63) throw new Error(`${op}: errno ${errno} can't be accepted`);
    return mask | 1n << BigInt(errno);
  }, 0n);
}
