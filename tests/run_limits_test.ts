/**
 * Limits of containers: kept, said when they are reached, not changed from inside,
 * and gone afterwards. Everything happens in cgroups below our own, of whatever
 * versions this machine has.
 */
import { emit } from "../mod.ts";
import { planContainer } from "../sandbox/container/plan.ts";
import { supportedConfig } from "../sandbox/container/supported.ts";
import { isControl, type Plan, type Step } from "../ffi/plan/step.ts";
import { assert, assertEquals, assertMatch } from "../scripts/std.ts";
import { below, HIERARCHIES, limitsTest, parent, VERSION_2 } from "./cgroups.ts";
import { denspaceRun, makeRoot, output, type Result, scratch, spawn, USER } from "./container.ts";
import { exists, until } from "./processes.ts";

const place = scratch();
const root = makeRoot(`${place.path}/root`);
Deno.test.afterAll(() => place[Symbol.dispose]());

/** Runs a script in a container with these options, in cgroups of its own. */
async function limited(
  options: readonly string[],
  script: string,
  parentName: string,
): Promise<Result> {
  const args = ["--rootfs", root, "--cgroup-parent", parentName, ...options, "--"];
  return await output(denspaceRun(...args, "sh", "-c", script));
}

limitsTest("a memory limit kills what exceeds it, and that is said", async () => {
  using own = parent();
  const script = "head -c 200m /dev/zero | tail -c 150m | wc -c";
  const { stderr } = await limited(["--memory", "40m"], script, own.name);
  assertMatch(
    stderr,
    /denspace run: the memory limit of 41943040 bytes was reached: processes killed: [1-9]/,
  );
  const alone = await limited(["--memory", "40m"], "exec tail -c 150m /dev/zero", own.name);
  assertEquals([alone.code, alone.signal], [137, "SIGKILL"]);
  const enough = await limited(
    ["--memory", "400m"],
    "head -c 20m /dev/zero | tail -c 9m | wc -c",
    own.name,
  );
  assertEquals([enough.stdout, enough.stderr], ["9437184\n", ""]);
});

limitsTest("a limit of processes stops a fork bomb, and that is said", async () => {
  using own = parent();
  const bomb = "bomb() { bomb & bomb & }; bomb 2>/dev/null; sleep 0.2; ls -d /proc/[0-9]* | wc -l";
  const { stdout, stderr } = await limited(["--pids-limit", "30"], bomb, own.name);
  const said = /denspace run: the limit of 30 processes was reached: forks that failed: [1-9]/;
  assertMatch(stderr, said);
  assert(Number(stdout.trim() || 0) <= 30, stdout);
});

limitsTest("a limit that lets no container start is said to be the reason", async () => {
  using own = parent();
  const memory = await limited(["--memory", "4k"], "true", own.name);
  assertMatch(memory.stderr, /^denspace run: the memory limit of 4096 bytes was reached: /);
  const processes = await limited(["--pids-limit", "1"], "true", own.name);
  assertMatch(processes.stderr, /^denspace run: the limit of 1 processes was reached: /m);
  assertEquals([memory.code, processes.code], [1, 1]);
});

limitsTest("a limit of the processors is kept", async () => {
  using own = parent();
  const statistics = "cat /sys/fs/cgroup/cpu/cpu.stat /sys/fs/cgroup/cpu.stat 2>/dev/null";
  const work = "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done; times";
  const start = performance.now();
  const { stdout } = await limited(["--cpus", "0.2"], `${work}; ${statistics}`, own.name);
  const passed = (performance.now() - start) / 1000;
  assertMatch(stdout, /^nr_throttled [1-9]/m);
  const [, minutes, seconds] = /^(\d+)m([\d.]+)s/.exec(stdout)!;
  const used = Number(minutes) * 60 + Number(seconds);
  assert(used < passed / 2, `${used} s of ${passed} s`);
  const free = await limited(["--cpu-shares", "512"], `${work}; ${statistics}`, own.name);
  assert(!/^nr_throttled [1-9]/m.test(free.stdout), free.stdout);
});

