/**
 * What happens when a step of a container fails: each one does so once, on the
 * emitted program. It says which, exits, and leaves nothing.
 */
import { assert, assertEquals } from "../scripts/std.ts";
import { EPERM } from "../ffi/constants/errno.ts";
import { plan } from "../ffi/plan/builder.ts";
import { emit } from "../ffi/plan/file.ts";
import { isControl, type Plan, type Step } from "../ffi/plan/step.ts";
import { host } from "../ffi/plan/host.ts";
import {
  DIE_WITH_PARENT,
  DIFF,
  INIT,
  LANDLOCK,
  LAYERS,
  TIMEOUT,
} from "../sandbox/container/annotations.ts";
import { capabilitySets } from "../sandbox/container/defaults.ts";
import { thisMachine } from "../sandbox/container/machine.ts";
import type { Config, Mount } from "../sandbox/container/oci.ts";
import { planContainer } from "../sandbox/container/plan.ts";
import { supportedConfig } from "../sandbox/container/supported.ts";
import { defaultSeccomp } from "../sandbox/seccomp/default.ts";
import { type Account, output, scratch, test, USER } from "./container.ts";

const NAME = "denspace run";
const STRERROR = ": Operation not permitted";
/** How many runs there are at the same time, if nothing else is said. */
const AT_ONCE = 8;

const KINDS = ["mount", "pid", "network", "ipc", "uts", "time"] as const;
const SAFE = ["nosuid", "noexec", "nodev"];

function mounts(directory: string): Mount[] {
  return [
    { destination: "/proc", type: "proc", source: "proc", options: SAFE },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["mode=755"] },
    { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["newinstance"] },
    { destination: "/tmp/new", type: "tmpfs", source: "tmpfs", options: ["ro", "nosuid"] },
    {
      destination: "/tmp/new/bound",
      type: "bind",
      source: `${directory}/bound`,
      options: ["rbind", "rro", "nosuid", "slave"],
    },
    { destination: "/etc/file", type: "bind", source: `${directory}/file`, options: ["bind"] },
  ];
}

/** A configuration with something of all that there is. */
function config(directory: string, id: number, rest: Partial<Config> = {}): Config {
  return {
    ociVersion: "1.2.0",
    process: {
      cwd: "/etc",
      args: ["true"],
      env: ["PATH=/none:/bin"],
      user: { uid: id, gid: id, umask: 0o27 },
      rlimits: [{ type: "RLIMIT_CORE", soft: 0, hard: 0 }],
      capabilities: capabilitySets(id, ["CAP_KILL", "CAP_NET_ADMIN"], ["CAP_KILL"]),
      noNewPrivileges: true,
    },
    root: { path: `${directory}/root`, readonly: true },
    hostname: "web",
    domainname: "example.org",
    mounts: mounts(directory),
    linux: {
      namespaces: KINDS.map((type) => ({ type })),
      seccomp: defaultSeccomp({ arch: host().name, kernel: "6.1", capabilities: [] }),
      timeOffsets: { boottime: { secs: 5 } },
      maskedPaths: ["/proc/keys", "/proc/fs", "/proc/none"],
      readonlyPaths: ["/proc/sys"],
    },
    ...rest,
  };
}

function withUser(of: Config, mapping: [inside: number, outside: number, size: number]): Config {
  const [containerID, hostID, size] = mapping;
  const linux = of.linux!;
  return {
    ...of,
    linux: {
      ...linux,
      namespaces: [...linux.namespaces!, { type: "user" }],
      uidMappings: [{ containerID, hostID, size }],
      gidMappings: [{ containerID, hostID, size }],
    },
  };
}

/** The containers whose steps fail. */
const CONTAINERS: Record<string, {
  accounts: Account[];
  /** Whose the files are; the ordinary user's if absent. */
  owner?: number;
  /** How many runs there are at the same time: one where they share a directory. */
  atOnce?: number;
  config(directory: string): Config;
}> = {
  "a root with mounts": {
    accounts: ["root"],
    config: (directory) =>
      config(directory, 33, {
        annotations: {
          [INIT]: "true",
          [TIMEOUT]: "60",
          [LANDLOCK]: "ro:/,rw:/tmp/new,rw:/etc/file,bind:80,connect:none,scope:signal",
        },
      }),
  },
  "a root with mounts, of one id": {
    accounts: ["user"],
    config: (directory) =>
      withUser(config(directory, 0, { annotations: { [DIE_WITH_PARENT]: "true" } }), [0, USER, 1]),
  },
  "a copy, of ranges of ids, with a report": {
    accounts: ["root"],
    owner: 100000,
    config: (directory) =>
      withUser(
        config(directory, 5, {
          annotations: { [LAYERS]: "tmpfs", [DIFF]: "true" },
          root: { path: `${directory}/root` },
          mounts: [...mounts(directory), {
            destination: "/tmp/new/ids",
            type: "bind",
            source: `${directory}/bound`,
            options: ["bind", "idmap"],
          }],
        }),
        [0, 100000, 1000],
      ),
  },
  "a copy that is kept, with a terminal": {
    accounts: ["user"],
    atOnce: 1,
    config: (directory) => {
      const all = config(directory, 0, {
        annotations: { [LAYERS]: `${directory}/keep` },
        root: { path: `${directory}/root` },
      });
      return withUser({ ...all, process: { ...all.process!, terminal: true } }, [0, USER, 1]);
    },
  },
};

