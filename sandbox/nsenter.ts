/**
 * nsenter(1) as a plan: a program in the namespaces of another process.
 *
 * @module
 */
import { EINVAL, EPERM } from "../ffi/constants/errno.ts";
import { AT_FDCWD, O_CLOEXEC, O_RDONLY } from "../ffi/constants/fcntl.ts";
import { type Builder, plan } from "../ffi/plan/builder.ts";
import type { Cell, Note, Plan } from "../ffi/plan/step.ts";
import { changeGroup, changeUser, dropGroups } from "./credentials.ts";
import { namespaceFlags, type NamespaceName, NAMESPACES } from "./namespaces.ts";
import { nameProcess, type Program, runProgram } from "./program.ts";
import { expectChild, fork, waitFor } from "./waiter.ts";

/** What is wanted of {@linkcode nsenterPlan}. */
export interface Nsenter {
  /** The name by which the program is known, with which its messages begin. */
  readonly name: string;
  /** The process whose namespaces are entered where no file is given. */
  readonly target?: number | undefined;
  /** The namespaces to enter, each with its file if it is not the target's. */
  readonly namespaces: ReadonlyMap<NamespaceName, string | undefined>;
  /** The directory that becomes the root, as a path from where we are. */
  readonly root?: string | undefined;
  /** The working directory, as a path from where we are. */
  readonly workingDirectory?: string | undefined;
  /** Whether the program is run by a child. */
  readonly fork: boolean;
  /** Whether a new user namespace leaves the ids alone, instead of making them 0. */
  readonly preserveCredentials: boolean;
  /** The group id to change to. */
  readonly setgid?: number | undefined;
  /** The user id to change to. */
  readonly setuid?: number | undefined;
  /** Whether ids that the user namespace does not allow are left as they are. */
  readonly lenientIds?: boolean | undefined;
  /** The program; the user's shell if there is none. */
  readonly program?: Program | undefined;
  /** What else is tried when there is no program and SHELL can't be run. */
  readonly shells?: readonly string[] | undefined;
}

/** The plan of a program in the namespaces of another process. */
export function nsenterPlan(want: Nsenter): Plan {
  const newIds = want.namespaces.has("user") && !want.preserveCredentials;
  const gid = want.setgid ?? (newIds ? 0 : undefined);
  const uid = want.setuid ?? (newIds ? 0 : undefined);

  return plan(want.name, (p) => {
    nameProcess(p, want.name);
    const files = byFile(want).map(([name, path]): OpenNamespace => [name, open(p, path)]);
    const root = want.root === undefined ? undefined : open(p, want.root);
    const directory = want.workingDirectory === undefined
      ? undefined
      : open(p, want.workingDirectory);
    const groups = newIds ? tryDropGroups(p) : undefined;

    enter(p, want, files);
    if (root) changeRoot(p, root, directory === undefined);
    if (directory) changeDirectory(p, directory);
    if (want.fork) {
      expectChild(p);
      fork(
        p,
        (child) => waitFor(p, child, { relayStop: true, unblock: false }),
        "only a child is in the entered pid namespace",
      );
    }
    const ids = want.lenientIds ? { accept: [EPERM, EINVAL] } : {};
    if (gid !== undefined) {
      const refused = tryDropGroups(p);
      if (groups && !want.lenientIds) mustHaveDropped(p, groups, refused);
      changeGroup(p, gid, ids);
    }
    if (uid !== undefined) changeUser(p, uid, ids);
    runProgram(p, want.program, want);
  });
}

/** A namespace and the descriptor of its file. */
type OpenNamespace = readonly [name: NamespaceName, fd: Cell];

/** Opens a file or directory for reading. */
function open(p: Builder, path: string): Cell {
  return p.call("openat", [AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0], {
    message: `cannot open ${path}`,
  });
}

function byFile({ namespaces }: Nsenter): [NamespaceName, string][] {
  return [...namespaces].flatMap(([name, path]) => path === undefined ? [] : [[name, path]]);
}

function ofTarget({ namespaces }: Nsenter): NamespaceName[] {
  return inOrder([...namespaces.keys()].filter((name) => namespaces.get(name) === undefined));
}

function inOrder(names: readonly NamespaceName[]): NamespaceName[] {
  const order = Object.keys(NAMESPACES) as NamespaceName[];
  return order.filter((name) => names.includes(name));
}

