/**
 * Measures how fast a program starts in new namespaces, and what stays in memory
 * meanwhile, beside what does the same without Deno.
 *
 *     deno task bench [--rounds 40] [--json]
 *
 * Everything is started in turn, round by round, each time in another order:
 * what disturbs the machine meets all of them, so the ratios hold where the
 * milliseconds do not.
 *
 * @module
 */
import { CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER } from "../ffi/constants/sched.ts";
import { plan } from "../ffi/plan/builder.ts";
import { clone } from "../ffi/plan/clone.ts";
import { elf } from "../ffi/plan/elf.ts";
import { host } from "../ffi/plan/host.ts";
import { reporting } from "../ffi/plan/report.ts";
import type { Plan } from "../ffi/plan/step.ts";
import { getegid, geteuid } from "../ffi/unistd.ts";
import { mapGroup, mapUser } from "../sandbox/idmap.ts";
import { mountProc, setPropagation } from "../sandbox/mounts.ts";
import { nsenterPlan } from "../sandbox/nsenter.ts";
import { runProgram } from "../sandbox/program.ts";
import { unsharePlan } from "../sandbox/unshare.ts";
import { fromFileUrl, parseArgs } from "./std.ts";

const WARM_UP = 3;
/** Milliseconds between two runs: namespaces are taken down after whoever was in them has ended. */
const REST = 5;
/** Milliseconds after which a waiter has failed to start. */
const PATIENCE = 10_000;
const UNSHARE = ["-Urpf", "--mount-proc"];
const NSENTER = ["--preserve-credentials", "-U", "-m", "-p", "-t"];
/** What a waiting process may have in memory, in KiB. */
const RESIDENT = 200;

/** Something that can be started. */
interface Contestant {
  /** What the table calls it. */
  readonly name: string;
  /** Starts it and waits for its end; absent if it is not installed. */
  readonly run: (() => void) | undefined;
}

/** Contestants to compare; the first is the one that the others are compared with. */
interface Group {
  readonly title: string;
  readonly rows: readonly [contestant: Contestant, target?: number][];
}

/** A waiting process. */
interface Waiter {
  readonly name: string;
  /** Absent if it is not installed. */
  readonly pid: number | undefined;
  readonly target?: number;
}

// What is started ------------------------------------------------------------

const project = fromFileUrl(new URL("..", import.meta.url));

/** A command line as a contestant, if its program is there. */
function command(name: string, argv: readonly string[] | undefined): Contestant {
  const [file, ...args] = argv ?? [];
  if (file === undefined || !exists(file)) return { name, run: undefined };
  const command = new Deno.Command(file, { args, stdin: "null", stdout: "null", stderr: "null" });
  const run = (): void => {
    const { code } = command.outputSync();
    if (code !== 0) throw new Error(`${argv!.join(" ")}: status ${code}`);
  };
  return { name, run };
}

/** `unshare -Urpf --mount-proc PROGRAM` as a plan. */
function unshareOf(program: string): Plan {
  return unsharePlan({
    name: "unshare",
    namespaces: new Set(["user", "pid", "mount"]),
    fork: true,
    mapUser: 0,
    mapGroup: 0,
    propagation: "private",
    mountProc: "/proc",
    program: { name: program, index: UNSHARE.length + 1 },
  });
}

/** `nsenter --preserve-credentials -U -m -p -t TARGET true` as a plan. */
function nsenterOf(target: number): Plan {
  return nsenterPlan({
    name: "nsenter",
    target,
    namespaces: new Map([["user", undefined], ["mount", undefined], ["pid", undefined]]),
    fork: true,
    preserveCredentials: true,
    program: { name: "true", index: NSENTER.length + 2 },
  });
}

/** The same as {@linkcode unshareOf}, with the namespaces made by clone(2) in this process. */
function cloneOf(program: string): () => void {
  const [uid, gid] = [geteuid(), getegid()];
  const child = plan("clone", (p) => {
    mapUser(p, 0, p.control("add", [uid, 0]));
    mapGroup(p, 0, p.control("add", [gid, 0]));
    setPropagation(p, "private");
    mountProc(p, "/proc", false);
    runProgram(p, { name: program, index: 1 });
  });
  const flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS;
  return () => {
    const { status } = clone(child, { flags, argv: ["clone", program] }).wait();
    if (status !== 0) throw new Error(`clone: status ${status}`);
  };
}

