/**
 * What system calls would come to on this host, by this user.
 *
 * @module
 */
import { EBADF, EINVAL, ENOENT, EPERM, ESRCH } from "../../ffi/constants/errno.ts";
import { AT_FDCWD as HERE, O_ACCMODE, O_CREAT, O_PATH } from "../../ffi/constants/fcntl.ts";
import { NS_GET_USERNS, SIOCGSKNS } from "../../ffi/constants/nsfs.ts";
import { PR_CAP_AMBIENT, PR_CAPBSET_DROP, PR_GET_SECCOMP } from "../../ffi/constants/prctl.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { ioctl } from "../../ffi/ioctl.ts";
import { assuming, forked, opened, processOf } from "../../ffi/plan/assume.ts";
import type { Answer, Call } from "../../ffi/plan/walk.ts";
import { pidfdOpen } from "../../ffi/pidfd.ts";
import { fstat, type Stat, statx } from "../../ffi/stat.ts";
import { syscall } from "../../ffi/syscall.ts";
import { close, read } from "../../ffi/unistd.ts";
import { type NamespaceName, NAMESPACES } from "../namespaces.ts";
import { attempt, learn, type Namespace, namespaceAt, ownerOf, text, withFile } from "./host.ts";
import { executable, type Found, type Looker, lookUp, readable } from "./lookup.ts";
import { parseMap } from "./needs.ts";
import { capable, descriptor, inside, type Open, outside, type State } from "./state.ts";

const AT_FDCWD = BigInt(HERE);

type Predict = (call: Call<State>, ...args: bigint[]) => Answer<State> | "later" | undefined;

/** What becomes of a call that is allowed. */
export function foretell(call: Call<State>): Answer<State> | "later" {
  const found = PREDICT[call.name]?.(call, ...call.args.map(({ value }) => value));
  return found ?? assuming(call) as Answer<State> | "later";
}

const failed = (errno: number): Answer<State> => ({ result: -errno });
const DONE: Answer<State> = { result: 0 };
const CAP_DAC_OVERRIDE = 1;

/** Who looks for files; nobody if it is not known where. */
function looker(state: State): Looker | undefined {
  const { uid, gid, groups, root, directory, user, host } = state;
  if (root === undefined || directory === undefined) return undefined;
  const overrides = user === host.own && capable(state, CAP_DAC_OVERRIDE, user);
  return { uid, gid, groups, overrides, root, directory };
}

/** What a path leads to; nothing if that can't be known now. */
function look(state: State, path: string): Found | undefined {
  const from = looker(state);
  if (!from || state.mounts.some((mount) => path === mount || path.startsWith(`${mount}/`))) {
    return undefined;
  }
  // A process that is only foretold
  const [, pid] = /^\/proc\/(\d+)\//.exec(path) ?? [];
  if (pid !== undefined && processOf(state, Number(pid))) return undefined;
  return lookUp(path, from);
}

