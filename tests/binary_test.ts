/**
 * The program as one binary: what it does by itself, and all that the tools do.
 * Deno's runtime is fetched from npm once, see the script that compiles.
 */
import { compile, NPM_NOTICE, npmToolchain, type Toolchain } from "../scripts/compile.ts";
import { assert, assertEquals, assertMatch, dirname, fromFileUrl, join } from "../scripts/std.ts";
import { ANY_BYTES, NO_PROC } from "./under_test.ts";
import { find } from "./processes.ts";

const PROJECT = dirname(dirname(fromFileUrl(import.meta.url)));

// The runtime is fetched first, since it depends on npm which tests there are.
const toolchain: Toolchain | string = await npmToolchain().catch((error) => error.message);

/** What a test may need of the host, besides commands. */
const PROBES: Record<string, () => boolean> = {
  root: () => Deno.uid() === 0,
  "user namespaces": () =>
    new Deno.Command("unshare", { args: ["-Ur", "true"], stderr: "null" }).outputSync().success,
};

/** Registers a test that is ignored where there is no binary, or what else it needs. */
function test(name: string, needs: readonly string[], fn: () => Promise<void>): void {
  const missing = typeof toolchain === "string"
    ? toolchain
    : ["unshare", "user namespaces", ...needs].find((need) => !(PROBES[need]?.() ?? find(need)));
  Deno.test({
    name: name + (missing ? ` (needs ${missing})` : ""),
    ignore: missing !== undefined,
    fn,
  });
}

// The binary -----------------------------------------------------------------

let directory: string | undefined;
let made: Promise<string> | undefined;

/** A directory that everybody may look into. */
function scratch(): string {
  if (!directory) {
    directory = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "denspace-binary-" }));
    Deno.chmodSync(directory, 0o755);
  }
  return directory;
}

function newDirectory(): string {
  const path = Deno.makeTempDirSync({ dir: scratch() });
  Deno.chmodSync(path, 0o755);
  return path;
}

/** The path of the binary, made when it is first asked for. */
function binary(): Promise<string> {
  return made ??= make();
}

async function make(): Promise<string> {
  const output = join(scratch(), "denspace");
  const { code, stdout, stderr } = await run(
    ...[Deno.execPath(), "run", "-A", join(PROJECT, "scripts/compile.ts")],
    ...["--runtime=npm", "--output", output],
  );
  assertEquals([code, stderr], [0, ""]);
  const { stdout: sum } = await run("sha256sum", output);
  const { size } = Deno.statSync(output);
  const what = `${output}: ${size} bytes, for ${Deno.build.arch}`;
  assertEquals(stdout, `${NPM_NOTICE}\n${what}\nSHA-256 ${sum.split(" ")[0]}\n`);
  return output;
}

/** A directory with the links that the binary makes. */
async function links(): Promise<string> {
  const path = newDirectory();
  assertEquals(await run(await binary(), "link", path), { code: 0, stdout: "", stderr: "" });
  return path;
}

Deno.test.afterAll(() => {
  if (directory) Deno.removeSync(directory, { recursive: true });
});

test("the binary runs a program in new namespaces", [], async () => {
  const { stdout, stderr, code } = await run(await binary(), "unshare", "-Ur", "id", "-u");
  assertEquals([stdout, stderr, code], ["0\n", "", 0]);
});

test("Deno's runtime stops at arguments that are not UTF-8", ["bash"], async () => {
  const { code, stdout, stderr } = await run(
    ...["bash", "-c", `exec "$0" unshare --version $'\\xff'`, await binary()],
  );
  assertEquals([code, stdout], [101, ""]);
  assertMatch(stderr, /panicked/);
});

test("Deno's runtime stops without /proc", ["root"], async () => {
  const { code, stdout, stderr } = await run(
    ...["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc; exec "$0" unshare --version'],
    await binary(),
  );
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /Is \/proc mounted\?/);
});

test("the same sources make the same binary", [], async () => {
  const again = join(newDirectory(), "denspace");
  await compile({ output: again, toolchain: toolchain as Toolchain });
  const { stdout, code } = await run("cmp", await binary(), again);
  assertEquals([stdout, code], ["", 0]);
});

