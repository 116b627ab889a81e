/**
 * Runs unshare(1), nsenter(1) and lsns(8) of util-linux and ours side by side, and
 * compares what can be seen from outside: output, status, signals and states.
 *
 * A case is data. Both sides are started by the same call with the same
 * environment, directory and input, as `[...via, TOOL, ...argv]`. No shell is
 * involved unless the case names one.
 *
 * `DENSPACE_PART=2/6` leaves all cases out but every sixth, from the second on.
 *
 * @module
 */
import { assertEquals, dirname, fromFileUrl, join } from "../scripts/std.ts";
import { commandUnderTest, PROBES_OF_PROGRAM } from "./under_test.ts";
import {
  children,
  comm,
  descendants,
  exists,
  find,
  kill,
  PATH,
  state as stateOf,
  TIMEOUT,
  until,
} from "./processes.ts";

/** The tools that have a counterpart in util-linux. */
export type Tool = "unshare" | "nsenter" | "lsns";
/** Who runs the tool: uid 0, or uid 1000 without capabilities. */
export type Account = "root" | "user";
/** The tool's process, or the child that it forked. */
export type Who = "tool" | "program";

/** What is done, in order, while the tool waits for the program it forked. */
export type Step =
  | { signal: Deno.Signal; to: Who }
  | { until: State; of: Who }
  | { output: string }
  | { pause: number }
  | { observe: "state" | "signals" | "ps"; of: Who };

/** A process state as far as it does not depend on timing. */
export type State = "running" | "stopped" | "gone";

/** The `sleep` in namespaces of its own that nsenter is pointed at. */
export interface Target {
  /** Options of the real unshare(1) that starts it, and what it starts on the way to it. */
  unshare: string[];
  /** Who starts it; the account of the case if not given. */
  as?: Account;
  /** Its working directory. */
  cwd?: string;
  /** It has ended before the tool starts. */
  dead?: boolean;
}

/**
 * One comparison. Strings may contain `{tmp}` (the scratch directory),
 * `{target}` (the target's pid), `{deno_dir}`, `{unshare}` and `{nsenter}`
 * (the real tools).
 */
export interface Case {
  /** A sentence that says what happens. */
  name: string;
  /** What follows the tool's name. */
  argv: string[];
  /** Who runs it; root if not given. */
  as?: Account | "both";
  /** The command in front of the tool, which is expected to start it. */
  via?: string[];
  /** Variables besides PATH, HOME, LC_ALL and DENO_DIR; null removes one. */
  env?: Record<string, string | null>;
  /** The working directory, `{tmp}/work` if not given. */
  cwd?: string;
  /** Standard input, /dev/null if not given. */
  stdin?: string;
  /** A process to enter. */
  target?: Target;
  /** What happens while the tool waits. */
  steps?: Step[];
  /** "some": it has to be empty on both sides or on none. */
  stdout?: "same" | "some";
  /** "more": ours may go on behind what the real tool says. */
  stderr?: "same" | "more";
  /** Replaces the tool's own pid: in standard error only, where the output has other numbers. */
  maskPid?: true | "stderr";
  /** Commands on PATH, or keys of {@linkcode PROBES}. */
  needs?: string[];
}

/** A file under `{tmp}` that cases use: a directory, a link, a text or an executable. */
export interface Fixture {
  path: string;
  mode?: number;
  text?: string;
  link?: string;
  bytes?: () => Uint8Array;
}

/** The util-linux release whose behaviour is the reference. */
const REFERENCE = "2.41";
const IDS: Record<Account, { uid: number; gid: number }> = {
  root: { uid: 0, gid: 0 },
  user: { uid: 1000, gid: 1000 },
};
const AS_ROOT = Deno.uid() === 0;

const latin1 = new TextDecoder("latin1");
const encoder = new TextEncoder();

/** Splits a command line without quotes at its blanks. */
export function words(line: string): string[] {
  return line.split(" ");
}

/** Starts what follows it from a bash script, in which it is `"$@"`. */
export function bash(script: string): string[] {
  return ["bash", "-c", script, "bash"];
}