const PREDICT: Readonly<Partial<Record<string, Predict>>> = {
  clone: ({ process: { state }, child }, flags) => {
    const { host, user, namespaces, uid, gid, groups } = state;
    const { pid, time } = state.childNamespaces;
    const made: State = Object.assign(forked(state, child!, flags!), {
      host,
      user,
      uid,
      gid,
      groups,
      namespaces: { ...namespaces, ...(pid && { pid }), ...(time && { time }) },
      childNamespaces: {},
      effective: state.effective,
      permitted: state.permitted,
      inheritable: state.inheritable,
      root: state.root,
      directory: state.directory,
      mounts: state.mounts,
    });
    return { result: made.pid, label: `pid of ${made.name}`, child: made };
  },
  unshare: ({ process: { state } }, flags) => {
    const asked = Number(flags);
    if (asked & NAMESPACES.user.flag) {
      becomeOwner(state, {
        name: "the new user namespace",
        parent: state.user,
        owner: state.uid,
        maps: {},
        setgroupsDenied: state.user.setgroupsDenied,
      });
    }
    for (const name of Object.keys(NAMESPACES) as NamespaceName[]) {
      if ((asked & NAMESPACES[name].flag) === 0 || name === "user") continue;
      put(state, name, { owner: state.user });
    }
    return DONE;
  },
  landlock_create_ruleset: (_call, attributes, size, flags) => {
    if (attributes !== 0n) return undefined;
    try {
      return { result: syscall("landlock_create_ruleset", [null, size!, flags!]) };
    } catch (error) {
      if (error instanceof SyscallError) return failed(error.errno);
      throw error;
    }
  },
  setns: ({ process: { state } }, fd, flags) => enter(state, descriptor(state, fd!), Number(flags)),
  geteuid: ({ process: { state } }) => ({ result: inside(state.user, "uid", state.uid) }),
  getuid: ({ process: { state } }) => ({ result: inside(state.user, "uid", state.uid) }),
  getegid: ({ process: { state } }) => ({ result: inside(state.user, "gid", state.gid) }),
  setgroups: ({ process: { state } }) => {
    state.groups = [];
    return DONE;
  },
  setgid: ({ process: { state } }, id) => {
    const gid = outside(state.user, "gid", Number(id));
    if (gid === undefined) return failed(EINVAL);
    state.gid = gid;
    return DONE;
  },
  setuid: ({ process: { state } }, id) => {
    const uid = outside(state.user, "uid", Number(id));
    if (uid === undefined) return failed(EINVAL);
    // Who is root no more has no capabilities any more.
    if (inside(state.user, "uid", state.uid) === 0 && Number(id) !== 0) {
      state.effective = state.permitted = 0n;
    }
    state.uid = uid;
    return DONE;
  },
  openat: ({ process: { state, memory } }, directory, at, flags) => {
    const given = memory.text(at!);
    const path = pathFrom(state, directory!, given);
    if (path === undefined) {
      return openMade(state, directory!, given, (Number(flags) & O_CREAT) !== 0) ??
        { result: opened(state, { path: given }) };
    }
    const found = look(state, path);
    if (!found) return { result: opened(state, { path }) };
    if ("errno" in found) return failed(found.errno);
    const reads = (Number(flags) & (O_ACCMODE | O_PATH)) === 0;
    const errno = reads ? readable(path, looker(state)!) : 0;
    if (errno !== 0) return failed(errno);
    return { result: opened(state, { path, real: found.path } as Open) };
  },
  write: ({ process: { state, memory } }, fd, bytes, size) => {
    const { path = "" } = descriptor(state, fd!);
    const [, whose, file] = /^\/proc\/(self|\d+)\/(.*)$/.exec(path) ?? [];
    const target = (whose === "self" ? state : processOf(state, Number(whose))) as
      | State
      | undefined;
    const said = bytes === 0n ? "" : memory.text(bytes!).slice(0, Number(size));
    if (!target?.user.parent) return undefined;
    if (file === "uid_map" || file === "gid_map") {
      const kind = file === "uid_map" ? "uid" : "gid";
      if (target.user.maps[kind]) return failed(EPERM);
      target.user.maps[kind] = parseMap(said);
    } else if (file === "setgroups") {
      // Once denied it stays so; it can't be denied when there is a map.
      if (said === "deny" && target.user.maps.gid) return failed(EPERM);
      if (said === "allow" && target.user.setgroupsDenied) return failed(EPERM);
      target.user.setgroupsDenied = said === "deny";
    }
    return undefined;
  },
  read: ({ process: { state, memory } }, fd, buffer, size) => {
    const open = descriptor(state, fd!) as Open;
    const { real } = open;
    if (real === "/dev/zero") {
      for (let i = 0n; i < size!; i++) memory.store(buffer! + i, 1, { value: 0n });
      return { result: Number(size) };
    }
    const [S_IFMT, S_IFREG] = [0o170000, 0o100000];
    if (real === undefined || ((statOf(open)?.mode ?? 0) & S_IFMT) !== S_IFREG) return undefined;
    const bytes = new Uint8Array(Math.min(Number(size), 4096));
    const length = attempt(() => withFile(real, (fd) => read(fd, bytes))) ?? 0;
    bytes.subarray(0, length).forEach((byte, i) =>
      memory.store(buffer! + BigInt(i), 1, { value: BigInt(byte) })
    );
    return { result: length };
  },
  mkdirat: ({ process: { state, memory } }, directory, at) => {
    const given = memory.text(at!);
    const path = pathFrom(state, directory!, given);
    // What is in it then is not known, as with a mount.
    if (path !== undefined) state.mounts = [...state.mounts, path];
    make(state, directory!, given);
    return DONE;
  },
  mount: ({ process: { state, memory } }, _source, target) => {
    const path = memory.text(target!);
    const found = look(state, path);
    if (found && "errno" in found) return failed(found.errno);
    if (path !== "/") state.mounts = [...state.mounts, path];
    return DONE;
  },
  chroot: ({ process: { state, memory } }, at) => {
    const found = look(state, memory.text(at!));
    if (found && "errno" in found) return failed(found.errno);
    state.root = found && (found.path === "/" ? "" : found.path);
    state.mounts = [];
    return DONE;
  },
  chdir: ({ process: { state, memory } }, at) => {
    const found = look(state, memory.text(at!));
    if (found && "errno" in found) return failed(found.errno);
    state.directory = found && (found.path === "/" ? "" : found.path);
    return DONE;
  },
  fchdir: ({ process: { state } }, fd) => {
    const { real } = descriptor(state, fd!) as Open;
    state.directory = real === "/" ? "" : real;
    return DONE;
  },
  execve: ({ name, args, process, step }, at, argv) => {
    const { state, memory } = process;
    const path = memory.text(at!);
    const from = looker(state);
    if (from) {
      const errno = executable(path, from);
      if (errno !== 0) return failed(errno);
    }
    const [, kind] = /\/new([ug]id)map$/.exec(path) as [string, "uid" | "gid"] | null ?? [];
    if (kind) mapBy(state, kind, strings(memory, argv!));
    return assuming({ name, args, process, step }) as Answer<State>;
  },
  pidfd_open: ({ process: { state } }, pid) => {
    const number = Number(pid);
    if (processOf(state, number)) return undefined;
    if (ownerOf(number) === undefined) return failed(ESRCH);
    return { result: opened(state, { pid: number } as Open) };
  },
  pidfd_getfd: ({ process: { state } }, fd, other) => {
    const { pid } = descriptor(state, fd!) as Open;
    const real = `/proc/${pid}/fd/${other}`;
    if (attempt(() => text(`/proc/${pid}/fdinfo/${other}`)) === undefined) return failed(EBADF);
    return { result: opened(state, { real, pid } as Open) };
  },
  ioctl: ({ process: { state } }, fd, request) => {
    const open = descriptor(state, fd!) as Open;
    const { own } = state.host;
    if (Number(request) === SIOCGSKNS && open.pid !== undefined) {
      const namespace = namespaceAt(`/proc/${open.pid}/ns/net`, own);
      return { result: opened(state, { namespace } as Open) };
    }
    if (Number(request) !== NS_GET_USERNS || open.real === undefined) return undefined;
    try {
      const namespace = withFile(open.real, (own) => {
        const owner = ioctl(own, NS_GET_USERNS);
        close(owner);
        return namespaceAt(open.real!, state.host.own);
      });
      const user = namespace?.flag === NAMESPACES.user.flag
        ? namespace.user.parent
        : namespace?.user;
      const found = user && { flag: NAMESPACES.user.flag, namespace: { owner: user }, user };
      return { result: opened(state, { namespace: found } as Open) };
    } catch (error) {
      if (error instanceof SyscallError) return failed(error.errno);
      throw error;
    }
  },
  statx: ({ process: { state, memory } }, fd, at, _flags, _mask, buffer) => {
    const given = memory.text(at!);
    const path = given === "" ? undefined : pathFrom(state, fd!, given);
    const looked = path === undefined ? undefined : look(state, path);
    if (looked && "errno" in looked) return failed(looked.errno);
    const found = looked?.stat ??
      (given === "" ? statOf(descriptor(state, fd!) as Open) : undefined);
    if (!found) return undefined;
    const { user } = state;
    // struct statx
    const put = (offset: bigint, size: number, value: number | bigint): void =>
      memory.store(buffer! + offset, size, { value: BigInt(value) });
    put(20n, 4, inside(user, "uid", found.uid));
    put(24n, 4, inside(user, "gid", found.gid));
    put(28n, 2, found.mode);
    put(32n, 8, found.ino);
    put(40n, 8, found.size);
    put(128n, 4, major(found.rdev));
    put(132n, 4, minor(found.rdev));
    put(136n, 4, major(found.dev));
    put(140n, 4, minor(found.dev));
    return DONE;
  },
  open_tree: ({ process: { state, memory } }, directory, at) => {
    const given = memory.text(at!);
    const path = pathFrom(state, directory!, given);
    const found = path === undefined ? undefined : look(state, path);
    if (found && "errno" in found) return failed(found.errno);
    return { result: opened(state, { path: given, ...(found && { real: found.path }) } as Open) };
  },
  fsopen: ({ process: { state, memory } }, type) => ({
    result: opened(state, { fileSystem: memory.text(type!) } as Open),
  }),
  fsmount: ({ process: { state } }, fd) => {
    const { fileSystem } = descriptor(state, fd!) as Open;
    // Another one of these has what the one here has.
    const real = { proc: "/proc", sysfs: "/sys" }[fileSystem ?? ""];
    const made = fileSystem === "tmpfs" ? { made: new Set(["/."]), within: "" } : {};
    return { result: opened(state, { ...made, ...(real && { real }) } as Open) };
  },
  openat2: ({ process: { state, memory } }, directory, at) => {
    const given = memory.text(at!);
    const path = pathFrom(state, directory!, given);
    // Where a directory leads that is open does not change with the root.
    const isOpen = BigInt.asIntN(64, directory!) !== AT_FDCWD && !given.startsWith("/");
    const from = isOpen ? { ...state, root: "", directory: "" } : state;
    const found = path === undefined ? undefined : look(from, path);
    if (found && "errno" in found) return failed(found.errno);
    if (found) return { result: opened(state, { path: given, real: found.path } as Open) };
    return openMade(state, directory!, given, false) ?? { result: opened(state) };
  },
  symlinkat: ({ process: { state, memory } }, _target, directory, at) => {
    make(state, directory!, memory.text(at!));
    return DONE;
  },
  pivot_root: ({ process: { state } }) => {
    state.root = state.directory = undefined;
    return DONE;
  },
  prctl: ({ process: { state } }, operation, second, number) => {
    if (Number(operation) === PR_GET_SECCOMP) return { result: state.host.self.filtered ? 2 : 0 };
    if (Number(operation) === PR_CAPBSET_DROP) {
      return (state.host.all >> second! & 1n) === 0n ? failed(EINVAL) : DONE;
    }
    if (Number(operation) !== PR_CAP_AMBIENT || second !== 2n) return undefined;
    const bit = 1n << number!;
    if ((state.host.all & bit) === 0n) return failed(EINVAL);
    return (state.permitted & state.inheritable & bit) === 0n ? failed(EPERM) : DONE;
  },
  capget: ({ process: { state, memory } }, _header, data) => {
    [state.effective, state.permitted, state.inheritable].forEach((set, i) => {
      const at = data! + BigInt(4 * i);
      memory.store(at, 4, { value: set & 0xffff_ffffn });
      memory.store(at + 12n, 4, { value: set >> 32n });
    });
    return DONE;
  },
  capset: ({ process: { state, memory } }, _header, data) => {
    const set = (i: number): bigint => {
      const at = data! + BigInt(4 * i);
      return memory.load(at, 4).value | memory.load(at + 12n, 4).value << 32n;
    };
    [state.effective, state.permitted, state.inheritable] = [set(0), set(1), set(2)];
    return DONE;
  },
};

