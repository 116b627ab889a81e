/**
 * What another process has that we have not.
 *
 * @module
 */
import { EINVAL, ENOENT } from "../ffi/constants/errno.ts";
import { S_IFMT, S_IFREG } from "../ffi/constants/fcntl.ts";
import { SyscallError } from "../ffi/errno.ts";
import { decode } from "../ffi/bytes.ts";
import { readFile } from "../ffi/file.ts";
import { described, optional } from "../ffi/libc.ts";
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
  const path = `/proc/${pid}/root/etc/passwd`;
  // What is in there is not ours: a pipe would have us wait for ever.
  const text = optional(() => isRegular(path) ? decode(readFile(path)) : "") ?? "";
  const entry = text.split("\n").map((line) => line.split(":")).find(([, , id]) => id === `${uid}`);
  return entry?.[6] ? [entry[6]] : [];
}

/** Whether what is at a path is a regular file. */
export function isRegular(path: string): boolean {
  return (statx(path).mode & S_IFMT) === S_IFREG;
}

/**
 * The environment of the process, as nsenter(1) gives it to a program: the last
 * variable comes first, and of several with one name only the last counts.
 */
export function environmentOf(pid: number): string[] {
  const path = `/proc/${pid}/environ`;
  const variables = new Map<string, string>();
  for (const entry of contents(path, `cannot open ${path}`).split("\0").reverse()) {
    const name = entry.slice(0, Math.max(0, entry.indexOf("=")));
    if (entry.startsWith("=")) {
      throw new SyscallError("setenv", EINVAL, { step: "failed to set environment variables" });
    }
    if (name !== "" && !variables.has(name)) variables.set(name, entry);
  }
  return [...variables.values()];
}

const CGROUPS = "/sys/fs/cgroup";

/** Whether what is mounted for cgroups is their second version, see cgroups(7). */
export function hasUnifiedCgroups(): boolean {
  return exists(`${CGROUPS}/cgroup.controllers`);
}

/** The file that lists the processes in the process's cgroup of version 2, if it is in one. */
export function cgroupOf(pid: number): string | undefined {
  const path = `/proc/${pid}/cgroup`;
  const [, cgroup] = /^0::(.*)$/m.exec(contents(path, `cannot open ${path}`)) ?? [];
  return cgroup === undefined ? undefined : `${CGROUPS}${cgroup}/cgroup.procs`;
}

/** Whether SELinux is on. */
export function hasSELinux(): boolean {
  return exists("/sys/fs/selinux/enforce");
}

/** The SELinux context of the process. */
export function securityContextOf(pid: number): string {
  const text = contents(`/proc/${pid}/attr/current`, `failed to get ${pid} SELinux context`);
  return text.replace(/[\n\0]+$/, "");
}

/** The release of the kernel, such as 6.18.44. */
export function kernelRelease(): string {
  return decode(readFile("/proc/sys/kernel/osrelease")).trimEnd();
}

/** Whether a release of the kernel is this one, such as `6.6`, or a later one. */
export function isAtLeast(release: string, least: string): boolean {
  const [[a, b], [x, y]] = [release, least].map((text) =>
    text.split(/\D/).map(Number) as [number, number]
  ) as [[number, number], [number, number]];
  return a > x || (a === x && b >= y);
}

function file(pid: number | "self", name: NamespaceName): string {
  return `/proc/${pid}/ns/${NAMESPACES[name].file}`;
}

/** The inode of a namespace is what tells it from others. */
function inode(path: string): bigint {
  return described({ path, step: `stat of ${path} failed` }, () => statx(path).ino);
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

/** What is in a file; `step` is said when it can't be read. */
function contents(path: string, step: string): string {
  return described({ path, step }, () => decode(readFile(path)));
}
