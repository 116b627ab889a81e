/** Tests that run in a process of their own, since namespaces and much else belong to a thread. */
import * as denspace from "../mod.ts";
import { fromFileUrl } from "../scripts/std.ts";

export type Api = typeof denspace;
/** What runs in a process of its own: it sees its parameters and globals only. */
export type Body<A extends unknown[], R> = (api: Api, ...args: A) => R | Promise<R>;

const PROJECT = fromFileUrl(new URL("..", import.meta.url));

/** What a body writes to standard output. */
export function outputOf<A extends unknown[]>(
  body: Body<A, unknown>,
  ...args: A
): Promise<string> {
  return outputWith([], body, ...args);
}

/** What a body writes to standard output, in a Deno with these options. */
export async function outputWith<A extends unknown[]>(
  options: readonly string[],
  body: Body<A, unknown>,
  ...args: A
): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", ...options, "-"],
    cwd: PROJECT,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const source = `import * as api from "./mod.ts";
    const result = await (${body})(api, ...${JSON.stringify(args)});
    if (result !== undefined) console.log(JSON.stringify(result));`;
  await ReadableStream.from([new TextEncoder().encode(source)]).pipeTo(child.stdin);
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** What a body returns, as far as JSON has it. */
export async function inChild<A extends unknown[], R>(body: Body<A, R>, ...args: A): Promise<R> {
  return JSON.parse(await outputOf(body, ...args));
}

export const isRoot: boolean = denspace.geteuid() === 0;

export function rootTest(name: string, fn: () => void | Promise<void>): void {
  const ignore = !isRoot;
  Deno.test({ name: ignore ? `${name}: needs root` : name, ignore, fn: async () => await fn() });
}

export async function inDirectory(fn: (directory: string) => void | Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await fn(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Runs `fn` beside a process, which is killed at the end. */
export async function beside(
  argv: string[],
  fn: (pid: number) => void | Promise<void>,
): Promise<void> {
  const child = new Deno.Command(argv[0]!, { args: argv.slice(1), stdin: "null" }).spawn();
  try {
    await fn(child.pid);
  } finally {
    denspace.kill(child.pid, "SIGKILL");
    await child.status;
  }
}
