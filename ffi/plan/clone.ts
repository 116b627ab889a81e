/**
 * Running a plan in a child of this process.
 *
 *     this process                        child
 *     block all signals
 *     clone(CLONE_VM | CLONE_VFORK) ----> our memory, its own stack
 *     (stopped)                           reset every signal handler
 *                                         restore the signal mask
 *                                         the plan's steps
 *     restore the signal mask <---------- execve, or exit
 *     free the memory
 *
 * The child shares our memory until it runs a program, so nothing is copied,
 * and a failure is read where the child left it. A signal in between must not
 * run a handler of ours in it: hence the order.
 *
 * @module
 */
import { cstring, int } from "../arguments.ts";
import { F_DUPFD_CLOEXEC } from "../constants/fcntl.ts";
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE } from "../constants/mman.ts";
import { PR_GET_DUMPABLE, PR_SET_DUMPABLE } from "../constants/prctl.ts";
import { RLIMIT_NOFILE } from "../constants/resource.ts";
import { CLONE_PIDFD, CLONE_VFORK, CLONE_VM } from "../constants/sched.ts";
import { SIG_DFL, SIG_IGN, SIG_SETMASK, SIGNALS } from "../constants/signal.ts";
import { P_PID, WEXITED } from "../constants/wait.ts";
import { ended } from "../children.ts";
import { textAt } from "../bytes.ts";
import type { SyscallError } from "../errno.ts";
import { call, environ } from "../libc.ts";
import { clearCache } from "../libgcc.ts";
import { mmap, mprotect, munmap } from "../mman.ts";
import { pidfdOpen } from "../pidfd.ts";
import { prctl } from "../prctl.ts";
import type { Limit } from "../resource.ts";
import { sigmask } from "../signal.ts";
import { close } from "../unistd.ts";
import { waitid, type WaitResult } from "../wait.ts";
import { plan } from "./builder.ts";
import { fileLimitOfCaller } from "./exec.ts";
import { failureOf } from "./failure.ts";
import { host } from "./host.ts";
import { type Layout, layout } from "./layout.ts";
import { type Cell, ERRNO, FAILED, type Plan, STACK } from "./step.ts";
import { withSibling } from "./successor.ts";

const STACK_SIZE = 64 * 1024;
const PAGE = 64 * 1024; // the largest there is

/** What a child is to be. */
export interface CloneOptions {
  /** Flags of clone(2): the namespaces to make. */
  readonly flags?: number;
  /** The arguments that the plan finds, the first being the program's name. */
  readonly argv?: readonly string[];
  /** Our descriptor that becomes its standard input; our own one if absent. */
  readonly stdin?: number;
  /** Our descriptor that becomes its standard output; our own one if absent. */
  readonly stdout?: number;
  /** Our descriptor that becomes its standard error; our own one if absent. */
  readonly stderr?: number;
}

/** A child process. */
export interface Child {
  /** Its process id. */
  readonly pid: number;
  /** A descriptor of it, close-on-exec, until its end is known by {@linkcode wait} or {@linkcode status}. */
  readonly pidfd: number;
  /** Waits until it ends; blocks this thread. */
  wait(): WaitResult;
  /** What becomes of it, once it has ended. To ask for it keeps the event loop running until then. */
  readonly status: Promise<WaitResult>;
}

/**
 * Runs a plan in a child process, and returns when the child has replaced
 * itself by a program, or has ended.
 *
 * Until then nothing else runs in this thread: a plan that may take long is for
 * `spawn`. The child has all signals as a program of its own would have them,
 * and the limit of open files that Deno was started with. It stays a zombie
 * until its end is asked for.
 *
 * See clone(2).
 *
 * @param program the plan
 * @param options what the child is to be
 * @returns the child
 * @throws {SyscallError} when there is no child, or when it could not do a step
 *   of the plan: then it has ended
 * @throws {TypeError | RangeError} when an option is none
 *
 * @example
 * ```ts
 * import { argument, clone, environment, execvp, plan } from "@denspace/denspace";
 *
 * const shell = plan("shell", (p) => execvp(p, "sh", argument(p, 0), environment(p)));
 * const { code, status } = clone(shell, { argv: ["sh", "-c", "exit 7"] }).wait();
 * console.log(code, status); // exited 7
 * ```
 */
export function clone(program: Plan, options: CloneOptions = {}): Child {
  const { flags = 0, argv = [program.name] } = options;
  const whole = prepare(program, redirections(options), fileLimitOfCaller());
  const memory = place(whole, argv);
  const pidfd = new Int32Array(1);
  const dumpable = prctl(PR_GET_DUMPABLE);
  const before = sigmask(SIG_SETMASK, ALL_SIGNALS);
  try {
    memory.write(whole.stack, memory.initialStack);
    memory.write(whole.mask, before);
    const first = call("clone", [
      memory.code,
      memory.stackTop,
      CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGNALS.SIGCHLD | flags,
      null,
      Deno.UnsafePointer.of(pidfd),
      null,
      null,
    ]);
    const { successor } = program;
    const second = successor ? Number(memory.read(successor.pid)) : 0;
    const failed = memory.read(whole.failed) !== 0n;
    if (failed || second > 0) {
      close(pidfd[0]!);
      waitid(P_PID, first, WEXITED);
    }
    if (!failed) return second > 0 ? child(second, pidfdOpen(second)) : child(first, pidfd[0]!);
    if (second > 0) waitid(P_PID, second, WEXITED);
    throw readFailure(whole.plan, memory);
  } finally {
    sigmask(SIG_SETMASK, before);
    // A change of its ids has made our memory, which was its own, secret.
    if (dumpable === 1) prctl(PR_SET_DUMPABLE, 1);
    memory.release();
  }
}

