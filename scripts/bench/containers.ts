/**
 * What the bench compares of containers: a static busybox in a root of its own,
 * beside what other runtimes make of the same root, each with its defaults.
 *
 * @module
 */
import { clone, plan, type ProgramOptions } from "../../mod.ts";
import { CAPABILITIES_OF_ROOT } from "../../sandbox/container/defaults.ts";
import type { Resources } from "../../sandbox/container/oci.ts";
import { parseProfile, resolveProfile, type Seccomp } from "../../sandbox/seccomp/profile.ts";
import { command, type Contestant, type Group } from "./contestant.ts";

/** How a container is compared. */
export interface Setting {
  /** Where what is made for it goes. */
  readonly directory: string;
  /** The empty script that Deno runs. */
  readonly empty: Contestant;
  /** What is in front of a command of ours. */
  readonly bundled: readonly string[];
  /** What is in front of one, from sources. */
  readonly sources: readonly string[];
}

/** The filter of system calls that podman gives to a container. */
const PODMANS = "/usr/share/containers/seccomp.json";

const BUSYBOX = "/bin/busybox";

/** What is compared. */
export function containerGroups({ directory, empty, bundled, sources }: Setting): Group[] {
  const root = makeRoot(`${directory}/container`);
  const inRoot = ["run", "--rootfs", root, "--", "true"];
  const ours = command("denspace run --rootfs, bundled", [...bundled, ...inRoot]);
  const copy = command("denspace run, a copy of the machine, bundled", [
    ...bundled,
    "run",
    "--",
    "true",
  ]);
  const others = [
    command("bwrap", [
      ..."/usr/bin/bwrap --unshare-all --die-with-parent --ro-bind".split(" "),
      ...[root, "/", ..."--proc /proc --dev /dev --tmpfs /tmp -- /bin/true".split(" ")],
    ]),
    runtime("runc", directory, root),
    command("firejail", [
      ..."/usr/bin/firejail --quiet --noprofile --net=none --private-dev --".split(" "),
      "/bin/true",
    ]),
    command("podman run", [
      ..."/usr/bin/podman run --rm --network none --rootfs".split(" "),
      ...[root, "/bin/true"],
    ]),
  ] as const;
  const [bwrap, ...slow] = others;
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
    ...slow.map((other): Group => ({
      title: `a container, and ${other.name}`,
      rows: [[other], [ours, 1], [copy, 1]],
    })),
    filters(directory, root, bundled),
    ...limits(directory, root, empty, bundled),
    {
      title: "a container from a script",
      rows: [[bwrap], [{ name: "clone(plan({ root, mounts }))", run: () => cloned(root) }, 1]],
    },
  ];
}

/** A root with a busybox that is `true`, and places for what is mounted. */
function makeRoot(path: string): string {
  for (const name of ["bin", "dev", "proc", "sys", "tmp", "run", "etc"]) {
    Deno.mkdirSync(`${path}/${name}`, { recursive: true });
  }
  Deno.copyFileSync(BUSYBOX, `${path}/bin/true`);
  return path;
}

/** What filters of system calls cost; one of one's own has been compiled before. */
function filters(
  directory: string,
  root: string,
  bundled: readonly string[],
): Group {
  const ours = (name: string, ...options: string[]): Contestant =>
    command(name, [...bundled, "run", "--rootfs", root, ...options, "--", "true"]);
  const podmans = podmansFilter();
  const own = podmans
    ? ours("denspace run --seccomp, podman's", "--seccomp", PODMANS)
    : { name: "denspace run --seccomp, podman's", run: undefined };
  return {
    title: "a filter of system calls",
    rows: [
      [ours("denspace run --seccomp unconfined", "--seccomp", "unconfined")],
      [ours("denspace run, the default filter"), 1.05],
      [own, 1.05],
      [runtime("crun", directory, root)],
      [runtime("crun", directory, root, podmans && { seccomp: podmans })],
      [runtime("runc", directory, root)],
      [runtime("runc", directory, root, podmans && { seccomp: podmans })],
    ],
  };
}

/** What limits cost, and a network with a rate: in a network namespace that stands for the machine's. */
function limits(
  directory: string,
  root: string,
  empty: Contestant,
  bundled: readonly string[],
): Group[] {
  const options = "--memory 64m --cpus 1 --pids-limit 50".split(" ");
  const network = "--net veth --net-rate 100mbit".split(" ");
  const ours = (name: string, ...more: string[]): Contestant =>
    command(`denspace run, ${name}`, [
      ...["/usr/bin/unshare", "--net", ...bundled, "run", "--rootfs", root],
      ...[...options, ...more, "--", "true"],
    ]);
  const [limited, whole] = [ours("limits"), ours("limits, veth with a rate", ...network)];
  const resources: Resources = {
    memory: { limit: 64 * 2 ** 20 },
    cpu: { quota: 100_000, period: 100_000 },
    pids: { limit: 50 },
  };
  return [
    { title: "limits and a network", rows: [[empty], [limited, 1.7], [whole, 1.7]] },
    {
      title: "limits, and runc with the same",
      rows: [[runtime("runc", directory, root, { resources })], [limited, 1], [whole, 1]],
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

/** crun refuses hosts with both versions of cgroups, unless it does not see the controllers of one. */
const HIDING = [
  ..."/usr/bin/unshare -m --propagation private sh -c".split(" "),
  'file=/sys/fs/cgroup/unified/cgroup.controllers; [ ! -e $file ] || mount --bind /dev/null $file; exec "$@"',
  "sh",
];

/** An OCI runtime with the configuration that its `spec` writes, and a filter or limits. */
function runtime(
  name: "runc" | "crun",
  directory: string,
  root: string,
  { seccomp, resources }: { seccomp?: Seccomp; resources?: Resources } = {},
): Contestant {
  const what = seccomp ? ", podman's filter" : resources ? ", limits" : "";
  const shown = `${name} run${what}`;
  const file = [`/usr/sbin/${name}`, `/usr/bin/${name}`].find((path) => command("", [path]).run);
  if (file === undefined) return { name: shown, run: undefined };
  const id = `${name}${what.replaceAll(/\W+/g, "-")}`;
  const bundle = `${directory}/${id}`;
  const state = `${bundle}/state`;
  Deno.mkdirSync(state, { recursive: true });
  new Deno.Command(file, { args: ["spec"], cwd: bundle }).outputSync();
  const config = JSON.parse(Deno.readTextFileSync(`${bundle}/config.json`));
  config.process.terminal = false;
  config.process.args = ["/bin/true"];
  config.root.path = root;
  if (seccomp) config.linux.seccomp = seccomp;
  config.linux.resources = { ...config.linux.resources, ...resources };
  Deno.writeTextFileSync(`${bundle}/config.json`, JSON.stringify(config));
  const hiding = name === "crun" ? HIDING : [];
  const run = [...hiding, file, "--root", state, "run", "--bundle", bundle];
  return command(shown, [...run, `bench-${Deno.pid}-${id}`]);
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
