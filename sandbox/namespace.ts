/**
 * Namespaces as values, see namespaces(7).
 *
 * @module
 */
import { decode } from "../ffi/bytes.ts";
import { EEXIST, EINVAL, ENOENT, EPERM } from "../ffi/constants/errno.ts";
import { SyscallError } from "../ffi/errno.ts";
import {
  F_DUPFD_CLOEXEC,
  fcntl,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  open,
} from "../ffi/fcntl.ts";
import { readFile } from "../ffi/file.ts";
import {
  ioctl,
  NS_GET_NSTYPE,
  NS_GET_OWNER_UID,
  NS_GET_PARENT,
  NS_GET_USERNS,
} from "../ffi/ioctl.ts";
import { MNT_DETACH, mount, MS_BIND, umount } from "../ffi/mount.ts";
import { pidfdSendSignal } from "../ffi/pidfd.ts";
import { fstat } from "../ffi/stat.ts";
import { close, unlink } from "../ffi/unistd.ts";
import { type NamespaceName, NAMESPACES } from "./namespaces.ts";
import { show } from "./spawn/values.ts";

/**
 * A namespace that is held open: it exists as long as this value is not
 * disposed of, even if no process is in it any more.
 */
export interface Namespace extends Disposable {
  /** Its descriptor, close-on-exec; -1 once this value is disposed of. */
  readonly fd: number;
  /** Its kind. */
  readonly type: NamespaceName;
  /** Its inode, the number in `uts:[4026531838]`. Another one may get it once this one is gone. */
  readonly id: bigint;
  /** The user namespace that owns it; `null` if that is none of ours or below. */
  owner(): Namespace | null;
  /** The namespace in which it was made, if it is a pid or user namespace; `null` if that is none of ours or below. */
  parent(): Namespace | null;
  /** The user, as our user namespace has it, who made it, if it is a user namespace. */
  ownerUid(): number;
  /** Whether the other is the same namespace. */
  equals(other: Namespace): boolean;
  /** Binds it to a file, which is made if it is not there: there it exists until {@linkcode unpin}. */
  pin(path: string): void;
}

/** Where a namespace is found. */
export type NamespaceSource =
  /** A file of /proc/PID/ns, or one that a namespace is bound to. */
  | { readonly path: string }
  /** An open one of these, which stays the caller's. */
  | { readonly fd: number }
  /** The one of this kind that a process is in. */
  | { readonly pid: number; readonly type: NamespaceName }
  /** The same of a process that is open, see `pidfdOpen`. */
  | { readonly pidfd: number; readonly type: NamespaceName };

/**
 * Opens a namespace.
 *
 * See namespaces(7) and ioctl_ns(2).
 *
 * @param source where it is found
 * @returns the namespace; the caller disposes of it, best with `using`
 * @throws {SyscallError} when it can't be opened: ENOENT, EACCES, ESRCH; ENOTTY
 *   when it is something else
 * @throws {TypeError | RangeError} when the source is none
 *
 * @example
 * ```ts
 * import { getpid, openNamespace } from "@denspace/denspace";
 *
 * using own = openNamespace({ pid: getpid(), type: "uts" });
 * using same = openNamespace({ path: "/proc/self/ns/uts" });
 * console.log(own.type, own.id, own.equals(same)); // uts 4026531838n true
 * ```
 */
export function openNamespace(source: NamespaceSource): Namespace {
  if (typeof source !== "object" || source === null) {
    throw new TypeError(
      `a namespace is found by { path } or { pid, type }, not by ${show(source)}`,
    );
  }
  if ("path" in source) return wrap(openFile(source.path));
  if ("fd" in source) return wrap(fcntl(source.fd, F_DUPFD_CLOEXEC));
  const file = fileOf(source.type);
  if ("pid" in source) return wrap(openFile(`/proc/${pidOf(source.pid)}/ns/${file}`));
  const pid = Number(/^Pid:\t(-?\d+)/m.exec(fdinfo(source.pidfd))?.[1] ?? NaN);
  if (Number.isNaN(pid)) throw new TypeError(`${source.pidfd} is no pidfd`);
  const found = wrap(openFile(`/proc/${pid}/ns/${file}`));
  try {
    pidfdSendSignal(source.pidfd, 0); // it had the id until now, so it was this one
  } catch (error) {
    found[Symbol.dispose]();
    throw error;
  }
  return found;
}

/**
 * The namespaces of a process, by kind; those that this kernel does not have
 * are absent.
 *
 * See namespaces(7).
 *
 * @param pid the process; the calling thread if absent
 * @returns the namespaces, which are disposed of together
 * @throws {SyscallError} when they can't be opened: ENOENT, EACCES
 * @throws {TypeError | RangeError} when `pid` is none
 *
 * @example
 * ```ts
 * import { namespacesOf } from "@denspace/denspace";
 *
 * using ours = namespacesOf();
 * using theirs = namespacesOf(Deno.ppid);
 * console.log(ours.net!.equals(theirs.net!) ? "the same network" : "another network");
 * ```
 */
