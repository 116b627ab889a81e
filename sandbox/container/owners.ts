/**
 * Whose files can be changed in a copy of the machine: those of users that have
 * an id inside. The kernel refuses the others with EOVERFLOW, whose text, "Value too
 * large for defined data type", tells nobody why.
 *
 * @module
 */
import { LAYERS } from "./annotations.ts";
import type { Machine } from "./machine.ts";
import type { Config, IdMapping } from "./oci.ts";

/** What there is to say when the program fails in a working directory whose owner has no id inside. */
export function unknownOwner(
  { root, process, annotations = {}, linux = {} }: Config,
  { files }: Machine,
): string | undefined {
  const { uidMappings: users, gidMappings: groups } = linux;
  if (!users || !groups || root!.path !== "/" || annotations[LAYERS] === undefined) {
    return undefined;
  }
  const owner = files.stat(process!.cwd);
  if (!owner || has(users, owner.uid) && has(groups, owner.gid)) return undefined;
  return `files of user ${owner.uid} and group ${owner.gid}, as those of ${process!.cwd} may be, ` +
    'can\'t be changed ("Value too large for defined data type"): only ' +
    `users ${list(users)} and groups ${list(groups)} are known inside; ` +
    "--userns=auto adds those that /etc/subuid and /etc/subgid give you";
}

function has(mappings: readonly IdMapping[], id: number): boolean {
  return mappings.some(({ hostID, size }) => hostID <= id && id < hostID + size);
}

function list(mappings: readonly IdMapping[]): string {
  return mappings.map(({ hostID, size }) =>
    size === 1 ? `${hostID}` : `${hostID}-${hostID + size - 1}`
  )
    .join(", ");
}
