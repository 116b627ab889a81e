/**
 * What the bench compares of containers: a static busybox in a root of its own,
 * beside what other runtimes make of the same root, each with its defaults.
 *
 * @module
 */
import { clone, plan, type ProgramOptions } from "../../mod.ts";
import { CAPABILITIES_OF_ROOT } from "../../sandbox/container/defaults.ts";
import type { Config, Resources } from "../../sandbox/container/oci.ts";
import { parseProfile, resolveProfile, type Seccomp } from "../../sandbox/seccomp/profile.ts";
import { command, type Contestant, exists, type Group, tried, works } from "./contestant.ts";
import type { Disk } from "./disk.ts";
import { bundleRun, lessHiding, podmanRun, type Runtime } from "./runtimes.ts";
import { memoryRow, type Row } from "./tables.ts";
import { memoryBeside } from "./waiter.ts";

/** How a container is compared. */
export interface Setting {
  /** Where what is made for it goes. */
  readonly directory: string;
  /** The root of the containers, see {@linkcode makeRoot}. */
  readonly root: string;
  /** The empty script that Deno runs. */
  readonly empty: Contestant;
  /** What is in front of a command of ours. */
  readonly bundled: readonly string[];
  /** What is in front of one, from sources. */
  readonly sources: readonly string[];
  /** The disk on which there can be limits, if there is one. */
  readonly disk: Disk | undefined;
}

/** The filter of system calls that podman gives to a container. */
const PODMANS = "/usr/share/containers/seccomp.json";

const BUSYBOX = "/bin/busybox";

/** What is compared. */
export function containerGroups(setting: Setting): Group[] {
  const { directory, root, empty, bundled, sources } = setting;
  const inRoot = ["run", "--rootfs", root, "--", "true"];
  const ours = command("denspace run --rootfs, bundled", [...bundled, ...inRoot]);
  const copy = command("denspace run, a copy of the machine, bundled", [
    ...bundled,
    "run",
    "--",
    "true",
  ]);
  const bwrap = tried("bwrap", bwrapRun(root, "true"));
  const others = [
    runtime("runc", setting),
    tried("firejail", ["/usr/bin/firejail", ...FIREJAIL, "/bin/true"]),
    // It writes into its root.
    lessHiding(
      tried("podman run", [...podmanRun(directory), makeRoot(`${directory}/podmans`), "/bin/true"]),
    ),
  ];
  return [
    {
      title: "a container",
      rows: [
        [empty],
        [ours, 1.5],
        [copy, 1.5],
        [command("denspace run --rootfs, sources", [...sources, ...inRoot])],
        [bwrap],
      ],
    },
    ...others.map((other): Group => ({
      title: `a container, and ${other.name}`,
      rows: [[other], [ours, 1], [copy, 1]],
    })),
    filters(setting),
    ...limits(setting),
    {
      title: "a container from a script",
      rows: [[bwrap], [{ name: "clone(plan({ root, mounts }))", run: () => cloned(root) }, 1]],
    },
  ];
}

/** What stays in memory beside a program in a container, as lines of a table. */
export async function containersMemory(
  { directory, root, bundled }: Pick<Setting, "directory" | "root" | "bundled">,
  target: number,
): Promise<Row[]> {
  type Command = (program: readonly string[]) => readonly string[];
  const own: Command = (program) => [...bundled, "run", "--rootfs", root, "--", ...program];
  const bundle = (name: Runtime): Command => (program) =>
    bundleRun(name, directory, (proposed) => inRoot(proposed, root, program));
  const podmans = makeRoot(`${directory}/podmans-waiting`);
  const others: [string, Command][] = [
    ["bwrap", (program) => bwrapRun(root, ...program)],
    ["crun run", bundle("crun")],
    ["runc run", bundle("runc")],
    ["firejail", (program) => ["/usr/bin/firejail", ...FIREJAIL, ...program]],
    ["podman run, conmon", (program) => [...podmanRun(directory), podmans, ...program]],
  ];
  const rows = [memoryRow("denspace run", await memoryBeside(own), target)];
  for (const [name, argvOf] of others) {
    const trial = argvOf(["/bin/true"]);
    const there = trial.length > 0 && exists(trial[0]!) && works(name, trial);
    rows.push(memoryRow(name, there ? await memoryBeside(argvOf) : undefined));
  }
  return rows;
}

/** How firejail makes something like a container of ours. */
const FIREJAIL: readonly string[] = "--quiet --net=none --private-dev --".split(" ");

/** How bwrap does. */
function bwrapRun(root: string, ...program: readonly string[]): string[] {
  return [
    ..."/usr/bin/bwrap --unshare-all --die-with-parent --ro-bind".split(" "),
    ...[root, "/", ..."--proc /proc --dev /dev --tmpfs /tmp --".split(" "), ...program],
  ];
}

/** A root with a busybox, and places for what is mounted; its path. */
export function makeRoot(path: string): string {
  for (const name of ["bin", "dev", "proc", "sys", "tmp", "run", "etc", "data"]) {
    Deno.mkdirSync(`${path}/${name}`, { recursive: true });
  }
  Deno.copyFileSync(BUSYBOX, `${path}/bin/busybox`);
  for (const name of ["true", "sleep", "sh", "dd", "head", "nc", "wc"]) {
    Deno.linkSync(`${path}/bin/busybox`, `${path}/bin/${name}`);
  }
  return path;
}

