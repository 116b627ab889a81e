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
  const ends = pipe(p, "to tell the helper when");
  const helper = p.call("clone", [SIGNALS.SIGCHLD, 0, 0, 0, 0], {
    why,
    child: name,
    message: "fork failed",
  });

  p.when("equal", helper, 0, () => {
    mustBeTold(p, ends, "wait until the namespaces are made", "there is nobody left to help");
    work();
    p.call("exit_group", [0], { why: "the work is done" });
  });
  const begin = (): void => {
    p.call("write", [ends[1], "x", 1], { why: "the namespaces are made" });
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
  const ends = pipe(p, "to tell the child when");
  return {
    await: () => mustBeTold(p, ends, `until there is ${what}`, "who has failed has said why"),
    open: () => void p.call("write", [ends[1], "x", 1], { why: `there is ${what}` }),
  };
}

/** The descriptors of the ends of a pipe. */
export type Pipe = readonly [input: Cell, output: Cell];

/** What is read of a pipe: where it goes, and how many bytes it has. */
interface Word {
  readonly into: Cell;
  readonly size: number;
}

const aByte = (p: Builder): Word => ({ into: p.cell("byte"), size: 1 });

/** Waits at a pipe until a word comes from the other process, or it has closed its end; how much came. */
export function awaitOther(
  p: Builder,
  [input, output]: Pipe,
  why: string,
  { into, size }: Word = aByte(p),
): Cell {
  p.call("close", [output], { why: "so that the other's end is seen" });
  return p.call("read", [input, { addressOf: into }, size], { why });
}

/** Waits as `awaitOther`; a child that is told nothing ends. */
export function mustBeTold(
  p: Builder,
  ends: Pipe,
  why: string,
  otherwise: string,
  word: Word = aByte(p),
): void {
  const told = p.label();
  p.branch("equal", awaitOther(p, ends, why, word), word.size, told);
  p.call("exit_group", [1], { why: otherwise });
  p.place(told);
}

/** Makes a pipe, which no program gets. */
export function pipe(p: Builder, why?: string, flags: number = 0): Pipe {
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
