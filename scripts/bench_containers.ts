/**
 * What bench.ts compares of containers: a static busybox in a root of its own,
 * beside what other runtimes make of the same root, each with its defaults.
 *
 * @module
 */
import { clone, plan, type ProgramOptions } from "../mod.ts";
import type { Contestant, Group } from "./bench.ts";

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
  /** A command line as a contestant. */
  command(name: string, argv: readonly string[]): Contestant;
}

const BUSYBOX = "/bin/busybox";

/** What is compared. */
export function containerGroups({ directory, empty, bundled, sources, command }: Setting): Group[] {
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
    runc(directory, root, command),
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

/** runc with the configuration that `runc spec` writes. */
function runc(directory: string, root: string, command: Setting["command"]): Contestant {
  const file = ["/usr/sbin/runc", "/usr/bin/runc"].find((path) => command("", [path]).run);
  if (file === undefined) return { name: "runc run", run: undefined };
  const bundle = `${directory}/runc`;
  Deno.mkdirSync(`${bundle}/state`, { recursive: true });
  new Deno.Command(file, { args: ["spec", "--bundle", bundle] }).outputSync();
  const config = JSON.parse(Deno.readTextFileSync(`${bundle}/config.json`));
  config.process.terminal = false;
  config.process.args = ["/bin/true"];
  config.root.path = root;
  Deno.writeTextFileSync(`${bundle}/config.json`, JSON.stringify(config));
  const state = `${bundle}/state`;
  return command("runc run", [
    file,
    "--root",
    state,
    "run",
    "--bundle",
    bundle,
    `bench-${Deno.pid}`,
  ]);
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
