/**
 * Paths in arguments.
 *
 * @module
 */
import { O_CLOEXEC, O_DIRECTORY, O_PATH, open } from "../ffi/fcntl.ts";
import { close, readlink } from "../ffi/unistd.ts";
import { ArgumentError } from "./getopt.ts";

/** The working directory. */
export function currentDirectory(): string {
  return readlink("/proc/self/cwd");
}

/**
 * The path of a file of the machine, from the root and without links.
 *
 * @throws {SyscallError} when there is no such file
 */
export function realPath(path: string): string {
  return resolved(path, O_PATH | O_CLOEXEC);
}

/**
 * The path of a directory of the machine, from the root and without links.
 *
 * @throws {SyscallError} when there is no such directory
 */
export function realDirectory(path: string): string {
  return resolved(path, O_PATH | O_CLOEXEC | O_DIRECTORY[Deno.build.arch]);
}

function resolved(path: string, flags: number): string {
  const fd = open(path, flags);
  try {
    return readlink(`/proc/self/fd/${fd}`);
  } finally {
    close(fd);
  }
}

/** A path in a container, which must begin at the root, in its shortest form. */
export function insidePath(path: string): string {
  if (!path.startsWith("/")) throw new ArgumentError(`no absolute path: '${path}'`);
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `/${names.join("/")}`;
}
