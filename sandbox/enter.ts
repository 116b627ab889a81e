/**
 * Entering namespaces, see setns(2): those of a process all at once, through a
 * descriptor of the process, and others one by one.
 *
 * @module
 */
import { EINVAL, ESRCH } from "../ffi/constants/errno.ts";
import { O_CLOEXEC, O_RDONLY } from "../ffi/constants/fcntl.ts";
import { NS_GET_USERNS, SIOCGSKNS } from "../ffi/constants/nsfs.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import { type Cell, ERRNO, type Label, type Note } from "../ffi/plan/step.ts";
import { numbered, open, stat } from "./descriptors.ts";
import { NEEDS } from "./kernel.ts";
import { namespaceFlags, type NamespaceName, NAMESPACES } from "./namespaces.ts";
import type { Refusals } from "./refusal.ts";

/** Which namespaces are entered. */
export interface Entered {
  /** The process whose namespaces are entered where nothing else is given. */
  readonly target?: number | undefined;
  /** Its pidfd, if this process has one already. */
  readonly targetFd?: number | undefined;
  /** The inode of its pidfd, by which it is known from others that had the same id: Linux 6.9. */
  readonly targetInode?: bigint | undefined;
  /** The kinds to enter, each with the file of the namespace, or its id, if it is not the target's. */
  readonly namespaces: ReadonlyMap<NamespaceName, string | bigint | undefined>;
  /** The target's descriptor of a socket whose network namespace is entered. */
  readonly netSocket?: number | undefined;
  /** Whether the parent of the user namespace is entered instead. */
  readonly userParent?: boolean | undefined;
}

/** A namespace that has a descriptor of its own. */
export interface OpenNamespace {
  /** Its kind. */
  readonly name: NamespaceName;
  /** The descriptor. */
  readonly fd: Cell;
  /** What is said when it can't be entered, if not that this kind can't be. */
  readonly message?: string;
}

/** What is said when namespaces of the target can't be entered. */
function targetFailed({ target, targetFd }: Entered): string {
  return targetFd === undefined
    ? "reassociate to namespaces failed"
    : `cannot enter the namespaces of process ${target}`;
}

/** Opens the namespaces that are given by file or id, or found from another one. */
export function openNamespaces(p: Builder, want: Entered, refusal: Refusals): OpenNamespace[] {
  const opened: OpenNamespace[] = [];
  for (const [name, source] of want.namespaces) {
    if (source === undefined) continue;
    const fd = typeof source === "string" ? open(p, source) : openById(p, source);
    opened.push({ name, fd });
  }
  if (!want.userParent) return opened;
  const given = opened.find(isUser)?.fd;
  const child = given ?? openOfTarget(p, want, "user", refusal);
  const parent = p.call("ioctl", [child, NS_GET_USERNS, 0], {
    why: "the user namespace in which this one was made",
    message: "failed to open parent namespace",
    ...(!given && { needs: NEEDS.userParent }), // what is given may be no namespace
  });
  return [...opened.filter((each) => !isUser(each)), { name: "user", fd: parent }];
}

/** Opens the namespace with this id, see open_by_handle_at(2): Linux 6.19. */
function openById(p: Builder, id: bigint): Cell {
  // FD_NSFS_ROOT and FILEID_NSFS of the kernel's headers
  const [root, type] = [-10003, 0xf1];
  // a file handle: its size and type; what nsfs puts there: the id, then kind
  // and inode, which are only compared if they are not 0
  const handle = new DataView(new ArrayBuffer(8 + 16));
  handle.setUint32(0, 16, true);
  handle.setInt32(4, type, true);
  handle.setBigUint64(8, id, true);
  const bytes = new Uint8Array(handle.buffer);
  return p.call("open_by_handle_at", [root, bytes, O_RDONLY | O_CLOEXEC], {
    why: "a namespace has an id that no other one ever has",
    message: `cannot open :${id}`,
  });
}

/** Enters the namespaces; `opened` are those that have a descriptor. */
export function enter(
  p: Builder,
  want: Entered,
  opened: readonly OpenNamespace[],
  refusal: Refusals,
): void {
  const { netSocket } = want;
  const names = ofTarget(want);
  const [refused, byFile, entered] = [p.label(), p.label(), p.label()];
  const mustHave = netSocket !== undefined || want.targetInode !== undefined;
  const pidfd = names.length > 0 || mustHave
    ? openProcess(p, want, mustHave ? undefined : byFile)
    : undefined;
  const files = pidfd && netSocket !== undefined
    ? [...opened.filter(({ name }) => name !== "net"), openSocket(p, pidfd, netSocket)]
    : opened;

  if (!pidfd || names.length === 0) return enterAll(p, files);
  const message = targetFailed(want);
  enterAll(p, files, { pidfd, names, refused, byFile, message });
  p.call("close", [pidfd], { why: "what waits needs no hold on the process" });
  p.jump(entered);

  // Before Linux 5.8 setns(2) takes no pidfd.
  p.place(refused);
  p.branch("equal", ERRNO, EINVAL, byFile);
  p.control("raise", [ERRNO], { call: "setns", message });
  // Before Linux 5.3 there is none; and a process that does not exist is named here.
  p.place(byFile);
  const own = names.map((name) => ({
    name,
    fd: openOfTarget(p, want, name, refusal),
    message,
  }));
  if (want.targetFd !== undefined) {
    p.call("pidfd_send_signal", [pidfd, 0, 0, 0], {
      why: "it was that process, and no other one with its id",
      message,
    });
  }
  enterAll(p, [...own, ...files]);
  p.place(entered);
}

