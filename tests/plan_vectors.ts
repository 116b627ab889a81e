/**
 * What plans do, whatever the architecture: each control operation with the
 * words it has to compute, what is passed to a system call, and what follows a
 * failure. Every interpreter is tested with these.
 *
 * @module
 */
import { encode } from "../ffi/bytes.ts";
import * as errnos from "../ffi/constants/errno.ts";
import { MAP_PRIVATE, PROT_READ } from "../ffi/constants/mman.ts";
import { CLONE_VFORK, CLONE_VM } from "../ffi/constants/sched.ts";
import { SIGNALS } from "../ffi/constants/signal.ts";
import type { Architecture } from "../ffi/plan/arch.ts";
import { type Builder, type Condition, plan } from "../ffi/plan/builder.ts";
import { elf } from "../ffi/plan/elf.ts";
import { layout } from "../ffi/plan/layout.ts";
import { reporting } from "../ffi/plan/report.ts";
import { argument } from "../ffi/plan/stack.ts";
import {
  type CallName,
  type Cell,
  CONTROL,
  type ControlName,
  ERRNO,
  type Label,
  type Operand,
  type Plan,
} from "../ffi/plan/step.ts";
import { assertEquals, fromFileUrl } from "../scripts/std.ts";

/** What runs the executables of an architecture. */
export interface Machine {
  /** The architecture. */
  readonly arch: Architecture;
  /** The command in front of an executable, where the kernel does not run it by itself. */
  readonly via: readonly string[];
  /** What runs a plan, if not the kernel. */
  readonly run?: (program: Plan, args: readonly string[]) => Outcome;
}

/** How an executable ended, and what it said. */
export interface Outcome {
  readonly code: number;
  readonly stdout: Uint8Array<ArrayBuffer>;
  readonly stderr: string;
}

const TIMEOUT = 60_000;
/** The largest page there is. */
const PAGE = 0x10000;