/** A child that runs. */
function child(pid: number, pidfd: number): Child {
  let result: WaitResult | undefined;
  let status: Promise<WaitResult> | undefined;
  const end = (found: WaitResult): WaitResult => {
    if (!result) close(pidfd);
    return result ??= found;
  };
  return {
    pid,
    pidfd,
    wait: () => result ?? end(waitid(P_PID, pid, WEXITED)!),
    get status(): Promise<WaitResult> {
      return status ??= result ? Promise.resolve(result) : ended(pid, () => result).then(end);
    },
  };
}

const ALL_SIGNALS = (1n << 64n) - 1n;
const SIGNAL_COUNT = 64;
const SIGSET = 8;

/** For each standard descriptor of the child that is another one of ours: which. */
function redirections({ stdin, stdout, stderr }: CloneOptions): [to: number, from: number][] {
  return Object.entries({ stdin, stdout, stderr }).flatMap(([name, from], to) =>
    from === undefined ? [] : [[to, int(name, from)] as [number, number]]
  );
}

/** A plan as a child runs it, and the cells by which we talk to it. */
interface ChildPlan {
  readonly plan: Plan;
  /** Becomes 1 when the child could not do a step. */
  readonly failed: Cell;
  /** The address of argc. */
  readonly stack: Cell;
  /** The signal mask to restore. */
  readonly mask: Cell;
  /** What it was laid out for last, which may be just as well for the next child. */
  laid?: Laid;
}

/** A plan as bytes, with where they lie, and how much space there is for the first part. */
interface Laid extends Layout {
  readonly address: number;
  readonly codeSize: number;
}

/** What has been prepared of a plan, and for which options. */
const prepared = new WeakMap<Plan, { readonly key: string; readonly child: ChildPlan }>();

/** The plan as a child runs it; it is made once for a plan that is cloned again and again. */
function prepare(
  program: Plan,
  redirections: readonly [to: number, from: number][],
  limit: Limit | undefined,
): ChildPlan {
  const key = `${redirections}:${limit?.soft}`;
  const known = prepared.get(program);
  if (known?.key === key) return known.child;
  const child = asChild(program, redirections, limit);
  prepared.set(program, { key, child });
  return child;
}

/** Adds what comes before a plan in a child, and what follows a failure. */
function asChild(
  program: Plan,
  redirections: readonly [to: number, from: number][],
  limit: Limit | undefined,
): ChildPlan {
  let cells!: Omit<ChildPlan, "plan">;
  let failure!: number;
  let end!: number;
  const whole = plan(program.name, (p) => {
    cells = { failed: p.cell("failed"), stack: p.cell("argc"), mask: p.cell("signal mask") };

    // Ignored stays ignored, but for SIGPIPE, which is only so because of Deno.
    const signal = p.control("add", [1, 0]);
    const old = p.cell("struct sigaction", 32);
    const [again, reset, next] = [p.here(), p.label(), p.label()];
    p.call("rt_sigaction", [signal, 0, { addressOf: old }, SIGSET]);
    p.branch("equal", old, SIG_DFL, next);
    p.branch("equal", signal, SIGNALS.SIGPIPE, reset);
    p.branch("equal", old, SIG_IGN, next);
    p.place(reset);
    p.call("rt_sigaction", [signal, DEFAULT_ACTION, 0, SIGSET]);
    p.place(next);
    p.control("add", [signal, 1], { result: signal });
    p.branch("less", signal, SIGNAL_COUNT + 1, again);
    p.call("rt_sigprocmask", [SIG_SETMASK, { addressOf: cells.mask }, 0, SIGSET]);
    if (limit) {
      const words = new BigUint64Array([limit.soft, limit.hard]);
      p.call("prlimit64", [0, RLIMIT_NOFILE, new Uint8Array(words.buffer), 0]);
    }
    const copies = redirections.map(([to, from]) => ({
      to,
      copy: p.call("fcntl", [from, F_DUPFD_CLOEXEC, 3], { message: `descriptor ${from}` }),
    }));
    for (const { to, copy } of copies) p.call("dup3", [copy, to, 0]);
    p.control("add", [cells.stack, 0], { result: STACK, next: { at: program.start } });

    failure = p.here().at!;
    p.control("add", [1, 0], { result: cells.failed });
    p.call("exit_group", [127]);
    end = p.here().at!;
    p.call("exit_group", [0]);
  }, program);
  const start = program.steps.length;
  return { plan: withSibling({ ...whole, start, failure }, end), ...cells };
}

