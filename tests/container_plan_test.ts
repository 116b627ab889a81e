/** Containers in scripts: the plan of a configuration, and all that a plan is good for. */
import * as denspace from "../mod.ts";
import type { ContainerConfig } from "../mod.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "../scripts/std.ts";
import { limitsTest } from "./cgroups.ts";
import { inDirectory } from "./child.ts";
import { until } from "./processes.ts";

const { ConfigError, containerPlan, emit, explain, plan, spawn, spawnSync, SyscallError } =
  denspace;

/** A copy of the machine in which a shell runs a script. */
function configOf(script: string, change: Partial<ContainerConfig> = {}): ContainerConfig {
  return {
    ociVersion: "1.2.0",
    process: {
      cwd: "/",
      args: ["sh", "-c", script],
      env: ["PATH=/usr/bin:/bin"],
      user: { uid: 0, gid: 0 },
    },
    root: { path: "/" },
    hostname: "inside",
    mounts: [
      { destination: "/proc", type: "proc" },
      { destination: "/dev/pts", type: "devpts", options: ["newinstance", "ptmxmode=0666"] },
    ],
    annotations: { "denspace.layers": "tmpfs" },
    linux: {
      namespaces: [{ type: "user" }, { type: "mount" }, { type: "pid" }, { type: "uts" }],
      uidMappings: [{ containerID: 0, hostID: denspace.geteuid(), size: 1 }],
      gidMappings: [{ containerID: 0, hostID: denspace.getegid(), size: 1 }],
    },
    ...change,
  };
}

const INIT = { "denspace.layers": "tmpfs", "denspace.init": "true" };
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function descriptors(): string[] {
  return [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => name).sort();
}

Deno.test("a container is spawned: streams, status, and nothing of ours in it", () => {
  Deno.env.set("DENSPACE_SECRET", "secret");
  for (const annotations of [undefined, INIT]) {
    const script = `echo process $$ of $(hostname), user $(id -u); echo /proc/self/fd/*
      cat /proc/1/environ; echo error >&2; rm -f /etc/passwd; exit 3`;
    const program = containerPlan(configOf(script, annotations && { annotations }));
    const { stdout, stderr, code, success } = spawnSync(program);
    assertEquals({ code, success, stderr: decode(stderr) }, {
      code: 3,
      success: false,
      stderr: "error\n",
    });
    const [who, fds, ...rest] = decode(stdout).split("\n");
    assertEquals(who, `process ${annotations ? 2 : 1} of inside, user 0`);
    // The last one is that of the directory itself.
    assertEquals(fds, [0, 1, 2, 3].map((fd) => `/proc/self/fd/${fd}`).join(" "));
    assert(!rest.join().includes("secret"), rest.join());
    assert(Deno.statSync("/etc/passwd").isFile);
  }
  Deno.env.delete("DENSPACE_SECRET");
});

Deno.test("one can talk to it, and end it", async () => {
  const before = descriptors();
  const cat = spawn(containerPlan(configOf("cat")), { stdin: "piped", stdout: "piped" });
  const writer = cat.stdin.getWriter();
  await writer.write(new TextEncoder().encode("hello\n"));
  await writer.close();
  assertEquals(decode((await cat.output()).stdout), "hello\n");

  const script = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done";
  const program = containerPlan(configOf(script, { annotations: INIT }));
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const child = spawn(program, { stdout: "piped" });
    const reader = child.stdout.getReader();
    await reader.read();
    child.kill(signal);
    const { code, signal: by } = await child.status;
    assertEquals(by ?? code, signal === "SIGTERM" ? 5 : "SIGKILL");
    assertEquals((await reader.read()).done, true);
  }
  assertEquals(descriptors(), before);
});

Deno.test("what fails on the way to the program throws, with the step", async () => {
  const before = descriptors();
  const wrong: [Partial<ContainerConfig>, string][] = [
    [
      { process: { cwd: "/", args: ["missing"], user: { uid: 0, gid: 0 } } },
      "failed to execute missing",
    ],
    [
      { process: { cwd: "/none", args: ["true"], user: { uid: 0, gid: 0 } } },
      "cannot change to the directory /none",
    ],
    [
      { mounts: [{ destination: "/proc", type: "nothing" }] },
      "cannot mount nothing on /proc",
    ],
  ];
  for (const [change, step] of wrong) {
    for (const annotations of [{ "denspace.layers": "tmpfs" }, INIT]) {
      const program = containerPlan(configOf("", { ...change, annotations }));
      const error = assertThrows(() => spawnSync(program), SyscallError, step);
      assertEquals((error as InstanceType<typeof SyscallError>).step, step);
      assertThrows(() => spawn(program, { stdout: "piped", stderr: "piped" }), SyscallError, step);
    }
  }
  await until("Deno has waited for those that failed", () => `${descriptors()}` === `${before}`);
});

