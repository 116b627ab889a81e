/**
 * Runtimes of containers that others have made, and what they need to run here.
 *
 * @module
 */
import type { Config } from "../../sandbox/container/oci.ts";
import { command, type Contestant, exists, patiently } from "./contestant.ts";

/** The runtimes that take a bundle. */
export type Runtime = "runc" | "crun";

/** Where the controllers of version 2 stand, if a machine has both versions of cgroups. */
const CONTROLLERS = "/sys/fs/cgroup/unified/cgroup.controllers";

/**
 * What is in front of crun, and of podman, which runs it: it refuses machines with
 * both versions of cgroups, unless it does not see the controllers of one.
 */
const HIDING: readonly string[] = exists(CONTROLLERS)
  ? [
    ..."/usr/bin/unshare -m --propagation private sh -c".split(" "),
    `mount --bind /dev/null ${CONTROLLERS}; exec "$@"`,
    "sh",
  ]
  : [];

const hiding = HIDING.length > 0
  ? command("hiding the controllers", [...HIDING, "/bin/true"])
  : undefined;

/** A contestant that hides them, without what that takes. */
export function lessHiding(contestant: Contestant): Contestant {
  return { ...contestant, less: hiding };
}

/** The directories in which programs are. */
const PATH = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];

/** The file of a program; an empty name if it is not there. */
export function find(name: string): string {
  return PATH.map((directory) => `${directory}/${name}`).find(exists) ?? "";
}

/**
 * The command line that runs a bundle.
 *
 * @param directory where the bundle goes
 * @param configure makes its configuration of the one that the runtime proposes
 */
export function bundleRun(
  runtime: Runtime,
  directory: string,
  configure: (proposed: Config) => Config,
): string[] {
  const file = find(runtime);
  if (file === "") return [];
  const path = Deno.makeTempDirSync({ dir: directory, prefix: `${runtime}-` });
  new Deno.Command(file, { args: ["spec"], cwd: path }).outputSync();
  const proposed: Config = JSON.parse(Deno.readTextFileSync(`${path}/config.json`));
  Deno.writeTextFileSync(`${path}/config.json`, JSON.stringify(configure(proposed)));
  const id = `bench-${path.slice(path.lastIndexOf("/") + 1)}`;
  return [
    ...(runtime === "crun" ? HIDING : []),
    ...[file, "--root", `${path}/state`, "run", "--bundle", path, id],
  ];
}

/** The cgroup of podman's containers, which it leaves there. */
const PODMANS = `denspace-bench-${Deno.pid}`;

/** The command line in front of a root and a program; what podman keeps goes into the directory. */
export function podmanRun(directory: string): string[] {
  const file = find("podman");
  if (file === "") return [];
  const keep = `${directory}/podman`;
  return [
    ...HIDING,
    ...["/usr/bin/env", "PODMAN_IGNORE_CGROUPSV1_WARNING=1", file],
    ...["--root", `${keep}/root`, "--runroot", `${keep}/run`, "--tmpdir", `${keep}/tmp`],
    ...["run", "--rm", "--network", "none", "--cgroup-parent", `/${PODMANS}`, "--rootfs"],
  ];
}

/** Removes what podman has left. */
export async function cleanUpPodman(): Promise<void> {
  const top = "/sys/fs/cgroup";
  const hierarchies = exists(top) ? [...Deno.readDirSync(top)] : [];
  for (const directory of [top, ...hierarchies.map(({ name }) => `${top}/${name}`)]) {
    for (const left of [`${directory}/${PODMANS}/conmon`, `${directory}/${PODMANS}`]) {
      // Podman goes on with that after its command has ended.
      await patiently(`${left} is in use`, () => !exists(left) || removed(left) || undefined);
    }
  }
}

function removed(directory: string): boolean {
  try {
    Deno.removeSync(directory);
    return true;
  } catch {
    return false;
  }
}
