/**
 * Bytes as an open file that can be executed.
 *
 * @module
 */
import { EINVAL } from "../constants/errno.ts";
import { SyscallError } from "../errno.ts";
import {
  F_ADD_SEALS,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  fcntl,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_WRONLY,
  open,
} from "../fcntl.ts";
import { memfdCreate, MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_EXEC } from "../mman.ts";
import { close, unlink, write } from "../unistd.ts";

/** Where a file goes when memory can't be executed. */
const DIRECTORIES = ["/run", "/dev/shm", "/tmp", "/var/tmp", "."];

/** What is in it stays as it is, whoever gets hold of it: /proc/PID/exe leads to it. */
export const SEALS: number = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

/**
 * Makes an executable in memory, which nobody can change any more.
 *
 * @param name shown in /proc/PID/exe
 * @param bytes the executable
 * @returns the descriptor, close-on-exec
 * @throws {SyscallError} when memory can't be made executable: EACCES where
 *   `vm.memfd_noexec` is 2
 */
export function memoryImage(name: string, bytes: Uint8Array): number {
  const fd = filled(memfd(name), bytes);
  fcntl(fd, F_ADD_SEALS, SEALS);
  return fd;
}

function memfd(name: string): number {
  try {
    return memfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  } catch (error) {
    // Before Linux 6.3 every memfd is executable and the flag unknown.
    if (!isErrno(error, EINVAL)) throw error;
    return memfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  }
}

/**
 * Makes an executable in a file that has no name any more, in the first
 * directory where `use` does not refuse it with EACCES (as one on a file system
 * that is mounted noexec is).
 *
 * @throws {SyscallError} when there is none
 */
export function fileImage(name: string, bytes: Uint8Array, use: (fd: number) => void): void {
  let failure: unknown;
  for (const directory of DIRECTORIES) {
    try {
      const fd = unnamedFile(`${directory}/.${name}-${crypto.randomUUID()}`, bytes);
      try {
        return use(fd);
      } finally {
        close(fd);
      }
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      failure = error;
    }
  }
  throw failure;
}

/** A file that is open for writing can't be executed, so it is opened twice. */
function unnamedFile(path: string, bytes: Uint8Array): number {
  const writer = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o700);
  try {
    filled(writer, bytes);
    return open(path, O_RDONLY | O_CLOEXEC);
  } finally {
    unlink(path);
    close(writer);
  }
}

function filled(fd: number, bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length;) at += write(fd, bytes.subarray(at));
  return fd;
}

function isErrno(error: unknown, errno: number): boolean {
  return error instanceof SyscallError && error.errno === errno;
}
