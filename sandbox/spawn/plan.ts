/**
 * The plan of a program that is started, a list of what is done for it.
 *
 * @module
 */
import { EINVAL, EPERM } from "../../ffi/constants/errno.ts";
import { CLONE_NEWPID, CLONE_NEWTIME } from "../../ffi/constants/sched.ts";
import { SIGNALS } from "../../ffi/constants/signal.ts";
import { type Builder, plan } from "../../ffi/plan/builder.ts";
import { execvp } from "../../ffi/plan/execvp.ts";
import { ownEnvironment } from "../../ffi/environ.ts";
import { environment } from "../../ffi/plan/stack.ts";
import type { Cell, Plan, Successor } from "../../ffi/plan/step.ts";
import { cgroupSteps } from "../cgroup/steps.ts";
import { changeGroup, changeUser, dropGroups, setGroups } from "../credentials.ts";
import { enter, openNamespaces } from "../enter.ts";
import { nameDomain, nameHost } from "../hostname.ts";
import { forkMapper, mapGroup, mapUser, outsideIds, setgroups } from "../idmap.ts";
import { passDescriptors } from "../inherit.ts";
import { missingKind, NEEDS } from "../kernel.ts";
import { requireLandlock, restrict } from "../landlock.ts";
import { raiseLoopback } from "../loopback.ts";
import { changeDirectory, changeRoot, mountProc, setPropagation } from "../mounts.ts";
import { namespaceFlags } from "../namespaces.ts";
import { forkVeth, setUpVeth } from "../network/veth.ts";
import { boundCapabilities, noNewPrivileges, setCapabilities } from "../privileges.ts";
import { nameProcess } from "../program.ts";
import { NO_MORE_USER_NAMESPACES, refusals, USER_NAMESPACES_REFUSED } from "../refusal.ts";
import { limitResource } from "../rlimits.ts";
import { installFilter } from "../seccomp/filter.ts";
import { setClocks } from "../time.ts";
import { dieWithParent, expectChild, forwardTo } from "../waiter.ts";
import type { Checked } from "./check.ts";
import { mountAll } from "./mounts.ts";

const NAME = "spawn";

/**
 * The plan of a program.
 *
 * @param want what the program is to be
 * @param parent the process that starts the plan, if that is known
 */
export function programPlan(want: Checked, parent?: number): Plan {
  const { made, joined, uid, gid, groups, capabilities, root, chroot } = want;
  const changesIds = (uid ?? gid) !== undefined;
  const forks = (["pid", "time"] as const).some((name) => made.has(name) || joined.has(name));
  let successor: Successor | undefined;

  const whole = plan(NAME, (p) => {
    nameProcess(p, NAME);
    const refusal = refusals(p, NAME, [
      missingKind(made, EINVAL),
      ...(made.has("user") ? [NO_MORE_USER_NAMESPACES, USER_NAMESPACES_REFUSED] : []),
    ]);
    const abi = want.landlock && requireLandlock(p, want.landlock);
    const watched = want.dieWithParent === undefined ? undefined : watchParent(p, parent);
    const dies = (): void => {
      if (watched) dieWithParent(p, watched, want.dieWithParent!);
    };
    dies();
    if (want.cgroup) {
      const limits = cgroupSteps(p, want.cgroup);
      limits.make();
      limits.enter();
    }
    const ids = outsideIds(p);
    const mapped = want.users.length + want.groupRanges.length > 0;
    if (mapped || forks || want.veth) expectChild(p);
    const mapper = mapped
      ? forkMapper(p, { users: want.users, groups: want.groupRanges })
      : undefined;
    const network = want.veth && forkVeth(p, want.veth);
    const entered = { namespaces: joined };
    enter(p, entered, openNamespaces(p, entered, refusal), refusal);
    if (made.size > 0) {
      p.call("unshare", [namespaceFlags(made)], {
        why: "move into new namespaces",
        message: "unshare failed",
        ...refusal.on("unshare failed"),
      });
    }
    // Who helps has said more of it, if it could.
    mapper?.run(() =>
      p.control("raise", [EPERM], { call: "write", message: "cannot write the id maps" })
    );
    network?.run(() => p.control("raise", [EPERM], { message: "cannot make the interfaces" }));
    setClocks(p, want);
    if (forks) {
      successor = fork(p, namespaceFlags([...made, ...joined.keys()]));
      dies();
    }

    if (want.mapUser !== undefined) mapUser(p, want.mapUser, ids.uid, refusal);
    if (want.mapGroup !== undefined) mapGroup(p, want.mapGroup, ids.gid);
    if (want.setgroups) setgroups(p, want.setgroups);
    if (want.hostname !== undefined) nameHost(p, want.hostname);
    if (want.domainname !== undefined) nameDomain(p, want.domainname);
    if (want.loopback || want.veth) raiseLoopback(p);
    if (want.veth) setUpVeth(p, want.veth);
    if (made.has("mount")) setPropagation(p, want.propagation);
    if (root !== undefined || want.mounts.length > 0) mountAll(p, root, want.mounts);
    if (chroot !== undefined) changeRoot(p, chroot);
    if (want.cwd !== undefined) changeDirectory(p, want.cwd);
    else if (chroot !== undefined) changeDirectory(p, "/");
    if (want.proc !== undefined) {
      mountProc(p, want.proc, root === undefined && want.propagation !== "private");
    }

    for (const limit of want.rlimits) limitResource(p, limit);
    if (capabilities) boundCapabilities(p, capabilities);
    if (want.noNewPrivs) noNewPrivileges(p);
    if (want.landlock) restrict(p, want.landlock, abi!);
    if (groups) setGroups(p, groups);
    else if (changesIds) {
      // A user namespace of one group may have none to drop.
      const inside = made.has("user") || joined.has("user");
      dropGroups(p, inside ? { accept: [EPERM] } : {});
    }
    if (gid !== undefined) changeGroup(p, gid);
    if (uid !== undefined) changeUser(p, uid);
    if (capabilities) setCapabilities(p, capabilities);
    if (changesIds) dies(); // a change of ids clears the parent death signal
    passDescriptors(p, want.descriptors);
    if (want.filter) installFilter(p, want.filter);
    run(p, want);
    refusal.write();
  });
  return successor ? { ...whole, successor } : whole;
}

