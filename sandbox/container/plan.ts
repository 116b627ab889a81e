/**
 * A container as a plan.
 *
 * @module
 */
import { encode } from "../../ffi/bytes.ts";
import { EINVAL } from "../../ffi/constants/errno.ts";
import { type Builder, plan } from "../../ffi/plan/builder.ts";
import { execvp } from "../../ffi/plan/execvp.ts";
import { host } from "../../ffi/plan/host.ts";
import type { Cell, Plan } from "../../ffi/plan/step.ts";
import { SIGNALS } from "../../ffi/constants/signal.ts";
import { enterCgroup } from "../cgroup/steps.ts";
import { nameDomain, nameHost } from "../hostname.ts";
import { gate } from "../helper.ts";
import { passDescriptors } from "../inherit.ts";
import { open } from "../descriptors.ts";
import { missingKind, NEEDS } from "../kernel.ts";
import { requireLandlock, restrict } from "../landlock.ts";
import { raiseLoopback } from "../loopback.ts";
import { setPropagation } from "../mounts.ts";
import { forkPasta } from "../network/pasta.ts";
import { forkVeth, setUpVeth } from "../network/veth.ts";
import {
  boundCapabilities,
  type Capabilities,
  noNewPrivileges,
  setCapabilities,
} from "../privileges.ts";
import { nameProcess } from "../program.ts";
import { NO_MORE_USER_NAMESPACES, refusals, USER_NAMESPACES_REFUSED } from "../refusal.ts";
import { limitResource, type ResourceLimit } from "../rlimits.ts";
import { type Filter, installFilter, makeFilter } from "../seccomp/filter.ts";
import { forbidTyping } from "../typing.ts";
import { setClocks } from "../time.ts";
import { dieWithParent, restoreMask } from "../waiter.ts";
import { DIFF } from "./annotations.ts";
import { holdDescription } from "./description.ts";
import { hints } from "./hints.ts";
import { becomeRoot, becomeUser, setUmask } from "./identity.ts";
import { copyIdmapped } from "./idmapped.ts";
import { startInit } from "./init.ts";
import { type Machine, thisMachine } from "./machine.ts";
import { joinNamespaces, makeNamespaces, type Member } from "./namespaces.ts";
import type { Config, Process, Rlimit } from "./oci.ts";
import { outsideSteps } from "./outside.ts";
import { type Container, resolve } from "./resolve.ts";
import { reportChanges } from "./report.ts";
import { changeDirectory, changeRoot, copyRoot, type Kept, makeKept, makeRoot } from "./root.ts";
import {
  becomeSupervisor,
  closeSpared,
  keep,
  runStage,
  startProcess,
  supervise,
  type Supervisor,
} from "./supervisor.ts";
import { ConfigError } from "./supported.ts";
import { openTerminal, relay, takeTerminal, useTerminal } from "./terminal.ts";

type Slots = [layers: Cell, userns: Cell, terminal: Cell, description: Cell, state: Cell];

/** What is wanted beside the configuration. */
export interface Wanted {
  /** The name with which messages begin. */
  readonly name?: string | undefined;
  /** Where it is to run. */
  readonly machine?: Machine;
  /** How denspace is called, if what is said at the end speaks of its options, or is said by it. */
  readonly command?: readonly string[];
  /** What another container has already, for a further program in that. */
  readonly existing?: Existing | undefined;
}

/** What a container has that runs. */
export interface Existing {
  /** Its filter of system calls. */
  readonly filter: Filter | undefined;
  /** The directories of its cgroups. */
  readonly cgroups: readonly string[];
  /** The process whose namespaces are entered. */
  readonly member: Member;
}

/**
 * The plan of a container.
 *
 * @param config what it is; it must be valid, see `supported.ts`
 * @throws {RangeError} when it can't be had
 * @throws {SyscallError} when something outside that it needs can't be looked at
 */
