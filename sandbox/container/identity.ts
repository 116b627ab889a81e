/**
 * Who a process of a container is.
 *
 * @module
 */
import { EINVAL, EPERM } from "../../ffi/constants/errno.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import { changeGroup, changeUser, dropGroups, setGroups } from "../credentials.ts";
import type { Container } from "./resolve.ts";

/**
 * Becomes root of a user namespace whose ids are not our own: only who has an id
 * there can make files.
 */
export function becomeRoot(p: Builder, { ids, joined }: Container): void {
  if (!joined.has("user") && !(ids && "ranges" in ids)) return;
  dropGroups(p, { accept: [EPERM] });
  // One that is joined may have no root: then it has our own id.
  const accept = joined.has("user") ? { accept: [EINVAL] } : {};
  changeGroup(p, 0, { message: "cannot become group 0 of the user namespace", ...accept });
  changeUser(p, 0, { message: "cannot become user 0 of the user namespace", ...accept });
}

/** Becomes the user whose program it is. */
export function becomeUser(p: Builder, { process, inUserNamespace, ordinary }: Container): void {
  const { uid, gid, additionalGids = [] } = process.user;
  // An ordinary user has no right to, and a namespace of such may have no group to set, and none
  // to drop.
  if (additionalGids.length > 0) setGroups(p, additionalGids);
  else dropGroups(p, inUserNamespace || ordinary ? { accept: [EPERM] } : {});
  changeGroup(p, gid, { message: `cannot become group ${gid}` });
  changeUser(p, uid, { message: `cannot become user ${uid}` });
}

/** Sets the file mode creation mask. */
export function setUmask(p: Builder, mask: number): void {
  p.call("umask", [mask], {
    why: mask === 0 ? "what is made has the permissions that are asked for" : "of the program",
  });
}
