/**
 * What stays outside of a container: it starts it, waits for its end, and ends as
 * the program did. Meanwhile it passes signals on that a process has sent to it;
 * those that a terminal sends have already reached the whole group.
 *
 *     supervisor                 stage                      program
 *     block all signals
 *     clone(CLONE_FILES) ------> new namespaces
 *     wait4                      id maps, clocks, mounts
 *                                clone(CLONE_PARENT) -----> root, mounts, ids
 *     read <-------------------- its id                     execve
 *                                exit
 *     close what the stage opened
 *     read signals ...
 *     end as the program <--------------------------------- exit
 *
 * The stage is in the new namespaces, the program a child of the supervisor that
 * is not: it can be waited for from outside, even if it is process 1 inside.
 *
 * @module
 */
import { EAGAIN, EINTR, EINVAL, ESRCH } from "../../ffi/constants/errno.ts";
import { F_DUPFD_CLOEXEC, O_CLOEXEC, O_NONBLOCK } from "../../ffi/constants/fcntl.ts";
import { CLONE_FILES, CLONE_PARENT } from "../../ffi/constants/sched.ts";
import { SIG_SETMASK, SIGNALS } from "../../ffi/constants/signal.ts";
import { WNOHANG, WUNTRACED } from "../../ffi/constants/wait.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import type { Cell, Label, Operand } from "../../ffi/plan/step.ts";
import { ALL_DESCRIPTORS } from "../descriptors.ts";
import { exitUnlessDone, pipe } from "../helper.ts";
import type { Relay } from "./terminal.ts";
import { endAs, expectChild, killSelf, SIGSET, watchSelf } from "../waiter.ts";

const { SIGALRM, SIGCHLD, SIGCONT, SIGKILL, SIGSTOP } = SIGNALS;
const ALL_SIGNALS = (1n << 64n) - 1n;

/** What the supervisor has. */
export interface Supervisor {
  /** A descriptor of itself, by which others see whether it lives. */
  readonly self: Cell;
  /** The signal mask that the program is to have. */
  readonly mask: Cell;
  /** Where the signals are read. */
  readonly signals: Cell;
  /** Descriptors that the stage may replace by what the supervisor is to keep. */
  readonly slots: readonly Cell[];
  /** The ends of the pipe by which it learns which processes there are. */
  readonly reader: Cell;
  /** The other end. */
  readonly writer: Cell;
}

/** Becomes a supervisor, with room for so many descriptors; one, above 2, may be spared. */
export function becomeSupervisor(p: Builder, slots: number, spared: Cell): Supervisor {
  closeOthers(p, spared);
  expectChild(p);
  const [mask, all] = [p.cell("old mask"), p.cell("all signals", SIGSET, [ALL_SIGNALS])];
  p.call("rt_sigprocmask", [SIG_SETMASK, { addressOf: all }, { addressOf: mask }, SIGSET], {
    why: "signals are read, and handle nothing",
  });
  const signals = p.call("signalfd4", [-1, { addressOf: all }, SIGSET, O_CLOEXEC], {
    message: "cannot read signals",
  });
  const self = watchSelf(p);
  const [reader, writer] = pipe(p, undefined, O_NONBLOCK);
  return {
    self,
    mask,
    signals,
    reader,
    writer,
    slots: Array.from({ length: slots }, () =>
      p.call("fcntl", [reader, F_DUPFD_CLOEXEC, 0], {
        why: "a number for a descriptor of the container that is kept",
        message: "cannot keep a descriptor",
      })),
  };
}

/** Closes all descriptors but the standard ones, and one, which may be one of these. */
function closeOthers(p: Builder, spared: Cell): void {
  const close = (first: Operand, last: Operand, accept: readonly number[] = []): void => {
    p.call("close_range", [first, last, 0], {
      why: "no other descriptor gets into the container",
      message: "cannot close descriptors",
      accept,
    });
  };
  p.when("equal", spared, 2, () => close(3, ALL_DESCRIPTORS), () => {
    close(3, p.control("sub", [spared, 1]), [EINVAL]); // there is none between
    close(p.control("add", [spared, 1]), ALL_DESCRIPTORS);
  });
}

/** Has the supervisor keep a descriptor of the stage. */
export function keep(p: Builder, fd: Cell, slot: Cell): void {
  p.call("dup3", [fd, slot, O_CLOEXEC], {
    why: "the supervisor keeps it",
    message: "cannot keep a descriptor",
  });
}

/** Closes what was spared. */
export function closeSpared(p: Builder, spared: Cell, why: string): void {
  p.when("equal", spared, 2, () => {}, () => p.call("close", [spared], { why }));
}

/** The processes of a container, as the supervisor counts them. */
export interface Processes {
  /** The program. */
  readonly program: Cell;
  /** Process 1, if that is not the program. */
  readonly init?: Cell | undefined;
}

/**
 * Runs the stage; `work` returns the processes that it has started, and `undo` is
 * what the supervisor does if the stage has failed.
 */
