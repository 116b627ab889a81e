/**
 * What system calls would come to on this host, by this user.
 *
 * @module
 */
import { EBADF, EINVAL, EPERM, ESRCH } from "../../ffi/constants/errno.ts";
import { NS_GET_USERNS, SIOCGSKNS } from "../../ffi/constants/nsfs.ts";
import {
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_RAISE,
  PR_CAPBSET_DROP,
  PR_GET_SECCOMP,
} from "../../ffi/constants/prctl.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { ioctl } from "../../ffi/ioctl.ts";
import { assuming, forked, opened, processOf } from "../../ffi/plan/assume.ts";
import type { Answer, Call } from "../../ffi/plan/walk.ts";
import { syscall } from "../../ffi/syscall.ts";
import { close } from "../../ffi/unistd.ts";
import { type NamespaceName, NAMESPACES } from "../namespaces.ts";
import { readSmallFile } from "../small_file.ts";
import { learn, type Namespace, namespaceAt, ownerOf, parseMap, withFile } from "./host.ts";
import { FILES } from "./files.ts";
import { DONE, failed, type Predict } from "./predict.ts";
import { descriptor, inside, type Open, outside, type State } from "./state.ts";

/** What becomes of a call that is allowed. */
export function foretell(call: Call<State>): Answer<State> | "later" {
  const found = PREDICT[call.name]?.(call, ...call.args.map(({ value }) => value));
  return found ?? assuming(call) as Answer<State> | "later";
}

/** What becomes of calls that are not on files. */
const PROCESSES: Readonly<Partial<Record<string, Predict>>> = {
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
  pidfd_open: ({ process: { state } }, pid) => {
    const number = Number(pid);
    if (processOf(state, number)) return undefined;
    if (ownerOf(number) === undefined) return failed(ESRCH);
    return { result: opened(state, { pid: number } as Open) };
  },
  pidfd_getfd: ({ process: { state } }, fd, other) => {
    const { pid } = descriptor(state, fd!) as Open;
    const real = `/proc/${pid}/fd/${other}`;
    if (readSmallFile(`/proc/${pid}/fdinfo/${other}`) === undefined) return failed(EBADF);
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
  prctl: ({ process: { state } }, operation, second, number) => {
    if (Number(operation) === PR_GET_SECCOMP) return { result: state.host.self.filtered ? 2 : 0 };
    if (Number(operation) === PR_CAPBSET_DROP) {
      return (state.host.all >> second! & 1n) === 0n ? failed(EINVAL) : DONE;
    }
    if (Number(operation) !== PR_CAP_AMBIENT || second !== BigInt(PR_CAP_AMBIENT_RAISE)) {
      return undefined;
    }
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

const PREDICT: Readonly<Partial<Record<string, Predict>>> = { ...PROCESSES, ...FILES };
