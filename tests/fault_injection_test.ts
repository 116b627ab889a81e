/**
 * What happens when a system call fails: for each one of typical command lines,
 * once as a step of the plan that fails, and once by strace(1), which refuses it
 * to whoever makes it for the n-th time. The plan says which, exits, and leaves
 * nothing behind.
 */
import { assert, assertEquals, assertMatch } from "../scripts/std.ts";
import { EPERM } from "../ffi/constants/errno.ts";
import { SIGNALS } from "../ffi/constants/signal.ts";
import { plan } from "../ffi/plan/builder.ts";
import { emit } from "../ffi/plan/file.ts";
import { isControl, type Plan, type Step } from "../ffi/plan/step.ts";
import type { NamespaceName } from "../sandbox/namespaces.ts";
import { type Nsenter, nsenterPlan } from "../sandbox/nsenter.ts";
import { type Unshare, unsharePlan } from "../sandbox/unshare.ts";
import { startTarget } from "./target.ts";
import { find } from "./processes.ts";

/** A command line whose system calls fail. */
interface Line {
  /** The options; the program follows them. */
  options: string;
  /** The plan of these options, with the program at the index. */
  plan: (index: number, place: Place) => Plan;
  /** The program, if it has another path inside. */
  program?: string;
  /** What starts the plan. */
  via?: string[];
  /** How many mounts it leaves when all is well. */
  mounts?: number;
  needs?: "binfmt_misc";
}

/** Where a command line runs. */
interface Place {
  /** A directory that holds nothing but what is run, and what the lines need. */
  directory: string;
  /** The program. */
  program: string;
  /** A process in namespaces of its own. */
  target: number;
}

/** What a run came to. */
interface Result {
  code: number;
  stderr: string[];
  /** How many mounts there are more than before. */
  mounts: number;
}

const TIMEOUT = 30_000;
const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";
const STRERROR = ": Operation not permitted";

function unshare(options: string, want: Partial<Unshare>, rest: Partial<Line> = {}): Line {
  const base: Omit<Unshare, "program"> = {
    name: "unshare",
    namespaces: new Set(),
    files: new Map(),
    fork: false,
    forwardSignals: false,
    ranges: { users: [], groups: [] },
    propagation: "private",
    keepCapabilities: false,
  };
  return {
    options,
    plan: (index, { directory, program }) => {
      const files = [...want.files ?? []].map(([kind, file]) => [kind, directory + file] as const);
      const root = want.root === undefined ? {} : { root: directory + want.root };
      const name = rest.program ?? program;
      return unsharePlan({
        ...base,
        ...want,
        ...root,
        files: new Map(files),
        program: { name, index },
      });
    },
    ...rest,
  };
}

function nsenter(options: string, kinds: string, want: (target: number) => Partial<Nsenter>): Line {
  return {
    options,
    plan: (index, { program, target }) =>
      nsenterPlan({
        name: "nsenter",
        target,
        namespaces: new Map([...namespaces(kinds)].map((name) => [name, undefined])),
        fork: kinds.includes("pid"),
        preserveCredentials: false,
        ...want(target),
        program: { name: program, index },
      }),
  };
}

function namespaces(kinds: string): Set<NamespaceName> {
  return new Set(kinds.split(" ").filter(Boolean) as NamespaceName[]);
}

const ROOT_IDS = { mapUser: 0, mapGroup: 0 };
const RANGE = { inside: 0, outside: 0, count: 9 };
const RANGES = { ranges: { users: [RANGE], groups: [RANGE] } };
const USER = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"];

