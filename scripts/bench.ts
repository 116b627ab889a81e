/**
 * Measures how fast a program starts in new namespaces, with how many system
 * calls, and what stays in memory meanwhile, beside what does the same without
 * Deno.
 *
 *     deno task bench [--rounds 40] [--json] [--plot FILE.svg]
 *
 * The compiled program is `dist/denspace`, or made with the runtime that
 * DENORT_BIN names; without either it is left out.
 *
 * Everything is started in turn, round by round, each time in another order:
 * what disturbs the machine meets all of them, so the ratios hold where the
 * milliseconds do not.
 *
 * @module
 */
import {
  argument,
  AT_FDCWD,
  clone,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  environment,
  execvp,
  getegid,
  geteuid,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_REC,
  O_CLOEXEC,
  O_WRONLY,
  plan,
} from "../mod.ts";
import { containerGroups } from "./bench_containers.ts";
import { libraryGroups } from "./bench_library.ts";
import { compile, CompileError } from "./compile.ts";
import { RUN } from "./bundle.ts";
import { plot } from "./plot.ts";
import { fromFileUrl, parseArgs } from "./std.ts";

const WARM_UP = 3;
/** Milliseconds between two runs: namespaces are taken down after whoever was in them has ended. */
const REST = 5;
/** Milliseconds after which a waiter has failed to start. */
const PATIENCE = 10_000;
const DENO = [Deno.execPath(), "run"];
const UNSHARE = ["-Urpf", "--mount-proc", "true"];
const NSENTER = ["--preserve-credentials", "-U", "-m", "-p", "true"];
/** How many processes lsns looks at. */
const CROWD = 2000;
/** What a waiting process may have in memory, in KiB. */
const RESIDENT = 200;

/** Something that can be started. */
export interface Contestant {
  /** What the table calls it. */
  readonly name: string;
  /**
   * Starts it and waits for its end; absent if it is not installed. It may tell
   * the milliseconds that count, if they are not all that it takes.
   */
  readonly run: (() => void | number | Promise<void>) | undefined;
  /** The command line, if it is one. */
  readonly argv?: readonly string[];
}

/** Contestants to compare; the first is the one that the others are compared with. */
export interface Group {
  readonly title: string;
  /** Whether their system calls are counted, too. */
  readonly calls?: boolean;
  /** Each contestant, what its ratio may be, and another whose time is taken off its own. */
  readonly rows: readonly [contestant: Contestant, target?: number, less?: Contestant][];
}

// What is started ------------------------------------------------------------

const project = fromFileUrl(new URL("..", import.meta.url));

/** A command line as a contestant, if its program is there. */
function command(name: string, argv: readonly string[]): Contestant {
  const [file = "", ...args] = argv;
  if (!exists(file)) return { name, run: undefined };
  const command = new Deno.Command(file, { args, stdin: "null", stdout: "null", stderr: "null" });
  const run = (): void => {
    const { code } = command.outputSync();
    if (code !== 0) throw new Error(`${argv.join(" ")}: status ${code}`);
  };
  return { name, run, argv };
}

