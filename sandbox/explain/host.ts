/**
 * What this host and this process are, as far as system calls depend on it.
 *
 * @module
 */
import { F_GETFD, fcntl, FD_CLOEXEC, O_CLOEXEC, O_RDONLY, open } from "../../ffi/fcntl.ts";
import { optional } from "../../ffi/libc.ts";
import {
  ioctl,
  NS_GET_NSTYPE,
  NS_GET_OWNER_UID,
  NS_GET_PARENT,
  NS_GET_USERNS,
} from "../../ffi/ioctl.ts";
import { fstat } from "../../ffi/stat.ts";
import { close } from "../../ffi/unistd.ts";
import { type MountLine, parseMountinfo } from "../mountinfo.ts";
import { type NamespaceName, NAMESPACES } from "../namespaces.ts";
import { readSmallFile } from "../small_file.ts";

/** A user namespace, as far as privileges depend on it. */
export interface UserNamespace {
  /** What a person calls it. */
  readonly name: string;
  /** The one in which it was made; none for the one in which we are. */
  readonly parent?: UserNamespace;
  /** The user that made it, who has all capabilities in it. */
  readonly owner?: number;
  /** The ids that are known inside: `uid` and `gid`; all if there is none of a kind. */
  readonly maps: { uid?: readonly IdRange[]; gid?: readonly IdRange[] };
  /** Whether setgroups(2) is forbidden inside. */
  setgroupsDenied: boolean;
}

/** Ids of a map: inside, outside, how many. */
export type IdRange = readonly [inside: number, outside: number, count: number];

/** A namespace: its kind, and the user namespace that owns it. */
export interface Namespace {
  readonly owner: UserNamespace;
  /** A number that no other one has, if it is known. */
  readonly inode?: bigint;
}

/** What `denspace` was started as. */
export interface Self {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** The effective capabilities, see capabilities(7). */
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
  /** The signals that are blocked. */
  readonly blocked: bigint;
  /** The descriptors that a program would have. */
  readonly descriptors: readonly number[];
  /** Whether a seccomp filter may refuse what the kernel would allow. */
  readonly filtered: boolean;
}

/** This process, out of proc_pid_status(5). */
export function self(): Self {
  const status = readSmallFile("/proc/self/status") ?? "";
  const field = (name: string): string =>
    new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1]?.trim() ?? "";
  const numbers = (name: string): number[] => field(name).split(/\s+/).filter(Boolean).map(Number);
  const set = (name: string): bigint => BigInt(`0x${field(name) || 0}`);
  return {
    uid: numbers("Uid")[1] ?? 0,
    gid: numbers("Gid")[1] ?? 0,
    groups: numbers("Groups"),
    effective: set("CapEff"),
    permitted: set("CapPrm"),
    inheritable: set("CapInh"),
    blocked: set("SigBlk"),
    descriptors: inheritable(),
    filtered: field("Seccomp") === "2",
  };
}

/** The descriptors that stay open in a program. */
function inheritable(): number[] {
  const LAST = 1024;
  return Array.from({ length: LAST }, (_, fd) => fd)
    .filter((fd) => optional(() => (fcntl(fd, F_GETFD) & FD_CLOEXEC) === 0) ?? false);
}

/** The process that a descriptor of ours stands for, if it does for one. */
export function processAt(fd: number): number | undefined {
  const [, pid] = /^Pid:\t(\d+)$/m.exec(readSmallFile(`/proc/self/fdinfo/${fd}`) ?? "") ?? [];
  return pid === undefined ? undefined : Number(pid);
}

/** The number of the last capability that this kernel has. */
export function lastCapability(): number {
  return Number(readSmallFile("/proc/sys/kernel/cap_last_cap") ?? 40);
}

/** Our own user namespace. */
export function ownUserNamespace(): UserNamespace {
  return {
    name: "this user namespace",
    maps: {},
    setgroupsDenied: readSmallFile("/proc/self/setgroups")?.trim() === "deny",
  };
}

