/**
 * Walking a plan as an interpreter does, without making a system call: what each
 * of them would come to is asked of somebody who knows the host.
 *
 * The bytes are those that an executable has, so what is walked is what would
 * run. A value that is known only at a run is a guess that carries a label, and
 * the label goes where the value goes: into other cells, and into texts, byte by
 * byte.
 *
 * @module
 */
import { decode, encode } from "../bytes.ts";
import { host } from "./host.ts";
import { AT, layout } from "./layout.ts";
import { type CallName, isControl, type Plan, type Step } from "./step.ts";

/** A value, with what it is if it is known only at a run. */
export interface Value {
  /** The 64 bits; a guess if there is a label. */
  readonly value: bigint;
  /** What it is. */
  readonly label?: string | undefined;
}

/** A part of a text: letters, or what stands there at a run. */
export type Part = string | { readonly label: string };

/** A system call that a process is about to make. */
export interface Call<S> {
  /** Its name. */
  readonly name: CallName;
  /** Its arguments. */
  readonly args: readonly Value[];
  /** The step. */
  readonly step: Step;
  /** Who makes it. */
  readonly process: Process<S>;
  /** What the process is called that it makes, if it makes one. */
  readonly child?: string;
}

/** What becomes of a system call. */
export interface Answer<S> {
  /** What it returns, errors as `-errno`; `undefined` after a call that does not return. */
  readonly result: number | undefined;
  /** What the result is, if it is known only at a run. */
  readonly label?: string;
  /** What is known of the process that it made. */
  readonly child?: S;
}

/** A process that walks a plan; `S` is what somebody knows of it. */
export interface Process<S> {
  /** What it is called. */
  readonly name: string;
  /** Who made it. */
  readonly parent?: Process<S>;
  /** What is known of it. */
  readonly state: S;
  /** Its memory. */
  readonly memory: Memory;
  /** Whether it goes on no more: it has ended, returned, or become a program. */
  ended: boolean;
}

/** How a plan is walked. */
export interface Walk<S> {
  /** The arguments that it finds. */
  readonly argv: readonly string[];
  /** The environment that it finds. */
  readonly environment: readonly string[];
  /** What is known of the first process. */
  readonly state: S;
  /** What becomes of a call; `"later"` if others have to go on first. */
  answer(call: Call<S>): Answer<S> | "later";
  /** Told of a call before it is answered, once. */
  calls?(call: Call<S>): void;
}

/** Where things lie. */
const [CODE, DATA, STACK] = [0x10_0000, 0x100_0000, 0x1000_0000];
/** What the kernel leaves below argc, for who writes there, and behind the last string. */
const BELOW = 64;
/** After so many steps a plan has no end. */
const ENDLESS = 2_000_000;

/** The memory of a process. */
export interface Memory {
  /** The value of so many bytes at an address. */
  load(address: bigint, size: number): Value;
  /** Changes so many bytes at an address. */
  store(address: bigint, size: number, value: Value): void;
  /** The string at an address. */
  string(address: bigint, size?: number): Part[];
  /** The string at an address, guesses and all. */
  text(address: bigint): string;
  /** A copy of it. */
  copy(): Memory;
}

/**
 * Walks a plan to its end, with all the processes that it makes. They take turns:
 * one goes on until it ends or has to wait. One that waits for what nobody knows
 * of, such as a signal, is left in its call, which has no answer.
 *
 * @throws {Error} when the plan has no end
 */