export function namespacesOf(pid?: number): Namespaces {
  const directory = pid === undefined ? "/proc/thread-self/ns" : `/proc/${pidOf(pid)}/ns`;
  const found: { -readonly [K in NamespaceName]?: Namespace } = {};
  const dispose = (): void => Object.values(found).forEach((each) => each[Symbol.dispose]());
  try {
    for (const name of Object.keys(NAMESPACES) as NamespaceName[]) {
      const namespace = unless(ENOENT, () => wrap(openFile(`${directory}/${fileOf(name)}`)));
      if (namespace) found[name] = namespace;
    }
    if (Object.keys(found).length === 0) {
      throw new SyscallError("open", ENOENT, { path: directory });
    }
  } catch (error) {
    dispose();
    throw error;
  }
  return Object.defineProperty(found, Symbol.dispose, { value: dispose }) as Namespaces;
}

/** Namespaces by kind. */
export type Namespaces = Readonly<Partial<Record<NamespaceName, Namespace>>> & Disposable;

/**
 * Takes away what {@linkcode Namespace.pin} made: the binding and the file.
 *
 * See umount2(2).
 *
 * @param path the file
 * @throws {SyscallError} when nothing is bound there, EINVAL; ENOENT, EPERM
 * @throws {TypeError} when there is a NUL in it
 *
 * @example
 * ```ts
 * import { openNamespace, unpin } from "@denspace/denspace";
 *
 * function keepForLater(pid: number): void {
 *   using network = openNamespace({ pid, type: "net" });
 *   network.pin("/run/my-network");
 * }
 * const forget = (): void => unpin("/run/my-network");
 * ```
 */
export function unpin(path: string): void {
  umount(path, MNT_DETACH);
  unlink(path);
}

/** Takes an open namespace over; closes it if it is none. */
function wrap(fd: number): Namespace {
  try {
    const type = kindOf(fd);
    const { dev, ino } = fstat(fd);
    return new OpenNamespace(fd, type, ino, dev);
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** The only way to make one is {@linkcode wrap}; that it has a descriptor to close makes it a class. */
class OpenNamespace implements Namespace {
  constructor(
    public fd: number,
    readonly type: NamespaceName,
    readonly id: bigint,
    readonly device: bigint,
  ) {}
  owner(): Namespace | null {
    return this.#related(NS_GET_USERNS);
  }
  parent(): Namespace | null {
    return this.#related(NS_GET_PARENT);
  }
  #related(request: number): Namespace | null {
    return unless(EPERM, () => wrap(ioctl(this.fd, request))) ?? null;
  }
  ownerUid(): number {
    const uid = new Uint32Array(1);
    ioctl(this.fd, NS_GET_OWNER_UID, new Uint8Array(uid.buffer));
    return uid[0]!;
  }
  equals(other: Namespace): boolean {
    return other instanceof OpenNamespace && other.id === this.id && other.device === this.device;
  }
  pin(path: string): void {
    const flags = O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    const made = unless(EEXIST, () => open(path, flags, 0o444));
    if (made !== undefined) close(made);
    try {
      mount(`/proc/thread-self/fd/${this.fd}`, path, null, MS_BIND, null);
    } catch (error) {
      if (made !== undefined) unlink(path);
      throw error;
    }
  }
  [Symbol.dispose](): void {
    if (this.fd === -1) return;
    close(this.fd);
    this.fd = -1;
  }
}

function kindOf(fd: number): NamespaceName {
  const flag = ioctl(fd, NS_GET_NSTYPE);
  const found = Object.entries(NAMESPACES).find(([, kind]) => kind.flag === flag);
  if (!found) {
    throw new SyscallError("ioctl", EINVAL, { step: `unknown kind of namespace ${flag}` });
  }
  return found[0] as NamespaceName;
}

function openFile(path: string): number {
  return open(path, O_RDONLY | O_CLOEXEC);
}

function fileOf(type: NamespaceName): string {
  if (!Object.hasOwn(NAMESPACES, type)) throw new TypeError(`there is no namespace ${type}`);
  return NAMESPACES[type].file;
}

function pidOf(pid: number): number {
  if (!Number.isInteger(pid)) throw new TypeError(`pid must be an integer, not ${pid}`);
  if (pid <= 0 || pid > 0x7fff_ffff) throw new RangeError(`pid must be positive, not ${pid}`);
  return pid;
}

function fdinfo(fd: number): string {
  return decode(readFile(`/proc/thread-self/fdinfo/${fd}`));
}

/** What a function returns, or nothing if it fails with this errno. */
function unless<T>(errno: number, find: () => T): T | undefined {
  try {
    return find();
  } catch (error) {
    if (error instanceof SyscallError && error.errno === errno) return undefined;
    throw error;
  }
}
