/**
 * unistd.h: descriptors, names, directories, ids, and execution.
 *
 * @module
 */
import { cstring, cstrings, flags as flagsOf, int } from "./arguments.ts";
import { decode, encode } from "./bytes.ts";
import { SyscallError } from "./errno.ts";
import { call, errno, raw } from "./libc.ts";

/**
 * Names the host, in the UTS namespace of the calling thread.
 *
 * See sethostname(2).
 *
 * @param name at most 64 bytes
 * @throws {SyscallError} when the kernel refuses it: EPERM, EINVAL when it is too long
 * @throws {TypeError} when there is a NUL in it
 *
 * @example
 * ```ts
 * import { CLONE_NEWUTS, sethostname, unshare } from "@denspace/denspace";
 *
 * function rename(): void {
 *   unshare(CLONE_NEWUTS);
 *   sethostname("inside");
 * }
 * ```
 */
export function sethostname(name: string): void {
  const bytes = cstring("name", name);
  call("sethostname", [bytes, BigInt(bytes.length - 1)]);
}

/**
 * Names the NIS domain, in the UTS namespace of the calling thread.
 *
 * See setdomainname(2).
 *
 * @param name at most 64 bytes
 * @throws {SyscallError} when the kernel refuses it: EPERM, EINVAL when it is too long
 * @throws {TypeError} when there is a NUL in it
 *
 * @example
 * ```ts
 * import { CLONE_NEWUTS, setdomainname, unshare } from "@denspace/denspace";
 *
 * function rename(): void {
 *   unshare(CLONE_NEWUTS);
 *   setdomainname("example.org");
 * }
 * ```
 */
export function setdomainname(name: string): void {
  const bytes = cstring("name", name);
  call("setdomainname", [bytes, BigInt(bytes.length - 1)]);
}

/**
 * The name of the host, in the UTS namespace of the calling thread.
 *
 * See gethostname(2).
 *
 * @returns the name
 * @throws {SyscallError} never in practice
 *
 * @example
 * ```ts
 * import { gethostname } from "@denspace/denspace";
 *
 * console.log(gethostname());
 * ```
 */
export function gethostname(): string {
  const buffer = new Uint8Array(65); // HOST_NAME_MAX, and a NUL
  call("gethostname", [buffer, BigInt(buffer.length)]);
  return decode(buffer.subarray(0, buffer.indexOf(0)));
}

/**
 * Makes a directory the root of all paths. The working directory stays where
 * it is, outside perhaps: `chdir("/")` afterwards.
 *
 * It changes all threads that share their root, which those of Deno do until
 * `unshare(CLONE_FS)`. See chroot(2).
 *
 * @param path the directory
 * @throws {SyscallError} when the kernel refuses it, with the path: EPERM, ENOTDIR
 * @throws {TypeError} when there is a NUL in it
 *
 * @example
 * ```ts
 * import { chdir, chroot } from "@denspace/denspace";
 *
 * function enter(root: string): void {
 *   chroot(root);
 *   chdir("/");
 * }
 * ```
 */
export function chroot(path: string): void {
  call("chroot", [cstring("path", path)], { path });
}

/**
 * Changes the working directory.
 *
 * It changes all threads that share it, which those of Deno do until
 * `unshare(CLONE_FS)`. See chdir(2).
 *
 * @param path the directory
 * @throws {SyscallError} when the kernel refuses it, with the path: ENOENT, EACCES
 * @throws {TypeError} when there is a NUL in it
 *
 * @example
 * ```ts
 * import { chdir } from "@denspace/denspace";
 *
 * chdir(".");
 * ```
 */
export function chdir(path: string): void {
  call("chdir", [cstring("path", path)], { path });
}

