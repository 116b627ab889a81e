/** The tools as they are used, seen from outside: by their output and by /proc. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
  dirname,
  fromFileUrl,
  join,
} from "../scripts/std.ts";
import { ANY_BYTES, commandUnderTest, PROBES_OF_PROGRAM } from "./under_test.ts";
import { comm, descendants, end, exists, find, PATH, read, TIMEOUT, until } from "./processes.ts";

type Tool = "unshare" | "nsenter";
/** Who runs a command: uid 0, or an ordinary user. */
type Account = "root" | "user";

const AS_ROOT = Deno.uid() === 0;
/** Who runs a command if it is not said. */
const SELF: Account = AS_ROOT ? "root" : "user";
const PROJECT = dirname(dirname(fromFileUrl(import.meta.url)));

/** What a test may need of the host, besides commands. */
const PROBES: Record<string, () => boolean> = {
  ...PROBES_OF_PROGRAM,
  root: () => AS_ROOT,
  "user namespaces": () =>
    new Deno.Command(find("unshare")!, {
      args: ["-Urpf", "--mount-proc", "true"],
      stdout: "null",
      stderr: "null",
      ...idsOf("user"),
    }).outputSync().success,
  "vm.memfd_noexec": () => !Number.isNaN(NOEXEC),
};
const UTIL_LINUX = ["unshare", "nsenter"];
const USERNS = [...UTIL_LINUX, "user namespaces"];

/** Registers a test that is ignored where what it needs is missing. */
function test(
  name: string,
  needs: readonly string[],
  fn: (t: Deno.TestContext) => Promise<void>,
): void {
  const missing = needs.find((need) => !(PROBES[need]?.() ?? find(need)));
  Deno.test({
    name: name + (missing ? ` (needs ${missing})` : ""),
    ignore: missing !== undefined,
    fn,
  });
}

// The commands that must run ----------------------------------------------

const PS = [
  ...["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"],
  ...["ps", "aux"],
];

/** Asserts that ps saw nothing but itself. */
function assertAlone({ stdout, stderr, code }: Result): void {
  const [header, line, ...rest] = stdout.split("\n");
  assertMatch(header!, /^USER +PID +%CPU +%MEM +VSZ +RSS +TTY +STAT +START +TIME +COMMAND$/);
  assertMatch(line!, /^root +1 +\S+ +\S+ +\d+ +\d+ +\S+ +\S+ +\S+ +\S+ +ps aux$/);
  assertEquals([rest, code], [[""], 0], stderr);
}

test("deno task unshare: ps is root, process 1, and alone", [...USERNS, "ps"], async () => {
  assertAlone(await run(task(...PS)));
});

test("an ordinary user's ps is root, process 1, and alone", [...USERNS, "ps"], async () => {
  assertAlone(await run(ours("user", ...PS), { as: "user" }));
});

// nsenter --pid N ----------------------------------------------------------

const NAMESPACES = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"]
  .filter((name) => exists(`/proc/self/ns/${name}`));
const READLINK = ["readlink", ...NAMESPACES.map((name) => `/proc/self/ns/${name}`)];
const ALL = exists("/proc/self/ns/time") ? "-muinpCTf" : "-muinpCf";

for (
  const { account, options, needs } of [
    { account: "root", options: ALL, needs: ["root", ...UTIL_LINUX] },
    { account: "root", options: `${ALL}Ur`, needs: ["root", ...USERNS] },
    { account: "user", options: `${ALL}Ur`, needs: USERNS },
  ] as const
) {
  for (const option of ["--pid", "-p"]) {
    test(
      `${account}: nsenter ${option} N enters all namespaces of a process of unshare ${options}`,
      needs,
      async () => {
        await using target = await sleep([find("unshare")!, options, "--mount-proc"], {
          as: account,
        });
        const { stdout, stderr, code } = await run(
          ours(account, "nsenter", option, `${target.program}`, ...READLINK),
          { as: account },
        );
        assertEquals(lines(stdout), namespacesOf(target.program), stderr);
        assertEquals(code, 0);
      },
    );
  }
}

