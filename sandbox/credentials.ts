/**
 * User and group ids of a process, see credentials(7).
 *
 * @module
 */
import type { Builder } from "../ffi/plan/builder.ts";
import type { Cell, Note, Operand } from "../ffi/plan/step.ts";

/** Drops the supplementary groups; 0 or `-errno`. */
export function dropGroups(p: Builder, note: Note = {}): Cell {
  return p.call("setgroups", [0, 0], {
    why: "drop the supplementary groups",
    message: "setgroups failed",
    ...note,
  });
}

/** Sets the supplementary groups. */
export function setGroups(p: Builder, groups: readonly number[]): void {
  const list = new Uint8Array(new Uint32Array(groups).buffer);
  p.call("setgroups", [groups.length, list], {
    why: groups.length > 0 ? `the groups ${groups.join(", ")}` : "no supplementary groups",
    message: "setgroups failed",
  });
}

/** Changes the group id: the real, effective and saved one. */
export function changeGroup(p: Builder, gid: Operand, note: Note = {}): void {
  p.call("setgid", [gid], {
    why: "the group that the program runs as",
    message: "setgid() failed",
    ...note,
  });
}

/** Changes the user id: the real, effective and saved one. */
export function changeUser(p: Builder, uid: Operand, note: Note = {}): void {
  p.call("setuid", [uid], {
    why: "the user that the program runs as",
    message: "setuid() failed",
    ...note,
  });
}