export function walk<S>(plan: Plan, { argv, environment, state, answer, calls }: Walk<S>): void {
  const { code, data, steps } = layout(plan, host(), CODE, DATA);
  const index = new Map(steps.map((address, i) => [address, i]));
  const words = new DataView(code.buffer, code.byteOffset, code.length);
  const word = (step: number, at: number): bigint => words.getBigUint64(step - CODE + at, true);
  const stack = initialStack(argv, environment);
  const whole = new Uint8Array(plan.dataSize + 8);
  whole.set(data);

  let walked = 0;
  const make = (process: Omit<Process<S>, "ended">, at: number): Task<S> => ({
    process: { ...process, ended: false },
    at,
    asked: undefined,
  });
  const memory = memoryOf([
    { base: CODE, bytes: new Uint8Array(code) },
    { base: DATA, bytes: whole },
    { base: STACK, bytes: stack },
  ]);
  const context = (field: number): bigint => BigInt(DATA + 8 * field);
  memory.store(context(0), 8, { value: BigInt(STACK + BELOW) });
  const tasks: Task<S>[] = [make({ name: plan.name, state, memory }, steps[plan.start]!)];

  /** Walks on until the process ends or waits; whether it did anything. */
  const goOn = (task: Task<S>): boolean => {
    const { process } = task;
    const { memory } = process;
    for (let first = true; !process.ended; first = false) {
      if (++walked > ENDLESS) throw new Error(`plan ${plan.name} has no end`);
      const step = plan.steps[index.get(task.at)!]!;
      const refs = code[task.at - CODE + AT.refs]!;
      const args = step.args.map((_, i): Value => {
        const value = word(task.at, AT.args + 8 * i);
        return refs >> i & 1 ? memory.load(value, 8) : { value };
      });
      const finish = (result: Value | undefined): void => {
        if (result) memory.store(word(task.at, AT.result), 8, result);
        task.at = Number(word(task.at, AT.next));
      };
      const otherwise = (): void => void (task.at = Number(word(task.at, AT.fail)));
      const fail = (errno: bigint): void => {
        memory.store(context(1), 8, { value: BigInt(task.at) });
        memory.store(context(2), 8, { value: errno });
        otherwise();
      };
      const { op } = step;
      if (isControl(op)) {
        if (op === "equal" || op === "less") {
          const [a, b] = args as [Value, Value];
          const holds = op === "equal" ? a.value === b.value : a.value < b.value;
          if (holds) finish(undefined);
          else otherwise();
        } else if (op === "raise") {
          fail(args[0]!.value);
        } else if (op === "return") {
          process.ended = true;
        } else {
          finish(operate(op, args, memory));
        }
        continue;
      }

      const child = uniqueName(step.note.child ?? "child", tasks);
      const call: Call<S> = task.asked ??
        { name: op, args, step, process, ...(op === "clone" && { child }) };
      if (!task.asked) calls?.(call);
      task.asked = call;
      const found = answer(call);
      if (found === "later") return !first;
      task.asked = undefined;
      const { result, label } = found;
      if (result === undefined) {
        process.ended = true;
        break;
      }
      memory.store(word(task.at, AT.result), 8, {
        value: BigInt.asUintN(64, BigInt(result)),
        label,
      });
      if (found.child !== undefined) {
        const copy = memory.copy();
        copy.store(word(task.at, AT.result), 8, { value: 0n });
        const forked = { name: child, parent: process, state: found.child, memory: copy };
        tasks.push(make(forked, Number(word(task.at, AT.next))));
      }
      const accepted = result < 0 && -result < 64 &&
        (word(task.at, AT.accept) >> BigInt(-result) & 1n) === 1n;
      if (result >= -4095 && result < 0 && !accepted) fail(BigInt(-result));
      else finish(undefined);
    }
    return true;
  };

  for (;;) {
    // Who has waited goes on before who has just begun.
    if (tasks.some((task) => !task.process.ended && task.asked && goOn(task))) continue;
    const fresh = tasks.find((task) => !task.process.ended && !task.asked);
    if (!fresh) break;
    goOn(fresh);
  }
}

/** A process on its way. */
interface Task<S> {
  readonly process: Process<S>;
  /** The address of the step that is next. */
  at: number;
  /** The call in which it waits. */
  asked: Call<S> | undefined;
}

/** A process's name, with a number if there are several of it. */
function uniqueName<S>(name: string, tasks: readonly Task<S>[]): string {
  const taken = new Set(tasks.map(({ process }) => process.name));
  for (let i = 1;; i++) {
    const candidate = i === 1 ? name : `${name} ${i}`;
    if (!taken.has(candidate)) return candidate;
  }
}

type Operation = (memory: Memory, ...args: Value[]) => Value | undefined;

/** An operation on two numbers. */
function binary(compute: (a: bigint, b: bigint) => bigint): Operation {
  return (_, a, b) => ({
    value: BigInt.asUintN(64, compute(a!.value, b!.value)),
    label: a!.label ?? b!.label,
  });
}

function load(size: number): Operation {
  return (memory, a, b) => memory.load(BigInt.asUintN(64, a!.value + b!.value), size);
}

function store(size: number): Operation {
  return (memory, a, b, c) =>
    memory.store(BigInt.asUintN(64, a!.value + b!.value), size, c!) as undefined;
}

