/**
 * sys/mount.h: mounting and unmounting.
 *
 * @module
 */
import { cstring, flags as flagsOf, int } from "./arguments.ts";
import { AT_FDCWD } from "./constants/fcntl.ts";
import { call } from "./libc.ts";
import { syscall } from "./syscall.ts";

export * from "./constants/mount.ts";

/**
 * Mounts a file system, or moves, binds or changes a mount.
 *
 * It does so in the mount namespace of the calling thread. What the arguments
 * mean, and which are looked at, is decided by `mountflags`.
 *
 * See mount(2).
 *
 * @param source a device, a directory to bind, or any word; `null` for none
 * @param target where to mount
 * @param filesystemtype a name in /proc/filesystems; `null` for none
 * @param mountflags `MS_NOSUID`, `MS_BIND`, ... joined by `|`
 * @param data options of the file system, joined by commas; `null` for none
 * @throws {SyscallError} when the kernel refuses it, with `target` as its path
 * @throws {TypeError | RangeError} when `mountflags` are no 32-bit integer, or
 *   when there is a NUL in a string
 *
 * @example
 * ```ts
 * import { mount, MS_NODEV, MS_NOSUID, MS_PRIVATE, MS_REC } from "@denspace/denspace";
 *
 * function ownTmp(): void {
 *   mount(null, "/", null, MS_REC | MS_PRIVATE, null);
 *   mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=64m");
 * }
 * ```
 */
export function mount(
  source: string | null,
  target: string,
  filesystemtype: string | null,
  mountflags: number,
  data: string | null,
): void {
  call("mount", [
    cstringOrNull("source", source),
    cstring("target", target),
    cstringOrNull("filesystemtype", filesystemtype),
    BigInt(flagsOf("mountflags", mountflags) >>> 0),
    cstringOrNull("data", data),
  ], { path: target });
}

/**
 * Unmounts the topmost mount at a path.
 *
 * See umount2(2).
 *
 * @param target where it is mounted
 * @param flags `MNT_DETACH`, `UMOUNT_NOFOLLOW`, ... joined by `|`; 0 for none
 * @throws {SyscallError} when the kernel refuses it: EBUSY, EINVAL when nothing
 *   is mounted there
 * @throws {TypeError | RangeError} when `flags` are no 32-bit integer, or when
 *   there is a NUL in `target`
 *
 * @example
 * ```ts
 * import { MNT_DETACH, umount } from "@denspace/denspace";
 *
 * function withoutProc(): void {
 *   umount("/proc", MNT_DETACH);
 * }
 * ```
 */
export function umount(target: string, flags: number): void {
  call("umount2", [cstring("target", target), flagsOf("flags", flags)], { path: target });
}

/**
 * Makes a mount the root of its mount namespace, and moves the old root to
 * another place. `"."` for both stacks the old one on the new one, from where
 * `umount(".", MNT_DETACH)` takes it away.
 *
 * It changes the root and working directory of all threads and processes of
 * the mount namespace that have the old root. See pivot_root(2).
 *
 * @param newRoot a directory at which something is mounted, below the old root
 * @param putOld where the old root goes: a directory at or below the new one
 * @throws {SyscallError} when the kernel refuses it, with the new root: EINVAL
 *   when it is no mount, or a shared one is involved, EBUSY, EPERM
 * @throws {TypeError} when there is a NUL in a path
 *
 * @example
 * ```ts
 * import { chdir, MNT_DETACH, pivotRoot, umount } from "@denspace/denspace";
 *
 * function moveInto(root: string): void {
 *   chdir(root);
 *   pivotRoot(".", ".");
 *   umount(".", MNT_DETACH);
 * }
 * ```
 */
export function pivotRoot(newRoot: string, putOld: string): void {
  const args = [cstring("newRoot", newRoot), cstring("putOld", putOld)];
  syscall("pivot_root", args, { path: newRoot });
}

/**
 * Opens a type of file system, to configure a new one of it by
 * {@linkcode fsconfig}.
 *
 * See fsopen(2).
 *
 * @param fsname the type: a name in /proc/filesystems
 * @param flags `FSOPEN_CLOEXEC` or 0
 * @returns a descriptor of the configuration; the caller closes it
 * @throws {SyscallError} when the kernel refuses it, with the type as its path:
 *   ENODEV, EPERM
 * @throws {TypeError | RangeError} when `flags` are no 32-bit integer, or when
 *   there is a NUL in `fsname`
 *
 * @example
 * ```ts
 * import {
 *   close,
 *   FSCONFIG_CMD_CREATE,
 *   FSCONFIG_SET_STRING,
 *   fsconfig,
 *   fsmount,
 *   FSMOUNT_CLOEXEC,
 *   fsopen,
 *   FSOPEN_CLOEXEC,
 *   MOUNT_ATTR_NODEV,
 *   MOVE_MOUNT_F_EMPTY_PATH,
 *   moveMount,
 * } from "@denspace/denspace";
 *
 * function mountTmpfs(path: string): void {
 *   const fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
 *   fsconfig(fs, FSCONFIG_SET_STRING, "size", "64m");
 *   fsconfig(fs, FSCONFIG_CMD_CREATE);
 *   const mount = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV);
 *   moveMount(mount, "", null, path, MOVE_MOUNT_F_EMPTY_PATH);
 *   for (const fd of [fs, mount]) close(fd);
 * }
 * ```
 */
