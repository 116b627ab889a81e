/**
 * Where paths lead: as the kernel follows them, in another root directory, and as
 * another user.
 *
 * @module
 */
import {
  EACCES,
  ELOOP,
  ENAMETOOLONG,
  ENOENT,
  ENOEXEC,
  ENOTDIR,
} from "../../ffi/constants/errno.ts";
import {
  AT_SYMLINK_NOFOLLOW,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from "../../ffi/constants/fcntl.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { optional } from "../../ffi/libc.ts";
import { read, readlink } from "../../ffi/unistd.ts";
import { type Stat, statx } from "../../ffi/stat.ts";
import { withFile } from "./host.ts";

/** Who looks, and from where. */
export interface Looker {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** Whether permissions do not count. */
  readonly overrides: boolean;
  /** The root directory, as a path from here. */
  readonly root: string;
  /** The working directory, as a path from here. */
  readonly directory: string;
}

/** A file, or the errno of who looks for it. */
export type Found = { readonly path: string; readonly stat: Stat } | { readonly errno: number };

const [READ, EXECUTE] = [4, 1];
const LINKS = 40;
const [PATH_MAX, NAME_MAX] = [4096, 255];

/** Follows a path. */
export function lookUp(path: string, looker: Looker): Found {
  const { root } = looker;
  if (path === "") return { errno: ENOENT };
  if (path.length >= PATH_MAX) return { errno: ENAMETOOLONG };
  let here = path.startsWith("/") ? root : looker.directory;
  let rest = path.split("/").filter(Boolean);
  let links = 0;
  try {
    while (rest.length > 0) {
      const [name, ...further] = rest as [string, ...string[]];
      if (name.length > NAME_MAX) return { errno: ENAMETOOLONG };
      const directory = statx(here || "/");
      if ((directory.mode & S_IFMT) !== S_IFDIR) return { errno: ENOTDIR };
      if (!permits(directory, EXECUTE, looker)) return { errno: EACCES };
      rest = further;
      if (name === ".") continue;
      if (name === "..") {
        if (here !== root) here = here.slice(0, here.lastIndexOf("/"));
        continue;
      }
      const next = `${here}/${name}`;
      const isLink = (statx(next, AT_SYMLINK_NOFOLLOW).mode & S_IFMT) === S_IFLNK;
      // Those of a process lead where no path may lead.
      if (!isLink || /^\/proc\/(self|\d+)\/./.test(next)) {
        here = next;
        continue;
      }
      if (++links > LINKS) return { errno: ELOOP };
      const target = readlink(next);
      if (target.startsWith("/")) here = root;
      rest = [...target.split("/").filter(Boolean), ...rest];
    }
    const stat = statx(here || "/");
    if (path.endsWith("/") && (stat.mode & S_IFMT) !== S_IFDIR) return { errno: ENOTDIR };
    return { path: here || "/", stat };
  } catch (error) {
    if (error instanceof SyscallError) return { errno: error.errno };
    throw error;
  }
}

/** The errno of who executes a file; 0 if it can be. */
export function executable(path: string, looker: Looker): number {
  const found = lookUp(path, looker);
  if ("errno" in found) return found.errno;
  const { mode } = found.stat;
  if ((mode & S_IFMT) !== S_IFREG) return EACCES;
  // Who overrides permissions must find one that lets somebody execute it.
  if (!permits(found.stat, EXECUTE, looker) || (mode & 0o111) === 0) return EACCES;
  const start = optional(() =>
    withFile(found.path, (fd) => {
      const bytes = new Uint8Array(256);
      return new TextDecoder("latin1").decode(bytes.subarray(0, read(fd, bytes)));
    })
  );
  if (start === undefined || start.startsWith("\x7fELF")) return 0;
  const [, interpreter] = /^#![ \t]*([^ \t\n]+)/.exec(start) ?? [];
  if (interpreter === undefined) return ENOEXEC;
  return executable(interpreter, looker);
}

/** The errno of who opens a file for reading; 0 if that can be done. */
export function readable(path: string, looker: Looker): number {
  const found = lookUp(path, looker);
  if ("errno" in found) return found.errno;
  return permits(found.stat, READ, looker) ? 0 : EACCES;
}

function permits({ mode, uid, gid }: Stat, bit: number, looker: Looker): boolean {
  if (looker.overrides) return true;
  const shift = uid === looker.uid ? 6 : [looker.gid, ...looker.groups].includes(gid) ? 3 : 0;
  return (mode >> shift & bit) !== 0;
}

/** The working directory of this process, as a path; `""` is the root. */
export function currentDirectory(): string | undefined {
  const path = optional(() => readlink("/proc/self/cwd"));
  return path === "/" ? "" : path;
}
