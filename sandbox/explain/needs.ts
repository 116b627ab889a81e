/**
 * What a system call needs that not everybody has: capabilities, see
 * capabilities(7), and settings of the host.
 *
 * @module
 */
import * as capability from "../../ffi/constants/capability.ts";
import { ENOSPC, EPERM } from "../../ffi/constants/errno.ts";
import { processOf } from "../../ffi/plan/assume.ts";
import type { Call } from "../../ffi/plan/walk.ts";
import { type NamespaceName, NAMESPACES } from "../namespaces.ts";
import { SETTINGS } from "../refusal.ts";
import { readSmallFile } from "../small_file.ts";
import {
  isChrooted,
  namespaceAt,
  ownerOf,
  parseMap,
  procIsHidden,
  type UserNamespace,
} from "./host.ts";
import { capable, descriptor, inside, type State } from "./state.ts";

/** A privilege that a system call needs. */
export interface Privilege {
  /** What it is, in a few words. */
  readonly text: string;
  /** The capability, if it is one. */
  readonly capability?: string;
  /** The user namespace in which it is needed. */
  readonly namespace?: string;
  /** Whether the process has it. */
  readonly has: boolean;
  /** The errno of who has it not. */
  readonly errno: number;
}

type Argument = bigint;
type Needs = (call: Call<State>, ...args: Argument[]) => Privilege[];

/** What a call needs. */
export function needs(call: Call<State>): Privilege[] {
  return NEEDS[call.name]?.(call, ...call.args.map(({ value }) => value)) ?? [];
}

const { CAPABILITIES } = capability;

function cap(
  state: State,
  name: keyof typeof CAPABILITIES,
  within: UserNamespace | undefined,
): Privilege {
  const namespace = within ?? state.user;
  return {
    text: `${name} in ${namespace.name}`,
    capability: name,
    namespace: namespace.name,
    has: capable(state, CAPABILITIES[name], namespace),
    errno: EPERM,
  };
}

/** The owner of the namespace of a kind in which a process is. */
function owner({ namespaces, host }: State, name: NamespaceName): UserNamespace {
  return namespaces[name]?.owner ?? host.own;
}

const NEEDS: Readonly<Partial<Record<string, Needs>>> = {
  unshare: ({ process: { state } }, flags) => {
    const asked = Number(flags);
    if (asked === 0) return [];
    if (asked & NAMESPACES.user.flag) return userNamespace(state);
    return [cap(state, "CAP_SYS_ADMIN", state.user)];
  },
  setns: ({ process: { state } }, fd, flags) =>
    entering(state, descriptor(state, fd!), Number(flags)),
  mount: ({ process: { state, memory } }, _source, _target, type) => {
    const needed = [cap(state, "CAP_SYS_ADMIN", owner(state, "mount"))];
    const kind = type === 0n ? "" : memory.text(type!);
    if (kind === "proc") {
      const pid = owner(state, "pid");
      if (pid !== owner(state, "mount")) needed.push(cap(state, "CAP_SYS_ADMIN", pid));
      if (state.user !== state.host.own) {
        needed.push(setting("a proc of which no part is hidden", !procIsHidden(), EPERM));
      }
    }
    return needed;
  },
  umount2: ({ process: { state } }) => [cap(state, "CAP_SYS_ADMIN", owner(state, "mount"))],
  pivot_root: ({ process: { state } }) => [cap(state, "CAP_SYS_ADMIN", owner(state, "mount"))],
  chroot: ({ process: { state } }) => [cap(state, "CAP_SYS_CHROOT", state.user)],
  sethostname: ({ process: { state } }) => [cap(state, "CAP_SYS_ADMIN", owner(state, "uts"))],
  setdomainname: ({ process: { state } }) => [cap(state, "CAP_SYS_ADMIN", owner(state, "uts"))],
  setgroups: ({ process: { state } }) => {
    const { user } = state;
    const allowed = !user.setgroupsDenied && (!user.parent || user.maps.gid !== undefined);
    return [
      cap(state, "CAP_SETGID", user),
      setting("a map of group ids, and setgroups not denied", allowed, EPERM),
    ];
  },
  setgid: ({ process: { state } }, id) =>
    Number(id) === inside(state.user, "gid", state.gid)
      ? []
      : [cap(state, "CAP_SETGID", state.user)],
  setuid: ({ process: { state } }, id) =>
    Number(id) === inside(state.user, "uid", state.uid)
      ? []
      : [cap(state, "CAP_SETUID", state.user)],
  write: (call, fd, bytes, size) =>
    writing(call, descriptor(call.process.state, fd!).path ?? "", bytes!, size!),
  pidfd_getfd: ({ process: { state } }, fd) => {
    const pid = descriptor(state, fd!).pid;
    if (pid === undefined || ownerOf(pid)?.uid === state.uid) return [];
    return [
      cap(state, "CAP_SYS_PTRACE", namespaceAt(`/proc/${pid}/ns/user`, state.host.own)?.user),
    ];
  },
};

