/**
 * Makes `dist/denspace.js`, and the files beside it of which it executes one.
 *
 *     deno task bundle [FILE]
 *
 * What a start costs is files, bytes, and functions to compile. So a command that
 * has to start quickly is a file of its own with all that it needs and no more.
 *
 * V8 compiles a function when it is first called, and what Deno keeps for the next
 * start are only the functions that were compiled with the file. A function in
 * parentheses is. A command calls each of its few hundred functions about once,
 * so compiling them took longer than running them: here all are put in
 * parentheses, and a second start has nothing to compile.
 *
 * That a command is imported dynamically also gives Deno the turn of its event
 * loop in which it keeps V8's code, before the command replaces the process.
 *
 * @module
 */
import { type Node, parse } from "acorn";
import { full } from "acorn-walk";
import { dirname, fromFileUrl, join } from "./std.ts";

/**
 * How V8 runs a command: one that has ended, or replaced this process, before what
 * other threads compile is of use, and has to wait for them.
 */
export const V8_FLAGS = "--v8-flags=--single-threaded,--no-sparkplug,--no-maglev";

/** What runs the bundle, as its first line says. */
export const RUN: readonly string[] = ["run", "--allow-ffi", "--no-config", V8_FLAGS];

/** The commands that are files of their own; all are in one more. */
const QUICK = ["unshare", "nsenter", "run", "lsns"];

const COMMANDS = new URL("../commands/", import.meta.url);
const ALL = fromFileUrl(new URL("all.ts", COMMANDS));

/** Which file it is. */
const ENTRY = `#!/usr/bin/env -S deno ${RUN.join(" ")}
const QUICK = {
${QUICK.map((name) => `  ${name}: () => import("./chunks/${name}.js"),`).join("\n")}
};
const [name] = Deno.args;
await (Object.hasOwn(QUICK, name) ? QUICK[name]() : import("./chunks/all.js"));
`;

/** The source of a file with one command. */
function quick(name: string): string {
  return `import { run } from "${new URL("cli.ts", COMMANDS)}";
import * as command from "${new URL(`${name}.ts`, COMMANDS)}";
await run({ "${name}": () => command });
`;
}

/** A file with all that it imports. */
async function bundle(entry: string): Promise<string> {
  return new TextDecoder().decode(await denoBundle(entry));
}

/** Makes files of all commands: `all.js`, and what it imports when it is needed. */
export async function split(directory: string): Promise<void> {
  await denoBundle("--code-splitting", "--outdir", directory, ALL);
}

async function denoBundle(...args: string[]): Promise<Uint8Array> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--minify", ...args],
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return stdout;
}

/**
 * Puts every function of a script in parentheses.
 *
 * Declared ones become variables, in front of everything else, since they can
 * be called before the place where they stand. Methods, and what is declared
 * within a function, stay as they are.
 */
export function parenthesize(source: string): string {
  const program = parse(source, { ecmaVersion: "latest", sourceType: "module" });
  const methods = new Set<number>();
  const functions: Node[] = [];
  full(program, (node) => {
    if (node.type === "MethodDefinition" || isMethod(node)) methods.add(node.value.start);
    if (/^(Arrow)?FunctionExpression$/.test(node.type)) functions.push(node);
  });
  const parentheses = functions.filter(({ start }) => !methods.has(start)).flatMap((
    { start, end },
  ) => [{ at: start, text: "(" }, { at: end, text: ")" }]).sort((a, b) => a.at - b.at);

  const render = ({ start, end }: Node): string => {
    let [text, from] = ["", start];
    for (const { at, text: parenthesis } of parentheses) {
      if (at < start || at > end) continue;
      text += source.slice(from, at) + parenthesis;
      from = at;
    }
    return text + source.slice(from, end);
  };
  const [declared, rest]: string[][] = [[], []];
  for (const node of program.body) {
    if (node.type === "FunctionDeclaration") {
      declared!.push(`var ${node.id.name}=(${render(node)});`);
    } else {
      rest!.push(render(node));
    }
  }
  return [...declared!, ...rest!].join("\n") + "\n";
}

function isMethod(node: Node): node is Node & { value: Node } {
  const { type, method, kind } = node as Node & { method?: boolean; kind?: string };
  return type === "Property" && (method === true || kind === "get" || kind === "set");
}

/** Writes the bundle; how many bytes it has. */
async function write(file: string): Promise<number> {
  const chunks = join(dirname(file), "chunks");
  await Deno.remove(chunks, { recursive: true }).catch(() => {});
  await Deno.mkdir(chunks, { recursive: true });
  const drafts = await Deno.makeTempDir({ prefix: "denspace-bundle-" });
  let size = ENTRY.length;
  const add = async (name: string, text: string): Promise<void> => {
    size += text.length;
    await Deno.writeTextFile(join(chunks, `${name}.js`), parenthesize(text));
  };
  try {
    for (const name of QUICK) {
      const draft = join(drafts, `${name}.ts`);
      await Deno.writeTextFile(draft, quick(name));
      await add(name, await bundle(draft));
    }
    await add("all", await bundle(ALL));
  } finally {
    await Deno.remove(drafts, { recursive: true });
  }
  await Deno.writeTextFile(file, ENTRY);
  await Deno.chmod(file, 0o755);
  return size;
}

if (import.meta.main) {
  const [file = fromFileUrl(new URL("../dist/denspace.js", import.meta.url))] = Deno.args;
  console.log(`${file}: ${await write(file)} bytes with its chunks`);
}
