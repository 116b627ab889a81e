/**
 * A process that does something for another one from where that one was: it is
 * forked before the other moves into new namespaces, and waits to be told.
 *
 *     the process                         the helper
 *     fork -----------------------------> read
 *     unshare ...
 *     write a byte ---------------------> work
 *     wait4 <---------------------------- exit
 *
 * If the process ends before, the pipe is closed and the helper ends, too.
 *
 * @module
 */
import { ECANCELED, EINTR } from "../ffi/constants/errno.ts";
import { O_CLOEXEC } from "../ffi/constants/fcntl.ts";
import { SIGNALS } from "../ffi/constants/signal.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import type { Cell, Note } from "../ffi/plan/step.ts";

/** A helper that waits. */
export interface Helper {
  /** Has it work, and goes on. */
  begin(): void;
  /** Waits for its end, and ends as it did if it failed; what `before` writes comes before that. */
  end(before?: () => void): void;
  /** Both. */
  run(before?: () => void): void;
}

/** Forks a helper of this name. What `work` writes is done when it runs; then it exits. */
export function forkHelper(p: Builder, name: string, why: string, work: () => void): Helper {
  const [input, output] = pipe(p, "to tell the helper when");
  const helper = p.call("clone", [SIGNALS.SIGCHLD, 0, 0, 0, 0], {
    why,
    child: name,
    message: "fork failed",
  });

  p.when("equal", helper, 0, () => {
    p.call("close", [output], { why: "so that the other's end is seen" });
    const told = p.label();
    const byte = p.call("read", [input, { addressOf: p.cell("byte") }, 1], {
      why: "wait until the namespaces are made",
    });
    p.branch("equal", byte, 1, told);
    p.call("exit_group", [1], { why: "there is nobody left to help" });
    p.place(told);
    work();
    p.call("exit_group", [0], { why: "the work is done" });
  });
  const begin = (): void => {
    p.call("write", [output, "x", 1], { why: "the namespaces are made" });
  };
  const end: Helper["end"] = (before) => exitUnlessDone(p, helper, before);
  return {
    begin,
    end,
    run: (before) => {
      begin();
      end(before);
    },
  };
}

/** Something for which a child waits. */
export interface Gate {
  /** The child: waits, and ends if it comes to nothing. */
  await(): void;
  /** The other one: it is there. */
  open(): void;
}

/** Lets a child wait for what its parent, or a helper of that, makes meanwhile. */
export function gate(p: Builder, what: string): Gate {
  const [input, output] = pipe(p, "to tell the child when");
  return {
    await: () => {
      p.call("close", [output], { why: "so that the other's end is seen" });
      const told = p.label();
      const byte = p.call("read", [input, { addressOf: p.cell("byte") }, 1], {
        why: `until there is ${what}`,
      });
      p.branch("equal", byte, 1, told);
      p.call("exit_group", [1], { why: "who has failed has said why" });
      p.place(told);
    },
    open: () => void p.call("write", [output, "x", 1], { why: `there is ${what}` }),
  };
}

/** Makes a pipe; the descriptors of its ends, which no program gets. */
export function pipe(p: Builder, why?: string, flags: number = 0): [input: Cell, output: Cell] {
  const fds = p.cell("pipe");
  p.call("pipe2", [{ addressOf: fds }, O_CLOEXEC | flags], {
    ...(why !== undefined && { why }),
    message: "pipe failed",
  });
  return [
    p.control("load32", [{ addressOf: fds }, 0]),
    p.control("load32", [{ addressOf: fds }, 4]),
  ];
}

/** Waits for the end of a child; its status, as wait(2) has it. */
export function awaitEnd(p: Builder, child: Cell, note: Note): Cell {
  const status = p.cell("status");
  const again = p.here();
  const pid = p.call("wait4", [child, { addressOf: status }, 0, 0], { ...note, accept: [EINTR] });
  p.branch("equal", pid, -EINTR, again);
  return status;
}

/**
 * Waits for a child and exits as it did, unless it has done what it should; what
 * `before` writes comes before that exit.
 */
export function exitUnlessDone(p: Builder, child: Cell, before?: () => void): void {
  const status = awaitEnd(p, child, {
    why: "go on when the helper is done",
    message: "waitpid failed",
  });
  const done = p.label();
  p.branch("equal", status, 0, done);
  // The exit status is the second byte; the first tells of a signal.
  const code = p.control("shr", [status, 8]);
  before?.();
  p.when(
    "equal",
    code,
    0,
    () => p.control("raise", [ECANCELED], { message: "a helper was killed", call: "wait4" }),
  );
  p.call("exit_group", [code], { why: "the helper has said what is wrong" });
  p.place(done);
}