test("the binary keeps no code in a directory that others can write to", [], async () => {
  const temporary = newDirectory();
  for (let i = 0; i < 2; i++) {
    const { code } = await runWith({ TMPDIR: temporary }, await binary(), "unshare", "--help");
    assertEquals(code, 0);
  }
  assertEquals([...Deno.readDirSync(temporary)], []);
});

test("the binary passes on the arguments that it got", ["bash"], async () => {
  const path = await binary();
  const argv = ["", "two words", "--", "-f", "caf\u00e9 \ufffd", "line\nbreak", path, ""];
  // Deno takes a first argument that is the binary's path for its own.
  for (const first of ["printf", path]) {
    const command = first === path ? [path, "unshare", "printf"] : ["printf"];
    const { stdout, stderr } = await run(
      ...["bash", "-c", 'exec -a unshare "$@"', "bash", path],
      ...command,
      ...["[%s]", ...argv],
    );
    assertEquals(stdout, argv.map((arg) => `[${arg}]`).join(""), stderr);
  }
});

// Where it can't be made -----------------------------------------------------

test("a runtime that can't be downloaded is told in one line, with ways out", [], async () => {
  const error = await compileWith(`HTTPS_PROXY=http://127.0.0.1:1 DENO_DIR=${newDirectory()}`);
  assertMatch(error, /^Deno's runtime for \S+ can't be downloaded .*DENORT_BIN.*--runtime=npm$/);
});

test("a runtime that does not fit is found out", [], async () => {
  const { denort } = toolchain as Required<Toolchain>;
  assertEquals(
    await compileWith(`DENORT_BIN=${denort}`, "aarch64"),
    "the runtime is not for aarch64",
  );
  // The one of Deno 2.7 looks for its program in another place.
  assertMatch(
    await compileWith(`DENORT_BIN=${denort}`),
    /^what was made fails at '.*': error: .*$/,
  );
  assertMatch(await compileWith("DENORT_BIN=/none"), /^deno compile failed: error: .*\/none.*$/);
});

test("what compile is asked for and does not know is told in one line", [], async () => {
  const fails = async (argument: string): Promise<string> => {
    const script = join(PROJECT, "scripts/compile.ts");
    const { code, stdout, stderr } = await run(Deno.execPath(), "run", "-A", script, argument);
    assertEquals([code, stdout], [1, ""]);
    return stderr;
  };
  assertEquals(
    await fails("--target=riscv64"),
    "compile: no target 'riscv64': there are x86_64, aarch64\n",
  );
  assertEquals(await fails("--runtime=none"), "compile: no runtime 'none': there is npm\n");
  assertEquals(
    await fails("--wrong"),
    "compile: '--wrong' is none of --target ARCH, --runtime=npm, --output FILE\n",
  );
});

/** What is wrong when this Deno compiles with these variables. */
async function compileWith(variables: string, arch?: "aarch64"): Promise<string> {
  const folder = newDirectory();
  const deno = join(folder, "deno");
  const output = join(folder, "denspace");
  Deno.writeTextFileSync(deno, `#!/bin/sh\n${variables} exec '${Deno.execPath()}' "$@"\n`);
  Deno.chmodSync(deno, 0o755);
  const error = await compile({ output, toolchain: { deno }, ...(arch && { arch }) })
    .then(() => "nothing", (error) => error.message);
  assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["deno"]);
  return error;
}

// Links ----------------------------------------------------------------------

test("denspace link makes links with the path of the binary, and lets them be", [], async () => {
  const path = await links();
  for (let i = 0; i < 2; i++) {
    for (const tool of ["unshare", "nsenter", "lsns"]) {
      assertEquals(Deno.readLinkSync(join(path, tool)), await binary());
    }
    assertEquals([...Deno.readDirSync(path)].length, 3);
    assertEquals((await run(await binary(), "link", `${path}/`)).code, 0);
  }
});