/**
 * Changes the working directory to one that is open.
 *
 * See fchdir(2).
 *
 * @param fd a descriptor of the directory
 * @throws {SyscallError} when the kernel refuses it: EBADF, ENOTDIR, EACCES
 * @throws {TypeError | RangeError} when `fd` is no 32-bit integer
 *
 * @example
 * ```ts
 * import { chdir, close, fchdir, O_CLOEXEC, O_RDONLY, open } from "@denspace/denspace";
 *
 * const before = open(".", O_RDONLY | O_CLOEXEC);
 * chdir("/");
 * fchdir(before);
 * close(before);
 * ```
 */
export function fchdir(fd: number): void {
  call("fchdir", [int("fd", fd)]);
}

/**
 * Reads once.
 *
 * Until there is something to read, nothing else runs in this thread. See read(2).
 *
 * @param fd the descriptor
 * @param buffer where the bytes go
 * @returns how many bytes were read, which may be less than fit; 0 at the end
 * @throws {SyscallError} when the kernel refuses it: EBADF, EAGAIN, EISDIR
 * @throws {TypeError | RangeError} when `fd` is no 32-bit integer
 *
 * @example
 * ```ts
 * import { close, O_CLOEXEC, O_RDONLY, open, read } from "@denspace/denspace";
 *
 * const fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
 * const count = read(fd, new Uint8Array(16));
 * console.log(count); // 16
 * close(fd);
 * ```
 */
export function read(fd: number, buffer: Uint8Array): number {
  return call("read", [int("fd", fd), buffer as Uint8Array<ArrayBuffer>, BigInt(buffer.length)]);
}

/**
 * Writes once.
 *
 * Until there is room, nothing else runs in this thread. See write(2).
 *
 * @param fd the descriptor
 * @param data the bytes; a text is written as UTF-8
 * @returns how many bytes were written, which may be less than there are
 * @throws {SyscallError} when the kernel refuses it: EBADF, EAGAIN, EPIPE
 * @throws {TypeError | RangeError} when `fd` is no 32-bit integer
 *
 * @example
 * ```ts
 * import { write } from "@denspace/denspace";
 *
 * write(1, "said without an event loop\n");
 * ```
 */
export function write(fd: number, data: string | Uint8Array): number {
  const bytes = typeof data === "string" ? encode(data) : data as Uint8Array<ArrayBuffer>;
  return call("write", [int("fd", fd), bytes, BigInt(bytes.length)]);
}

/**
 * Closes a descriptor. It is closed as well when this throws, EBADF aside.
 *
 * See close(2).
 *
 * @param fd the descriptor
 * @throws {SyscallError} when it is not open, EBADF, or what was written to it
 *   could not be stored: EIO, ENOSPC, EDQUOT
 * @throws {TypeError | RangeError} when `fd` is no 32-bit integer
 *
 * @example
 * ```ts
 * import { close, O_CLOEXEC, O_RDONLY, open } from "@denspace/denspace";
 *
 * close(open("/dev/null", O_RDONLY | O_CLOEXEC));
 * ```
 */
export function close(fd: number): void {
  call("close", [int("fd", fd)]);
}

/**
 * Makes a descriptor refer to the open file of another. What it referred to is
 * closed.
 *
 * See dup3(2).
 *
 * @param oldfd the descriptor to copy
 * @param newfd the descriptor to change
 * @param flags `O_CLOEXEC`, or 0 for it to be inherited
 * @returns `newfd`
 * @throws {SyscallError} when the kernel refuses it: EBADF, EINVAL when both are
 *   the same
 * @throws {TypeError | RangeError} when an argument is no 32-bit integer
 *
 * @example
 * ```ts
 * import { close, dup3, O_CLOEXEC, pipe2, write } from "@denspace/denspace";
 *
 * const [reader, writer] = pipe2(O_CLOEXEC);
 * const copy = dup3(writer, 900, O_CLOEXEC);
 * write(copy, "into the pipe");
 * for (const fd of [reader, writer, copy]) close(fd);
 * ```
 */
