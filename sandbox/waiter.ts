/**
 * A parent that waits for its child and then ends as the child did.
 *
 *     parent                              child
 *     block INT, TERM
 *     clone ----------------------------> restore the signal mask
 *     wait4                               ...
 *     exit, or the signal that killed it
 *
 * @module
 */
import { EINTR, EINVAL, ESRCH } from "../ffi/constants/errno.ts";
import { PR_SET_PDEATHSIG } from "../ffi/constants/prctl.ts";
import { SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK, SIGNALS } from "../ffi/constants/signal.ts";
import { WNOHANG, WUNTRACED } from "../ffi/constants/wait.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import type { Cell, Operand } from "../ffi/plan/step.ts";
import { NEEDS } from "./kernel.ts";

/** The size of the kernel's signal set. */
export const SIGSET = 8;
const { SIGINT, SIGTERM, SIGSTOP, SIGCONT, SIGCHLD } = SIGNALS;

/** A zeroed `struct sigaction`, which is SIG_DFL. */
const DEFAULT_ACTION = new Uint8Array(32);

/** Makes sure that a child's end can be waited for. */
export function expectChild(p: Builder): void {
  p.call("rt_sigaction", [SIGCHLD, DEFAULT_ACTION, 0, SIGSET], {
    why: "were SIGCHLD ignored, no status could be waited for",
  });
}

/** Forks: `parent` is what the parent does, and it must not come back. */
export function fork(p: Builder, parent: (child: Cell) => void, why: string): void {
  const child = p.call("clone", [SIGCHLD, 0, 0, 0, 0], {
    why,
    child: "child",
    message: "fork failed",
  });
  p.when("equal", child, 0, () => {}, () => parent(child));
}

/** Blocks SIGINT and SIGTERM; the old signal mask. */
export function blockInterrupts(p: Builder): Cell {
  const old = p.cell("old mask");
  const mask = bit(SIGINT) | bit(SIGTERM);
  p.call("rt_sigprocmask", [
    SIG_BLOCK,
    { addressOf: p.cell("INT TERM", SIGSET, [mask]) },
    { addressOf: old },
    SIGSET,
  ], { why: "the parent outlives what interrupts its child", message: "sigprocmask block failed" });
  return old;
}

/** Sets the signal mask. */
export function restoreMask(p: Builder, mask: Cell): void {
  p.call("rt_sigprocmask", [SIG_SETMASK, { addressOf: mask }, 0, SIGSET], {
    why: "the child has the signal mask that the parent had",
    message: "sigprocmask restore failed",
  });
}

/** How a parent waits. */
export interface Waiting {
  /** Whether it stops with its child, and the child continues with it. */
  readonly relayStop: boolean;
  /** Whether it makes sure that the signal which killed its child kills it, too. */
  readonly unblock: boolean;
}

/** Waits for the child and ends as it ended: with its status, or by the same signal. */
export function waitFor(p: Builder, child: Cell, { relayStop, unblock }: Waiting): void {
  const status = p.cell("status");
  const again = p.here();
  const pid = p.call("wait4", [child, { addressOf: status }, relayStop ? WUNTRACED : 0, 0], {
    why: "wait for the child",
    message: "waitpid failed",
    accept: [EINTR],
  });
  p.branch("equal", pid, -EINTR, again);

  if (relayStop) {
    const low = p.control("load8", [{ addressOf: status }, 0]);
    p.when("equal", low, 0x7f, () => {
      killSelf(p, SIGSTOP, "stop with the child");
      p.call("kill", [child, SIGCONT], { why: "continue with the parent", next: again });
    });
  }
  endAs(p, status, unblock);
}

/**
 * Ends as a child did. The low byte of its status, see wait(2), is 0 after an
 * exit, 0x7f of a stop, else the signal and 0x80 for a core dump; the next byte
 * is the exit status.
 */
