/**
 * pwd.h and grp.h: users and groups by name, from wherever this host has them.
 *
 * @module
 */
import { cstring, uint } from "./arguments.ts";
import { raw } from "./libc.ts";

// struct passwd: name, password, uid at 16; struct group: name, password, gid at 16
const ID = 16;

/**
 * The id of a user.
 *
 * See getpwnam(3).
 *
 * @param name the user's name
 * @returns the user id; `undefined` when there is no such user
 * @throws {TypeError} when there is a NUL in the name
 *
 * @example
 * ```ts
 * import { userId } from "@denspace/denspace";
 *
 * console.log(userId("root")); // 0
 * ```
 */
export function userId(name: string): number | undefined {
  return idOf(raw("getpwnam", cstring("name", name)));
}

/**
 * The id of a group.
 *
 * See getgrnam(3).
 *
 * @param name the group's name
 * @returns the group id; `undefined` when there is no such group
 * @throws {TypeError} when there is a NUL in the name
 *
 * @example
 * ```ts
 * import { groupId } from "@denspace/denspace";
 *
 * console.log(groupId("root")); // 0
 * ```
 */
export function groupId(name: string): number | undefined {
  return idOf(raw("getgrnam", cstring("name", name)));
}

/**
 * The name of a user.
 *
 * See getpwuid(3).
 *
 * @param uid the user id
 * @returns the name; `undefined` when there is no such user
 * @throws {TypeError | RangeError} when it is no unsigned 32-bit number
 *
 * @example
 * ```ts
 * import { userName } from "@denspace/denspace";
 *
 * console.log(userName(0)); // root
 * ```
 */
export function userName(uid: number): string | undefined {
  const entry = raw("getpwuid", uint("uid", uid));
  if (!entry) return undefined;
  const name = new Deno.UnsafePointerView(entry).getPointer();
  return name ? Deno.UnsafePointerView.getCString(name) : undefined;
}

function idOf(entry: Deno.PointerValue): number | undefined {
  return entry ? new Deno.UnsafePointerView(entry).getUint32(ID) : undefined;
}