/** The namespace that a file stands for, with the kind that it is; nothing if that can't be found out. */
export function namespaceAt(
  path: string,
  own: UserNamespace,
):
  | { readonly flag: number; readonly namespace: Namespace; readonly user: UserNamespace }
  | undefined {
  return optional(() =>
    withFile(path, (fd) => {
      const flag = ioctl(fd, NS_GET_NSTYPE);
      const inode = fstat(fd).ino;
      const isUser = flag === NAMESPACES.user.flag;
      const user = isUser ? userNamespace(fd, own) : optional(() => {
        const owner = ioctl(fd, NS_GET_USERNS);
        try {
          return userNamespace(owner, own);
        } finally {
          close(owner);
        }
      }) ?? unseen(own);
      return { flag, namespace: { owner: user, inode }, user };
    })
  );
}

/** A user namespace that is not below ours: we have no rights there. */
function unseen(own: UserNamespace): UserNamespace {
  return { ...own, name: "a user namespace that is not below this one", maps: {} };
}

/** The user namespace that a descriptor stands for. */
function userNamespace(fd: number, own: UserNamespace): UserNamespace {
  const { ino } = fstat(fd);
  const here = optional(() => withFile("/proc/self/ns/user", (self) => fstat(self).ino));
  if (ino === here) return own;
  let met = MET.get(own);
  if (!met) MET.set(own, met = new Map());
  const known = met.get(ino);
  if (known) return known;
  const above = ioctl(fd, NS_GET_PARENT);
  try {
    const owner = new Uint8Array(4);
    ioctl(fd, NS_GET_OWNER_UID, owner);
    const found: UserNamespace = {
      name: `user namespace ${ino}`,
      parent: userNamespace(above, own),
      owner: new DataView(owner.buffer).getUint32(0, true),
      // Whoever has no process in it can't know.
      maps: { uid: [[0, 0, 2 ** 32 - 1]], gid: [[0, 0, 2 ** 32 - 1]] },
      setgroupsDenied: false,
    };
    met.set(ino, found);
    return found;
  } finally {
    close(above);
  }
}

/** Those met from a user namespace, so that one is the same wherever it is met. */
const MET = new WeakMap<UserNamespace, Map<bigint, UserNamespace>>();

/** The namespaces of a process, or of this one. */
export function namespacesOf(
  pid: number | "self",
  own: UserNamespace,
): Partial<Record<NamespaceName, Namespace>> {
  const names = Object.keys(NAMESPACES) as NamespaceName[];
  return Object.fromEntries(names.flatMap((name) => {
    const found = namespaceAt(`/proc/${pid}/ns/${NAMESPACES[name].file}`, own);
    return found ? [[name, found.namespace]] : [];
  }));
}

/** Notes which ids a user namespace knows, in which a process is. */
export function learn(user: UserNamespace, pid: number): void {
  const read = (file: string): IdRange[] => parseMap(readSmallFile(`/proc/${pid}/${file}`) ?? "");
  Object.assign(user.maps, { uid: read("uid_map"), gid: read("gid_map") });
  user.setgroupsDenied = readSmallFile(`/proc/${pid}/setgroups`)?.trim() === "deny";
}

/** The ranges of a map, as they are written and read. */
export function parseMap(text: string): IdRange[] {
  return text.split("\n").filter((line) => line.trim() !== "").map((line) =>
    line.trim().split(/\s+/).map(Number) as unknown as IdRange
  );
}

/** The owner of a process's directory in /proc. */
export function ownerOf(pid: number): { uid: number; gid: number } | undefined {
  return optional(() => withFile(`/proc/${pid}`, (fd) => fstat(fd)));
}

/** Whether parts of the proc that is mounted here are hidden by other mounts: then no other is allowed inside. */
export function procIsHidden(): boolean {
  // What is mounted on directories that are empty for good hides nothing.
  return mounts().some(({ path }) =>
    path.startsWith("/proc/") && !/^\/proc\/(sys\/fs\/binfmt_misc|fs\/nfsd)$/.test(path)
  );
}

/** Whether the root of this process is that of its mount namespace; nobody in a chroot may make a user namespace. */
export function isChrooted(): boolean {
  const all = mounts();
  return all.length > 0 && !all.some(({ path }) => path === "/");
}

function mounts(): MountLine[] {
  return parseMountinfo(readSmallFile("/proc/self/mountinfo") ?? "");
}

/** Opens a file for a moment. */
export function withFile<T>(path: string, use: (fd: number) => T): T {
  const fd = open(path, O_RDONLY | O_CLOEXEC);
  try {
    return use(fd);
  } finally {
    close(fd);
  }
}
