import { encode } from "../ffi/bytes.ts";
import * as errnos from "../ffi/constants/errno.ts";
import type { Architecture } from "../ffi/plan/arch.ts";
import type * as builder from "../ffi/plan/builder.ts";
import { type Builder, plan } from "../ffi/plan/builder.ts";
import type * as cloning from "../ffi/plan/clone.ts";
import { elf } from "../ffi/plan/elf.ts";
import type * as searching from "../ffi/plan/execvp.ts";
import { execvp } from "../ffi/plan/execvp.ts";
import { host } from "../ffi/plan/host.ts";
import { layout } from "../ffi/plan/layout.ts";
import { reporting } from "../ffi/plan/report.ts";
import type * as stacks from "../ffi/plan/stack.ts";
import { argument, environment } from "../ffi/plan/stack.ts";
import type * as steps from "../ffi/plan/step.ts";
import {
  CONTROL,
  type ControlName,
  ERRNO,
  type Label,
  type Operand,
  type Plan,
} from "../ffi/plan/step.ts";
import * as denspace from "../mod.ts";
import { assemble, SOURCES } from "../scripts/interpreter.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertThrows,
  fromFileUrl,
  join,
} from "../scripts/std.ts";

const PROJECT = fromFileUrl(new URL("..", import.meta.url));
const TIMEOUT = 20_000;
/** The largest page there is. */
const PAGE = 0x10000;
const isRoot = denspace.geteuid() === 0;
const scratch = await Deno.makeTempDir({ prefix: "denspace-plan-" });
Deno.test.afterAll(() => Deno.removeSync(scratch, { recursive: true }));

/** A test that is ignored, with the reason in its name, if there is a reason. */
function testUnless(reason: string | undefined, name: string, fn: () => unknown): void {
  const ignore = reason !== undefined;
  Deno.test({
    name: ignore ? `${name}: ${reason}` : name,
    ignore,
    fn: async () => void await fn(),
  });
}

function missing(command: string): string | undefined {
  try {
    new Deno.Command(command, { args: ["--version"] }).outputSync();
    return undefined;
  } catch {
    return `there is no ${command}`;
  }
}

// Running plans --------------------------------------------------------------

let emitted = 0;

/** Writes a plan as an executable. */
function emit(program: Plan, arch: Architecture = host()): string {
  const path = `${scratch}/plan-${emitted++}`;
  Deno.writeFileSync(path, elf(reporting(program), arch), { mode: 0o755 });
  return path;
}

interface Outcome {
  code: number;
  stdout: Uint8Array<ArrayBuffer>;
  stderr: string;
}

