/** The interpreter for aarch64: on such a machine, or under qemu-aarch64. */
import { ENOENT } from "../ffi/constants/errno.ts";
import { MS_PRIVATE, MS_REC } from "../ffi/constants/mount.ts";
import { CLONE_NEWNS, CLONE_NEWUTS } from "../ffi/constants/sched.ts";
import { plan } from "../ffi/plan/builder.ts";
import { execvp } from "../ffi/plan/execvp.ts";
import { architectures, host } from "../ffi/plan/host.ts";
import { argument, environment } from "../ffi/plan/stack.ts";
import { assert, assertEquals } from "../scripts/std.ts";
import { CALLS, type Machine, OPERATIONS, runPlan, STEPS } from "./plan_vectors.ts";

const NATIVE: Machine = { arch: host(), via: [] };
const AARCH64: Machine = {
  arch: architectures.aarch64,
  via: host() === architectures.aarch64 ? [] : ["qemu-aarch64"],
};

/** Why its executables can't be run here. */
const obstacle = AARCH64.via.map((command) => missing(command)).find((reason) => reason);
/** Why nothing can be compared with the interpreter of this host. */
const alone = obstacle ?? (AARCH64.via.length ? undefined : "this host is aarch64");

/** A test that is ignored, with the reason in its name, if there is a reason. */
function testUnless(reason: string | undefined, name: string, fn: () => Promise<void>): void {
  Deno.test({ name: name + (reason ? ` (${reason})` : ""), ignore: reason !== undefined, fn });
}

function missing(command: string, option = "--version"): string | undefined {
  try {
    const { success } = new Deno.Command(command, { args: [option] }).outputSync();
    return success ? undefined : `${command} ${option} fails`;
  } catch {
    return `there is no ${command}`;
  }
}

for (const [name, vector] of Object.entries({ ...OPERATIONS, ...STEPS })) {
  testUnless(obstacle, `aarch64: ${name}`, () => vector(AARCH64));
}
for (const [name, vector] of Object.entries(CALLS)) {
  const reason = obstacle ?? missing("aarch64-linux-gnu-gcc");
  testUnless(reason, `aarch64: ${name}`, () => vector(AARCH64));
}

testUnless(alone, "aarch64: a program is found, or missed, as on this host", async () => {
  const directory = await Deno.makeTempDir({ prefix: "denspace-aarch64-" });
  try {
    const script = '#!/bin/sh\nprintf \'<%s>\' good "$0" "$@"';
    await Deno.writeTextFile(`${directory}/prog`, script, { mode: 0o755 });
    await Deno.writeTextFile(`${directory}/script`, 'printf "<%s>" "$0" "$@"', { mode: 0o755 });
    await Deno.writeTextFile(`${directory}/plain`, "never", { mode: 0o644 });
    const kinds = new Set<string>();
    for (const name of ["prog", "script", "plain", "missing", "", `${directory}/prog`, "/no"]) {
      for (const path of [directory, `/no:${directory}`, `${directory}/plain::/bin`, ":", ""]) {
        const program = plan("test", (p) => execvp(p, name, argument(p, 1), environment(p)));
        const outcome = async (machine: Machine): Promise<string> => {
          const { code, stdout, stderr } = await runPlan(machine, program, [name, "a b", "ü"], {
            cwd: directory,
            env: { PATH: `${path}:/usr/bin` },
          });
          return `${code}: ${new TextDecoder().decode(stdout)}${stderr}`;
        };
        const expected = await outcome(NATIVE);
        assertEquals(await outcome(AARCH64), expected, `${name} in ${path}`);
        kinds.add(expected);
      }
    }
    // The comparison has seen all that it is about.
    for (const kind of [`0: <good><${directory}/prog><a b><ü>`, `0: <script><a b><ü>`]) {
      assert(kinds.has(kind), `${kind} in ${[...kinds].join("\n")}`);
    }
    for (const code of ["0", "126", "127"]) {
      assert([...kinds].some((kind) => kind.startsWith(`${code}: `)), code);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

testUnless(
  obstacle ?? missing("unshare", "-Ur"),
  "aarch64: a plan makes namespaces, changes what is in them, and runs a program",
  async () => {
    const program = plan("test", (p) => {
      p.call("unshare", [CLONE_NEWNS | CLONE_NEWUTS]);
      p.call("mount", ["none", "/", 0, MS_REC | MS_PRIVATE, 0]);
      p.call("mount", ["none", "/mnt", "tmpfs", 0, 0]);
      p.call("sethostname", ["aarch64", 7]);
      p.call("chdir", ["/mnt/no"], { accept: [ENOENT] });
      const script = "uname -n; grep -c ' /mnt tmpfs ' /proc/self/mounts; ls -A /mnt";
      const argv = p.cell("argv", 5 * 8, [0, "sh", "-c", script, 0]);
      execvp(p, "sh", p.control("add", [{ addressOf: argv }, 8]), environment(p));
    });
    // qemu-aarch64 has threads, and so can't enter a user namespace itself.
    const machine = { ...AARCH64, via: ["unshare", "-Ur", ...AARCH64.via] };
    const { code, stdout, stderr } = await runPlan(machine, program);
    assertEquals([code, new TextDecoder().decode(stdout), stderr], [0, "aarch64\n1\n", ""]);
  },
);