export function planContainer(
  config: Config,
  { name = "denspace", machine = thisMachine(), command, existing }: Wanted = {},
): Plan {
  const container = resolve(config, machine);
  const { made, init, timeout, process, landlock } = container;
  const { capabilities } = process;
  const missing = ungranted(capabilities);
  const { seccomp } = config.linux ?? {};
  const filter = existing ? existing.filter : seccomp && makeFilter(seccomp, host().name);
  const limits = (process.rlimits ?? []).map(toLimit);
  const ofFiles = limits.filter(({ type }) => type === "RLIMIT_NOFILE");
  const ranges = container.ids && "ranges" in container.ids;
  if (container.diff && !command) {
    throw new ConfigError(
      `annotations.${DIFF}`,
      "is for denspace run, which says what was changed",
    );
  }
  const ownsMounts = made.has("mount");
  const said = command ? hints(container, machine) : [];
  let spared!: Cell;
  const whole = plan(name, (p) => {
    // What another container has is found by a descriptor; whoever starts one may leave another.
    spared = p.cell("spared descriptor", 8, [existing ? existing.member.pidfd : 2]);
    nameProcess(p, "denspace");
    const refusal = refusals(p, name, [
      missingKind(made, EINVAL),
      ...(made.has("user") ? [NO_MORE_USER_NAMESPACES, USER_NAMESPACES_REFUSED] : []),
    ]);
    const abi = landlock && requireLandlock(p, landlock);
    if (container.dieWithParent) dieWithStarter(p);
    if (missing.length > 0 && !existing) {
      say(p, name, `no ambient ${missing.join(", ")}: what is ambient has to be inheritable, too`);
    }
    const supervisor = becomeSupervisor(p, 5, spared);
    const [layersSlot, usernsSlot, terminalSlot, descriptionSlot, stateSlot] = supervisor
      .slots as Slots;
    const outside = outsideSteps(p, name, container, stateSlot);
    if (!existing) keep(p, holdDescription(p, container, filter), descriptionSlot);
    outside.around(() => {
      const processes = runStage(p, supervisor, () => {
        dieWithParent(p, supervisor.self, SIGNALS.SIGKILL);
        outside.enter();
        for (const cgroup of existing?.cgroups ?? []) {
          enterCgroup(p, cgroup, "the limits of the container hold for it, too");
        }
        const idmapped = copyIdmapped(p, container);
        joinNamespaces(p, container, refusal, existing?.member);
        const passing = container.pasta && forkPasta(p, container.pasta);
        const pair = container.veth && forkVeth(p, container.veth);
        const network = passing || pair ? gate(p, "a network") : undefined;
        makeNamespaces(p, container, refusal);
        pair?.begin();
        setClocks(p, clocksOf(config));
        const sources = ownsMounts ? copyRoot(p, container, idmapped) : undefined;
        if (ownsMounts) setPropagation(p, "slave");
        becomeRoot(p, container);
        setUmask(p, 0);
        p.call("chdir", ["/"], { why: "no process keeps a directory of the old root" });
        const kept: Kept = ownsMounts ? makeKept(p, container) : {};
        if (container.diff) keep(p, kept.layers!, layersSlot);
        if (container.diff && ranges) keep(p, open(p, "/proc/self/ns/user"), usernsSlot);
        if (process.terminal) {
          keep(p, openTerminal(p, kept.devpts, process), terminalSlot);
        }
        const processes = {
          init: init ? startInit(p, (work) => startReaper(p, supervisor, work)) : undefined,
          program: startProcess(p, "program", "only a child is in the new pid namespace", () => {
            dieWithParent(p, supervisor.self, SIGNALS.SIGKILL);
            const root = sources ? makeRoot(p, container, sources, kept) : undefined;
            if (root) changeRoot(p, container, root);
            nameMachine(p, container);
            const slave = process.terminal && takeTerminal(p, terminalSlot, process);
            if (made.has("net")) raiseLoopback(p);
            network?.await();
            if (container.veth) setUpVeth(p, container.veth);
            for (const limit of limits.flatMap(withPrivilege)) limitResource(p, limit);
            if (capabilities) boundCapabilities(p, capabilities);
            if (process.noNewPrivileges) noNewPrivileges(p);
            if (!process.terminal) forbidTyping(p);
            if (landlock) restrict(p, landlock, abi!);
            // Without no_new_privs it takes what a change of ids may take away.
            if (filter && !process.noNewPrivileges) installFilter(p, filter);
            becomeUser(p, container);
            // A change of ids clears the parent death signal.
            dieWithParent(p, supervisor.self, SIGNALS.SIGKILL);
            changeDirectory(p, process.cwd);
            for (const limit of ofFiles) limitResource(p, limit);
            setUmask(p, process.user.umask ?? 0o022);
            if (capabilities) {
              const ambient = capabilities.ambient?.filter((name) => !missing.includes(name));
              setCapabilities(p, { ...capabilities, ambient });
            }
            if (slave) useTerminal(p, slave);
            passDescriptors(p, {});
            restoreMask(p, supervisor.mask);
            if (filter && process.noNewPrivileges) installFilter(p, filter);
            runProgram(p, process);
          }),
        };
        passing?.run(processes.program);
        pair?.end();
        network?.open();
        return processes;
      }, () => {
        outside.report(); // a limit may be what ended it
        outside.remove();
      });
      if (!existing) closeSpared(p, spared, "the program runs, or has said what failed");
      const terminal = process.terminal ? relay(p, terminalSlot) : undefined;
      supervise(p, supervisor, processes, { timeout, terminal }, (status) => {
        outside.report();
        outside.remove();
        if (said.length > 0) {
          p.when("equal", status, 0, () => {}, () => said.forEach((hint) => say(p, name, hint)));
        }
        if (!container.diff) return;
        reportChanges(p, {
          name,
          command: command!,
          root: config.root!.path,
          layers: layersSlot,
          userns: ranges ? usernsSlot : undefined,
          mask: supervisor.mask,
        });
      });
    });
    refusal.write();
  });
  return existing ? whole : { ...whole, channel: spared };
}