/** What the host may have against user namespaces. */
function userNamespace(state: State): Privilege[] {
  const { self } = state.host;
  const found = [
    setting(
      "a root directory that no chroot(2) has made",
      !isChrooted() && state.root === "",
      EPERM,
    ),
  ];
  const limit = readSmallFile("/proc/sys/user/max_user_namespaces")?.trim();
  if (limit !== undefined) {
    found.push(setting("user.max_user_namespaces above 0", limit !== "0", ENOSPC));
  }
  const admin = capable(state, CAPABILITIES.CAP_SYS_ADMIN, state.user);
  for (const [file, refuses] of SETTINGS) {
    const value = readSmallFile(file)?.trim();
    if (value === undefined) continue;
    const name = file.slice("/proc/sys/".length).replaceAll("/", ".");
    found.push(
      setting(`${name} not ${refuses}, or CAP_SYS_ADMIN`, admin || value !== refuses, EPERM),
    );
  }
  if (self.filtered) {
    found.push(setting("a seccomp filter that lets it pass (there is one)", true, EPERM));
  }
  return found;
}

/** What it takes to enter namespaces, see setns(2). */
function entering(state: State, open: ReturnType<typeof descriptor>, flags: number): Privilege[] {
  const { own } = state.host;
  const at = (name: NamespaceName): ReturnType<typeof namespaceAt> =>
    open.pid === undefined
      ? open.namespace ?? (open.real === undefined ? undefined : namespaceAt(open.real, own))
      : namespaceAt(`/proc/${open.pid}/ns/${NAMESPACES[name].file}`, own);
  const found: Privilege[] = [];
  let as = state;
  for (const name of Object.keys(NAMESPACES) as NamespaceName[]) {
    if ((flags & NAMESPACES[name].flag) === 0) continue;
    const target = at(name);
    if (!target) continue;
    if (name === "user") {
      found.push(cap(as, "CAP_SYS_ADMIN", target.user));
      as = { ...state, user: target.user, effective: state.host.all };
      continue;
    }
    found.push(cap(as, "CAP_SYS_ADMIN", target.user));
    if (name === "mount") found.push(cap(as, "CAP_SYS_CHROOT", as.user));
    if (target.user !== as.user) found.push(cap(as, "CAP_SYS_ADMIN", as.user));
  }
  const seen = new Set<string>();
  return found.filter(({ text }) => !seen.has(text) && seen.add(text));
}

/** What it takes to write to some files of /proc. */
function writing(
  { process: { state, memory } }: Call<State>,
  path: string,
  bytes: Argument,
  size: Argument,
): Privilege[] {
  const [, whose, file] = /^\/proc\/(self|\d+)\/(.*)$/.exec(path) ?? [];
  if (file === "timens_offsets") {
    const time = state.childNamespaces.time?.owner ?? owner(state, "time");
    return [cap(state, "CAP_SYS_TIME", time)];
  }
  if (file !== "uid_map" && file !== "gid_map") return [];
  const target = (whose === "self" ? state : processOf(state, Number(whose))) as State | undefined;
  if (!target?.user.parent) return [];
  const kind = file === "uid_map" ? "uid" : "gid";
  const ranges = parseMap(memory.text(bytes).slice(0, Number(size)));
  const { user } = target;
  const found = [cap(state, "CAP_SYS_ADMIN", user)];
  // Everybody may map himself.
  const [first, ...others] = ranges;
  const self = others.length === 0 && first?.[2] === 1 && first[1] === state[kind] &&
    (kind === "uid" ? user.owner === state.uid : user.setgroupsDenied);
  if (!self) found.push(cap(state, kind === "uid" ? "CAP_SETUID" : "CAP_SETGID", user.parent));
  return found;
}

function setting(text: string, has: boolean, errno: number): Privilege {
  return { text, has, errno };
}