for (const kind of ["symbolic", "hard"] as const) {
  test(`the binary is the tool that a ${kind} link to it is named as`, [], async () => {
    const path = newDirectory();
    for (const tool of ["unshare", "nsenter"]) {
      const link = join(path, tool);
      if (kind === "hard") Deno.linkSync(await binary(), link);
      else Deno.symlinkSync(await binary(), link);

      const wrong = await run(link, "--none");
      assertEquals(
        wrong.stderr,
        `${link}: unrecognized option '--none'\nTry '${tool} --help' for more information.\n`,
      );
      assertEquals([wrong.stdout, wrong.code], ["", 1]);
      const bad = await run(link, "--setuid", "none");
      assertEquals(bad.stderr, `${tool}: failed to parse uid: 'none'\n`);
    }
    const { stdout, stderr } = await run(join(path, "unshare"), "-Ur", "sh", "-c", "id -u");
    assertEquals([stdout, stderr], ["0\n", ""]);
  });
}

test("denspace link overwrites nothing, and then makes no link at all", [], async () => {
  const cases: [what: string, make: (path: string) => void][] = [
    ["a file", (path) => Deno.writeTextFileSync(path, "foreign")],
    ["a directory", (path) => Deno.mkdirSync(path)],
    ["a link to nothing", (path) => Deno.symlinkSync("/none", path)],
    ["a link to something else", (path) => Deno.symlinkSync("/bin/sh", path)],
  ];
  for (const [what, make] of cases) {
    const path = newDirectory();
    const foreign = join(path, "nsenter");
    make(foreign);
    const { ino } = Deno.lstatSync(foreign);
    const { stdout, stderr, code } = await run(await binary(), "link", path);
    assertEquals(
      [stdout, stderr, code],
      ["", `denspace link: ${foreign} is something else: remove it first\n`, 1],
      what,
    );
    assertEquals(Deno.lstatSync(foreign).ino, ino, what);
    assertEquals([...Deno.readDirSync(path)].length, 1, what);
  }
});

test("denspace link fails in one line", [], async () => {
  const denspace = await binary();
  const fails = async (argv: string[], text: string): Promise<void> => {
    const { stdout, stderr, code } = await run(...argv);
    assertEquals([stdout, stderr, code], ["", `denspace link: ${text}\n`, 1]);
  };
  await fails([denspace, "link"], "no directory given that the links go to");
  await fails([denspace, "link", ""], "no directory given that the links go to");
  await fails([denspace, "link", "a", "b"], "more than a directory given: 'b'");
  await fails(
    [denspace, "link", "/none"],
    "cannot make /none/unshare: No such file or directory",
  );
  await fails(
    [Deno.execPath(), "run", "--allow-ffi", join(PROJECT, "commands/main.ts"), "link", "/none"],
    "only the compiled program has links: 'deno task compile' makes it",
  );
});

// Alone ----------------------------------------------------------------------

const LIBC = /\/(ld-linux-\S+|lib(c|m|dl|rt|pthread|gcc_s)\.so)\.\d+$/;

/** The names of the commands that there are, as the program lists them. */
async function commands(): Promise<string[]> {
  const { stdout } = await run(await binary(), "help");
  const names = [...stdout.matchAll(/^ (\w+)  +\S/gm)].map(([, name]) => name!);
  for (const known of ["unshare", "nsenter", "lsns", "link"]) assert(names.includes(known), stdout);
  return names;
}

/** Makes a directory the root, with a /proc and /dev; not by chroot(1), which rules out user namespaces. */
const INTO_ROOT = `mount --bind "$0" "$0" && cd "$0" && mkdir -p proc dev host &&
  mount -t proc none proc && mount --rbind /dev dev && pivot_root . host && exec "$@"`;

