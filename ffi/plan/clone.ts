/**
 * Running a plan in a child of this process.
 *
 *     this process                        child
 *     block all signals
 *     clone3(CLONE_VM | CLONE_VFORK) ---> our memory and stack, no handler of a signal
 *     (stopped)                           restore the signal mask
 *                                         the plan's steps
 *     restore the signal mask <---------- execve, or exit
 *
 * All of it is one plan, which is called as a function. The child shares our
 * memory until it runs a program, so nothing is copied, and a failure is read
 * where the child left it. A signal in between must not run a handler of ours in
 * it: hence the order.
 *
 * @module
 */
import { flags as flagsOf, int } from "../arguments.ts";
import { textAt } from "../bytes.ts";
import { ended } from "../children.ts";
import { ESRCH } from "../constants/errno.ts";
import { F_DUPFD_CLOEXEC } from "../constants/fcntl.ts";
import { PR_GET_DUMPABLE, PR_SET_DUMPABLE } from "../constants/prctl.ts";
import {
  CLONE_ARGS_SIZE_VER0,
  CLONE_CLEAR_SIGHAND,
  CLONE_VFORK,
  CLONE_VM,
} from "../constants/sched.ts";
import { SIG_DFL, SIG_IGN, SIG_SETMASK, SIGNALS } from "../constants/signal.ts";
import { P_PID, WEXITED } from "../constants/wait.ts";
import { SyscallError } from "../errno.ts";
import { pidfdOpen } from "../pidfd.ts";
import { close } from "../unistd.ts";
import { waitid, type WaitResult } from "../wait.ts";
import { type Builder, plan } from "./builder.ts";
import { type Callable, callable } from "./call.ts";
import { failureOf } from "./failure.ts";
import { type Given, given } from "./given.ts";
import { lowerFileLimit } from "./limit.ts";
import { type Cell, ERRNO, FAILED, type Plan, STACK } from "./step.ts";
import { withSibling } from "./successor.ts";

/** What a child is to be. */
export interface CloneOptions {
  /** Flags of clone(2): the namespaces to make. `CLONE_NEWTIME` only where there is clone3(2). */
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
  /**
   * A descriptor of it, close-on-exec, which is opened when it is first asked for, and
   * closed when its end is known by {@linkcode wait} or {@linkcode status}.
   */
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
 * See clone(2); it is clone3(2) that is called, where that is there.
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
  const { argv = [program.name] } = options;
  if (program.channel) {
    throw new TypeError("a container is for spawn: this thread would stop until it ends");
  }
  const whole = prepare(program, options);
  const { call, reset, read, write } = whole.callable;
  whole.given = given(argv, whole.given);
  reset();
  write(whole.argc, whole.given.address);
  call(whole.given.memory);
  const { successor } = program;
  const first = Number(read(whole.pid));
  const second = successor ? Number(read(successor.pid)) : 0;
  const failed = read(whole.failed) !== 0n;
  if (!failed && second <= 0) return child(first);
  if (first > 0) waitid(P_PID, first, WEXITED);
  if (!failed) return child(second);
  if (second > 0) waitid(P_PID, second, WEXITED);
  throw readFailure(whole);
}

/** A child that runs. */
function child(pid: number): Child {
  let pidfd: number | undefined;
  let result: WaitResult | undefined;
  let status: Promise<WaitResult> | undefined;
  const end = (found: WaitResult): WaitResult => {
    if (!result && pidfd !== undefined) close(pidfd);
    return result ??= found;
  };
  return {
    pid,
    get pidfd(): number {
      // Its process id may be another one's.
      if (result) throw new SyscallError("pidfd_open", ESRCH);
      return pidfd ??= pidfdOpen(pid);
    },
    wait: () => result ?? end(waitid(P_PID, pid, WEXITED)!),
    get status(): Promise<WaitResult> {
      return status ??= result ? Promise.resolve(result) : ended(pid, () => result).then(end);
    },
  };
}

/** A plan as a child runs it, and the cells by which we talk to it. */
interface ChildPlan extends Cells {
  readonly plan: Plan;
  readonly callable: Callable;
  /** What the last child was given. */
  given?: Given;
}

interface Cells {
  /** The address of argc. */
  readonly argc: Cell;
  /** The process id of the child. */
  readonly pid: Cell;
  /** Becomes 1 when there is no child, or it could not do a step. */
  readonly failed: Cell;
}

/** The plans that were cloned; what has been prepared of them, and for which options. */
const prepared = new WeakMap<Plan, Prepared | undefined>();

interface Prepared {
  readonly options: CloneOptions;
  readonly whole: ChildPlan;
}

/** The plan as a child runs it, which is kept for a plan that is cloned again and again. */
function prepare(program: Plan, options: CloneOptions): ChildPlan {
  const known = prepared.get(program);
  if (known && PLANNED.every((name) => known.options[name] === options[name])) return known.whole;
  const whole = asChild(program, options);
  // Most are cloned once, and then it would only take memory.
  const again = prepared.has(program);
  prepared.set(program, again ? { options: { ...options }, whole } : undefined);
  return whole;
}

/** The options that are in the plan, which arguments are not. */
const PLANNED = ["flags", "stdin", "stdout", "stderr"] as const;

