/**
 * Kernels that lack something, and hosts that refuse it: what is said besides the
 * errno. strace(1) has calls fail as they do there.
 */
import { SIGNALS } from "../ffi/constants/signal.ts";
import { clone } from "../ffi/plan/clone.ts";
import { elf } from "../ffi/plan/elf.ts";
import { host } from "../ffi/plan/host.ts";
import { plan } from "../ffi/plan/builder.ts";
import { reporting } from "../ffi/plan/report.ts";
import type { Plan } from "../ffi/plan/step.ts";
import { SYSCALL_SINCE, SyscallError } from "../ffi/errno.ts";
import { passDescriptors } from "../sandbox/inherit.ts";
import { NEEDS } from "../sandbox/kernel.ts";
import type { NamespaceName } from "../sandbox/namespaces.ts";
import { type Nsenter, nsenterPlan } from "../sandbox/nsenter.ts";
import { type Unshare, unsharePlan } from "../sandbox/unshare.ts";
import { assert, assertEquals, fromFileUrl } from "../scripts/std.ts";

const MAIN = fromFileUrl(new URL("../commands/main.ts", import.meta.url));
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Registers a test that is ignored where a command is missing that it needs. */
function asRoot(name: string, needs: readonly string[], fn: () => Promise<void>): void {
  const found = (command: string): boolean =>
    PATH.split(":").some((directory) => {
      try {
        return Deno.statSync(`${directory}/${command}`).isFile;
      } catch {
        return false;
      }
    });
  const missing = Deno.uid() === 0 ? needs.find((command) => !found(command)) : "root";
  Deno.test({
    name: name + (missing ? ` (needs ${missing})` : ""),
    ignore: missing !== undefined,
    fn,
  });
}

/** Runs a command; its status and its errors in one text. */
async function run([file, ...args]: readonly string[]): Promise<string> {
  const { code, stderr } = await new Deno.Command(file!, {
    args,
    env: { PATH, LC_ALL: "C" },
    stdin: "null",
    stdout: "null",
  }).output();
  return `${code} ${new TextDecoder().decode(stderr)}`;
}

/** Runs a plan as an executable, with faults; as {@linkcode run} does. */
async function runWith(faults: readonly string[], program: Plan): Promise<string> {
  const path = Deno.makeTempFileSync({ prefix: "denspace-" });
  try {
    Deno.writeFileSync(path, elf(reporting(program), host()));
    Deno.chmodSync(path, 0o755);
    const injected = faults.flatMap((fault) => ["-e", `inject=${fault}`]);
    return await run(["strace", "-f", "-o", "/dev/null", ...injected, path, "true"]);
  } finally {
    Deno.removeSync(path);
  }
}

const PROGRAM = { name: "true", index: 1 };

function unshare(want: Partial<Unshare>): Plan {
  return unsharePlan({
    name: "unshare",
    namespaces: new Set(),
    files: new Map(),
    fork: false,
    forwardSignals: false,
    ranges: { users: [], groups: [] },
    propagation: "private",
    keepCapabilities: false,
    program: PROGRAM,
    ...want,
  });
}

function nsenter(want: Partial<Nsenter>): Plan {
  return nsenterPlan({
    name: "nsenter",
    target: Deno.pid,
    namespaces: new Map(),
    fork: false,
    preserveCredentials: true,
    program: PROGRAM,
    ...want,
  });
}

// Calls ----------------------------------------------------------------------

const [ENOSYS, ENOTTY, EPERM] = [
  "Function not implemented",
  "Inappropriate ioctl for device",
  "Operation not permitted",
];
const SOCKET = { netSocket: 0, namespaces: new Map([["net", undefined]] as const) };

const OTHERS_SOCKET = "the namespace of a process's socket needs Linux 5.6 or later";

