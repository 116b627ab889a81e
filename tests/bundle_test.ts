/** The bundle: one entry that can be executed, and chunks of what is loaded later. */
import { parenthesize, RUN } from "../scripts/bundle.ts";
import { assert, assertEquals, dirname, fromFileUrl } from "../scripts/std.ts";

const script = fromFileUrl(new URL("../scripts/bundle.ts", import.meta.url));

function run(file: string, ...args: string[]): { code: number; stdout: string; stderr: string } {
  const { code, stdout, stderr } = new Deno.Command(file, {
    args,
    env: { PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`, NO_COLOR: "1" },
  }).outputSync();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("the bundle can be executed, from any directory", () => {
  const directory = Deno.makeTempDirSync({ prefix: "denspace-" });
  try {
    const file = `${directory}/denspace.js`;
    assertEquals(run(Deno.execPath(), "run", "-A", script, file).code, 0);
    const { stdout, stderr } = run(file, "unshare", "--help");
    assert(stdout.startsWith("\nUsage:\n unshare "), stderr);
    const again = run(Deno.execPath(), "run", "-A", script, file);
    assertEquals(again.code, 0, again.stderr);
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
    assertEquals(names, ["chunks", "denspace.js"]);
    const [first] = Deno.readTextFileSync(file).split("\n");
    assertEquals(first, `#!/usr/bin/env -S deno ${RUN.join(" ")}`);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("functions in parentheses are the same functions", () => {
  const source = `
    var later = (x) => x + 1;
    values = [early(1), outer(), { method(x) { return x + 1; } }.method(1)];
    function early(x) { return later(x) * 2; }
    function outer() { function nested() { return [(() => 7)()]; } return nested()[0]; }
  `;
  const text = parenthesize(source);
  assert(text.includes("var early=(function early("), text);
  assert(text.includes("((x) => x + 1)"), text);
  const values = new Function(`let values; ${text}; return values;`)();
  assertEquals(values, [4, 7, 2]);
});
