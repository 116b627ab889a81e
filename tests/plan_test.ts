import { encode } from "../ffi/bytes.ts";
import { type Builder, plan } from "../ffi/plan/builder.ts";
import { elf } from "../ffi/plan/elf.ts";
import { execvp } from "../ffi/plan/execvp.ts";
import { host } from "../ffi/plan/host.ts";
import { layout } from "../ffi/plan/layout.ts";
import { reporting } from "../ffi/plan/report.ts";
import { argument, environment } from "../ffi/plan/stack.ts";
import type { Label, Plan } from "../ffi/plan/step.ts";
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
import { CALLS, OPERATIONS, STEPS, untested } from "./plan_vectors.ts";

const TIMEOUT = 60_000;
/** The largest page there is. */
const PAGE = 0x10000;
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
function emit(program: Plan): string {
  const path = `${scratch}/plan-${emitted++}`;
  Deno.writeFileSync(path, elf(reporting(program), host()), { mode: 0o755 });
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
function runPlan(write: (p: Builder) => void): Promise<Outcome> {
  return run(emit(plan("test", write)));
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

for (const [name, vector] of Object.entries({ ...OPERATIONS, ...STEPS })) {
  Deno.test(name, () => vector({ arch: host(), via: [] }));
}

for (const [name, vector] of Object.entries(CALLS)) {
  testUnless(
    missing(`${host().name}-linux-gnu-gcc`),
    name,
    () => vector({ arch: host(), via: [] }),
  );
}

Deno.test("every control operation has a vector", () => assertEquals(untested(), []));

// Failures -------------------------------------------------------------------

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

Deno.test("a failure that can't be reported ends the program all the same", async () => {
  const file = emit(plan("test", (p) => p.control("raise", [1], { status: 42 })));
  for (const redirection of ["2>&-", "2>/dev/full", "2</dev/null"]) {
    const { code } = await run("/bin/sh", ["-c", `exec "$0" ${redirection}`, file]);
    assertEquals(code, 42, redirection);
  }
});

Deno.test("a guard undoes what was done before a failure, from the inside out", async () => {
  const say = (p: Builder, text: string) => p.call("write", [1, text, text.length]);
  const guarded = (fails: string) => (p: Builder) => {
    const step = (name: string) => {
      if (name === fails) p.control("raise", [2], { message: name });
      else say(p, `${name} `);
    };
    p.guard(() => {
      step("a");
      p.guard(() => step("b"), () => {
        p.call("close", [-1], { accept: [9] });
        step("-b");
      });
      step("c");
    }, () => step("-a"));
    say(p, "d");
    p.call("exit_group", [0]);
  };
  const error = (name: string) => `test: ${name}: No such file or directory\n`;
  for (
    const [fails, said, status] of [
      ["", "a b c d", 0],
      ["a", "-a ", 1],
      ["b", "a -b -a ", 1],
      ["c", "a b -a ", 1],
    ] as const
  ) {
    const { code, stdout, stderr } = await runPlan(guarded(fails));
    assertEquals([new TextDecoder().decode(stdout), stderr, code], [
      said,
      fails && error(fails),
      status,
    ], fails);
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
    assertThrows(() => layOut(reporting(plan("nowhere", write))), TypeError, "leads nowhere");
  });
}

Deno.test("a plan with what is none for C is refused", () => {
  const wrong: [call: string, args: unknown[], said: string][] = [
    ["nosuch", [], "plan wrong: there is no call nosuch"],
    ["close", [{}], "is no argument"],
    ["chdir", ["/a\0b"], "must not contain NUL"],
    ["execve", ["/a", { list: ["a\0b"] }, 0], "must not contain NUL"],
  ];
  for (const [call, args, said] of wrong) {
    const program = reporting(plan("wrong", (p) => {
      p.call(call as "close", args as [number]);
      p.call("exit_group", [0]);
    }));
    assertThrows(() => layOut(program), TypeError, said);
  }
});

Deno.test("eight bytes can be read where the last text of a plan is", () => {
  const { code } = layOut(reporting(plan("texts", (p) => {
    p.cell("texts", 8, ["the last"]);
    p.cell("texts", 8, ["!"]);
    p.call("exit_group", [0]);
  })));
  const at = new TextDecoder("latin1").decode(code).indexOf("the last\0!\0");
  assert(at > 0 && code.length >= at + 9 + 8, `${code.length - at}`);
});

Deno.test("an errno above 63 can't be accepted", () => {
  const accepting = (errno: number) =>
    reporting(plan("accept", (p) => {
      p.call("getpid", [], { accept: [errno] });
      p.call("exit_group", [0]);
    }));
  layOut(accepting(63));
  assertThrows(() => layOut(accepting(64)), RangeError, "64 can't be accepted");
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

testUnless(
  missing("hostname"),
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
