/**
 * Running a program as execvp(3) and a shell as execl(3) do, within a plan: the
 * environment that counts is the one of the run.
 *
 * @module
 */
import { ERRNO as E } from "../constants/errno.ts";
import { encode } from "../bytes.ts";
import type { Builder, Label, Note } from "./builder.ts";
import { variable } from "./stack.ts";
import { type Cell, ERRNO, type Operand } from "./step.ts";

/** Exit statuses of whoever can't run a program. */
const [NOT_EXECUTABLE, NOT_FOUND] = [126, 127];

const [COLON, SLASH] = [":".charCodeAt(0), "/".charCodeAt(0)];

const PATH_MAX = 4096;
const NAME_MAX = 255;

/**
 * Replaces the process by a program.
 *
 * A name without a slash is looked for in the directories of PATH, or in `/bin`
 * and `/usr/bin` when there is no PATH. A file that the kernel does not know how
 * to run is given to `/bin/sh`. If nothing can be run, the plan fails with
 * `failed to execute <name>` and status 127 if there is no such file, else 126.
 *
 * @param name the program's name, without NUL
 * @param argv the address of its arguments, in memory where the word before
 *   them may be written
 * @param envp the address of its environment
 */
export function execvp(
  p: Builder,
  name: string,
  argv: Cell,
  envp: Cell,
): void {
  const failure = p.cell("errno of execve");
  const fail = (errno: Operand, next?: Label) =>
    p.control("add", [errno, 0], { result: failure, ...(next && { next }) });
  const failed = p.label();

  /** Tries one file; goes on behind it if that is nothing to run. */
  function attempt(path: Operand): void {
    const [otherwise, script, end] = [p.label(), p.label(), p.label()];
    p.call("execve", [path, argv, envp], {
      why: "run the program",
      fail: otherwise,
    });
    p.place(otherwise);
    fail(ERRNO);
    p.branch("equal", ERRNO, E.ENOEXEC, script);
    p.jump(end);

    p.place(script);
    const shell = p.control("sub", [argv, 8]);
    p.control("store64", [argv, 0, path]);
    p.control("store64", [shell, 0, "/bin/sh"]);
    const noShell = p.label();
    p.call("execve", ["/bin/sh", shell, envp], {
      why: "a file without #! is a shell script",
      fail: noShell,
    });
    p.place(noShell);
    fail(ERRNO, failed);
    p.place(end);
  }

  /** Tries the file in each directory of PATH. */
  function search(): void {
    const path = p.cell("path", PATH_MAX + NAME_MAX + 9);
    const start: Operand = { addressOf: path };
    const limit: Operand = { addressOf: path, offset: PATH_MAX };
    const denied = p.cell("denied");
    const from = variable(p, envp, "PATH", "/bin:/usr/bin");

    const directory = p.here();
    const to = p.control("add", [start, 0]);
    const [again, end, file, next] = [p.here(), p.label(), p.label(), p.label()];
    const byte = p.control("load8", [from, 0]);
    p.control("add", [from, 1], { result: from });
    p.branch("equal", byte, COLON, end);
    p.branch("equal", byte, 0, end);
    p.control("less", [to, limit], { fail: again });
    p.control("store8", [to, 0, byte]);
    p.control("add", [to, 1], { result: to, next: again });

    p.place(end);
    p.branch("equal", to, limit, next); // too long for the kernel
    p.branch("equal", to, start, file); // empty: the working directory
    p.control("store8", [to, 0, SLASH]);
    p.control("add", [to, 1], { result: to });
    p.place(file);
    words(encode(name)).forEach((word, i) => p.control("store64", [to, 8 * i, word]));
    attempt(start);
    for (const errno of [E.ENOENT, E.ENOTDIR, E.ENODEV, E.ESTALE, E.ETIMEDOUT]) {
      p.branch("equal", failure, errno, next);
    }
    p.control("equal", [failure, E.EACCES], { fail: failed });
    p.control("add", [1, 0], { result: denied });
    p.place(next);
    p.control("equal", [byte, 0], { fail: directory });
    p.branch("equal", denied, 0, failed);
    fail(E.EACCES);
  }

  if (name.length === 0) fail(E.ENOENT);
  else if (name.includes("/")) attempt(name);
  else if (encode(name).length > NAME_MAX) fail(E.ENAMETOOLONG);
  else {
    fail(E.ENOENT);
    search();
  }
  p.place(failed);
  giveUp(p, failure, { message: `failed to execute ${name}` });
}

/**
 * Replaces the process by a login shell: the program that SHELL names, or
 * `/bin/sh` when there is no SHELL. It is not looked for in PATH.
 */
export function shell(p: Builder, envp: Cell): void {
  const path = variable(p, envp, "SHELL", "/bin/sh");
  tryShell(p, path, envp);
  giveUp(p, ERRNO, { message: "failed to execute ", subject: path });
}

/** Replaces the process by the first of the shells that can be run, SHELL before all others. */
export function anyShell(p: Builder, envp: Cell, shells: readonly string[]): void {
  tryShell(p, variable(p, envp, "SHELL", ""), envp);
  for (const path of shells) tryShell(p, p.control("add", [path, 0]), envp);
  giveUp(p, ERRNO, { message: `failed to execute ${shells.join(" or ")}` });
}

/** Tries a login shell: with a `-` before its name in `argv[0]`. Goes on if it can't be run. */
function tryShell(p: Builder, path: Cell, envp: Cell): void {
  // argv[0] is "-" and what follows the last slash
  const name = p.cell("argv[0]", 8 + PATH_MAX, encode("-"));
  const start: Operand = { addressOf: name, offset: 1 };
  const from = p.control("add", [path, 0]);
  const to = p.control("add", [start, 0]);
  const [again, copy, run] = [p.here(), p.label(), p.label()];
  const byte = p.control("load8", [from, 0]);
  p.control("add", [from, 1], { result: from });
  p.control("equal", [byte, SLASH], { fail: copy });
  p.control("add", [start, 0], { result: to, next: again });
  p.place(copy);
  p.control("store8", [to, 0, byte]);
  p.branch("equal", byte, 0, run);
  p.control("add", [to, 1], { result: to });
  p.branch("less", to, { addressOf: name, offset: PATH_MAX }, again);

  p.place(run);
  const argv = p.cell("argv", 16, [{ addressOf: name }, 0]);
  const failed = p.label();
  p.call("execve", [path, { addressOf: argv }, envp], { why: "run a login shell", fail: failed });
  p.place(failed);
}

function giveUp(p: Builder, errno: Cell, note: Note): void {
  p.when(
    "equal",
    errno,
    E.ENOENT,
    () => p.control("raise", [errno], { ...note, status: NOT_FOUND }),
    () => p.control("raise", [errno], { ...note, status: NOT_EXECUTABLE }),
  );
}

/** A string and its NUL as the words of memory that hold it. */
function words(text: Uint8Array): BigUint64Array {
  const words = new BigUint64Array((text.length >> 3) + 1);
  new Uint8Array(words.buffer).set(text);
  return words;
}
