/**
 * Mounts whose files are owned by other ids inside than outside. The kernel takes
 * the ids from a user namespace, which is made for that; and it takes them only
 * from who has rights over the file system, so before the container's own user
 * namespace is made. See mount_setattr(2), "ID-mapped mounts".
 *
 * @module
 */
import { EINTR } from "../../ffi/constants/errno.ts";
import { CLONE_NEWUSER } from "../../ffi/constants/sched.ts";
import { AT_FDCWD, O_CLOEXEC, O_RDONLY } from "../../ffi/constants/fcntl.ts";
import { SIGNALS } from "../../ffi/constants/signal.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import type { Cell } from "../../ffi/plan/step.ts";
import { procPath } from "../files.ts";
import { awaitEnd } from "../helper.ts";
import { type IdRanges, writeRanges } from "../idmap.ts";
import { dieWithParent, watchSelf } from "../waiter.ts";
import { copySource, type MountSpec } from "./mounts.ts";
import type { Container } from "./resolve.ts";

const { SIGCHLD, SIGKILL } = SIGNALS;

/** Copies the mounts that have ids of their own. */
export function copyIdmapped(p: Builder, { mounts }: Container): Map<MountSpec, Cell> {
  const made = new Map<MountSpec, Cell>();
  const namespaces = new Map<string, Cell>();
  for (const mount of mounts) {
    if (!("source" in mount) || !mount.ids) continue;
    const key = JSON.stringify(mount.ids);
    const userns = namespaces.get(key) ?? makeUserNamespace(p, mount.ids);
    namespaces.set(key, userns);
    made.set(mount, copySource(p, mount, userns));
  }
  return made;
}

/** Makes a user namespace with these ids; a descriptor. */
function makeUserNamespace(p: Builder, { users, groups }: IdRanges): Cell {
  const message = "cannot make a user namespace for the ids of a mount";
  const self = watchSelf(p);
  const child = p.call("clone", [CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0], {
    why: "a process, for its user namespace",
    child: "ids",
    message,
  });
  p.when("equal", child, 0, () => {
    dieWithParent(p, self, SIGKILL);
    const again = p.here();
    p.call("ppoll", [0, 0, 0, 0, 0], { why: "until it is killed", accept: [EINTR] });
    p.jump(again);
  });
  writeRanges(p, child, "uid_map", users);
  writeRanges(p, child, "gid_map", groups);
  const path = procPath(p, child, "/ns/user");
  const fd = p.call("openat", [AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0], { message });
  p.call("kill", [child, SIGKILL], { why: "its namespace is held open", message });
  awaitEnd(p, child, { message });
  return fd;
}