test("deno task nsenter --pid N enters the namespaces of a process", USERNS, async () => {
  await using target = await sleep([find("unshare")!, "-Urpf", "--mount-proc"]);
  const { stdout, stderr } = await run(task("nsenter", "--pid", `${target.program}`, ...READLINK));
  assertEquals(lines(stdout), namespacesOf(target.program), stderr);
});

test("nsenter --pid N takes the working directory of the process", USERNS, async () => {
  const directory = join(scratch(), "mnt");
  Deno.mkdirSync(directory, { recursive: true });
  // The directory exists only there.
  const script = `mount -t tmpfs none ${directory} && mkdir ${directory}/in &&
    cd ${directory}/in && exec "$@"`;
  await using target = await sleep([find("unshare")!, "-Urm", "sh", "-c", script, "sh"]);
  const { stdout, stderr } = await run(ours(SELF, "nsenter", "--pid", `${target.program}`, "pwd"));
  assertEquals(stdout, `${directory}/in\n`, stderr);
});

test(
  "nsenter --pid N takes the root of the process, if that is all it has",
  ["root", "ldd", ...UTIL_LINUX],
  async () => {
    const root = newRoot("sh", "sleep");
    await using target = await sleep([find("unshare")!, "-R", root, "-w", "/work"]);
    assertEquals(namespacesOf(target.program), namespacesOf("self"));
    const { stdout, stderr } = await run(
      ours(SELF, "nsenter", "--pid", `${target.program}`, "sh", "-c", "pwd; echo /*"),
    );
    assertEquals(lines(stdout), ["/work", "/bin /etc /lib /lib64 /work"], stderr);
  },
);

const SHELLS: { name: string; shell?: string; passwd?: string; has: string[]; runs: string }[] = [
  { name: "runs SHELL", shell: "/bin/one", passwd: "/bin/two", has: ["one", "two"], runs: "-one" },
  {
    name: "runs the login shell there, if SHELL is not there",
    shell: "/bin/one",
    passwd: "/bin/two",
    has: ["two"],
    runs: "-two",
  },
  {
    name: "runs the login shell there without SHELL",
    passwd: "/bin/two",
    has: ["two"],
    runs: "-two",
  },
  {
    name: "runs /bin/sh if the login shell is not there",
    passwd: "/bin/two",
    has: [],
    runs: "-sh",
  },
  { name: "runs /bin/sh if nobody has a login shell", passwd: "", has: [], runs: "-sh" },
  { name: "runs /bin/sh if there is no /etc/passwd", shell: "/bin/one", has: [], runs: "-sh" },
];

for (const { name, shell, passwd, has, runs } of SHELLS) {
  test(`nsenter --pid N without a program ${name}`, ["ldd", ...USERNS], async () => {
    const root = newRoot("sh", "sleep");
    for (const name of has) Deno.copyFileSync(find("sh")!, join(root, "bin", name));
    if (passwd !== undefined) {
      const users = ["daemon:x:1:1::/:/bin/daemon", `root:x:0:0:root:/:${passwd}`, ""];
      Deno.writeTextFileSync(join(root, "etc/passwd"), users.join("\n"));
    }
    await using target = await sleep([find("unshare")!, "-Ur", "-R", root]);
    const { stdout, stderr, code } = await run(
      ours(SELF, "nsenter", "--pid", `${target.program}`),
      { stdin: "echo $0; exit 3\n", env: shell === undefined ? {} : { SHELL: shell } },
    );
    assertEquals([stdout, stderr, code], [`${runs}\n`, "", 3]);
  });
}

test(
  "nsenter --pid N fails in one line if there is no shell",
  ["ldd", ...USERNS],
  async () => {
    const root = newRoot("sleep");
    await using target = await sleep([find("unshare")!, "-Ur", "-R", root]);
    const { stdout, stderr, code } = await run(
      ours(SELF, "nsenter", "--pid", `${target.program}`),
      {
        env: { SHELL: "/bin/one" },
      },
    );
    assertMatch(stderr, /^nsenter: failed to execute .*: No such file or directory\n$/);
    assertEquals([stdout, code], ["", 127]);
  },
);

