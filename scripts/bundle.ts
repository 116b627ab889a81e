/**
 * Makes `dist/denspace.js`, and the files beside it of which it executes one.
 *
 *     deno task bundle [FILE]
 *
 * What a start costs is files, bytes, and functions to compile. So a command that
 * has to start quickly is in a file with all that it needs and little more. All
 * are in one more, which is started in place of the first when it is needed: Deno
 * reads every file that an `import()` leads to before anything runs.
 *
 * That a command is imported dynamically also gives Deno the turn of its event
 * loop in which it keeps V8's code, before the command replaces the process.
 *
 * @module
 */
import { dirname, fromFileUrl, join } from "./std.ts";

/**
 * How V8 runs a command, which has ended, or replaced this process, before what
 * other threads and other compilers make, or memory that is freed, is of use.
 */
export const BRIEF: readonly string[] = [
  "--single-threaded",
  "--max-opt=0",
  "--min-semi-space-size=4",
];

/**
 * What runs the bundle, as its first line says, and the sources, in the tasks of deno.json.
 *
 * V8 compiles a function when it is first called, and what Deno keeps for the next
 * start are only the functions that were compiled with the file. A command calls
 * each of its few hundred functions about once, so compiling them took longer than
 * running them: here all are compiled, and a second start has nothing to compile.
 */
export const RUN: readonly string[] = [
  "run",
  "--allow-ffi",
  "--no-config",
  `--v8-flags=${[...BRIEF, "--no-lazy"]}`,
];

/** The files, and the commands that are in each. */
const CHUNKS: Readonly<Record<string, readonly string[]>> = {
  unshare: ["unshare"],
  nsenter: ["nsenter"],
  lsns: ["lsns"],
  container: ["run", "exec", "diff"],
};

const COMMANDS = new URL("../commands/", import.meta.url);
const ALL = fromFileUrl(new URL("all.ts", COMMANDS));

/** Which file it is. */
const ENTRY = `#!/usr/bin/env -S deno ${RUN.join(" ")}
const QUICK = {
${
  Object.entries(CHUNKS).flatMap(([chunk, names]) =>
    names.map((name) => `  ${name}: () => import("./chunks/${chunk}.js"),`)
  ).join("\n")
}
};
const [name] = Deno.args;
await (Object.hasOwn(QUICK, name) ? QUICK[name]() : import("./chunks/again.js"));
`;

/** The source of a file with some commands. */
function quick(names: readonly string[]): string {
  const url = (name: string): string => new URL(`${name}.ts`, COMMANDS).href;
  return `import { run as start } from "${url("cli")}";
${names.map((name) => `import * as ${name} from "${url(name)}";`).join("\n")}
await start({ ${names.map((name) => `${name}: () => ${name}`).join(", ")} });
`;
}

/** The source of the file that starts the one with all commands. */
const AGAIN = `import { startAgain } from "${new URL("again.ts", COMMANDS)}";
startAgain(new URL("all.js", import.meta.url));
`;

/** Makes files of all commands: `all.js`, and what it imports when it is needed. */
export async function split(directory: string): Promise<void> {
  await denoBundle("--code-splitting", "--outdir", directory, ALL);
}

async function denoBundle(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--minify", ...args],
    stderr: "piped",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** Writes the bundle; how many bytes it has. */
async function write(file: string): Promise<number> {
  const chunks = join(dirname(file), "chunks");
  await Deno.remove(chunks, { recursive: true }).catch(() => {});
  await Deno.mkdir(chunks, { recursive: true });
  const drafts = await Deno.makeTempDir({ prefix: "denspace-bundle-" });
  let size = ENTRY.length;
  const add = async (name: string, source: string): Promise<void> => {
    const [draft, chunk] = [join(drafts, `${name}.ts`), join(chunks, `${name}.js`)];
    await Deno.writeTextFile(draft, source);
    await denoBundle("--output", chunk, draft);
    size += (await Deno.stat(chunk)).size;
  };
  try {
    for (const [name, commands] of Object.entries(CHUNKS)) await add(name, quick(commands));
    await add("again", AGAIN);
    await add("all", `import "${new URL("all.ts", COMMANDS)}";\n`);
  } finally {
    await Deno.remove(drafts, { recursive: true });
  }
  await Deno.writeTextFile(file, ENTRY);
  await Deno.chmod(file, 0o755);
  return size;
}

if (import.meta.main) {
  const [file = fromFileUrl(new URL("../dist/denspace.js", import.meta.url)), more] = Deno.args;
  if (file.startsWith("-") || more !== undefined) {
    console.error("bundle: nothing is given to it but a file: deno task bundle [FILE]");
    Deno.exit(1);
  }
  console.log(`${file}: ${await write(file)} bytes with its chunks`);
}