const OPERATIONS: Readonly<Record<string, Operation>> = {
  add: binary((a, b) => a + b),
  sub: binary((a, b) => a - b),
  and: binary((a, b) => a & b),
  or: binary((a, b) => a | b),
  shl: binary((a, b) => a << (b & 63n)),
  shr: binary((a, b) => a >> (b & 63n)),
  load8: load(1),
  load32: load(4),
  load64: load(8),
  store8: store(1),
  store32: store(4),
  store64: store(8),
  find: (memory, array, wanted, mask) => {
    for (let at = array!.value;; at += 8n) {
      const string = memory.load(at, 8);
      if (string.value === 0n) return string;
      if ((memory.load(string.value, 8).value & mask!.value) === wanted!.value) return string;
    }
  },
  copy: (memory, to, from, stop, limit) => {
    let size = 0n;
    for (; size < limit!.value; size++) {
      const byte = memory.load(from!.value + size, 1);
      if (byte.value === 0n || byte.value === stop!.value) break;
      memory.store(to!.value + size, 1, byte);
    }
    return { value: size };
  },
  decimal: (memory, number, to) => {
    let at = to!.value;
    for (const digit of encode(`${number!.value}`)) {
      memory.store(at++, 1, { value: BigInt(digit), label: number!.label });
    }
    return { value: at };
  },
};

function operate(op: string, args: readonly Value[], memory: Memory): Value | undefined {
  return OPERATIONS[op]!(memory, ...args);
}

/** A stretch of memory. */
interface Region {
  readonly base: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

function memoryOf(regions: readonly Region[], labels: Map<number, string> = new Map()): Memory {
  const find = (address: bigint, size: number): [Region, number] => {
    const at = Number(address);
    const region = regions.find(({ base, bytes }) =>
      at >= base && at + size <= base + bytes.length
    );
    if (!region) throw new Error(`nothing lies at 0x${address.toString(16)}`);
    return [region, at - region.base];
  };
  return {
    load: (address, size) => {
      const [{ bytes }, at] = find(address, size);
      let value = 0n;
      for (let i = size; i-- > 0;) value = value << 8n | BigInt(bytes[at + i]!);
      return { value, label: labels.get(Number(address)) };
    },
    store: (address, size, { value, label }) => {
      const [{ bytes }, at] = find(address, size);
      for (let i = 0; i < size; i++) {
        bytes[at + i] = Number(value >> BigInt(8 * i) & 0xffn);
        if (label === undefined) labels.delete(Number(address) + i);
        else labels.set(Number(address) + i, label);
      }
    },
    string: (address, size = Infinity) => {
      const [{ bytes }, at] = find(address, 0);
      const parts: Part[] = [];
      let text: number[] = [];
      let label: string | undefined;
      for (let i = 0; i < size && at + i < bytes.length; i++) {
        if (size === Infinity && bytes[at + i] === 0) break;
        const here = labels.get(Number(address) + i);
        if (here === undefined) {
          text.push(bytes[at + i]!);
        } else if (here !== label) {
          if (text.length > 0) parts.push(decode(new Uint8Array(text)));
          text = [];
          parts.push({ label: here });
        }
        label = here;
      }
      if (text.length > 0 || parts.length === 0) parts.push(decode(new Uint8Array(text)));
      return parts;
    },
    text: (address) => {
      const [{ bytes }, at] = find(address, 0);
      return decode(bytes.subarray(at, bytes.indexOf(0, at)));
    },
    copy: () =>
      memoryOf(
        regions.map(({ base, bytes }) => ({ base, bytes: base === CODE ? bytes : bytes.slice() })),
        new Map(labels),
      ),
  };
}

/** What execve(2) leaves on a stack: argc, argv, environment, strings. */
function initialStack(
  argv: readonly string[],
  environment: readonly string[],
): Uint8Array<ArrayBuffer> {
  const strings = [...argv, ...environment].map((text) => encode(text + "\0"));
  const table = BELOW + 8 * (strings.length + 3);
  const size = strings.reduce((sum, { length }) => sum + length, table) + BELOW;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let [at, end] = [BELOW, table];
  const put = (word: number): void => {
    view.setBigUint64(at, BigInt(word), true);
    at += 8;
  };
  put(argv.length);
  strings.forEach((string, i) => {
    if (i === argv.length) put(0);
    bytes.set(string, end);
    put(STACK + end);
    end += string.length;
  });
  return bytes;
}
