/**
 * The root of a program, and what is mounted in it.
 *
 * @module
 */
import { AT_FDCWD, O_CLOEXEC, O_PATH } from "../../ffi/constants/fcntl.ts";
import { MS_PRIVATE } from "../../ffi/constants/mount.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import type { Cell } from "../../ffi/plan/step.ts";
import { attachMount, copySource, makeMount, type MountSpec, places } from "../container/mounts.ts";
import { copyMount, setAttributes } from "../mount_api.ts";
import { pivotRoot } from "../root.ts";

/** Mounts what is wanted, in the root if it is another one, which then becomes the root. */
export function mountAll(
  p: Builder,
  root: string | undefined,
  specs: readonly MountSpec[],
): void {
  const made = specs.map((spec) => ({
    spec,
    fd: "bind" in spec.source ? copySource(p, spec) : makeMount(p, spec),
  }));
  const at = places(root === undefined ? openRoot(p) : moveInto(p, root));
  for (const mount of made) attachMount(p, at, mount);
}

function openRoot(p: Builder): Cell {
  return p.call("openat", [AT_FDCWD, "/", O_PATH | O_CLOEXEC, 0], { message: "cannot open /" });
}

/** Makes a directory the root; a descriptor of it. */
function moveInto(p: Builder, root: string): Cell {
  const message = `cannot make ${root} the root`;
  const fd = copyMount(p, AT_FDCWD, root, {}, {
    why: "a mount of the root, whether it is one already or not",
    message,
  });
  setAttributes(p, fd, { propagation: MS_PRIVATE, recursive: true }, {
    why: "what is mounted there is not seen outside",
    message,
  });
  pivotRoot(p, fd);
  return fd;
}
