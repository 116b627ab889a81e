/** What is loaded before a command does its work, and by whoever imports the library. */
import { assert, assertEquals, fromFileUrl } from "../scripts/std.ts";

const PROJECT = new URL("..", import.meta.url);

/** What `deno info --json` says of a module, as far as it is looked at here. */
interface Module {
  specifier: string;
  kind?: string;
  error?: string;
  dependencies?: Dependency[];
}

interface Dependency {
  /** As it is written in the source. */
  specifier: string;
  /** Whether it is a call of `import()`. */
  isDynamic?: boolean;
}

/** An entry module and all that it leads to, at start or later. */
async function modulesOf(entry: string): Promise<Module[]> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry],
    cwd: fromFileUrl(PROJECT),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: Module[] };
  assert(
    modules.some(({ specifier }) => specifier === new URL(entry, PROJECT).href),
    `${entry} is among its modules`,
  );
  assertEquals(modules.filter(({ error }) => error !== undefined), []);
  return modules;
}

/** The specifiers of modules that lie outside some parts of the project. */
function outside(modules: readonly Module[], parts: readonly string[]): string[] {
  const roots = parts.map((part) => new URL(part, PROJECT).href);
  return modules.map(({ specifier }) => specifier)
    .filter((specifier) => !roots.some((root) => specifier.startsWith(root)));
}

const COMMANDS = ["unshare", "nsenter", "lsns"];

for (const entry of ["main", ...COMMANDS].map((name) => `commands/${name}.ts`)) {
  Deno.test(`${entry} loads no npm or remote module`, async () => {
    const modules = await modulesOf(entry);
    assertEquals(outside(modules, ["commands/", "sandbox/", "ffi/"]), []);
    assertEquals(modules.filter(({ kind }) => kind !== "esm"), []);
  });
}

Deno.test("commands/main.ts loads a command only when it is asked for", async () => {
  const main = new URL("commands/main.ts", PROJECT).href;
  const { dependencies = [] } = (await modulesOf("commands/main.ts"))
    .find(({ specifier }) => specifier === main)!;
  const commands = COMMANDS.map((name) => `./${name}.ts`);
  assertEquals(
    dependencies.filter(({ specifier, isDynamic }) => commands.includes(specifier) && !isDynamic),
    [],
  );
});

Deno.test("commands/main.ts leads to no file of another command", async () => {
  // Deno reads all of them before anything runs.
  const modules = await modulesOf("commands/main.ts");
  const others = ["sandbox/container/", "sandbox/listing/", "sandbox/explain/", "commands/all.ts"]
    .map((path) => new URL(path, PROJECT).href);
  assertEquals(
    modules.filter(({ specifier }) => others.some((other) => specifier.startsWith(other))),
    [],
  );
});

Deno.test("mod.ts imports nothing outside the project, and nothing through an import map", async () => {
  const modules = await modulesOf("mod.ts");
  assertEquals(outside(modules, ["mod.ts", "sandbox/", "ffi/"]), []);
  for (const { specifier: module, dependencies = [] } of modules) {
    for (const { specifier } of dependencies) {
      assert(/^\.\.?\//.test(specifier), `${module} imports ${specifier}`);
    }
  }
});

Deno.test("mod.ts can be imported where there is no configuration", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "denspace-" });
  try {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        "--no-config",
        `import * as denspace from ${JSON.stringify(new URL("mod.ts", PROJECT).href)};
         console.log(typeof denspace.unshare);`,
      ],
      cwd: directory,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assertEquals([text(stdout), code], ["function\n", 0], text(stderr));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
