/**
 * Makes `dist/denspace.js`: all commands as one file that starts quickly.
 *
 *     deno task bundle [FILE]
 *
 * V8 compiles a function when it is first called, and what it keeps for the next
 * start are only the functions that were compiled with the file. A function in
 * parentheses is. A command calls each of its few hundred functions about once,
 * so compiling them took longer than running them: here all are put in
 * parentheses, and a second start has nothing to compile.
 *
 * @module
 */
import { type Node, parse } from "acorn";
import { full } from "acorn-walk";
import { dirname, fromFileUrl } from "./std.ts";

/** A file as text, of the entry and all that it imports. */
async function bundle(entry: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--minify", entry],
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
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

if (import.meta.main) {
  const path = (relative: string): string => fromFileUrl(new URL(relative, import.meta.url));
  const [file = path("../dist/denspace.js")] = Deno.args;
  await Deno.mkdir(dirname(file), { recursive: true });
  const text = parenthesize(await bundle(path("../commands/bundled.ts")));
  await Deno.writeTextFile(file, text);
  console.log(`${file}: ${text.length} bytes`);
}