export function runStage(
  p: Builder,
  { reader, writer, self, slots }: Supervisor,
  work: () => Processes,
  undo: () => void,
): Processes {
  const ids = p.cell("ids", 16);
  const stage = p.call("clone", [CLONE_FILES | SIGCHLD, 0, 0, 0, 0], {
    why: "make the namespaces, and what is in them; the supervisor stays outside",
    child: "stage",
    message: "fork failed",
  });
  let init = false;
  p.when("equal", stage, 0, () =>
    p.apart(() => {
      const started = work();
      init = started.init !== undefined;
      p.control("store64", [{ addressOf: ids }, 0, started.program]);
      if (started.init) p.control("store64", [{ addressOf: ids }, 8, started.init]);
      p.call("write", [writer, { addressOf: ids }, 16], { why: "whom to wait for" });
      p.call("exit_group", [0]);
    }));
  exitUnlessDone(p, stage, undo);
  p.call("read", [reader, { addressOf: ids }, 16], {
    why: "whom to wait for",
    message: "the container was not started",
  });
  const last = [self, writer, ...slots].at(-1)!;
  p.call("close_range", [p.control("add", [last, 1]), ALL_DESCRIPTORS, 0], {
    why: "what the stage has opened is the container's",
  });
  const load = (at: number): Cell => p.control("load64", [{ addressOf: ids }, at]);
  return { program: load(0), init: init ? load(8) : undefined };
}

/** Starts a process of the container, a child of the supervisor. */
export function startProcess(p: Builder, child: string, why: string, work: () => void): Cell {
  const pid = p.call("clone", [CLONE_PARENT | SIGCHLD, 0, 0, 0, 0], {
    why,
    child,
    message: "fork failed",
  });
  p.when("equal", pid, 0, work);
  return pid;
}

/** How the supervisor watches. */
export interface Watching {
  /** After how many seconds the program is killed. */
  readonly timeout?: number | undefined;
  /** The terminal of the container. */
  readonly terminal?: Relay | undefined;
}

/** The exit status after a timeout, as timeout(1) has it. */
const TIMED_OUT = 124;

/** Waits for the program's end, and does what is left; then ends as the program did. */
export function supervise(
  p: Builder,
  { signals }: Supervisor,
  { program, init }: Processes,
  { timeout, terminal }: Watching,
  atEnd: (status: Cell) => void,
): void {
  const late = p.cell("timed out");
  if (timeout !== undefined) setTimer(p, timeout);
  const [info, status] = [p.cell("struct signalfd_siginfo", 128), p.cell("status")];
  const done = p.label();
  const again = p.here();
  terminal?.wait(signals);
  const size = p.call("read", [signals, { addressOf: info }, 128], {
    why: "the next signal",
    accept: [EINTR, EAGAIN],
    message: "cannot read signals",
  });
  p.control("equal", [size, 128], { fail: again });
  const signal = p.control("load32", [{ addressOf: info }, 0]);
  const [ended, pass] = [p.label(), p.label()];
  p.branch("equal", signal, SIGCHLD, ended);

  // Positive codes are the kernel's own.
  const code = p.control("load32", [{ addressOf: info }, 8]);
  p.branch("equal", code, 0, pass);
  p.branch("less", 0x7fff_ffff, code, pass);
  if (timeout !== undefined) {
    p.when("equal", signal, SIGALRM, () => {
      p.set(late, 1);
      kill(p, program, SIGKILL, "its time is over", again);
    });
  }
  terminal?.signal(signal, program);
  p.jump(again);
  p.place(pass);
  kill(p, program, signal, "a process has sent it to us, but meant the program", again);

  p.place(ended);
  const pid = p.call("wait4", [program, { addressOf: status }, WNOHANG | WUNTRACED, 0], {
    why: "whether the program has ended, or stopped",
    message: "waitpid failed",
  });
  p.control("equal", [pid, program], { fail: again });
  p.control("equal", [p.control("load8", [{ addressOf: status }, 0]), 0x7f], { fail: done });
  killSelf(p, SIGSTOP, "stop with the program");
  kill(p, program, SIGCONT, "continue with us", ended);

  p.place(done);
  if (init) {
    kill(p, init, SIGKILL, "with process 1 all processes of the container end");
    p.call("wait4", [init, 0, 0, 0], { message: "waitpid failed" });
  }
  terminal?.end();
  atEnd(status);
  if (timeout !== undefined) {
    p.when("equal", late, 1, () => p.call("exit_group", [TIMED_OUT]));
  }
  endAs(p, status, true);
}

function kill(p: Builder, pid: Operand, signal: Operand, why: string, next?: Label): void {
  p.call("kill", [pid, signal], { why, accept: [ESRCH], ...(next && { next }) });
}

function setTimer(p: Builder, seconds: number): void {
  const ITIMER_REAL = 0;
  const whole = Math.floor(seconds);
  // struct itimerval: an interval, and until when
  const timer = new BigUint64Array([
    0n,
    0n,
    BigInt(whole),
    BigInt(Math.round((seconds - whole) * 1e6)),
  ]);
  p.call("setitimer", [ITIMER_REAL, new Uint8Array(timer.buffer), 0], {
    why: `SIGALRM in ${seconds} seconds`,
    message: "cannot set a timer",
  });
}