test("nsenter --pid N fails in one line if there is no process N", [], async () => {
  const { pid } = await run(["true"]);
  for (const missing of [pid, 0x400001, 99999999999]) {
    for (const option of ["--pid", "-p"]) {
      const { stdout, stderr, code } = await run(
        ours(SELF, "nsenter", option, `${missing}`, "pwd"),
      );
      assertMatch(stderr, new RegExp(`^nsenter: .*\\b${missing}\\b.*\n$`));
      assertEquals([stdout, code], ["", 1]);
    }
  }
});

test(
  "an ordinary user's nsenter --pid N fails in one line if N is another's",
  ["root", ...UTIL_LINUX],
  async () => {
    await using target = await sleep([find("unshare")!, "-u"]);
    const { stdout, stderr, code } = await run(
      ours("user", "nsenter", "--pid", `${target.program}`, "pwd"),
      { as: "user" },
    );
    assertMatch(stderr, /^nsenter: .*: (Permission denied|Operation not permitted).*\n$/);
    assertEquals([stdout, code], ["", 1]);
  },
);

test(
  "nsenter --target N without namespaces says what util-linux says, and what to add",
  UTIL_LINUX,
  async () => {
    await using target = await sleep([]);
    const argv = ["--target", `${target.program}`, "pwd"];
    const real = await run([find("nsenter")!, ...argv]);
    const { stdout, stderr, code } = await run(ours(SELF, "nsenter", ...argv));
    const [first, second, ...rest] = lines(stderr);
    assertEquals([`${first}\n`, stdout, code], [real.stderr, "", real.code]);
    assertStringIncludes(second ?? "", "--all");
    assertEquals(rest, []);
  },
);

test("unshare fails in one line if newuidmap is killed", ["user namespaces"], async () => {
  const directory = join(scratch(), "killed");
  Deno.mkdirSync(directory);
  Deno.writeTextFileSync(join(directory, "newuidmap"), "#!/bin/sh\nkill -KILL $$\n");
  Deno.chmodSync(join(directory, "newuidmap"), 0o755);
  const { stdout, stderr, code } = await run(
    ours("user", "unshare", "--map-users", "0:1000:1", "true"),
    { as: "user", env: { PATH: `${directory}:${PATH}` } },
  );
  assertEquals(
    [stdout, stderr, code],
    ["", "unshare: a helper was killed: Operation canceled\n", 1],
  );
});

// In place -----------------------------------------------------------------

for (const account of ["root", "user"] as const) {
  const needs = account === "root" ? ["root", ...USERNS] : USERNS;
  test(`${account}: a program has the pid that the tool had`, needs, async () => {
    const pid = ["sh", "-c", "echo $$"];
    await using target = await sleep([find("unshare")!, "-Ur"], { as: account });
    for (
      const argv of [
        ["unshare", ...pid],
        ["unshare", "-Urm", ...pid],
        ["nsenter", "--pid", `${target.program}`, ...pid],
      ]
    ) {
      const result = await run(ours(account, ...argv), { as: account });
      assertEquals(result.stdout, `${result.pid}\n`, result.stderr);
    }
  });
}

/** nsenter(1) into the user namespace of a process N, as everybody may. */
const INSIDE = ["-U", "--preserve-credentials", "-t", "N"];

/** Starts what follows it with two descriptors more. */
const WITH_DESCRIPTORS = [
  ...["bash", "-c", 'exec 5</dev/zero 9>>/dev/full; exec "$@"', "bash"],
];

for (
  const { name, argv } of [
    { name: "unshare", argv: ["unshare", "-Ur"] },
    { name: "unshare -f", argv: ["unshare", "-Urf"] },
    { name: "nsenter", argv: ["nsenter", ...INSIDE] },
    { name: "nsenter -p", argv: ["nsenter", "-p", ...INSIDE] },
  ]
) {
  test(
    `${name} leaves nothing of Deno behind, and what the real tool leaves`,
    ["bash", "ps", ...USERNS],
    async () => {
      await using target = await sleep([find("unshare")!, "-Urpf"]);
      const command = argv.map((word) => word === "N" ? `${target.program}` : word);
      await using real = await sleep([...WITH_DESCRIPTORS, ...command]);
      await using tool = await sleep([...WITH_DESCRIPTORS, ...ours(SELF, ...command)]);
      assertEquals(stateOf(tool.program), stateOf(real.program));
      assertEquals(mappedFiles(tool.program), mappedFiles(real.program));
      if (tool.pid === tool.program) return;
      // What waits.
      assertEquals(descendants(tool.pid), [tool.program]);
      assertEquals(stateOf(tool.pid), stateOf(real.pid));
      assertEquals(
        mappedFiles(tool.pid).filter((path) =>
          !/^\/memfd:|^\[(stack|vdso|vvar.*|vsyscall)\]$/.test(path)
        ),
        [],
      );
      const called = ours(SELF, ...command)[0]!;
      assertEquals((await ps(tool.pid)).replace(called, argv[0]!), await ps(real.pid));
    },
  );
}