/** What `unshare -Urpf --mount-proc true` does, with clone(2) from this process. */
function clones(): void {
  const child = plan("clone", (p) => {
    const write = (path: string, text: string): void => {
      const fd = p.call("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0]);
      p.call("write", [fd, text, text.length]);
      p.call("close", [fd]);
    };
    write("/proc/self/uid_map", `0 ${geteuid()} 1`);
    write("/proc/self/setgroups", "deny");
    write("/proc/self/gid_map", `0 ${getegid()} 1`);
    p.call("mount", ["none", "/", 0, MS_REC | MS_PRIVATE, 0]);
    p.call("mount", ["proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, 0]);
    execvp(p, "true", argument(p, 0), environment(p));
  });
  const flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS;
  const { status } = clone(child, { flags, argv: ["true"] }).wait();
  if (status !== 0) throw new Error(`clone: status ${status}`);
}

/** The command lines in front of a command, and what two commands have become. */
interface Ours {
  readonly bundled: readonly string[];
  readonly compiled: readonly string[];
  readonly sources: readonly string[];
  readonly nsenter: readonly string[];
  readonly ours: Waiter;
  readonly entered: Waiter;
  /** What is in front of a command that shall see a crowd of processes. */
  readonly crowd: readonly string[];
}

function compared(
  directory: string,
  { bundled, compiled, sources, nsenter, ours, entered, crowd }: Ours,
): Group[] {
  const empty = `${directory}/empty.js`;
  Deno.writeTextFileSync(empty, "");
  const unshareFile = copyExecutable(ours, `${directory}/unshare`);
  const nsenterFile = copyExecutable(entered, `${directory}/nsenter`);
  const executable = command("unshare, executable", [unshareFile, ...UNSHARE]);
  const program = command("unshare, emitted", [emitted(directory)]);
  return [
    {
      title: "start-up",
      calls: true,
      rows: [
        [command("deno run empty.js", [...DENO, empty])],
        [command("unshare, sources", [...sources, "unshare", ...UNSHARE]), 1.4],
        [command("unshare, bundled", [...bundled, "unshare", ...UNSHARE]), 1.15],
        [command("unshare, compiled", [...compiled, "unshare", ...UNSHARE])],
        [program],
      ],
    },
    {
      title: "executable",
      rows: [
        [command("unshare of util-linux", ["/usr/bin/unshare", ...UNSHARE])],
        [executable, 0.8],
        [program, 0.8],
      ],
    },
    {
      title: "the same system calls",
      rows: [
        [command("the same in C", [compileC(directory, "bench") ?? "", "true"])],
        [executable, 1.1],
        [{ name: "clone() in a script", run: clones }, 1.15],
      ],
    },
    {
      title: "nsenter",
      rows: [
        [command("nsenter of util-linux", ["/usr/bin/nsenter", ...nsenter])],
        [command("nsenter, executable", [nsenterFile, ...nsenter])],
        [command("nsenter, bundled", [...bundled, "nsenter", ...nsenter])],
      ],
    },
    {
      title: `lsns of ${CROWD} processes`,
      rows: [
        [command("lsns of util-linux", [...crowd, "/usr/bin/lsns"])],
        [
          command("lsns, bundled, less Deno's start", [...crowd, ...bundled, "lsns"]),
          1,
          command("deno run empty.js", [...crowd, ...DENO, empty]),
        ],
      ],
    },
  ];
}

/** What `denspace emit` makes of the command line. */
function emitted(directory: string): string {
  const file = `${directory}/box`;
  const main = [...DENO, "--allow-ffi", `${project}commands/main.ts`];
  succeed(...main as [string], "emit", "-o", file, "unshare", ...UNSHARE);
  return file;
}

/** The compiled program, if there is one or it can be made. */
async function findCompiled(directory: string): Promise<string[]> {
  const denort = Deno.env.get("DENORT_BIN");
  const output = denort ? `${directory}/denspace` : `${project}dist/denspace`;
  try {
    if (denort) await compile({ output, toolchain: { deno: Deno.execPath(), denort } });
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    console.error(`bench: no compiled program: ${error.message}`);
  }
  return exists(output) ? [output] : [];
}

/** Compiles a C program; its path, if there is a C compiler. */
function compileC(directory: string, name: string): string | undefined {
  const cc = ["/usr/bin/cc", "/usr/bin/gcc"].find(exists);
  if (!cc) return undefined;
  const file = `${directory}/${name}`;
  succeed(cc, "-O2", "-static", "-o", file, `${project}scripts/${name}.c`);
  return file;
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

/** A command that waits for its program, and ends when that is killed. */
interface Waiter {
  readonly pid: number;
  /** The process id of the program. */
  readonly program: number;
  readonly stop: () => Promise<void>;
}

/** Starts a command whose program, `true`, waits; if it is installed. */
async function startWaiter(
  directory: string,
  argv: readonly string[],
): Promise<Waiter | undefined> {
  const [file, ...args] = argv;
  if (!exists(file!)) return undefined;
  Deno.mkdirSync(`${directory}/waiting`, { recursive: true });
  Deno.writeTextFileSync(`${directory}/waiting/true`, "#!/bin/sh\nexec sleep 300\n", {
    mode: 0o755,
  });
  const child = new Deno.Command(file!, {
    args,
    env: { PATH: `${directory}/waiting:${Deno.env.get("PATH")}` },
    stdin: "null",
    stdout: "null",
  }).spawn();
  const { pid } = child;
  const deadline = performance.now() + PATIENCE;
  while (read(`/proc/${childOf(pid)}/comm`) !== "sleep\n") {
    if (performance.now() > deadline) throw new Error(`${argv.join(" ")} does not start`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const program = childOf(pid);
  const stop = async (): Promise<void> => {
    Deno.kill(program, "SIGKILL");
    await child.status;
  };
  return { pid, program, stop };
}

/** Starts many processes, in a pid namespace with a /proc of its own. */
async function startCrowd(): Promise<Waiter> {
  const script = `for i in $(seq ${CROWD}); do sleep 1000 & done; echo ready; wait`;
  const child = new Deno.Command("/usr/bin/unshare", {
    args: ["-pf", "--mount-proc", "--kill-child", "bash", "-c", script],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const program = childOf(child.pid);
  const stop = async (): Promise<void> => {
    Deno.kill(program, "SIGKILL");
    await child.status;
  };
  return { pid: child.pid, program, stop };
}

/** The only child of a process; 0 if there is none yet. */
function childOf(pid: number): number {
  return Number(read(`/proc/${pid}/task/${pid}/children`)?.trim());
}

/** Copies the executable that a process runs: for ours, what the command has become. */
function copyExecutable({ pid }: Waiter, path: string): string {
  Deno.writeFileSync(path, Deno.readFileSync(`/proc/${pid}/exe`), { mode: 0o755 });
  return path;
}

// Measuring ------------------------------------------------------------------

/** Runs all contestants so many times; the milliseconds that each run took, in order. */
async function measure(
  contestants: ReadonlySet<Contestant>,
  rounds: number,
): Promise<Map<Contestant, number[]>> {
  const times = new Map(
    [...contestants].map((contestant): [Contestant, number[]] => [contestant, []]),
  );
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const [{ run }, list] of shuffle([...times])) {
      if (!run) continue;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, REST);
      const start = performance.now();
      const result = run();
      const told = result instanceof Promise ? await result : result;
      const end = performance.now();
      if (round >= 0) list.push(told ?? end - start);
    }
  }
  for (const list of times.values()) list.sort((a, b) => a - b);
  return times;
}

/** How many system calls a command and its children make, if strace(1) is there to count them. */
function countCalls({ argv }: Contestant, directory: string): number | undefined {
  const strace = "/usr/bin/strace";
  if (!argv || !exists(strace)) return undefined;
  const summary = `${directory}/calls`;
  succeed(strace, "-c", "-f", "-U", "calls,name", "-o", summary, ...argv);
  const [, total] = / *(\d+) +total$/m.exec(read(summary)!)!;
  return Number(total);
}

function shuffle<T>(items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}

/** A value of smaps_rollup in KiB, see proc_pid_smaps(5). */
function memory({ pid }: Waiter, name: string): number {
  const [, kib] = new RegExp(`^${name}: +(\\d+) kB`, "m").exec(read(`/proc/${pid}/smaps_rollup`)!)!;
  return Number(kib);
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

function timesOf(
  { rows, calls }: Group,
  times: ReadonlyMap<Contestant, readonly number[]>,
  directory: string,
): Row[] {
  const median = (contestant: Contestant | undefined): number | undefined => {
    const list = contestant ? times.get(contestant)! : [0];
    return list[list.length >> 1];
  };
  const reference = median(rows[0]![0]);
  return rows.map(([contestant, target, less]) => {
    const [whole, start] = [median(contestant), median(less)!];
    const [ms, min] = [whole && whole - start, times.get(contestant)!.map((ms) => ms - start)[0]];
    const ratio = ms && reference && ms / reference;
    return {
      command: contestant.name,
      "median ms": ms,
      "min ms": min,
      ratio,
      target,
      ok: isOk(ratio, target),
      ...(calls && { "system calls": countCalls(contestant, directory) }),
    };
  });
}

function memoryOf(name: string, waiter: Waiter | undefined, target?: number): Row {
  const rss = waiter && memory(waiter, "Rss");
  const pss = waiter && memory(waiter, "Pss");
  return { process: name, "Rss KiB": rss, "Pss KiB": pss, target, ok: isOk(rss, target) };
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

/** The measured times as a picture. */
function drawn(tables: Readonly<Record<string, Row[]>>, rounds: number): string {
  const measured = Object.entries(tables).map(([title, rows]) =>
    [
      title,
      rows.flatMap(({ command, "median ms": milliseconds, ratio, target }) =>
        typeof milliseconds !== "number" || typeof ratio !== "number" ? [] : [{
          name: String(command),
          milliseconds,
          ratio,
          target: typeof target === "number" ? target : undefined,
        }]
      ),
    ] as const
  );
  const versions = `Deno ${Deno.version.deno}, Linux ${Deno.osRelease()}`;
  return plot(Object.fromEntries(measured), `Medians of ${rounds} runs in turn; ${versions}`);
}

async function main(args: string[]): Promise<void> {
  const { rounds, json, plot: picture } = parseArgs(args, {
    boolean: ["json"],
    string: ["plot"],
    default: { rounds: 40 },
  });
  const directory = Deno.makeTempDirSync({ prefix: "denspace-bench-" });
  const waiters: Waiter[] = [];
  const start = async (...argv: string[]): Promise<Waiter | undefined> => {
    const waiter = await startWaiter(directory, argv);
    if (waiter) waiters.unshift(waiter);
    return waiter;
  };
  try {
    const bundled = [Deno.execPath(), ...RUN, makeBundle(directory)];
    // What Deno keeps for the next start lies in databases that one process at a time
    // can write to: what else runs here must not be in the way.
    Deno.env.set("DENO_DIR", `${directory}/deno`);
    const sources = [...DENO, "--allow-ffi", `${project}commands/main.ts`];
    const real = await start("/usr/bin/unshare", ...UNSHARE);
    const ours = (await start(...bundled, "unshare", ...UNSHARE))!;
    const waiting = `${directory}/waiting`;
    const contained = await start(...bundled, "run", "-v", `${waiting}:${waiting}`, "--", "true");
    const nsenter = ["-t", `${ours.program}`, ...NSENTER];
    const entered = (await start(...bundled, "nsenter", ...nsenter))!;
    const compiled = await findCompiled(directory);
    const many = await startCrowd();
    waiters.unshift(many);
    const crowd = ["/usr/bin/nsenter", "-t", `${many.program}`, "-m", "-p"];
    const lines = { bundled, compiled, sources, nsenter, ours, entered, crowd };
    const groups = [
      ...compared(directory, lines),
      ...libraryGroups(directory, exists, compileC(directory, "loop")),
      ...containerGroups({
        directory,
        empty: command("deno run empty.js", [...DENO, `${directory}/empty.js`]),
        bundled,
        sources,
        command,
      }),
    ];
    const contestants = new Set(
      groups.flatMap(({ rows }) =>
        rows.flatMap(([contestant, , less]) => less ? [contestant, less] : [contestant])
      ),
    );
    const times = await measure(contestants, Number(rounds));
    const tables: Record<string, Row[]> = Object.fromEntries(
      groups.map((group) => [group.title, timesOf(group, times, directory)]),
    );
    if (picture) Deno.writeTextFileSync(String(picture), drawn(tables, Number(rounds)));
    tables["memory while the program runs"] = [
      memoryOf("unshare of util-linux", real),
      memoryOf("unshare, ours", ours, RESIDENT),
      memoryOf("denspace run", contained, RESIDENT),
    ];
    if (json) console.log(JSON.stringify({ rounds, tables }, null, 2));
    else for (const [title, rows] of Object.entries(tables)) table(title, rows);
  } finally {
    for (const { stop } of waiters) await stop();
    Deno.removeSync(directory, { recursive: true });
  }
}

await main(Deno.args);