function startReaper(p: Builder, { self }: Supervisor, work: () => void): Cell {
  return startProcess(p, "init", "process 1 reaps processes whose parent has ended", () => {
    dieWithParent(p, self, SIGNALS.SIGKILL);
    work();
  });
}

/** Has the supervisor, and with it the container, end with what started it. */
function dieWithStarter(p: Builder): void {
  const parent = p.call("pidfd_open", [p.call("getppid", []), 0], {
    message: "cannot watch the parent",
    needs: NEEDS.parentDeath,
  });
  dieWithParent(p, parent, SIGNALS.SIGKILL);
}

/** Ambient capabilities that the kernel does not grant: the specification has a warning for them. */
function ungranted(
  { ambient = [], inheritable = [], permitted = [] }: Capabilities = {},
): string[] {
  return ambient.filter((name) => !inheritable.includes(name) || !permitted.includes(name));
}

function nameMachine(p: Builder, { config }: Container): void {
  if (config.hostname !== undefined) nameHost(p, config.hostname);
  if (config.domainname !== undefined) nameDomain(p, config.domainname);
}

/** Says a line on standard error, if anybody listens. */
function say(p: Builder, name: string, text: string): void {
  const [line, end] = [encode(`${name}: ${text}\n`), p.label()];
  p.call("write", [2, line, line.length], { why: "why the program may have failed", fail: end });
  p.place(end);
}

/** A limit of the specification, which has no word for none: it is the largest number of 64 bits. */
function toLimit({ type, soft, hard }: Rlimit): ResourceLimit {
  const value = (limit: number): bigint => limit >= 2 ** 64 ? 2n ** 64n - 1n : BigInt(limit);
  return { type: type as ResourceLimit["type"], soft: value(soft), hard: value(hard) };
}

/** What is to be done of a limit while there are privileges; a low one of descriptors is for later, when we need none. */
function withPrivilege(limit: ResourceLimit): ResourceLimit[] {
  if (limit.type !== "RLIMIT_NOFILE") return [limit];
  return limit.hard < 1024 ? [] : [{ ...limit, soft: limit.hard }];
}

function clocksOf({ linux }: Config): Parameters<typeof setClocks>[1] {
  const seconds = (clock: string): bigint | undefined => {
    const offset = linux?.timeOffsets?.[clock];
    return offset && BigInt(offset.secs ?? 0);
  };
  return { monotonic: seconds("monotonic"), boottime: seconds("boottime") };
}

function runProgram(p: Builder, { args = [], env = [] }: Process): void {
  // The word before the arguments is for the shell, if this is a script.
  const argv = p.cell("argv", 8 * (args.length + 2), [0, ...args, 0]);
  const envp = p.control("add", [{ list: env }, 0]);
  execvp(p, args[0]!, p.control("add", [{ addressOf: argv }, 8]), envp);
}