for (
  const [name, { accounts, owner = USER, atOnce = AT_ONCE, config }] of Object.entries(CONTAINERS)
) {
  test(`${name}: a step that fails is named, and nothing is left`, async (account) => {
    using directory = scratch();
    await prepare(directory.path, owner);
    const ids = account === "root" ? {} : { uid: USER, gid: USER };
    const whole = planContainer(supportedConfig(config(directory.path)), {
      name: NAME,
      machine: { ...thisMachine(), ...ids },
      command: [`${directory.path}/root/bin/true`],
    });
    const mounted = Deno.readTextFileSync("/proc/self/mountinfo");
    const run = async (plan: Plan): Promise<{ code: number; lines: string[] }> => {
      const file = `${directory.path}/plans/${crypto.randomUUID()}`;
      emit(plan, file);
      Deno.chmodSync(file, 0o755);
      const { code, signal, stderr, stdout } = await output([file], { as: account });
      // With process 1 the kernel ends the program.
      assert(signal === null || signal === "SIGKILL" && stderr !== "", `${signal}: ${stderr}`);
      assertEquals(processesOf(file), [], "processes are left");
      Deno.removeSync(file);
      // On a terminal of its own all that comes of the program is standard output.
      const lines = `${stderr}${stdout.replaceAll("\r", "")}`.split("\n").slice(0, -1);
      return { code, lines };
    };
    assertEquals(await run(whole), { code: 0, lines: [] });

    let failed = 0;
    const steps = whole.steps.entries().filter(([, { op }]) => !isControl(op));
    const wrong: unknown[] = [];
    const work = async (): Promise<void> => {
      for (const [i, step] of steps) {
        const refused = withStep(whole, i, failing(step));
        const reached = withStep(whole, i, { ...step, op: "exit_group", args: [77] });
        for (let attempt = 1;; attempt++) {
          const { code, lines } = await run(refused);
          if (code !== 0 || lines.length > 0) {
            assertExplained(whole, step, code, lines);
            failed++;
            break;
          }
          if (tolerates(step) || (await run(reached)).code === 0) break;
          // Whether it is reached may depend on who is faster.
          assert(attempt < 20, `${step.op} fails, and that is not noticed`);
        }
      }
    };
    const workers = Array.from(
      { length: atOnce },
      () => work().catch((error) => wrong.push(error)),
    );
    await Promise.all(workers);
    if (wrong.length > 0) throw wrong[0];
    assert(failed > 100, `only ${failed} steps can fail`);
    assertEquals(Deno.readTextFileSync("/proc/self/mountinfo"), mounted);
  }, accounts);
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
  return note.fail !== undefined || note.accept?.includes(EPERM) === true;
}

/** The first line names the step, or one that gives up because of it. */
function assertExplained(plan: Plan, step: Step, code: number, lines: string[]): void {
  const culprits = tolerates(step)
    ? [step, ...plan.steps.filter(({ op }) => op === "raise")]
    : [step];
  const context = `${step.op} ${JSON.stringify(step.note)}: ${code} ${JSON.stringify(lines)}`;
  const explains = (line: string): boolean =>
    culprits.some(({ op, note }) => line.startsWith(`${NAME}: ${note.message ?? op}`)) &&
    line.endsWith(STRERROR);
  const explained = lines.filter(explains);
  assert(explained.length > 0, `not explained: ${context}`);
  const statuses = step.op === "execve" ? [126, 127] : [1, 137];
  // What fails when the program has ended does not change how it ended.
  assert(statuses.includes(code) || code === 0 && lines.length > 0, context);
}

async function prepare(directory: string, owner: number): Promise<void> {
  for (
    const name of [
      "plans",
      "bound",
      "keep",
      "root",
      "root/bin",
      "root/etc",
      "root/proc",
      "root/dev",
    ]
  ) {
    Deno.mkdirSync(`${directory}/${name}`);
  }
  Deno.writeTextFileSync(`${directory}/file`, "");
  const nothing = plan("nothing", (p) => p.call("exit_group", [0]));
  emit(nothing, `${directory}/root/bin/true`);
  await output(["chmod", "-R", "a+rwX", directory]);
  Deno.chmodSync(`${directory}/root/bin/true`, 0o755);
  if (Deno.uid() === 0) await output(["chown", "-R", `${owner}:${owner}`, directory]);
}

/** The processes that run a plan. */
function processesOf(file: string): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => {
    try {
      return pid > 0 && Deno.readLinkSync(`/proc/${pid}/exe`).startsWith(file);
    } catch {
      return false; // it has ended
    }
  });
}