const CALLS: { name: string; plan: Plan; faults: string[]; says: string[] }[] = [
  {
    name: "unshare --kill-child before Linux 5.3",
    plan: unshare({ fork: true, killChild: SIGNALS.SIGKILL }),
    faults: ["pidfd_open:error=ENOSYS"],
    says: [
      `pidfd_open failed: ${ENOSYS}`,
      "a signal when the parent dies needs Linux 5.3 or later",
    ],
  },
  {
    name: "unshare --mount-binfmt before Linux 6.7",
    plan: unshare({
      namespaces: new Set(["user", "mount"]),
      propagation: "unchanged",
      mountBinfmt: "/proc/sys/fs/binfmt_misc",
    }),
    faults: ["mount:error=EPERM"],
    says: [
      `mount /proc/sys/fs/binfmt_misc failed: ${EPERM}`,
      "a binfmt_misc of one's own needs Linux 6.7 or later",
    ],
  },
  {
    name: "nsenter --net-socket before Linux 5.3",
    plan: nsenter(SOCKET),
    faults: ["pidfd_open:error=ENOSYS"],
    says: [`failed to pidfd_open() for ${Deno.pid}: ${ENOSYS}`, OTHERS_SOCKET],
  },
  {
    name: "nsenter --net-socket before Linux 5.6",
    plan: nsenter(SOCKET),
    faults: ["pidfd_getfd:error=ENOSYS"],
    says: [
      `pidfd_getfd(3, 0): ${ENOSYS}`,
      OTHERS_SOCKET,
    ],
  },
  {
    name: "nsenter --user-parent before Linux 4.9",
    plan: nsenter({ userParent: true, namespaces: new Map([["user", undefined]]) }),
    faults: ["ioctl:error=ENOTTY"],
    says: [
      `failed to open parent namespace: ${ENOTTY}`,
      "the parent of a user namespace needs Linux 4.9 or later",
    ],
  },
  {
    name: "nsenter --setuid=follow before Linux 4.11",
    plan: nsenter({ setuid: "follow", lenientIds: true }),
    faults: ["statx:error=ENOSYS"],
    says: [
      `can not get process stat: ${ENOSYS}`,
      "to follow the ids of a process needs Linux 4.11 or later",
    ],
  },
];

for (
  const [release, fault, errno] of [
    ["5.9", "ENOSYS", ENOSYS],
    ["5.11", "EINVAL", "Invalid argument"],
  ] as const
) {
  CALLS.push({
    name: `what passes descriptors before Linux ${release}`,
    plan: plan("pass", (p) => {
      passDescriptors(p, { 0: 0 });
      p.call("exit_group", [0]);
    }),
    faults: [`close_range:error=${fault}`],
    says: [
      `cannot mark descriptors close-on-exec: ${errno}`,
      "to keep descriptors from a program needs Linux 5.11 or later",
    ],
  });
}

/** A call that no step says a need of. */
const OPENAT2 = plan("open", (p) => {
  p.call("openat2", [-1, "/", new Uint8Array(24), 24], { message: "cannot open /" });
  p.call("exit_group", [0]);
});
CALLS.push({
  name: "any call before it was there",
  plan: OPENAT2,
  faults: ["openat2:error=ENOSYS"],
  says: [`cannot open /: ${ENOSYS}`, "openat2(2) needs Linux 5.6 or later"],
});

for (const { name, plan, faults, says } of CALLS) {
  asRoot(`${name} says which kernel it takes`, ["strace"], async () => {
    const said = says.map((line) => `${plan.name}: ${line}\n`).join("");
    assertEquals(await runWith(faults, plan), `1 ${said}`);
  });
  asRoot(`${name}: of another errno only its text is said`, ["strace"], async () => {
    const other = faults.map((fault) => fault.replace(/=E.*/, "=EIO"));
    const [first] = says;
    const said = first!.replace(/: [^:]*$/, ": Input/output error");
    assertEquals(await runWith(other, plan), `1 ${plan.name}: ${said}\n`);
  });
}

Deno.test("of every call since Linux 5.1 it is known which kernel brought it", () => {
  const first = 424; // from there on numbers are the same on all architectures
  const calls = Object.entries(host().syscalls).filter(([, number]) => number >= first);
  assert(calls.length > 0);
  assertEquals(calls.map(([name]) => name).filter((name) => !(name in SYSCALL_SINCE)), []);
});

Deno.test("a call that the kernel lacks has a hint in its error", () => {
  assertEquals(new SyscallError("openat2", 38).hint, "openat2(2) needs Linux 5.6 or later");
  assertEquals(new SyscallError("openat2", 38, { hint: "more" }).hint, "more");
  assertEquals(new SyscallError("openat2", 2).hint, undefined);
  assertEquals(new SyscallError("read", 38).hint, undefined);
});

Deno.test("what a call in a clone needs is the hint of its error", () => {
  const steps = (errno: number): Plan =>
    plan("child", (p) => p.control("raise", [errno], { needs: NEEDS.parentDeath }));
  for (const [errno, hint] of [[38, NEEDS.parentDeath.text], [1, undefined]] as const) {
    try {
      clone(steps(errno)).wait();
      throw new Error("no error");
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      assertEquals(error.hint, hint);
    }
  }
});

// Kinds of namespaces --------------------------------------------------------

const KINDS: readonly NamespaceName[] = [
  ...["user", "cgroup", "ipc", "uts", "net", "pid", "mount", "time"] as const,
];