const LINES: Line[] = [
  unshare("-Urpf --mount-proc", {
    namespaces: namespaces("user pid mount"),
    fork: true,
    mountProc: "/proc",
    ...ROOT_IDS,
  }),
  unshare("-R {}/root -w /inside -S 1000 -G 1000", {
    root: "/root",
    workingDirectory: "/inside",
    setuid: 1000,
    setgid: 1000,
  }, { program: "/true" }),
  unshare("-ui --kill-child -S 1000", {
    namespaces: namespaces("uts ipc"),
    fork: true,
    killChild: SIGNALS.SIGKILL,
    setuid: 1000,
  }),
  unshare("-f --map-users 0:0:9 --map-groups 0:0:9", {
    namespaces: namespaces("user"),
    fork: true,
    ...RANGES,
  }),
  unshare("--map-auto", {
    namespaces: namespaces("user"),
    ...RANGES,
  }, { via: [...USER, "env", "PATH={}/mappers"] }),
  unshare("-f --uts={}/uts --net={}/net --pid={}/pid", {
    namespaces: namespaces("uts net pid"),
    files: new Map([["uts", "/uts"], ["net", "/net"], ["pid", "/pid"]]),
    fork: true,
  }, { mounts: 3 }),
  unshare("-m --uts={}/uts --user={}/user", {
    namespaces: namespaces("mount uts user"),
    files: new Map([["uts", "/uts"], ["user", "/user"]]),
  }, { mounts: 2 }),
  unshare("-UT --setgroups deny --boottime 9 --monotonic 9", {
    namespaces: namespaces("user time"),
    setgroups: "deny",
    boottime: 9n,
    monotonic: 9n,
  }),
  unshare("-c --keep-caps", {
    namespaces: namespaces("user"),
    mapUser: "current",
    mapGroup: "current",
    keepCapabilities: true,
  }),
  unshare("-rpf -l :denspace:M::denspace!::/bin/true:", {
    namespaces: namespaces("user pid mount"),
    fork: true,
    mountProc: "/proc",
    mountBinfmt: "/proc/sys/fs/binfmt_misc",
    interpreter: ":denspace:M::denspace!::/bin/true:",
    ...ROOT_IDS,
  }, { needs: "binfmt_misc" }),
  unshare("-m --propagation slave --mount-proc --forward-signals", {
    namespaces: namespaces("mount"),
    propagation: "slave",
    mountProc: "/proc",
    fork: true,
    forwardSignals: true,
  }),
  nsenter("-t PID -a", "user cgroup ipc uts net pid mount", () => ({})),
  nsenter("-t PID -U -p --preserve-credentials -r -w", "user pid", (target) => ({
    preserveCredentials: true,
    root: `/proc/${target}/root`,
    workingDirectory: `/proc/${target}/cwd`,
  })),
  nsenter(
    "-t PID -n -u --mount=/proc/PID/ns/mnt -W / -S follow -G follow",
    "net uts",
    (target) => ({
      namespaces: new Map([
        ["net", undefined],
        ["uts", undefined],
        ["mount", `/proc/${target}/ns/mnt`],
      ]),
      insideDirectory: "/",
      setuid: "follow",
      setgid: "follow",
    }),
  ),
];

for (const line of LINES) {
  const reason = missing(line);
  const program = line.plan(1, { directory: "", program: "", target: 1 }).name;
  const name = `${program} ${line.options.replaceAll("{}/", "")}`;
  const needs = reason === undefined ? "" : ` (needs ${reason})`;
  Deno.test({
    name: `${name}: a step that fails is named, and nothing is left${needs}`,
    ignore: reason !== undefined,
    fn: () => within(line, failingSteps),
  });
  Deno.test({
    name: `${name}: a system call that is refused is named, and nothing is left${needs}`,
    ignore: reason !== undefined,
    fn: () => within(line, failingCalls),
  });
}

/** Has each step fail that is a system call. */
async function failingSteps(run: Run, plan: Plan): Promise<void> {
  await assertRuns(run, plan);
  let failed = 0;
  for (const [i, step] of plan.steps.entries()) {
    if (isControl(step.op)) continue;
    const refused = withStep(plan, i, failing(step));
    const reached = withStep(plan, i, { ...step, op: "exit_group", args: [77] });
    for (let attempt = 1;; attempt++) {
      const result = await run(refused);
      if (result.code !== 0 || tolerates(step)) {
        assertExplained(plan, [step], result);
        failed++;
        break;
      }
      if ((await run(reached)).code === 0) break;
      // Whether it is reached may depend on who is faster.
      assert(attempt < 20, `${step.op} fails, and that is not noticed`);
    }
  }
  assert(failed > 5, `only ${failed} steps can fail`);
}