/** Prints the namespaces it runs in. */
export const NAMESPACES: string[] = words("cgroup ipc mnt net pid time user uts")
  .reduce((command, type) => [...command, `/proc/self/ns/${type}`], ["readlink"]);
/** Prints its ids, groups and capabilities. */
export const CREDENTIALS: string[] = [
  "sed",
  "-nE",
  "/^(Uid|Gid|Groups|Cap|NoNewPrivs)/p",
  "/proc/self/status",
];
/** Prints which signals it blocks, ignores and catches. */
export const SIGNALS: string[] = ["sed", "-nE", "/^Sig(Blk|Ign|Cgt)/p", "/proc/self/status"];
/** A key of {@linkcode PROBES}. */
export const USERNS = "user namespaces for ordinary users";
/** A key of {@linkcode PROBES}. */
export const TIME = "time namespaces";
/** A key of {@linkcode PROBES}. */
export const USR = "a /usr that can be a root directory";

/** A key of {@linkcode PROBES}. */
export const BINFMT_MISC = "binfmt_misc in user namespaces";

/** Conditions of the host that a case may need. */
export const PROBES: Record<string, () => boolean> = {
  ...PROBES_OF_PROGRAM,
  [USERNS]: () => succeeds("user", find("unshare"), "-Ur", "true"),
  [TIME]: () => exists("/proc/self/ns/time"),
  [BINFMT_MISC]: () => succeeds("user", find("unshare"), "-rpf", "--mount-binfmt", "true"),
  [USR]: () => succeeds("root", find("unshare"), "-R", "/usr", "/bin/true"),
};

/** Registers a test for every case and account. */
export function differential(tool: Tool, cases: Case[], fixtures: Fixture[] = []): void {
  const unsuitable = reference(tool);
  for (const c of part(cases)) {
    const accounts: Account[] = c.as === "both" ? ["root", "user"] : [c.as ?? "root"];
    for (const account of accounts) {
      const reason = unsuitable ?? missing(c, account);
      Deno.test({
        name: `${tool}, ${account}: ${c.name}` + (reason ? ` (needs ${reason})` : ""),
        ignore: reason !== undefined,
        fn: () => compare(tool, c, account, fixtures),
      });
    }
  }
  Deno.test(`${tool}: no case leaves a mount behind`, () => {
    const mounts = Deno.readTextFileSync("/proc/self/mountinfo").split("\n");
    assertEquals(mounts.filter((line) => scratch !== undefined && line.includes(scratch)), []);
  });
  Deno.test.afterAll(cleanUp);
}

/** Removes what the cases of this file have used. */
export function cleanUp(): void {
  if (scratch) Deno.removeSync(scratch, { recursive: true });
  scratch = undefined;
}

/** The cases that are wanted. */
function part(cases: Case[]): Case[] {
  const [nth = 1, of = 1] = Deno.env.get("DENSPACE_PART")?.split("/").map(Number) ?? [];
  return cases.filter((_, i) => i % of === nth - 1);
}

function reference(tool: Tool): string | undefined {
  const path = find(tool);
  if (!path) return `${tool} of util-linux`;
  const { stdout } = new Deno.Command(path, { args: ["-V"], stderr: "null" }).outputSync();
  const version = latin1.decode(stdout).match(/from util-linux (\d+\.\d+)/)?.[1];
  return version === REFERENCE ? undefined : `util-linux ${REFERENCE}, found ${version}`;
}

/** What a case needs and the machine has not. */
export function missing(c: Case, account: Account): string | undefined {
  if (!AS_ROOT && (account === "root" || c.target?.as === "root")) return "root";
  const commands = c.via && !c.via[0]!.startsWith("{") ? [c.via[0]!] : [];
  return [...commands, ...c.needs ?? []].find((need) =>
    !(PROBES[need]?.() ?? find(need) !== undefined)
  );
}

// One side -----------------------------------------------------------------

/** What is seen of a run. */
export interface Outcome {
  /** `exit N`, or the signal that ended it. */
  status: string;
  /** What it wrote to standard output. */
  stdout: string;
  /** What it wrote to standard error. */
  stderr: string;
  /** What the steps observed. */
  observed: string[];
}

