/**
 * Programs in namespaces, started as `Deno.Command` starts programs.
 *
 * @module
 */
import { ended, type Hold } from "../ffi/children.ts";
import { type SignalName, SIGNALS } from "../ffi/constants/signal.ts";
import { ESRCH } from "../ffi/constants/errno.ts";
import { SyscallError } from "../ffi/errno.ts";
import { pidfdSendSignal } from "../ffi/pidfd.ts";
import { type Builder, plan as build } from "../ffi/plan/builder.ts";
import { start, type Started, type StartOptions, startSync } from "../ffi/plan/spawn.ts";
import type { Plan } from "../ffi/plan/step.ts";
import { close, getpid } from "../ffi/unistd.ts";
import type { WaitResult } from "../ffi/wait.ts";
import { check, checkArguments, type Checked, checkStdio, PLAN_KEYS } from "./spawn/check.ts";
import type { Usage } from "./cgroup/usage.ts";
import { holdOutside, type Outside } from "./spawn/outside.ts";
import type { PlanOptions, ProgramOptions, SpawnOptions, Stdio } from "./spawn/options.ts";
import { programPlan } from "./spawn/plan.ts";

/**
 * The plan of a program: what {@linkcode spawn} would run, to be explained,
 * emitted, cloned or executed.
 *
 * The ids that it maps, and the environment if it has no variables of its own,
 * are those of the run. The parent of which `dieWithParent` speaks is whoever
 * starts it. See namespaces(7).
 *
 * @param options what the program is to be
 * @returns the plan
 * @throws {TypeError | RangeError} when an option is none
 *
 * @example
 * ```ts
 * import { explain, plan } from "@denspace/denspace";
 *
 * const shell = plan({ command: "sh", namespaces: { user: true, uts: true }, uidMap: "root" });
 * console.log(explain(shell));
 * ```
 */
export function plan(options: ProgramOptions): Plan;
/**
 * Builds a plan by hand, out of system calls: see syscalls(2) for those that there
 * are, and {@linkcode SIGNATURES} for those that a plan can make.
 *
 * @param name the program's name, with which its messages begin
 * @param write writes the steps
 * @returns the plan
 * @throws {Error} when nothing comes behind the last step, and it does not end the program
 *
 * @example
 * ```ts
 * import { plan } from "@denspace/denspace";
 *
 * const hello = plan("hello", (p) => {
 *   p.call("write", [1, "hello\n", 6]);
 *   p.call("exit_group", [0]);
 * });
 * ```
 */
export function plan(name: string, write: (p: Builder) => void): Plan;
export function plan(first: ProgramOptions | string, write?: (p: Builder) => void): Plan {
  return typeof first === "string" ? build(first, write!) : programPlan(check(first));
}

/** What became of a program. */
export interface ProcessStatus extends Deno.CommandStatus {
  /** What its processes have used, if it had `resources`. */
  readonly usage?: Usage;
}

/** What became of a program, and what it has printed. */
export type ProcessOutput = Deno.CommandOutput & Pick<ProcessStatus, "usage">;

/** A program that was started. */
export interface Process extends AsyncDisposable {
  /** Its process id. */
  readonly pid: number;
  /** A descriptor of it, close-on-exec, until {@linkcode status} is settled. */
  readonly pidfd: number;
  /** What becomes of it. The event loop runs until then, unless {@linkcode unref} is called. */
  readonly status: Promise<ProcessStatus>;
  /** What it reads. */
  readonly stdin: WritableStream<Uint8Array<ArrayBuffer>>;
  /** What it prints. */
  readonly stdout: Deno.SubprocessReadableStream;
  /** What it prints as errors. */
  readonly stderr: Deno.SubprocessReadableStream;
  /** Waits for its end; gives all that it has printed. */
  output(): Promise<ProcessOutput>;
  /** Sends it a signal; SIGTERM if none is given. */
  kill(signal?: SignalName | number): void;
  /** Has the event loop wait for it, as it does from the start. */
  ref(): void;
  /** Has the event loop not wait for it. */
  unref(): void;
}