/** Has strace(1) refuse each system call, by its name and how often it has been made. */
async function failingCalls(run: Run, plan: Plan, log: string): Promise<void> {
  const strace = [find("strace")!, "-f", "-o", log];
  await assertRuns(run, plan, strace);
  const calls = injectable(Deno.readTextFileSync(log));
  let failed = 0;
  for (const { call, nth } of calls) {
    const inject = `inject=${call}:error=EPERM:when=${nth}`;
    const result = await run(plan, [...strace, "-e", inject]);
    if (Deno.readTextFileSync(log).includes("(INJECTED)")) {
      assertExplained(plan, plan.steps.filter(({ op }) => op === call), result, inject);
      failed++;
    } else {
      // How often a child is waited for may depend on who is faster.
      assertEquals({ code: result.code, stderr: result.stderr }, { code: 0, stderr: [] }, inject);
      assert(nth > 1, inject);
    }
  }
  assert(failed > 5 && failed >= calls.length - 3, `only ${failed} system calls can fail`);
}

/** A step that fails as this one does when the kernel refuses it. */
function failing({ op, args: _args, ...rest }: Step): Step {
  const note = { ...rest.note, message: rest.note.message ?? op };
  return rest.note.accept?.includes(EPERM)
    ? { ...rest, op: "sub", args: [0, EPERM], note }
    : { ...rest, op: "raise", args: [EPERM], note };
}

function withStep(plan: Plan, index: number, step: Step): Plan {
  return { ...plan, steps: plan.steps.with(index, step) };
}

/** Whether the plan knows how to go on when the step is refused. */
function tolerates({ note }: Step): boolean {
  return (note.fail !== undefined && !note.fail.reported) || note.accept?.includes(EPERM) === true;
}

/** Runs a plan, after a command that starts it. */
type Run = (plan: Plan, via?: string[]) => Promise<Result>;

async function assertRuns(run: Run, plan: Plan, via: string[] = []): Promise<void> {
  const { mounts: _, ...result } = await run(plan, via);
  assertEquals(result, { code: 0, stderr: [] });
}

/** The result of a run in which one of these steps was refused. */
function assertExplained(plan: Plan, steps: Step[], result: Result, context = ""): void {
  const tolerated = steps.some(tolerates);
  // Where the plan goes on it may come to a step that gives up.
  const raises = plan.steps.filter(({ op }) => op === "raise");
  const culprits = tolerated ? [...steps, ...raises] : steps;
  const text = `${context}\n${JSON.stringify(steps)}\n${JSON.stringify(result)}`;
  if (result.code === 0) {
    assert(tolerated, `succeeds: ${text}`);
    assertEquals(result.stderr, [], text);
    return;
  }
  const statuses = new Set(culprits.map(({ note }) => note.status ?? 1));
  assert(statuses.has(result.code), `status ${result.code}: ${text}`);
  const isExec = steps.every(({ op }) => op === "execve");
  if (isExec) assertEquals(result.code, 126, text);
  const [first, ...others] = result.stderr;
  assert(first !== undefined && explains(plan, culprits, first), `not explained: ${text}`);
  const hints = culprits.some(({ note }) => note.hint !== undefined || note.needs);
  // Who can't be waited for goes on alone, and may find that all is gone.
  const alone = steps.every(({ op }) => op === "wait4");
  for (const other of others) {
    assert(hints || alone || explains(plan, culprits, other), `says more: ${text}`);
  }
}

/** Whether a line is what a failure of one of these steps says. */
function explains({ name }: Plan, steps: Step[], line: string): boolean {
  return steps.some(({ op, note }) => {
    const start = `${name}: ${note.message ?? op}`;
    return note.subject
      ? line.startsWith(start) && line.endsWith(STRERROR)
      : line === start + STRERROR;
  });
}

/**
 * The system calls in a log of strace(1) that can be refused: those that no
 * process makes for the n-th time after it has become another program.
 */
function injectable(log: string): { call: string; nth: number }[] {
  const [own, others] = [new Set<string>(), new Set<string>()];
  const counts = new Map<string, number>();
  const became = new Set<string>();
  let first = true;
  for (const line of log.split("\n")) {
    const [, pid, call] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    if (pid === undefined || call === undefined) continue;
    if (first) {
      first = false; // strace itself executes the plan
      continue;
    }
    const nth = (counts.get(`${pid} ${call}`) ?? 0) + 1;
    counts.set(`${pid} ${call}`, nth);
    (became.has(pid) ? others : own).add(`${call} ${nth}`);
    if (call === "execve" && !line.includes(" = -1 ")) became.add(pid);
  }
  return [...own].filter((key) => !others.has(key)).map((key) => {
    const [call, nth] = key.split(" ");
    return { call: call!, nth: Number(nth) };
  });
}