limitsTest("a container stays on its processors", async () => {
  using own = parent();
  const { stdout } = await limited(
    ["--cpuset", "0"],
    "grep Cpus_allowed_list /proc/self/status",
    own.name,
  );
  assertEquals(stdout, "Cpus_allowed_list:\t0\n");
});

/** A disk to which a container may write, and the options for that. */
function disk(): { device: string; options: string[]; file: string } | undefined {
  const { dev } = Deno.statSync(place.path);
  const [major, minor] = [dev >> 8 & 0xfff, dev & 0xff | dev >> 12 & 0xfff00];
  let device = `/sys/dev/block/${major}:${minor}`;
  if (exists(device)) {
    if (exists(`${device}/partition`)) device += "/.."; // limits are those of whole disks
    const name = /^DEVNAME=(.*)$/m.exec(Deno.readTextFileSync(`${device}/uevent`))![1]!;
    const data = `${place.path}/data`;
    Deno.mkdirSync(data, { recursive: true });
    return { device: `/dev/${name}`, options: ["-v", `${data}:/data`], file: "/data/file" };
  }
  try {
    new Deno.Command("modprobe", { args: ["null_blk"] }).outputSync();
  } catch {
    // there is no such command
  }
  const nothing = "/dev/nullb0";
  return exists(nothing)
    ? { device: nothing, options: ["--device", nothing], file: nothing }
    : undefined;
}

const DISK = Deno.uid() === 0 ? disk() : undefined;

limitsTest("a limit of a disk slows what is written to it", async () => {
  using own = parent();
  const { device, options, file } = DISK!;
  const write = `dd if=/dev/zero of=${file} bs=256k count=8 oflag=direct conv=notrunc 2>&1`;
  const script = `cat /proc/uptime; ${write} && cat /proc/uptime`;
  const { stdout, stderr } = await limited(
    ["--io-max", `${device}:wbps=1m`, ...options],
    script,
    own.name,
  );
  const times = [...stdout.matchAll(/^([\d.]+) [\d.]+$/gm)].map(([, seconds]) => Number(seconds));
  assertEquals([times.length, stderr], [2, ""], stdout);
  assert(times[1]! - times[0]! > 1, stdout);
}, DISK ? undefined : "a disk");

limitsTest("only the devices that are named can be used, and as is said", async () => {
  using own = parent();
  const tun = `${place.path}/tun`; // see the kernel's devices.txt
  new Deno.Command("mknod", { args: [tun, "c", "10", "200"] }).outputSync();
  const script = `head -c 1 /dev/zero | wc -c; for i in 1 2; do
    (exec 3</dev/tun) && echo read; (exec 3>/dev/tun) && echo write; done 2>&1`;
  const bound = ["-v", `${tun}:/dev/tun`];
  const free = await limited(bound, script, own.name);
  assertEquals(free.stdout, "1\nread\nwrite\nread\nwrite\n");
  const { stdout } = await limited(["--device", `${tun}:/dev/tun:r`], script, own.name);
  const refused = "Operation not permitted";
  assertEquals(
    stdout.replaceAll(/^sh: .*: (Operation not permitted)$/gm, "$1"),
    `1\nread\n${refused}\nread\n${refused}\n`,
  );
  const none = await limited([...bound, "--device", "/dev/null"], script, own.name);
  assert(!/^(read|write)$/m.test(none.stdout), none.stdout);
  // A configuration that allows none, as engines write it, leaves those that every container has.
  const args = ["--rootfs", root, "--cgroup-parent", own.name, "--print-config", "-t", ...bound];
  const printed = await output(denspaceRun(...args, "--", "sh", "-c", `tty; ${script}`));
  const config = JSON.parse(printed.stdout);
  config.linux.resources = { devices: [{ allow: false, access: "rwm" }] };
  Deno.writeTextFileSync(`${place.path}/config.json`, JSON.stringify(config));
  const usual = await output(denspaceRun("--config", place.path));
  assertMatch(usual.stdout, /^\/dev\/pts\/0\r\n1\r\n/);
  assert(!/^(read|write)\r?$/m.test(usual.stdout), usual.stdout);
});

