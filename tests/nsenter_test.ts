/**
 * What nsenter does and the real one of util-linux 2.41 does not: options of
 * later releases, kernels of long ago, and cases where the real one errs.
 */
import { O_CLOEXEC, O_RDONLY, open } from "../ffi/fcntl.ts";
import { call } from "../ffi/libc.ts";
import { elf } from "../ffi/plan/elf.ts";
import { host } from "../ffi/plan/host.ts";
import { reporting } from "../ffi/plan/report.ts";
import { isCell, type Plan, type Step } from "../ffi/plan/step.ts";
import { statx } from "../ffi/stat.ts";
import { close, readlink } from "../ffi/unistd.ts";
import type { NamespaceName } from "../sandbox/namespaces.ts";
import { nsenterPlan } from "../sandbox/nsenter.ts";
import { assertEquals, assertMatch, fromFileUrl } from "../scripts/std.ts";

const NSENTER = [
  Deno.execPath(),
  "run",
  "--allow-ffi",
  fromFileUrl(new URL("../commands/main.ts", import.meta.url)),
  "nsenter",
];
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

function asRoot(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: Deno.uid() !== 0, fn });
}

/** Runs a command; its status, output and errors in one text. */
async function run(command: readonly string[], uid = 0): Promise<string> {
  const [file, ...args] = command;
  const { code, stdout, stderr } = await new Deno.Command(file!, {
    args,
    uid,
    gid: uid,
    env: { PATH, LC_ALL: "C" },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return `${code} ${text(stdout)}${text(stderr)}`;
}

function nsenter(line: string): string[] {
  return [...NSENTER, ...line.split(" ")];
}

/** Writes a plan as a program. */
function writeProgram(directory: string, plan: Plan): string {
  const path = `${directory}/${plan.name}`;
  Deno.writeFileSync(path, elf(reporting(plan), host()), { mode: 0o755 });
  return path;
}

/** A `sleep`, which ends with the block that it is declared in. */
interface Target extends AsyncDisposable {
  readonly pid: number;
}

/** Starts a sleep behind other commands, each of which becomes the next one. */
async function target(command: string, uid = 0): Promise<Target> {
  const [file, ...args] = command.split(" ");
  const child = new Deno.Command(file!, {
    args: [...args, "sleep", "300"],
    uid,
    gid: uid,
    env: { PATH },
    stdin: "null",
    stdout: "null",
  }).spawn();
  const end = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.status;
  };
  const deadline = Date.now() + 10_000;
  while (Deno.readTextFileSync(`/proc/${child.pid}/comm`) !== "sleep\n") {
    if (Date.now() > deadline) {
      await end();
      throw new Error(`${command} starts no sleep`);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return { pid: child.pid, [Symbol.asyncDispose]: end };
}

function namespace(pid: number, file: string): string {
  return readlink(`/proc/${pid}/ns/${file}`);
}

// Where the real one errs ----------------------------------------------------

asRoot("a closed standard input does not keep it from entering", async () => {
  await using to = await target("unshare -u");
  const command = nsenter(`-t ${to.pid} -u readlink /proc/self/ns/uts`);
  assertEquals(
    await run(["bash", "-c", 'exec "$@" <&-', "bash", ...command]),
    `0 ${namespace(to.pid, "uts")}\n`,
  );
});

for (const [name, options] of [["-U", "-t PID -U"], ["--user=FILE", "--user=/proc/PID/ns/user"]]) {
  asRoot(`--keep-caps works with ${name} alone`, async () => {
    await using to = await target("unshare -U", 1000);
    const line = `${options} --preserve-credentials --keep-caps grep CapAmb /proc/self/status`;
    const inside = await run(nsenter(line.replace("PID", `${to.pid}`)), 1000);
    const [, last] = /^0 CapAmb:\t([0-9a-f]{16})\n$/.exec(inside) ?? [];
    assertEquals(
      last,
      (2n ** (BigInt(Deno.readTextFileSync("/proc/sys/kernel/cap_last_cap")) + 1n) - 1n)
        .toString(16).padStart(16, "0"),
      inside,
    );
  });
}

asRoot("--env drops what is no variable, and nothing else", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "denspace-" });
  try {
    const odd = nsenterPlan({
      name: "odd",
      namespaces: new Map(),
      fork: false,
      preserveCredentials: false,
      environment: ["ONE=1", "odd", "TWO=2"],
      program: { name: "/usr/bin/sleep", index: 1 },
    });
    const file = writeProgram(directory, odd);
    await using to = await target(`unshare -u ${file}`);
    assertEquals(await run(nsenter(`-t ${to.pid} -u -e /usr/bin/env`)), "0 TWO=2\nONE=1\n");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

asRoot("--user-parent opens the way to the target's other namespaces", async () => {
  await using to = await target("unshare -Ur unshare -Uru", 1000);
  const line = `-t ${to.pid} --user-parent -u --preserve-credentials readlink /proc/self/ns/uts`;
  assertEquals(await run(nsenter(line), 1000), `0 ${namespace(to.pid, "uts")}\n`);
});

asRoot("--join-cgroup finds the cgroup besides those of the first version", async () => {
  const cgroup = `/sys/fs/cgroup/denspace-test-${Deno.pid}`;
  const script = `
    mount -t cgroup2 cgroup2 /sys/fs/cgroup && mkdir ${cgroup} || exit
    sleep 300 & echo $! > ${cgroup}/cgroup.procs
    fds=$(sh -c 'ls /proc/self/fd | wc -l')
    "$@" -t $! -u -p -c sh -c 'grep 0:: /proc/self/cgroup; ls /proc/self/fd | wc -l' |
      sed "s/^$fds$/no descriptor more/"
    kill $!; wait $!
    rmdir ${cgroup}`;
  assertEquals(
    await run(["unshare", "-m", "bash", "-c", script, "bash", ...NSENTER]),
    `0 0::/denspace-test-${Deno.pid}\nno descriptor more\n`,
  );
});

asRoot("files are opened once all options are understood", async () => {
  assertMatch(await run(nsenter("--net=/nonexistent --nope")), /^1 nsenter: unrecognized option/);
});

// Of later releases ----------------------------------------------------------

/** Whether this kernel is at least that release. */
function isLinux(major: number, minor: number): boolean {
  const [here = 0, after = 0] = Deno.osRelease().split(".").map(Number);
  return here > major || here === major && after >= minor;
}

/** A test of what a pidfd's own inode is good for. */
function withInodes(name: string, fn: () => Promise<void>): void {
  const old = !isLinux(6, 9);
  Deno.test({
    name: name + (old ? " (needs Linux 6.9)" : ""),
    ignore: old || Deno.uid() !== 0,
    fn,
  });
}

const { syscalls } = host();

function syscall(name: "ioctl" | "pidfd_open", ...args: (number | bigint)[]): number {
  const [a = 0, b = 0, c = 0] = args;
  return call("syscall", [syscalls[name], a, b, c, 0, 0, 0]);
}

function pidfdInode(pid: number): bigint {
  const fd = syscall("pidfd_open", pid, 0);
  try {
    return statx(`/proc/self/fd/${fd}`).ino;
  } finally {
    close(fd);
  }
}

withInodes("-t PID:INODE enters the process that has this pidfd", async () => {
  await using to = await target("unshare -u");
  const line = `-t ${to.pid}:${pidfdInode(to.pid)} -u readlink /proc/self/ns/uts`;
  assertEquals(await run(nsenter(line)), `0 ${namespace(to.pid, "uts")}\n`);
});

withInodes("-t PID:INODE refuses a later process of the same id", async () => {
  await using to = await target("unshare -u");
  const inode = pidfdInode(to.pid) - 1n;
  const message = `no pidfd inode ${inode} of process ${to.pid}: No such process`;
  for (const more of ["-u", "--uts=/proc/self/ns/uts"]) {
    assertEquals(
      await run(nsenter(`-t ${to.pid}:${inode} ${more} true`)),
      `1 nsenter: ${message}\n`,
    );
  }
});

withInodes("-t PID:INODE refuses a process that has ended", async () => {
  const pid = 4194303; // the last that there can be
  assertEquals(
    await run(nsenter(`-t ${pid}:1 -u true`)),
    `1 nsenter: failed to pidfd_open() for ${pid}: No such process\n`,
  );
});

Deno.test("-t PID:INODE takes numbers only", async () => {
  const wrong = "failed to parse pid:";
  assertEquals(await run(nsenter("-t 1:x -u true"), Deno.uid()!), `1 nsenter: ${wrong} '1:x'\n`);
  assertEquals(await run(nsenter("-t x:1 -u true"), Deno.uid()!), `1 nsenter: ${wrong} 'x'\n`);
});

withInodes("the last target counts, with its inode or none", async () => {
  await using to = await target("unshare -u");
  const line = `-t 1:7 -t ${to.pid} -u readlink /proc/self/ns/uts`;
  assertEquals(await run(nsenter(line)), `0 ${namespace(to.pid, "uts")}\n`);
});

const opensIds = isLinux(6, 19);

function namespaceId(path: string): bigint {
  const NS_GET_ID = 0x8008b70d;
  const id = new BigUint64Array(1);
  const fd = open(path, O_RDONLY | O_CLOEXEC);
  syscall("ioctl", fd, NS_GET_ID, Deno.UnsafePointer.value(Deno.UnsafePointer.of(id)));
  close(fd);
  return id[0]!;
}

asRoot(
  "--uts=:ID enters the namespace with this id, and before Linux 6.19 says what it takes",
  async () => {
    if (!opensIds) {
      const release = Deno.osRelease();
      const takes = `to open a namespace by its id takes Linux 6.19, here is ${release}`;
      assertEquals(await run(nsenter("--net=:5 true")), `1 nsenter: cannot open :5: ${takes}\n`);
      return;
    }
    await using to = await target("unshare -u");
    const id = namespaceId(`/proc/${to.pid}/ns/uts`);
    assertEquals(
      await run(nsenter(`--uts=:${id} readlink /proc/self/ns/uts`)),
      `0 ${namespace(to.pid, "uts")}\n`,
    );
    const wrong = "reassociate to namespace 'ns/net' failed: Invalid argument";
    assertEquals(await run(nsenter(`--net=:${id} true`)), `1 nsenter: ${wrong}\n`);
    const none = "cannot open :999999999999: Stale file handle";
    assertEquals(await run(nsenter("--uts=:999999999999 true")), `1 nsenter: ${none}\n`);
  },
);

Deno.test("--net=:NAME is a file", async () => {
  assertEquals(
    await run(nsenter("--net=:name true"), Deno.uid()!),
    "1 nsenter: cannot open :name: No such file or directory\n",
  );
});

// Kernels of long ago --------------------------------------------------------

/** The plan with other arguments of some calls, which no kernel accepts. */
function refused(plan: Plan, calls: (step: Step) => boolean): Plan {
  const steps = plan.steps.map((step): Step =>
    calls(step) ? { ...step, args: [step.args[0]!, step.op === "setns" ? 0 : -1] } : step
  );
  return { ...plan, steps };
}

/** What enters namespaces through a descriptor of a process. */
function setnsOfPidfd(plan: Plan): (step: Step) => boolean {
  const pidfd = plan.steps.find(({ op }) => op === "pidfd_open")!.result;
  return ({ op, args }) => op === "setns" && isCell(args[0]!) && args[0].offset === pidfd.offset;
}

const KERNELS = [
  ["5.2, without pidfd_open(2)", () => ({ op }: Step) => op === "pidfd_open"],
  ["5.7, without setns(2) of a pidfd", setnsOfPidfd],
] as const;

const KINDS: readonly (readonly [options: string, names: NamespaceName[], uid: number])[] = [
  ["-mun", ["mount", "uts", "net"], 0],
  ["-Ur", ["user"], 1000],
  ["-Urun", ["user", "uts", "net"], 1000],
  ["-Urun", ["user", "uts", "net"], 0],
];

for (const [kernel, calls] of KERNELS) {
  for (const [options, names, uid] of KINDS) {
    asRoot(`Linux ${kernel}: ${names.join(", ")} as user ${uid}`, async () => {
      const directory = Deno.makeTempDirSync({ prefix: "denspace-" });
      Deno.chmodSync(directory, 0o755);
      try {
        await using to = await target(`unshare ${options}`, uid);
        const whole = nsenterPlan({
          name: "nsenter",
          target: to.pid,
          namespaces: new Map(names.map((name) => [name, undefined])),
          fork: false,
          preserveCredentials: true,
          program: { name: "readlink", index: 1 },
        });
        const program = writeProgram(directory, refused(whole, calls(whole)));
        const files = names.map((name) => name === "mount" ? "mnt" : name);
        const links = files.map((file) => `/proc/self/ns/${file}`);
        assertEquals(
          await run([program, "readlink", ...links], uid),
          `0 ${files.map((file) => namespace(to.pid, file) + "\n").join("")}`,
        );
      } finally {
        Deno.removeSync(directory, { recursive: true });
      }
    });
  }
}

asRoot("the own user namespace is refused alike, whatever the kernel", async () => {
  const line = `-t ${Deno.pid} -U true`;
  assertEquals(
    await run(nsenter(line)),
    "1 nsenter: reassociate to namespaces failed: Invalid argument\n",
  );
});
