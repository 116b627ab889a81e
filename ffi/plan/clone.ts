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
import { cstring } from "../arguments.ts";
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE } from "../constants/mman.ts";
import { CLONE_VFORK, CLONE_VM } from "../constants/sched.ts";
import { SIG_DFL, SIG_IGN, SIG_SETMASK, SIGNALS } from "../constants/signal.ts";
import { P_PID, WEXITED } from "../constants/wait.ts";
import { SyscallError } from "../errno.ts";
import { call, environ } from "../libc.ts";
import { clearCache } from "../libgcc.ts";
import { mmap, mprotect, munmap } from "../mman.ts";
import { sigmask } from "../signal.ts";
import { waitid, type WaitResult } from "../wait.ts";
import { plan } from "./builder.ts";
import { host } from "./host.ts";
import { layout } from "./layout.ts";
import { type Cell, CONTROL, ERRNO, FAILED, type Plan, STACK } from "./step.ts";

const STACK_SIZE = 64 * 1024;
const PAGE = 64 * 1024; // the largest there is

/** What a child is to be. */
export interface CloneOptions {
  /** Flags of clone(2): the namespaces to make. */
  readonly flags?: number;
  /** The arguments that the plan finds, the first being the program's name. */
  readonly argv?: readonly string[];
}

/** A child process. */
export interface Child {
  /** Its process id. */
  readonly pid: number;
  /** Waits until it ends; blocks this thread. */
  wait(): WaitResult;
}

/**
 * Runs a plan in a child process, and returns when the child has replaced
 * itself by a program, or has ended.
 *
 * @param plan the plan
 * @param options what the child is to be
 * @throws {SyscallError} when there is no child, or when it could not do a step
 *   of the plan: then it has ended
 *
 * See clone(2).
 */
export function clone(
  program: Plan,
  { flags = 0, argv = [program.name] }: CloneOptions = {},
): Child {
  const { whole, failed, stack, mask } = asChild(program);
  const memory = place(whole, initialStack(argv));
  const before = sigmask(SIG_SETMASK, ALL_SIGNALS);
  try {
    memory.write(stack, memory.initialStack);
    memory.write(mask, before);
    const pid = call("clone", [
      memory.code,
      memory.stackTop,
      CLONE_VM | CLONE_VFORK | SIGNALS.SIGCHLD | flags,
      null,
      null,
      null,
      null,
    ]);
    const wait = () => waitid(P_PID, pid, WEXITED)!;
    if (memory.read(failed) === 0n) return { pid, wait };
    wait();
    throw failureOf(whole, memory);
  } finally {
    sigmask(SIG_SETMASK, before);
    memory.release();
  }
}

const ALL_SIGNALS = (1n << 64n) - 1n;
const SIGNAL_COUNT = 64;
const SIGSET = 8;

/** A plan as a child runs it, and the cells by which we talk to it. */
interface ChildPlan {
  readonly whole: Plan;
  /** Becomes 1 when the child could not do a step. */
  readonly failed: Cell;
  /** The address of argc. */
  readonly stack: Cell;
  /** The signal mask to restore. */
  readonly mask: Cell;
}

/** Adds what comes before a plan in a child, and what follows a failure. */
function asChild(program: Plan): ChildPlan {
  let cells!: Omit<ChildPlan, "whole">;
  let failure!: number;
  const whole = plan(program.name, (p) => {
    cells = { failed: p.cell("failed"), stack: p.cell("argc"), mask: p.cell("signal mask") };

    // Ignored stays ignored, but for SIGPIPE, which is only so because of Deno.
    const signal = p.control("add", [1, 0]);
    const old = p.cell("struct sigaction", 32);
    const [again, reset, next] = [p.here(), p.label(), p.label()];
    p.call("rt_sigaction", [signal, 0, { addressOf: old }, SIGSET]);
    p.branch("equal", signal, SIGNALS.SIGPIPE, reset);
    p.branch("equal", old, SIG_IGN, next);
    p.branch("equal", old, SIG_DFL, next);
    p.place(reset);
    p.call("rt_sigaction", [signal, new Uint8Array(32), 0, SIGSET]);
    p.place(next);
    p.control("add", [signal, 1], { result: signal });
    p.branch("less", signal, SIGNAL_COUNT + 1, again);
    p.call("rt_sigprocmask", [SIG_SETMASK, { addressOf: cells.mask }, 0, SIGSET]);
    p.control("add", [cells.stack, 0], { result: STACK, next: { at: 0 } });

    failure = p.here().at!;
    p.control("add", [1, 0], { result: cells.failed });
    p.call("exit_group", [127]);
  }, program);
  return { whole: { ...whole, start: program.steps.length, failure }, ...cells };
}

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
function place(plan: Plan, initial: (address: bigint) => Uint8Array): Memory {
  const arch = host();
  const pages = (size: number) => Math.ceil(size / PAGE) * PAGE;
  // Sizes are the same wherever things lie.
  const { code: { length: codeSize } } = layout(plan, arch, 0, 0);
  const initialSize = Math.ceil(initial(0n).length / 16) * 16;
  const dataAt = pages(codeSize);
  const size = dataAt + pages(plan.dataSize) + pages(STACK_SIZE + initialSize);
  const stackAt = size - initialSize;

  const memory = mmap(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  const address = Number(Deno.UnsafePointer.value(memory));
  const { code, data, steps } = layout(plan, arch, address, address + dataAt);
  const bytes = new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(memory, size));
  bytes.set(code);
  bytes.set(data, dataAt);
  bytes.set(initial(BigInt(address + stackAt)), stackAt);
  mprotect(memory, dataAt, PROT_READ | PROT_EXEC);
  clearCache(memory, codeSize);

  const view = new DataView(bytes.buffer, dataAt);
  return {
    code: memory,
    stackTop: Deno.UnsafePointer.create(BigInt(address + stackAt)),
    initialStack: BigInt(address + stackAt),
    steps,
    read: ({ offset }) => view.getBigUint64(offset, true),
    write: ({ offset }, value) => view.setBigUint64(offset, value, true),
    release: () => munmap(memory, size),
  };
}

/** The error that the child left behind. */
function failureOf({ steps }: Plan, memory: Memory): SyscallError {
  const step = steps[memory.steps.indexOf(Number(memory.read(FAILED)))]!;
  const syscall = (CONTROL as readonly string[]).includes(step.op) ? "execve" : step.op;
  const errno = Number(memory.read(ERRNO));
  const { message, needs } = step.note;
  return new SyscallError(syscall, errno, {
    ...(message !== undefined && { step: message }),
    ...(needs?.errno === errno && { hint: needs.text }),
  });
}

/** What execve(2) leaves on a stack at an address: argc, argv, environment, strings. */
function initialStack(argv: readonly string[]): (address: bigint) => Uint8Array {
  const strings = argv.map((arg, i) => cstring(`argv[${i}]`, arg));
  const variables = environment();
  const size = 8 * (strings.length + variables.length + 3);
  return (address) => {
    const pointers: bigint[] = [];
    let end = address + BigInt(size);
    for (const { length } of strings) {
      pointers.push(end);
      end += BigInt(length);
    }
    const words = [BigInt(argv.length), ...pointers, 0n, ...variables, 0n];
    const bytes = new Uint8Array(Number(end - address));
    bytes.set(new Uint8Array(new BigUint64Array(words).buffer));
    strings.forEach((string, i) => bytes.set(string, Number(pointers[i]! - address)));
    return bytes;
  };
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