test(
  "the binary works where there is nothing but a C library",
  ["root", "ldd", "mount", "pivot_root"],
  async () => {
    const root = newDirectory();
    const { stdout: ldd } = await run("ldd", await binary());
    const libraries = [...ldd.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path!);
    assertEquals(libraries.filter((path) => !LIBC.test(path)), []);
    for (const library of libraries) {
      Deno.mkdirSync(dirname(join(root, library)), { recursive: true });
      Deno.copyFileSync(library, join(root, library));
    }
    Deno.copyFileSync(await binary(), join(root, "denspace"));

    // Only the binary can be run there, so it runs itself.
    const version = ["/unshare", "--version"];
    const cases: [argv: string[], stdout: RegExp][] = [
      [["/denspace", "link", "/"], /^$/],
      [version, /^unshare from /],
      ...(await commands()).map((name): [string[], RegExp] => [
        ["/denspace", "help", name],
        new RegExp(`\nUsage:\n (denspace )?${name} `),
      ]),
      [["/unshare", "-Urpf", "--mount-proc", ...version], /^unshare from /],
      [["/unshare", "-muinpCf", "--propagation", "slave", ...version], /^unshare from /],
      [["/unshare", "-pf", "--mount-proc", "/nsenter", "-t1", "-m", "-p", ...version], /^unshare /],
      [["/unshare", "-Urpf", "--mount-proc", "/nsenter", "--pid", "1", ...version], /^unshare /],
      [["/denspace", "emit", "-o", "/emitted", "unshare", "-Ur", ...version], /^$/],
      [["/emitted"], /^unshare from /],
      [["/denspace", "explain", "unshare", "-U", ...version], /unshare\(CLONE_NEWUSER\)/],
      [["/lsns", "-t", "mnt", "-n", "-o", "TYPE"], /^mnt\n/],
      [["/denspace", "run", "--", ...version], /^unshare from /],
    ];
    for (const [argv, expected] of cases) {
      const command = ["unshare", "-m", "sh", "-c", INTO_ROOT, root, ...argv];
      const { stdout, stderr, code } = await run(...command);
      assertMatch(stdout, expected, `${argv.join(" ")}: ${stderr}`);
      assertEquals([stderr, code], ["", 0], argv.join(" "));
    }
    const known = [
      "denspace",
      "dev",
      "emitted",
      "host",
      "lib",
      "lib64",
      "lsns",
      "nsenter",
      "proc",
      "unshare",
      "usr",
    ];
    const names = [...Deno.readDirSync(root)].map(({ name }) => name);
    assertEquals(names.filter((name) => !known.includes(name)), []);
  },
);

// All that the tools do ------------------------------------------------------

/** Test files, and which of their tests are about the program. */
const SUITES: Readonly<Record<string, RegExp>> = {
  "differential_lsns_test.ts": /./,
  "differential_maps_test.ts": /./,
  "differential_nsenter_program_test.ts": /./,
  "differential_nsenter_test.ts": /./,
  "differential_persist_test.ts": /./,
  "differential_unshare_program_test.ts": /./,
  "differential_unshare_test.ts": /./,
  // without other versions of Deno
  "end_to_end_test.ts": /^([a-z]|500)/,
};

/** What Deno's runtime makes impossible: it ends before any JavaScript runs. */
const IMPOSSIBLE: readonly string[] = [ANY_BYTES, NO_PROC];

for (const [suite, filter] of Object.entries(SUITES)) {
  test(`the binary passes ${suite}, as far as Deno's runtime lets it`, [], async () => {
    const { stdout, stderr, code } = await runWith(
      { DENSPACE_UNDER_TEST: `${await links()}/{}`, NO_COLOR: "1" },
      ...[Deno.execPath(), "test", "-A", "--no-check", `--filter=/${filter.source}/`],
      join(PROJECT, "tests", suite),
    );
    const lines = stdout.split("\n");
    const log = lines.filter((line) => !/ \.\.\. (ok|ignored) \(.*\)$/.test(line)).join("\n");
    const text = indent(`\n${log}\n${stderr}`);
    assertEquals(code, 0, text);
    assertMatch(log, /^ok \| [1-9]\d* passed/m, text);
    // What is skipped is shown, and nothing is for another reason.
    const ignored = lines.filter((line) => / \.\.\. ignored \(/.test(line));
    const skipped = ignored.flatMap((line) => {
      const [, name, need] = /^(.*) \(needs (.*)\) \.\.\. ignored/.exec(line) ?? [];
      return IMPOSSIBLE.includes(need!) ? [`skipped: ${name} (needs ${need})`] : [];
    });
    assertEquals(skipped.length, ignored.length, indent(ignored.join("\n")));
    if (skipped.length > 0) console.log(skipped.join("\n"));
  });
}

/** So that nobody takes the lines of a test within a test for those of the outer one. */
function indent(text: string): string {
  return text.replace(/^/gm, "    ");
}

// Helpers --------------------------------------------------------------------

interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

function run(...command: string[]): Promise<Result> {
  return runWith({}, ...command);
}

async function runWith(env: Record<string, string>, ...command: string[]): Promise<Result> {
  const [file, ...args] = command;
  const { code, stdout, stderr } = await new Deno.Command(file!, { args, env, stdin: "null" })
    .output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
