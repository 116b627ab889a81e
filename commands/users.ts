/**
 * Users and groups in arguments, as a root's own files know them.
 *
 * @module
 */
import { findGroup, findUser, type RootUser } from "../sandbox/container/users.ts";
import { ArgumentError } from "./getopt.ts";

/** Who runs a program. */
export interface Whose {
  /** The user id. */
  readonly uid: number;
  /** The group id. */
  readonly gid: number;
  /** The groups that go with the name. */
  readonly groups: readonly number[];
  /** What the root knows of the user. */
  readonly known: RootUser | undefined;
}

const ID = /^\d{1,10}$/;

/** The user of `uid|name[:gid|group]`. */
export function parseUser(user: string, root: string): Whose {
  const at = user.indexOf(":");
  const [name, group] = at < 0 ? [user, undefined] : [user.slice(0, at), user.slice(at + 1)];
  const known = findUser(root, name);
  if (!known && !ID.test(name)) {
    throw new ArgumentError(`no user '${name}' in ${within(root)}/etc/passwd`);
  }
  const uid = known?.uid ?? parseId(name);
  const gid = group === undefined ? known?.gid ?? 0 : parseGroup(group, root);
  return { uid, gid, groups: group === undefined ? known?.groups ?? [] : [], known };
}

/** The id of `gid|group`. */
export function parseGroup(group: string, root: string): number {
  const gid = findGroup(root, group);
  if (gid !== undefined) return gid;
  if (ID.test(group)) return parseId(group);
  throw new ArgumentError(`no group '${group}' in ${within(root)}/etc/group`);
}

function within(root: string): string {
  return root === "/" ? "" : root;
}

/** The variable that a user's programs expect. */
export function homeOf({ known }: Whose): string {
  return `HOME=${known?.home ?? "/"}`;
}

/** An id: 2^32 - 1 is none. */
function parseId(text: string): number {
  const id = Number(text);
  if (id >= 2 ** 32 - 1) throw new ArgumentError(`no id: '${text}'`);
  return id;
}
