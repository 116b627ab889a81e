/**
 * A further program in a container that runs: a container, too, that has the
 * namespaces, the cgroups and the filter of the first.
 *
 * @module
 */
import { readdir } from "../../ffi/dirent.ts";
import { F_SETFD, fcntl } from "../../ffi/fcntl.ts";
import { optional } from "../../ffi/libc.ts";
import { pidfdOpen, pidfdSendSignal } from "../../ffi/pidfd.ts";
import { statx } from "../../ffi/stat.ts";
import { close, geteuid } from "../../ffi/unistd.ts";
import { findHierarchies } from "../cgroup/hierarchies.ts";
import type { IdRanges } from "../idmap.ts";
import { rangesOf } from "../idranges.ts";
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
  /** What `planContainer` is to run. */
  readonly config: Config;
  /** What it has already. */
  readonly existing: Existing;
}

/** What there is to know of a container that runs, to make a further program. */
export interface Running {
  /** The program that it was started with. */
  readonly first: Process;
  /** Its root directory, as a path from here. */
  readonly root: string;
  /** Whether it is in a user namespace that is not ours. */
  readonly inUserNamespace: boolean;
  /** The user ids and the group ids that are known inside. */
  readonly ids: IdRanges;
}

/**
 * A further program in a container.
 *
 * What is looked at are two processes, which stand in /proc under ids that others
 * may get once they have ended. So each is opened first, and has not ended in the
 * end; the namespaces are entered by the descriptor.
 *
 * @param pid the supervisor: the process that `denspace run` is
 * @param make makes the program
 * @throws {RangeError} when there is no such container, or it is not ours
 */
export function furtherProgram(pid: number, make: (container: Running) => Process): Further {
  const supervisor = optional(() => pidfdOpen(pid));
  if (supervisor === undefined) throw new RangeError(`there is no process ${pid}`);
  const description = trusted(pid) && findDescription(pid);
  if (!description) throw new RangeError(`process ${pid} is no denspace run`);
  const child = lastChild(pid);
  const pidfd = child && optional(() => pidfdOpen(child));
  if (child === undefined || pidfd === undefined || parentOf(child) !== pid) throw ended(pid);
  const { process, namespaces, annotations, filter } = description;
  const program = make({
    first: process,
    root: `/proc/${child}/root`,
    inUserNamespace: namespaces.includes("user"),
    ids: { users: rangesOf(child, "uid_map"), groups: rangesOf(child, "gid_map") },
  });
  const cgroups = cgroupsOf(child);
  if (![supervisor, pidfd].every(isThere)) throw ended(pid);
  close(supervisor);
  fcntl(pidfd, F_SETFD, 0); // The plan finds it.
  return {
    config: {
      ociVersion: OCI_VERSION,
      process: program,
      root: { path: "/" },
      ...(annotations[LANDLOCK] !== undefined &&
        { annotations: { [LANDLOCK]: annotations[LANDLOCK] } }),
      linux: {
        namespaces: (Object.keys(KINDS) as NamespaceType[])
          .filter((type) => namespaces.includes(KINDS[type]))
          .map((type) => ({ type, path: `/proc/${child}/ns/${NAMESPACES[KINDS[type]].file}` })),
      },
    },
    existing: { filter, cgroups, member: { pid: child, pidfd } },
  };
}

/** Whether a process that is open is still there, and so its id its own. */
function isThere(pidfd: number): boolean {
  return optional(() => {
    pidfdSendSignal(pidfd, 0);
    return true;
  }) ?? false;
}

function ended(pid: number): RangeError {
  return new RangeError(`the container of process ${pid} has ended`);
}

/**
 * Whether a process can be believed: what it keeps decides what we run, and where.
 * So it has to be one of ours, and outside of every container.
 */
function trusted(pid: number): boolean {
  const { uid } = statx(`/proc/${pid}`);
  if (uid !== geteuid()) {
    throw new RangeError(`process ${pid} is that of user ${uid}: only who has run it can do that`);
  }
  return (["user", "pid", "mount"] as const).every((name) => sharesNamespace(pid, name));
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
