/**
 * The cgroup hierarchies of this machine: of version 2 one for all controllers, of
 * version 1 one for each, and often both kinds side by side. See cgroups(7).
 *
 * @module
 */
import { parseMountinfo } from "../mountinfo.ts";
import { type Reader, readSmallFile } from "../small_file.ts";

/** A hierarchy, as far as this process can see it. */
export interface Hierarchy {
  /** Its version. */
  readonly version: 1 | 2;
  /** What can be controlled in it, as it is called there: `memory`, `blkio` or `io`, ... */
  readonly controllers: readonly string[];
  /** Where it is mounted: the directory of the topmost cgroup that can be seen. */
  readonly mount: string;
  /** The directory of this process's own cgroup. */
  readonly own: string;
}

/** The hierarchies that are mounted. */
export function findHierarchies(read: Reader = readSmallFile): Hierarchy[] {
  const mounts = parseMountinfo(read("/proc/self/mountinfo") ?? "", "cgroup");
  const lines = (read("/proc/self/cgroup") ?? "").split("\n").filter(Boolean);
  return lines.flatMap((line): Hierarchy[] => {
    // id:controllers:path; the path may have colons
    const [, id, names, path] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined || names!.startsWith("name=")) return [];
    const version = id === "0" ? 2 : 1;
    const wanted = names!.split(",");
    const mount = mounts.find(({ type, superOptions, root }) =>
      type === (version === 2 ? "cgroup2" : "cgroup") && below(root, path) !== undefined &&
      (version === 2 || wanted.every((name) => superOptions.includes(name)))
    );
    if (!mount) return [];
    const own = `${mount.path}${below(mount.root, path)!}`;
    const controllers = version === 1
      ? wanted
      : (read(`${mount.path}/cgroup.controllers`) ?? "").split(/\s+/).filter(Boolean);
    return [{ version, controllers, mount: mount.path, own }];
  });
}

/** What is left of a path below a root: nothing, or it begins with a slash. */
function below(root: string, path: string): string | undefined {
  if (root === "/") return path === "/" ? "" : path;
  if (path === root) return "";
  return path.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
}