/** Opens a process; goes on elsewhere if that fails, when such a place is given. */
function openProcess(
  p: Builder,
  { target, targetFd, targetInode }: Entered,
  fail?: Label,
): Cell {
  if (targetFd !== undefined) return p.control("add", [targetFd, 0]);
  const pidfd = p.call("pidfd_open", [target!, 0], {
    why: "the process, even if its id is given to another one",
    message: `failed to pidfd_open() for ${target}`,
    needs: targetInode === undefined ? NEEDS.othersSocket : NEEDS.pidfdInode,
    ...(fail && { fail }),
  });
  if (targetInode === undefined) return pidfd;
  const { ino } = stat(p, pidfd, ["ino"], {
    why: "no other process ever has this inode",
    message: "failed to fstat() pidfd",
  });
  const same = p.label();
  p.branch("equal", ino, targetInode, same);
  p.control("raise", [ESRCH], {
    call: "pidfd_open",
    message: `no pidfd inode ${targetInode} of process ${target}`,
  });
  p.place(same);
  return pidfd;
}

/** Opens the network namespace of a socket that a process has. */
function openSocket(p: Builder, pidfd: Cell, socket: number): OpenNamespace {
  const own = p.call("pidfd_getfd", [pidfd, socket, 0], {
    why: "share the socket with the process",
    message: "pidfd_getfd(",
    subject: numbered(p, pidfd, `, ${socket})`),
    needs: NEEDS.othersSocket,
  });
  const fd = p.call("ioctl", [own, SIOCGSKNS, 0], {
    why: "the namespace in which the socket was made",
    message: "ioctl(",
    subject: numbered(p, own, ", SIOCGSKNS)"),
  });
  return { name: "net", fd };
}

/** Namespaces of a process, which are entered at once. */
interface AtOnce {
  readonly pidfd: Cell;
  readonly names: readonly NamespaceName[];
  /** Where it goes on when the first setns(2) fails for any reason. */
  readonly refused: Label;
  /** Where it goes on when it may be that the kernel can't do it. */
  readonly byFile: Label;
  /** What is said when they can't be entered. */
  readonly message: string;
}

/**
 * Enters namespaces: those of a process at once, and each that has a descriptor.
 *
 * With a user namespace among them there are two ways. Who has more rights here
 * than there has to enter the others first; who has none here gets them by
 * entering the user namespace first. So whatever can be entered without it is,
 * and then all the rest with it.
 */
function enterAll(p: Builder, opened: readonly OpenNamespace[], process?: AtOnce): void {
  const files = inOrder(opened, ({ name }) => name);
  const others = files.filter((file) => !isUser(file));
  if (others.length === files.length && !process?.names.includes("user")) {
    if (process) enterByPidfd(p, process, process.names, { fail: process.refused });
    for (const file of files) enterByFile(p, file);
    return;
  }
  const retry = process && tryByPidfd(p, process);
  const results = others.map((file) =>
    [file, tried(p, (note) => enterByFile(p, file, note))] as const
  );
  for (const file of files.filter(isUser)) enterByFile(p, file);
  retry?.();
  for (const [file, result] of results) {
    p.when("equal", result, 0, () => {}, () => enterByFile(p, file));
  }
}

/** Enters all but the user namespace of a process, if that can be done; what it returns enters the rest. */
function tryByPidfd(p: Builder, process: AtOnce): () => void {
  const { names, refused, byFile } = process;
  const others = names.filter((name) => name !== "user");
  if (others.length === 0) return () => enterByPidfd(p, process, names, { fail: refused });
  const early = tried(p, (note) => enterByPidfd(p, process, others, note));
  p.branch("equal", early, -EINVAL, byFile);
  const user = names.filter((name) => name === "user");
  return () =>
    p.when(
      "equal",
      early,
      0,
      () => user.length > 0 && enterByPidfd(p, process, user),
      () => enterByPidfd(p, process, names),
    );
}

function enterByPidfd(
  p: Builder,
  { pidfd, message }: AtOnce,
  names: readonly NamespaceName[],
  note: Note = {},
): Cell {
  return setns(p, pidfd, namespaceFlags(names), {
    why: "enter the namespaces of the process, all or none",
    message,
    ...note,
  });
}

function enterByFile(p: Builder, { name, fd, message }: OpenNamespace, note: Note = {}): Cell {
  const { flag, file } = NAMESPACES[name];
  return setns(p, fd, flag, {
    why: "enter this namespace",
    message: message ?? `reassociate to namespace 'ns/${file}' failed`,
    ...note,
  });
}

function setns(p: Builder, fd: Cell, flags: number, note: Note): Cell {
  return p.call("setns", [fd, flags], note);
}

/** Makes a call that may fail; its result. */
export function tried(p: Builder, call: (note: Note) => Cell): Cell {
  const next = p.label();
  const result = call({ fail: next });
  p.place(next);
  return result;
}

/** The kinds that are entered through the target. */
function ofTarget({ namespaces, netSocket, userParent }: Entered): NamespaceName[] {
  const names = [...namespaces.keys()].filter((name) =>
    namespaces.get(name) === undefined &&
    !(name === "net" && netSocket !== undefined) && !(name === "user" && userParent)
  );
  return inOrder(names, (name) => name);
}

/** Sorts by kind: in the order in which namespaces are entered. */
function inOrder<T>(items: readonly T[], kind: (item: T) => NamespaceName): T[] {
  const order = Object.keys(NAMESPACES);
  return [...items].sort((a, b) => order.indexOf(kind(a)) - order.indexOf(kind(b)));
}

function isUser({ name }: OpenNamespace): boolean {
  return name === "user";
}

function openOfTarget(
  p: Builder,
  { target }: Entered,
  name: NamespaceName,
  refusal: Refusals,
): Cell {
  const path = `/proc/${target}/ns/${NAMESPACES[name].file}`;
  return open(p, path, refusal.on(`cannot open ${path}`));
}
