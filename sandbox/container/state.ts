/**
 * What a container has outside, noted in a file for as long as it runs: were its
 * supervisor killed by SIGKILL, nobody else would know.
 *
 * The supervisor holds a lock on the file. Who can lock it knows that it is dead;
 * its process id would tell nothing, as another process may have it by then. A
 * file appears under its name, and locked, at once.
 *
 * @module
 */
import {
  AT_FDCWD,
  LOCK_EX,
  LOCK_NB,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_RDWR,
} from "../../ffi/constants/fcntl.ts";
import { cstring } from "../../ffi/arguments.ts";
import { decode, encode } from "../../ffi/bytes.ts";
import { readdir } from "../../ffi/dirent.ts";
import { open } from "../../ffi/fcntl.ts";
import { readFile } from "../../ffi/file.ts";
import { optional } from "../../ffi/libc.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import type { Cell, Note } from "../../ffi/plan/step.ts";
import { statx } from "../../ffi/stat.ts";
import { syscall } from "../../ffi/syscall.ts";
import { close, rename, unlink, write } from "../../ffi/unistd.ts";

/** What a container has outside. */
export interface Left {
  /** The directories of its cgroups. */
  readonly cgroups: readonly string[];
  /** The ends outside of its interfaces. */
  readonly links: readonly string[];
  /** The table of its rules for packets, if it has one. */
  readonly table?: string | undefined;
  /** The inode of the network namespace of both. */
  readonly network: number;
}

/** A name that no other container has: by it the container is noted, and called what it has outside. */
export function newId(): string {
  const uuid = decode(readFile("/proc/sys/kernel/random/uuid"));
  return uuid.replaceAll("-", "").slice(0, 12);
}

/** Where containers of a user are noted; nowhere if there is no such directory. */
export function stateDirectory(uid: number): string | undefined {
  const parent = uid === 0 ? "/run" : `/run/user/${uid}`;
  return exists(parent) ? `${parent}/denspace` : undefined;
}

/** Whether there is such a file. */
export function exists(path: string): boolean {
  return optional(() => statx(path)) !== undefined;
}

/** The inode of the network namespace in which this process is. */
export function ownNetwork(): number {
  return Number(statx("/proc/self/ns/net").ino);
}

/** Notes what a container will have. It is no failure if that can't be: only gc will not know of it. */
export function noteState(p: Builder, file: string, left: Left, slot: Cell): void {
  const text = `${JSON.stringify(left)}\n`;
  const [directory, name] = split(file);
  const draft = `${directory}/.${name}`;
  const [next, failed, end] = [p.label(), p.label(), p.label()];
  const note: Note = { fail: failed };
  p.call("mkdirat", [AT_FDCWD, directory, 0o700], { why: "containers are noted here", fail: next });
  p.place(next);
  const flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
  const fd = p.call("openat", [AT_FDCWD, draft, flags, 0o600], {
    why: "what there is to remove, were we killed",
    fail: end,
  });
  p.call("flock", [fd, LOCK_EX | LOCK_NB], {
    why: "who can lock it knows that we are dead",
    ...note,
  });
  p.call("write", [fd, text, encode(text).length], note);
  p.call("renameat2", [AT_FDCWD, draft, AT_FDCWD, file, 0], { why: "now it counts", ...note });
  p.call("dup3", [fd, slot, O_CLOEXEC], { why: "the lock lasts as long as this", ...note });
  p.call("close", [fd], { next: end, fail: end });
  p.place(failed);
  p.call("unlinkat", [AT_FDCWD, draft, 0], { why: "nobody can know of it", fail: end });
  p.place(end);
}

/** Notes it for as long as this process lives, if that can be; what it returns removes the note. */
export function holdState(file: string, left: Left): (() => void) | undefined {
  const [directory, name] = split(file);
  const draft = `${directory}/.${name}`;
  optional(() => syscall("mkdirat", [AT_FDCWD, cstring("directory", directory), 0o700]));
  const fd = optional(() => open(draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600));
  if (fd === undefined) return undefined;
  const noted = optional(() => {
    syscall("flock", [fd, LOCK_EX | LOCK_NB]);
    write(fd, `${JSON.stringify(left)}\n`);
    rename(draft, file);
    return true;
  });
  if (!noted) optional(() => unlink(draft));
  return () => {
    if (noted) optional(() => unlink(file));
    close(fd);
  };
}

/** Removes the note, when nothing else is left. */
export function forgetState(p: Builder, file: string): void {
  const end = p.label();
  p.call("unlinkat", [AT_FDCWD, file, 0], { why: "nothing is left to note", fail: end });
  p.place(end);
}

function split(file: string): [directory: string, name: string] {
  const at = file.lastIndexOf("/");
  return [file.slice(0, at), file.slice(at + 1)];
}

/** A container whose supervisor is dead. */
export interface Dead {
  /** The name of its note. */
  readonly name: string;
  /** The note, which we have locked: nobody else removes it meanwhile. */
  readonly file: string;
  /** What it had outside. */
  readonly left: Left;
}

/** The containers of a directory whose supervisors are dead. Their notes stay locked as long as this process lives. */
export function deadContainers(directory: string): Dead[] {
  const names = optional(() => readdir(directory)) ?? [];
  return names.filter((name) => !name.startsWith(".")).sort().flatMap((name): Dead[] => {
    const file = `${directory}/${name}`;
    const text = lockedText(file);
    const left = text === undefined ? undefined : parse(text);
    return left ? [{ name, file, left }] : [];
  });
}

/** What stands in a note that can be locked. The descriptor is one that a plan inherits. */
function lockedText(file: string): string | undefined {
  const fd = optional(() => open(file, O_RDWR));
  if (fd === undefined) return undefined;
  const locked = optional(() => syscall("flock", [fd, LOCK_EX | LOCK_NB])) !== undefined;
  // It may have been removed before it was locked.
  const text = locked ? optional(() => decode(readFile(file))) : undefined;
  if (text === undefined) close(fd);
  return text;
}

function parse(text: string): Left | undefined {
  try {
    const { cgroups, links, table, network } = JSON.parse(text);
    return { cgroups, links, table, network };
  } catch {
    return undefined;
  }
}