limitsTest("a container sees its own cgroups only, and can change none of it", async () => {
  using own = parent();
  const script = `cat /proc/self/cgroup
    for file in memory/memory.limit_in_bytes memory.max memory/cgroup.procs cgroup.procs; do
      [ -e /sys/fs/cgroup/$file ] && echo 0 >/sys/fs/cgroup/$file && echo changed $file
    done; mkdir /sys/fs/cgroup/x /sys/fs/cgroup/memory/x; mount -o remount,rw /sys/fs/cgroup`;
  const { stdout } = await limited(["--memory", "64m"], script, own.name);
  assert(!stdout.includes("changed") && !stdout.includes("denspace"), stdout);
  assertMatch(stdout, VERSION_2 ? /^0::\/$/m : /^\d+:memory:\/$/m);
});

limitsTest(
  "the limits are those that the kernel has, and the supervisor is not in them",
  async () => {
    using own = parent();
    const args = ["--rootfs", root, "--cgroup-parent", own.name, "--memory", "64m", "--"];
    const child = spawn(denspaceRun(...args, "sleep", "600"));
    const made = await until("the container runs", () => {
      const [found] = own.directories.flatMap(below);
      const limit = found &&
        ["memory.max", "memory.limit_in_bytes"].map((file) => `${found}/${file}`).find(exists);
      return limit &&
        Deno.readTextFileSync(`${found}/cgroup.procs`).trim().split("\n").length === 1 && found;
    });
    const file = VERSION_2 ? "memory.max" : "memory.limit_in_bytes";
    assertEquals(Deno.readTextFileSync(`${made}/${file}`), "67108864\n");
    assert(!Deno.readTextFileSync(`${made}/cgroup.procs`).split("\n").includes(`${child.pid}`));
    child.kill("SIGTERM"); // process 1 ignores it
    child.kill("SIGKILL");
    await child.output();
    // Nobody is left to remove it.
    assert(exists(made));
    const { stdout, stderr } = await output(gc());
    assertMatch(stdout, /^[0-9a-f]{12}$/m);
    assertEquals([stderr, exists(made)], ["", false]);
  },
);

/** The command that is `denspace gc`. */
function gc(): string[] {
  return [...denspaceRun().slice(0, -1), "gc"];
}

limitsTest("gc ends what a killed supervisor has left, and leaves what runs alone", async () => {
  using own = parent();
  const args = ["--rootfs", root, "--cgroup-parent", own.name, "--pid", "host"];
  const start = async (script: string): Promise<[Deno.ChildProcess, number]> => {
    const child = spawn(denspaceRun(...args, "--pids-limit", "20", "--", "sh", "-c", script));
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    return [child, Number(new TextDecoder().decode(value))];
  };
  const [dead, left] = await start("sleep 600 >/dev/null 2>&1 & echo $!; wait");
  const [alive] = await start("echo $$; sleep 600");
  dead.kill("SIGKILL");
  await dead.output();
  const before = own.directories.flatMap(below).length;
  assert(isRunning(left));
  await output(gc());
  assert(!isRunning(left));
  assertEquals([before, own.directories.flatMap(below).length], [2, 1]);
  alive.kill("SIGTERM");
  await alive.output();
});