async function compare(
  tool: Tool,
  c: Case,
  account: Account,
  fixtures: Fixture[],
): Promise<void> {
  await prepared(c, account, fixtures, async (values) => {
    const expected = await run(tool, [find(tool)!], c, account, values);
    const actual = await run(tool, ours(tool), c, account, values);
    if (c.stdout === "some") {
      for (const each of [expected, actual]) each.stdout = each.stdout === "" ? "" : "(some)";
    }
    if (c.stderr === "more" && actual.stderr.startsWith(expected.stderr)) {
      actual.stderr = expected.stderr;
    }
    const line = [...c.via ?? [], tool, ...c.argv].map((word) => JSON.stringify(word)).join(" ");
    assertEquals(actual, expected, `\n${expand(line, values)}`);
  });
}

/** What comes of cases with our tool alone, one after the other, with the target of the first. */
export function outcomes(
  tool: Tool,
  cases: readonly [Case, ...Case[]],
  fixtures: Fixture[],
): Promise<Outcome[]> {
  const account = cases[0].as === "user" ? "user" : "root";
  return prepared(cases[0], account, fixtures, async (values) => {
    const seen: Outcome[] = [];
    for (const c of cases) seen.push(await run(tool, ours(tool), c, account, values));
    return seen;
  });
}

/** Calls `use` with what stands for the names in a case, once all of it is there. */
async function prepared<T>(
  c: Case,
  account: Account,
  fixtures: Fixture[],
  use: (values: Record<string, string>) => Promise<T>,
): Promise<T> {
  prepare(fixtures);
  const target = c.target && await startTarget(c.target, c.target.as ?? account);
  try {
    return await use({
      tmp: scratch!,
      deno_dir: denoDir(account),
      unshare: find("unshare") ?? "",
      nsenter: find("nsenter") ?? "",
      ...(target && { target: String(target.pid) }),
    });
  } finally {
    await target?.end();
  }
}

async function run(
  tool: Tool,
  command: string[],
  c: Case,
  account: Account,
  values: Record<string, string>,
): Promise<Outcome> {
  const line = [...c.via ?? [], ...command, ...c.argv].map((word) => expand(word, values));
  const env: Record<string, string | null> = {
    PATH,
    HOME: "{tmp}/home",
    LC_ALL: "C",
    DENO_DIR: "{deno_dir}",
    ...c.env,
  };
  const deadline = Date.now() + TIMEOUT;
  const child = new Deno.Command(line[0]!, {
    args: line.slice(1),
    clearEnv: true,
    env: Object.fromEntries(
      Object.entries(env).flatMap(([name, value]) =>
        value === null ? [] : [[name, expand(value, values)]]
      ),
    ),
    cwd: expand(c.cwd ?? "{tmp}/work", values),
    stdin: c.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...(AS_ROOT ? IDS[account] : {}),
  }).spawn();
  const out = collect(child.stdout);
  const err = collect(child.stderr);
  const observed: string[] = [];
  let program: number | undefined;
  try {
    const input = c.stdin === undefined ? undefined : feed(child.stdin, c.stdin);
    if (c.steps) {
      program = await until("the program runs", () => forked(child.pid, tool), deadline);
      for (const step of c.steps) {
        const seen = await perform(step, { tool: child.pid, program }, out, deadline);
        if (seen !== undefined) observed.push(seen);
      }
      kill(program);
    }
    const { code, signal } = await within(deadline, child.status);
    await within(deadline, Promise.all([out.end, err.end, input]));
    const see = (text: string, pid: number): string =>
      normalise(text, tool, command, pid, values.target);
    const pid = c.maskPid === true ? child.pid : 0;
    return {
      status: signal ?? `exit ${code}`,
      stdout: see(out.text, pid),
      stderr: see(err.text, c.maskPid ? child.pid : 0),
      observed: observed.map((text) => see(text, pid)),
    };
  } catch (error) {
    throw new Error(`${line.join(" ")}: ${error}\nstdout: ${out.text}\nstderr: ${err.text}`, {
      cause: error,
    });
  } finally {
    for (const pid of descendants(child.pid)) kill(pid);
    if (program !== undefined) kill(program);
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await Promise.all([child.status, out.cancel(), err.cancel()]);
  }
}

