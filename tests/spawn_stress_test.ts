/**
 * Many programs: in a row, at once, of random options, failed at each step, killed
 * at random moments. Nothing is left of them.
 *
 * DENSPACE_STRESS=1, as .ci/run has it, has each test do as much as it is meant to,
 * which takes some minutes; without it they do a part of that.
 */
import * as denspace from "../mod.ts";
import type { SpawnOptions } from "../mod.ts";
import { assuming, start as assumed } from "../ffi/plan/assume.ts";
import { architectures } from "../ffi/plan/host.ts";
import { layout } from "../ffi/plan/layout.ts";
import { reporting } from "../ffi/plan/report.ts";
import { start } from "../ffi/plan/spawn.ts";
import { isControl, type Plan } from "../ffi/plan/step.ts";
import { walk } from "../ffi/plan/walk.ts";
import { check } from "../sandbox/spawn/check.ts";
import { programPlan } from "../sandbox/spawn/plan.ts";
import { assert, assertEquals } from "../scripts/std.ts";
import { inChild, isRoot } from "./child.ts";
import { until } from "./processes.ts";

const WHOLE = Deno.env.get("DENSPACE_STRESS") !== undefined;
/** How much is done: all of it, or what is enough for every day. */
function times(all: number, everyDay: number): number {
  return WHOLE ? all : everyDay;
}

// Nothing is left ----------------------------------------------------------------

const kinds: [what: string, options: Omit<SpawnOptions, "command">][] = [
  ["with pipes", { stdin: "piped", stdout: "piped", stderr: "piped" }],
  ["without pipes", { stdin: "null", stdout: "null", stderr: "null" }],
];
for (const [what, options] of kinds) {
  const [row, atOnce] = [times(10_000, 300), times(200, 50)];
  Deno.test(`${row} programs in a row, and ${atOnce} at once, leave nothing, ${what}`, async () => {
    const [first, before, after] = await inChild(
      async (api, options, row, atOnce) => {
        const NAMESPACES = [{}, { user: true, pid: true }, { user: true, uts: true }] as const;
        const run = async (i: number): Promise<void> => {
          const program = api.spawn({
            command: "/bin/true",
            namespaces: NAMESPACES[i % NAMESPACES.length]!,
            ...options,
          });
          if (options.stdin === "piped") {
            await program.stdin.close().catch(() => {});
            await program.output();
          }
          const { success } = await program.status;
          if (!success) throw new Error("true is false");
        };
        const shell = api.plan({ command: "/bin/true", namespaces: { user: true, pid: true } });
        const other = (i: number): unknown =>
          i % 3 === 0
            ? api.clone(shell).wait()
            : i % 3 === 1
            ? api.clone(shell).status
            : api.spawnSync({ command: "/bin/true", namespaces: { pid: true, user: true } });
        /** What Deno itself does with so many: its pipes take memory that it keeps. */
        const deno = async (): Promise<void> => {
          const command = new Deno.Command("/bin/true", options as Deno.CommandOptions);
          const program = command.spawn();
          if (options.stdin !== "piped") return void await program.status;
          await program.stdin.close().catch(() => {});
          await program.output();
        };
        const state = async () => {
          await new Promise((resolve) => setTimeout(resolve, 100));
          const text = (path: string) => new TextDecoder().decode(api.readFile(path));
          const children = [...Deno.readDirSync("/proc/self/task")].map(({ name }) => {
            try {
              return text(`/proc/self/task/${name}/children`);
            } catch {
              return ""; // a thread that has ended
            }
          });
          return {
            descriptors: [...Deno.readDirSync("/proc/self/fd")].length,
            children: children.join(""),
            mappings: text("/proc/self/maps").split("\n").length,
            kib: Number(/^VmRSS:\s+(\d+)/m.exec(text("/proc/self/status"))![1]),
          };
        };
        const all = (count: number) =>
          Promise.all(Array.from({ length: count }, (_, i) => i % 2 ? run(i) : run(i + 1)));
        // What is compiled and allocated once is there after the first ones.
        for (let i = 0; i < 100; i++) await Promise.all([run(i), other(i)]);
        // V8 makes room for what is short-lived, until it has enough.
        for (let i = 0; i < row / 4; i++) await run(i);
        await all(atOnce);
        const first = await state();
        for (let i = 0; i < row; i++) await deno();
        const before = await state();
        for (let i = 0; i < row; i++) await (i % 10 === 9 ? other(i) : run(i));
        await all(atOnce);
        return [first, before, await state()] as const;
      },
      options,
      row,
      atOnce,
    );
    assertEquals([after.descriptors, after.children], [before.descriptors, before.children]);
    const figures = JSON.stringify({ first, before, after });
    /** No more than what Deno takes for as many of its own, and a little. */
    const isKept = (field: "mappings" | "kib", little: number): boolean =>
      after[field] - before[field] <= little + 1.5 * Math.max(0, before[field] - first[field]);
    assert(isKept("mappings", 100) && isKept("kib", 40_000), figures);
    if (WHOLE) console.log(figures);
  });
}

