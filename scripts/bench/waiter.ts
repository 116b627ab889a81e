/**
 * Programs that wait, to be looked at and entered meanwhile.
 *
 * @module
 */
import { exists, read } from "./contestant.ts";

/** Milliseconds after which a waiter has failed to start. */
const PATIENCE = 10_000;
/** How many processes lsns looks at. */
export const CROWD: number = 2000;

/** A command that waits for its program, and ends when that is killed. */
export interface Waiter {
  readonly pid: number;
  /** The process id of the program. */
  readonly program: number;
  readonly stop: () => Promise<void>;
}

/** Starts a command whose program, `true`, waits; if it is installed. */
export async function startWaiter(
  directory: string,
  argv: readonly string[],
): Promise<Waiter | undefined> {
  const [file, ...args] = argv;
  if (!exists(file!)) return undefined;
  Deno.mkdirSync(`${directory}/waiting`, { recursive: true });
  Deno.writeTextFileSync(`${directory}/waiting/true`, "#!/bin/sh\nexec sleep 300\n", {
    mode: 0o755,
  });
  const child = new Deno.Command(file!, {
    args,
    env: { PATH: `${directory}/waiting:${Deno.env.get("PATH")}` },
    stdin: "null",
    stdout: "null",
  }).spawn();
  const { pid } = child;
  const deadline = performance.now() + PATIENCE;
  while (read(`/proc/${childOf(pid)}/comm`) !== "sleep\n") {
    if (performance.now() > deadline) throw new Error(`${argv.join(" ")} does not start`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const program = childOf(pid);
  const stop = async (): Promise<void> => {
    Deno.kill(program, "SIGKILL");
    await child.status;
  };
  return { pid, program, stop };
}

/** Starts many processes, in a pid namespace with a /proc of its own. */
export async function startCrowd(): Promise<Waiter> {
  const script = `for i in $(seq ${CROWD}); do sleep 1000 & done; echo ready; wait`;
  const child = new Deno.Command("/usr/bin/unshare", {
    args: ["-pf", "--mount-proc", "--kill-child", "bash", "-c", script],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const program = childOf(child.pid);
  const stop = async (): Promise<void> => {
    Deno.kill(program, "SIGKILL");
    await child.status;
  };
  return { pid: child.pid, program, stop };
}

/** The only child of a process; 0 if there is none yet. */
function childOf(pid: number): number {
  return Number(read(`/proc/${pid}/task/${pid}/children`)?.trim());
}

/** Copies the executable that a process runs: for ours, what the command has become. */
export function copyExecutable({ pid }: Waiter, path: string): string {
  Deno.writeFileSync(path, Deno.readFileSync(`/proc/${pid}/exe`), { mode: 0o755 });
  return path;
}

/** A value of smaps_rollup in KiB, see proc_pid_smaps(5). */
export function memory({ pid }: Waiter, name: string): number {
  const [, kib] = new RegExp(`^${name}: +(\\d+) kB`, "m").exec(read(`/proc/${pid}/smaps_rollup`)!)!;
  return Number(kib);
}