/** Runs an executable; kills it when it does not come to an end. */
async function run(
  file: string,
  args: string[] = [],
  options: Deno.CommandOptions = {},
): Promise<Outcome> {
  const child = new Deno.Command(file, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    ...options,
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  return { code, stdout, stderr: new TextDecoder("latin1").decode(stderr) };
}

/** Emits a plan and runs it. */
function runPlan(write: (p: Builder) => void, arch?: Architecture): Promise<Outcome> {
  return run(emit(plan("test", write), arch));
}

/** Says that `value` has to be `expected` when the plan runs. */
type Expect = (value: Operand, expected: number | bigint, what?: string) => void;

/** Runs steps, and compares the words that they leave behind with what is expected of them. */
async function computes(write: (p: Builder, expect: Expect) => void): Promise<void> {
  const expected: bigint[] = [];
  const names: string[] = [];
  const { code, stdout, stderr } = await runPlan((p) => {
    const out = p.cell("out", 1 << 18);
    write(p, (value, word, what = "") => {
      p.control("store64", [{ addressOf: out, offset: 8 * expected.length }, 0, value]);
      expected.push(BigInt.asUintN(64, BigInt(word)));
      names.push(what);
    });
    p.call("write", [1, { addressOf: out }, 8 * expected.length]);
    p.call("exit_group", [0]);
  });
  assertEquals([code, stderr], [0, ""]);
  const words = new BigUint64Array(stdout.buffer);
  assertEquals(words.length, expected.length);
  const wrong = expected.flatMap((word, i) =>
    words[i] === word ? [] : [`${names[i]} (${i}): ${words[i]}, not ${word}`]
  );
  assertEquals(wrong, []);
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

// The interpreters -----------------------------------------------------------

for (const source of SOURCES) {
  const { name, tools } = source;
  const interpreter = async (): Promise<Uint8Array> =>
    (await import(`../ffi/plan/${name}.ts`))[name].interpreter;

  testUnless(
    missing(`${tools}as`) ?? missing(`${tools}objcopy`),
    `the interpreter for ${name} is what its source assembles to`,
    async () => assertEquals(await interpreter(), await assemble(source)),
  );

  Deno.test(`the interpreter for ${name} has less than 1 KB, and ends at a word`, async () => {
    const { length } = await interpreter();
    assert(length < 1024, `${length} bytes`);
    assertEquals(length % 8, 0);
  });
}

const ARITHMETIC: Partial<Record<ControlName, (a: bigint, b: bigint) => bigint>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  shl: (a, b) => a << (b % 64n),
  shr: (a, b) => a >> (b % 64n),
};

for (const [op, compute] of Object.entries(ARITHMETIC)) {
  Deno.test(`${op} is that of 64-bit words`, () =>
    computes((p, expect) => {
      const random = randomWords(BigInt(op.length));
      for (const [a, b] of pairs(1n)) {
        const args = [operand(p, a, random()), operand(p, b, random())];
        expect(p.control(op as ControlName, args), compute(a, b), `${op} ${a} ${b}`);
      }
    }));
}

const CONDITIONS = {
  equal: (a: bigint, b: bigint) => a === b,
  less: (a: bigint, b: bigint) => a < b,
};

for (const [op, holds] of Object.entries(CONDITIONS)) {
  Deno.test(`${op} decides between two ways on`, () =>
    computes((p, expect) => {
      const random = randomWords(BigInt(op.length));
      for (const [a, b] of pairs(2n)) {
        const way = p.cell("way");
        p.when(
          op as builder.Condition,
          operand(p, a, random()),
          operand(p, b, random()),
          () => p.control("add", [1, 0], { result: way }),
          () => p.control("add", [2, 0], { result: way }),
        );
        expect(way, holds(a, b) ? 1 : 2, `${op} ${a} ${b}`);
      }
    }));
}

Deno.test("a condition that does not hold is no failure", () =>
  computes((p, expect) => {
    const [first, then]: [Label, Label] = [{}, {}];
    p.call("close", [-1], { fail: first });
    p.place(first);
    p.control("equal", [1, 2], { fail: then });
    p.place(then);
    expect(ERRNO, errnos.EBADF);
  }));

Deno.test("load8, load32 and load64 read at a + b, with zeros above", () =>
  computes((p, expect) => {
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
  }));

Deno.test("store8, store32 and store64 write at a + b, and nothing beside", () =>
  computes((p, expect) => {
    const random = randomWords(4n);
    const STORES = [["store8", 1], ["store32", 4], ["store64", 8]] as const;
    for (let i = 0; i < 300; i++) {
      const bytes = new Uint8Array(24).fill(0xa5);
      const cell = p.cell("bytes", 24, bytes.slice());
      const [op, size] = STORES[i % 3]!;
      const at = Number(random() % BigInt(25 - size));
      const value = random();
      const address = [{ addressOf: cell }, at];
      if (i % 2) address.reverse();
      p.control(op, [...address, operand(p, value, random())]);
      bytes.set(new Uint8Array(new BigUint64Array([value]).buffer).subarray(0, size), at);
      new BigUint64Array(bytes.buffer).forEach((word, j) =>
        expect(p.control("load64", [{ addressOf: cell }, 8 * j]), word, `${op} ${at}`)
      );
    }
  }));

Deno.test("decimal writes digits without leading zeros, and tells where they end", () =>
  computes((p, expect) => {
    const random = randomWords(5n);
    const tens = Array.from({ length: 20 }, (_, i) => 10n ** BigInt(i));
    const numbers = [...NUMBERS, ...tens, ...tens.map((ten) => ten - 1n)];
    for (const number of [...numbers, ...Array.from({ length: 100 }, random)]) {
      const text = p.cell("text", 24, new Uint8Array(24).fill(0xa5));
      const end = p.control("decimal", [operand(p, number, random()), { addressOf: text }]);
      const digits = `${number}`;
      expect(p.control("sub", [end, { addressOf: text }]), digits.length, digits);
      const bytes = new Uint8Array(24).fill(0xa5);
      bytes.set(encode(digits));
      new BigUint64Array(bytes.buffer).forEach((word, i) =>
        expect(p.control("load64", [{ addressOf: text }, 8 * i]), word, digits)
      );
    }
  }));

Deno.test("find tells the first string that begins with a word, as far as a mask goes", () =>
  computes((p, expect) => {
    const list = [
      "PATH",
      "PATHS=/no",
      "A=1",
      "PATH=/bin",
      "PATH=/usr/bin",
      "B=",
      "",
      "LONG=123456",
    ];
    const words = (text: string): [bigint, bigint] => {
      const bytes = encode(text.padEnd(8, "\0"));
      const word = new BigUint64Array(bytes.buffer)[0]!;
      return [word, (1n << BigInt(8 * Math.min(text.length, 8))) - 1n];
    };
    for (
      const name of ["PATH=", "PATH", "PATHS=", "A=", "B=", "C=", "PAT=", "LONG=123", "LONG=124"]
    ) {
      const found = list.find((text) => text.startsWith(name));
      const [word, mask] = words(name);
      const address = p.control("find", [{ list }, word, mask]);
      expect(p.control("sub", [address, found ?? 0]), 0, name);
    }
    expect(p.control("find", [{ list: [] }, 0, 0]), 0, "no string at all");
  }));

Deno.test("copy ends at a NUL, at the byte it is told, or at its limit", () =>
  computes((p, expect) => {
    const text = "/usr/bin:/bin";
    const bytes = encode(text);
    for (const stop of [":", "/", "b", "x", "\0"]) {
      for (const limit of [0, 1, 8, 9, 12, 13, 14, 100]) {
        const what = `copy ${stop} ${limit}`;
        const index = text.indexOf(stop);
        const size = Math.min(index < 0 ? text.length : index, limit);
        const copied = new Uint8Array(24).fill(0xa5);
        const to = p.cell("to", 24, copied.slice());
        expect(p.control("copy", [{ addressOf: to }, text, stop.charCodeAt(0), limit]), size, what);
        copied.set(bytes.subarray(0, size));
        new BigUint64Array(copied.buffer).forEach((word, i) =>
          expect(p.control("load64", [{ addressOf: to }, 8 * i]), word, what)
        );
      }
    }
  }));

Deno.test("every control operation has a test here", () => {
  const others = ["load8", "load32", "load64", "store8", "store32", "store64"];
  const tested = [...Object.keys(ARITHMETIC), ...Object.keys(CONDITIONS), ...others];
  assertEquals(
    CONTROL.filter((op) => !tested.includes(op)),
    ["find", "copy", "decimal", "raise"],
  );
});

Deno.test("a result may replace an operand, and steps may be repeated", () =>
  computes((p, expect) => {
    const [sum, i] = [p.cell("sum"), p.cell("i")];
    const again = p.here();
    p.control("add", [i, 1], { result: i });
    p.control("add", [sum, i], { result: sum });
    p.branch("less", i, 1000, again);
    expect(sum, 500_500);
  }));

/** The architecture of this host, with another system call under the name of one. */
function withCall(
  name: steps.CallName,
  number: Record<Architecture["name"], number>,
): Architecture {
  const arch = host();
  return { ...arch, syscalls: { ...arch.syscalls, [name]: number[arch.name] } };
}

Deno.test("all six arguments of a call are passed, as numbers and as cells", async () => {
  // No call of a plan has six, so another one gets the number of mmap(2).
  const arch = withCall("dup3", { x86_64: 9, aarch64: 222 });
  const file = `${scratch}/pages`;
  const pages = new Uint8Array(2 * PAGE);
  pages.set(encode("second"), PAGE);
  Deno.writeFileSync(file, pages);
  for (const cells of [0, 0b111111, 0b010101, 0b101010]) {
    const { code, stdout } = await runPlan((p) => {
      const fd = p.call("openat", [-100, file, 0, 0]);
      const args = [0, PAGE, denspace.PROT_READ, denspace.MAP_PRIVATE, fd, PAGE];
      const operands = args.map((arg, i) => cells >> i & 1 ? p.control("add", [arg, 0]) : arg);
      const memory = p.call("dup3", operands as [Operand, Operand, Operand]);
      p.call("write", [1, memory, 6]);
      p.call("exit_group", [0]);
    }, arch);
    assertEquals([code, new TextDecoder().decode(stdout)], [0, "second"]);
  }
});

// What is done about errors --------------------------------------------------

Deno.test("an accepted errno goes on as a success, with -errno as result", () =>
  computes((p, expect) => {
    expect(p.call("close", [-1], { accept: [errnos.EBADF] }), -errnos.EBADF);
    expect(p.call("chdir", ["/no/where"], { accept: [1, errnos.ENOENT, 63] }), -errnos.ENOENT);
    expect(p.call("chdir", ["x".repeat(5000)], { accept: [errnos.ENAMETOOLONG] }), -36);
    expect(p.call("chdir", ["/"], { accept: [errnos.ENOENT] }), 0);
  }));

Deno.test("an errno that is not accepted is a failure", async () => {
  const { code, stderr } = await runPlan((p) => {
    p.call("close", [-1], { accept: [errnos.EBADF - 1, errnos.EBADF + 1], message: "no" });
    p.call("exit_group", [0]);
  });
  assertEquals([code, stderr], [1, "test: no: Bad file descriptor\n"]);
});

Deno.test("an errno above 63 is not taken for one that is accepted", async () => {
  // shutdown(2) of no socket: ENOTSOCK is 88, and 88 - 64 is accepted
  const arch = withCall("close", { x86_64: 48, aarch64: 210 });
  const { code, stderr } = await runPlan((p) => {
    p.call("close", [0], { accept: [88 - 64, 88 - 32] });
    p.call("exit_group", [0]);
  }, arch);
  assertEquals([code, stderr], [1, "test: close: Socket operation on non-socket\n"]);
});

Deno.test("a step with a way around its failure goes there, and its errno is known", () =>
  computes((p, expect) => {
    const failed: Label = {};
    const reached = p.cell("reached");
    const result = p.call("chdir", ["/no/where"], { fail: failed });
    p.control("add", [1, 0], { result: reached });
    p.place(failed);
    expect(reached, 0);
    expect(result, -errnos.ENOENT);
    expect(ERRNO, errnos.ENOENT);
  }));

Deno.test("raise fails as a call does, whatever the number", () =>
  computes((p, expect) => {
    for (const errno of [0, 1, 63, 64, 133, 134, 4095, 4096]) {
      const failed: Label = {};
      p.control("raise", [p.control("add", [errno, 0])], { fail: failed, accept: [errno % 64] });
      p.place(failed);
      expect(ERRNO, errno);
    }
  }));

const libc = Deno.dlopen("libc.so.6", { strerror: { parameters: ["i32"], result: "pointer" } });
Deno.test.afterAll(() => libc.close());

function strerror(errno: number): string {
  return Deno.UnsafePointerView.getCString(libc.symbols.strerror(errno)!);
}

Deno.test("a failure is reported with the text that strerror has", async () => {
  for (let errno = 0; errno <= 133; errno++) {
    const { code, stderr } = await runPlan((p) => p.control("raise", [errno], { message: "what" }));
    assertEquals([code, stderr], [1, `test: what: ${strerror(errno)}\n`]);
  }
});

Deno.test("a failure with an errno that nobody knows is reported all the same", async () => {
  for (const errno of [134, 200, 4095, 2 ** 31, -1]) {
    const { code, stderr } = await runPlan((p) => p.control("raise", [errno]));
    assertEquals([code, stderr], [1, "test: raise: Unknown error\n"]);
  }
});

Deno.test("a report ends with the string that the message is about", async () => {
  const program = plan("test", (p) => {
    const subject = p.control("load64", [argument(p, 1), 0]);
    p.call("chdir", [subject], { message: "cannot enter ", subject, status: 7 });
    p.call("exit_group", [0]);
  });
  const file = emit(program);
  for (const subject of ["/no/where", "", "/ü", "/" + "x".repeat(255), "/n".repeat(2000)]) {
    const { code, stderr } = await run(file, [subject]);
    const said = new TextDecoder().decode(Uint8Array.from(stderr, (char) => char.charCodeAt(0)));
    assertEquals([code, said], [7, `test: cannot enter ${subject}: No such file or directory\n`]);
  }
});

Deno.test("a failure ends the program with the status of its step", async () => {
  for (const status of [0, 1, 2, 126, 127, 255]) {
    const { code } = await runPlan((p) => p.control("raise", [1], { status }));
    assertEquals(code, status);
  }
});

Deno.test("a failure that can't be reported ends the program all the same", async () => {
  const file = emit(plan("test", (p) => p.control("raise", [1], { status: 42 })));
  for (const redirection of ["2>&-", "2>/dev/full", "2</dev/null"]) {
    const { code } = await run("/bin/sh", ["-c", `exec "$0" ${redirection}`, file]);
    assertEquals(code, 42, redirection);
  }
});

// The executable -------------------------------------------------------------

interface Segment {
  type: number;
  flags: number;
  offset: number;
  address: number;
  fileSize: number;
  size: number;
  align: number;
}

/** Reads the headers of an executable, see elf(5). */
function readElf(bytes: Uint8Array<ArrayBuffer>): { entry: number; segments: Segment[] } {
  const view = new DataView(bytes.buffer);
  const u64 = (at: number) => Number(view.getBigUint64(at, true));
  assertEquals([...bytes.subarray(0, 7)], [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  const [entry, table] = [u64(24), u64(32)];
  assertEquals([view.getUint16(16, true), view.getUint16(18, true)], [2, host().machine]);
  const segments = Array.from({ length: view.getUint16(56, true) }, (_, i): Segment => {
    const at = table + i * view.getUint16(54, true);
    return {
      type: view.getUint32(at, true),
      flags: view.getUint32(at + 4, true),
      offset: u64(at + 8),
      address: u64(at + 16),
      fileSize: u64(at + 32),
      size: u64(at + 40),
      align: u64(at + 48),
    };
  });
  return { entry, segments };
}

const [PT_LOAD, PT_GNU_STACK] = [1, 0x6474e551];
const [X, W, R] = [1, 2, 4];
/** A plan with this much to read, to write and to write that is zero at the start; it exits with 0. */
function planOfSize(constant: number, initial: number, zero: number): Plan {
  return plan("size", (p) => {
    const wrong: Label = {};
    const filled = p.cell("filled", initial, new Uint8Array(initial).fill(1));
    const empty = p.cell("empty", zero);
    const bytes = new Uint8Array(constant).fill(2);
    for (
      const [address, size, value] of [[bytes, constant, 2], [empty, zero, 0], [
        filled,
        initial,
        1,
      ]] as const
    ) {
      if (size === 0) continue;
      const start = address instanceof Uint8Array ? address : { addressOf: address };
      for (const at of [0, size - 1]) {
        p.control("equal", [p.control("load8", [start, at]), value], { fail: wrong });
      }
    }
    p.call("exit_group", [0]);
    p.place(wrong);
    p.call("exit_group", [1]);
  });
}

const SIZES: [constant: number, initial: number, zero: number][] = [
  [0, 0, 0],
  [1, 1, 1],
  [0, 0, 1 << 20],
  ...[4096, PAGE, 2 * PAGE].flatMap((size) =>
    [-800, -400, -8, 0, 8].flatMap((more): typeof SIZES => [
      [size + more, 8, 8],
      [8, size + more, 8],
      [8, 8, size + more],
    ])
  ),
  [3 * PAGE, 3 * PAGE, 3 * PAGE],
];

Deno.test("an executable has a segment to run and one to write, on pages of their own", () => {
  for (const size of SIZES) {
    const file = elf(reporting(planOfSize(...size)), host()) as Uint8Array<ArrayBuffer>;
    const { entry, segments } = readElf(file);
    assertEquals(segments.map(({ type, flags }) => [type, flags]), [
      [PT_LOAD, R | X],
      [PT_LOAD, R | W],
      [PT_GNU_STACK, R | W],
    ]);
    const [code, data] = segments as [Segment, Segment];
    for (const { offset, address, align, fileSize, size } of [code, data]) {
      assertEquals(align, PAGE);
      assertEquals(address % align, offset % align);
      assert(offset + fileSize <= file.length && fileSize <= size);
    }
    const pages = ({ address, size }: Segment): [number, number] => [
      Math.floor(address / PAGE),
      Math.ceil((address + size) / PAGE),
    ];
    assert(pages(code)[1] <= pages(data)[0], `${size}`);
    assert(entry >= code.address && entry < code.address + code.fileSize);
  }
});

Deno.test("an executable runs, whatever the sizes of its parts", async () => {
  for (const size of SIZES) {
    const { code, stderr } = await run(emit(planOfSize(...size)));
    assertEquals([code, stderr], [0, ""], `${size}`);
  }
});

testUnless(missing("readelf"), "readelf reads the same of an executable", async () => {
  const { stdout, stderr } = await run("readelf", ["-hlW", emit(planOfSize(10, 10, 10))], {
    env: { LC_ALL: "C" },
  });
  assertEquals(stderr, "");
  const text = new TextDecoder().decode(stdout);
  assertMatch(text, /Type: +EXEC/);
  const flags = [...text.matchAll(/^ +(LOAD|GNU_STACK) .* ([R ][W ][E ]) 0x[0-9a-f]+$/gm)];
  assertEquals(flags.map(([, type, flags]) => [type, flags]), [
    ["LOAD", "R E"],
    ["LOAD", "RW "],
    ["GNU_STACK", "RW "],
  ]);
});

Deno.test("nothing of a running executable is both writable and executable", async () => {
  const { stdout } = await runPlan((p) => {
    const fd = p.call("openat", [-100, "/proc/self/maps", 0, 0]);
    const maps = p.cell("maps", 8192);
    p.call("write", [1, { addressOf: maps }, p.call("read", [fd, { addressOf: maps }, 8192])]);
    p.call("exit_group", [0]);
  });
  const rights = [...new TextDecoder().decode(stdout).matchAll(/^\S+ (\S{4}) /gm)].map(([, r]) =>
    r!
  );
  assert(rights.length >= 3, `${rights}`);
  assertEquals(rights.filter((right) => right.includes("w") && right.includes("x")), []);
});

// The builder and the layout -------------------------------------------------

const layOut = (program: Plan, code = 0x10000, data = 0x20000) =>
  layout(program, host(), code, data);

const BROKEN: Record<string, (p: Builder) => void> = {
  "a jump to a label that is never placed": (p) => p.jump({}),
  "a way on that is never placed": (p) => p.call("getpid", [], { next: {} }),
  "a way around that is never placed": (p) => p.call("getpid", [], { fail: {} }),
  "nothing behind its last call": (p) => p.call("getpid", []),
  "nothing behind its last condition": (p) =>
    p.when("equal", 0, 0, () => p.call("exit_group", [0])),
  "a condition that has no other way on": (p) => {
    p.control("equal", [0, 1]);
    p.call("exit_group", [0]);
  },
};

for (const [what, write] of Object.entries(BROKEN)) {
  Deno.test(`a plan with ${what} throws`, () => {
    assertThrows(() => layOut(reporting(plan("nowhere", write))), Error, "leads nowhere");
  });
}

Deno.test("an errno above 63 can't be accepted", () => {
  const accepting = (errno: number) =>
    reporting(plan("accept", (p) => {
      p.call("getpid", [], { accept: [errno] });
      p.call("exit_group", [0]);
    }));
  layOut(accepting(63));
  assertThrows(() => layOut(accepting(64)), Error, "64 can't be accepted");
});

/** A plan that has something of everything. */
function motley(): Plan {
  return reporting(plan("motley", (p) => {
    const cell = p.cell("cell", 24, ["text", { list: ["a", new Uint8Array(3)] }, -1]);
    p.call("write", [1, { addressOf: cell, offset: 8 }, 1n << 63n], {
      message: "no",
      subject: cell,
    });
    p.when("less", cell, 7, () => p.call("getpid", []), () => p.control("raise", [1]));
    execvp(p, "true", argument(p, 0), environment(p));
  }));
}

Deno.test("the same plan is laid out as the same bytes", () => {
  assertEquals(layOut(motley()), layOut(motley()));
  assertEquals(elf(motley(), host()), elf(motley(), host()));
});

Deno.test("a layout for another address differs in addresses only", () => {
  const [code, data] = [0x10000, 0x900000];
  const [codeMove, dataMove] = [0x7f00_0000_0000, 0x5500_0000_1000];
  const before = layOut(motley(), code, data);
  const after = layOut(motley(), code + codeMove, data + dataMove);
  const words = (bytes: Uint8Array): BigInt64Array =>
    new BigInt64Array(bytes.slice(0, bytes.length & ~7).buffer);
  const moves = new Set<number>();
  for (const part of ["code", "data"] as const) {
    assertEquals(before[part].length, after[part].length);
    const moved = words(after[part]);
    words(before[part]).forEach((word, i) => moves.add(Number(moved[i]! - word)));
  }
  assertEquals([...moves].sort((a, b) => a - b), [0, dataMove, codeMove]);
  assertEquals(after.steps, before.steps.map((address) => address + codeMove));
});

// Finding programs -----------------------------------------------------------

const [HERE, NOWHERE] = [`${scratch}/here`, `${scratch}/nowhere`];
const LONG = "n".repeat(255);

/** Files by path: the text of a program, or what makes something else there. */
const FILES: Record<string, string | ((path: string) => void)> = {
  "here/prog": '#!/bin/sh\nprintf \'<%s>\' here "$0" "$@"',
  "nowhere": Deno.mkdirSync,
  "good/prog": '#!/bin/sh\nprintf \'<%s>\' good "$0" "$@"',
  "other/prog": "#!/bin/sh\necho other; exit 3",
  [`good/${LONG}`]: "#!/bin/sh\necho long",
  "plain/prog": "#!/bin/sh\necho never",
  "script/prog": 'printf \'<%s>\' script "$0" "$@"',
  "empty/prog": "",
  "interpreter/prog": "#!/no/such/interpreter\n",
  "directory/prog": Deno.mkdirSync,
  "dangling/prog": (path) => Deno.symlinkSync("no-such-file", path),
  "loop/prog": (path) => Deno.symlinkSync("prog", path),
  "busy/prog": "#!/bin/sh\necho never",
  "file": "not a directory",
};

let made = false;

function makeFiles(): void {
  if (made) return;
  made = true;
  for (const [name, content] of Object.entries(FILES)) {
    const path = `${scratch}/${name}`;
    Deno.mkdirSync(join(path, ".."), { recursive: true });
    if (typeof content === "string") {
      Deno.writeTextFileSync(path, content, { mode: name.startsWith("plain") ? 0o644 : 0o755 });
    } else content(path);
  }
  const raw = denspace.open(
    `${scratch}/good/caf\udce9`,
    denspace.O_WRONLY | denspace.O_CREAT | denspace.O_CLOEXEC,
    0o755,
  );
  denspace.write(raw, "#!/bin/sh\necho raw bytes");
  denspace.close(raw);
}

/** The directory `good`, by a name with this many bytes. */
function goodBySize(size: number): string {
  const directory = `${scratch}/good`;
  return directory + "/.".repeat((size - directory.length) >> 1) +
    ((size - directory.length) % 2 ? "/" : "");
}

/** Values of PATH in which `good` has a name with this many bytes. */
function withGood(size: number): string[] {
  return [`${goodBySize(size)}:{}/other`, `{}/missing:${goodBySize(size)}:`];
}

/** More bytes than a path can have. */
const TOO_LONG = [4096, 4097, 4098, 5000, 8192, 8193, 10_000];

/** Values of PATH, `{}` being the scratch directory; null: there is none. */
const PATHS: (string | null)[] = [
  null,
  "",
  ":",
  "{}/good",
  "{}/missing:{}/good:{}/other",
  "{}/other:{}/good",
  "{}/good:",
  ":{}/good",
  "{}/missing::{}/good",
  "{}/missing:",
  "{}/missing",
  "good",
  "../good",
  "{}/plain:{}/good",
  "{}/plain",
  "{}/plain:{}/missing",
  "{}/missing:{}/plain:{}/file",
  "{}/directory:{}/good",
  "{}/directory",
  "{}/file:{}/good",
  "{}/file",
  "{}/dangling:{}/good",
  "{}/interpreter:{}/good",
  "{}/interpreter",
  "{}/loop:{}/good",
  "{}/loop",
  "{}/busy:{}/good",
  "{}/script:{}/good",
  "{}/missing:{}/script",
  "{}/empty:{}/good",
  ...[4089, 4090, 4091, 4092, 4094, 4095].flatMap((size) => withGood(size)),
];

interface Search {
  name: string;
  path: string | null;
  cwd: string;
  /** What gives the tool its name, for one that Deno can't. */
  shell?: string;
}

const SEARCHES: Search[] = [
  ...PATHS.flatMap((path) =>
    ["here", "nowhere"].map((cwd) => ({ name: "prog", path, cwd: `${scratch}/${cwd}` }))
  ),
  // Behind these execvp(3) looks into the working directory, which nobody asked for.
  ...TOO_LONG.flatMap(withGood).map((path) => ({ name: "prog", path, cwd: NOWHERE })),
  ...[
    "",
    "./prog",
    "../good/prog",
    "/no/where",
    "../script/prog",
    "../plain/prog",
    "../directory/prog",
    "../file/prog",
    "../loop/prog",
    "../empty/prog",
    "../busy/prog",
    "../interpreter/prog",
    "/",
    "./",
    ".",
    "..",
    LONG,
    LONG + "n",
    "n".repeat(5000),
    "/" + "n".repeat(5000),
    "missing",
    "ü",
    "%s%n",
  ].map((name) => ({ name, path: "{}/good:{}/other", cwd: HERE })),
  ...["caf\udce9", "caf\udcea", "./caf\udce9"].map((name) => ({
    name,
    path: "{}/good:{}/other",
    cwd: HERE,
    shell: `exec "$0" -- "$(printf '${
      [...encode(name)].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("")
    }')" "$@"`,
  })),
];

async function search(tool: string, { name, path, cwd, shell }: Search): Promise<Outcome> {
  const rest = ["one", "", "two words"];
  const [file, args] = shell === undefined
    ? [tool, ["--", name, ...rest]]
    : ["/bin/sh", ["-c", shell, tool, ...rest]];
  return await run(file, args, {
    cwd,
    clearEnv: true,
    env: {
      A: "1",
      PATHS: "/no",
      LC_ALL: "C",
      ...(path !== null && { PATH: path.replaceAll("{}", scratch) }),
    },
  });
}

const UNSHARE = "/usr/bin/unshare";

testUnless(
  missing(UNSHARE),
  "a program is found, run or missed as execvp(3) does it for unshare(1)",
  async () => {
    makeFiles();
    using _busy = Deno.openSync(`${scratch}/busy/prog`, { write: true });
    const kinds = new Set<string>();
    for (const each of SEARCHES) {
      const program = plan("unshare", (p) => execvp(p, each.name, argument(p, 2), environment(p)));
      const text = ({ code, stdout, stderr }: Outcome): string =>
        `${code}: ${new TextDecoder().decode(stdout)}${stderr}`;
      const expected = text(await search(UNSHARE, each));
      assertEquals(text(await search(emit(program), each)), expected, JSON.stringify(each));
      kinds.add(expected.replace(/: unshare:.*: /, ": "));
    }
    // The comparison has seen all that it is about.
    for (
      const kind of [
        `0: <good><${scratch}/good/prog><one><><two words>`,
        "0: <here><prog><one><><two words>",
        `0: <script><${scratch}/script/prog><one><><two words>`,
        "0: <script><../script/prog><one><><two words>",
        "0: ",
        "0: long\n",
        "0: raw bytes\n",
        "3: other\n",
        "126: Permission denied\n",
        "126: File name too long\n",
        "126: Text file busy\n",
        "126: Too many levels of symbolic links\n",
        "126: Not a directory\n",
        "127: No such file or directory\n",
      ]
    ) assert(kinds.has(kind), `${kind} in ${[...kinds].join("\n")}`);
  },
);

Deno.test("a directory of PATH that is too long for the kernel is skipped as a whole", async () => {
  makeFiles();
  const program = emit(
    plan("unshare", (p) => execvp(p, "prog", argument(p, 2), environment(p))),
  );
  for (const path of TOO_LONG.map((size) => withGood(size)[0]!)) {
    const { code, stdout } = await search(program, { name: "prog", path, cwd: HERE });
    assertEquals([code, new TextDecoder().decode(stdout)], [3, "other\n"], `${path.length}`);
  }
});

// Clones, each in a Deno of its own --------------------------------------------

const MODULES = ["plan/builder", "plan/clone", "plan/execvp", "plan/stack"];
type Api =
  & typeof denspace
  & typeof builder
  & typeof cloning
  & typeof searching
  & typeof stacks;

/** What a body, which sees its parameters and globals only, writes to standard output. */
async function outputOf<A extends unknown[]>(
  body: (api: Api, ...args: A) => unknown,
  ...args: A
): Promise<string> {
  const file = `${scratch}/body-${emitted++}.ts`;
  const imports = ["mod.ts", ...MODULES.map((name) => `ffi/${name}.ts`)]
    .map((path, i) =>
      `import * as m${i} from ${JSON.stringify(new URL(`../${path}`, import.meta.url))};`
    );
  const names = imports.map((_, i) => `...m${i}`).join(", ");
  Deno.writeTextFileSync(
    file,
    `${imports.join("\n")}
    const result = await (${body})({ ${names} }, ...${JSON.stringify(args)});
    if (result !== undefined) console.log(JSON.stringify(result));`,
  );
  const { code, stdout, stderr } = await run(
    Deno.execPath(),
    ["run", "--no-check", "-A", "--config", join(PROJECT, "deno.json"), file],
    { env: { NO_COLOR: "1", PATH: "/usr/bin:/bin" } },
  );
  assertEquals(code, 0, stderr);
  return new TextDecoder().decode(stdout);
}

/** What a body returns, as far as JSON has it. */
async function inDeno<A extends unknown[], R>(
  body: (api: Api, ...args: A) => R,
  ...args: A
): Promise<Awaited<R>> {
  return JSON.parse(await outputOf(body, ...args));
}

Deno.test("clone runs a program with the arguments given, and tells how it ended", async () => {
  const output = await outputOf((api) => {
    const run = api.plan("run", (p) => {
      api.execvp(p, "sh", api.argument(p, 0), api.environment(p));
    });
    const script = 'printf "<%s>" "$0" "$@" "$DENSPACE"; exit 7';
    Deno.env.set("DENSPACE", "set by Deno");
    const child = api.clone(run, { argv: ["sh", "-c", script, "ü", "", "a b"] });
    const { pid, code, status } = child.wait();
    return [pid === child.pid, code, status];
  });
  assertEquals(output, `<ü><><a b><set by Deno>[true,"exited",7]\n`);
});

Deno.test("clone gives a child that was killed by a signal", async () => {
  const { code, status } = await inDeno((api) => {
    const program = api.plan("end", (p) => {
      p.call("kill", [p.call("getpid", []), 9]);
      p.call("exit_group", [0]);
    });
    return api.clone(program).wait();
  });
  assertEquals([code, status], ["killed", 9]);
});

Deno.test("clone throws the failure of a step, and leaves no zombie", async () => {
  const failures = await inDeno((api) => {
    const attempt = (fn: () => unknown): unknown => {
      try {
        return fn();
      } catch (error) {
        if (!(error instanceof api.SyscallError)) throw error;
        const { message, syscall, code, step } = error;
        return { message, syscall, code, step };
      }
    };
    const program = (write: (p: builder.Builder) => void) => () =>
      api.clone(api.plan("child", write));
    const children = () => attempt(() => api.waitid(api.P_ALL, 0, api.WEXITED | api.WNOHANG));
    return [
      program((p) => p.call("chdir", ["/no/where"], { message: "cannot enter it" })),
      program((p) => p.call("sethostname", ["x".repeat(65), 65])),
      program((p) => api.execvp(p, "no-such-program", api.argument(p, 0), api.environment(p))),
      program((p) => p.control("raise", [13], { message: "refused" })),
      () => api.clone(api.plan("child", (p) => p.call("exit_group", [0])), { flags: 0x10000 }),
    ].map((fn) => [attempt(fn), children()]);
  });
  const ECHILD = {
    message: "waitid: No child processes",
    syscall: "waitid",
    code: "ECHILD",
  };
  const hostName = isRoot ? ["EINVAL", "Invalid argument"] : ["EPERM", "Operation not permitted"];
  assertEquals(failures as unknown, [
    [{
      message: "cannot enter it: No such file or directory",
      syscall: "chdir",
      code: "ENOENT",
      step: "cannot enter it",
    }, ECHILD],
    [{
      message: `sethostname: ${hostName[1]}`,
      syscall: "sethostname",
      code: hostName[0],
    }, ECHILD],
    [{
      message: "failed to execute no-such-program: No such file or directory",
      syscall: "execve",
      code: "ENOENT",
      step: "failed to execute no-such-program",
    }, ECHILD],
    [
      { message: "refused: Permission denied", syscall: "execve", code: "EACCES", step: "refused" },
      ECHILD,
    ],
    [{ message: "clone: Invalid argument", syscall: "clone", code: "EINVAL" }, ECHILD],
  ]);
});

Deno.test("a child has the caller's signal mask and ignored signals, but SIGPIPE has its default", async () => {
  const output = await outputOf((api) => {
    Deno.addSignalListener("SIGUSR1", () => {});
    const status = (): unknown =>
      new TextDecoder().decode(api.readFile("/proc/self/status")).match(/^Sig(Ign|Cgt).*/gm);
    api.signal("SIGQUIT", api.SIG_IGN);
    api.sigmask(api.SIG_BLOCK, 1n << BigInt(api.SIGNALS.SIGUSR2 - 1));
    const before = [status(), `${api.sigmask(api.SIG_BLOCK, null)}`];
    const sed = api.plan("sed", (p) => {
      api.execvp(p, "sed", api.argument(p, 0), api.environment(p));
    });
    api.clone(sed, { argv: ["sed", "-nE", "/^Sig(Blk|Ign|Cgt)/p", "/proc/self/status"] }).wait();
    const after = [status(), `${api.sigmask(api.SIG_BLOCK, null)}`];
    Deno.exit(JSON.stringify(before) === JSON.stringify(after) ? 0 : 1);
  });
  const set = (...signals: number[]): string =>
    signals.reduce((set, signal) => set | 1n << BigInt(signal - 1), 0n).toString(16).padStart(
      16,
      "0",
    );
  const { SIGUSR2, SIGQUIT } = denspace.SIGNALS;
  assertEquals(output, `SigBlk:\t${set(SIGUSR2)}\nSigIgn:\t${set(SIGQUIT)}\nSigCgt:\t${set()}\n`);
});

Deno.test("a signal to a child does by default what it does, and runs nothing of Deno", async () => {
  const result = await inDeno(async (api) => {
    let received = 0;
    Deno.addSignalListener("SIGUSR1", () => received++);
    const program = api.plan("signalled", (p) => {
      p.call("kill", [p.call("getpid", []), api.SIGNALS.SIGUSR1]);
      p.call("exit_group", [0]);
    });
    const ends = Array.from({ length: 20 }, () => api.clone(program).wait());
    await new Promise((resolve) => setTimeout(resolve, 50));
    const received1 = received;
    api.kill(Deno.pid, "SIGUSR1");
    await new Promise((resolve) => setTimeout(resolve, 50));
    return [[...new Set(ends.map(({ code, status }) => `${code} ${status}`))], received1, received];
  });
  assertEquals(result, [[`killed ${denspace.SIGNALS.SIGUSR1}`], 0, 1]);
});

Deno.test("signals to the parent don't disturb its children", async () => {
  const { ends, received } = await inDeno(async (api) => {
    let received = 0;
    Deno.addSignalListener("SIGUSR1", () => received++);
    const storm = new Deno.Command("sh", {
      // Without a pause Deno would do nothing but handle signals.
      args: [
        "-c",
        'while kill -USR1 "$@"; do sleep 0; done',
        "sh",
        ...Array(9).fill(`${Deno.pid}`),
      ],
      stderr: "null",
    }).spawn();
    while (received === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    const program = api.plan("true", (p) => {
      api.execvp(p, "true", api.argument(p, 0), api.environment(p));
    });
    const ends = [];
    for (let i = 0; i < 300; i++) {
      const { code, status } = api.clone(program).wait();
      ends.push(`${code} ${status}`);
      if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve));
    }
    storm.kill("SIGKILL");
    await storm.status;
    return { ends: [...new Set(ends)], received };
  });
  assertEquals(ends, ["exited 0"]);
  assert(received > 10, `${received}`);
});

Deno.test("a signal that meets a child before it runs its program runs nothing of Deno", async () => {
  const received = await inDeno(async (api) => {
    let received = 0;
    Deno.addSignalListener("SIGUSR1", () => received++);
    // Shoots at every child of Deno, itself included, as soon as it is there.
    const script = `trap "" USR1
      cd /proc/$0/task/$0 && echo ready
      while [ -e children ]; do read -r all <children; kill -USR1 $all; done`;
    const shots = new Deno.Command("sh", {
      args: ["-c", script, `${Deno.pid}`],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    await shots.stdout.getReader().read();
    const program = api.plan("true", (p) => {
      api.execvp(p, "true", api.argument(p, 0), api.environment(p));
    });
    for (let killed = 0; killed < 100;) {
      if (api.clone(program).wait().code === "killed") killed++;
    }
    shots.kill("SIGKILL");
    await shots.status;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return received;
  });
  assertEquals(received, 0);
});

Deno.test("clone leaves no memory and no descriptor behind", async () => {
  const { maps, files } = await inDeno((api) => {
    const good = api.plan("good", (p) => p.call("exit_group", [0]));
    const bad = api.plan("bad", (p) => p.control("raise", [1]));
    const clone = (count: number): void => {
      for (let i = 0; i < count; i++) {
        api.clone(good).wait();
        try {
          api.clone(bad);
        } catch {
          // That it throws is what is wanted.
        }
      }
    };
    const lines = (): number =>
      new TextDecoder().decode(api.readFile("/proc/self/maps")).split("\n").length;
    const descriptors = (): number => [...Deno.readDirSync("/proc/self/fd")].length;
    clone(20);
    const [maps, files] = [lines(), descriptors()];
    clone(250);
    return { maps: lines() - maps, files: descriptors() - files };
  });
  assert(Math.abs(maps) < 50, `${maps} mappings more`);
  assertEquals(files, 0);
});

testUnless(
  isRoot ? missing("hostname") : "needs root",
  "the classic first program: a child has a host name of its own",
  async () => {
    const before = Deno.hostname();
    const { code, stdout, stderr } = await run(Deno.execPath(), [
      "run",
      "--allow-ffi",
      fromFileUrl(new URL("classic_first_program.ts", import.meta.url)),
      "-c",
      "hostname",
    ]);
    assertEquals(
      [new TextDecoder().decode(stdout), code],
      ["in child process!\nchanged name\nquit\n", 0],
      stderr,
    );
    assertEquals(Deno.hostname(), before);
  },
);
