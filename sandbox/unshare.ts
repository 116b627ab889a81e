/**
 * unshare(1) as a plan: a program in new namespaces.
 *
 * @module
 */
import { EINVAL } from "../ffi/constants/errno.ts";
import { plan } from "../ffi/plan/builder.ts";
import type { Plan } from "../ffi/plan/step.ts";
import { keepCapabilities } from "./capabilities.ts";
import { changeGroup, changeUser, dropGroups } from "./credentials.ts";
import {
  forkMapper,
  type IdRanges,
  type InsideId,
  mapGroup,
  mapUser,
  outsideIds,
  setgroups,
} from "./idmap.ts";
import {
  BINFMT_DIRECTORY,
  changeDirectory,
  changeRoot,
  mountBinfmt,
  mountProc,
  type Propagation,
  registerInterpreter,
  setPropagation,
} from "./mounts.ts";
import { forkHelper } from "./helper.ts";
import { missingKind } from "./kernel.ts";
import { namespaceFlags, type NamespaceName } from "./namespaces.ts";
import { bindNamespaces, type NamespaceFiles } from "./persist.ts";
import { nameProcess, type Program, runProgram } from "./program.ts";
import { NO_MORE_USER_NAMESPACES, refusals, USER_NAMESPACES_REFUSED } from "./refusal.ts";
import { type ClockOffsets, setClocks } from "./time.ts";
import {
  blockInterrupts,
  dieWithParent,
  expectChild,
  fork,
  forwardTo,
  restoreMask,
  waitFor,
  watchSelf,
} from "./waiter.ts";

/** What is wanted of {@linkcode unsharePlan}. */
export interface Unshare extends ClockOffsets {
  /** The name by which the program is known, with which its messages begin. */
  readonly name: string;
  /** The new namespaces. */
  readonly namespaces: ReadonlySet<NamespaceName>;
  /** The files to which namespaces are bound. */
  readonly files: NamespaceFiles;
  /** The ids that own the new user namespace. */
  readonly owner?: { readonly uid: number; readonly gid?: number | undefined } | undefined;
  /** Whether the program is run by a child. */
  readonly fork: boolean;
  /** Whether SIGINT and SIGTERM are passed on to the child, instead of being held back. */
  readonly forwardSignals: boolean;
  /** The signal that the child gets when the parent dies. */
  readonly killChild?: number | undefined;
  /** The one user id inside, written by the process itself. */
  readonly mapUser?: InsideId | undefined;
  /** The one group id inside, written by the process itself. */
  readonly mapGroup?: InsideId | undefined;
  /** Whole maps, written from outside. */
  readonly ranges: IdRanges;
  /** What becomes of setgroups(2). */
  readonly setgroups?: "allow" | "deny" | undefined;
  /** What becomes of the mounts. */
  readonly propagation: Propagation;
  /** The root directory. */
  readonly root?: string | undefined;
  /** The working directory, within the root. */
  readonly workingDirectory?: string | undefined;
  /** Where a new proc is mounted, within the root. */
  readonly mountProc?: string | undefined;
  /** Where a new binfmt_misc is mounted, within the root. */
  readonly mountBinfmt?: string | undefined;
  /** An interpreter to register there, in the format of binfmt_misc. */
  readonly interpreter?: string | undefined;
  /** The group id to change to. */
  readonly setgid?: number | undefined;
  /** The user id to change to. */
  readonly setuid?: number | undefined;
  /** Whether capabilities of the new user namespace survive the execution. */
  readonly keepCapabilities: boolean;
  /** The names of the variables that stay in the environment; all if absent. */
  readonly variables?: readonly string[] | undefined;
  /** The program; the user's shell if there is none. */
  readonly program?: Program | undefined;
}

