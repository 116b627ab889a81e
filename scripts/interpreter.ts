/**
 * Assembles the interpreters and writes their bytes into TypeScript.
 *
 *     deno run -A scripts/interpreter.ts
 *
 * Needs the assemblers of Debian's binutils packages.
 *
 * @module
 */
import { fromFileUrl } from "./std.ts";

/** An interpreter's source, where its bytes go, and the tools that make them. */
export interface Source {
  /** The architecture's name. */
  readonly name: "x86_64" | "aarch64";
  /** The prefix of the assembler's name. */
  readonly tools: string;
}

/** The interpreters that there are. */
export const SOURCES: readonly Source[] = [
  { name: "x86_64", tools: "x86_64-linux-gnu-" },
  { name: "aarch64", tools: "aarch64-linux-gnu-" },
];

const folder = new URL("../ffi/plan/", import.meta.url);

/** Assembles an interpreter. */
export async function assemble({ name, tools }: Source): Promise<Uint8Array> {
  const directory = await Deno.makeTempDir();
  try {
    const object = `${directory}/object`;
    const binary = `${directory}/binary`;
    await run(`${tools}as`, fromFileUrl(new URL(`${name}.s`, folder)), "-o", object);
    await run(`${tools}objcopy`, "-O", "binary", object, binary);
    return await Deno.readFile(binary);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function run(command: string, ...args: string[]): Promise<void> {
  const { success } = await new Deno.Command(command, { args, stderr: "inherit" }).output();
  if (!success) throw new Error(`${command} ${args.join(" ")} failed`);
}

/** The lines of a TypeScript array of these bytes. */
export function literal(bytes: Uint8Array): string {
  const rows = [];
  for (let i = 0; i < bytes.length; i += 12) {
    const row = [...bytes.subarray(i, i + 12)];
    rows.push(`  ${row.map((byte) => "0x" + byte.toString(16).padStart(2, "0")).join(", ")},\n`);
  }
  return rows.join("");
}

if (import.meta.main) {
  for (const source of SOURCES) {
    const file = new URL(`${source.name}.ts`, folder);
    const text = await Deno.readTextFile(file);
    const bytes = literal(await assemble(source));
    await Deno.writeTextFile(file, text.replace(/(Uint8Array\(\[\n)[^]*?(\]\))/, `$1${bytes}$2`));
  }
}