/** Runs what follows two directories where the first one is the namespaces of processes. */
const WITH_KINDS = 'for pid in $$ $2; do mount --bind "$1" /proc/$pid/ns; done; shift 2; exec "$@"';

/** Runs a plan with a fault on a kernel that lacks some kinds of namespaces. */
async function runWithout(kinds: NamespaceName[], fault: string, program: Plan): Promise<string> {
  const directory = Deno.makeTempDirSync({ prefix: "denspace-" });
  try {
    const path = `${directory}/program`;
    Deno.writeFileSync(path, elf(reporting(program), host()), { mode: 0o755 });
    Deno.mkdirSync(`${directory}/ns`);
    for (const kind of KINDS.filter((kind) => !kinds.includes(kind))) {
      Deno.writeTextFileSync(`${directory}/ns/${kind === "mount" ? "mnt" : kind}`, "");
    }
    return await run([
      ...["unshare", "-m", "sh", "-ec", WITH_KINDS, "sh", `${directory}/ns`, `${Deno.pid}`],
      // With -D the program has the process id that it would have without.
      ...["strace", "-D", "-f", "-o", "/dev/null", "-e", `inject=${fault}`, path, "true"],
    ]);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** What is said of a kind. */
const MISSING: Readonly<Record<NamespaceName, string>> = {
  user: "user namespaces: they need Linux 3.8 or later, built with CONFIG_USER_NS",
  cgroup: "cgroup namespaces: they need Linux 4.6 or later, built with CONFIG_CGROUPS",
  ipc: "ipc namespaces: they need Linux 2.6.19 or later, built with CONFIG_IPC_NS",
  uts: "uts namespaces: they need Linux 2.6.19 or later, built with CONFIG_UTS_NS",
  net: "net namespaces: they need Linux 2.6.29 or later, built with CONFIG_NET_NS",
  pid: "pid namespaces: they need Linux 3.8 or later, built with CONFIG_PID_NS",
  mount: "mount namespaces: they need Linux 2.4.19 or later",
  time: "time namespaces: they need Linux 5.6 or later, built with CONFIG_TIME_NS",
};

for (const kind of KINDS) {
  asRoot(`unshare says that there are no ${kind} namespaces`, ["strace"], async () => {
    const program = unshare({ namespaces: new Set(KINDS) });
    assertEquals(
      await runWithout([kind], "unshare:error=EINVAL", program),
      `1 unshare: unshare failed: Invalid argument\nunshare: this kernel has no ${MISSING[kind]}\n`,
    );
  });
}

asRoot("unshare guesses nothing if all kinds are there that it needs", ["strace"], async () => {
  const program = unshare({ namespaces: new Set(["uts", "net"]) });
  for (const missing of [[], ["time", "cgroup"]] as NamespaceName[][]) {
    assertEquals(
      await runWithout(missing, "unshare:error=EINVAL", program),
      "1 unshare: unshare failed: Invalid argument\n",
    );
  }
});

asRoot("nsenter says that there are no time namespaces", ["strace"], async () => {
  const program = nsenter({ namespaces: new Map([["uts", undefined], ["time", undefined]]) });
  const path = `/proc/${Deno.pid}/ns/time`;
  for (const fault of ["pidfd_open:error=ENOSYS", "setns:error=EINVAL:when=1"]) {
    assertEquals(
      await runWithout(["time"], fault, program),
      `1 nsenter: cannot open ${path}: No such file or directory\n` +
        `nsenter: this kernel has no ${MISSING.time}\n`,
    );
  }
});

asRoot("nsenter guesses nothing if it is the process that is missing", ["strace"], async () => {
  const target = 4194303; // the last that there can be
  const program = nsenter({ target, namespaces: new Map([["time", undefined]]) });
  assertEquals(
    await runWith([], program),
    `1 nsenter: cannot open /proc/${target}/ns/time: No such file or directory\n`,
  );
});

// What differs without an error ----------------------------------------------

asRoot("nsenter --target PID:INODE says before Linux 6.9 what it takes", [], async () => {
  const file = Deno.makeTempFileSync({ prefix: "denspace-" });
  try {
    Deno.writeTextFileSync(file, "6.8.12-old\n");
    const script = `mount --bind ${file} /proc/sys/kernel/osrelease; exec "$@"`;
    const said = await run([
      ...["unshare", "-m", "sh", "-ec", script, "sh"],
      ...[Deno.execPath(), "run", "--allow-ffi", MAIN, "nsenter", "-t", "1:5", "-u", "true"],
    ]);
    const takes = "to tell processes apart by an inode takes Linux 6.9, here is 6.8.12-old";
    assertEquals(said, `1 nsenter: cannot find 1:5: ${takes}\n`);
  } finally {
    Deno.removeSync(file);
  }
});

/** `denspace run` of an ordinary user in a directory of his own, which has a directory in it. */
async function runAsUser(
  release: string | undefined,
  options: readonly string[],
  program: readonly string[],
): Promise<string> {
  const scratch = Deno.makeTempDirSync({ prefix: "denspace-" });
  try {
    Deno.writeTextFileSync(`${scratch}/release`, `${release}\n`);
    Deno.mkdirSync(`${scratch}/home/directory`, { recursive: true });
    Deno.mkdirSync(`${scratch}/keep`);
    // An overlay, such as the root of a virtual machine, can't keep changes of another one.
    const script = `mount -t tmpfs none keep; chown -R 1000:1000 home keep; cd home
      ${release === undefined ? "" : "mount --bind ../release /proc/sys/kernel/osrelease"}
      exec setpriv --reuid 1000 --regid 1000 --clear-groups "$@"`;
    const whole = ["sh", "-ec", `cd ${scratch}; chmod a+rx .; ${script}`, "sh"];
    return await run([
      ...[
        "unshare",
        "-m",
        ...whole,
        "env",
        `HOME=${scratch}/home`,
        `DENO_DIR=${scratch}/home/deno`,
      ],
      ...[Deno.execPath(), "run", "--allow-ffi", MAIN, "run", ...options, "--", ...program],
    ]);
  } finally {
    Deno.removeSync(scratch, { recursive: true });
  }
}

const FIXED =
  "before 6.6 directories can't be removed or renamed in a copy that is kept in memory " +
  '("Input/output error"); --keep keeps it on a disk';

asRoot(
  "run says before Linux 6.6 why a program may have failed with a directory",
  ["setpriv"],
  async () => {
    // A /proc in which something is hidden can't be mounted anew.
    const shared = ["--pid", "host"];
    const said = await runAsUser("6.5.13-old", shared, ["sh", "-c", "exit 3"]);
    assertEquals(said, `3 denspace run: this is Linux 6.5.13-old: ${FIXED}\n`);
    assertEquals(await runAsUser("6.5.13-old", shared, ["true"]), "0 ");
    assertEquals(await runAsUser("6.5.13-old", [...shared, "--keep", "../keep"], ["false"]), "1 ");
    assertEquals(await runAsUser("6.6.0-new", shared, ["false"]), "1 ");
  },
);

// What this kernel has --------------------------------------------------------

/** Whether this kernel is at least that release. */
function isLinux(major: number, minor: number): boolean {
  const [here = 0, after = 0] = Deno.osRelease().split(".").map(Number);
  return here > major || here === major && after >= minor;
}

/** Runs one of our tools; as {@linkcode run} does. */
function ours(...argv: string[]): Promise<string> {
  return run([Deno.execPath(), "run", "--allow-ffi", MAIN, ...argv]);
}

asRoot(
  "run as a user: a directory can be removed and renamed since Linux 6.6, and till then it says so",
  ["setpriv"],
  async () => {
    const script = "rmdir directory && mkdir directory && mv directory other";
    const said = await runAsUser(undefined, [], ["sh", "-c", script]);
    if (isLinux(6, 6)) return assertEquals(said, "0 ");
    assertEquals(
      said,
      "1 mkdir: cannot create directory 'directory': Input/output error\n" +
        `denspace run: this is Linux ${Deno.osRelease()}: ${FIXED}\n`,
    );
  },
);

asRoot(
  "unshare --mount-binfmt says what it takes before Linux 6.7, and only there",
  [],
  async () => {
    const said = await ours("unshare", "-rpf", "--mount-binfmt", "true");
    if (isLinux(6, 7)) return assert(!said.includes("needs"), said);
    assertEquals(
      said,
      `1 unshare: mount /proc/sys/fs/binfmt_misc failed: ${EPERM}\n` +
        `unshare: ${NEEDS.binfmtMisc.text}\n`,
    );
  },
);

asRoot("nsenter -t PID:INODE says what it takes before Linux 6.9, and only there", [], async () => {
  const target = `${Deno.pid}:5`;
  assertEquals(
    await ours("nsenter", "-t", target, "-u", "true"),
    isLinux(6, 9)
      ? `1 nsenter: no pidfd inode 5 of process ${Deno.pid}: No such process\n`
      : `1 nsenter: cannot find ${target}: to tell processes apart by an inode takes Linux 6.9, ` +
        `here is ${Deno.osRelease()}\n`,
  );
});
