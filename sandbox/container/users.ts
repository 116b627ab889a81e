/**
 * Users and groups by name, from a root's own files: what they are called there
 * is not what they are called here. See passwd(5), group(5).
 *
 * @module
 */
import { decode } from "../../ffi/bytes.ts";
import {
  O_CLOEXEC,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
} from "../../ffi/constants/fcntl.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { open } from "../../ffi/fcntl.ts";
import { readFile } from "../../ffi/file.ts";
import { syscall } from "../../ffi/syscall.ts";
import { close } from "../../ffi/unistd.ts";
import { structure } from "../mount_api.ts";
import { isRegular } from "../target.ts";

/** A user of a root. */
export interface RootUser {
  /** The user id. */
  readonly uid: number;
  /** The group id. */
  readonly gid: number;
  /** The groups that have the user as a member. */
  readonly groups: readonly number[];
  /** The home directory. */
  readonly home: string;
}

/** The user with this name, or this id, if the root knows one. */
export function findUser(root: string, user: string): RootUser | undefined {
  // name:password:uid:gid:comment:home:shell
  const entry = lines(root, "/etc/passwd").find(([name, , uid]) => name === user || uid === user);
  if (!entry) return undefined;
  const [name, , uid, gid, , home] = entry;
  return {
    uid: Number(uid),
    gid: Number(gid),
    groups: lines(root, "/etc/group").filter(([, , , members = ""]) =>
      members.split(",").includes(name!)
    ).map(([, , id]) => Number(id)),
    home: home || "/",
  };
}

/** The id of the group with this name. */
export function findGroup(root: string, group: string): number | undefined {
  const entry = lines(root, "/etc/group").find(([name]) => name === group);
  return entry && Number(entry[2]);
}

/** The fields of the lines of a file of a root; none if there is no such file. */
function lines(root: string, path: string): string[][] {
  const text = readInRoot(root, path) ?? "";
  return text.split("\n").filter((line) => line !== "").map((line) => line.split(":"));
}

/** What is in a file of a root, wherever links lead within it. */
function readInRoot(root: string, path: string): string | undefined {
  const how = structure([
    O_RDONLY | O_CLOEXEC | O_NONBLOCK,
    0,
    RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
  ]);
  const directory = open(root, O_PATH | O_CLOEXEC);
  try {
    const name = new TextEncoder().encode(`${path}\0`);
    const fd = syscall("openat2", [directory, name, how, how.length]);
    try {
      const file = `/proc/self/fd/${fd}`;
      // What is in there is not ours: a pipe would have us wait for ever.
      return isRegular(file) ? decode(readFile(file)) : undefined;
    } finally {
      close(fd);
    }
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  } finally {
    close(directory);
  }
}
