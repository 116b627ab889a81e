/**
 * The kinds of namespaces as /proc/PID/ns and lsns(8) call them.
 *
 * @module
 */
import { NAMESPACES } from "../namespaces.ts";

/** A kind of namespace: `mnt`, `net`, ... */
export type NamespaceKind = (typeof NAMESPACES)[keyof typeof NAMESPACES]["file"];

/** All kinds. */
export const KINDS: readonly NamespaceKind[] = Object.values(NAMESPACES).map(({ file }) => file);

/** The kind with this flag of clone(2), as NS_GET_NSTYPE of ioctl_ns(2) gives it. */
export function kindOf(flag: number): NamespaceKind | undefined {
  return Object.values(NAMESPACES).find((each) => each.flag === flag)?.file;
}
