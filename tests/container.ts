/**
 * Containers for tests: a root with a static busybox, and `denspace run` in it, as
 * root and as an ordinary user.
 *
 * @module
 */
import { assertEquals, dirname, fromFileUrl, join } from "../scripts/std.ts";
import { find, PATH, processWith, type State, state, TIMEOUT, until } from "./processes.ts";

const PROJECT = dirname(dirname(fromFileUrl(import.meta.url)));
const AS_ROOT = Deno.uid() === 0;

/** Who runs a command: uid 0, or an ordinary user. */
export type Account = "root" | "user";

/** The accounts that tests can be run as. */
export const ACCOUNTS: readonly Account[] = AS_ROOT ? ["root", "user"] : ["user"];

/** The ids of the ordinary user. */
export const USER = AS_ROOT ? 1000 : Deno.uid()!;

/** What a command came to. */
export interface Result {
  /** Its exit status. */
  readonly code: number;
  /** The signal that killed it. */
  readonly signal: Deno.Signal | null;
  /** What it wrote to standard output. */
  readonly stdout: string;
  /** What it wrote to standard error. */
  readonly stderr: string;
}

/** How a command is run. */
export interface Running {
  /** Who runs it; whoever runs the tests if absent. */
  readonly as?: Account;
  /** Its standard input; nothing if absent. */
  readonly stdin?: string;
  /** Where. */
  readonly cwd?: string;
  /** Variables beside PATH. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What the tests of containers need, and this machine lacks. */
export function missing(): string | undefined {
  for (const command of ["busybox", "setpriv", "unshare"]) {
    if (!find(command)) return command;
  }
  const { success } = new Deno.Command(find("unshare")!, {
    args: ["-Urpf", "--mount-proc", "true"],
    stdout: "null",
    stderr: "null",
    ...ids("user"),
  }).outputSync();
  return success ? undefined : "user namespaces";
}

const MISSING = missing();

/** Registers a test, for each account, that is ignored where containers can't be run. */
export function test(
  name: string,
  fn: (account: Account) => Promise<void>,
  accounts: readonly Account[] = ["root", "user"],
  needs: readonly string[] = [],
): void {
  for (const account of accounts) {
    const lacks = account === "root" && !AS_ROOT
      ? "root"
      : MISSING ?? needs.find((command) => !find(command));
    Deno.test({
      name: `${account}: ${name}${lacks === undefined ? "" : ` (needs ${lacks})`}`,
      ignore: lacks !== undefined,
      fn: () => fn(account),
    });
  }
}

/** A directory that the ordinary user may use, removed when it is disposed of. */
export function scratch(): { readonly path: string } & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "denspace-run-" });
  Deno.chmodSync(path, 0o777);
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** Commands of busybox that a root has. */
const APPLETS = ("sh cat cp ls ps id mount umount hostname touch mkdir rm rmdir ln mv echo kill " +
  "sleep stat find sort readlink chmod chown mknod test env pwd true false grep head tail wc tty " +
  "stty dd ipcs ip ping trap nc tr cut seq xargs sed awk uname date nproc ulimit dirname").split(
    " ",
  );

/** Makes a root with a busybox at a path. */
export function makeRoot(path: string): string {
  for (const name of ["bin", "etc", "tmp", "root", "home"]) {
    Deno.mkdirSync(join(path, name), { recursive: true });
  }
  Deno.copyFileSync(find("busybox")!, join(path, "bin/busybox"));
  for (const applet of APPLETS) Deno.symlinkSync("busybox", join(path, "bin", applet));
  Deno.writeTextFileSync(
    join(path, "etc/passwd"),
    "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv/web:/bin/sh\n",
  );
  Deno.writeTextFileSync(join(path, "etc/group"), "root:x:0:\nweb:x:34:\nextra:x:77:web\n");
  // Who runs a container as an ordinary user makes the mount points, so owns the root.
  const { code, stderr } = new Deno.Command("chmod", { args: ["-R", "a+rwX", path] }).outputSync();
  if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
  return path;
}

/** The command that is `denspace run`. */
export function denspaceRun(...args: readonly string[]): string[] {
  const main = Deno.env.get("DENSPACE_UNDER_TEST") ?? join(PROJECT, "commands/main.ts");
  return [Deno.execPath(), "run", "--allow-ffi", main, "run", ...args];
}

/** Runs `denspace run` to its end. */
export function run(args: readonly string[], options: Running = {}): Promise<Result> {
  return output(denspaceRun(...args), options);
}