export function fsopen(fsname: string, flags: number): number {
  const args = [cstring("fsname", fsname), flagsOf("flags", flags)];
  return syscall("fsopen", args, { path: fsname });
}

/**
 * Opens the configuration of a file system that is mounted.
 *
 * See fspick(2).
 *
 * @param dirfd where a relative path begins; `null` for the working directory
 * @param path the mount; `""` with `FSPICK_EMPTY_PATH` for `dirfd` itself
 * @param flags `FSPICK_CLOEXEC`, `FSPICK_EMPTY_PATH`, ... joined by `|`
 * @returns a descriptor of the configuration; the caller closes it
 * @throws {SyscallError} when the kernel refuses it, with the path: ENOENT,
 *   EINVAL when nothing is mounted there, EPERM
 * @throws {TypeError | RangeError} when a number does not fit its C type, or
 *   when there is a NUL in `path`
 *
 * @example
 * ```ts
 * import {
 *   close,
 *   FSCONFIG_CMD_RECONFIGURE,
 *   FSCONFIG_SET_FLAG,
 *   fsconfig,
 *   fspick,
 *   FSPICK_CLOEXEC,
 * } from "@denspace/denspace";
 *
 * function makeReadOnly(mount: string): void {
 *   const fs = fspick(null, mount, FSPICK_CLOEXEC);
 *   fsconfig(fs, FSCONFIG_SET_FLAG, "ro");
 *   fsconfig(fs, FSCONFIG_CMD_RECONFIGURE);
 *   close(fs);
 * }
 * ```
 */
export function fspick(dirfd: number | null, path: string, flags: number): number {
  const args = [directory("dirfd", dirfd), cstring("path", path), flagsOf("flags", flags)];
  return syscall("fspick", args, { path });
}

/**
 * Configures a file system.
 *
 * See fsconfig(2).
 *
 * @param fd what {@linkcode fsopen} or {@linkcode fspick} returned
 * @param cmd `FSCONFIG_SET_STRING`, `FSCONFIG_CMD_CREATE`, ...
 * @param key the parameter; `null` for a command that has none
 * @param value its value: text, bytes for `FSCONFIG_SET_BINARY`, or none
 * @param aux the length of the bytes, or a descriptor, or 0
 * @throws {SyscallError} when the kernel refuses it, with the parameter as its
 *   path: EINVAL, EBUSY. Why can be read from `fd`
 * @throws {TypeError | RangeError} when a number does not fit its C type, or
 *   when there is a NUL in a text
 *
 * @example
 * ```ts
 * import { FSCONFIG_CMD_CREATE, FSCONFIG_SET_STRING, fsconfig } from "@denspace/denspace";
 *
 * function createTmpfs(fs: number, mode: number): void {
 *   fsconfig(fs, FSCONFIG_SET_STRING, "mode", mode.toString(8));
 *   fsconfig(fs, FSCONFIG_CMD_CREATE);
 * }
 * ```
 */
export function fsconfig(
  fd: number,
  cmd: number,
  key: string | null = null,
  value: string | Uint8Array<ArrayBuffer> | null = null,
  aux: number = 0,
): void {
  const bytes = typeof value === "string" ? cstring("value", value) : value;
  const args = [int("fd", fd), int("cmd", cmd), cstringOrNull("key", key), bytes, int("aux", aux)];
  syscall("fsconfig", args, key === null ? {} : { path: key });
}

/**
 * Makes a mount of a file system, as yet at no place.
 *
 * See fsmount(2).
 *
 * @param fsfd a configuration on which `FSCONFIG_CMD_CREATE` was done
 * @param flags `FSMOUNT_CLOEXEC` or 0
 * @param attributes `MOUNT_ATTR_NOSUID`, `MOUNT_ATTR_RDONLY`, ... joined by `|`
 * @returns a descriptor of the mount, for {@linkcode moveMount}; the caller closes it
 * @throws {SyscallError} when the kernel refuses it: EINVAL, EPERM
 * @throws {TypeError | RangeError} when a number does not fit its C type
 *
 * @example
 * ```ts
 * import { fsmount, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY } from "@denspace/denspace";
 *
 * const readOnly = (fs: number): number => fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
 * ```
 */
export function fsmount(fsfd: number, flags: number, attributes: number): number {
  const args = [int("fsfd", fsfd), flagsOf("flags", flags), flagsOf("attributes", attributes)];
  return syscall("fsmount", args);
}

