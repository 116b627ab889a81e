/**
 * nsenter(1) as a plan: a program in the namespaces of another process.
 *
 * @module
 */
import { encode } from "../ffi/bytes.ts";
import { EINVAL, ENOENT, EPERM } from "../ffi/constants/errno.ts";
import { AT_FDCWD, O_CLOEXEC, O_WRONLY } from "../ffi/constants/fcntl.ts";
import { type Builder, plan } from "../ffi/plan/builder.ts";
import type { Cell, Plan } from "../ffi/plan/step.ts";
import { keepCapabilities } from "./capabilities.ts";
import { changeGroup, changeUser, dropGroups } from "./credentials.ts";
import { open, stat } from "./descriptors.ts";
import { enter, type Entered, openNamespaces, tried } from "./enter.ts";
import { writeFile } from "./files.ts";
import { missingKind, NEEDS } from "./kernel.ts";
import { nameProcess, type Program, runProgram } from "./program.ts";
import { refusals } from "./refusal.ts";
import { expectChild, fork, waitFor } from "./waiter.ts";

/** An id to change to; `"follow"` is the one that the target has, as it is seen inside. */
export type NewId = number | "follow";

/** What is wanted of {@linkcode nsenterPlan}. */
export interface Nsenter extends Entered {
  /** The name by which the program is known, with which its messages begin. */
  readonly name: string;
  /** The SELinux context in which the program runs. */
  readonly securityContext?: string | undefined;
  /** The directory that becomes the root, as a path from where we are. */
  readonly root?: string | undefined;
  /** The working directory, as a path from where we are. */
  readonly workingDirectory?: string | undefined;
  /** The working directory, as a path within the namespaces and the root. */
  readonly insideDirectory?: string | undefined;
  /** The cgroup to join: its file of processes, as a path from where we are. */
  readonly cgroup?: string | undefined;
  /** Whether the program is run by a child. */
  readonly fork: boolean;
  /** Whether a new user namespace leaves the ids alone, instead of making them 0. */
  readonly preserveCredentials: boolean;
  /** Whether capabilities of the new user namespace survive the execution. */
  readonly keepCapabilities?: boolean | undefined;
  /** The group id to change to. */
  readonly setgid?: NewId | undefined;
  /** The user id to change to. */
  readonly setuid?: NewId | undefined;
  /** Whether ids that the user namespace does not allow are left as they are. */
  readonly lenientIds?: boolean | undefined;
  /** The whole environment; as it is if absent. */
  readonly environment?: readonly string[] | undefined;
  /** The program; the user's shell if there is none. */
  readonly program?: Program | undefined;
  /** What else is tried when there is no program and SHELL can't be run. */
  readonly shells?: readonly string[] | undefined;
}

/** The plan of a program in the namespaces of another process. */
export function nsenterPlan(want: Nsenter): Plan {
  const { name, target, root, workingDirectory, insideDirectory, cgroup } = want;
  const hasUser = want.namespaces.has("user");
  const newIds = hasUser && !want.preserveCredentials;
  const gid = want.setgid ?? (newIds ? 0 : undefined);
  const uid = want.setuid ?? (newIds ? 0 : undefined);
  const follows = gid === "follow" || uid === "follow";

  return plan(name, (p) => {
    nameProcess(p, name);
    if (want.securityContext !== undefined) setSecurityContext(p, want.securityContext);
    const refusal = refusals(p, name, [missingKind(want.namespaces.keys(), ENOENT)]);
    const namespaces = openNamespaces(p, want, refusal);
    const newRoot = root === undefined ? undefined : open(p, root);
    const directory = workingDirectory === undefined ? undefined : open(p, workingDirectory);
    const process = follows ? open(p, `/proc/${target}/`) : undefined;
    const processes = cgroup === undefined ? undefined : openCgroup(p, cgroup);
    const groups = newIds ? tryDropGroups(p) : undefined;

    enter(p, want, namespaces, refusal);
    const stays = directory === undefined && insideDirectory === undefined;
    if (newRoot) changeRoot(p, newRoot, stays);
    if (insideDirectory !== undefined) changeDirectory(p, openInside(p, insideDirectory));
    else if (directory) changeDirectory(p, directory);
    if (processes) joinCgroup(p, processes);
    const ids = process && ownerOf(p, process);
    if (want.fork) {
      expectChild(p);
      fork(
        p,
        (child) => waitFor(p, child, { relayStop: true, unblock: false }),
        "only a child is in the entered pid namespace",
      );
    }
    const note = want.lenientIds ? { accept: [EPERM, EINVAL] } : {};
    if (gid !== undefined) {
      const refused = tryDropGroups(p);
      if (groups && !want.lenientIds) mustHaveDropped(p, groups, refused);
      changeGroup(p, gid === "follow" ? ids!.gid : gid, note);
    }
    if (uid !== undefined) changeUser(p, uid === "follow" ? ids!.uid : uid, note);
    if (want.keepCapabilities && hasUser) keepCapabilities(p);
    runProgram(p, want.program, want);
    refusal.write();
  });
}

