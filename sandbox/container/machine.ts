/**
 * What a container depends on of the machine where it runs, looked at before
 * anything is done.
 *
 * @module
 */
import { decode } from "../../ffi/bytes.ts";
import {
  AT_SYMLINK_NOFOLLOW,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from "../../ffi/constants/fcntl.ts";
import { readdir } from "../../ffi/dirent.ts";
import { readFile } from "../../ffi/file.ts";
import { optional } from "../../ffi/libc.ts";
import { statx } from "../../ffi/stat.ts";
import { getegid, geteuid, readlink } from "../../ffi/unistd.ts";
import { findHierarchies, type Hierarchy } from "../cgroup/hierarchies.ts";
import { kernelRelease } from "../target.ts";
import type { Files } from "./layers.ts";
import { type MountEntry, readMounts } from "./mount_table.ts";
import { newId } from "./state.ts";

/** A machine, and who runs a container on it. */
export interface Machine {
  /** The effective user id. */
  readonly uid: number;
  /** The effective group id. */
  readonly gid: number;
  /** Whether this process is in a user namespace of its own. */
  readonly nested: boolean;
  /** A name that no other container has. */
  readonly id: string;
  /** The release of the kernel. */
  release(): string;
  /** The files. */
  readonly files: Files;
  /** The mounts that can be reached, each before those below it. */
  mounts(): readonly MountEntry[];
  /** The cgroup hierarchies. */
  hierarchies(): readonly Hierarchy[];
}

/** This machine. */
export function thisMachine(): Machine {
  return {
    uid: geteuid(),
    gid: getegid(),
    nested: isNested(),
    release: kernelRelease,
    files: { stat, list, readlink },
    id: newId(),
    mounts: readMounts,
    hierarchies: findHierarchies,
  };
}

/** Whether this process is in a user namespace of its own. */
export function isNested(): boolean {
  return !/^ +0 +0 +4294967295\n$/.test(decode(readFile("/proc/self/uid_map")));
}

const KINDS = new Map([[S_IFDIR, "directory"], [S_IFREG, "file"], [S_IFLNK, "link"]]);

function stat(path: string): ReturnType<Files["stat"]> {
  return optional(() => {
    const { mode, uid, gid } = statx(path, AT_SYMLINK_NOFOLLOW);
    return { kind: KINDS.get(mode & S_IFMT) ?? "other", mode: mode & ~S_IFMT, uid, gid };
  });
}

function list(path: string): string[] {
  return optional(() => readdir(path).sort()) ?? [];
}