/** Runs a plan as an executable; kills it when it does not come to an end. */
export async function runPlan(
  { arch, via, run }: Machine,
  program: Plan,
  args: readonly string[] = [],
  options: Deno.CommandOptions = {},
): Promise<Outcome> {
  if (run) return run(program, args);
  const directory = await Deno.makeTempDir({ prefix: "denspace-plan-" });
  try {
    const file = `${directory}/${program.name}`;
    await Deno.writeFile(file, elf(reporting(program), arch), { mode: 0o755 });
    const [command, ...rest] = [...via, file, ...args];
    const { code, stdout, stderr } = await new Deno.Command(command!, {
      args: rest,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(TIMEOUT),
      ...options,
    }).output();
    return { code, stdout, stderr: new TextDecoder("latin1").decode(stderr) };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** A test of an interpreter. */
export type Vector = (machine: Machine) => Promise<void>;

/** A vector that runs a plan with steps and an outcome. */
function ends(
  write: (p: Builder) => void,
  expected: { code: number; stdout?: string; stderr?: string },
): Vector {
  return async (machine) => {
    const { code, stdout, stderr } = await runPlan(machine, plan("test", write));
    assertEquals(
      { code, stdout: new TextDecoder().decode(stdout), stderr },
      { stdout: "", stderr: "", ...expected },
    );
  };
}

/** Says that `value` has to be `expected` when the plan runs. */
type Expect = (value: Operand, expected: number | bigint, what?: string) => void;

/** A vector that compares the words its steps leave behind with what is expected of them. */
function computes(write: (p: Builder, expect: Expect) => void): Vector {
  return async (machine) => {
    const expected: bigint[] = [];
    const names: string[] = [];
    const program = plan("test", (p) => {
      const out = p.cell("out", 1 << 18);
      write(p, (value, word, what = "") => {
        p.control("store64", [{ addressOf: out, offset: 8 * expected.length }, 0, value]);
        expected.push(BigInt.asUintN(64, BigInt(word)));
        names.push(what);
      });
      p.call("write", [1, { addressOf: out }, 8 * expected.length]);
      p.call("exit_group", [0]);
    });
    const { code, stdout, stderr } = await runPlan(machine, program);
    assertEquals([code, stderr], [0, ""]);
    const words = new BigUint64Array(stdout.buffer);
    assertEquals(words.length, expected.length);
    const wrong = expected.flatMap((word, i) =>
      words[i] === word ? [] : [`${names[i]} (${i}): ${words[i]}, not ${word}`]
    );
    assertEquals(wrong, []);
  };
}

// Numbers --------------------------------------------------------------------

const WORD = 1n << 64n;
const EDGES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 31, 32, 33, 63, 64]
  .flatMap((bits) => [1n << BigInt(bits), (1n << BigInt(bits)) - 1n, -(1n << BigInt(bits))])
  .map((number) => BigInt.asUintN(64, number));
const NUMBERS = [...new Set(EDGES)];

/** Words that look random, the same in every run (splitmix64). */
function randomWords(seed: bigint): () => bigint {
  return () => {
    seed = (seed + 0x9e3779b97f4a7c15n) % WORD;
    let word = seed;
    word = ((word ^ (word >> 30n)) * 0xbf58476d1ce4e5b9n) % WORD;
    word = ((word ^ (word >> 27n)) * 0x94d049bb133111ebn) % WORD;
    return word ^ (word >> 31n);
  };
}

/** Pairs of words: those at the edges of what is likely to go wrong, and random ones. */
function pairs(seed: bigint): [bigint, bigint][] {
  const random = randomWords(seed);
  const edges = NUMBERS.flatMap((a) => NUMBERS.map((b): [bigint, bigint] => [a, b]));
  return [
    ...edges.filter(() => random() % 4n === 0n),
    ...Array.from({ length: 200 }, (): [bigint, bigint] => [random(), random()]),
    ...Array.from({ length: 50 }, (): [bigint, bigint] => [random(), random() % 64n]),
    ...Array.from({ length: 50 }, (_, i): [bigint, bigint] => {
      const word = random() >> BigInt(i);
      return [word, word];
    }),
  ];
}

/** A word as an operand of any kind: bigint, number if it can be one, value of a cell. */
function operand(p: Builder, word: bigint, choice: bigint): Operand {
  const number = Number(BigInt.asIntN(64, word));
  if (choice % 3n === 0n && Number.isSafeInteger(number)) return number;
  return choice % 3n === 1n ? p.cell("value", 8, [word]) : word;
}

const UNTOUCHED = 0xa5;

/** Expects bytes in a cell, and nothing changed behind them. */
function expectBytes(
  p: Builder,
  expect: Expect,
  cell: Cell,
  bytes: Uint8Array,
  what: string,
): void {
  const whole = new Uint8Array(cell.size).fill(UNTOUCHED);
  whole.set(bytes);
  new BigUint64Array(whole.buffer).forEach((word, i) =>
    expect(p.control("load64", [{ addressOf: cell }, 8 * i]), word, what)
  );
}

/** A cell whose bytes nothing has changed yet. */
function untouched(p: Builder, size = 24): Cell {
  return p.cell("untouched", size, new Uint8Array(size).fill(UNTOUCHED));
}

// Vectors ----------------------------------------------------------------------

type Compute<T> = (a: bigint, b: bigint) => T;

const arithmetic = (op: ControlName, compute: Compute<bigint>): Vector =>
  computes((p, expect) => {
    const random = randomWords(BigInt(op.length));
    for (const [a, b] of pairs(1n)) {
      const args = [operand(p, a, random()), operand(p, b, random())];
      expect(p.control(op, args), compute(a, b), `${op} ${a} ${b}`);
    }
  });

const condition = (op: Condition, holds: Compute<boolean>): Vector =>
  computes((p, expect) => {
    const random = randomWords(BigInt(op.length));
    for (const [a, b] of pairs(2n)) {
      const way = p.cell("way");
      p.when(
        op,
        operand(p, a, random()),
        operand(p, b, random()),
        () => p.control("add", [1, 0], { result: way }),
        () => p.control("add", [2, 0], { result: way }),
      );
      expect(way, holds(a, b) ? 1 : 2, `${op} ${a} ${b}`);
    }
  });

/** An architecture with another system call under the name of one. */
function withCall(
  { arch, via }: Machine,
  name: CallName,
  number: Record<Architecture["name"], number>,
): Machine {
  return { arch: { ...arch, syscalls: { ...arch.syscalls, [name]: number[arch.name] } }, via };
}

/** The vectors of the control operations, each of which is in the name of one. */
export const OPERATIONS: Readonly<Record<string, Vector>> = {
  "add is that of 64-bit words": arithmetic("add", (a, b) => a + b),
  "sub is that of 64-bit words": arithmetic("sub", (a, b) => a - b),
  "and is that of 64-bit words": arithmetic("and", (a, b) => a & b),
  "or is that of 64-bit words": arithmetic("or", (a, b) => a | b),
  "shl is that of 64-bit words": arithmetic("shl", (a, b) => a << (b % 64n)),
  "shr is that of 64-bit words": arithmetic("shr", (a, b) => a >> (b % 64n)),

  "equal decides between two ways on": condition("equal", (a, b) => a === b),
  "less decides between two ways on": condition("less", (a, b) => a < b),

  "load8, load32 and load64 read at a + b, with zeros above": computes((p, expect) => {
    const random = randomWords(3n);
    const bytes = new Uint8Array(new BigUint64Array(Array.from({ length: 40 }, random)).buffer);
    const view = new DataView(bytes.buffer);
    const writable = p.cell("bytes", bytes.length, bytes);
    for (let at = 0; at <= bytes.length - 8; at++) {
      const back = at - bytes.length;
      for (
        const [a, b] of [
          [{ addressOf: writable }, at],
          [at, { addressOf: writable }],
          [{ addressOf: writable, offset: at }, 0],
          [{ addressOf: writable, offset: bytes.length }, back],
          [bytes, at],
          [p.control("add", [bytes, bytes.length]), p.control("sub", [at, bytes.length])],
        ] satisfies [Operand, Operand][]
      ) {
        expect(p.control("load8", [a, b]), view.getUint8(at), `load8 ${at}`);
        expect(p.control("load32", [a, b]), view.getUint32(at, true), `load32 ${at}`);
        expect(p.control("load64", [a, b]), view.getBigUint64(at, true), `load64 ${at}`);
      }
    }
  }),

  "store8, store32 and store64 write at a + b, and nothing beside": computes((p, expect) => {
    const random = randomWords(4n);
    const STORES = [["store8", 1], ["store32", 4], ["store64", 8]] as const;
    for (let i = 0; i < 300; i++) {
      const cell = untouched(p);
      const [op, size] = STORES[i % 3]!;
      const at = Number(random() % BigInt(cell.size + 1 - size));
      const value = random();
      const address = [{ addressOf: cell }, at];
      if (i % 2) address.reverse();
      p.control(op, [...address, operand(p, value, random())]);
      const bytes = new Uint8Array(at + size).fill(UNTOUCHED);
      bytes.set(new Uint8Array(new BigUint64Array([value]).buffer, 0, size), at);
      expectBytes(p, expect, cell, bytes, `${op} ${at}`);
    }
  }),

  "decimal writes digits without leading zeros, and tells where they end": computes(
    (p, expect) => {
      const random = randomWords(5n);
      const tens = Array.from({ length: 20 }, (_, i) => 10n ** BigInt(i));
      const numbers = [...NUMBERS, ...tens, ...tens.map((ten) => ten - 1n)];
      for (const number of [...numbers, ...Array.from({ length: 100 }, random)]) {
        const text = untouched(p);
        const end = p.control("decimal", [operand(p, number, random()), { addressOf: text }]);
        const digits = `${number}`;
        expect(p.control("sub", [end, { addressOf: text }]), digits.length, digits);
        expectBytes(p, expect, text, encode(digits), digits);
      }
    },
  ),

  "find tells the first string that begins with a word, as far as a mask goes": computes(
    (p, expect) => {
      const list = ["PATH", "PATHS=/no", "A=1", "PATH=/bin", "PATH=/usr/bin", "B=", ""];
      list.push("LONG=123456");
      const word = (text: string): bigint =>
        new BigUint64Array(encode(text.padEnd(8, "\0")).slice(0, 8).buffer)[0]!;
      for (
        const name of ["PATH=", "PATH", "PATHS=", "A=", "B=", "C=", "PAT=", "LONG=123", "LONG=124"]
      ) {
        const found = list.find((text) => text.startsWith(name));
        const mask = (1n << BigInt(8 * name.length)) - 1n;
        const address = p.control("find", [{ list }, word(name), mask]);
        expect(p.control("sub", [address, found ?? 0]), 0, name);
      }
      expect(p.control("find", [{ list: [] }, 0, 0]), 0, "no string at all");
    },
  ),

  "copy ends at a NUL, at the byte it is told, or at its limit": computes((p, expect) => {
    const text = "/usr/bin:/bin";
    for (const stop of [":", "/", "b", "x", "\0"]) {
      for (const limit of [0, 1, 8, 9, 12, 13, 14, 100]) {
        const what = `copy ${stop} ${limit}`;
        const index = text.indexOf(stop);
        const size = Math.min(index < 0 ? text.length : index, limit);
        const to = untouched(p);
        expect(p.control("copy", [{ addressOf: to }, text, stop.charCodeAt(0), limit]), size, what);
        expectBytes(p, expect, to, encode(text.slice(0, size)), what);
      }
    }
  }),

  "raise fails as a call does, whatever the number": computes((p, expect) => {
    for (const errno of [0, 1, 63, 64, 133, 134, 4095, 4096, 2 ** 32 + 1]) {
      const failed: Label = {};
      p.control("raise", [p.control("add", [errno, 0])], { fail: failed, accept: [errno % 64] });
      p.place(failed);
      expect(ERRNO, errno);
    }
  }),
};

/** The vectors of what a plan does that is called as a function. */
export const CALLS: Readonly<Record<string, Vector>> = {
  "return goes back to the caller, whose registers and stack are as they were": async (machine) => {
    const cells: Cell[] = [];
    const program = plan("test", (p) => {
      cells.push(p.cell("set"), p.cell("status"), p.cell("digits", 24));
      const [set, status, digits] = cells as [Cell, Cell, Cell];
      p.set(set, 41);
      // A child that shares the memory, and so the stack.
      const child = p.call("clone", [CLONE_VM | CLONE_VFORK | SIGNALS.SIGCHLD, 0, 0, 0, 0]);
      p.when("equal", child, 0, () => {
        p.control("decimal", [-1, { addressOf: digits }]);
        p.call("exit_group", [7]);
      });
      p.call("wait4", [child, { addressOf: status }, 0, 0]);
      p.control("add", [set, 1], { result: set });
      p.control("return", []);
    });
    const found = await called(machine, program);
    assertEquals(cells.slice(0, 2).map(({ offset }) => found[offset / 8]), [42n, 7n << 8n]);
  },
};

/** Calls a plan as a function; what is in its cells afterwards. */
async function called({ arch, via }: Machine, program: Plan): Promise<BigUint64Array> {
  const directory = await Deno.makeTempDir({ prefix: "denspace-call-" });
  try {
    const [runner, file] = [`${directory}/call_plan`, `${directory}/plan`];
    const source = fromFileUrl(new URL("call_plan.c", import.meta.url));
    await succeed(`${arch.name}-linux-gnu-gcc`, "-static", "-o", runner, source);
    const [codeAddress, cellsAddress] = [0x1000_0000, 0x2000_0000];
    const { code, data } = layout({ ...program, failure: 0 }, arch, codeAddress, cellsAddress);
    const header = [
      ...[codeAddress, code.length, cellsAddress, program.dataSize],
      ...[codeAddress + arch.call, codeAddress + arch.interpreter.length],
    ];
    const words = new BigUint64Array(header.map(BigInt));
    await Deno.writeFile(file, new Uint8Array([...new Uint8Array(words.buffer), ...code, ...data]));
    const [command, ...args] = [...via, runner, file];
    return new BigUint64Array((await succeed(command!, ...args)).buffer);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** What a command writes, which must not fail. */
async function succeed(command: string, ...args: string[]): Promise<Uint8Array<ArrayBuffer>> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""], command);
  return stdout;
}

