/**
 * What the bench compares of the library: from a script that runs, a program in
 * seven new namespaces, beside what else can start one.
 *
 * @module
 */
import {
  clone,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  environment,
  MS_PRIVATE,
  MS_REC,
  type Plan,
  plan,
  type ProgramOptions,
  spawn,
} from "../../mod.ts";
import type { Config } from "../../sandbox/container/oci.ts";
import { type Contestant, type Group, mapRoot, tried } from "./contestant.ts";
import { median, rest } from "./measure.ts";
import { bundleRun, lessHiding, type Runtime } from "./runtimes.ts";

const TRUE = "/bin/true";
const FLAGS = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET |
  CLONE_NEWPID | CLONE_NEWCGROUP;

const OPTIONS: ProgramOptions = {
  command: TRUE,
  namespaces: {
    user: true,
    mount: true,
    uts: true,
    ipc: true,
    net: true,
    pid: true,
    cgroup: true,
  },
  uidMap: "root",
  gidMap: "root",
};

/** What is compared; `directory` takes what has to be made for it. */
export function libraryGroups(
  directory: string,
  loop: string | undefined,
): Group[] {
  /** A command as a script starts it, asynchronously, with what it prints. */
  const command = (name: string, argv: readonly string[]): Contestant => {
    const contestant = tried(name, argv);
    if (!contestant.run) return contestant;
    const [file, ...args] = argv;
    const run = async (): Promise<void> => {
      const { code, stderr } = await new Deno.Command(file!, { args, stdin: "null" }).output();
      if (code !== 0) throw new Error(`${name}: ${new TextDecoder().decode(stderr)}`);
    };
    return { name, run };
  };
  const unshare = command("Deno.Command: unshare", [
    "/usr/bin/unshare",
    ..."-U -r -m -u -i -n -p -f -C".split(" "),
    TRUE,
  ]);
  const bwrap = command("bwrap", [
    "/usr/bin/bwrap",
    ..."--unshare-all --bind / / --".split(" "),
    TRUE,
  ]);
  const python = command("python3 os.unshare", ["/usr/bin/python3", "-c", pythonScript()]);
  const runtime = (name: Runtime): Contestant =>
    command(`${name} run`, bundleRun(name, directory, (proposed) => sameIn(directory, proposed)));
  const [own, ofOptions] = [handMade(), plan(OPTIONS)];
  const byHand = { name: "clone()", run: () => cloned(own, FLAGS) };
  const byOptions = { name: "clone(plan(options))", run: () => cloned(ofOptions, 0) };
  const spawned = { name: "spawn().output()", run: spawns };
  const inC: Contestant = {
    name: "a static C program, in a loop",
    ...(loop ? { run: () => loopInC(loop) } : { missing: "no C compiler" }),
  };
  return [
    {
      title: "from a script",
      rows: [
        [unshare],
        [byHand, 0.7],
        [byOptions, 0.7],
        [spawned, 1],
        [python],
        [lessHiding(runtime("crun"))],
        [runtime("runc")],
      ],
    },
    { title: "from a script, and bubblewrap", rows: [[bwrap], [byHand, 0.6], [byOptions, 0.6]] },
    { title: "from a script, and C", rows: [[inC], [inLoop(byHand), 1.15], [inLoop(byOptions)]] },
  ];
}

/** The plan whose system calls loop.c makes. */
function handMade(): Plan {
  return plan("clone", (p) => {
    mapRoot(p);
    p.call("mount", ["none", "/", 0, MS_REC | MS_PRIVATE, 0]);
    p.call("execve", [TRUE, { list: [TRUE] }, environment(p)]);
    p.call("exit_group", [127]);
  });
}

function cloned(program: Plan, flags: number): void {
  const { status } = clone(program, { flags }).wait();
  if (status !== 0) throw new Error(`clone: status ${status}`);
}

async function spawns(): Promise<void> {
  const program = spawn({ ...OPTIONS, stdin: "null", stdout: "piped", stderr: "piped" });
  const { code } = await program.output();
  if (code !== 0) throw new Error(`spawn: status ${code}`);
}

/** How often a loop turns: it is the turn in the middle that counts. */
const TURNS = 5;

/** What loop.c does. */
function loopInC(file: string): number {
  const { code, stdout } = new Deno.Command(file, { args: [`${TURNS}`, TRUE], stdin: "null" })
    .outputSync();
  if (code !== 0) throw new Error(`loop: status ${code}`);
  return median(new TextDecoder().decode(stdout).trim().split("\n").map(Number));
}

/** The same with something of ours. */
function inLoop({ name, run }: { name: string; run: () => void }): Contestant {
  const turn = (): number => {
    rest();
    const start = performance.now();
    run();
    return performance.now() - start;
  };
  return { name: `${name}, in a loop`, run: () => median(Array.from({ length: TURNS }, turn)) };
}

function pythonScript(): string {
  return `import os
flags = ${FLAGS}
os.unshare(flags)
pid = os.fork()
if pid == 0:
    os.execv("${TRUE}", ["${TRUE}"])
os.waitpid(pid, 0)`;
}

/** A container whose root has what the other ones see of this one. */
function sameIn(directory: string, { ociVersion }: Config): Config {
  const root = `${directory}/least`;
  for (const name of ["bin", "proc", "dev", "sys"]) {
    Deno.mkdirSync(`${root}/${name}`, { recursive: true });
  }
  Deno.copyFileSync("/bin/busybox", `${root}${TRUE}`);
  const types = ["mount", "uts", "ipc", "network", "pid", "cgroup"] as const;
  return {
    ociVersion,
    process: { args: [TRUE], cwd: "/", user: { uid: 0, gid: 0 }, env: ["PATH=/bin"] },
    root: { path: root },
    mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
    linux: { namespaces: types.map((type) => ({ type })) },
  };
}