const SIGNAL_COUNT = 64;
const SIGSET = 8;
const ALL_SIGNALS = new Uint8Array(SIGSET).fill(0xff);
const DEFAULT_ACTION = new Uint8Array(32);

/** The bits of clone(2)'s flags that are a signal, and those of clone3(2) are not. */
const CSIGNAL = 0xff;

/** The plan with what makes a child before it, and what follows a failure. */
function asChild(program: Plan, options: CloneOptions): ChildPlan {
  const all = (flagsOf("flags", options.flags ?? 0) | CLONE_VM | CLONE_VFORK) >>> 0;
  const copied = redirections(options);
  let cells!: Cells;
  let failure!: number;
  let end!: number;
  const whole = plan(program.name, (p) => {
    const mask = p.cell("signal mask");
    cells = { argc: p.cell("argc"), pid: p.cell("pid"), failed: p.cell("failed") };
    const [older, begin, failed] = [p.label(), p.label(), p.label()];
    const [parent, restore, leave] = [p.label(), p.label(), p.label()];
    const setMask = [SIG_SETMASK, { addressOf: mask }, 0, SIGSET] as const;

    p.call("rt_sigprocmask", [SIG_SETMASK, ALL_SIGNALS, { addressOf: mask }, SIGSET], {
      fail: failed,
    });
    const dumpable = p.call("prctl", [PR_GET_DUMPABLE, 0, 0, 0, 0], { fail: failed });
    // Without CLONE_CLEAR_SIGHAND before Linux 5.5; a filter may refuse clone3 at all.
    const args = p.cell("struct clone_args", CLONE_ARGS_SIZE_VER0, [
      BigInt(all) | CLONE_CLEAR_SIGHAND,
      ...[0, 0, 0],
      SIGNALS.SIGCHLD,
    ]);
    p.call("clone3", [{ addressOf: args }, CLONE_ARGS_SIZE_VER0], {
      result: cells.pid,
      fail: all & CSIGNAL ? failed : older,
    });
    p.branch("equal", cells.pid, 0, begin);

    p.place(parent);
    // A change of its ids has made our memory, which was its own, secret.
    p.control("equal", [dumpable, 1], { fail: restore });
    p.call("prctl", [PR_SET_DUMPABLE, 1, 0, 0, 0], { fail: restore });
    p.place(restore);
    p.call("rt_sigprocmask", setMask, { fail: leave });
    p.place(leave);
    p.control("return", []);

    p.place(failed);
    p.set(cells.failed, 1, parent);

    p.place(older);
    p.call("clone", [all | SIGNALS.SIGCHLD, 0, 0, 0, 0], { result: cells.pid, fail: failed });
    p.branch("less", 0, cells.pid, parent);
    removeHandlers(p);

    p.place(begin);
    // Ignored stays ignored, but for SIGPIPE, which is only so because of Deno.
    p.call("rt_sigaction", [SIGNALS.SIGPIPE, DEFAULT_ACTION, 0, SIGSET]);
    p.call("rt_sigprocmask", setMask);
    lowerFileLimit(p);
    const copies = copied.map(([to, from]) => ({
      to,
      copy: p.call("fcntl", [from, F_DUPFD_CLOEXEC, 3], { message: `descriptor ${from}` }),
    }));
    for (const { to, copy } of copies) p.call("dup3", [copy, to, 0]);
    p.control("add", [cells.argc, 0], { result: STACK, next: { at: program.start } });

    failure = p.here().at!;
    p.set(cells.failed, 1);
    p.call("exit_group", [127]);
    end = p.here().at!;
    p.call("exit_group", [0]);
  }, program);
  const start = program.steps.length;
  const made = withSibling({ ...whole, start, failure }, end);
  return { plan: made, callable: callable(made), ...cells };
}

/** For each standard descriptor of the child that is another one of ours: which. */
function redirections({ stdin, stdout, stderr }: CloneOptions): [to: number, from: number][] {
  return Object.entries({ stdin, stdout, stderr }).flatMap(([name, from], to) =>
    from === undefined ? [] : [[to, int(name, from)] as [number, number]]
  );
}

/** Gives every signal that has a handler its default. */
function removeHandlers(p: Builder): void {
  const signal = p.control("add", [1, 0]);
  const action = p.cell("struct sigaction", 32);
  const [again, next] = [p.here(), p.label()];
  p.call("rt_sigaction", [signal, 0, { addressOf: action }, SIGSET]);
  p.branch("equal", action, SIG_DFL, next);
  p.branch("equal", action, SIG_IGN, next);
  p.call("rt_sigaction", [signal, DEFAULT_ACTION, 0, SIGSET]);
  p.place(next);
  p.control("add", [signal, 1], { result: signal });
  p.branch("less", signal, SIGNAL_COUNT + 1, again);
}

/** The error that the child left behind. */
function readFailure({ plan, callable: { read, steps } }: ChildPlan): SyscallError {
  const step = steps.indexOf(Number(read(FAILED)));
  const { subject, hint } = plan.steps[step]!.note;
  const text = (cell: Cell | undefined): string => {
    const address = cell ? Deno.UnsafePointer.create(read(cell)) : null;
    return address ? textAt(address) : "";
  };
  return failureOf(plan, {
    step,
    errno: Number(read(ERRNO)),
    subject: text(subject),
    hint: text(hint),
  });
}
