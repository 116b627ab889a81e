/**
 * Running a plan in place of this process.
 *
 * @module
 */
import { cstrings } from "../arguments.ts";
import { ERRNO } from "../constants/errno.ts";
import { RLIMIT_NOFILE } from "../constants/resource.ts";
import { SIG_DFL, SIGNALS } from "../constants/signal.ts";
import { SyscallError } from "../errno.ts";
import { readFile } from "../file.ts";
import { call, environ } from "../libc.ts";
import { prlimit } from "../resource.ts";
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
 * @param plan the plan
 * @param argv the arguments that it finds on its stack, and that ps(1) shows
 * @throws {SyscallError} when it can't be executed
 */
export function exec(plan: Plan, argv: readonly string[]): never {
  const image = elf(reporting(plan), host());
  const args = cstrings("argv", argv);
  const run = (fd: number) => void call("fexecve", [fd, args, environ()], { step: plan.name });
  asBeforeDeno();
  try {
    run(memoryImage(plan.name, image));
  } catch (error) {
    // vm.memfd_noexec, or a security module, refuses to run memory
    if (!(error instanceof SyscallError && error.errno === ERRNO.EACCES)) throw error;
    fileImage(plan.name, image, run);
  }
  throw new Error("execve returned");
}

/** Takes back what Deno did to this process: SIGPIPE ignored, NOFILE raised. */
function asBeforeDeno(): void {
  signal(SIGNALS.SIGPIPE, SIG_DFL);
  const own = prlimit(0, RLIMIT_NOFILE);
  const soft = softLimitOfCaller();
  if (soft !== undefined && soft < own.soft) {
    prlimit(0, RLIMIT_NOFILE, { soft, hard: own.hard });
  }
}

/** The soft NOFILE limit of the nearest ancestor that is not a Deno. */
function softLimitOfCaller(): bigint | undefined {
  try {
    const deno = readlink("/proc/self/exe");
    let pid = getppid();
    while (readlink(`/proc/${pid}/exe`) === deno) pid = parentOf(pid);
    const limits = new TextDecoder().decode(readFile(`/proc/${pid}/limits`));
    const [, soft] = /^Max open files +(\d+)/m.exec(limits) ?? [];
    return soft === undefined ? undefined : BigInt(soft);
  } catch (error) {
    // Without /proc, or with one that hides others, the limit stays raised.
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

function parentOf(pid: number): number {
  const stat = new TextDecoder().decode(readFile(`/proc/${pid}/stat`));
  // pid (name) state ppid: a name may hold anything, so count from its end
  return Number(stat.slice(stat.lastIndexOf(")")).split(" ")[2]);
}