function groups(directory: string, bundle: string, target: number): Group[] {
  const deno = [Deno.execPath(), "run"];
  const empty = `${directory}/empty.js`;
  Deno.writeTextFileSync(empty, "");
  const unshare = [...UNSHARE, "true"];
  const nsenter = [...NSENTER, `${target}`, "true"];
  const entry = `${project}commands/main.ts`;

  const nothing = command("deno run empty.js", [...deno, empty]);
  const bundled = command("unshare, bundled", [
    ...deno,
    "--allow-ffi",
    bundle,
    "unshare",
    ...unshare,
  ]);
  const sources = command("unshare, sources", [
    ...deno,
    "--allow-ffi",
    entry,
    "unshare",
    ...unshare,
  ]);
  const real = command("unshare of util-linux", ["/usr/bin/unshare", ...unshare]);
  const emitted = command("unshare, emitted", [emit(directory, unshareOf("true")), ...unshare]);
  const inC = command("the same in C", compile(directory, "true"));
  const cloned = { name: "clone() in a script", run: cloneOf("true") };
  return [
    { title: "command line", rows: [[nothing], [bundled, 1.15], [sources, 1.4]] },
    { title: "emitted executable", rows: [[real], [emitted, 0.8]] },
    { title: "the same system calls", rows: [[inC], [emitted, 1.1], [cloned, 1.15]] },
    {
      title: "nsenter",
      rows: [
        [command("nsenter of util-linux", ["/usr/bin/nsenter", ...nsenter])],
        [command("nsenter, emitted", [emit(directory, nsenterOf(target)), ...nsenter])],
        [command("nsenter, bundled", [...deno, "--allow-ffi", bundle, "nsenter", ...nsenter])],
      ],
    },
  ];
}

/** Writes a plan as an executable. */
function emit(directory: string, program: Plan): string {
  const path = `${directory}/${program.name}`;
  Deno.writeFileSync(path, elf(reporting(program), host()), { mode: 0o755 });
  return path;
}

/** Compiles bench.c; how it runs a program, if there is a C compiler. */
function compile(directory: string, program: string): string[] | undefined {
  const cc = ["/usr/bin/cc", "/usr/bin/gcc"].find(exists);
  if (!cc) return undefined;
  const file = `${directory}/bench`;
  succeed(cc, "-O2", "-static", "-o", file, `${project}scripts/bench.c`);
  return [file, program];
}

function makeBundle(directory: string): string {
  const file = `${directory}/denspace.js`;
  succeed(Deno.execPath(), "task", "--cwd", project, "bundle", file);
  return file;
}