/**
 * Starts a program in namespaces of its own or of others, with rights, limits
 * and a root of its own.
 *
 * It returns when the program runs: what fails on the way throws, and nothing
 * is left. It is a child of this process, with no other one in between, also in
 * a pid namespace, where it is process 1 if that is new. A program in a pid
 * namespace that exists is another one there. All descriptors but 0, 1, 2 and
 * `descriptors` are closed, and what Deno has changed of this process is not
 * changed for the program: limit of open files, SIGPIPE, order of variables.
 *
 * It needs `--allow-ffi` and `--allow-run`. See namespaces(7), clone(2),
 * execve(2).
 *
 * @param options what it is to be
 * @returns the program
 * @throws {SyscallError} when a step on the way to the program fails, with the
 *   step, and a hint where a setting of the host refuses it
 * @throws {TypeError | RangeError} when an option is none
 *
 * @example
 * ```ts
 * import { spawn } from "@denspace/denspace";
 *
 * const shell = spawn({
 *   command: "sh",
 *   args: ["-c", "echo process $$ of $(hostname), user $(id -u)"],
 *   namespaces: { user: true, pid: true, mount: true, uts: true },
 *   uidMap: "root",
 *   gidMap: "root",
 *   hostname: "inside",
 *   mountProc: true,
 *   stdout: "piped",
 * });
 * console.log(await new Response(shell.stdout).text()); // process 1 of inside, user 0
 * const { success } = await shell.status;
 * console.log(success);
 * ```
 */
export function spawn(options: SpawnOptions): Process;
/**
 * Starts a plan as a program of its own.
 *
 * It returns when the plan has become a program, or has ended; in the case of a
 * container, when the program in it runs. A step that fails throws. See clone(2).
 *
 * @param plan the plan
 * @param options its arguments, and where its streams lead
 * @returns the program
 * @throws {SyscallError} when a step of the plan fails
 * @throws {TypeError | RangeError} when an option is none
 *
 * @example
 * ```ts
 * import { argument, environment, execvp, plan, spawn } from "@denspace/denspace";
 *
 * const shell = plan("shell", (p) => execvp(p, "sh", argument(p, 0), environment(p)));
 * const { status } = spawn(shell, { argv: ["sh", "-c", "exit 7"] });
 * console.log((await status).code); // 7
 * ```
 */
export function spawn(plan: Plan, options?: PlanOptions): Process;
export function spawn(first: SpawnOptions | Plan, options: PlanOptions = {}): Process {
  const { signal, ...streams } = streamsOf(first, options, ["inherit", "inherit"]);
  const [started, outside] = run(first, options, streams, start);
  return new StartedProcess(started, signal, outside);
}

/**
 * Runs a program to its end, as {@linkcode spawn} starts it; blocks this thread.
 *
 * Standard output and error are piped if nothing else is said. See clone(2),
 * execve(2), wait(2).
 *
 * @param options what it is to be
 * @returns how it ended, and what it has printed
 * @throws {SyscallError} when a step on the way to the program fails
 * @throws {TypeError | RangeError} when an option is none
 *
 * @example
 * ```ts
 * import { spawnSync } from "@denspace/denspace";
 *
 * const { code, stdout } = spawnSync({
 *   command: "ls",
 *   args: ["/sys/class/net"],
 *   namespaces: { user: true, net: true },
 *   env: { LC_ALL: "C" },
 * });
 * console.log(code, new TextDecoder().decode(stdout));
 * ```
 */
export function spawnSync(options: SpawnOptions): ProcessOutput;
/**
 * Runs a plan to its end, as {@linkcode spawn} starts it; blocks this thread. See
 * clone(2), wait(2).
 *
 * @param plan the plan
 * @param options its arguments, and where its streams lead
 * @returns how it ended, and what it has printed
 * @throws {SyscallError} when a step of the plan fails
 * @throws {TypeError | RangeError} when an option is none
 *
 * @example
 * ```ts
 * import { plan, spawnSync } from "@denspace/denspace";
 *
 * const hello = plan("hello", (p) => {
 *   p.call("write", [1, "hello\n", 6]);
 *   p.call("exit_group", [0]);
 * });
 * console.log(new TextDecoder().decode(spawnSync(hello).stdout)); // hello
 * ```
 */
export function spawnSync(plan: Plan, options?: PlanOptions): ProcessOutput;
export function spawnSync(first: SpawnOptions | Plan, options: PlanOptions = {}): ProcessOutput {
  const { signal, ...streams } = streamsOf(first, options, ["null", "piped"]);
  if (signal) throw new TypeError("signal is not for spawnSync, during which nothing can abort");
  if (streams.stdin === "piped") {
    throw new TypeError("stdin can't be piped: nobody could write to it");
  }
  const [{ output, result }, outside] = run(first, options, streams, startSync);
  const usage = removed(outside);
  if (!result && !usage) return output;
  return withStatus(output, result ? statusOf(result) : output, usage);
}

function isPlan(first: SpawnOptions | Plan): first is Plan {
  return typeof first === "object" && first !== null && "steps" in first;
}

/** Where streams lead. */
function streamsOf(
  first: SpawnOptions | Plan,
  options: PlanOptions,
  usual: readonly [stdin: Stdio, others: Stdio],
): ReturnType<typeof checkStdio> {
  return isPlan(first) ? checkStdio(options, usual, PLAN_KEYS) : checkStdio(first, usual);
}