/** Opens the parent, to see later whether it is alive. */
function watchParent(p: Builder, parent: number | undefined): Cell {
  const found = p.call("getppid", [], { why: "whose death is to be that of the program" });
  if (parent !== undefined) {
    const alive = p.label();
    p.branch("equal", found, parent, alive);
    p.call("exit_group", [1], { why: "it has died already" });
    p.place(alive);
  }
  return p.call("pidfd_open", [found, 0], { message: "cannot watch the parent" });
}

/** Forks the process that runs the program, and waits for it if it is a child. */
function fork(p: Builder, flags: number): Successor {
  const fork = p.here().at!;
  const pid = p.call("clone", [SIGNALS.SIGCHLD, 0, 0, 0, 0], {
    why: `only a new process is in that ${flags & CLONE_NEWPID ? "pid" : "time"} namespace`,
    child: "program",
    message: "fork failed",
    ...(flags & CLONE_NEWTIME && { needs: NEEDS.timeOfProgram }),
  });
  const program = p.label();
  p.branch("equal", pid, 0, program);
  const parent = p.here().at!;
  forwardTo(p, pid, { unblock: true });
  p.place(program);
  return { fork, parent, pid };
}

/** Replaces the process by the program. */
function run(p: Builder, { command, args, env, clearEnv }: Checked): void {
  const list = clearEnv || env.size > 0 ? variables(env, clearEnv) : undefined;
  const envp = list
    ? p.control("add", [{ addressOf: p.cell("envp", 8 * (list.length + 1), [...list, 0]) }, 0])
    : environment(p);
  // The word before the arguments is for the shell, if this is a script.
  const argv = p.cell("argv", 8 * (args.length + 3), [0, command, ...args, 0]);
  execvp(p, command, p.control("add", [{ addressOf: argv }, 8]), envp);
}

/** The environment: what changes keeps its place, what is new comes last. */
function variables(env: ReadonlyMap<string, string>, clear: boolean): string[] {
  const rest = new Map(env);
  const inherited = clear ? [] : ownEnvironment();
  const changed = inherited.map((variable) => {
    const name = variable.slice(0, variable.indexOf("="));
    const value = rest.get(name);
    if (value === undefined) return variable;
    rest.delete(name);
    return `${name}=${value}`;
  });
  return [...changed, ...[...rest].map(([name, value]) => `${name}=${value}`)];
}