/**
 * Opens a mount or a directory, or, with `OPEN_TREE_CLONE`, makes a copy of it
 * that is at no place yet: a bind mount to be.
 *
 * See open_tree(2).
 *
 * @param dirfd where a relative path begins; `null` for the working directory
 * @param path the directory; `""` with `AT_EMPTY_PATH` for `dirfd` itself
 * @param flags `OPEN_TREE_CLONE`, `OPEN_TREE_CLOEXEC`, `AT_RECURSIVE`, ... joined by `|`
 * @returns a descriptor, for {@linkcode moveMount}; the caller closes it
 * @throws {SyscallError} when the kernel refuses it, with the path: ENOENT, EPERM
 * @throws {TypeError | RangeError} when a number does not fit its C type, or
 *   when there is a NUL in `path`
 *
 * @example
 * ```ts
 * import {
 *   close,
 *   MOVE_MOUNT_F_EMPTY_PATH,
 *   moveMount,
 *   OPEN_TREE_CLOEXEC,
 *   OPEN_TREE_CLONE,
 *   openTree,
 * } from "@denspace/denspace";
 *
 * function bind(from: string, to: string): void {
 *   const tree = openTree(null, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
 *   moveMount(tree, "", null, to, MOVE_MOUNT_F_EMPTY_PATH);
 *   close(tree);
 * }
 * ```
 */
export function openTree(dirfd: number | null, path: string, flags: number): number {
  const args = [directory("dirfd", dirfd), cstring("path", path), flagsOf("flags", flags)];
  return syscall("open_tree", args, { path });
}

/**
 * Moves a mount, or gives a place to one that has none.
 *
 * See move_mount(2).
 *
 * @param fromDirfd where a relative path begins; `null` for the working directory
 * @param fromPath the mount; `""` with `MOVE_MOUNT_F_EMPTY_PATH` for `fromDirfd` itself
 * @param toDirfd where a relative path begins; `null` for the working directory
 * @param toPath where it goes; `""` with `MOVE_MOUNT_T_EMPTY_PATH` for `toDirfd` itself
 * @param flags `MOVE_MOUNT_F_EMPTY_PATH`, ... joined by `|`; 0 for none
 * @throws {SyscallError} when the kernel refuses it, with the path it goes to: EINVAL, ENOENT
 * @throws {TypeError | RangeError} when a number does not fit its C type, or
 *   when there is a NUL in a path
 *
 * @example
 * ```ts
 * import { moveMount } from "@denspace/denspace";
 *
 * function move(from: string, to: string): void {
 *   moveMount(null, from, null, to, 0);
 * }
 * ```
 */
export function moveMount(
  fromDirfd: number | null,
  fromPath: string,
  toDirfd: number | null,
  toPath: string,
  flags: number,
): void {
  syscall("move_mount", [
    directory("fromDirfd", fromDirfd),
    cstring("fromPath", fromPath),
    directory("toDirfd", toDirfd),
    cstring("toPath", toPath),
    flagsOf("flags", flags),
  ], { path: toPath });
}

/** What {@linkcode mountSetattr} changes. */
export interface MountAttributes {
  /** Attributes to set: `MOUNT_ATTR_RDONLY`, ... joined by `|`. */
  set?: number;
  /** Attributes to clear. */
  clear?: number;
  /** The propagation: `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED` or `MS_UNBINDABLE`. */
  propagation?: number;
  /** The user namespace that maps its ids, with `MOUNT_ATTR_IDMAP`: a descriptor. */
  userNamespace?: number;
}

/**
 * Changes attributes of a mount, or, with `AT_RECURSIVE`, of it and all mounts
 * below it: all or none. Since Linux 5.12.
 *
 * See mount_setattr(2).
 *
 * @param dirfd where a relative path begins; `null` for the working directory
 * @param path the mount; `""` with `AT_EMPTY_PATH` for `dirfd` itself
 * @param flags `AT_EMPTY_PATH`, `AT_RECURSIVE`, ... joined by `|`; 0 for none
 * @param attributes what is changed
 * @throws {SyscallError} when the kernel refuses it, with the path: EINVAL, EPERM
 * @throws {TypeError | RangeError} when a number does not fit its C type, or
 *   when there is a NUL in `path`
 *
 * @example
 * ```ts
 * import { AT_RECURSIVE, MOUNT_ATTR_RDONLY, mountSetattr } from "@denspace/denspace";
 *
 * function makeReadOnly(root: string): void {
 *   mountSetattr(null, root, AT_RECURSIVE, { set: MOUNT_ATTR_RDONLY });
 * }
 * ```
 */
export function mountSetattr(
  dirfd: number | null,
  path: string,
  flags: number,
  { set = 0, clear = 0, propagation = 0, userNamespace = 0 }: MountAttributes,
): void {
  const attributes = new BigUint64Array([
    BigInt(flagsOf("set", set) >>> 0),
    BigInt(flagsOf("clear", clear) >>> 0),
    BigInt(flagsOf("propagation", propagation) >>> 0),
    BigInt(int("userNamespace", userNamespace)),
  ]);
  syscall("mount_setattr", [
    directory("dirfd", dirfd),
    cstring("path", path),
    flagsOf("flags", flags),
    new Uint8Array(attributes.buffer),
    attributes.byteLength,
  ], { path });
}

function directory(name: string, fd: number | null): number {
  return fd === null ? AT_FDCWD : int(name, fd);
}

function cstringOrNull(name: string, value: string | null): Uint8Array<ArrayBuffer> | null {
  return value === null ? null : cstring(name, value);
}
