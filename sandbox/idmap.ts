/**
 * User and group ids in a user namespace, see user_namespaces(7).
 *
 * @module
 */
import { encode } from "../ffi/bytes.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import type { Cell } from "../ffi/plan/step.ts";
import { writeFile } from "./files.ts";

/** An id inside the namespace; `"current"` is the same one as outside. */
export type InsideId = number | "current";

/** The ids of whoever makes the namespace, asked for before it is made. */
export interface OutsideIds {
  /** The effective user id. */
  readonly uid: Cell;
  /** The effective group id. */
  readonly gid: Cell;
}

/** Asks for the effective ids, which are unmapped once the namespace is made. */
export function outsideIds(p: Builder): OutsideIds {
  return {
    uid: p.call("geteuid", [], { why: "the user that the map speaks of" }),
    gid: p.call("getegid", [], { why: "the group that the map speaks of" }),
  };
}

/** Maps one user id: the one that `outside` holds. */
export function mapUser(p: Builder, inside: InsideId, outside: Cell): void {
  mapOne(p, "/proc/self/uid_map", inside, outside, "one user id is known inside");
}

/**
 * Maps one group id.
 *
 * Without privilege that is only allowed once setgroups(2) is forbidden inside:
 * who could drop a group could get at files that are closed to this group.
 */
export function mapGroup(p: Builder, inside: InsideId, outside: Cell): void {
  setgroups(p, "deny");
  mapOne(p, "/proc/self/gid_map", inside, outside, "one group id is known inside");
}

/** Allows or forbids setgroups(2) in this user namespace; before Linux 3.19 there is no such file. */
export function setgroups(p: Builder, policy: "allow" | "deny"): void {
  writeFile(p, "/proc/self/setgroups", policy, policy.length, {
    why: `${policy} setgroups(2) inside`,
    optional: true,
  });
}

function mapOne(p: Builder, file: string, inside: InsideId, outside: Cell, why: string): void {
  // "inside outside 1": ids have at most ten digits
  const prefix = inside === "current" ? "" : `${inside} `;
  const line = p.cell("map", 32, encode(prefix));
  let end = p.control("add", [{ addressOf: line, offset: prefix.length }, 0]);
  if (inside === "current") {
    end = p.control("decimal", [outside, end]);
    p.control("store8", [end, 0, " ".charCodeAt(0)]);
    end = p.control("add", [end, 1]);
  }
  end = p.control("decimal", [outside, end]);
  p.control("store8", [end, 0, " ".charCodeAt(0)]);
  p.control("store8", [end, 1, "1".charCodeAt(0)]);
  const size = p.control("sub", [p.control("add", [end, 2]), { addressOf: line }]);
  writeFile(p, file, { addressOf: line }, size, { why });
}