/** What filters of system calls cost; one of one's own has been compiled before. */
function filters(setting: Setting): Group {
  const { root, bundled } = setting;
  const ours = (name: string, ...options: string[]): Contestant =>
    command(name, [...bundled, "run", "--rootfs", root, ...options, "--", "true"]);
  const podmans = podmansFilter();
  const own = podmans
    ? ours("denspace run --seccomp, podman's", "--seccomp", PODMANS)
    : { name: "denspace run --seccomp, podman's", missing: "not installed" };
  return {
    title: "a filter of system calls",
    rows: [
      [ours("denspace run --seccomp unconfined", "--seccomp", "unconfined")],
      [ours("denspace run, the default filter"), 1.05],
      [own, 1.05],
      [lessHiding(runtime("crun", setting))],
      [lessHiding(runtime("crun", setting, { seccomp: podmans }))],
      [runtime("runc", setting)],
      [runtime("runc", setting, { seccomp: podmans })],
    ],
  };
}

/** What limits cost, and a network with a rate. */
function limits(setting: Setting): Group[] {
  const { root, empty, bundled, disk } = setting;
  const options = [
    ..."--memory 64m --cpus 1 --pids-limit 50".split(" "),
    ...disk ? ["--io-max", `${disk.path}:wbps=100m`] : [],
  ];
  const network = "--net veth --net-rate 100mbit".split(" ");
  const what = `memory, CPU, pids${disk ? ", I/O" : ""}`;
  const ours = (name: string, ...more: string[]): Contestant =>
    tried(`denspace run, ${name}`, [
      ...[...bundled, "run", "--rootfs", root, ...options, ...more, "--", "true"],
    ]);
  const [limited, whole] = [ours("limits"), ours("limits, veth with a rate", ...network)];
  const resources: Resources = {
    memory: { limit: 64 * 2 ** 20 },
    cpu: { quota: 100_000, period: 100_000 },
    pids: { limit: 50 },
    ...disk && {
      blockIO: {
        throttleWriteBpsDevice: [{ major: disk.major, minor: disk.minor, rate: 100 * 2 ** 20 }],
      },
    },
  };
  return [
    {
      title: `limits of ${what}, and a network`,
      rows: [[empty], [limited, 1.7], [whole, 1.7]],
    },
    {
      title: `limits of ${what}, and runc with the same`,
      rows: [[runtime("runc", setting, { resources })], [limited, 1], [whole, 1]],
    },
  ];
}

/** What podman's profile is for a container with its usual capabilities. */
function podmansFilter(): Seccomp | undefined {
  try {
    return resolveProfile(parseProfile(Deno.readTextFileSync(PODMANS)), {
      arch: Deno.build.arch,
      kernel: Deno.osRelease(),
      capabilities: CAPABILITIES_OF_ROOT,
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** An OCI runtime with the configuration that its `spec` writes, and a filter or limits. */
function runtime(
  name: Runtime,
  { directory, root }: Setting,
  { seccomp, resources }: { seccomp?: Seccomp | undefined; resources?: Resources } = {},
): Contestant {
  const what = seccomp ? ", podman's filter" : resources ? ", limits" : "";
  const argv = bundleRun(
    name,
    directory,
    (proposed) => inRoot(proposed, root, ["/bin/true"], { seccomp, resources }),
  );
  return tried(`${name} run${what}`, argv);
}

/** What a runtime proposes, with another root and program. */
function inRoot(
  proposed: Config,
  root: string,
  args: readonly string[],
  { seccomp, resources }: { seccomp?: Seccomp | undefined; resources?: Resources | undefined } = {},
): Config {
  const { process, linux } = proposed;
  return {
    ...proposed,
    process: { ...process!, terminal: false, args },
    root: { ...proposed.root, path: root },
    linux: {
      ...linux,
      ...seccomp && { seccomp },
      resources: { ...linux!.resources, ...resources },
    },
  };
}

/** What bwrap does with its options above. */
function cloned(root: string): void {
  const kinds = ["user", "mount", "pid", "ipc", "uts", "net", "cgroup"] as const;
  const options: ProgramOptions = {
    command: "/bin/true",
    root,
    namespaces: Object.fromEntries(kinds.map((kind) => [kind, true])),
    uidMap: "root",
    gidMap: "root",
    mounts: [
      {
        destination: "/proc",
        type: "proc",
        source: "proc",
        options: ["nosuid", "nodev", "noexec"],
      },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["mode=755"] },
      ...["null", "zero", "full", "random", "urandom", "tty"].map((name) => ({
        destination: `/dev/${name}`,
        source: `/dev/${name}`,
        options: ["bind"],
      })),
      { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["newinstance"] },
      { destination: "/tmp", type: "tmpfs", source: "tmpfs" },
    ],
  };
  const { status } = clone(plan(options)).wait();
  if (status !== 0) throw new Error(`clone: status ${status}`);
}