/** What of a process a program may see or be hindered by. */
function stateOf(pid: number): Record<string, unknown> {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const field = (name: string) => status.match(new RegExp(`^${name}:\\s*(.*)$`, "m"))?.[1];
  const descriptors = [...Deno.readDirSync(`/proc/${pid}/fd`)]
    .map(({ name }) => `${name} ${Deno.readLinkSync(`/proc/${pid}/fd/${name}`)}`)
    .map((line) => line.replace(/\[\d+\]/, "[]"));
  return {
    name: field("Name"),
    threads: field("Threads"),
    pids: field("NSpid")!.split("\t").length,
    signals: ["SigBlk", "SigIgn", "SigCgt", "ShdPnd", "SigPnd"].map(field),
    noNewPrivileges: field("NoNewPrivs"),
    umask: field("Umask"),
    descriptors: descriptors.sort(),
  };
}

/** The names of what is mapped into a process's memory. */
function mappedFiles(pid: number): string[] {
  const maps = Deno.readTextFileSync(`/proc/${pid}/maps`);
  const names = lines(maps).map((line) => line.split(/ +/).slice(5).join(" ")).filter(Boolean);
  return [...new Set(names)].sort();
}

async function ps(pid: number): Promise<string> {
  return (await run(["ps", "-o", "comm=,args=", "-p", `${pid}`])).stdout;
}

const ODD_ARGUMENTS = [
  "",
  "two words",
  "-f",
  "--",
  "line\nbreak",
  "\xc3\xa9", // é
  "\xff\xfe",
  "caf\xe9",
  "\xe2\x82", // a character's beginning
  "\xc0\x80", // NUL, too long
  "\xed\xb2\x80", // a surrogate
  "\xef\xbf\xbd", // U+FFFD itself
  "\xef\xbb\xbfmark",
  "\xf0\x9f\x90\xa7",
  "",
];
const ODD_ENVIRONMENT = [
  "ZZZ=first",
  "AAA=second",
  "TWICE=1",
  "EMPTY=",
  "=nameless",
  "no equals sign",
  "",
  "BYTES=\xff\x01\xe9",
  "\xffNAME=1",
  "LINES=a\nb",
  "TWICE=2",
  "TWICE=1",
];

for (const options of [["unshare"], ["unshare", "-f"], ["nsenter", "--pid", "N"]]) {
  test(
    `${options.join(" ")}: arguments and environment arrive byte for byte`,
    [ANY_BYTES, ...USERNS],
    async () => {
      await using target = await sleep([find("unshare")!, "-Ur"]);
      const command = options.map((word) => word === "N" ? `${target.program}` : word);
      const program = [
        ...["sh", "-c", "cat /proc/$$/cmdline; echo; cat /proc/$$/environ; :", "name"],
        ...ODD_ARGUMENTS,
      ];
      const argv = [...ours(SELF, ...command), ...program];
      const envp = [
        ...ODD_ENVIRONMENT,
        ...Object.entries(environment(SELF)).map(([name, value]) => `${name}=${value}`),
      ];
      const driver = join(scratch(), "execve.js");
      Deno.writeTextFileSync(driver, EXECVE);
      const { stdout, stderr } = await run(
        [Deno.execPath(), "run", "--allow-ffi", driver, JSON.stringify({ argv, envp })],
      );
      const terminated = (strings: string[]) => strings.map((string) => `${string}\0`).join("");
      assertEquals(stdout, `${terminated(program)}\n${terminated(envp)}`, stderr);
    },
  );
}

