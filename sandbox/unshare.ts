/**
 * unshare(1) as a plan: a program in new namespaces.
 *
 * @module
 */
import { type Plan } from "../ffi/plan/step.ts";
import { plan } from "../ffi/plan/builder.ts";
import { changeGroup, changeUser, dropGroups } from "./credentials.ts";
import { type InsideId, mapGroup, mapUser, outsideIds } from "./idmap.ts";
import {
  changeDirectory,
  changeRoot,
  mountProc,
  type Propagation,
  setPropagation,
} from "./mounts.ts";
import { namespaceFlags, type NamespaceName } from "./namespaces.ts";
import { nameProcess, type Program, runProgram } from "./program.ts";
import {
  blockInterrupts,
  dieWithParent,
  expectChild,
  fork,
  restoreMask,
  waitFor,
  watchSelf,
} from "./waiter.ts";

/** What is wanted of {@linkcode unsharePlan}. */
export interface Unshare {
  /** The name by which the program is known, with which its messages begin. */
  readonly name: string;
  /** The new namespaces. */
  readonly namespaces: ReadonlySet<NamespaceName>;
  /** Whether the program is run by a child. */
  readonly fork: boolean;
  /** The signal that the child gets when the parent dies. */
  readonly killChild?: number | undefined;
  /** The user id inside. */
  readonly mapUser?: InsideId | undefined;
  /** The group id inside. */
  readonly mapGroup?: InsideId | undefined;
  /** What becomes of the mounts. */
  readonly propagation: Propagation;
  /** The root directory. */
  readonly root?: string | undefined;
  /** The working directory, within the root. */
  readonly workingDirectory?: string | undefined;
  /** Where a new proc is mounted, within the root. */
  readonly mountProc?: string | undefined;
  /** The group id to change to. */
  readonly setgid?: number | undefined;
  /** The user id to change to. */
  readonly setuid?: number | undefined;
  /** The program; the user's shell if there is none. */
  readonly program?: Program | undefined;
}

/** The plan of a program in new namespaces. */
export function unsharePlan(want: Unshare): Plan {
  return plan(want.name, (p) => {
    nameProcess(p, want.name);
    const ids = outsideIds(p);
    expectChild(p);
    p.call("unshare", [namespaceFlags(want.namespaces)], {
      why: "move into new namespaces",
      message: "unshare failed",
    });

    const parent = want.killChild === undefined ? undefined : watchSelf(p);
    if (want.fork) {
      const mask = blockInterrupts(p);
      fork(
        p,
        (child) => waitFor(p, child, { relayStop: false, unblock: true }),
        "only a child is in the new pid namespace",
      );
      restoreMask(p, mask);
    }
    if (parent) dieWithParent(p, parent, want.killChild!);

    if (want.mapUser !== undefined) mapUser(p, want.mapUser, ids.uid);
    if (want.mapGroup !== undefined) mapGroup(p, want.mapGroup, ids.gid);
    if (want.namespaces.has("mount")) setPropagation(p, want.propagation);
    if (want.root !== undefined) changeRoot(p, want.root);
    if (want.workingDirectory !== undefined) changeDirectory(p, want.workingDirectory);
    else if (want.root !== undefined) changeDirectory(p, "/");
    if (want.mountProc !== undefined) {
      mountProc(p, want.mountProc, want.root === undefined && want.propagation !== "private");
    }
    if (want.setgid !== undefined) {
      dropGroups(p);
      changeGroup(p, want.setgid);
    }
    if (want.setuid !== undefined) changeUser(p, want.setuid);
    // A change of ids clears the parent death signal.
    if (parent && (want.setgid ?? want.setuid) !== undefined) {
      dieWithParent(p, parent, want.killChild!);
    }
    runProgram(p, want.program);
  });
}