/** Opens what lies in a file system that was empty; nothing is said of others. */
function openMade(
  state: State,
  directory: bigint,
  path: string,
  creates: boolean,
): Answer<State> | undefined {
  const { made, within } = descriptor(state, directory) as Open;
  if (!made) return undefined;
  const name = path === "." ? within || "/." : `${within}/${path}`;
  if (creates) made.add(name);
  else if (!made.has(name)) return failed(ENOENT);
  return { result: opened(state, { made, within: name } as Open) };
}

/** Puts something into a file system that was empty. */
function make(state: State, directory: bigint, path: string): void {
  const { made, within } = descriptor(state, directory) as Open;
  made?.add(`${within}/${path}`);
}

/** A path that starts at a directory that is open, if it is known where that is. */
function pathFrom(state: State, directory: bigint, path: string): string | undefined {
  if (path.startsWith("/") || BigInt.asIntN(64, directory) === AT_FDCWD) return path;
  const { real } = descriptor(state, directory) as Open;
  return real === undefined ? undefined : `${real}/${path}`;
}

/** The parts of a device's number, see makedev(3). */
function major(device: bigint): bigint {
  return device >> 8n & 0xfffn | device >> 32n & 0xffff_f000n;
}

function minor(device: bigint): bigint {
  return device & 0xffn | device >> 12n & 0xffff_ff00n;
}

