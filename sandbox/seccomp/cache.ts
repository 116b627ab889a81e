/**
 * Compiled filters that are kept, by what they were compiled from, in a
 * directory that is nobody else's.
 *
 * @module
 */
import { decode, encode } from "../../ffi/bytes.ts";
import { SyscallError } from "../../ffi/errno.ts";
import {
  AT_FDCWD,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_WRONLY,
  open,
} from "../../ffi/fcntl.ts";
import { readFile } from "../../ffi/file.ts";
import { fstat } from "../../ffi/stat.ts";
import { syscall } from "../../ffi/syscall.ts";
import { close, geteuid, getpid, rename, unlink, write } from "../../ffi/unistd.ts";

/**
 * What `make` makes of `source`, from the cache if it is there. A file holds the
 * source, too, and counts only if that is the same.
 */
export function cached(source: string, make: () => Uint8Array): Uint8Array {
  const head = encode(`${source}\n`);
  const name = hash(head);
  const found = inCache((directory) => {
    const file = readFile(`${directory}/${name}`);
    const same = decode(file.subarray(0, head.length)) === `${source}\n`;
    return same ? file.subarray(head.length) : undefined;
  });
  if (found && found.length > 0) return found;

  const made = make();
  inCache((directory) => {
    const draft = `${directory}/${name}.${getpid()}`;
    const fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600);
    try {
      for (const part of [head, made]) {
        for (let at = 0; at < part.length;) at += write(fd, part.subarray(at));
      }
      rename(draft, `${directory}/${name}`);
    } catch (error) {
      unlink(draft);
      throw error;
    } finally {
      close(fd);
    }
  }, true);
  return made;
}

/** Does something in the cache's directory; nothing if there is none, or if that fails. */
function inCache<T>(work: (directory: string) => T, make = false): T | undefined {
  let fd: number | undefined;
  try {
    const directory = path();
    if (directory === undefined) return undefined;
    if (make) makeDirectories(directory);
    const { [Deno.build.arch]: nofollow } = O_NOFOLLOW;
    const { [Deno.build.arch]: isDirectory } = O_DIRECTORY;
    fd = open(directory, O_PATH | isDirectory | nofollow | O_CLOEXEC);
    const { uid, mode } = fstat(fd);
    if (uid !== geteuid() || (mode & 0o7777) !== 0o700) return undefined;
    return work(`/proc/self/fd/${fd}`);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  } finally {
    if (fd !== undefined) close(fd);
  }
}

/** Where the directory is, or would be. */
function path(): string | undefined {
  const variables = decode(readFile("/proc/self/environ")).split("\0");
  const variable = (name: string): string | undefined =>
    variables.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1) || undefined;
  const home = variable("HOME");
  const cache = variable("XDG_CACHE_HOME") ??
    (geteuid() === 0 ? "/var/cache" : home && `${home}/.cache`);
  return cache?.startsWith("/") ? `${cache}/denspace/seccomp` : undefined;
}

/** Makes a directory and those that lead to it, as far as they are not there. */
function makeDirectories(path: string): void {
  const names = path.split("/");
  for (let i = 2; i <= names.length; i++) {
    try {
      syscall("mkdirat", [AT_FDCWD, encode(`${names.slice(0, i).join("/")}\0`), 0o700]);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error; // it shows when it is opened
    }
  }
}

/** FNV-1a, by words: a name that is hardly ever that of another source. */
function hash(bytes: Uint8Array<ArrayBuffer>): string {
  const words = new Uint32Array(bytes.buffer, 0, bytes.length >> 2);
  let hash = 0x811c9dc5;
  for (const word of words) hash = Math.imul(hash ^ word, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
