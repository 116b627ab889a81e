/** Limits, usage and networks of programs that a script starts. */
import { type ProcessOutput, spawn, type SpawnOptions, spawnSync } from "../mod.ts";
import { assert, assertEquals, assertMatch } from "../scripts/std.ts";
import { limitsTest, type Parent, parent } from "./cgroups.ts";

/** The cgroup of a test. */
let own: Parent;

function test(name: string, fn: () => void | Promise<void>): void {
  limitsTest(name, async () => {
    using made = parent();
    own = made;
    await fn();
  });
}

let count = 0;

function limited(resources: SpawnOptions["resources"], script: string): SpawnOptions {
  const cgroupsPath = `${own.name}/${count++}`;
  return { command: "sh", args: ["-c", script], resources, cgroupsPath, stderr: "null" };
}

function text({ stdout }: ProcessOutput): string {
  return new TextDecoder().decode(stdout);
}

test("what a program and its children use is in the result", async () => {
  const work =
    "head -c 30m /dev/zero | tail -c 20m | wc -c; i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done";
  const output = spawnSync(limited({}, work));
  assertEquals([output.success, text(output)], [true, "20971520\n"]);
  const { cpuTime, memoryPeak, oomKills } = output.usage!;
  assert(cpuTime! > 0.005 && cpuTime! < 60, `${cpuTime}`);
  assert(memoryPeak! > 20 * 2 ** 20 && memoryPeak! < 2 ** 30, `${memoryPeak}`);
  assertEquals(oomKills, 0);
  const status = await spawn({ ...limited({}, "exit 3"), stdout: "null" }).status;
  assertEquals([status.success, status.code, status.signal], [false, 3, null]);
  assert(status.usage!.cpuTime! > 0);
  assertEquals("usage" in spawnSync({ command: "true" }), false);
});

test("a memory limit kills, and the result tells of it", async () => {
  const resources = { memory: { limit: 40 * 2 ** 20 } };
  const { signal, usage } = await spawn({
    ...limited(resources, "exec dd if=/dev/zero of=/dev/null bs=150M count=1"),
    stdout: "null",
  }).status;
  assertEquals([signal, usage!.oomKills], ["SIGKILL", 1]);
  assert(usage!.memoryPeak! <= 40 * 2 ** 20);
});

test("processes that outlive the program end with it", async () => {
  const process = spawn({ ...limited({}, "sleep 600 >/dev/null & echo $!"), stdout: "piped" });
  const pid = text(await process.output()).trim();
  const state = (): string => {
    try {
      return /^State:\t(.)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]!;
    } catch {
      return "gone";
    }
  };
  assertMatch(state(), /^(Z|gone)$/);
});

test("what fails leaves no cgroup, and says what", () => {
  const fails = (options: SpawnOptions, expected: RegExp): void => {
    let message = "";
    try {
      spawnSync(options);
    } catch (error) {
      message = `${error}`;
    }
    assertMatch(message, expected);
  };
  fails({ ...limited({}, ""), command: "/nowhere" }, /failed to execute \/nowhere: No such file/);
  fails(limited({ cpu: { cpus: "9999" } }, ""), /cannot set cpuset\.cpus to '9999'/);
  const wrong = { memory: { limit: "x" } } as unknown as SpawnOptions["resources"];
  fails(limited(wrong, ""), /^ConfigError: resources\.memory\.limit is no whole number$/);
  fails({ command: "true", cgroupsPath: "x" }, /^TypeError: cgroupsPath needs resources$/);
  const network = { addresses: ["10.0.0.2/24"] };
  fails({ command: "true", network }, /^TypeError: network needs a new network namespace/);
  fails(
    { command: "true", network: { addresses: ["x"] }, namespaces: { net: true } },
    /^RangeError: 'x' is not an address/,
  );
});

test("a program has an interface to where we are, and it is gone with it", () => {
  // In a network namespace that stands for the machine's.
  const script = `
    import { spawnSync } from "${new URL("../mod.ts", import.meta.url)}";
    const { stdout } = spawnSync({
      command: "ip", args: ["-brief", "address"], namespaces: { net: true, pid: true },
      network: {
        addresses: ["10.3.0.2/24"], outside: ["10.3.0.1/24"], gateways: ["10.3.0.1"], rate: "1gbit",
      },
    });
    const { stdout: left } = spawnSync({ command: "ip", args: ["-brief", "link"] });
    console.log(new TextDecoder().decode(stdout) + new TextDecoder().decode(left));`;
  const args = [
    "--net",
    Deno.execPath(),
    "run",
    "-A",
    "--no-check",
    `data:text/typescript,${encodeURIComponent(script)}`,
  ];
  const { stdout } = new Deno.Command("unshare", { args }).outputSync();
  const lines = new TextDecoder().decode(stdout).trim().split("\n").map((line) => line.split(/ +/));
  assertEquals(lines.map(([name]) => name!.replace(/@.*/, "")), ["lo", "eth0", "lo"]);
  assertEquals(lines[1]![2], "10.3.0.2/24");
});
