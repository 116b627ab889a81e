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
   * Starts it and waits for its end; absent if it is not installed. It may tell
   * the milliseconds that count, if they are not all that it takes.
   */
  readonly run: (() => void | number | Promise<void>) | undefined;
  /** The command line, if it is one. */
  readonly argv?: readonly string[];
}

/** Contestants to compare; the first is the one that the others are compared with. */
export interface Group {
  readonly title: string;
  /** Whether their system calls are counted, too. */
  readonly calls?: boolean;
  /** Each contestant, what its ratio may be, and another whose time is taken off its own. */
  readonly rows: readonly [contestant: Contestant, target?: number, less?: Contestant][];
}

/** A command line as a contestant, if its program is there. */
export function command(name: string, argv: readonly string[]): Contestant {
  const [file = "", ...args] = argv;
  if (!exists(file)) return { name, run: undefined };
  const command = new Deno.Command(file, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  });
  const run = (): void => {
    const { code } = command.outputSync();
    if (code !== 0) throw new Error(`${argv.join(" ")}: status ${code}`);
  };
  return { name, run, argv };
}

/** Runs a program, which must not fail. */
export function succeed(file: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(file, { args, stdin: "null" }).outputSync();
  if (!success) throw new Error(`${file} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
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