/** Whether a process runs, and is no zombie. */
function isRunning(pid: number): boolean {
  const status = `/proc/${pid}/status`;
  return exists(status) && !/^State:\tZ/m.test(Deno.readTextFileSync(status));
}

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  limitsTest(`a container that ${signal} ends leaves no cgroup`, async () => {
    using own = parent();
    const args = ["--init", "--rootfs", root, "--cgroup-parent", own.name, "--memory", "64m"];
    const child = spawn(denspaceRun(...args, "--", "sh", "-c", "echo started; exec sleep 600"));
    const reader = child.stdout.getReader();
    await reader.read();
    reader.releaseLock();
    child.kill(signal);
    const { signal: end } = await child.output();
    assertEquals(end, signal);
  });
}

limitsTest("processes that outlive the program end with its cgroup", async () => {
  using own = parent();
  const script = "sleep 600 >/dev/null 2>&1 & sleep 600 >/dev/null 2>&1 & echo $!";
  const { stdout, code } = await limited(["--pid", "host", "--pids-limit", "20"], script, own.name);
  assertEquals(code, 0);
  assert(!isRunning(Number(stdout)));
});

limitsTest("what can't be had is one line, before anything is made", async () => {
  using own = parent();
  const fails = async (options: string[], expected: RegExp): Promise<void> => {
    const { stdout, stderr, code } = await limited(options, "echo started", own.name);
    assertEquals([code, stdout], [1, ""], stderr);
    assertMatch(stderr, expected);
  };
  await fails(["--memory", "64x"], /^denspace run: no size such as 64m: '64x'\n/);
  await fails(["--memory-swap", "1g"], /it needs --memory\n/);
  await fails(["--cpus", "0"], /^denspace run: no number of processors, at least 0\.01: '0'\n/);
  await fails(["--pids-limit", "x"], /processes are 1 to \d+: 'x'\n/);
  await fails(["--io-max", "/dev/null:rbps=1"], /^denspace run: no block device: '\/dev\/null'\n/);
  await fails(["--io-max", "/dev/null:x=1"], /no device:rbps=/);
  await fails(["--device", "/etc/passwd"], /no device: '\/etc\/passwd'\n/);
  await fails(["--cpuset", "9999"], /^denspace run: cannot set cpuset\.cpus to '9999': /);
  await fails(["--cpuset", "x"], /^denspace run: linux\.resources\.cpu\.cpus is no list: x\n/);
  const { stderr } = await limited(["--memory", "64m"], "true", `${own.name}/nowhere`);
  assertMatch(
    stderr,
    /^denspace run: cannot make the cgroup \/.*\/nowhere\/denspace-\w+: No such file or directory\n$/,
  );
});

// Where version 1 has the controller and the kernel groups real-time processes.
const GROUPED = HIERARCHIES.some(({ version, controllers, own }) =>
  version === 1 && controllers.includes("cpu") && exists(`${own}/cpu.rt_runtime_us`)
);

if (GROUPED) {
  limitsTest(
    "a limit of the processors is none for processes in real time, and that is said",
    async () => {
      using own = parent();
      const options = ["--rootfs", root, "--cgroup-parent", own.name, "--cpus", "1"];
      const { stderr, code } = await output([
        "chrt",
        "-f",
        "1",
        ...denspaceRun(...options, "true"),
      ]);
      assertEquals(code, 1);
      assertMatch(
        stderr,
        /^denspace run: cannot enter the cgroup .*: Invalid argument\ndenspace run: processes that are scheduled in real time .*\n$/,
      );
    },
  );
}

/** Runs a script as an ordinary user, who is in these cgroups from the start. */
async function asUser(
  directories: readonly string[],
  options: readonly string[],
  script: string,
  alone = true,
): Promise<Result> {
  const enter = directories.map((directory) => `echo 0 >'${directory}/cgroup.procs' &&`).join(" ");
  // Without exec the shell is in them, too.
  const how = alone ? "exec " : "";
  const user = `${how}setpriv --reuid ${USER} --regid ${USER} --clear-groups "$@"; exit $?`;
  const command = denspaceRun("--rootfs", root, ...options, "--", "sh", "-c", script);
  const env = { DENO_DIR: userCache() };
  return await output(["sh", "-c", `${enter} ${user}`, "sh", ...command], { env });
}

