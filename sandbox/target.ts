/**
 * What another process has that we have not.
 *
 * @module
 */
import { ENOENT } from "../ffi/constants/errno.ts";
import { SyscallError } from "../ffi/errno.ts";
import { decode } from "../ffi/bytes.ts";
import { readFile } from "../ffi/file.ts";
import { statx } from "../ffi/stat.ts";
import { type NamespaceName, NAMESPACES } from "./namespaces.ts";

const NAMES = Object.keys(NAMESPACES) as NamespaceName[];

/** Whether there is such a process. */
export function processExists(pid: number): boolean {
  return exists(`/proc/${pid}`);
}

/** The kinds of namespaces that this kernel has. */
export function kindsHere(): NamespaceName[] {
  return NAMES.filter((name) => exists(file("self", name)));
}

/** Whether the process is in our namespace of this kind. */
export function sharesNamespace(pid: number, name: NamespaceName): boolean {
  return inode(file(pid, name)) === inode(file("self", name));
}

/** The kinds of namespaces in which the process is, and we are not. */
export function otherNamespaces(pid: number): NamespaceName[] {
  return kindsHere().filter((name) => !sharesNamespace(pid, name));
}

/** Whether the process has another root directory than we have. */
export function hasOtherRoot(pid: number): boolean {
  const [theirs, ours] = [statx(`/proc/${pid}/root`), statx("/")];
  return theirs.ino !== ours.ino || theirs.dev !== ours.dev;
}

/** The shells that a user of the process's root may have: the login shell, then /bin/sh. */
export function shellsOf(pid: number, uid: number): string[] {
  return [...loginShell(pid, uid), "/bin/sh"];
}

/** The shell in the process's own /etc/passwd, see passwd(5). */
function loginShell(pid: number, uid: number): string[] {
  let text;
  try {
    text = decode(readFile(`/proc/${pid}/root/etc/passwd`));
  } catch (error) {
    if (error instanceof SyscallError) return [];
    throw error;
  }
  const entry = text.split("\n").map((line) => line.split(":")).find(([, , id]) => id === `${uid}`);
  return entry?.[6] ? [entry[6]] : [];
}

function file(pid: number | "self", name: NamespaceName): string {
  return `/proc/${pid}/ns/${NAMESPACES[name].file}`;
}

/** The inode of a namespace is what tells it from others. */
function inode(path: string): bigint {
  try {
    return statx(path).ino;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new SyscallError(error.syscall, error.errno, { path, step: `stat of ${path} failed` });
  }
}

function exists(path: string): boolean {
  try {
    statx(path);
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === ENOENT) return false;
    throw error;
  }
}