function succeed(file: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(file, { args, stdin: "null" }).outputSync();
  if (!success) throw new Error(`${file} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

// Measuring ------------------------------------------------------------------

/** Runs all contestants so many times; the milliseconds that each run took, in order. */
function measure(contestants: ReadonlySet<Contestant>, rounds: number): Map<Contestant, number[]> {
  const times = new Map(
    [...contestants].map((contestant): [Contestant, number[]] => [contestant, []]),
  );
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const [{ run }, list] of shuffle([...times])) {
      if (!run) continue;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, REST);
      const start = performance.now();
      run();
      const end = performance.now();
      if (round >= 0) list.push(end - start);
    }
  }
  for (const list of times.values()) list.sort((a, b) => a - b);
  return times;
}

function shuffle<T>(items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}

/** Starts what waits for a `sleep` of its own; its process id, once the sleep runs. */
async function startWaiter(
  file: string,
  ...args: string[]
): Promise<Deno.ChildProcess | undefined> {
  if (!exists(file)) return undefined;
  const child = new Deno.Command(file, {
    args: [...args, ...UNSHARE, "sleep", "300"],
    stdin: "null",
    stdout: "null",
  }).spawn();
  const deadline = performance.now() + PATIENCE;
  while (read(`/proc/${childOf(child.pid)}/comm`) !== "sleep\n") {
    if (performance.now() > deadline) throw new Error(`${file} ${args.join(" ")} does not start`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return child;
}

/** The only child of a process; 0 if there is none yet. */
function childOf(pid: number): number {
  return Number(read(`/proc/${pid}/task/${pid}/children`)?.trim());
}

/** Kills the sleep; its waiter then ends as well. */
async function stopWaiter(child: Deno.ChildProcess | undefined): Promise<void> {
  if (!child) return;
  Deno.kill(childOf(child.pid), "SIGKILL");
  await child.status;
}

/** A value of smaps_rollup in KiB, see proc_pid_smaps(5). */
function memory({ pid }: Waiter, name: string): number | undefined {
  const text = pid === undefined ? undefined : read(`/proc/${pid}/smaps_rollup`);
  const [, kib] = new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text ?? "") ?? [];
  return kib === undefined ? undefined : Number(kib);
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined; // It has ended.
  }
}

// The tables -----------------------------------------------------------------

type Row = Readonly<Record<string, string | number | boolean | undefined>>;

function timesOf({ rows }: Group, times: ReadonlyMap<Contestant, readonly number[]>): Row[] {
  const median = (contestant: Contestant): number | undefined => {
    const list = times.get(contestant)!;
    return list[list.length >> 1];
  };
  const reference = median(rows[0]![0]);
  return rows.map(([contestant, target]) => {
    const [ms, min] = [median(contestant), times.get(contestant)![0]];
    const ratio = ms && reference && ms / reference;
    return {
      command: contestant.name,
      "median ms": ms,
      "min ms": min,
      ratio,
      target,
      ok: isOk(ratio, target),
    };
  });
}

function memoryOf(waiters: readonly Waiter[]): Row[] {
  return waiters.map((waiter) => {
    const [rss, pss] = ["Rss", "Pss"].map((name) => memory(waiter, name));
    const { name, target } = waiter;
    return { process: name, "Rss KiB": rss, "Pss KiB": pss, target, ok: isOk(rss, target) };
  });
}

function isOk(value: number | undefined, target: number | undefined): boolean | undefined {
  return value === undefined || target === undefined ? undefined : value <= target;
}

/** Prints rows, numbers to the right. */
function table(title: string, rows: readonly Row[]): void {
  const names = Object.keys(rows[0]!);
  const cells = rows.map((row) =>
    names.map((name, i) => {
      const value = row[name];
      if (value === undefined) return i === 1 ? "not installed" : "";
      if (typeof value === "boolean") return value ? "ok" : "over";
      return typeof value === "number" && !Number.isInteger(value) ? value.toFixed(2) : `${value}`;
    })
  );
  const widths = names.map((name, i) =>
    Math.max(name.length, ...cells.map((line) => line[i]!.length))
  );
  console.log(`\n${title}`);
  for (const line of [names, ...cells]) {
    const padded = line.map((cell, i) =>
      i === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[i]!)
    );
    console.log(`  ${padded.join("  ")}`.trimEnd());
  }
}

async function main(args: string[]): Promise<void> {
  const { rounds, json } = parseArgs(args, { boolean: ["json"], default: { rounds: 40 } });
  const directory = Deno.makeTempDirSync({ prefix: "denspace-bench-" });
  const bundle = makeBundle(directory);
  const ours = await startWaiter(Deno.execPath(), "run", "--allow-ffi", bundle, "unshare");
  const real = await startWaiter("/usr/bin/unshare");
  try {
    const all = groups(directory, bundle, childOf(ours!.pid));
    const contestants = new Set(all.flatMap(({ rows }) => rows.map(([contestant]) => contestant)));
    const times = measure(contestants, Number(rounds));
    const tables: Record<string, Row[]> = Object.fromEntries(
      all.map((group) => [group.title, timesOf(group, times)]),
    );
    tables["memory while the program runs"] = memoryOf([
      { name: "unshare of util-linux", pid: real?.pid },
      { name: "unshare, ours", pid: ours?.pid, target: RESIDENT },
    ]);
    if (json) console.log(JSON.stringify({ rounds, tables }, null, 2));
    else for (const [title, rows] of Object.entries(tables)) table(title, rows);
  } finally {
    await stopWaiter(ours);
    await stopWaiter(real);
    Deno.removeSync(directory, { recursive: true });
  }
}

await main(Deno.args);
