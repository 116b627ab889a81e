/**
 * Makes `dist/denspace.js`, which starts quickly, and the parts that it loads when
 * they are needed, in `chunks` beside it.
 *
 *     deno task bundle [FILE] [--lazy]
 *
 * V8 compiles a function when it is first called, and what Deno keeps for the next
 * start are only the functions that were compiled with the file. A function in
 * parentheses is. A command calls each of its few hundred functions about once,
 * so compiling them took longer than running them: here all are put in
 * parentheses, and a second start has nothing to compile. `--lazy` leaves that
 * out, for where nothing is kept.
 *
 * Commands are imported dynamically, which also gives Deno the turn of its event
 * loop in which it keeps V8's code, before a command replaces the process.
 *
 * @module
 */
import { type Node, parse } from "acorn";
import { full } from "acorn-walk";
import { dirname, fromFileUrl, join, parseArgs } from "./std.ts";

/**
 * How V8 runs a command: one that has ended, or replaced this process, before what
 * other threads compile is of use, and has to wait for them.
 */
export const V8_FLAGS = "--v8-flags=--single-threaded,--no-sparkplug,--no-maglev";

/** What runs the bundle, as its first line says. */
export const RUN: readonly string[] = ["run", "--allow-ffi", "--no-config", V8_FLAGS];

/** The entry in a file of this name, all else by its name among the chunks. */
async function bundle(entry: string): Promise<Map<string, string>> {
  const directory = await Deno.makeTempDir({ prefix: "denspace-bundle-" });
  try {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", "--quiet", "--minify", "--code-splitting", "--outdir", directory, entry],
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    const files = new Map<string, string>();
    for (const { name } of Deno.readDirSync(directory)) {
      files.set(name, await Deno.readTextFile(join(directory, name)));
    }
    return files;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
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
async function write(file: string, lazy: boolean): Promise<number> {
  const chunks = join(dirname(file), "chunks");
  await Deno.remove(chunks, { recursive: true }).catch(() => {});
  await Deno.mkdir(chunks, { recursive: true });
  let size = 0;
  for (const [name, source] of await bundle(fromFileUrl(new URL(ENTRY, import.meta.url)))) {
    const text = lazy ? source : parenthesize(source);
    if (name === "main.js") {
      const line = `#!/usr/bin/env -S deno ${RUN.join(" ")}\n`;
      await Deno.writeTextFile(file, line + text.replaceAll('"./', '"./chunks/'));
      await Deno.chmod(file, 0o755);
    } else {
      await Deno.writeTextFile(join(chunks, name), text);
    }
    size += text.length;
  }
  return size;
}

const ENTRY = "../commands/main.ts";

if (import.meta.main) {
  const { _: [given], lazy } = parseArgs(Deno.args, { boolean: ["lazy"] });
  const file = String(given ?? fromFileUrl(new URL("../dist/denspace.js", import.meta.url)));
  console.log(`${file}: ${await write(file, lazy === true)} bytes with its chunks`);
}