/** The plan of a program in new namespaces. */
export function unsharePlan(want: Unshare): Plan {
  const { name, namespaces, files, owner, ranges, killChild, root, setgid, setuid } = want;
  const mount = namespaces.has("mount");
  const mapped = ranges.users.length + ranges.groups.length > 0;
  const changesIds = (setgid ?? setuid) !== undefined;

  return plan(name, (p) => {
    nameProcess(p, name);
    const refusal = refusals(p, name, [
      missingKind(namespaces, EINVAL),
      ...(namespaces.has("user") ? [NO_MORE_USER_NAMESPACES, USER_NAMESPACES_REFUSED] : []),
    ]);
    const ids = outsideIds(p);
    expectChild(p);
    // Whoever is in the new mount namespace can't bind anything in the old one;
    // whoever is in the new user namespace has no right to.
    const away = mount || namespaces.has("user");
    const self = files.size > 0
      ? p.call("getpid", [], { why: "the process whose namespaces are bound" })
      : undefined;
    const binder = self && away
      ? forkHelper(
        p,
        "binder",
        "bind the namespaces in the old one",
        () => bindNamespaces(p, self, files),
      )
      : undefined;
    const mapper = mapped ? forkMapper(p, ranges, ids) : undefined;
    if (owner) {
      if (owner.gid !== undefined) {
        dropGroups(p);
        changeGroup(p, owner.gid);
      }
      changeUser(p, owner.uid);
    }
    p.call("unshare", [namespaceFlags(namespaces)], {
      why: "move into new namespaces",
      message: "unshare failed",
      ...refusal.on("unshare failed"),
    });
    mapper?.run();
    setClocks(p, want);

    const bind = (): void => {
      if (binder) binder.run();
      else if (self) bindNamespaces(p, self, files);
    };
    const parent = killChild === undefined ? undefined : watchSelf(p);
    if (want.fork) {
      const mask = blockInterrupts(p);
      fork(p, (child) => {
        bind();
        if (want.forwardSignals) forwardTo(p, child, { unblock: true });
        else waitFor(p, child, { relayStop: false, unblock: true });
      }, "only a child is in the new pid namespace");
      restoreMask(p, mask);
    } else {
      bind();
    }
    if (parent) dieWithParent(p, parent, killChild!);

    if (want.mapUser !== undefined) mapUser(p, want.mapUser, ids.uid, refusal);
    if (want.mapGroup !== undefined) mapGroup(p, want.mapGroup, ids.gid);
    if (want.setgroups) setgroups(p, want.setgroups);
    if (mount) setPropagation(p, want.propagation);
    const { mountBinfmt: binfmt, interpreter } = want;
    // With flag F the kernel opens the interpreter now, so outside of the root.
    const early = interpreter !== undefined && root !== undefined && opensAtOnce(interpreter);
    if (early) {
      mountBinfmt(p, BINFMT_DIRECTORY);
      registerInterpreter(p, BINFMT_DIRECTORY, interpreter);
    }
    if (root !== undefined) changeRoot(p, root);
    if (want.workingDirectory !== undefined) changeDirectory(p, want.workingDirectory);
    else if (root !== undefined) changeDirectory(p, "/");
    if (want.mountProc !== undefined) {
      mountProc(p, want.mountProc, root === undefined && want.propagation !== "private");
    }
    if (binfmt !== undefined) {
      mountBinfmt(p, binfmt);
      if (interpreter !== undefined && !early) registerInterpreter(p, binfmt, interpreter);
    }

    if (setgid !== undefined) {
      dropGroups(p);
      changeGroup(p, setgid);
    }
    if (setuid !== undefined) changeUser(p, setuid);
    // A change of ids clears the parent death signal.
    if (parent && changesIds) dieWithParent(p, parent, killChild!);
    if (want.keepCapabilities && namespaces.has("user")) keepCapabilities(p);
    runProgram(p, want.program, want);
    refusal.write();
  });
}

/** Whether the flags of a binary format, its last field, have an F. */
function opensAtOnce(format: string): boolean {
  return format.slice(format.lastIndexOf(":") + 1).includes("F");
}
