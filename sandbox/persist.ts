/**
 * Namespaces that outlive their processes: bound to a file, see namespaces(7).
 *
 * @module
 */
import { MS_BIND } from "../ffi/constants/mount.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import type { Cell } from "../ffi/plan/step.ts";
import { procPath } from "./files.ts";
import { type NamespaceName, NAMESPACES } from "./namespaces.ts";

/** The file to which each namespace is bound. */
export type NamespaceFiles = ReadonlyMap<NamespaceName, string>;

/**
 * Binds namespaces of a process to files that exist.
 *
 * The pid and the time namespace that a process makes are those of its
 * children, so theirs are the ones to bind.
 *
 * @param pid the process, as the pid namespace of this step counts it
 */
export function bindNamespaces(p: Builder, pid: Cell, files: NamespaceFiles): void {
  for (const name of Object.keys(NAMESPACES) as NamespaceName[]) {
    const target = files.get(name);
    if (target === undefined) continue;
    const file = name === "pid" || name === "time"
      ? `${NAMESPACES[name].file}_for_children`
      : NAMESPACES[name].file;
    const subject = procPath(p, pid, `/ns/${file} on ${target} failed`);
    p.call("mount", [procPath(p, pid, `/ns/${file}`), target, 0, MS_BIND, 0], {
      why: "the namespace lives as long as this mount",
      message: "mount ",
      subject,
    });
  }
}