export function dup3(oldfd: number, newfd: number, flags: number): number {
  return call("dup3", [int("oldfd", oldfd), int("newfd", newfd), flagsOf("flags", flags)]);
}

/**
 * Makes a pipe.
 *
 * See pipe2(2).
 *
 * @param flags `O_CLOEXEC`, `O_NONBLOCK`, ... joined by `|`; 0 for none
 * @returns the descriptors of its reading and of its writing end
 * @throws {SyscallError} when the kernel refuses it: EINVAL, EMFILE
 * @throws {TypeError | RangeError} when `flags` are no 32-bit integer
 *
 * @example
 * ```ts
 * import { close, O_CLOEXEC, pipe2, read, write } from "@denspace/denspace";
 *
 * const [reader, writer] = pipe2(O_CLOEXEC);
 * write(writer, "hello");
 * console.log(read(reader, new Uint8Array(16))); // 5
 * close(reader);
 * close(writer);
 * ```
 */
export function pipe2(flags: number): [number, number] {
  const ends = new Int32Array(2);
  call("pipe2", [ends, flagsOf("flags", flags)]);
  return [ends[0]!, ends[1]!];
}

/**
 * Gives a file another name. What had that name before is replaced, at once.
 *
 * See rename(2).
 *
 * @param oldPath its name until now
 * @param newPath its name from now on, on the same file system
 * @throws {SyscallError} when the kernel refuses it, with the new path: ENOENT, EXDEV
 * @throws {TypeError} when there is a NUL in a path
 *
 * @example
 * ```ts
 * import { rename, unlink } from "@denspace/denspace";
 *
 * const file = Deno.makeTempFileSync();
 * rename(file, `${file}.old`);
 * unlink(`${file}.old`);
 * ```
 */
export function rename(oldPath: string, newPath: string): void {
  call("rename", [cstring("oldPath", oldPath), cstring("newPath", newPath)], { path: newPath });
}

/**
 * Makes a symbolic link.
 *
 * See symlink(2).
 *
 * @param target what it names; nothing has to be there
 * @param linkpath the link
 * @throws {SyscallError} when the kernel refuses it, with the link: EEXIST, EACCES
 * @throws {TypeError} when there is a NUL in a path
 *
 * @example
 * ```ts
 * import { readlink, symlink, unlink } from "@denspace/denspace";
 *
 * const link = `${Deno.makeTempDirSync()}/link`;
 * symlink("anywhere", link);
 * console.log(readlink(link)); // anywhere
 * unlink(link);
 * ```
 */
export function symlink(target: string, linkpath: string): void {
  const details = { path: linkpath };
  call("symlink", [cstring("target", target), cstring("linkpath", linkpath)], details);
}

/**
 * Removes a name of a file, and the file with its last name.
 *
 * See unlink(2).
 *
 * @param path the name
 * @throws {SyscallError} when the kernel refuses it, with the path: ENOENT, EISDIR
 * @throws {TypeError} when there is a NUL in it
 *
 * @example
 * ```ts
 * import { unlink } from "@denspace/denspace";
 *
 * unlink(Deno.makeTempFileSync());
 * ```
 */
export function unlink(path: string): void {
  call("unlink", [cstring("path", path)], { path });
}

/**
 * Where a symbolic link points to.
 *
 * See readlink(2).
 *
 * @param path the link
 * @returns its text; bytes that are not UTF-8 become U+DC80 to U+DCFF, which
 *   these functions turn into the same bytes again
 * @throws {SyscallError} when the kernel refuses it, with the path: ENOENT,
 *   EINVAL when it is no symbolic link
 * @throws {TypeError} when there is a NUL in it
 *
 * @example
 * ```ts
 * import { readlink } from "@denspace/denspace";
 *
 * console.log(readlink("/proc/thread-self/ns/uts")); // uts:[4026531838]
 * ```
 */
