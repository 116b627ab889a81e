/** Programs that are started in namespaces: what they are, and what is left when they can't be. */
import * as denspace from "../mod.ts";
import type { ProgramOptions, SpawnOptions } from "../mod.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "../scripts/std.ts";
import { beside, inChild, inDirectory, isRoot, rootTest } from "./child.ts";
import { comm, until } from "./processes.ts";

const { clone, openNamespace, plan, spawn, spawnSync, SyscallError } = denspace;

/** What a shell script prints in a program of these options. */
function printed(script: string, options: Omit<SpawnOptions, "command"> = {}): string {
  const { stdout, stderr, code } = spawnSync({ command: "sh", args: ["-c", script], ...options });
  const [output, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals([error, code], ["", 0]);
  return output!;
}

const USER = { namespaces: { user: true }, uidMap: "root", gidMap: "root" } as const;

// What a program is ------------------------------------------------------------

Deno.test("all namespaces are new, and the program is process 1, a child of ours", async () => {
  const kinds = ["user", "cgroup", "ipc", "uts", "net", "pid", "mount", "time"] as const;
  const program = spawn({
    command: "sh",
    args: ["-c", "readlink /proc/self/ns/*; echo $$; read x"],
    namespaces: Object.fromEntries(kinds.map((kind) => [kind, true])),
    uidMap: "root",
    mountProc: true,
    stdin: "piped",
    stdout: "piped",
  });
  try {
    const status = Deno.readTextFileSync(`/proc/${program.pid}/status`);
    assertMatch(status, new RegExp(`^PPid:\t${Deno.pid}$`, "m"));
    for (const type of kinds) {
      using theirs = openNamespace({ pid: program.pid, type });
      using ours = openNamespace({ pid: Deno.pid, type });
      assertEquals([type, theirs.equals(ours)], [type, false]);
    }
  } finally {
    await program.stdin.close();
  }
  const { stdout, code } = await program.output();
  assertEquals([new TextDecoder().decode(stdout).trim().split("\n").at(-1), code], ["1", 1]);
});

Deno.test("a program gets its arguments and environment as bytes, in our order", () => {
  const { stdout } = spawnSync({
    command: new TextEncoder().encode("printf"),
    args: ["%s|", "\u00fc", new Uint8Array([0xff, 0x20]), "\udcfe", ""],
    env: { X: "1" },
  });
  assertEquals([...stdout], [0xc3, 0xbc, 0x7c, 0xff, 0x20, 0x7c, 0xfe, 0x7c, 0x7c]);
  const names = (text: string) => text.split("\n").map((line) => line.split("=")[0]);
  const ours = names(new TextDecoder().decode(
    new Deno.Command("sh", { args: ["-c", `tr '\\0' '\\n' < /proc/${Deno.pid}/environ`] })
      .outputSync().stdout,
  ));
  const theirs = names(new TextDecoder().decode(spawnSync({ command: "env" }).stdout));
  assertEquals(theirs.filter((name) => name !== "_"), ours.filter((name) => name !== "_"));
});

Deno.test("variables are added, changed in their place, or all there are", () => {
  const env = { A: "1", PATH: "/usr/bin:/bin" };
  assertEquals(printed("echo $A $PATH", { env }), "1 /usr/bin:/bin\n");
  const { stdout } = spawnSync({ command: "env", env: { ...env, B: "2" }, clearEnv: true });
  assertEquals(new TextDecoder().decode(stdout), "A=1\nPATH=/usr/bin:/bin\nB=2\n");
  assertEquals(spawnSync({ command: "/usr/bin/env", clearEnv: true }).stdout.length, 0);
});

Deno.test("the same program again has the variables and the place that we have by then", async () => {
  const seen = await inChild((api) => {
    const run = (env?: Record<string, string>) => {
      const options = { command: "sh", args: ["-c", "echo $DENSPACE_X $B; pwd"] };
      return new TextDecoder().decode(api.spawnSync({ ...options, ...(env && { env }) }).stdout);
    };
    const first = run();
    Deno.env.set("DENSPACE_X", "1");
    const second = [run(), run({ B: "2" })];
    Deno.env.set("DENSPACE_X", "3");
    Deno.chdir("/");
    return [
      ...first.split("\n").slice(0, 1),
      ...second.map((text) => text.split("\n")[0]),
      run(),
      run({ B: "4" }),
    ];
  });
  assertEquals(seen, ["", "1", "1 2", "3\n/\n", "3 4\n/\n"]);
});

Deno.test("the directory, and only the descriptors that are wanted", () => {
  const [reader, writer] = denspace.pipe2(denspace.O_CLOEXEC);
  const leaked = denspace.open("/dev/null", denspace.O_RDONLY);
  try {
    const script = "pwd; echo to 7 >&7; ls /proc/self/fd";
    const output = printed(script, { cwd: "/usr", descriptors: { 7: writer } });
    assertEquals(output, "/usr\n0\n1\n2\n3\n7\n");
    const buffer = new Uint8Array(16);
    assertEquals(denspace.read(reader, buffer), 5);
    assertEquals(denspace.fcntl(writer, denspace.F_GETFD), denspace.FD_CLOEXEC);
  } finally {
    [reader, writer, leaked].forEach(denspace.close);
  }
});

Deno.test("what Deno changes of this process is not changed for the program", async () => {
  const [ours, theirs] = await inChild((api) => {
    const { stdout } = api.spawnSync({
      command: "sh",
      args: ["-c", "ulimit -Sn; cat /proc/$$/comm; grep SigIgn /proc/$$/status"],
    });
    return [`${api.prlimit(0, api.RLIMIT_NOFILE).soft}`, new TextDecoder().decode(stdout)];
  });
  const [limit, comm, ignored] = theirs!.split("\n");
  assert(Number(limit) <= Number(ours));
  assertEquals([comm, ignored], ["sh", "SigIgn:\t0000000000000000"]);
});

Deno.test("one id is mapped, and the name of the host is another one inside", () => {
  const options = { ...USER, namespaces: { user: true, uts: true }, hostname: "inside" };
  const before = Deno.hostname();
  assertEquals(
    printed("id -u; id -g; hostname; cat /proc/self/setgroups", options),
    "0\n0\ninside\ndeny\n",
  );
  assertEquals(Deno.hostname(), before);
  const current = { namespaces: { user: true }, uidMap: "current", gidMap: 7 } as const;
  assertEquals(printed("id -u; id -g", current), `${denspace.getuid()}\n7\n`);
});

rootTest("ranges of ids are mapped, and the program is one of them", () => {
  const ranges = [{ inside: 0, outside: 100000, count: 10 }, { inside: 10, outside: 5, count: 1 }];
  const options = {
    namespaces: { user: true },
    uidMap: ranges,
    gidMap: ranges,
    uid: 3,
    gid: 10,
    groups: [1, 2],
  };
  const script = "id -u; id -G; tr -s ' ' < /proc/self/uid_map";
  assertEquals(printed(script, options), "3\n10 1 2\n 0 100000 10\n 10 5 1\n");
});

rootTest("an ordinary user has the ids that newuidmap gives, beside its own", async () => {
  await inDirectory((directory) => {
    const files: Record<string, string> = {
      passwd: "root:x:0:0::/:/bin/sh\nalice:x:1000:1000::/:/bin/sh\n",
      subuid: "alice:100000:500\n",
      subgid: "alice:200000:300\n",
    };
    for (const [name, text] of Object.entries(files)) {
      Deno.writeTextFileSync(`${directory}/${name}`, text);
    }
    Deno.chmodSync(directory, 0o777);
    const mod = new URL("../mod.ts", import.meta.url).href;
    const source = `import { spawnSync } from ${JSON.stringify(mod)};
      const { stdout, stderr } = spawnSync({
        command: "sh",
        args: ["-c", "id -u; id -g; tr -s ' ' < /proc/self/uid_map; tr -s ' ' < /proc/self/gid_map"],
        namespaces: { user: true, pid: true },
        uidMap: "auto",
        gidMap: "auto",
      });
      Deno.stdout.writeSync(stdout);
      Deno.stderr.writeSync(stderr);`;
    const { stdout, stderr } = spawnSync({
      command: Deno.execPath(),
      args: ["run", "-A", "--no-check", `data:text/javascript,${encodeURIComponent(source)}`],
      env: { DENO_DIR: `${directory}/deno` },
      namespaces: { mount: true },
      mounts: Object.keys(files).map((name) => ({
        destination: `/etc/${name}`,
        source: `${directory}/${name}`,
        options: ["bind"],
      })),
      uid: 1000,
      gid: 1000,
    });
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assertEquals(
      [text(stdout), text(stderr)],
      ["0\n0\n 0 1000 1\n 1 100000 500\n 0 1000 1\n 1 200000 300\n", ""],
    );
  });
});

Deno.test("a worker starts programs, and waits for them", async () => {
  const ends = await inChild(async (api) => {
    const source = `import { spawn } from ${
      JSON.stringify(new URL("mod.ts", `file://${Deno.cwd()}/`).href)
    };
      const ends = [];
      for (const namespaces of [{}, { user: true, pid: true }]) {
        const options = { command: "sh", args: ["-c", "echo out; exit 3"], namespaces };
        const program = spawn({ ...options, stdout: "piped", stderr: "piped" });
        const { code, stdout } = await program.output();
        ends.push(code, new TextDecoder().decode(stdout));
      }
      self.postMessage(ends);`;
    const url = `data:text/javascript,${encodeURIComponent(source)}`;
    const worker = new Worker(url, { type: "module" });
    const { data } = await new Promise<MessageEvent>((resolve) => worker.onmessage = resolve);
    worker.terminate();
    return [data, api.getpid() > 0];
  });
  assertEquals(ends, [[3, "out\n", 3, "out\n"], true]);
});

rootTest("mounts, a root and a proc of its own stay inside", async () => {
  await inDirectory((directory) => {
    for (const name of ["bin", "proc"]) Deno.mkdirSync(`${directory}/${name}`);
    const before = Deno.readTextFileSync("/proc/self/mountinfo");
    const options = {
      namespaces: { mount: true, pid: true },
      root: directory,
      mountProc: true,
      mounts: [
        ...["/bin", "/lib", "/lib64", "/usr"].map((path) => ({
          destination: path,
          source: path,
          options: ["rbind", "ro"],
        })),
        { destination: "/new/tmp", type: "tmpfs", options: ["nosuid", "size=1m"] },
      ],
    };
    const script = "echo /*; echo x > /new/tmp/x; touch /usr/x 2>&1; grep -c . /proc/mounts";
    const output = printed(`${script}; ls -d /proc/[0-9]* | head -1`, options);
    const [entries, denied, mounts, first] = output.trim().split("\n");
    assertEquals(entries, "/bin /lib /lib64 /new /proc /usr");
    assertMatch(denied!, /Read-only file system/);
    assert(Number(mounts) >= 7);
    assertEquals(first, "/proc/1");
    assertEquals(Deno.readTextFileSync("/proc/self/mountinfo"), before);
    assertEquals([...Deno.readDirSync(`${directory}/new/tmp`)], []);
  });
});

rootTest("a root by chroot, and the working directory within", async () => {
  await inDirectory((directory) => {
    const { stdout, code } = new Deno.Command("busybox", { args: ["--help"] }).outputSync();
    assertEquals([code, stdout.length > 0], [0, true]);
    Deno.mkdirSync(`${directory}/inside`);
    Deno.copyFileSync("/bin/busybox", `${directory}/busybox`);
    const output = spawnSync({
      command: "/busybox",
      args: ["pwd"],
      chroot: directory,
      cwd: "/inside",
    });
    assertEquals(new TextDecoder().decode(output.stdout), "/inside\n");
  });
});

Deno.test("the loopback interface is up, and clocks are ahead", () => {
  const options = {
    ...USER,
    namespaces: { user: true, net: true, time: true },
    loopback: true,
    timeOffsets: { boottime: 10_000_000, monotonic: 5n },
  };
  const output = printed("ip -o link show; cut -d. -f1 /proc/uptime", options);
  assertMatch(output, /lo: <LOOPBACK,UP,LOWER_UP>/);
  assert(Number(output.trim().split("\n").at(-1)) >= 10_000_000);
});

rootTest("another user with the capabilities, limits and privileges that it is given", () => {
  const options = {
    uid: 1001,
    gid: 1000,
    capabilities: ["CAP_KILL"],
    noNewPrivs: true,
    rlimits: [{ type: "RLIMIT_NOFILE", soft: 10, hard: 20 }],
  } as const;
  const fields = "sed -En '/^(Cap|NoNew)/s/.*:\\t0*//p' /proc/self/status | tr '\\n' ' '";
  assertEquals(
    printed(`id -u; id -G; ${fields}; ulimit -Hn`, options),
    [
      "1001\n1000\n20 20 20 20 20 1 20\n",
    ].join(""),
  );
  assertMatch(printed(fields, { capabilities: {} }), /^ {5}0? ?$/);
});

rootTest("a program has the filter and what Landlock grants it, and no way around", () => {
  const show = "sed -En '/^(NoNew|Seccomp:)/s/.*:\\t*//p' /proc/self/status | tr '\\n' ' '";
  const refused = "mount -t tmpfs none /mnt 2>/dev/null; echo $?";
  const seccomp = "default" as const;
  assertEquals(
    printed(`${show}; unshare -u true 2>&1; ${refused}`, { seccomp }),
    [
      "1 2 unshare: unshare failed: Operation not permitted\n32\n",
    ].join(""),
  );
  assertEquals(
    printed(`LC_ALL=C mkdir /tmp/x 2>&1; true`, {
      seccomp: {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errno: "EXDEV" }],
      },
    }),
    "mkdir: cannot create directory '/tmp/x': Invalid cross-device link\n",
  );
  const landlock = { read: ["/usr", "/lib", "/lib64", "/bin"], connect: [] };
  assertEquals(
    printed("cat /etc/passwd 2>&1; sed 1q /usr/lib/os-release | wc -l", { landlock }),
    "cat: /etc/passwd: Permission denied\n1\n",
  );
  for (
    const [options, message] of [
      [{ seccomp, noNewPrivs: false }, "seccomp and landlock need noNewPrivs"],
      [{ seccomp: { defaultAction: "ALLOW" } }, "seccomp: defaultAction must be an action"],
      [{ landlock: { read: ["a\0"] } }, "landlock.read[0] must not contain NUL"],
      [{ landlock: { bind: [65536] } }, "landlock.bind[0] must be from 0 to 65535"],
      [{ landlock: { scopes: ["all"] } }, "landlock.scopes[0] must be one of"],
    ] as [Partial<SpawnOptions>, string][]
  ) {
    assertThrows(() => printed("true", options), Error, message);
  }
});

rootTest("namespaces are joined by process, path and value", async () => {
  await beside(
    ["unshare", "-un", "sh", "-c", "hostname joined; exec sleep 60"],
    async (pid) => {
      await until("it sleeps", () => comm(pid) === "sleep");
      using net = openNamespace({ pid, type: "net" });
      const script = "hostname; readlink /proc/self/ns/net";
      for (const uts of [pid, `/proc/${pid}/ns/uts`, openNamespace({ pid, type: "uts" })]) {
        const output = printed(script, { namespaces: { uts, net } });
        assertEquals(output, `joined\nnet:[${net.id}]\n`);
        if (typeof uts === "object") uts[Symbol.dispose]();
      }
    },
  );
});

rootTest("a pid namespace is joined, by a program of its own there", async () => {
  const first = spawn({
    command: "sleep",
    args: ["60"],
    namespaces: { pid: true, mount: true },
    mountProc: true,
  });
  const second = spawn({
    command: "sh",
    args: ["-c", "echo $$; cat /proc/1/comm"],
    namespaces: { pid: first.pid, mount: first.pid },
    stdout: "piped",
  });
  const { stdout } = await second.output();
  assertEquals(new TextDecoder().decode(stdout), "2\nsleep\n");
  first.kill("SIGKILL");
  assertEquals(await first.status, { success: false, code: 137, signal: "SIGKILL" });
});

// How it is dealt with ---------------------------------------------------------

for (const namespaces of [{}, { user: true, pid: true }] as const) {
  const where = "pid" in namespaces ? "in a pid namespace" : "among others";

  Deno.test(`a program ${where} is piped, signalled and waited for`, async () => {
    const program = spawn({
      command: "sh",
      args: [
        "-c",
        "trap 'echo caught; exit 3' TERM; echo ready; while :; do read x; echo $x; done",
      ],
      namespaces,
      stdin: "piped",
      stdout: "piped",
    });
    const reader = program.stdout.pipeThrough(new TextDecoderStream()).getReader();
    assertEquals((await reader.read()).value, "ready\n");
    const writer = program.stdin.getWriter();
    await writer.write(new TextEncoder().encode("hello\n"));
    assertEquals((await reader.read()).value, "hello\n");
    program.kill();
    await writer.write(new TextEncoder().encode("on\n")).catch(() => {});
    let rest = "";
    for (let next; !(next = await reader.read()).done;) rest += next.value;
    assertMatch(rest, /caught\n$/);
    assertEquals(await program.status, { success: false, code: 3, signal: null });
    await writer.close().catch(() => {});
    assertThrows(() => program.kill(), TypeError, "Child process has already terminated");
    assertThrows(() => denspace.fcntl(program.pidfd, denspace.F_GETFD), SyscallError);
  });

  Deno.test(`a program ${where} is aborted, before and later`, async () => {
    const options = { command: "sleep", args: ["60"], namespaces };
    const controller = new AbortController();
    // As process 1 it would ignore SIGTERM if it had no handler.
    const args = ["-c", "trap 'exit 9' TERM; while :; do sleep 0.02; done"];
    const program = spawn({ ...options, command: "sh", args, signal: controller.signal });
    setTimeout(() => controller.abort(), 100);
    const { code } = await program.status;
    assertEquals(code, 9);
    if (!("pid" in namespaces)) {
      const aborted = spawn({ ...options, signal: AbortSignal.abort() });
      assertEquals(await aborted.status, { success: false, code: 143, signal: "SIGTERM" });
    }
  });

  Deno.test(`a program ${where} ends with its scope`, async () => {
    const args = ["-c", "trap 'exit 9' TERM; echo; while :; do sleep 0.02; done"];
    let program;
    {
      await using scoped = spawn({ command: "sh", args, namespaces, stdout: "piped" });
      await scoped.stdout.getReader().read();
      program = scoped;
    }
    assertEquals((await program.status).code, 9);
  });

  Deno.test(`spawnSync gives status, signal and output ${where}`, () => {
    const run = (script: string) => {
      const { code, signal, success, stdout } = spawnSync({
        command: "sh",
        args: ["-c", script],
        namespaces,
      });
      return [code, signal, success, new TextDecoder().decode(stdout)];
    };
    assertEquals(run("echo out; exit 0"), [0, null, true, "out\n"]);
    assertEquals(run("exit 7"), [7, null, false, ""]);
    assertEquals(run("sh -c 'kill -KILL $$'; exit $?"), [137, null, false, ""]);
    const { code } = spawnSync({
      command: "sh",
      args: ["-c", "exit 6"],
      namespaces,
      stdout: "inherit",
    });
    assertEquals(code, 6);
  });

  Deno.test(`unref lets this process end before a program ${where}`, async () => {
    const pid = await inChild((api, namespaces) => {
      const program = api.spawn({
        command: "sleep",
        args: ["60"],
        namespaces,
        stdout: "null",
        stderr: "null",
      });
      program.unref();
      return program.pid;
    }, namespaces);
    denspace.kill(pid, "SIGKILL");
  });

  Deno.test(`a program ${where} dies with its parent, also as another user`, async () => {
    const pids = await inChild(
      (api, namespaces, uid) => {
        const options = {
          command: "sleep",
          args: ["60"],
          namespaces,
          stdout: "null",
          stderr: "null",
        } as const;
        const programs = [
          api.spawn({ ...options, dieWithParent: true }),
          api.spawn({ ...options, dieWithParent: "SIGKILL", ...uid }),
        ];
        api.write(2, programs.map(({ pid }) => pid).join(" "));
        api.kill(api.getpid(), "SIGKILL");
      },
      namespaces,
      isRoot && !("user" in namespaces) ? { uid: 1000 } : {},
    ).catch(({ message }) => message.split(" ").map(Number)) as number[];
    assertEquals(pids.map((pid) => pid > 0), [true, true]);
    await until("they have ended", () => pids.every((pid) => !isRunning(pid)));
  });
}

// What can't be ----------------------------------------------------------------

const failures: [what: string, options: ProgramOptions, message: RegExp, syscall: string][] = [
  [
    "no such program",
    { command: "no-such-program" },
    /^failed to execute no-such-program: No/,
    "execve",
  ],
  [
    "no such directory",
    { command: "true", cwd: "/no" },
    /^cannot chdir to '\/no': No such/,
    "chdir",
  ],
  [
    "no such namespace",
    { command: "true", namespaces: { net: "/no" } },
    /^cannot open \/no: No such file/,
    "openat",
  ],
  [
    "a namespace of another kind",
    { command: "true", namespaces: { net: "/proc/self/ns/uts" } },
    /^reassociate to namespace 'ns\/net' failed: Invalid/,
    "setns",
  ],
  [
    "a clock that can't be",
    {
      command: "true",
      namespaces: { time: true, user: true },
      timeOffsets: { monotonic: 2n ** 62n },
    },
    /^failed to write to .*timens_offsets: Numerical result/,
    "write",
  ],
  [
    "no program in a pid namespace",
    { command: "/no", namespaces: { user: true, pid: true, time: true } },
    /^failed to execute \/no: No/,
    "execve",
  ],
  [
    "a descriptor that is not open",
    { command: "true", descriptors: { 3: 1_000_000 } },
    /^cannot pass descriptor 1000000 on: Bad file/,
    "fcntl",
  ],
  [
    "a limit above the hard one",
    {
      command: "true",
      namespaces: { user: true },
      rlimits: [{ type: "RLIMIT_NOFILE", soft: 0, hard: 2n ** 63n }],
    },
    /^cannot set RLIMIT_NOFILE: Operation not permitted/,
    "prlimit64",
  ],
];
for (const [what, options, message, syscall] of failures) {
  Deno.test(`${what} is an error that names the step, and nothing is left`, async () => {
    const before = await leftovers();
    const ways: (() => unknown)[] = [() => spawn(options), () => spawnSync(options)];
    if (!options.descriptors) ways.push(() => clone(plan(options)));
    for (const way of ways) {
      const error = assertThrows(way, SyscallError);
      assertMatch(error.message, message);
      assertEquals(error.syscall, syscall);
    }
    const piped = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    if (!options.descriptors) assertThrows(() => spawn({ ...options, ...piped }), SyscallError);
    await until(
      "nothing is left",
      async () => JSON.stringify(await leftovers()) === JSON.stringify(before),
    );
  });
}

rootTest("which setting of the host refuses a user namespace is said, from the new process", () => {
  const mod = new URL("../mod.ts", import.meta.url).href;
  const source = `import { clone, plan, spawn } from ${JSON.stringify(mod)};
    const options = { command: "true", namespaces: { user: true } };
    for (const run of [spawn, (options) => clone(plan(options))]) {
      try { run(options); } catch ({ syscall, message }) { console.log(syscall, message); }
    }`;
  const { stdout } = spawnSync({
    command: "sh",
    args: [
      "-c",
      'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"',
      "sh",
      Deno.execPath(),
      "run",
      "-A",
      "--no-check",
      `data:text/javascript,${encodeURIComponent(source)}`,
    ],
    namespaces: { user: true },
    uidMap: "root",
  });
  const said = /^unshare unshare failed: No space left on device\nno more user namespaces/gm;
  assertEquals(new TextDecoder().decode(stdout).match(said)?.length, 2);
});

const wrong: [what: string, options: unknown, error: ErrorConstructor, message: RegExp][] = [
  ["no options", undefined, TypeError, /options must be an object/],
  ["an unknown option", { command: "true", hostName: "x" }, TypeError, /no option "hostName"/],
  ["no command", {}, TypeError, /command must be a string/],
  ["NUL", { command: "a\0b" }, TypeError, /command must not contain NUL/],
  ["NUL in bytes", { command: "a", args: [new Uint8Array(1)] }, TypeError, /args\[0\] must not/],
  ["a name with =", { command: "a", env: { "A=B": "" } }, TypeError, /env has a variable/],
  [
    "a Map of variables",
    { command: "a", env: new Map() },
    TypeError,
    /plain object, not \[object Map\]/,
  ],
  ["an object of no kind", { command: Object.create(null) }, TypeError, /not \[object Object\]/],
  [
    "a cgroup elsewhere",
    { command: "a", resources: {}, cgroupsPath: "../a" },
    RangeError,
    /no path of a cgroup: ..\/a$/,
  ],
  ["a host's own name", { command: "a", hostname: "x" }, TypeError, /hostname needs a UTS/],
  ["a map for nobody", { command: "a", uidMap: "root" }, TypeError, /uidMap needs a new user/],
  ["an unknown kind", { command: "a", namespaces: { mnt: true } }, TypeError, /no "mnt"/],
  [
    "a long name",
    {
      command: "a",
      namespaces: { uts: true },
      hostname: "x".repeat(65),
    },
    RangeError,
    /at most 64 bytes/,
  ],
  ["an id of 33 bits", { command: "a", uid: 2 ** 32 }, RangeError, /uid must be from 0/],
  ["no id", { command: "a", uid: 0xffff_ffff }, RangeError, /uid must be/],
  ["a process 0", { command: "a", namespaces: { net: 0 } }, RangeError, /namespaces.net must/],
  [
    "two roots",
    {
      command: "a",
      namespaces: { mount: true },
      root: "/",
      chroot: "/",
    },
    TypeError,
    /exclude/,
  ],
  [
    "a relative place",
    {
      command: "a",
      namespaces: { mount: true },
      mounts: [{ destination: "x", type: "tmpfs" }],
    },
    RangeError,
    /absolute/,
  ],
  [
    "a limit upside down",
    {
      command: "a",
      rlimits: [{ type: "RLIMIT_CPU", soft: 2, hard: 1 }],
    },
    RangeError,
    /must not be above/,
  ],
  [
    "an unknown limit",
    { command: "a", rlimits: [{ type: "CPU", soft: 1, hard: 1 }] },
    TypeError,
    /no limit/,
  ],
  ["an unknown capability", { command: "a", capabilities: ["KILL"] }, TypeError, /no capability/],
  ["an unknown signal", { command: "a", dieWithParent: "SIGNO" }, TypeError, /dieWithParent/],
  ["a signal that is none", { command: "a", signal: 9 }, TypeError, /AbortSignal/],
  ["a stream that is none", { command: "a", stdin: "pipe" }, TypeError, /stdin must be one of/],
];
for (const [what, options, error, message] of wrong) {
  Deno.test(`${what} is refused with a ${error.name} before anything runs`, () => {
    const thrown = assertThrows(() => spawn(options as SpawnOptions), error);
    assertMatch(thrown.message, message);
  });
}

Deno.test("a namespace that was disposed of is refused", () => {
  const net = openNamespace({ path: "/proc/self/ns/net" });
  net[Symbol.dispose]();
  assertThrows(() => spawn({ command: "true", namespaces: { net } }), TypeError, "disposed");
});

// Plans of programs --------------------------------------------------------------

Deno.test("the plan of a program is cloned, emitted and explained", async () => {
  await inDirectory((directory) => {
    const options = {
      command: "sh",
      args: ["-c", "echo $$ $(id -u); exit 5"],
      namespaces: { user: true, pid: true, mount: true },
      uidMap: "root",
      mountProc: true,
    } as const;
    const program = plan(options);
    assertMatch(denspace.explain(program), /^program {2}execve\(.*"sh", "-c".* = 0$/m);
    const { processes, calls } = denspace.predict(program);
    assertEquals(processes.map(({ name }) => name), ["spawn", "program"]);
    assertEquals(calls.findLast(({ process }) => process === "program")!.call, "execve");
    const [reader, writer] = denspace.pipe2(denspace.O_CLOEXEC);
    const { pid, wait } = clone(program, { stdout: writer });
    const end = wait();
    assertEquals([end.pid, end.code, end.status], [pid, "exited", 5]);
    const buffer = new Uint8Array(64);
    const length = denspace.read(reader, buffer);
    assertEquals(new TextDecoder().decode(buffer.subarray(0, length)), "1 0\n");
    [reader, writer].forEach(denspace.close);
    const file = `${directory}/program`;
    denspace.emit(program, file);
    const { stdout, code } = new Deno.Command(file).outputSync();
    assertEquals([new TextDecoder().decode(stdout), code], ["1 0\n", 5]);
  });
});

for (const namespaces of [{ user: true }, { user: true, pid: true }] as const) {
  const what = "pid" in namespaces ? "a parent that ends as its program does" : "a program";
  Deno.test(`a process becomes ${what}`, () => {
    const mod = new URL("../mod.ts", import.meta.url).href;
    const options = { command: "sh", args: ["-c", "exit 4"], namespaces };
    const source = `import { exec, plan } from ${JSON.stringify(mod)};
      exec(plan(${JSON.stringify(options)}), ["sh"]);`;
    const { code } = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `data:text/typescript,${encodeURIComponent(source)}`],
    }).outputSync();
    assertEquals(code, 4);
  });
}

// What is left -------------------------------------------------------------------

/** Descriptors, children and mounts of this process. */
async function leftovers(): Promise<unknown> {
  await new Promise((resolve) => setTimeout(resolve, 0));
  const tasks = [...Deno.readDirSync("/proc/self/task")];
  return [
    [...Deno.readDirSync("/proc/self/fd")].length,
    tasks.map(({ name }) => readIf(`/proc/self/task/${name}/children`)).join(""),
    Deno.readTextFileSync("/proc/self/mountinfo").length,
  ];
}

function readIf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function isRunning(pid: number): boolean {
  return !/^(|.*\nState:\tZ.*)$/s.test(readIf(`/proc/${pid}/status`));
}