/** A program that becomes another one, with any bytes as arguments and environment. */
const EXECVE = `
  const { argv, envp } = JSON.parse(Deno.args[0]);
  const bytes = (text) => Uint8Array.from(text + "\\0", (c) => c.charCodeAt(0));
  const kept = [];
  const array = (strings) => {
    const buffers = strings.map(bytes);
    kept.push(buffers);
    const pointers = buffers.map((buffer) =>
      BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer))));
    return new BigUint64Array([...pointers, 0n]);
  };
  const { symbols } = Deno.dlopen("libc.so.6", {
    execve: { parameters: ["buffer", "buffer", "buffer"], result: "i32" },
  });
  symbols.execve(bytes(argv[0]), array(argv), array(envp));
  throw new Error("execve returned");
`;

for (const options of [[], ["-f"]]) {
  const name = ["unshare", ...options].join(" ");
  test(`${name}: a program that writes into a closed pipe dies`, ["bash"], async () => {
    const { stdout, stderr } = await run([
      ...["bash", "-c", '"$@" | head -n 1; echo ${PIPESTATUS[0]}', "bash"],
      ...ours(SELF, "unshare", ...options, "yes"),
    ]);
    assertEquals(stdout, "y\n141\n", stderr);
  });
}

for (const through of ["deno run", "deno task"]) {
  test(
    `a program started through ${through} may open as many files as its caller`,
    ["bash", ...UTIL_LINUX],
    async () => {
      const limits = ["unshare", "bash", "-c", "ulimit -Sn; ulimit -Hn"];
      const limited = (command: string[]) =>
        run(["bash", "-c", 'ulimit -Sn 512; "$@"; exit', "bash", ...command]);
      const real = await limited(limits);
      const tool = through === "deno run" ? ours(SELF, ...limits) : task(...limits);
      const { stdout, stderr } = await limited(tool);
      assertEquals(lines(real.stdout)[0], "512");
      assertEquals(stdout, real.stdout, stderr);
    },
  );
}

for (const argv of [["unshare", "-f"], ["nsenter", "-p", ...INSIDE]]) {
  test(`${argv[0]} waits in less than 200 KB`, USERNS, async () => {
    await using target = await sleep([find("unshare")!, "-Urpf"]);
    const command = argv.map((word) => word === "N" ? `${target.program}` : word);
    const padding = "x".repeat(31_000);
    await using tool = await sleep(ours(SELF, ...command), { env: { padding } });
    const [, resident] = Deno.readTextFileSync(`/proc/${tool.pid}/smaps_rollup`)
      .match(/^Rss: +(\d+) kB$/m)!;
    assert(Number(resident) < 200, `${resident} KB`);
  });
}

// Where memory can't be executed -------------------------------------------

/** `vm.memfd_noexec` here; a pid namespace can only be stricter. */
const NOEXEC = Number(read("/proc/sys/vm/memfd_noexec") ?? NaN);
const MEMFD = ["root", "vm.memfd_noexec", "mount", ...UTIL_LINUX];
/** Where a file may be put instead. */
const DIRECTORIES = ["/run", "/dev/shm", "/tmp", "/var/tmp"];

/** Runs a script, in which the tools are ours, where `vm.memfd_noexec` is as given. */
function withNoexec(level: number, script: string): Promise<Result> {
  const functions = UTIL_LINUX.map((tool) => `${tool}() { ${ours(SELF, tool).join(" ")} "$@"; }`);
  return run([
    ...[find("unshare")!, "-pfm", "--mount-proc", "sh", "-ec"],
    [...functions, `echo ${level} > /proc/sys/vm/memfd_noexec`, script].join("\n"),
  ]);
}

/** The files that a tool may have left. */
function temporaryFiles(): string[] {
  return [...DIRECTORIES, join(scratch(), "work")].filter(exists).flatMap((directory) =>
    [...Deno.readDirSync(directory)].map(({ name }) => join(directory, name))
  ).filter((path) => /\/\.?(unshare|nsenter)\b[^/]*$/.test(path));
}