// One run ------------------------------------------------------------------

/** Says how many mounts there are more after what follows it. None of them stays. */
const COUNTING = [
  ...["unshare", "-m", "--propagation", "private", "sh", "-c"],
  `count() { n=0; while read -r line; do n=$((n + 1)); done < /proc/self/mountinfo; }
  count; before=$n
  "$@"
  status=$?; count; echo $((n - before)); exit $status`,
  "sh",
];

async function within(
  line: Line,
  test: (run: Run, plan: Plan, log: string) => Promise<void>,
): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "denspace-" });
  try {
    prepare(directory);
    await using target = await startTarget();
    const { pid } = target;
    const fill = (word: string): string =>
      word.replaceAll("{}", directory).replaceAll("PID", `${pid}`);
    const program = line.program ?? `${directory}/true`;
    const options = line.options.split(" ").map(fill);
    const file = `${directory}/run/plan`;
    const before = contents(directory);
    const run: Run = async (plan, via = []) => {
      emit(plan, file);
      const command = [...COUNTING, ...line.via ?? [], ...via, file, ...options, program].map(fill);
      const result = await output(command, directory);
      assertEquals(contents(directory), before, `${command.join(" ")} leaves files`);
      assert(result.mounts <= (line.mounts ?? 0), JSON.stringify(result));
      return result;
    };
    const place = { directory, program: `${directory}/true`, target: pid };
    await test(run, line.plan(options.length + 1, place), `${directory}/run/log`);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function prepare(directory: string): void {
  Deno.chmodSync(directory, 0o755);
  for (const name of ["run", "work", "root", "root/inside", "mappers"]) {
    Deno.mkdirSync(`${directory}/${name}`);
    Deno.chmodSync(`${directory}/${name}`, 0o777);
  }
  const nothing = plan("nothing", (p) => p.call("exit_group", [0]));
  for (const name of ["true", "root/true", "mappers/newuidmap", "mappers/newgidmap"]) {
    emit(nothing, `${directory}/${name}`);
    Deno.chmodSync(`${directory}/${name}`, 0o755);
  }
  for (const name of ["uts", "net", "pid", "user"]) {
    Deno.writeTextFileSync(`${directory}/${name}`, "");
  }
}

/** The files of a directory, but for what the runs themselves need. */
function contents(directory: string): string[] {
  return [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory }) =>
    name === "run"
      ? []
      : isDirectory
      ? contents(`${directory}/${name}`).concat(name)
      : [`${directory}/${name}`]
  ).sort();
}

/** Runs a command to its end and that of all it has started: they have its output. */
async function output(command: string[], directory: string): Promise<Result> {
  const child = new Deno.Command(command[0]!, {
    args: command.slice(1),
    clearEnv: true,
    env: { PATH },
    cwd: `${directory}/work`,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const late = setTimeout(() => {
    for (const pid of [...processesOf(directory), child.pid]) kill(pid);
  }, TIMEOUT);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(late);
  assertEquals(processesOf(directory), [], `${command.join(" ")} leaves processes`);
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  assertMatch(text(stdout), /^\d+\n$/, text(stderr)); // what is counted, and nothing else
  return { code, stderr: text(stderr).split("\n").slice(0, -1), mounts: Number(text(stdout)) };
}

/** The processes that run something in a directory. */
function processesOf(directory: string): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => {
    try {
      return pid > 0 && Deno.readLinkSync(`/proc/${pid}/exe`).startsWith(`${directory}/`);
    } catch {
      return false; // it has ended
    }
  });
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // it has ended
  }
}

/** What the machine lacks for a line. */
function missing({ needs }: Line): string | undefined {
  if (Deno.uid() !== 0) return "root";
  const command = ["unshare", "strace", "setpriv"].find((name) => !find(name));
  if (command !== undefined) return command;
  const probe = needs ? ["-rpf", "--mount-binfmt", "true"] : ["-Ur", "true"];
  const { success } = new Deno.Command("unshare", { args: probe, stderr: "null" }).outputSync();
  return success ? undefined : needs ?? "user namespaces";
}