/** Enters the namespaces, those of the target through its pidfd where there are any. */
function enter(p: Builder, want: Nsenter, files: readonly OpenNamespace[]): void {
  const names = ofTarget(want);
  if (names.length === 0) return enterAll(p, [], undefined, files);

  const [noPidfd, entered] = [p.label(), p.label()];
  const pidfd = p.call("pidfd_open", [want.target!, 0], {
    why: "the process, even if its id is given to another one",
    fail: noPidfd,
  });
  enterAll(p, names, pidfd, files);
  p.jump(entered);

  // Before Linux 5.3; and a process that does not exist is named in the message.
  p.place(noPidfd);
  const opened = names.map((name): OpenNamespace => [
    name,
    open(p, `/proc/${want.target}/ns/${NAMESPACES[name].file}`),
  ]);
  enterAll(p, [], undefined, [...opened, ...files]);
  p.place(entered);
}

/**
 * Enters namespaces: those of a process at once, then each that has a file.
 *
 * With a user namespace among them there are two ways. Who has more rights here
 * than there has to enter the others first; who has none here gets them by
 * entering the user namespace first. So whatever can be entered without it is,
 * and then all the rest with it.
 */
function enterAll(
  p: Builder,
  names: readonly NamespaceName[],
  pidfd: Cell | undefined,
  files: readonly OpenNamespace[],
): void {
  const isUser = ([name]: OpenNamespace) => name === "user";
  const first = inOrder(files.map(([name]) => name)).map((name) =>
    files.find(([other]) => other === name)!
  );
  if (!names.includes("user") && !files.some(isUser)) {
    if (pidfd) enterByPidfd(p, pidfd, names);
    for (const file of first) enterByFile(p, file);
    return;
  }

  const others = names.filter((name) => name !== "user");
  const early = pidfd && others.length > 0
    ? tried(p, (note) => setns(p, pidfd, namespaceFlags(others), note))
    : undefined;
  const results = first.filter((file) => !isUser(file)).map((file) =>
    [file, tried(p, (note) => setns(p, file[1], NAMESPACES[file[0]].flag, note))] as const
  );

  if (pidfd) {
    const user = names.filter((name) => name === "user");
    if (early) {
      p.when(
        "equal",
        early,
        0,
        () => user.length > 0 && enterByPidfd(p, pidfd, user),
        () => enterByPidfd(p, pidfd, names),
      );
    } else {
      enterByPidfd(p, pidfd, names);
    }
  }
  for (const file of first.filter(isUser)) enterByFile(p, file);
  for (const [file, result] of results) {
    p.when("equal", result, 0, () => {}, () => enterByFile(p, file));
  }
}

function setns(p: Builder, fd: Cell, flags: number, note: Note): Cell {
  return p.call("setns", [fd, flags], note);
}

function enterByPidfd(p: Builder, pidfd: Cell, names: readonly NamespaceName[]): void {
  setns(p, pidfd, namespaceFlags(names), {
    why: "enter the namespaces of the process, all or none",
    message: "reassociate to namespaces failed",
  });
}

function enterByFile(p: Builder, [name, fd]: OpenNamespace): void {
  const { flag, file } = NAMESPACES[name];
  setns(p, fd, flag, { message: `reassociate to namespace 'ns/${file}' failed` });
}

/** Makes a call that may fail; its result. */
function tried(p: Builder, call: (note: Note) => Cell): Cell {
  const next = p.label();
  const result = call({ fail: next });
  p.place(next);
  return result;
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
  p.control("raise", [p.control("sub", [0, after])], { message: "setgroups failed" });
  p.place(dropped);
}

/** Makes an open directory the root. The working directory stays if `stay`, else it is the root. */
function changeRoot(p: Builder, root: Cell, stay: boolean): void {
  const here = stay
    ? p.call("openat", [AT_FDCWD, ".", O_RDONLY | O_CLOEXEC, 0], {
      message: "cannot open current working directory",
    })
    : undefined;
  p.call("fchdir", [root], {
    message: "change directory by root file descriptor failed",
  });
  p.call("chroot", ["."], { why: "the root of the process", message: "chroot failed" });
  p.call("chdir", ["/"], { message: "change directory by root failed" });
  if (here) changeDirectory(p, here);
}

function changeDirectory(p: Builder, directory: Cell): void {
  p.call("fchdir", [directory], {
    message: "change directory by working directory file descriptor failed",
  });
}
