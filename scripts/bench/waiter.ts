/**
 * Programs that wait, to be looked at and entered meanwhile.
 *
 * @module
 */
import { exists, patiently, read } from "./contestant.ts";

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
  const program = await patiently(`${argv.join(" ")} does not start`, () => {
    const program = childOf(pid);
    return read(`/proc/${program}/comm`) === "sleep\n" ? program : undefined;
  });
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

/** What a command has in memory beside its program, in KiB. */
export interface Memory {
  /** All of it, in each process. */
  readonly rss: number;
  /** What is shared is shared out among those who do. */
  readonly pss: number;
}

/** What a waiter has in memory. */
export function memoryOf({ pid }: Waiter): Memory {
  return memory([pid]);
}

/** How many programs of containers have waited. */
let waited = 0;

/**
 * What stays in memory beside the program of a container: its ancestors, as far as
 * they have not been there before, and whatever else the command has started.
 *
 * @param argvOf the command that runs a program in a container
 */
export async function memoryBeside(
  argvOf: (program: readonly string[]) => readonly string[],
): Promise<Memory> {
  const program = ["/bin/sleep", `300.${++waited}`];
  const [file, ...args] = argvOf(program);
  const child = new Deno.Command(file!, { args, stdin: "null", stdout: "null" }).spawn();
  const sleeper = await patiently(
    `${file} ${args.join(" ")}`,
    () => processes().find((pid) => read(`/proc/${pid}/cmdline`) === `${program.join("\0")}\0`),
  );
  const all = processes();
  const lines = new Map(all.map((pid) => [pid, lineOf(pid)]));
  const ours = lineOf(Deno.pid);
  const beside = all.filter((pid) =>
    pid !== sleeper && !ours.includes(pid) &&
    (lines.get(sleeper)!.includes(pid) || lines.get(pid)!.includes(child.pid))
  );
  const used = memory(beside);
  Deno.kill(sleeper, "SIGKILL");
  await child.status;
  return used;
}

/** The processes that there are. */
function processes(): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter(Number.isInteger);
}

/** A process, its parent, and so on. */
function lineOf(pid: number): number[] {
  const [, parent] = /^PPid:\t(\d+)$/m.exec(read(`/proc/${pid}/status`) ?? "") ?? [];
  return [pid, ...(parent === undefined || parent === "0" ? [] : lineOf(Number(parent)))];
}

/** Values of smaps_rollup of processes, see proc_pid_smaps(5), together. */
function memory(pids: readonly number[]): Memory {
  const sum = (name: string): number =>
    pids.reduce((sum, pid) => {
      const pattern = new RegExp(`^${name}: +(\\d+) kB`, "m");
      return sum + Number(pattern.exec(read(`/proc/${pid}/smaps_rollup`) ?? "")?.[1] ?? 0);
    }, 0);
  return { rss: sum("Rss"), pss: sum("Pss") };
}
