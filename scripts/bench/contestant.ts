/**
 * What is compared: programs that can be started.
 *
 * @module
 */
import { AT_FDCWD, type Builder, getegid, geteuid, O_CLOEXEC, O_WRONLY } from "../../mod.ts";
import { fromFileUrl } from "../std.ts";

/** The directory of the project. */
export const project: string = fromFileUrl(new URL("../..", import.meta.url));

/** Something that can be started. */
export interface Contestant {
  /** What the table calls it. */
  readonly name: string;
  /**
   * Starts it and waits for its end; absent if it can't be. It may tell the
   * milliseconds that count, if they are not all that it takes.
   */
  readonly run?: () => void | number | Promise<void>;
  /** Why it can't be started. */
  readonly missing?: string;
  /** The command line, if it is one. */
  readonly argv?: readonly string[];
  /** Another one, whose time is taken off. */
  readonly less?: Contestant | undefined;
}

/** Contestants to compare; the first is the one that the others are compared with. */
export interface Group {
  readonly title: string;
  /** Whether their system calls are counted, too. */
  readonly calls?: boolean;
  /** Each contestant, and what its ratio may be. */
  readonly rows: readonly [contestant: Contestant, target?: number][];
}

/** A command line as a contestant, if its program is there. */
export function command(name: string, argv: readonly string[]): Contestant {
  const [file = "", ...args] = argv;
  if (!exists(file)) return { name, missing: "not installed" };
  const io = { stdin: "null", stdout: "null" } as const;
  const command = new Deno.Command(file, { args, ...io, stderr: "inherit" });
  const run = (): void => {
    const { code } = command.outputSync();
    if (code !== 0) throw new Error(`${argv.join(" ")}: status ${code}`);
  };
  return { name, run, argv };
}

/** A command line that may be there and fail here: it is tried before. */
export function tried(name: string, argv: readonly string[]): Contestant {
  const contestant = command(name, argv);
  return contestant.run && !works(name, argv) ? { name, missing: "fails here" } : contestant;
}

/** Whether a command works here; if not, it is said what it says. */
export function works(name: string, [file, ...args]: readonly string[]): boolean {
  const { success, stderr } = new Deno.Command(file!, { args, stdin: "null" }).outputSync();
  const said = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
  if (!success) console.error(`bench: ${name} fails here: ${said}`);
  return success;
}

/** Runs a program, which must not fail; what it says on standard error. */
export function succeed(file: string, ...args: string[]): string {
  const { success, stderr } = new Deno.Command(file, { args, stdin: "null" }).outputSync();
  const said = new TextDecoder().decode(stderr);
  if (!success) throw new Error(`${file} ${args.join(" ")}: ${said}`);
  return said;
}

/** Whether there is such a file. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** What is in a file, if it is there. */
export function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined; // It has ended.
  }
}

/** Makes us root of a new user namespace. */
export function mapRoot(p: Builder): void {
  const write = (path: string, text: string): void => {
    const fd = p.call("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0]);
    p.call("write", [fd, text, text.length]);
    p.call("close", [fd]);
  };
  write("/proc/self/uid_map", `0 ${geteuid()} 1`);
  write("/proc/self/setgroups", "deny");
  write("/proc/self/gid_map", `0 ${getegid()} 1`);
}

/** Milliseconds after which nothing is waited for any more. */
const PATIENCE = 10_000;

/** What is found, as soon as it is there; else it is said what is wrong. */
export async function patiently<T>(wrong: string, find: () => T | undefined): Promise<T> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const found = find();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(wrong);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
