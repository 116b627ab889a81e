/**
 * Process 1 of a container that does nothing but wait for processes whose parent
 * has ended. See pid_namespaces(7).
 *
 * It is no parent of the program: the supervisor is, which ends it as well.
 *
 * @module
 */
import { encode } from "../../ffi/bytes.ts";
import { EFAULT } from "../../ffi/constants/errno.ts";
import { AT_FDCWD, O_CLOEXEC, O_RDONLY } from "../../ffi/constants/fcntl.ts";
import { SIGNALS } from "../../ffi/constants/signal.ts";
import { WNOHANG } from "../../ffi/constants/wait.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import { argument, environment } from "../../ffi/plan/stack.ts";
import { type Cell, type Operand, STACK } from "../../ffi/plan/step.ts";
import { ALL_DESCRIPTORS } from "../descriptors.ts";
import { awaitOther, pipe } from "../helper.ts";
import { bit, SIGSET } from "../waiter.ts";

/**
 * Starts it; `start` makes a process that does something. It has closed all
 * descriptors of the machine, and forgotten what it was started with, before the
 * program can look at it.
 */
export function startInit(p: Builder, start: (work: () => void) => Cell): Cell {
  forgetArguments(p);
  const ends = pipe(p);
  const init = start(() => reap(p));
  awaitOther(p, ends, "until process 1 has no descriptor of the machine");
  return init;
}

/** Waits for processes, for ever. All signals are blocked. */
function reap(p: Builder): void {
  p.call("close_range", [0, ALL_DESCRIPTORS, 0], {
    why: "whoever waits for the end of a pipe does not wait for us",
    message: "cannot close descriptors",
  });
  const set = p.cell("CHLD", SIGSET, [bit(SIGNALS.SIGCHLD)]);
  const [again, sleep] = [p.here(), p.label()];
  const pid = p.call("wait4", [-1, 0, WNOHANG, 0], {
    why: "a process whose parent has ended",
    fail: sleep,
  });
  p.control("equal", [pid, 0], { fail: again });
  p.place(sleep);
  const end = p.label();
  p.call("rt_sigtimedwait", [{ addressOf: set }, 0, 0, SIGSET], {
    why: "until there is one",
    next: again,
    fail: end,
  });
  p.place(end);
  p.jump(again);
}

/** What /proc/1/cmdline has. */
const NAME = "init";

/**
 * Wipes the arguments and the environment that this process was given outside:
 * /proc/1/cmdline and /proc/1/environ show them to whoever is inside.
 */
function forgetArguments(p: Builder): void {
  const start = p.control("load64", [argument(p, 0), 0]);
  // The strings lie one behind the other; the last one is the environment's, if it has any.
  const zero = p.call("openat", [AT_FDCWD, "/dev/zero", O_RDONLY | O_CLOEXEC, 0], {
    message: "cannot open /dev/zero",
  });
  const wipe = (size: Operand): Cell =>
    p.call("read", [zero, start, size], {
      why: "process 1 shows nothing of the environment outside",
      message: "cannot read /dev/zero",
      accept: [EFAULT],
    });
  // Of what `spawn` starts they lie in the program, not where /proc shows them.
  const none = p.label();
  p.branch("equal", wipe(1), -EFAULT, none);
  const argc = p.control("load64", [STACK, 0]);
  const end = p.control("load64", [STACK, p.control("shl", [argc, 3])]);
  const entry = environment(p);
  const [next, last] = [p.here(), p.label()];
  const string = p.control("load64", [entry, 0]);
  p.branch("equal", string, 0, last);
  p.set(end, string);
  p.control("add", [entry, 8], { result: entry, next });
  p.place(last);
  const length = p.control("copy", [end, end, 0, -1]);
  const size = p.control("sub", [p.control("add", [end, length]), start]);
  wipe(size);
  p.control("copy", [start, NAME, 0, encode(NAME).length]);
  p.place(none);
}