/** Enters namespaces, see setns(2). */
function enter(state: State, open: Open, flags: number): Answer<State> {
  const { own } = state.host;
  const names = (Object.keys(NAMESPACES) as NamespaceName[])
    .filter((name) => flags & NAMESPACES[name].flag);
  for (const name of names) {
    const path = open.pid === undefined
      ? open.real
      : `/proc/${open.pid}/ns/${NAMESPACES[name].file}`;
    const found = open.namespace ?? (path === undefined ? undefined : namespaceAt(path, own));
    if (!found) {
      if (path === undefined) continue;
      return failed(open.pid === undefined ? EINVAL : EPERM);
    }
    if (found.flag !== NAMESPACES[name].flag) return failed(EINVAL);
    if (name === "user") {
      if (found.user === state.user) return failed(EINVAL);
      const [, pid] = /^\/proc\/(\d+)\//.exec(path ?? "") ?? [];
      if (pid !== undefined) learn(found.user, Number(pid));
      becomeOwner(state, found.user);
    } else {
      put(state, name, found.namespace);
    }
    if (name === "mount") {
      const [, process] = /^(\/proc\/\d+)\/ns\//.exec(path ?? "") ?? [];
      state.root = state.directory = process && `${process}/root`;
    }
  }
  return DONE;
}