/** Starts a command. */
export function spawn(
  [command, ...args]: readonly string[],
  { as = AS_ROOT ? "root" : "user", cwd, env = {} }: Running = {},
): Deno.ChildProcess {
  return new Deno.Command(command!, {
    args,
    clearEnv: true,
    env: {
      PATH,
      HOME: "/nonexistent",
      NO_COLOR: "1",
      DENO_NO_UPDATE_CHECK: "1",
      DENO_DIR: cacheOf(as),
      XDG_CACHE_HOME: cacheOf(as), // where compiled filters are kept
      ...env,
    },
    ...(cwd !== undefined && { cwd }),
    ...ids(as),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs a command to its end. */
export async function output(command: readonly string[], options: Running = {}): Promise<Result> {
  const child = spawn(command, options);
  let late: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    late = setTimeout(() => {
      reject(new Error(`${command.join(" ")} does not end, or leaves a process`));
    }, TIMEOUT);
  });
  try {
    const writer = child.stdin.getWriter();
    if (options.stdin !== undefined) {
      await writer.write(new TextEncoder().encode(options.stdin)).catch(() => {});
    }
    await writer.close().catch(() => {});
    const { code, signal, stdout, stderr } = await Promise.race([child.output(), tooLate]);
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    return { code, signal, stdout: text(stdout), stderr: text(stderr) };
  } finally {
    clearTimeout(late);
  }
}

/** A process with which one can talk. */
export interface Started extends AsyncDisposable {
  /** The process. */
  readonly child: Deno.ChildProcess;
  /** Waits until it has written something. */
  says(text: string): Promise<void>;
  /** Types something. */
  types(text: string): Promise<void>;
  /** All that it has written. */
  readonly written: () => string;
}

/** Talks to a process, which ends, and the directory with it, when that is disposed of. */
export function talk(child: Deno.ChildProcess, directory?: Disposable): Started {
  let written = "";
  const read = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    for await (const bytes of stream) written += new TextDecoder().decode(bytes);
  };
  const done = Promise.all([read(child.stdout), read(child.stderr)]);
  const writer = child.stdin.getWriter();
  return {
    child,
    written: () => written,
    says: async (text) =>
      void await until(`it says ${text}: ${written}`, () => written.includes(text)),
    types: (text) => writer.write(new TextEncoder().encode(text)).catch(() => {}),
    [Symbol.asyncDispose]: async () => {
      try {
        child.kill("SIGKILL");
      } catch {
        // it has ended
      }
      await writer.close().catch(() => {});
      await child.status;
      await done;
      directory?.[Symbol.dispose]();
    },
  };
}

/** Stops a job of a shell on a terminal, goes on with it, interrupts it; the shell exits with 7. */
export async function controlJobs(it: Started, prompt: string): Promise<void> {
  const mark = `${900 + Math.random()}`;
  const job = (): State => state(processWith(`sleep\0${mark}\0`) ?? 0);
  await it.says(prompt);
  await it.types(`sleep ${mark}\n`);
  await until("the job runs", () => job() === "sleeping");
  await it.types("\x1a");
  await it.says("Stopped");
  assertEquals(job(), "stopped");
  await it.types("fg\n");
  await until("the job runs again", () => job() === "sleeping");
  await it.types("\x03");
  await until("the job has ended", () => job() === "gone");
  await it.types("exit 7\n");
  assertEquals((await it.child.status).code, 7);
}

/** A command on a terminal, made by script(1). */
export function onTerminal(command: readonly string[], before = ""): string[] {
  const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  return ["script", "-qec", `${before} exec ${quoted}`, "/dev/null"];
}

const caches = new Map<Account, string>();

/** Where Deno keeps what it has compiled, for each account, until the tests of a file have ended. */
function cacheOf(account: Account): string {
  let path = caches.get(account);
  if (path === undefined) {
    path = Deno.makeTempDirSync({ prefix: "denspace-run-cache-" });
    if (AS_ROOT) Deno.chmodSync(path, 0o777);
    caches.set(account, path);
  }
  return path;
}

globalThis.addEventListener("unload", () => {
  for (const path of caches.values()) Deno.removeSync(path, { recursive: true });
});

function ids(account: Account): { uid?: number; gid?: number } {
  return AS_ROOT && account === "user" ? { uid: USER, gid: USER } : {};
}

/** Runs a script with some options in a root of its own; what it writes, without errors. */
export async function inRoot(
  account: Account,
  options: readonly string[],
  script: string,
): Promise<string> {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  const { code, stdout, stderr } = await run(
    ["--rootfs", root, ...options, "--", "sh", "-c", script],
    { as: account },
  );
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  return stdout;
}