// Random options ------------------------------------------------------------------

/** Numbers that seem random, the same each time: from 0 to below 1. */
function randomly(seed: number): () => number {
  return () => {
    // mulberry32
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
}

/**
 * Options of which one in some is not what it should be.
 *
 * @param other a process whose namespaces they may join, and change: not those of this machine
 */
function randomOptions(random: () => number, other: number): SpawnOptions {
  const one = <T>(...values: T[]): T => values[Math.floor(random() * values.length)]!;
  const some = <T>(make: () => T, most = 3): T[] =>
    Array.from({ length: Math.floor(random() * (most + 1)) }, make);
  const odd = <T>(right: () => T): T => {
    if (random() > 0.004) return right();
    const wrong = [-1, 1.5, 2 ** 32, 2n ** 64n, NaN, null, "a\0b", [], {}, Symbol("odd"), () => 1];
    return one<unknown>(...wrong) as T;
  };
  const sometimes = <T>(chance: number, make: () => T): T | undefined =>
    random() < chance ? odd(make) : undefined;
  const text = () => one<string | Uint8Array>("x", "a b", "", "\udcff", new Uint8Array([1, 255]));
  const id = () => one(0, 1, 1000, 65534, 2 ** 31, 0xffff_fffe);
  const map = () =>
    one<denspace.IdMap>(
      "root",
      "current",
      id(),
      some(() => ({ inside: id(), outside: id(), count: one(1, 10, 65536) })),
    );
  const names = Object.keys(denspace.NAMESPACES) as denspace.NamespaceName[];
  const made = names.filter(() => random() < 0.4);
  const capability = () => one(...Object.keys(denspace.CAPABILITIES) as denspace.CapabilityName[]);
  const options = {
    command: odd(() => one<string | Uint8Array>("true", "/bin/true", "sh", text())),
    args: sometimes(0.5, () => some(text)),
    cwd: sometimes(0.2, () => one("/", "/usr", "/no")),
    env: sometimes(0.2, () => ({ [one("A", "PATH", "LONG_NAME")]: text() })),
    clearEnv: sometimes(0.1, () => random() < 0.5),
    namespaces: sometimes(0.9, () =>
      Object.fromEntries(made.map((name) => [
        name,
        odd(() =>
          one<denspace.NamespaceChoice>(true, true, true, false, other, `/proc/self/ns/no`)
        ),
      ]))),
    uidMap: sometimes(made.includes("user") ? 0.6 : 0.02, map),
    gidMap: sometimes(made.includes("user") ? 0.5 : 0.02, map),
    setgroups: sometimes(0.05, () => one("allow", "deny")),
    hostname: sometimes(made.includes("uts") ? 0.4 : 0.02, text),
    domainname: sometimes(made.includes("uts") ? 0.2 : 0.02, text),
    propagation: sometimes(
      made.includes("mount") ? 0.3 : 0.02,
      () => one("private", "slave", "unchanged"),
    ),
    root: sometimes(made.includes("mount") ? 0.1 : 0.01, () => one("/", "/no")),
    chroot: sometimes(0.05, () => one("/", "/no")),
    mounts: sometimes(made.includes("mount") ? 0.3 : 0.01, () =>
      some(() => ({
        destination: one("/mnt", "/tmp", "mnt"),
        type: one(undefined, "tmpfs", "no"),
        source: one("/usr", "tmpfs"),
        options: some(() => one("bind", "rbind", "ro", "nosuid", "mode=700", "rro", "idmap")),
      })).filter(({ source, options }) =>
        source === "/usr" || !options.some((option) => /bind/.test(option))
      )),
    mountProc: sometimes(
      made.includes("mount") ? 0.4 : 0.02,
      () => one<boolean | string>(true, false, "/proc"),
    ),
    loopback: sometimes(made.includes("net") ? 0.5 : 0.02, () => true),
    timeOffsets: sometimes(made.includes("time") ? 0.5 : 0.01, () => ({
      monotonic: one<number | bigint | undefined>(undefined, 5, -1n, 2n ** 63n),
      boottime: one<number | bigint | undefined>(undefined, 100, 2n ** 40n),
    })),
    uid: sometimes(0.15, id),
    gid: sometimes(0.15, id),
    groups: sometimes(0.1, () => some(id)),
    capabilities: sometimes(
      0.15,
      () =>
        one<unknown>(some(capability), {
          bounding: some(capability),
          ambient: some(capability),
        }) as [],
    ),
    noNewPrivs: sometimes(0.2, () => true),
    rlimits: sometimes(0.2, () =>
      some(() => ({
        type: one<denspace.LimitName>("RLIMIT_NOFILE", "RLIMIT_CORE", "RLIMIT_CPU"),
        soft: one<number | bigint>(64, 1024n),
        hard: one<number | bigint>(1024, 4096n),
      }))),
    dieWithParent: sometimes(0.2, () => one<boolean | denspace.SignalName>(true, "SIGTERM")),
    descriptors: sometimes(0.1, () => ({ [one(3, 9, 700)]: one(0, 1, 2) })),
    [one("stdin", "stdin", "stdin", "nothing")]: sometimes(0.02, () => one("null", "no")),
  };
  // A key whose value is undefined is none.
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as unknown as SpawnOptions;
}

{
  const [count, programs] = [20_000, 300];
  Deno.test(`${count} random options are refused, or make a plan; ${programs} of these run`, async () => {
    const random = randomly(1979);
    await using other = denspace.spawn({
      command: "sleep",
      args: ["3600"],
      namespaces: { user: !isRoot, mount: true, uts: true, ipc: true, net: true, cgroup: true },
    });
    const machine = stateOfMachine();
    const outcomes = { refused: 0, plans: 0, ran: 0, failed: 0 };
    for (let i = 0; i < count; i++) {
      const options = randomOptions(random, other.pid);
      let program: Plan;
      try {
        program = denspace.plan(options);
      } catch (error) {
        const isRefusal = error instanceof TypeError || error instanceof RangeError;
        if (!isRefusal) throw new Error(`options ${i}`, { cause: error });
        outcomes.refused++;
        continue;
      }
      outcomes.plans++;
      try {
        assert(callsOf(program).includes("execve") || !isFound(options));
        for (const arch of Object.values(architectures)) {
          layout({ failure: 0, ...program }, arch, 0x10000, 0x20000);
        }
      } catch (error) {
        throw new Error(`options ${i}`, { cause: error });
      }
      if (outcomes.ran + outcomes.failed >= programs) continue;
      // Its ids and limits are its own; what it would print or wait for does not matter.
      const args = options.command === "sh" ? ["-c", ":"] : options.args;
      try {
        const started = denspace.spawn({
          ...options,
          ...(args && { args }),
          stdin: "null",
          stdout: "null",
          stderr: "null",
        });
        await started.status;
        outcomes.ran++;
      } catch (error) {
        if (!(error instanceof denspace.SyscallError)) {
          throw new Error(`options ${i}`, { cause: error });
        }
        outcomes.failed++;
      }
    }
    assertEquals(stateOfMachine(), machine);
    const { refused, plans, ran, failed } = outcomes;
    const figures = JSON.stringify(outcomes);
    assertEquals([refused + plans, ran + failed], [count, programs], figures);
    assert(refused > count / 20 && plans > count / 20 && ran > programs / 10, figures);
    if (WHOLE) console.log(figures);
  });
}

/** The calls that a plan makes if none fails. */
function callsOf(program: Plan): string[] {
  const made: string[] = [];
  walk(reporting(program), {
    argv: [program.name],
    environment: [],
    state: assumed(program.name),
    calls: ({ name }) => void made.push(name),
    answer: assuming,
  });
  return made;
}

/** What programs in namespaces must not change. */
function stateOfMachine(): unknown {
  return [Deno.hostname(), Deno.readTextFileSync("/proc/self/mountinfo")];
}

/** Whether the program has a name that can be looked for. */
function isFound({ command }: SpawnOptions): boolean {
  return command.length > 0 && command.length < 200;
}

// Each step fails once ---------------------------------------------------------------

const lines: [what: string, options: SpawnOptions][] = [
  ["in all namespaces", {
    command: "true",
    namespaces: {
      user: true,
      cgroup: true,
      ipc: true,
      uts: true,
      net: true,
      pid: true,
      mount: true,
      time: true,
    },
    uidMap: "root",
    gidMap: "root",
    hostname: "inside",
    domainname: "inside",
    loopback: true,
    mountProc: true,
    timeOffsets: { boottime: 5 },
    mounts: [{ destination: "/mnt", type: "tmpfs", options: ["size=1m"] }],
    dieWithParent: true,
    descriptors: { 5: 2 },
    noNewPrivs: true,
    rlimits: [{ type: "RLIMIT_CORE", soft: 0, hard: 0 }],
  }],
  ...(isRoot
    ? [
      ["as another user", {
        command: "true",
        namespaces: { user: true, mount: true },
        uidMap: [{ inside: 0, outside: 0, count: 2000 }],
        gidMap: [{ inside: 0, outside: 0, count: 2000 }],
        root: "/",
        uid: 1000,
        gid: 1000,
        groups: [5],
        capabilities: ["CAP_KILL"],
        dieWithParent: true,
      }],
      ["in another's namespaces", {
        command: "true",
        namespaces: { uts: Deno.pid, net: Deno.pid, pid: Deno.pid, mount: Deno.pid },
      }],
    ] as [string, SpawnOptions][]
    : []),
];
for (const [what, options] of lines) {
  Deno.test(`each step of a program ${what} fails once, and nothing is left`, async () => {
    const STDIO = { stdin: "null", stdout: "null", stderr: "null" } as const;
    const program = programPlan(check(options), Deno.pid);
    const before = await leftovers();
    let failed = 0;
    for (const [index, step] of program.steps.entries()) {
      if (isControl(step.op) || step.note.fail || step.op === "exit_group") continue;
      const failing: Plan = {
        ...program,
        steps: program.steps.with(index, { ...step, op: "raise", args: [1] }),
      };
      try {
        const started = start(failing, { ...STDIO, argv: ["true"], inherited: [] });
        const end = started.succeeded
          ? denspace.waitid(denspace.P_PID, started.pid, denspace.WEXITED)!.status
          : (await started.child.status).code;
        denspace.close(started.pidfd);
        // Nobody came to this step, or a helper did whose end was waited for.
        assertEquals([step.op, end], [step.op, 0]);
      } catch (error) {
        assert(error instanceof denspace.SyscallError, `${step.op}: ${error}`);
        assertEquals(error.errno, 1, `${step.op}: ${error.message}`);
        failed++;
      }
    }
    assert(failed > 5, `${failed} steps failed`);
    await until(
      "nothing is left",
      async () => JSON.stringify(await leftovers()) === JSON.stringify(before),
    );
  });
}

// Deaths ----------------------------------------------------------------------------

{
  const tries = times(500, 25);
  Deno.test(`nothing survives the death of its parent at ${tries} random moments`, async () => {
    const random = randomly(2003);
    for (let i = 0; i < tries; i++) {
      const tag = `DENSPACE_TAG=${crypto.randomUUID()}`;
      const source = `import { spawn, kill } from ${
        JSON.stringify(import.meta.resolve("../mod.ts"))
      };
        const [name, value] = ${JSON.stringify(tag)}.split("=");
        console.log("ready");
        const options = { command: "sleep", args: ["60"], env: { [name]: value }, dieWithParent: true,
          stdin: "null", stdout: "null", stderr: "null" };
        const kinds = [{}, { user: true, pid: true }, { user: true, time: true, mount: true }];
        const programs = [];
        for (let i = 0; i < 30; i++) {
          const controller = new AbortController();
          programs.push(spawn({ ...options, namespaces: kinds[i % 3], signal: controller.signal }));
          if (i % 4 === 1) programs.pop().kill("SIGKILL");
          if (i % 4 === 3) controller.abort();
          if (i % 5 === 4) await new Promise((resolve) => setTimeout(resolve, 1));
        }
        await new Promise(() => setInterval(() => {}, 1000));`;
      const parent = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", `data:text/javascript,${encodeURIComponent(source)}`],
        stdin: "null",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      const reader = parent.stdout.getReader();
      await reader.read();
      await new Promise((resolve) => setTimeout(resolve, random() * 120));
      parent.kill("SIGKILL");
      await parent.status;
      await reader.cancel();
      await until("they have ended", () => tagged(tag).length === 0);
    }
  });
}

/** The processes that have this variable. */
function tagged(tag: string): string[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => name).filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return Deno.readTextFileSync(`/proc/${name}/environ`).includes(tag);
    } catch {
      return false;
    }
  });
}

/** Descriptors, children and mounts of this process. */
async function leftovers(): Promise<unknown> {
  await new Promise((resolve) => setTimeout(resolve, 0));
  const children = [...Deno.readDirSync("/proc/self/task")].map(({ name }) => {
    try {
      return Deno.readTextFileSync(`/proc/self/task/${name}/children`);
    } catch {
      return "";
    }
  });
  return [
    [...Deno.readDirSync("/proc/self/fd")].length,
    children.join(""),
    Deno.readTextFileSync("/proc/self/mountinfo").length,
  ];
}