async function perform(
  step: Step,
  pids: Record<Who, number>,
  out: Stream,
  deadline: number,
): Promise<string | undefined> {
  if ("signal" in step) Deno.kill(pids[step.to], step.signal);
  else if ("pause" in step) await delay(step.pause);
  else if ("output" in step) {
    await until(`output of ${step.output}`, () => out.text.includes(step.output), deadline);
  } else if ("until" in step) {
    const pid = pids[step.of];
    await until(`${step.of} ${step.until}`, () => state(pid) === step.until, deadline);
  } else {
    const pid = pids[step.of];
    await until(`${step.of} has forked`, () => !isForking(pid), deadline);
    return `${step.of}: ${observe(step.observe, pid)}`;
  }
  return undefined;
}

/** Whether a process is within glibc's fork, which blocks all signals for a moment. */
function isForking(pid: number): boolean {
  return /^SigBlk:\tf{8}/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
}

function observe(what: "state" | "signals" | "ps", pid: number): string {
  if (what === "state") return state(pid);
  if (what === "signals") {
    return Deno.readTextFileSync(`/proc/${pid}/status`).match(/^Sig(Blk|Ign|Cgt).*$/gm)!.join(" ");
  }
  const { stdout } = new Deno.Command("ps", { args: ["-o", "comm=,args=", "-p", `${pid}`] })
    .outputSync();
  return latin1.decode(stdout).trim();
}

/**
 * Names the tool as if it had been found on PATH, and namespaces by whose they
 * are: the caller's, the target's, or the first, second ... new one.
 */
function normalise(
  text: string,
  tool: Tool,
  command: string[],
  pid: number,
  target?: string,
): string {
  const word = command.at(-1)!;
  const fresh: string[] = [];
  if (word.endsWith(`/${tool}`)) text = text.replaceAll(word, tool);
  // In an id map, a number is no process id, even if it is the same.
  const named = (line: string): string => line.replaceAll(new RegExp(`\\b${pid}\\b`, "g"), "{pid}");
  if (pid) text = text.replaceAll(/^(?! *\d+ +\d+ +\d+$).+$/gm, named);
  return text.replace(/\b([a-z]+):\[(\d+)\]/g, (link, type: string) => {
    for (const [owner, of] of [["caller", "self"], ["target", target]]) {
      if (of && readLink(`/proc/${of}/ns/${type}`) === link) return `${type}:[${owner}]`;
    }
    if (!fresh.includes(link)) fresh.push(link);
    return `${type}:[new ${fresh.indexOf(link) + 1}]`;
  });
}

function expand(text: string, values: Record<string, string>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}

// The two tools ------------------------------------------------------------

const SOURCES = dirname(dirname(fromFileUrl(import.meta.url)));

function ours(tool: Tool): string[] {
  return commandUnderTest(tool) ?? [...source(), tool];
}

let sourceCommand: string[] | undefined;

/** The source form, copied to where an ordinary user can read it if need be. */
function source(): string[] {
  return sourceCommand ??= [deno(), "run", "--allow-ffi", main()];
}

function deno(): string {
  const path = Deno.execPath();
  return succeeds("user", path, "--version") ? path : copy(path, "deno");
}

function main(): string {
  const path = join(SOURCES, "commands/main.ts");
  if (succeeds("user", "test", "-r", path)) return path;
  for (const part of ["deno.json", "ffi", "sandbox", "commands"]) {
    copy(join(SOURCES, part), `src/${part}`);
  }
  return `${scratch}/src/commands/main.ts`;
}

function copy(from: string, to: string): string {
  const path = `${scratch}/${to}`;
  Deno.mkdirSync(dirname(path), { recursive: true });
  for (const [command, ...args] of [["cp", "-r", from, path], ["chmod", "-R", "a+rX", path]]) {
    if (!succeeds("root", command!, ...args)) throw new Error(`cannot copy ${from} to ${path}`);
  }
  return path;
}

