/**
 * What a process sees of the file system, see mount_namespaces(7).
 *
 * @module
 */
import { EINVAL } from "../ffi/constants/errno.ts";
import {
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_REC,
  MS_SHARED,
  MS_SLAVE,
} from "../ffi/constants/mount.ts";
import { encode } from "../ffi/bytes.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import { writeFile } from "./files.ts";
import { NEEDS } from "./kernel.ts";

/**
 * What becomes of mounts and unmounts between a new mount namespace and the old
 * one, see mount_namespaces(7). `"unchanged"` leaves it as the old one has it.
 */
export type Propagation = "private" | "slave" | "shared" | "unchanged";

/** The flags of mount(2) for each propagation that is set. */
export const PROPAGATIONS = {
  private: MS_PRIVATE,
  slave: MS_SLAVE,
  shared: MS_SHARED,
} as const satisfies Record<Exclude<Propagation, "unchanged">, number>;

/** Sets the propagation of every mount. */
export function setPropagation(p: Builder, propagation: Propagation): void {
  if (propagation === "unchanged") return;
  p.call("mount", ["none", "/", 0, MS_REC | PROPAGATIONS[propagation], 0], {
    why: `every mount becomes ${propagation}`,
    message: "cannot change root filesystem propagation",
  });
}

/**
 * Mounts a new proc, in which the processes of this pid namespace are seen.
 *
 * @param detach whether the mount there must first be made private, so that the
 *   new one does not reach other mount namespaces
 */
export function mountProc(p: Builder, directory: string, detach: boolean): void {
  const message = `mount ${directory} failed`;
  if (detach) {
    p.call("mount", ["none", directory, 0, MS_PRIVATE | MS_REC, 0], {
      why: "the new mount stays in this mount namespace",
      message,
      accept: [EINVAL], // nothing is mounted there
    });
  }
  p.call("mount", ["proc", directory, "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, 0], {
    why: "show the processes of this pid namespace",
    message,
  });
}

/** Makes a directory the root, and the working directory with it. */
export function changeRoot(p: Builder, directory: string): void {
  p.call("chroot", [directory], {
    why: "everything outside is out of sight",
    message: `cannot change root directory to '${directory}'`,
  });
}

/** Changes the working directory. */
export function changeDirectory(p: Builder, directory: string): void {
  p.call("chdir", [directory], {
    why: "the working directory of the program",
    message: `cannot chdir to '${directory}'`,
  });
}

/** Where the kernel keeps its binary formats, see binfmt_misc in its documentation. */
export const BINFMT_DIRECTORY = "/proc/sys/fs/binfmt_misc";

/** Mounts a binfmt_misc: one of this user namespace, since Linux 6.7. */
export function mountBinfmt(p: Builder, directory: string): void {
  p.call("mount", ["binfmt_misc", directory, "binfmt_misc", MS_NOSUID | MS_NOEXEC | MS_NODEV, 0], {
    why: "binary formats of this user namespace",
    needs: NEEDS.binfmtMisc,
    message: `mount ${directory} failed`,
  });
}

/** Registers an interpreter, in the format of binfmt_misc. */
export function registerInterpreter(p: Builder, directory: string, format: string): void {
  writeFile(p, `${directory}/register`, format, encode(format).length, {
    why: "run binaries of this format by this interpreter",
  });
}