export function endAs(p: Builder, status: Cell, unblock: boolean): void {
  const killed = p.label();
  const low = p.control("load8", [{ addressOf: status }, 0]);
  const signal = p.control("and", [low, 0x7f]);
  p.control("equal", [signal, 0], { fail: killed });
  p.call("exit_group", [p.control("load8", [{ addressOf: status }, 1])], {
    why: "the child's status",
  });

  p.place(killed);
  if (unblock) {
    p.call("rt_sigaction", [signal, DEFAULT_ACTION, 0, SIGSET], {
      why: "the signal must not be ignored",
      accept: [EINVAL], // SIGKILL
    });
    const mask = p.control("shl", [1, p.control("sub", [signal, 1])]);
    const set = p.cell("signal");
    p.control("add", [mask, 0], { result: set });
    p.call("rt_sigprocmask", [SIG_UNBLOCK, { addressOf: set }, 0, SIGSET], {
      why: "the signal must not be blocked",
      message: "sigprocmask unblock failed",
    });
  }
  killSelf(p, signal, "die of the signal that killed the child");
  p.call("exit_group", [1], { why: "as process 1 of a pid namespace one survives it" });
}

/**
 * Waits as {@linkcode waitFor} does, and passes SIGINT and SIGTERM on to the
 * child: they are blocked, as is SIGCHLD, and taken one by one.
 */
export function forwardTo(p: Builder, child: Cell, { unblock }: Pick<Waiting, "unblock">): void {
  const wanted = bit(SIGINT) | bit(SIGTERM) | bit(SIGCHLD);
  const set = p.cell("INT TERM CHLD", SIGSET, [wanted]);
  const done = p.label();
  // Blocked, so that it is kept though its default is to be ignored.
  p.call("rt_sigprocmask", [SIG_BLOCK, { addressOf: set }, 0, SIGSET], {
    why: "signals are taken one by one",
    message: "sigprocmask block failed",
  });
  const again = p.here();
  const status = p.cell("status");
  const ended = p.call("wait4", [child, { addressOf: status }, WNOHANG, 0], {
    why: "has the child ended?",
    message: "waitpid failed",
  });
  p.branch("equal", ended, child, done);
  const signal = p.call("rt_sigtimedwait", [{ addressOf: set }, 0, 0, SIGSET], {
    why: "a signal to pass on, or the child's end",
    accept: [EINTR],
  });
  p.branch("equal", signal, SIGCHLD, again);
  p.branch("equal", signal, -EINTR, again);
  p.call("kill", [child, signal], { why: "pass it on", accept: [ESRCH], next: again });
  p.place(done);
  endAs(p, status, unblock);
}

/** Sends this process a signal. */
export function killSelf(p: Builder, signal: Operand, why: string): void {
  p.call("kill", [p.call("getpid", [], { why: "this process" }), signal], { why });
}

/** Opens a descriptor by which a child can tell whether this process is alive. */
export function watchSelf(p: Builder): Cell {
  return p.call("pidfd_open", [p.call("getpid", [], { why: "this process" }), 0], {
    why: "the child can see by it whether its parent lives",
    message: "pidfd_open failed",
    needs: NEEDS.parentDeath,
  });
}

/** Sees to it that this process gets a signal when its parent dies. */
export function dieWithParent(p: Builder, parent: Cell, signal: number): void {
  p.call("prctl", [PR_SET_PDEATHSIG, signal, 0, 0, 0], {
    why: "the kernel sends this signal when the parent dies",
    message: "prctl failed",
  });
  const POLLIN = 1;
  const poll = p.cell("struct pollfd", 8);
  p.control("store32", [{ addressOf: poll }, 0, parent]);
  p.control("store32", [{ addressOf: poll }, 4, POLLIN]);
  const dead = p.call("ppoll", [{ addressOf: poll }, 1, new Uint8Array(16), 0, 0], {
    why: "it may have died before that",
  });
  const alive = p.label();
  p.branch("equal", dead, 0, alive);
  p.call("exit_group", [1], { why: "the parent is dead" });
  p.place(alive);
}

/** A signal as a member of a set of signals. */
export function bit(signal: number): bigint {
  return 1n << BigInt(signal - 1);
}