export function readlink(path: string): string {
  const link = cstring("path", path);
  for (let size = 256;; size *= 2) {
    const buffer = new Uint8Array(size);
    const length = call("readlink", [link, buffer, BigInt(size)], { path });
    // Full, it may have been cut off.
    if (length < size) return decode(buffer.subarray(0, length));
  }
}

/**
 * The id of this process, in the pid namespace that it was started in.
 *
 * See getpid(2).
 *
 * @returns the process id
 *
 * @example
 * ```ts
 * import { getpid } from "@denspace/denspace";
 *
 * console.log(getpid() === Deno.pid); // true
 * ```
 */
export function getpid(): number {
  return raw("getpid");
}

/**
 * The id of the parent of this process.
 *
 * See getppid(2).
 *
 * @returns the process id; 0 when the parent is in another pid namespace
 *
 * @example
 * ```ts
 * import { getppid } from "@denspace/denspace";
 *
 * console.log(getppid() === Deno.ppid); // true
 * ```
 */
export function getppid(): number {
  return raw("getppid");
}

/**
 * The real user id, in the user namespace of this process.
 *
 * See getuid(2).
 *
 * @returns the user id; 65534 when it is not mapped
 *
 * @example
 * ```ts
 * import { getuid } from "@denspace/denspace";
 *
 * console.log(getuid() === Deno.uid()); // true
 * ```
 */
export function getuid(): number {
  return raw("getuid");
}

/**
 * The effective user id, in the user namespace of this process.
 *
 * See geteuid(2).
 *
 * @returns the user id; 65534 when it is not mapped
 *
 * @example
 * ```ts
 * import { geteuid } from "@denspace/denspace";
 *
 * if (geteuid() !== 0) console.log("not root");
 * ```
 */
export function geteuid(): number {
  return raw("geteuid");
}

/**
 * The real group id, in the user namespace of this process.
 *
 * See getgid(2).
 *
 * @returns the group id; 65534 when it is not mapped
 *
 * @example
 * ```ts
 * import { getgid } from "@denspace/denspace";
 *
 * console.log(getgid() === Deno.gid()); // true
 * ```
 */
export function getgid(): number {
  return raw("getgid");
}

/**
 * The effective group id, in the user namespace of this process.
 *
 * See getegid(2).
 *
 * @returns the group id; 65534 when it is not mapped
 *
 * @example
 * ```ts
 * import { getegid, getgid } from "@denspace/denspace";
 *
 * if (getegid() !== getgid()) console.log("setgid");
 * ```
 */
export function getegid(): number {
  return raw("getegid");
}

/**
 * Replaces this process by a program. It keeps the process id, the namespaces
 * and signal mask of the calling thread, and the descriptors without
 * `O_CLOEXEC`; Deno's are all close-on-exec but for standard input, output and
 * error. SIGPIPE, which Deno ignores, stays ignored: see `signal`.
 *
 * See execve(2).
 *
 * @param path the program; `PATH` is not searched
 * @param argv its arguments, from its own name on; a lone surrogate U+DC80 to
 *   U+DCFF stands for a byte that is no UTF-8
 * @param envp its environment, each as `NAME=value`
 * @returns never
 * @throws {SyscallError} when the kernel refuses it, with the path: ENOENT, EACCES
 * @throws {TypeError} when there is a NUL in a string
 *
 * @example
 * ```ts
 * import { execve, SIG_DFL, signal } from "@denspace/denspace";
 *
 * function becomeShell(): never {
 *   signal("SIGPIPE", SIG_DFL);
 *   execve("/bin/sh", ["sh"], ["PATH=/usr/bin:/bin", "HOME=/"]);
 * }
 * ```
 */
export function execve(
  path: string,
  argv: readonly string[],
  envp: readonly string[],
): never {
  raw("execve", cstring("path", path), cstrings("argv", argv), cstrings("envp", envp));
  throw new SyscallError("execve", errno(), { path });
}