for (const level of [0, 1, 2]) {
  const needs = level < NOEXEC ? ["a lower vm.memfd_noexec of the host"] : MEMFD;
  test(`the tools work where vm.memfd_noexec is ${level}`, needs, async () => {
    const before = temporaryFiles();
    const { stdout, stderr, code } = await withNoexec(
      level,
      `unshare -f sh -c 'readlink /proc/$PPID/exe; exit 3' || echo $?
       nsenter -t $$ -u cat /proc/sys/vm/memfd_noexec`,
    );
    const [image, ...rest] = lines(stdout);
    assertMatch(image!, level === 2 ? /^\/(?!memfd:).* \(deleted\)$/ : /^\/memfd:unshare /);
    assertEquals([rest, code], [["3", `${level}`], 0], stderr);
    await until(
      "there are no more files than before",
      () => temporaryFiles().every((path) => before.includes(path)),
    );
  });
}

test("a directory that is mounted noexec is passed over", MEMFD, async () => {
  const { stdout, stderr } = await withNoexec(
    2,
    `mount -t tmpfs -o noexec none /run
     unshare -f sh -c 'readlink /proc/$PPID/exe'
     ls -A /run`,
  );
  const [image, ...rest] = lines(stdout);
  assertMatch(image ?? "", /^\/(?!memfd:|run\/).* \(deleted\)$/, stderr);
  assertEquals(rest, []);
});

// Many runs ----------------------------------------------------------------

test("500 runs, 20 at a time, succeed and leave nothing", USERNS, async () => {
  await using target = await sleep([find("unshare")!, "-Urpf", "--mount-proc"]);
  const driver = join(scratch(), "runs.js");
  Deno.writeTextFileSync(driver, RUNS);
  const commands = [
    ours(SELF, "unshare", "-Urpf", "--mount-proc", "true"),
    ours(SELF, "nsenter", "--pid", `${target.program}`, "true"),
  ];
  // In a mount namespace of its own it sees no mounts but those that are left there.
  const namespace = AS_ROOT ? [find("unshare")!, "-m"] : [];
  const { stdout, stderr } = await run([
    ...[...namespace, Deno.execPath(), "run", "-A", driver],
    JSON.stringify({ commands, runs: 500, parallel: 20 }),
  ], { timeout: 2 * TIMEOUT });
  const { failures, before, after } = JSON.parse(stdout || "{}");
  assertEquals([failures, stderr], [[], ""]);
  assertEquals(after, before);
});

const RUNS = `
  const { commands, runs, parallel } = JSON.parse(Deno.args[0]);
  const mark = "DENSPACE_MARK=" + crypto.randomUUID();
  const [name, value] = mark.split("=");
  const read = (path) => {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      return "";
    }
  };
  const link = (path) => {
    try {
      return Deno.readLinkSync(path);
    } catch {
      return "";
    }
  };
  const entries = (path) => [...Deno.readDirSync(path)].map(({ name }) => name);
  async function one(i) {
    const [command, ...args] = commands[i % commands.length];
    const { code, signal } = await new Deno.Command(command, {
      args, env: { [name]: value }, stdin: "null", stdout: "null", stderr: "inherit",
    }).spawn().status;
    return code === 0 ? [] : [{ args, code, signal }];
  }
  const batch = async (size) =>
    (await Promise.all(Array.from({ length: size }, (_, i) => one(i)))).flat();
  const state = () => ({
    // Some time after its start Deno opens two sockets.
    descriptors: entries("/proc/self/fd").map((fd) => link("/proc/self/fd/" + fd))
      .filter((to) => !to.startsWith("socket:")),
    children: entries("/proc/self/task")
      .map((task) => read(\`/proc/self/task/\${task}/children\`)).join(""),
    marked: entries("/proc").filter((pid) => read(\`/proc/\${pid}/environ\`).includes(mark)),
    mounts: read("/proc/self/mountinfo"),
  });

  const failures = await batch(parallel); // what Deno opens once, it keeps open
  const before = state();
  for (let done = 0; done < runs; done += parallel) failures.push(...await batch(parallel));
  let after = state();
  const deadline = Date.now() + 30_000;
  while (JSON.stringify(after) !== JSON.stringify(before) && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    after = state();
  }
  console.log(JSON.stringify({ failures, before, after }));
`;

