/**
 * The root directory of a container: a mount becomes the root of its mount
 * namespace, and the old root is gone from it. See pivot_root(2).
 *
 * A chroot(2) would leave the old root where it is, for whoever has a descriptor
 * of it or may call chroot(2) again.
 *
 * @module
 */
import { AT_FDCWD } from "../ffi/constants/fcntl.ts";
import { MNT_DETACH, MOVE_MOUNT_F_EMPTY_PATH } from "../ffi/constants/mount.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import type { Cell } from "../ffi/plan/step.ts";

/**
 * Makes a mount that is not attached yet the root, and the working directory.
 *
 * @param mount a descriptor of it; later it is one of the root
 */
export function pivotRoot(p: Builder, mount: Cell): void {
  const message = "cannot change the root";
  p.call("move_mount", [mount, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH], {
    why: "the new root lies on the old one",
    message,
  });
  p.call("fchdir", [mount], { message });
  p.call("pivot_root", [".", "."], {
    why: "they change places: now the old root lies on the new one",
    message,
  });
  p.call("umount2", [".", MNT_DETACH], {
    why: "the old root, the topmost mount here, is gone with all below it",
    message: "cannot detach the old root",
  });
  p.call("chdir", ["/"], { message });
}
