/**
 * Running a program as execvp(3) and a shell as execl(3) do, within a plan: the
 * environment that counts is the one of the run.
 *
 * @module
 */
import {
  EACCES,
  ENAMETOOLONG,
  ENODEV,
  ENOENT,
  ENOEXEC,
  ENOTDIR,
  ESTALE,
  ETIMEDOUT,
} from "../constants/errno.ts";
import { encode } from "../bytes.ts";
import type { Builder } from "./builder.ts";
import { variable } from "./stack.ts";
import { type Cell, ERRNO, type Note, type Operand } from "./step.ts";

/** Exit statuses of whoever can't run a program. */
const [NOT_EXECUTABLE, NOT_FOUND] = [126, 127];

const [COLON, SLASH] = [":".charCodeAt(0), "/".charCodeAt(0)];

const PATH_MAX = 4096;
const NAME_MAX = 255;

/** After these the next directory of PATH is tried. */
const SKIPPED = [ENOENT, ENOTDIR, ENODEV, ESTALE, ETIMEDOUT];

/**
 * Replaces the process by a program.
 *
 * A name without a slash is looked for in the directories of PATH, or in `/bin`
 * and `/usr/bin` when there is no PATH. A file that the kernel does not know how
 * to run is given to `/bin/sh`. If nothing can be run, the plan fails with
 * `failed to execute <name>` and status 127 if there is no such file, else 126.
 *
 * See execvp(3).
 *
 * @param p the builder of the plan
 * @param name the program's name, without NUL
 * @param argv the address of its arguments, in memory where the word before
 *   them may be written
 * @param envp the address of its environment
 *
 * @example
 * ```ts
 * import { argument, environment, execvp, plan } from "@denspace/denspace";
 *
 * const list = plan("list", (p) => execvp(p, "ls", argument(p, 0), environment(p)));
 * ```
 */
export function execvp(p: Builder, name: string, argv: Cell, envp: Cell): void {
  const failure = p.cell("failure");
  const failed = p.label();
  const message = `failed to execute ${name}`;

  /** Tries one file; goes on behind it if that is nothing to run. */
  const attempt = (path: Operand): void => {
    const [otherwise, end] = [p.label(), p.label()];
    p.call("execve", [path, argv, envp], { why: "run the program", fail: otherwise });
    p.place(otherwise);
    p.set(failure, ERRNO);
    p.control("equal", [ERRNO, ENOEXEC], { fail: end });
    const [shell, noShell] = [p.control("sub", [argv, 8]), p.label()];
    p.control("store64", [argv, 0, path]);
    p.control("store64", [shell, 0, "/bin/sh"]);
    p.call("execve", ["/bin/sh", shell, envp], {
      why: "a file without #! is a shell script",
      fail: noShell,
    });
    p.place(noShell);
    p.set(failure, ERRNO, failed);
    p.place(end);
  };

  /** Tries the file in each directory of PATH. */
  const search = (): void => {
    const path = p.cell("path", PATH_MAX + NAME_MAX + 9);
    const start: Operand = { addressOf: path };
    const denied = p.cell("denied");
    const from = variable(p, envp, "PATH", "/bin:/usr/bin");

    const [directory, file, next, whole] = [p.here(), p.label(), p.label(), p.label()];
    const size = p.control("copy", [start, from, COLON, PATH_MAX]);
    const to = p.control("add", [start, size]);
    p.control("add", [from, size], { result: from });
    p.branch("less", size, PATH_MAX, whole);
    const again = p.here();
    const more = p.control("copy", [start, from, COLON, PATH_MAX]);
    p.control("add", [from, more], { result: from });
    p.branch("equal", more, PATH_MAX, again);
    p.place(whole);
    const end = p.control("load8", [from, 0]);
    p.control("add", [from, 1], { result: from });
    p.branch("equal", size, PATH_MAX, next); // too long for the kernel
    p.branch("equal", size, 0, file); // empty: the working directory
    p.control("store8", [to, 0, SLASH]);
    p.control("add", [to, 1], { result: to });
    p.place(file);
    words(encode(name)).forEach((word, i) => p.control("store64", [to, 8 * i, word]));
    attempt(start);
    for (const errno of SKIPPED) p.branch("equal", failure, errno, next);
    p.control("equal", [failure, EACCES], { fail: failed });
    p.set(denied, 1);
    p.place(next);
    p.control("equal", [end, 0], { fail: directory });
    p.branch("equal", denied, 0, failed);
    p.set(failure, EACCES);
  };

  p.set(failure, ENOENT);
  if (name.includes("/")) attempt(name);
  else if (encode(name).length > NAME_MAX) p.set(failure, ENAMETOOLONG);
  else if (name !== "") search();
  p.place(failed);
  giveUp(p, failure, { message });
}

/**
 * Replaces the process by a login shell: the program that SHELL names, or
 * `/bin/sh` when there is no SHELL. It is not looked for in PATH.
 *
 * See environ(7), execve(2).
 *
 * @param p the builder of the plan
 * @param envp the address of its environment
 * @param argv the address of its arguments, of which the first is overwritten;
 *   there are no others if absent
 *
 * @example
 * ```ts
 * import { environment, plan, shell } from "@denspace/denspace";
 *
 * const login = plan("login", (p) => shell(p, environment(p)));
 * ```
 */
export function shell(p: Builder, envp: Cell, argv?: Cell): void {
  const path = variable(p, envp, "SHELL", "/bin/sh");
  tryShell(p, path, argv ?? alone(p), envp);
  giveUp(p, ERRNO, { message: "failed to execute ", subject: path });
}

/** Replaces the process by the first of the shells that can be run, SHELL before all others. */
export function anyShell(
  p: Builder,
  envp: Cell,
  argv: Cell | undefined,
  shells: readonly string[],
): void {
  argv ??= alone(p);
  tryShell(p, variable(p, envp, "SHELL", ""), argv, envp);
  for (const path of shells) tryShell(p, p.control("add", [path, 0]), argv, envp);
  giveUp(p, ERRNO, { message: `failed to execute ${shells.join(" or ")}` });
}

/** Tries a login shell: with a `-` before its name in `argv[0]`. Goes on if it can't be run. */
function tryShell(p: Builder, path: Cell, argv: Cell, envp: Cell): void {
  // argv[0] is "-" and what follows the last slash
  const name = p.cell("argv[0]", 8 + PATH_MAX, encode("-"));
  const from = p.control("add", [path, 0]);
  const [again, failed] = [p.here(), p.label()];
  const size = p.control("copy", [{ addressOf: name, offset: 1 }, from, SLASH, PATH_MAX]);
  const end = p.control("load8", [from, size]);
  p.control("add", [from, size], { result: from });
  p.control("add", [from, 1], { result: from });
  p.branch("equal", end, SLASH, again);
  p.control("store8", [{ addressOf: name, offset: 1 }, size, 0]);
  p.control("store64", [argv, 0, { addressOf: name }]);

  p.call("execve", [path, argv, envp], { why: "run a login shell", fail: failed });
  p.place(failed);
}

/** The address of arguments of which there is only the first. */
function alone(p: Builder): Cell {
  return p.control("add", [{ addressOf: p.cell("argv", 16) }, 0]);
}

function giveUp(p: Builder, errno: Cell, what: Note): void {
  const note: Note = { ...what, call: "execve" };
  p.when(
    "equal",
    errno,
    ENOENT,
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
