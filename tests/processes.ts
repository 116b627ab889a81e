/**
 * Files and processes of this machine, as tests look at them: what may not be there,
 * or may have ended, is no error.
 *
 * @module
 */

/** Where commands are looked for. */
export const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** Milliseconds after which something that should happen has not. */
export const TIMEOUT = 120_000;

/** The path of a command. */
export function find(command: string): string | undefined {
  return PATH.split(":").map((directory) => `${directory}/${command}`).find((path) =>
    attempt(() => Deno.statSync(path).isFile)
  );
}

/** Whether there is such a file. */
export function exists(path: string): boolean {
  return attempt(() => Deno.statSync(path)) !== undefined;
}

/** What is in a file. */
export function read(path: string): string | undefined {
  return attempt(() => Deno.readTextFileSync(path));
}

function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** What a process is called. */
export function comm(pid: number): string | undefined {
  return read(`/proc/${pid}/comm`)?.trimEnd();
}

/** The fields of /proc/PID/stat that follow the name: the state comes first. */
export function stat(pid: number): string[] | undefined {
  return read(`/proc/${pid}/stat`)?.replace(/.*\) /s, "").split(" ");
}

/** What a process does; a zombie is gone. */
export type State = "running" | "sleeping" | "stopped" | "gone";

/** What a process does. */
export function state(pid: number): State {
  const letter = stat(pid)?.[0];
  if (letter === undefined || letter === "Z" || letter === "X") return "gone";
  return letter === "T" ? "stopped" : letter === "R" ? "running" : "sleeping";
}

/** The children of all threads of a process. */
export function children(pid: number): number[] {
  const threads = attempt(() => [...Deno.readDirSync(`/proc/${pid}/task`)]) ?? [];
  return threads.flatMap(({ name }) =>
    (read(`/proc/${pid}/task/${name}/children`) ?? "").split(" ").filter(Boolean).map(Number)
  );
}

/** The children of a process and all theirs, each before its parent. */
export function descendants(pid: number): number[] {
  return children(pid).flatMap((child) => [...descendants(child), child]);
}

/** The process with these arguments, each with its NUL. */
export function processWith(cmdline: string): number | undefined {
  const found = [...Deno.readDirSync("/proc")].find(({ name }) =>
    /^\d+$/.test(name) && read(`/proc/${name}/cmdline`) === cmdline
  );
  return found && Number(found.name);
}

/** Kills a process, if it has not ended. */
export function kill(pid: number): void {
  if (state(pid) !== "gone") attempt(() => Deno.kill(pid, "SIGKILL"));
}

/** Ends processes: all at once, since they may wait for each other. */
export async function end(pids: readonly number[]): Promise<void> {
  pids.forEach(kill);
  await until(`${pids} have ended`, () => pids.every((pid) => state(pid) === "gone"));
}

/** Polls until there is a value. */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  deadline: number = Date.now() + TIMEOUT,
): Promise<T> {
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`timed out waiting until: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
