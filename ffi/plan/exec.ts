/**
 * Running a plan in place of this process.
 *
 * @module
 */
import { cstrings, pointers } from "../arguments.ts";
import { decode } from "../bytes.ts";
import { EACCES } from "../constants/errno.ts";
import { RLIMIT_NOFILE } from "../constants/resource.ts";
import { SIG_DFL, SIGNALS } from "../constants/signal.ts";
import { SyscallError } from "../errno.ts";
import { readFile } from "../file.ts";
import { call, environ, optional } from "../libc.ts";
import { type Limit, prlimit } from "../resource.ts";
import { signal } from "../signal.ts";
import { getppid, readlink } from "../unistd.ts";
import { elf } from "./elf.ts";
import { host } from "./host.ts";
import { fileImage, memoryImage } from "./image.ts";
import { reporting } from "./report.ts";
import type { Plan } from "./step.ts";

/**
 * Replaces this process by a plan: an executable of a few KB, with the same
 * process id and environment. Nothing of Deno is left: no thread, no memory, no
 * descriptor.
 *
 * See execve(2).
 *
 * @param plan the plan
 * @param argv the arguments that it finds on its stack, and that ps(1) shows
 * @returns never
 * @throws {SyscallError} when it can't be executed
 * @throws {TypeError} when there is a NUL in an argument
 *
 * @example
 * ```ts
 * import { exec, plan } from "@denspace/denspace";
 *
 * function becomeShell(): never {
 *   exec(plan({ command: "sh", namespaces: { user: true, uts: true }, uidMap: "root" }), ["sh"]);
 * }
 * ```
 */
export function exec(plan: Plan, argv: readonly string[]): never {
  const image = elf(reporting(plan), host());
  const args = cstrings("argv", argv);
  // What this process was given, since Deno changes its own environment; without
  // /proc it is all there is.
  const given = optional(() => pointers(readFile("/proc/self/environ")));
  const run = (fd: number): void => {
    const envp = given ? Deno.UnsafePointer.of(given) : environ();
    call("fexecve", [fd, args, envp], { step: plan.name });
  };
  undoDeno();
  try {
    run(memoryImage(plan.name, image));
  } catch (error) {
    // vm.memfd_noexec, or a security module, refuses to run memory
    if (!(error instanceof SyscallError && error.errno === EACCES)) throw error;
    fileImage(plan.name, image, run);
  }
  throw new Error("execve returned");
}

/** Takes back what Deno did to this process: SIGPIPE ignored, NOFILE raised. */
function undoDeno(): void {
  signal(SIGNALS.SIGPIPE, SIG_DFL);
  const own = prlimit(0, RLIMIT_NOFILE);
  const soft = softLimitOfCaller(own);
  if (soft < own.soft) prlimit(0, RLIMIT_NOFILE, { soft, hard: own.hard });
}

/** What is asked for once: the caller may end long before us. */
let callersLimit: bigint | undefined;

/** The soft limit of open files that this process was started with. */
export function softLimitOfCaller(own?: Limit): bigint {
  return callersLimit ??= softLimitOfAncestor((own ?? prlimit(0, RLIMIT_NOFILE)).hard);
}

/**
 * The soft NOFILE limit of the nearest ancestor that is not a Deno. One whose
 * limit is below the hard one can't be a Deno, so few have to be looked at.
 */
function softLimitOfAncestor(hard: bigint): bigint {
  for (let pid = getppid(); pid > 0; pid = parentOf(pid)) {
    const limit = softLimit(pid);
    if (limit === undefined || limit < hard || !isDeno(pid)) return limit ?? hard;
  }
  return hard;
}

/** Whether a process runs our own program. */
function isDeno(pid: number): boolean {
  const [its, own] = [pid, "self"].map((of) => optional(() => readlink(`/proc/${of}/exe`)));
  return its !== undefined && its === own;
}

/** The soft NOFILE limit of a process; of another user's it stands in /proc only. */
function softLimit(pid: number): bigint | undefined {
  return optional(() => prlimit(pid, RLIMIT_NOFILE).soft) ?? optional(() => {
    const limits = decode(readFile(`/proc/${pid}/limits`));
    return BigInt(/^Max open files +(\d+)/m.exec(limits)![1]!);
  });
}

/** The parent of a process; 0 for none. */
function parentOf(pid: number): number {
  const stat = optional(() => decode(readFile(`/proc/${pid}/stat`))) ?? "";
  // pid (name) state ppid: a name may hold anything, so count from its end
  return Number(stat.slice(stat.lastIndexOf(")")).split(" ")[2] ?? 0);
}
