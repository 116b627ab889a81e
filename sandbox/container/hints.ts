/**
 * What a program may have failed on in a copy of the machine, where the kernel's
 * errno tells nobody why.
 *
 * @module
 */
import { idSpan } from "../idranges.ts";
import { isAtLeast } from "../target.ts";
import { knownOwners } from "./layers.ts";
import type { Machine } from "./machine.ts";
import type { IdMapping } from "./oci.ts";
import type { Container } from "./resolve.ts";

/** What there is to say when the program fails. */
export function hints(container: Container, machine: Machine): string[] {
  return [unknownOwner(container, machine), fixedDirectories(container, machine)]
    .filter((hint) => hint !== undefined);
}

/** Files of users that have no id inside can't be changed: EOVERFLOW. */
function unknownOwner(
  { config: { root, process, linux = {} }, layers }: Container,
  { files }: Machine,
): string | undefined {
  const { uidMappings: users, gidMappings: groups } = linux;
  if (!users || !groups || root!.path !== "/" || !layers) return undefined;
  const owner = files.stat(process!.cwd);
  if (!owner || knownOwners(linux)(owner)) return undefined;
  return `files of user ${owner.uid} and group ${owner.gid}, as those of ${process!.cwd} may be, ` +
    'can\'t be changed ("Value too large for defined data type"): only ' +
    `users ${list(users)} and groups ${list(groups)} are known inside; ` +
    "--userns=auto adds those that /etc/subuid and /etc/subgid give you";
}

/**
 * In a user namespace an overlay notes by attributes `user.overlay.*` what became of
 * a directory, and memory has those since Linux 6.6: EIO.
 */
function fixedDirectories(
  { layers, keep, inUserNamespace }: Container,
  { release }: Machine,
): string | undefined {
  if (!layers || keep !== undefined || !inUserNamespace) return undefined;
  const here = release();
  if (isAtLeast(here, "6.6")) return undefined;
  return `this is Linux ${here}: before 6.6 directories can't be removed or renamed in a copy that ` +
    'is kept in memory ("Input/output error"); --keep keeps it on a disk';
}

function list(mappings: readonly IdMapping[]): string {
  return mappings.map(({ hostID, size }) => idSpan(hostID, size)).join(", ");
}
