/**
 * The cgroup hierarchies of this machine: of version 2 one for all controllers, of
 * version 1 one for each, and often both kinds side by side. See cgroups(7).
 *
 * @module
 */
import { decode } from "../../ffi/bytes.ts";
import { readFile } from "../../ffi/file.ts";
import { optional } from "../../ffi/libc.ts";
import { unescapeField } from "../mountinfo.ts";

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

/** Reads a small file; nothing if there is none, or none for us. */
export type Reader = (path: string) => string | undefined;

/** Reads the files of this machine. */
export function readSmallFile(path: string): string | undefined {
  return optional(() => decode(readFile(path)));
}

/** The hierarchies that are mounted. */
export function findHierarchies(read: Reader = readSmallFile): Hierarchy[] {
  const lines = (path: string): string[] => (read(path) ?? "").split("\n").filter(Boolean);
  const mounts = lines("/proc/self/mountinfo").map(parseMount);
  return lines("/proc/self/cgroup").flatMap((line): Hierarchy[] => {
    // id:controllers:path; the path may have colons
    const [, id, names, path] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined || names!.startsWith("name=")) return [];
    const version = id === "0" ? 2 : 1;
    const wanted = names!.split(",");
    const mount = mounts.find(({ type, options, root }) =>
      type === (version === 2 ? "cgroup2" : "cgroup") && below(root, path) !== undefined &&
      (version === 2 || wanted.every((name) => options.includes(name)))
    );
    if (!mount) return [];
    const own = `${mount.point}${below(mount.root, path)!}`;
    const controllers = version === 1
      ? wanted
      : (read(`${mount.point}/cgroup.controllers`) ?? "").split(/\s+/).filter(Boolean);
    return [{ version, controllers, mount: mount.point, own }];
  });
}

interface Mount {
  root: string;
  point: string;
  type: string;
  options: string[];
}

/** A line of /proc/self/mountinfo, see proc_pid_mountinfo(5). */
function parseMount(line: string): Mount {
  const [first, second] = line.split(" - ") as [string, string];
  const [, , , root, point] = first.split(" ").map(unescapeField) as [
    string,
    string,
    string,
    string,
    string,
  ];
  const [type, , options = ""] = second.split(" ") as [string, string, string?];
  return { root, point, type, options: options.split(",") };
}

/** What is left of a path below a root: nothing, or it begins with a slash. */
function below(root: string, path: string): string | undefined {
  if (root === "/") return path === "/" ? "" : path;
  if (path === root) return "";
  return path.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
}