/** Starts a program, beside what it has outside; if that fails, nothing is left there. */
function run<T>(
  first: SpawnOptions | Plan,
  options: PlanOptions,
  streams: Pick<StartOptions, "stdin" | "stdout" | "stderr">,
  start: (program: Plan, options: StartOptions) => T,
): [started: T, outside: Outside | undefined] {
  if (isPlan(first)) {
    const argv = checkArguments(first, options);
    return [start(first, { ...streams, argv, inherited: [] }), undefined];
  }
  const checked = check(first);
  const outside = holdOutside(checked);
  try {
    const inherited = Object.values(checked.descriptors);
    const started = start(planned(checked), { ...streams, argv: [checked.command], inherited });
    return [started, outside];
  } catch (error) {
    outside?.remove();
    throw error;
  }
}

/** Removes what is outside; what was used. */
function removed(outside: Outside | undefined): Pick<ProcessStatus, "usage"> | undefined {
  const usage = outside?.usage();
  outside?.remove();
  return usage && { usage };
}

/** The plan that was made last, and what it was made of. */
let last: { readonly key: string; readonly plan: Plan } | undefined;

/** The plan of a program of ours; it is made once for one that is started again and again. */
function planned(checked: Checked): Plan {
  // With further variables it has the others, as they are now, in it.
  if (checked.env.size > 0) return programPlan(checked, getpid());
  const key = JSON.stringify(
    checked,
    (_, value) =>
      value instanceof Set || value instanceof Map
        ? [...value]
        : typeof value === "bigint"
        ? `${value}`
        : value,
  );
  if (last?.key !== key) last = { key, plan: programPlan(checked, getpid()) };
  return last.plan;
}

/** An output of another status. Its streams are getters, which throw if they are not piped. */
function withStatus(
  output: Deno.CommandOutput,
  { success, code, signal }: Deno.CommandStatus,
  usage: Pick<ProcessStatus, "usage"> | undefined,
): ProcessOutput {
  const { stdout, stderr } = Object.getOwnPropertyDescriptors(output);
  const status = { success, code, signal, ...usage };
  return Object.defineProperties(status, { stdout, stderr }) as ProcessOutput;
}

/** That it has streams, a status and a descriptor to close makes it a class, as Deno's own. */
class StartedProcess implements Process {
  readonly pid: number;
  readonly pidfd: number;
  readonly status: Promise<ProcessStatus>;
  readonly #child: Deno.ChildProcess;
  #hold: Hold | undefined;
  #running = true;

  constructor(
    { child, pid, pidfd, succeeded }: Started,
    signal: AbortSignal | undefined,
    outside: Outside | undefined,
  ) {
    this.#child = child;
    this.pid = pid;
    this.pidfd = pidfd;
    const abort = (): void => {
      if (this.#running) this.kill("SIGTERM");
    };
    const end = (): void => {
      this.#running = false;
      close(pidfd);
      signal?.removeEventListener("abort", abort);
    };
    const result = succeeded
      ? ended(pid, () => undefined, (hold) => this.#hold = hold).then(statusOf)
      : child.status;
    const ending = result.finally(end);
    this.status = outside ? ending.then((status) => ({ ...status, ...removed(outside) })) : ending;
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
  }
  get stdin(): WritableStream<Uint8Array<ArrayBuffer>> {
    return this.#child.stdin;
  }
  get stdout(): Deno.SubprocessReadableStream {
    return this.#child.stdout;
  }
  get stderr(): Deno.SubprocessReadableStream {
    return this.#child.stderr;
  }
  async output(): Promise<ProcessOutput> {
    const [output, status] = await Promise.all([this.#child.output(), this.status]);
    const { usage } = status;
    return withStatus(output, status, usage && { usage });
  }
  kill(signal: SignalName | number = "SIGTERM"): void {
    try {
      if (this.#running) return pidfdSendSignal(this.pidfd, signal);
    } catch (error) {
      if (!(error instanceof SyscallError && error.errno === ESRCH)) throw error;
    }
    throw new TypeError("Child process has already terminated");
  }
  ref(): void {
    this.#child.ref();
    this.#hold?.ref();
  }
  unref(): void {
    this.#child.unref();
    this.#hold?.unref();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.kill("SIGTERM");
    } catch { /* It has ended. */ }
    await this.status;
  }
}

const NAMES = Object.entries(SIGNALS) as [SignalName, number][];

function statusOf({ code, status }: WaitResult): Deno.CommandStatus {
  if (code === "exited") return { success: status === 0, code: status, signal: null };
  const signal = NAMES.find(([, number]) => number === status)?.[0] ?? null;
  return { success: false, code: 128 + status, signal: signal as Deno.Signal | null };
}
