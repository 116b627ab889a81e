/**
 * Which namespaces there are, and who holds them: processes, descriptors of
 * processes, sockets, mounts, and namespaces below them. See namespaces(7).
 *
 * @module
 */
import { closeAt, ITSELF, name, openAt, statAt } from "../../ffi/at.ts";
import { ENOTTY } from "../../ffi/constants/errno.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDONLY,
} from "../../ffi/constants/fcntl.ts";
import { SyscallError } from "../../ffi/errno.ts";
import {
  ioctl,
  NS_GET_NSTYPE,
  NS_GET_OWNER_UID,
  NS_GET_PARENT,
  NS_GET_USERNS,
  SIOCGSKNS,
} from "../../ffi/ioctl.ts";
import { pidfdGetfd, pidfdOpen } from "../../ffi/pidfd.ts";
import { kindOf, KINDS, type NamespaceKind } from "./kinds.ts";
import { type NamespaceMount, namespaceMounts } from "./mounts.ts";
import { openNetnsIds } from "./netnsid.ts";
import { type Finder, type Process, readProcesses } from "./processes.ts";

/** A namespace. */
export interface Namespace {
  /** Its inode, which tells it from all others. */
  readonly inode: number;
  /** Its kind. */
  readonly kind: NamespaceKind;
  /** The inode of its parent, if it is a user or pid namespace and has one that we may see; or 0. */
  readonly parent: number;
  /** The inode of the user namespace that owns it, if we may see that; or 0. */
  readonly owner: number;
  /** Who made it, if it is a user namespace that was found without a process; or 0. */
  readonly ownerUid: number;
  /** What our network namespace calls it, if it is one and that was asked for. */
  readonly netnsid: number | "unassigned" | undefined;
  /** The processes in it, in the order of their ids. */
  readonly processes: readonly Process[];
}

/** What is asked for. */
export interface Query {
  /** The kinds of namespaces; all if not given. */
  readonly kinds?: readonly NamespaceKind[] | undefined;
  /** Whether ids of network namespaces are wanted. */
  readonly netnsids?: boolean | undefined;
  /** Whether parents and owners are wanted that only their children are known to hold. */
  readonly ancestors?: boolean | undefined;
}

/** What there is. */
export interface Listing {
  /** The namespaces by inode, in the order of the inodes. */
  readonly namespaces: ReadonlyMap<number, Namespace>;
  /** The processes by id. */
  readonly processes: ReadonlyMap<number, Process>;
  /** The files to which namespaces are bound. */
  readonly mounts: readonly NamespaceMount[];
}

/** What a namespace tells of itself. */
type Facts = Pick<Namespace, "parent" | "owner" | "netnsid">;
type Found = Omit<Namespace, "processes"> & { readonly processes: Process[] };

/**
 * Looks at all processes in /proc, and at all mounts of namespaces in our mount
 * namespace. What we may not see is left out.
 *
 * See namespaces(7), lsns(8).
 *
 * @param query what is asked for; all namespaces, if not given
 * @returns the namespaces, the processes and the mounts
 * @throws {SyscallError} when /proc can't be read, or when the kernel is older than 4.9
 *
 * @example
 * ```ts
 * import { listNamespaces } from "@denspace/denspace";
 *
 * for (const { inode, processes } of listNamespaces({ kinds: ["net"] }).namespaces.values()) {
 *   console.log(inode, processes.map(({ pid }) => pid));
 * }
 * ```
 */
