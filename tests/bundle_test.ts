/** The bundle: one entry that can be executed, and chunks of what is loaded later. */
import { RUN } from "../scripts/bundle.ts";
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

Deno.test("the bundle can be executed, from any directory, and installed", () => {
  const directory = Deno.makeTempDirSync({ prefix: "denspace-" });
  try {
    const file = `${directory}/denspace.js`;
    assertEquals(run(Deno.execPath(), "run", "-A", script, file).code, 0);
    const { stdout, stderr } = run(file, "unshare", "--help");
    assert(stdout.startsWith("\nUsage:\n unshare "), stderr);
    for (const command of ["nsenter", "lsns", "run", "exec", "diff", "man", "emit"]) {
      const { stdout, stderr } = run(file, command, "--help");
      assert(stdout.startsWith(`\nUsage:\n `) && stdout.includes(` ${command} `), stderr);
    }
    assert(run(file).stdout.includes("\n unshare "));
    const install = ["install", "--global", "--root", directory, "--allow-ffi", "--name", "here"];
    assertEquals(run(Deno.execPath(), ...install, file).code, 0);
    assert(run(`${directory}/bin/here`, "nsenter", "--version").stdout.startsWith("nsenter "));
    Deno.removeSync(`${directory}/bin`, { recursive: true });
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

Deno.test("tasks run the commands as the bundle is run", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("../deno.json", import.meta.url)));
  for (const name of ["unshare", "nsenter", "lsns"]) {
    assert(tasks[name].includes(`deno ${RUN.join(" ")} `), tasks[name]);
  }
});
