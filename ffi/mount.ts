/**
 * sys/mount.h: mounting and unmounting.
 *
 * @module
 */
import { cstring, flags as flagsOf } from "./arguments.ts";
import { call } from "./libc.ts";

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

function cstringOrNull(name: string, value: string | null): Uint8Array<ArrayBuffer> | null {
  return value === null ? null : cstring(name, value);
}