/** The control operations that no vector has. */
export function untested(): ControlName[] {
  const names = Object.keys({ ...OPERATIONS, ...CALLS });
  const tested = new Set(names.flatMap((name) => name.split(/\W+/)));
  return CONTROL.filter((op) => !tested.has(op));
}

/** The vectors of steps: how they follow each other, and what a failure does. */
export const STEPS: Readonly<Record<string, Vector>> = {
  "a result may replace an operand, and steps may be repeated": computes((p, expect) => {
    const [sum, i] = [p.cell("sum"), p.cell("i")];
    const again = p.here();
    p.control("add", [i, 1], { result: i });
    p.control("add", [sum, i], { result: sum });
    p.branch("less", i, 1000, again);
    expect(sum, 500_500);
  }),

  "all six arguments of a call are passed, as numbers and as cells": async (machine) => {
    // No call of a plan has six, so another one gets the number of mmap(2).
    const mmap = withCall(machine, "dup3", { x86_64: 9, aarch64: 222 });
    const file = await Deno.makeTempFile();
    const pages = new Uint8Array(2 * PAGE);
    pages.set(encode("second"), PAGE);
    await Deno.writeFile(file, pages);
    for (const cells of [0, 0b111111, 0b010101, 0b101010]) {
      await ends((p) => {
        const fd = p.call("openat", [-100, file, 0, 0]);
        const args = [0, PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE];
        const operands = args.map((arg, i) => cells >> i & 1 ? p.control("add", [arg, 0]) : arg);
        const memory = p.call("dup3", operands as [Operand, Operand, Operand]);
        p.call("write", [1, memory, 6]);
        p.call("exit_group", [0]);
      }, { code: 0, stdout: "second" })(mmap);
    }
    await Deno.remove(file);
  },

  "a condition that does not hold is no failure": computes((p, expect) => {
    const [first, then]: [Label, Label] = [{}, {}];
    p.call("close", [-1], { fail: first });
    p.place(first);
    p.control("equal", [1, 2], { fail: then });
    p.place(then);
    expect(ERRNO, errnos.EBADF);
  }),

  "an accepted errno goes on as a success, with -errno as result": computes((p, expect) => {
    expect(p.call("close", [-1], { accept: [errnos.EBADF] }), -errnos.EBADF);
    expect(p.call("chdir", ["/no/where"], { accept: [1, errnos.ENOENT, 63] }), -errnos.ENOENT);
    expect(p.call("chdir", ["x".repeat(5000)], { accept: [errnos.ENAMETOOLONG] }), -36);
    expect(p.call("chdir", ["/"], { accept: [errnos.ENOENT] }), 0);
  }),

  "an errno that is not accepted is a failure": ends((p) => {
    p.call("close", [-1], { accept: [errnos.EBADF - 1, errnos.EBADF + 1], message: "no" });
    p.call("exit_group", [0]);
  }, { code: 1, stderr: "test: no: Bad file descriptor\n" }),

  "an errno above 63 is not taken for one that is accepted": (machine) => {
    // shutdown(2) of no socket: ENOTSOCK is 88, and 88 - 64 is accepted
    const shutdown = withCall(machine, "close", { x86_64: 48, aarch64: 210 });
    return ends((p) => {
      p.call("close", [0], { accept: [88 - 64, 88 - 32] });
      p.call("exit_group", [0]);
    }, { code: 1, stderr: "test: close: Socket operation on non-socket\n" })(shutdown);
  },

  "a step with a way around its failure goes there, and its errno is known": computes(
    (p, expect) => {
      const failed: Label = {};
      const reached = p.cell("reached");
      const result = p.call("chdir", ["/no/where"], { fail: failed });
      p.control("add", [1, 0], { result: reached });
      p.place(failed);
      expect(reached, 0);
      expect(result, -errnos.ENOENT);
      expect(ERRNO, errnos.ENOENT);
    },
  ),

  "a failure is reported with the text of its errno": async (machine) => {
    for (const errno of [0, 1, 2, 41, 63, 64, 132, 133]) {
      const stderr = `test: what: ${errnos.ERROR_TEXTS[errno]}\n`;
      const raise = ends((p) => p.control("raise", [errno], { message: "what" }), {
        code: 1,
        stderr,
      });
      await raise(machine);
    }
  },

  "a failure with an errno that nobody knows is reported all the same": async (machine) => {
    for (const errno of [134, 200, 4095, 2 ** 31, -1]) {
      const stderr = "test: raise: Unknown error\n";
      await ends((p) => p.control("raise", [errno]), { code: 1, stderr })(machine);
    }
  },

  "a report ends with the string that the message is about": async (machine) => {
    const program = plan("test", (p) => {
      const subject = p.control("load64", [argument(p, 1), 0]);
      p.call("chdir", [subject], { message: "cannot enter ", subject, status: 7 });
      p.call("exit_group", [0]);
    });
    for (const subject of ["/no/where", "", "/" + "x".repeat(255), "/n".repeat(2000)]) {
      const { code, stderr } = await runPlan(machine, program, [subject]);
      assertEquals(
        [code, stderr],
        [7, `test: cannot enter ${subject}: No such file or directory\n`],
      );
    }
  },

  "a failure ends the program with the status of its step": async (machine) => {
    for (const status of [0, 1, 2, 126, 127, 255]) {
      const stderr = "test: raise: Operation not permitted\n";
      await ends((p) => p.control("raise", [1], { status }), { code: status, stderr })(machine);
    }
  },
};