// The scratch directory ----------------------------------------------------

let scratch: string | undefined;

function prepare(fixtures: Fixture[]): void {
  if (scratch) return;
  scratch = Deno.makeTempDirSync({ prefix: "denspace-" });
  Deno.chmodSync(scratch, 0o755);
  const shared = ["work", "home", "mnt", "deno-root", "deno-user"];
  for (
    const { path, mode, text, link, bytes } of [
      ...shared.map((path) => ({ path, mode: 0o777 } as Fixture)),
      ...fixtures,
    ]
  ) {
    const full = `${scratch}/${path}`;
    if (link !== undefined) Deno.symlinkSync(link, full);
    else if (text !== undefined) Deno.writeTextFileSync(full, text);
    else if (bytes !== undefined) Deno.writeFileSync(full, bytes());
    else Deno.mkdirSync(full);
    if (link === undefined) Deno.chmodSync(full, mode ?? 0o755);
  }
}

function denoDir(account: Account): string {
  return `${scratch}/deno-${account}`;
}

// Processes ----------------------------------------------------------------

/** Starts a target; `pid` is that of its `sleep`. */
async function startTarget(
  target: Target,
  account: Account,
): Promise<{ pid: number; end: () => Promise<void> }> {
  const child = new Deno.Command(find("unshare")!, {
    args: [...target.unshare, "sleep", "300"].map((word) => expand(word, { tmp: scratch! })),
    cwd: expand(target.cwd ?? "{tmp}/work", { tmp: scratch! }),
    clearEnv: true,
    env: { PATH },
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
    ...(AS_ROOT ? IDS[account] : {}),
  }).spawn();
  let pid: number | undefined;
  const end = async (): Promise<void> => {
    for (const each of [...descendants(child.pid), child.pid]) kill(each);
    await child.status;
    if (pid !== undefined) {
      await until("the target ends", () => state(pid!) === "gone");
    }
  };
  try {
    pid = await until(
      "the target runs",
      () => [child.pid, ...descendants(child.pid)].find((each) => comm(each) === "sleep"),
    );
  } catch (error) {
    await end();
    throw error;
  }
  if (!target.dead) return { pid, end };
  await end();
  return { pid, end: () => Promise.resolve() };
}

/** A process state; what it does meanwhile depends on timing. */
function state(pid: number): State {
  const found = stateOf(pid);
  return found === "sleeping" ? "running" : found;
}

/** The child of `pid`, once it has become another program. */
function forked(pid: number, tool: Tool): number | undefined {
  return children(pid).find((child) => ![tool, "deno", undefined].includes(comm(child)));
}

interface Stream {
  text: string;
  end: Promise<void>;
  cancel: () => Promise<void>;
}

/** Reads a stream to its end; `text` is what has come so far. */
function collect(stream: ReadableStream<Uint8Array>): Stream {
  const reader = stream.getReader();
  const collected: Stream = { text: "", end: Promise.resolve(), cancel: () => reader.cancel() };
  collected.end = (async () => {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      collected.text += latin1.decode(next.value);
    }
  })();
  return collected;
}

async function feed(stream: WritableStream<Uint8Array>, text: string): Promise<void> {
  const writer = stream.getWriter();
  try {
    await writer.write(encoder.encode(text));
    await writer.close();
  } catch {
    // The tool may end without reading.
  }
}

async function within<T>(deadline: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("timed out")), deadline - Date.now());
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

// Files --------------------------------------------------------------------

function succeeds(account: Account, command: string | undefined, ...args: string[]): boolean {
  if (!command || account === "root" && !AS_ROOT) return false;
  try {
    return new Deno.Command(command, {
      args,
      cwd: "/",
      stdin: "null",
      stdout: "null",
      stderr: "null",
      ...(AS_ROOT ? IDS[account] : {}),
    }).outputSync().success;
  } catch {
    return false; // It is not there, or not for this account.
  }
}

function readLink(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}