function userCache(): string {
  const path = `${place.path}/cache`;
  Deno.mkdirSync(path, { recursive: true });
  Deno.chmodSync(path, 0o777);
  return path;
}

limitsTest(
  "an ordinary user has limits in a cgroup of his own, else it is said how to get one",
  async () => {
    using own = parent(USER);
    const script = "head -c 200m /dev/zero | tail -c 150m | wc -c";
    const limits = ["--memory", "40m", "--pids-limit", "30"];
    const { stderr } = await asUser(own.directories, limits, script);
    assertMatch(
      stderr,
      /denspace run: the memory limit of 41943040 bytes was reached: processes killed: [1-9]/,
    );
    if (VERSION_2) {
      const crowded = await asUser(own.directories, limits, "echo started", false);
      assertEquals([crowded.code, crowded.stdout], [1, ""]);
      assertMatch(
        crowded.stderr,
        /^denspace run: cannot use the controllers .*: Device or resource busy\ndenspace run: a cgroup with processes has no limits below it: .*\n$/,
      );
    }
    const refused = await asUser([], limits, "echo started");
    assertEquals([refused.code, refused.stdout], [1, ""]);
    assertMatch(
      refused.stderr,
      /^denspace run: cannot make the cgroup .*: Permission denied\ndenspace run: this cgroup is not yours: .*--cgroup-parent.*\n$/,
    );
  },
);

// Failures -------------------------------------------------------------------

/** A step that fails as this one does when the kernel refuses it. */
function failing({ op, args: _args, ...rest }: Step): Step {
  const note = { ...rest.note, message: rest.note.message ?? op };
  const EPERM = 1;
  return rest.note.accept?.includes(EPERM)
    ? { ...rest, op: "sub", args: [0, EPERM], note }
    : { ...rest, op: "raise", args: [EPERM], note };
}

limitsTest("whichever step fails, nothing is left", async () => {
  using own = parent();
  const options = ["--memory", "64m", "--pids-limit", "30", "--cpus", "1"];
  const { stdout } = await output(
    denspaceRun("--print-config", "--rootfs", root, ...options, "--", "true"),
  );
  const config = supportedConfig(JSON.parse(stdout));
  const planOf = (name: string): Plan =>
    planContainer({
      ...config,
      linux: { ...config.linux, cgroupsPath: `${own.name}/${name}` },
    }, { name: "test" });
  const steps = planOf("0").steps.entries()
    .filter(([, { op }]) => !isControl(op) && op !== "exit_group").map(([i]) => i).toArray();
  const file = (i: number): string => `${place.path}/plan-${i}`;
  const write = (i: number): void => {
    const plan = planOf(`${i}`);
    emit({ ...plan, steps: plan.steps.with(i, failing(plan.steps[i]!)) }, file(i));
  };
  const fail = async (i: number): Promise<void> => {
    const { op, note } = planOf("0").steps[i]!;
    const { stderr, code } = await output([file(i)]);
    const what = `step ${i}, ${op}, ${note.message ?? ""}: ${code} ${stderr}`;
    const left = own.directories.map((directory) => `${directory}/${i}`).filter(exists);
    for (const directory of left) Deno.removeSync(directory);
    Deno.removeSync(file(i));
    // What can't be removed is said.
    if (op !== "unlinkat") assertEquals(left, [], what);
    else if (left.length > 0) assertMatch(stderr, /^test: cannot remove the cgroup .*: Operation /);
  };
  const errors: string[] = [];
  for (let at = 0; at < steps.length; at += 4) {
    const some = steps.slice(at, at + 4);
    // A file that is open to be written when a process is forked can't be run.
    some.forEach(write);
    await Promise.all(some.map((i) => fail(i).catch((error) => errors.push(`${error}`))));
  }
  assertEquals(errors, []);
  await output(gc());
});
