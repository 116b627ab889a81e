/** Packages: installed, used, and removed again, in a throw-away copy of this machine. */
import { compile, npmToolchain, type Toolchain } from "../scripts/compile.ts";
import { assertEquals, assertMatch, dirname, fromFileUrl, join } from "../scripts/std.ts";

const PROJECT = dirname(dirname(fromFileUrl(import.meta.url)));
const script = (name: string): string[] => ["run", "-A", join(PROJECT, `scripts/${name}.ts`)];

const toolchain: Toolchain | string = await npmToolchain().catch((error) => error.message);

/** Why there can be no package of a kind, or nothing. */
function obstacle(...tools: string[]): string | undefined {
  const there = (name: string): boolean =>
    new Deno.Command("sh", { args: ["-c", `command -v ${name}`], stdout: "null" }).outputSync()
      .success;
  const missing = tools.find((name) => !there(name));
  return missing ?? (typeof toolchain === "string" ? toolchain : undefined);
}

async function run(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  assertEquals(success, true, `${command} ${args.join(" ")}: ${text(stdout)}${text(stderr)}`);
  return text(stdout);
}

function test(name: string, tools: string[], fn: (directory: string) => Promise<void>): void {
  const missing = obstacle(...tools);
  Deno.test({
    name: name + (missing ? ` (needs ${missing})` : ""),
    ignore: missing !== undefined,
    async fn(): Promise<void> {
      const directory = await Deno.makeTempDir({ prefix: "denspace-package-", dir: "/var/tmp" });
      try {
        await Deno.chmod(directory, 0o755);
        await fn(directory);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}

test(
  "the Debian package is installed, used and removed",
  ["dpkg-deb", "apparmor_parser"],
  async (directory) => {
    const binary = join(directory, "denspace");
    await compile({ output: binary, toolchain: toolchain as Toolchain });
    const args = [...script("package"), "deb", "--binary", binary, "--output", directory];
    const file = (await run(Deno.execPath(), ...args)).trim();
    const steps = `set -e
    dpkg --install ${file} >/dev/null
    denspace unshare --user --map-root-user id -u
    denspace --version
    gzip -dc /usr/share/man/man1/denspace-unshare.1.gz | grep -c '^.Nm'
    bash -n /usr/share/bash-completion/completions/denspace
    apparmor_parser --skip-kernel-load --skip-cache /etc/apparmor.d/denspace 2>/dev/null
    dpkg --purge denspace >/dev/null
    ls /usr/bin/denspace /etc/apparmor.d/denspace 2>/dev/null || echo removed`;
    const printed = await run(
      ...[Deno.execPath(), "run", "--allow-ffi", join(PROJECT, "commands/main.ts")] as const,
      ...["run", "--privileged", "--", "sh", "-c", steps],
    );
    assertMatch(printed, /^0\ndenspace \d+\.\d+\.\d+\n\d+\nremoved\n$/);
  },
);

test("the npm package runs with the Deno that npm puts beside it", ["npm"], async (directory) => {
  const bundle = join(directory, "bundle/denspace.js");
  await run(Deno.execPath(), ...script("bundle"), bundle);
  const args = [...script("package"), "npm", "--bundle", bundle, "--output", directory];
  const file = (await run(Deno.execPath(), ...args)).trim();
  const modules = join(directory, "node_modules");
  const place = join(modules, "@denspace/denspace");
  const deno = join(modules, "@deno/linux-x64-glibc");
  for (const path of [place, deno]) await Deno.mkdir(path, { recursive: true });
  await run("tar", "-xzf", file, "--strip-components=1", "-C", place);
  await Deno.symlink(Deno.execPath(), join(deno, "deno"));
  await Deno.mkdir(join(modules, ".bin"));
  await Deno.symlink("../@denspace/denspace/npm.sh", join(modules, ".bin/denspace"));
  const program = join(modules, ".bin/denspace");
  assertEquals(await run(program, "unshare", "--user", "--map-root-user", "id", "-u"), "0\n");
});
