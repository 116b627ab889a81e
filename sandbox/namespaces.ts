/**
 * The kinds of namespaces, see namespaces(7).
 *
 * @module
 */
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
} from "../ffi/constants/sched.ts";

/** The name of a kind, as unshare(1) and nsenter(1) call it. */
export type NamespaceName = keyof typeof NAMESPACES;

/**
 * Each kind's flag of clone(2) and its file in /proc/PID/ns, in the order in
 * which several are entered: the user namespace first, since it gives the right
 * to enter the others; the mount namespace late, since it changes what a path
 * means.
 */
export const NAMESPACES = {
  user: { flag: CLONE_NEWUSER, file: "user" },
  cgroup: { flag: CLONE_NEWCGROUP, file: "cgroup" },
  ipc: { flag: CLONE_NEWIPC, file: "ipc" },
  uts: { flag: CLONE_NEWUTS, file: "uts" },
  net: { flag: CLONE_NEWNET, file: "net" },
  pid: { flag: CLONE_NEWPID, file: "pid" },
  mount: { flag: CLONE_NEWNS, file: "mnt" },
  time: { flag: CLONE_NEWTIME, file: "time" },
} as const;

/** The flags of several kinds. */
export function namespaceFlags(names: Iterable<NamespaceName>): number {
  let flags = 0;
  for (const name of names) flags |= NAMESPACES[name].flag;
  return flags;
}
