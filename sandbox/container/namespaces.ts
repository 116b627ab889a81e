/**
 * The namespaces of a container: some are joined, the others made.
 *
 * @module
 */
import type { Builder } from "../../ffi/plan/builder.ts";
import { enter, type Entered, openNamespaces } from "../enter.ts";
import { forkMapper, mapGroup, mapUser, outsideIds } from "../idmap.ts";
import { namespaceFlags } from "../namespaces.ts";
import type { Refusals } from "../refusal.ts";
import type { Container } from "./resolve.ts";

/** A process of a container that runs. */
export interface Member {
  /** Its process id. */
  readonly pid: number;
  /** A descriptor of it, which this process has. */
  readonly pidfd: number;
}

/** Enters the namespaces that are there already: those of files, or of a process. */
export function joinNamespaces(
  p: Builder,
  { joined }: Container,
  refusal: Refusals,
  member?: Member,
): void {
  if (joined.size === 0) return;
  const want: Entered = member
    ? {
      target: member.pid,
      targetFd: member.pidfd,
      namespaces: new Map([...joined.keys()].map((name) => [name, undefined])),
    }
    : { namespaces: joined };
  const opened = openNamespaces(p, want, refusal).map(({ name, fd }) => ({
    name,
    fd,
    message: `cannot enter ${joined.get(name)} as a ${name} namespace`,
  }));
  enter(p, want, opened, refusal);
}

/** Makes the others, with the ids of a new user namespace. */
export function makeNamespaces(
  p: Builder,
  { made, ids }: Container,
  refusal: Refusals,
): void {
  if (made.size === 0) return;
  const outside = ids && "user" in ids ? outsideIds(p) : undefined;
  const mapper = ids && "ranges" in ids ? forkMapper(p, ids.ranges) : undefined;
  const message = "cannot make namespaces";
  p.call("unshare", [namespaceFlags(made)], {
    why: "move into new namespaces",
    message,
    ...refusal.on(message),
  });
  mapper?.run();
  if (!ids || !("user" in ids)) return;
  mapUser(p, ids.user, outside!.uid, refusal);
  mapGroup(p, ids.group, outside!.gid);
}