// Other versions of Deno ---------------------------------------------------

test("Deno 2.7 runs the tools, too", ["npm", "ps", ...USERNS], async (t) => {
  const version = "2.7.14";
  const packaged = `@deno/linux-${Deno.build.arch === "aarch64" ? "arm64" : "x64"}-glibc`;
  const directory = join(scratch(), "deno-2.7");
  Deno.mkdirSync(directory);
  const { code } = await new Deno.Command("npm", {
    args: [
      ...["install", "--prefix", directory, "--ignore-scripts", "--no-audit", "--no-fund"],
      ...["--fetch-retries=1", "--fetch-timeout=30000", `${packaged}@${version}`],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    signal: AbortSignal.timeout(2 * TIMEOUT),
  }).output();
  const deno = join(directory, "node_modules", packaged, "deno");
  const runs = code === 0 && (await run([deno, "--version"])).stdout.startsWith(`deno ${version}`);
  const tool = (...argv: string[]) =>
    run([deno, "run", "--allow-ffi", join(PROJECT, "commands/main.ts"), ...argv], {
      env: { DENO_DIR: join(directory, "cache") },
    });
  const step = (name: string, fn: () => Promise<void>) =>
    t.step({
      name: name + (runs ? "" : ` (needs ${packaged}@${version} from npm)`),
      ignore: !runs,
      fn,
    });

  await step("unshare", async () => assertAlone(await tool(...PS)));
  await step("nsenter --pid", async () => {
    await using target = await sleep([find("unshare")!, "-Urpf", "--mount-proc"]);
    const { stdout, stderr } = await tool("nsenter", "--pid", `${target.program}`, ...READLINK);
    assertEquals(lines(stdout), namespacesOf(target.program), stderr);
  });
  await step("unshare, in place", async () => {
    const { stdout, stderr, pid } = await tool("unshare", "-Ur", "sh", "-c", "echo $$; id -u");
    assertEquals(lines(stdout), [`${pid}`, "0"], stderr);
  });
});

// Commands -----------------------------------------------------------------

/** A command line, the tool first, as our tool that this account can run. */
function ours(account: Account, ...argv: string[]): string[] {
  const given = commandUnderTest(argv[0]!);
  if (given) return [...given, ...argv.slice(1)];
  const main = "commands/main.ts";
  const [deno, project] = account === SELF ? [Deno.execPath(), PROJECT] : readable();
  return [deno, "run", "--allow-ffi", join(project, main), ...argv];
}

function task(...argv: string[]): string[] {
  return [Deno.execPath(), "task", "--quiet", "--config", join(PROJECT, "deno.json"), ...argv];
}

/** A copy of Deno and of the project that everybody can read. */
function readable(): [deno: string, project: string] {
  const directory = join(scratch(), "readable");
  if (!exists(directory)) {
    Deno.mkdirSync(directory);
    const parts = ["deno.json", "ffi", "sandbox", "commands"].map((part) => join(PROJECT, part));
    for (const args of [["-rL", ...parts, directory], ["-L", Deno.execPath(), directory]]) {
      if (!new Deno.Command("cp", { args }).outputSync().success) throw new Error(`cp ${args}`);
    }
    new Deno.Command("chmod", { args: ["-R", "a+rX", directory] }).outputSync();
  }
  return [join(directory, "deno"), directory];
}

interface Options {
  as?: Account;
  env?: Record<string, string>;
  stdin?: string;
  timeout?: number;
}

interface Result {
  pid: number;
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end; its output byte for byte. */
async function run(
  command: string[],
  { stdin, timeout = TIMEOUT, ...options }: Options = {},
): Promise<Result> {
  const child = spawn(command, options, {
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  });
  let expired = false;
  const timer = setTimeout(() => {
    expired = true;
    end([...descendants(child.pid), child.pid]);
  }, timeout);
  try {
    if (stdin !== undefined) {
      // It may end without reading.
      await ReadableStream.from([new TextEncoder().encode(stdin)]).pipeTo(child.stdin)
        .catch(() => {});
    }
    const { code, stdout, stderr } = await child.output();
    const result = { pid: child.pid, code, stdout: latin1(stdout), stderr: latin1(stderr) };
    if (expired) throw new Error(`timed out: ${command.join(" ")}\n${result.stderr}`);
    return result;
  } finally {
    clearTimeout(timer);
  }
}

/** A process, and the `sleep` that it has become or started. */
interface Sleeping extends AsyncDisposable {
  pid: number;
  program: number;
}

/** Whether a `sleep` has started up: it is in clock_nanosleep(2), of x86-64 or aarch64. */
function isAsleep(pid: number): boolean {
  try {
    return /^(230|115) /.test(Deno.readTextFileSync(`/proc/${pid}/syscall`));
  } catch {
    return false; // it has just ended
  }
}

/** Starts a `sleep` by a command, and ends it with the scope. */
async function sleep(command: string[], options: Options = {}): Promise<Sleeping> {
  const child = spawn([...command, "sleep", "1000"], options, {
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  });
  const dispose = async (): Promise<void> => {
    // Who waits is left to see the end of what it waits for.
    await end(descendants(child.pid));
    await end([child.pid]);
    await child.status;
  };
  try {
    const program = await until(
      `the sleep of ${command.join(" ")}`,
      () =>
        [child.pid, ...descendants(child.pid)].find((pid) =>
          comm(pid) === "sleep" && isAsleep(pid)
        ),
    );
    return { pid: child.pid, program, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function spawn(
  [command, ...args]: string[],
  { as = SELF, env = {} }: Options,
  streams: Pick<Deno.CommandOptions, "stdin" | "stdout" | "stderr">,
): Deno.ChildProcess {
  return new Deno.Command(command!, {
    args,
    clearEnv: true,
    env: { ...environment(as), ...env },
    cwd: join(scratch(), "work"),
    ...idsOf(as),
    ...streams,
  }).spawn();
}

/** What changes to an account, if it is not the one that runs the tests. */
function idsOf(account: Account): { uid?: number; gid?: number } {
  return account === SELF ? {} : { uid: 1000, gid: 1000 };
}

function environment(account: Account): Record<string, string> {
  return {
    PATH,
    HOME: join(scratch(), "work"),
    LC_ALL: "C",
    DENO_DIR: account === SELF ? cache : join(scratch(), "work/cache"),
  };
}

// Files --------------------------------------------------------------------

/** The cache of this Deno, in which the tests' own dependencies are. */
const cache: string = JSON.parse(
  latin1(new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync().stdout),
).denoDir;

let scratchDirectory: string | undefined;

/** A directory of this file's own, in which `work` belongs to everybody. */
function scratch(): string {
  if (!scratchDirectory) {
    scratchDirectory = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "denspace-" }));
    Deno.chmodSync(scratchDirectory, 0o755);
    Deno.mkdirSync(join(scratchDirectory, "work"));
    Deno.chmodSync(join(scratchDirectory, "work"), 0o777);
  }
  return scratchDirectory;
}

Deno.test.afterAll(() => {
  if (scratchDirectory) Deno.removeSync(scratchDirectory, { recursive: true });
});

/** A root directory with these commands, /etc and /work. */
function newRoot(...commands: string[]): string {
  const root = Deno.makeTempDirSync({ dir: scratch(), prefix: "root-" });
  Deno.chmodSync(root, 0o755);
  for (const name of ["bin", "etc", "lib", "lib64", "work"]) Deno.mkdirSync(join(root, name));
  for (const command of commands.map((name) => find(name)!)) {
    Deno.copyFileSync(command, join(root, "bin", command.replace(/.*\//, "")));
    const { stdout } = new Deno.Command("ldd", { args: [command] }).outputSync();
    for (const [, library] of latin1(stdout).matchAll(/(\/\S+) \(0x/g)) {
      Deno.mkdirSync(dirname(join(root, library!)), { recursive: true });
      Deno.copyFileSync(library!, join(root, library!));
    }
  }
  return root;
}

function namespacesOf(pid: number | "self"): string[] {
  return NAMESPACES.map((name) => Deno.readLinkSync(`/proc/${pid}/ns/${name}`));
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** The lines of a text, without their ends. */
function lines(text: string): string[] {
  return text.split("\n").slice(0, -1);
}

// Processes ----------------------------------------------------------------