const DEFAULT_ACTION = new Uint8Array(32);

/** A plan in memory, ready to run. */
interface Memory {
  readonly code: Deno.PointerValue;
  readonly stackTop: Deno.PointerValue;
  /** The address of argc. */
  readonly initialStack: bigint;
  /** The address of each step. */
  readonly steps: readonly number[];
  /** What a cell holds. */
  read(cell: Cell): bigint;
  /** Sets what a cell holds. */
  write(cell: Cell, value: bigint): void;
  release(): void;
}

/** Puts a plan into memory of its own: code, data and a stack. */
function place(child: ChildPlan, argv: readonly string[]): Memory {
  const { plan } = child;
  const strings = argv.map((arg, i) => cstring(`argv[${i}]`, arg));
  const variables = environment();
  const initialSize = (stackSize(strings, variables) + 15) & ~15;
  const rest = pages(plan.dataSize) + pages(STACK_SIZE + initialSize);

  // How large the code is, is known when it is laid out for where it lies.
  for (let codeSize = child.laid?.codeSize ?? pages(sizeOfSteps(plan)); true; codeSize *= 2) {
    const near = child.laid ? Deno.UnsafePointer.create(BigInt(child.laid.address)) : null;
    const size = codeSize + rest;
    const flags = MAP_PRIVATE | MAP_ANONYMOUS;
    const memory = mmap(size, PROT_READ | PROT_WRITE, flags, -1, 0, near);
    const release = (): void => munmap(memory, size);
    const address = Number(Deno.UnsafePointer.value(memory));
    const { code, data, steps } = laidOut(release, () => layOut(child, address, codeSize));
    if (code.length > codeSize) {
      release();
      continue;
    }
    const stackAt = size - initialSize;
    const bytes = new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(memory, size));
    bytes.set(code);
    bytes.set(data, codeSize);
    writeStack(bytes, stackAt, address, strings, variables);
    mprotect(memory, codeSize, PROT_READ | PROT_EXEC);
    clearCache(memory, code.length);
    const view = new DataView(bytes.buffer, codeSize);
    return {
      code: memory,
      stackTop: Deno.UnsafePointer.create(BigInt(address + stackAt)),
      initialStack: BigInt(address + stackAt),
      steps,
      read: ({ offset }) => view.getBigUint64(offset, true),
      write: ({ offset }, value) => view.setBigUint64(offset, value, true),
      release,
    };
  }
}

function pages(size: number): number {
  return Math.ceil(size / PAGE) * PAGE;
}

/** Lays a plan out, unless it was laid out for the same place the last time. */
function layOut(child: ChildPlan, address: number, codeSize: number): Layout {
  const { laid } = child;
  if (laid?.address === address && laid.codeSize === codeSize) return laid;
  const found = layout(child.plan, host(), address, address + codeSize, () => false);
  child.laid = { ...found, address, codeSize };
  return found;
}

/** What a plan takes at least: its steps, and a little for what they point to. */
function sizeOfSteps({ steps }: Plan): number {
  return 4096 + steps.length * 96;
}

function laidOut<T>(release: () => void, lay: () => T): T {
  try {
    return lay();
  } catch (error) {
    release();
    throw error;
  }
}

/** The error that the child left behind. */
function readFailure(plan: Plan, memory: Memory): SyscallError {
  const step = memory.steps.indexOf(Number(memory.read(FAILED)));
  const { subject, hint } = plan.steps[step]!.note;
  const text = (cell: Cell | undefined): string => {
    const address = cell ? Deno.UnsafePointer.create(memory.read(cell)) : null;
    return address ? textAt(address) : "";
  };
  return failureOf(plan, {
    step,
    errno: Number(memory.read(ERRNO)),
    subject: text(subject),
    hint: text(hint),
  });
}

/** How much execve(2) would leave on a stack: argc, argv, environment, strings. */
function stackSize(strings: readonly Uint8Array[], variables: readonly bigint[]): number {
  const words = strings.length + variables.length + 3;
  return strings.reduce((size, { length }) => size + length, 8 * words);
}

function writeStack(
  bytes: Uint8Array<ArrayBuffer>,
  at: number,
  address: number,
  strings: readonly Uint8Array[],
  variables: readonly bigint[],
): void {
  const words = new BigUint64Array(bytes.buffer, at, strings.length + variables.length + 3);
  let end = at + words.byteLength;
  let i = 0;
  words[i++] = BigInt(strings.length);
  for (const string of strings) {
    words[i++] = BigInt(address + end);
    bytes.set(string, end);
    end += string.length;
  }
  i++;
  for (const variable of variables) words[i++] = variable;
}

/** The addresses of our environment variables. */
function environment(): bigint[] {
  const words = [];
  const view = new Deno.UnsafePointerView(environ()!);
  for (let at = 0;; at += 8) {
    const word = view.getBigUint64(at);
    if (word === 0n) return words;
    words.push(word);
  }
}