export function listNamespaces({ kinds = KINDS, netnsids, ancestors }: Query = {}): Listing {
  using ids = netnsids ? openNetnsIds() : undefined;
  const found = new Map<number, Found>();

  const factsOf = (fd: number, kind: NamespaceKind): Facts => ({
    parent: hasParent(kind) ? inodeBy(fd, NS_GET_PARENT) : 0,
    owner: inodeBy(fd, NS_GET_USERNS),
    netnsid: kind === "net" ? ids?.idOf(fd) : undefined,
  });
  /** Adds an open namespace, and those that it was made in. */
  const add = (fd: number, inode: number): void => {
    const kind = kindOf(tried(() => ioctl(fd, NS_GET_NSTYPE)) ?? 0);
    if (found.has(inode) || kind === undefined || !kinds.includes(kind)) return;
    const facts = factsOf(fd, kind);
    found.set(inode, { inode, kind, ...facts, ownerUid: ownerUid(fd), processes: [] });
    if (facts.parent !== 0) addBy(fd, NS_GET_PARENT);
    if (facts.owner !== 0) addBy(fd, NS_GET_USERNS);
  };
  const addBy = (fd: number, request: number): void =>
    withDescriptor(
      () => ioctl(fd, request),
      (other) => add(other, inodeOf(other)),
    );

  const facts = new Map<number, Facts>();
  const sockets = new Set<number>();
  const finder: Finder = {
    member(kind, inode, open): void {
      if (facts.has(inode)) return;
      withDescriptor(open, (fd) => facts.set(inode, factsOf(fd, kind)));
    },
    descriptor(inode, open): void {
      if (!found.has(inode)) withDescriptor(open, (fd) => add(fd, inode));
    },
    socket(inode, pid, fd): void {
      if (sockets.has(inode)) return;
      sockets.add(inode);
      withNetworkOf(pid, fd, (namespace) => add(namespace, inodeOf(namespace)));
    },
  };
  const processes = readProcesses(kinds, finder);

  for (const process of processes) {
    for (const [kind, inode] of process.namespaces) {
      let namespace = found.get(inode);
      if (!namespace) {
        const { parent = 0, owner = 0, netnsid } = facts.get(inode) ?? {};
        namespace = { inode, kind, parent, owner, netnsid, ownerUid: 0, processes: [] };
        found.set(inode, namespace);
      }
      namespace.processes.push(process);
    }
  }
  const mounts = namespaceMounts();
  for (const { inode, target } of mounts) {
    if (!found.has(inode)) withDescriptor(() => openFile(target), (fd) => add(fd, inode));
  }
  if (ancestors) {
    for (const { kind, parent, owner, processes: [process] } of [...found.values()]) {
      if (!process) continue;
      const open = (): number => openFile(`/proc/${process.pid}/ns/${kind}`);
      if (parent !== 0 && !found.has(parent)) {
        withDescriptor(open, (fd) => addBy(fd, NS_GET_PARENT));
      }
      if (owner !== 0 && !found.has(owner)) {
        withDescriptor(open, (fd) => addBy(fd, NS_GET_USERNS));
      }
    }
  }
  return {
    namespaces: new Map([...found].sort(([a], [b]) => a - b)),
    processes: new Map(processes.map((process) => [process.pid, process])),
    mounts,
  };
}

function hasParent(kind: NamespaceKind): boolean {
  return kind === "user" || kind === "pid";
}

function openFile(path: string): number {
  // What is mounted over a file may be a pipe, which would have us wait.
  return openAt(AT_FDCWD, name(path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/** The inode of what a request opens; 0 if that is not for us to see. */
function inodeBy(fd: number, request: number): number {
  return withDescriptor(() => ioctl(fd, request), inodeOf) ?? 0;
}

function inodeOf(fd: number): number {
  const stat = statAt(fd, ITSELF, AT_EMPTY_PATH);
  return typeof stat === "number" ? 0 : stat.inode;
}

/** Who made a user namespace; 0 for another kind. */
function ownerUid(fd: number): number {
  const uid = new Uint32Array(1);
  tried(() => ioctl(fd, NS_GET_OWNER_UID, new Uint8Array(uid.buffer)));
  return uid[0]!;
}

/** Uses the network namespace of a socket that a process has: Linux 5.6. */
function withNetworkOf(pid: number, socket: number, use: (fd: number) => void): void {
  withDescriptor(
    () => pidfdOpen(pid),
    (process) =>
      withDescriptor(
        () => pidfdGetfd(process, socket),
        (own) => withDescriptor(() => ioctl(own, SIOCGSKNS), use),
      ),
  );
}

/** Opens, uses and closes; `undefined` if it can't be opened. */
function withDescriptor<T>(open: () => number, use: (fd: number) => T): T | undefined {
  const fd = tried(open);
  if (fd === undefined || fd < 0) return undefined;
  try {
    return use(fd);
  } finally {
    closeAt(fd);
  }
}

/**
 * What a call returns, unless it fails: processes end while they are looked at, and
 * much is not for everybody to see. What no kernel from 4.9 on says is an error.
 */
function tried(call: () => number): number | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof SyscallError && error.errno !== ENOTTY) return undefined;
    throw error;
  }
}