/** Sets the SELinux context of the program that is run next, see proc_pid_attr(5). */
function setSecurityContext(p: Builder, context: string): void {
  const message = `failed to set exec context to '${context}'`;
  const bytes = encode(context);
  writeFile(p, "/proc/self/attr/exec", bytes, bytes.length, {
    why: "the program has the SELinux context of the process",
    open: { message },
    write: { message },
  });
}

/** The owner of a process, whose directory in /proc is open. */
function ownerOf(p: Builder, directory: Cell): Record<"uid" | "gid", Cell> {
  return stat(p, directory, ["uid", "gid"], {
    why: "the ids of the process, as they are seen in this user namespace",
    message: "can not get process stat",
    needs: NEEDS.owner,
  });
}

function openCgroup(p: Builder, path: string): Cell {
  return p.call("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0], {
    why: "the cgroup of the process; inside, the path may be another one",
    message: "failed to open cgroup.procs",
  });
}

/** Joins a cgroup, see cgroups(7). */
function joinCgroup(p: Builder, processes: Cell): void {
  p.call("write", [processes, "0", 1], {
    why: "join the cgroup: 0 is whoever writes it",
    message: "write cgroup.procs failed",
  });
}

/** Drops the groups if that is allowed; 0 or `-errno`. */
function tryDropGroups(p: Builder): Cell {
  return tried(p, (note) => dropGroups(p, note));
}

/** Groups may be dropped on either side of a user namespace's border, but must be. */
function mustHaveDropped(p: Builder, before: Cell, after: Cell): void {
  const dropped = p.label();
  p.branch("equal", before, 0, dropped);
  p.branch("equal", after, 0, dropped);
  p.control("raise", [p.control("sub", [0, after])], {
    call: "setgroups",
    message: "setgroups failed",
  });
  p.place(dropped);
}

/** Makes an open directory the root. The working directory stays if `stay`, else it is the root. */
function changeRoot(p: Builder, root: Cell, stay: boolean): void {
  const here = stay ? openInside(p, ".") : undefined;
  p.call("fchdir", [root], {
    why: "chroot(2) takes a path: this is where it leads from",
    message: "change directory by root file descriptor failed",
  });
  p.call("chroot", ["."], { why: "the root of the process", message: "chroot failed" });
  p.call("chdir", ["/"], {
    why: "be within the new root",
    message: "cannot change directory to /",
  });
  if (here) changeDirectory(p, here);
}

/** Opens what is to be the working directory. */
function openInside(p: Builder, path: string): Cell {
  return open(p, path, {
    why: "what is to be the working directory",
    message: "cannot open current working directory",
  });
}

function changeDirectory(p: Builder, directory: Cell): void {
  p.call("fchdir", [directory], {
    why: "the working directory of the program",
    message: "change directory by working directory file descriptor failed",
  });
}
