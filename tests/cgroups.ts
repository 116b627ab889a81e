/**
 * Cgroups of tests, below our own, in whatever hierarchies this machine has.
 *
 * @module
 */
import { findHierarchies, type Hierarchy } from "../sandbox/cgroup/hierarchies.ts";
import { assertEquals } from "../scripts/std.ts";
import { missing } from "./container.ts";
import { exists } from "./processes.ts";

/** The hierarchies that are mounted. */
export const HIERARCHIES: readonly Hierarchy[] = findHierarchies();

const unified = HIERARCHIES.find(({ version, controllers }) =>
  version === 2 && controllers.includes("memory")
);

/** Whether limits are kept by cgroups of version 2. */
export const VERSION_2: boolean = unified !== undefined;

/**
 * What is missing for tests of limits, if something is: of version 2 only the root,
 * which has no `cgroup.events`, may have processes and limits below it.
 */
const MISSING = Deno.uid() !== 0
  ? "root"
  : unified && exists(`${unified.own}/cgroup.events`)
  ? "to be started in the root cgroup"
  : missing();

/** Registers a test of limits. */
export function limitsTest(
  name: string,
  fn: () => void | Promise<void>,
  lacks: string | undefined = MISSING,
): void {
  Deno.test({
    name: `root: ${name}${lacks === undefined ? "" : ` (needs ${lacks})`}`,
    ignore: lacks !== undefined,
    fn,
  });
}

/** Cgroups of a test in each hierarchy, and what they are called; nothing may be left in them. */
export interface Parent extends Disposable {
  readonly name: string;
  readonly directories: readonly string[];
}

let count = 0;

/** Makes cgroups, which a user may own. */
export function parent(owner = 0): Parent {
  const name = `test-${Deno.pid}-${count++}`;
  const directories = HIERARCHIES.map(({ own }) => `${own}/${name}`);
  HIERARCHIES.forEach(({ own, controllers, version }, i) => {
    Deno.mkdirSync(directories[i]!);
    if (version === 1 && controllers.includes("cpuset")) {
      for (const file of ["cpuset.cpus", "cpuset.mems"]) {
        Deno.writeTextFileSync(
          `${directories[i]}/${file}`,
          Deno.readTextFileSync(`${own}/${file}`),
        );
      }
    }
    if (version === 2) {
      const all = controllers.map((controller) => `+${controller}`).join(" ");
      Deno.writeTextFileSync(`${own}/cgroup.subtree_control`, all);
    }
    if (owner === 0) return;
    for (const file of ["", "/cgroup.procs", "/tasks", "/cgroup.subtree_control"]) {
      if (exists(directories[i] + file)) Deno.chownSync(directories[i] + file, owner, owner);
    }
  });
  return {
    name,
    directories,
    [Symbol.dispose]: () => {
      const left = directories.flatMap(below);
      for (const directory of [...left, ...directories]) Deno.removeSync(directory);
      assertEquals(left, [], "cgroups are left");
    },
  };
}

/** The cgroups in a cgroup. */
export function below(directory: string): string[] {
  return [...Deno.readDirSync(directory)].filter(({ isDirectory }) => isDirectory)
    .map(({ name }) => `${directory}/${name}`);
}
