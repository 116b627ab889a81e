/**
 * A further program in a container that runs: a container, too, that has the
 * namespaces, the cgroups and the filter of the first.
 *
 * @module
 */
import { ENOENT } from "../../ffi/constants/errno.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { readdir } from "../../ffi/dirent.ts";
import { statx } from "../../ffi/stat.ts";
import { geteuid } from "../../ffi/unistd.ts";
import { findHierarchies } from "../cgroup/hierarchies.ts";
import { NAMESPACES } from "../namespaces.ts";
import { readSmallFile } from "../small_file.ts";
import { sharesNamespace } from "../target.ts";
import { LANDLOCK } from "./annotations.ts";
import { OCI_VERSION } from "./defaults.ts";
import { findDescription } from "./description.ts";
import type { Config, NamespaceType, Process } from "./oci.ts";
import type { Existing } from "./plan.ts";
import { KINDS } from "./resolve.ts";

/** A further program: its configuration, and what the container has already. */
export interface Further {
  /** What `containerPlan` is to run. */
  readonly config: Config;
  /** What it has already. */
  readonly existing: Existing;
}

/**
 * A further program in a container.
 *
 * @param pid the supervisor: the process that `denspace run` is
 * @param change makes the program out of the first one
 * @throws {RangeError} when there is no such container, or it is not ours
 */
export function furtherProgram(pid: number, change: (first: Process) => Process): Further {
  const description = trusted(pid) && findDescription(pid);
  if (!description) throw new RangeError(`process ${pid} is no denspace run`);
  const member = lastChild(pid);
  if (member === undefined) throw new RangeError(`the container of process ${pid} has ended`);
  const { process, namespaces, annotations, filter } = description;
  return {
    config: {
      ociVersion: OCI_VERSION,
      process: { ...change(process), terminal: false },
      root: { path: "/" },
      ...(annotations[LANDLOCK] !== undefined &&
        { annotations: { [LANDLOCK]: annotations[LANDLOCK] } }),
      linux: {
        namespaces: (Object.keys(KINDS) as NamespaceType[])
          .filter((type) => namespaces.includes(KINDS[type]))
          .map((type) => ({ type, path: `/proc/${member}/ns/${NAMESPACES[KINDS[type]].file}` })),
      },
    },
    existing: { filter, cgroups: cgroupsOf(member) },
  };
}

/**
 * Whether a process can be believed: what it keeps decides what we run, and where.
 * So it has to be one of ours, and outside of every container.
 */
function trusted(pid: number): boolean {
  try {
    const { uid } = statx(`/proc/${pid}`);
    if (uid !== geteuid()) {
      throw new RangeError(
        `process ${pid} is that of user ${uid}: only who has run it can do that`,
      );
    }
    return (["user", "pid", "mount"] as const).every((name) => sharesNamespace(pid, name));
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== ENOENT) throw error;
    throw new RangeError(`there is no process ${pid}`);
  }
}

/** The child that a process has started last: the program, not the process 1 beside it. */
function lastChild(pid: number): number | undefined {
  const list = readSmallFile(`/proc/${pid}/task/${pid}/children`);
  if (list !== undefined) {
    return list.trim() === "" ? undefined : Number(list.trim().split(" ").at(-1));
  }
  // A kernel without CONFIG_PROC_CHILDREN.
  return readdir("/proc").filter((name) => /^\d+$/.test(name)).map(Number)
    .filter((child) => parentOf(child) === pid).sort((a, b) => startOf(a) - startOf(b)).at(-1);
}

/** The fields of /proc/PID/stat behind the name, from the third on, see proc_pid_stat(5). */
function fieldsOf(pid: number): string[] {
  const text = readSmallFile(`/proc/${pid}/stat`);
  return text === undefined ? [] : text.slice(text.lastIndexOf(")") + 2).split(" ");
}

const parentOf = (pid: number): number => Number(fieldsOf(pid)[1]);
const startOf = (pid: number): number => Number(fieldsOf(pid)[19]);

/** The directories of a process's cgroups, where they are not ours. */
function cgroupsOf(pid: number): string[] {
  const own = findHierarchies().map((hierarchy) => hierarchy.own);
  return findHierarchies((path) =>
    readSmallFile(path === "/proc/self/cgroup" ? `/proc/${pid}/cgroup` : path)
  ).map((hierarchy) => hierarchy.own).filter((directory) => !own.includes(directory));
}
