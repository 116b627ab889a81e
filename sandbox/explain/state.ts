/**
 * What is known of a process whose run is foretold: ids, capabilities, namespaces,
 * root and working directory.
 *
 * @module
 */
import { type Assumed, type Descriptor, start } from "../../ffi/plan/assume.ts";
import { currentDirectory } from "./lookup.ts";
import {
  lastCapability,
  type Namespace,
  namespacesOf,
  ownUserNamespace,
  processAt,
  type Self,
  self,
  type UserNamespace,
} from "./host.ts";
import type { NamespaceName } from "../namespaces.ts";

/** What is known of a process. */
export interface State extends Assumed {
  /** What all processes have in common. */
  readonly host: Host;
  /** The user namespace in which it is. */
  user: UserNamespace;
  /** The others. */
  namespaces: Partial<Record<NamespaceName, Namespace>>;
  /** Those of its children, if they are others. */
  childNamespaces: { pid?: Namespace; time?: Namespace };
  /** Its ids, as they are outside. */
  uid: number;
  gid: number;
  groups: readonly number[];
  /** Its capabilities in its user namespace. */
  effective: bigint;
  permitted: bigint;
  inheritable: bigint;
  /** The root and the working directory, as paths from here; nothing where none leads there. */
  root: string | undefined;
  directory: string | undefined;
  /** Where something is mounted that is not there yet. */
  mounts: readonly string[];
}

/** What all processes have in common. */
export interface Host {
  /** Our own user namespace. */
  readonly own: UserNamespace;
  /** All capabilities that there are. */
  readonly all: bigint;
  /** What `denspace` was started as. */
  readonly self: Self;
}

/** An open descriptor. */
export interface Open extends Descriptor {
  /** The path of what is open, from here. */
  readonly real?: string;
  /** The kind of file system that is being made by it. */
  readonly fileSystem?: string;
  /** What is there, if it lies in a file system that was empty; and where it lies. */
  readonly made?: Set<string>;
  readonly within?: string;
  /** The process, if it stands for one. */
  readonly pid?: number;
  /** The namespace, if it stands for one that has no path. */
  readonly namespace?: { flag: number; namespace: Namespace; user: UserNamespace };
}

/** The first process, as it would start. */
export function startState(name: string): State {
  const here = self();
  const own = ownUserNamespace();
  const first = start(name, here.descriptors, here.blocked);
  for (const fd of here.descriptors) first.descriptors.set(fd, { pid: processAt(fd) } as Open);
  return Object.assign(first, {
    host: { own, all: (1n << BigInt(lastCapability() + 1)) - 1n, self: here },
    user: own,
    namespaces: namespacesOf("self", own),
    childNamespaces: {},
    uid: here.uid,
    gid: here.gid,
    groups: here.groups,
    effective: here.effective,
    permitted: here.permitted,
    inheritable: here.inheritable,
    root: "",
    directory: currentDirectory(),
    mounts: [],
  });
}

/** Whether a process has a capability in a user namespace, see user_namespaces(7). */
export function capable(state: State, capability: number, within: UserNamespace): boolean {
  for (let here: UserNamespace | undefined = within; here; here = here.parent) {
    if (here === state.user) return (state.effective >> BigInt(capability) & 1n) === 1n;
    if (here.parent === state.user && here.owner === state.uid) return true;
  }
  return false;
}

const OVERFLOW = 65534;

/** An id as it is inside of a user namespace. */
export function inside(user: UserNamespace, kind: "uid" | "gid", id: number): number {
  const map = user.maps[kind];
  if (!map) return user.parent ? OVERFLOW : id;
  const range = map.find(([, outside, count]) => id >= outside && id < outside + count);
  return range ? range[0] + id - range[1] : OVERFLOW;
}

/** An id as it is outside of a user namespace, if it is known inside. */
export function outside(user: UserNamespace, kind: "uid" | "gid", id: number): number | undefined {
  const map = user.maps[kind];
  if (!map) return user.parent ? undefined : id;
  const range = map.find(([inside, , count]) => id >= inside && id < inside + count);
  return range && range[1] + id - range[0];
}

/** What an open descriptor is. */
export function descriptor(state: State, fd: bigint): Open {
  return state.descriptors.get(Number(fd)) ?? {};
}
