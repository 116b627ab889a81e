/**
 * What is compared of unshare, nsenter and lsns: from sources, as a bundle, as a
 * binary, as an executable, and the real ones.
 *
 * @module
 */
import {
  argument,
  clone,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  environment,
  execvp,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_REC,
  plan,
} from "../../mod.ts";
import { compile, CompileError } from "../compile.ts";
import { command, exists, type Group, mapRoot, project, succeed } from "./contestant.ts";
import { copyExecutable, CROWD, type Waiter } from "./waiter.ts";

/** What starts a script. */
export const DENO: readonly string[] = [Deno.execPath(), "run"];
/** What `unshare` is given. */
export const UNSHARE: readonly string[] = ["-Urpf", "--mount-proc", "true"];
/** What `nsenter` is given, behind its target. */
export const NSENTER: readonly string[] = ["--preserve-credentials", "-U", "-m", "-p", "true"];

/** What `unshare -Urpf --mount-proc true` does, with clone(2) from this process. */
function clones(): void {
  const child = plan("clone", (p) => {
    mapRoot(p);
    p.call("mount", ["none", "/", 0, MS_REC | MS_PRIVATE, 0]);
    p.call("mount", ["proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, 0]);
    execvp(p, "true", argument(p, 0), environment(p));
  });
  const flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS;
  const { status } = clone(child, { flags, argv: ["true"] }).wait();
  if (status !== 0) throw new Error(`clone: status ${status}`);
}

/** The command lines in front of a command, and what two commands have become. */
export interface Ours {
  readonly bundled: readonly string[];
  readonly compiled: readonly string[];
  readonly sources: readonly string[];
  readonly nsenter: readonly string[];
  readonly ours: Waiter;
  readonly entered: Waiter;
  /** What is in front of a command that shall see a crowd of processes. */
  readonly crowd: readonly string[];
}

export function toolGroups(
  directory: string,
  { bundled, compiled, sources, nsenter, ours, entered, crowd }: Ours,
): Group[] {
  const empty = `${directory}/empty.js`;
  Deno.writeTextFileSync(empty, "");
  const unshareFile = copyExecutable(ours, `${directory}/unshare`);
  const nsenterFile = copyExecutable(entered, `${directory}/nsenter`);
  const executable = command("unshare, executable", [unshareFile, ...UNSHARE]);
  const program = command("unshare, emitted", [emitted(directory)]);
  const run = bundled.slice(0, -1);
  return [
    {
      title: "start-up",
      calls: true,
      rows: [
        [command("deno run empty.js", [...DENO, empty])],
        [command("unshare, sources", [...sources, "unshare", ...UNSHARE]), 1.4],
        [command("unshare, bundled", [...bundled, "unshare", ...UNSHARE]), 1.15],
        [command("unshare, compiled", [...compiled, "unshare", ...UNSHARE])],
        [program],
        [command("a script that executes the emitted", [...run, least(directory)])],
      ],
    },
    {
      title: "executable",
      rows: [
        [command("unshare of util-linux", ["/usr/bin/unshare", ...UNSHARE])],
        [executable, 0.8],
        [program, 0.8],
      ],
    },
    {
      title: "the same system calls",
      rows: [
        [command("the same in C", [compileC(directory, "unshare") ?? "", "true"])],
        [executable, 1.1],
        [{ name: "clone() in a script", run: clones }, 1.15],
      ],
    },
    {
      title: "nsenter",
      rows: [
        [command("nsenter of util-linux", ["/usr/bin/nsenter", ...nsenter])],
        [command("nsenter, executable", [nsenterFile, ...nsenter])],
        [command("nsenter, bundled", [...bundled, "nsenter", ...nsenter])],
      ],
    },
    {
      title: `lsns of ${CROWD} processes`,
      rows: [
        [command("lsns of util-linux", [...crowd, "/usr/bin/lsns"])],
        [
          {
            ...command("lsns, bundled, less Deno's start", [...crowd, ...bundled, "lsns"]),
            less: command("deno run empty.js", [...crowd, ...DENO, empty]),
          },
          1,
        ],
      ],
    },
  ];
}

/** What `denspace emit` makes of the command line. */
function emitted(directory: string): string {
  const file = `${directory}/box`;
  const main = [...DENO, "--allow-ffi", `${project}commands/all.ts`];
  succeed(...main as [string], "emit", "-o", file, "unshare", ...UNSHARE);
  return file;
}

/** A script that does the least that a tool in Deno can: it has no arguments, and its plan is ready. */
function least(directory: string): string {
  const file = `${directory}/least.js`;
  Deno.writeTextFileSync(
    file,
    `const { symbols: libc } = Deno.dlopen("libc.so.6", {
  execve: { parameters: ["buffer", "buffer", "buffer"], result: "i32" },
});
const path = new TextEncoder().encode("${directory}/box\\0");
const environment = new TextEncoder().encode("PATH=${Deno.env.get("PATH")}\\0");
const pointer = (bytes) => Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
libc.execve(path, new BigUint64Array([pointer(path), 0n]), new BigUint64Array([pointer(environment), 0n]));
`,
  );
  return file;
}

/** The compiled program, if there is one or it can be made. */
export async function findCompiled(directory: string): Promise<string[]> {
  const denort = Deno.env.get("DENORT_BIN");
  const output = denort ? `${directory}/denspace` : `${project}dist/denspace`;
  try {
    if (denort) await compile({ output, toolchain: { deno: Deno.execPath(), denort } });
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    console.error(`bench: no compiled program: ${error.message}`);
  }
  return exists(output) ? [output] : [];
}

/** Compiles a C program; its path, if there is a C compiler. */
export function compileC(directory: string, name: string): string | undefined {
  const cc = ["/usr/bin/cc", "/usr/bin/gcc"].find(exists);
  if (!cc) return undefined;
  const file = `${directory}/${name}-c`;
  succeed(cc, "-O2", "-static", "-o", file, `${project}scripts/bench/${name}.c`);
  return file;
}

/** Makes the bundle; its path. */
export function makeBundle(directory: string): string {
  const file = `${directory}/denspace.js`;
  succeed(Deno.execPath(), "task", "--cwd", project, "bundle", file);
  return file;
}