/** Puts a process into a user namespace, in which it has all capabilities. */
function becomeOwner(state: State, user: State["user"]): void {
  state.user = user;
  state.effective = state.permitted = state.host.all;
  state.inheritable = 0n;
}

/** Puts a process, or its children, into a namespace. */
function put(state: State, name: NamespaceName, namespace: Namespace): void {
  if (name === "pid" || name === "time") {
    state.childNamespaces = { ...state.childNamespaces, [name]: namespace };
  } else {
    state.namespaces = { ...state.namespaces, [name]: namespace };
  }
}

/** What newuidmap(1) and newgidmap(1) do. */
function mapBy(state: State, kind: "uid" | "gid", [, pid, ...numbers]: readonly string[]): void {
  const target = processOf(state, Number(pid)) as State | undefined;
  if (!target?.user.parent) return;
  const ranges = Array.from(
    { length: Math.floor(numbers.length / 3) },
    (_, i) => numbers.slice(3 * i, 3 * i + 3).map(Number) as unknown as [number, number, number],
  );
  target.user.maps[kind] = ranges;
}

function strings(memory: Call<State>["process"]["memory"], array: bigint): string[] {
  const found: string[] = [];
  for (let at = array;; at += 8n) {
    const pointer = memory.load(at, 8).value;
    if (pointer === 0n) return found;
    found.push(memory.text(pointer));
  }
}

/** What an open file is. */
function statOf({ real, pid }: Open): Stat | undefined {
  if (real !== undefined) return attempt(() => statx(real));
  if (pid === undefined) return undefined;
  return attempt(() => {
    const fd = pidfdOpen(pid);
    try {
      return fstat(fd);
    } finally {
      close(fd);
    }
  });
}