Deno.test("what of a configuration is wrong is named by its field", () => {
  const minimal = configOf("true");
  const wrong: [object, string][] = [
    [{ hooks: {} }, "hooks"],
    [{ root: undefined }, "root"],
    [{ process: { ...minimal.process, cwd: "x" } }, "process.cwd"],
    [{ process: { ...minimal.process, args: [] } }, "process.args"],
    [{ process: { ...minimal.process, terminal: true }, mounts: [] }, "process.terminal"],
    [{ mounts: [{ destination: "/x", type: "tmpfs", foo: 1 }] }, "mounts[0].foo"],
    [
      { mounts: [{ destination: "/x", type: "bind", source: "/usr", options: ["size=1m"] }] },
      "mounts[0].options",
    ],
    [
      { linux: { ...minimal.linux, seccomp: { defaultAction: "x" } } },
      "linux.seccomp.defaultAction",
    ],
    [{ linux: { ...minimal.linux, uidMappings: [] } }, "linux.uidMappings"],
    [{ annotations: { ...INIT, "denspace.diff": "true" } }, "annotations.denspace.diff"],
    [{ annotations: { "denspace.layers": "/usr" } }, "annotations.denspace.layers"],
    [
      {
        annotations: { "denspace.layers": "/layers" },
        process: { ...minimal.process, cwd: "/layers/bin" },
      },
      "process.cwd",
    ],
  ];
  for (const [change, field] of wrong) {
    const error = assertThrows(
      () => containerPlan({ ...minimal, ...change } as ContainerConfig),
      ConfigError,
    ) as InstanceType<typeof ConfigError>;
    assertEquals(error.field, field, error.message);
    assertEquals(error.message.slice(0, field.length + 1), `${field} `);
  }
  for (const value of [null, 1, "x", []]) {
    const error = assertThrows(
      () => containerPlan(value as unknown as ContainerConfig),
      ConfigError,
    );
    assertEquals((error as InstanceType<typeof ConfigError>).field, "");
  }
});

Deno.test("a container is explained, emitted and executed", async () => {
  const program = containerPlan(configOf("echo $$ of $(hostname); exit 4"), { name: "box" });
  assertMatch(explain(program), /^stage +unshare\(CLONE_NEW.*\) = 0$/m);
  assertMatch(explain(program), /^program +execve\("\/usr\/bin\/sh", \["sh", .*\) = 0$/m);
  await inDirectory(async (directory) => {
    emit(program, `${directory}/box`);
    const { stdout, code } = await new Deno.Command(`${directory}/box`).output();
    assertEquals([decode(stdout), code], ["1 of inside\n", 4]);
  });
  const config = JSON.stringify(configOf("echo $$ of $(hostname); exit 4"));
  const source = `import { containerPlan, exec } from "${new URL("../mod.ts", import.meta.url)}";
    exec(containerPlan(${config}), ["box"]);`;
  const { stdout, code } = await new Deno.Command(Deno.execPath(), { args: ["eval", source] })
    .output();
  assertEquals([decode(stdout), code], ["1 of inside\n", 4]);
});

Deno.test("a container has a terminal, which its streams show", () => {
  const config = configOf("tty; exit 6");
  const program = containerPlan({ ...config, process: { ...config.process!, terminal: true } });
  const { stdout, code } = spawnSync(program);
  assertEquals([decode(stdout), code], ["/dev/pts/0\r\n", 6]);
});

Deno.test("a container is not cloned: it would stop this thread", () => {
  assertThrows(() => denspace.clone(containerPlan(configOf("true"))), TypeError, "for spawn");
});

limitsTest("its limits are kept, and end with it", () => {
  const { namespaces: _, ...linux } = configOf("").linux!;
  const script = "grep -o 'denspace-test-.*' /proc/self/cgroup";
  const cgroupsPath = `denspace-test-${Deno.pid}`;
  const program = containerPlan(configOf(script, {
    linux: { ...linux, ...configOf("").linux, resources: { pids: { limit: 50 } }, cgroupsPath },
  }));
  for (const _ of ["first", "second"]) {
    const { stdout, stderr } = spawnSync(program);
    assertEquals(decode(stderr), "");
    assert(decode(stdout).startsWith(`${cgroupsPath}\n`), decode(stdout));
  }
});

// Any plan ---------------------------------------------------------------------

Deno.test("any plan is spawned, with its arguments", async () => {
  const shell = plan("shell", (p) => {
    denspace.execvp(p, "sh", denspace.argument(p, 0), denspace.environment(p));
  });
  const argv = ["sh", "-c", "echo $1; exit 7", "x", "one"];
  const { stdout, code } = spawnSync(shell, { argv });
  assertEquals([decode(stdout), code], ["one\n", 7]);
  const child = spawn(shell, { argv, stdout: "piped" });
  const output = await child.output();
  assertEquals([decode(output.stdout), output.code], ["one\n", 7]);

  const ends = plan("ends", (p) => {
    p.call("write", [1, "hello\n", 6]);
    p.call("exit_group", [3]);
  });
  const ended = spawnSync(ends);
  assertEquals([decode(ended.stdout), ended.code], ["hello\n", 3]);

  const fails = plan("fails", (p) => {
    p.call("chdir", ["/missing"], { message: "cannot go there" });
    p.call("exit_group", [0]);
  });
  assertThrows(() => spawnSync(fails), SyscallError, "cannot go there: No such file or directory");
  const wrong = { argv: [1] } as unknown as { argv: string[] };
  assertThrows(() => spawnSync(ends, wrong), TypeError, "argv[0]");
  assertThrows(() => spawnSync(ends, { argv: ["a\0b"] }), TypeError, "argv[0]");
  assertThrows(() => spawn(ends, { cwd: "/" } as object), TypeError, "cwd");
});
