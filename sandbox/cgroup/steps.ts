/**
 * Cgroups made, entered and removed by a plan.
 *
 * @module
 */
import { EACCES, EBUSY, EINTR, EINVAL, ENOENT, ESRCH } from "../../ffi/constants/errno.ts";
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  O_CLOEXEC,
  O_RDONLY,
  O_WRONLY,
} from "../../ffi/constants/fcntl.ts";
import { SIGNALS } from "../../ffi/constants/signal.ts";
import { WNOHANG } from "../../ffi/constants/wait.ts";
import { encode } from "../../ffi/bytes.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import type { Cell, Label, Need, Note, Operand } from "../../ffi/plan/step.ts";
import { pause } from "../pause.ts";
import { filterDevices } from "./devices.ts";
import type { Cgroup, Counter, Group } from "./layout.ts";

const DELEGATION = "start denspace in a cgroup of your own, or name one by --cgroup-parent; " +
  "with systemd: systemd-run --user --scope -p Delegate=yes denspace ...";
const NOT_OURS: Need = { errno: EACCES, text: `this cgroup is not yours: ${DELEGATION}` };
const REAL_TIME: Need = {
  errno: EINVAL,
  text: "processes that are scheduled in real time have no time in a new cgroup: " +
    "start denspace by chrt --other 0",
};
const CROWDED: Need = {
  errno: EBUSY,
  text: `a cgroup with processes has no limits below it: ${DELEGATION}`,
};

/** What a plan does with cgroups. */
export interface CgroupSteps {
  /** Makes them, and writes their limits. What of it is done when that fails, `remove` knows. */
  make(): void;
  /** Has this process enter them. */
  enter(): void;
  /** Says which limits were reached. */
  report(name: string): void;
  /** Ends all processes in them, and removes those that are made. */
  remove(): void;
}

/** Cgroups in a plan. */
export function cgroupSteps(p: Builder, { groups, counters }: Cgroup): CgroupSteps {
  const made = p.cell("cgroups made");
  return {
    make: () => {
      groups.forEach((group, i) => {
        makeGroup(p, group, () => p.set(made, i + 1));
        for (const [file, text] of group.writes) {
          write(p, `${group.path}/${file}`, text, { message: `cannot set ${file} to '${text}'` });
        }
        if (group.devices) filterDevices(p, group.path, group.devices);
      });
    },
    enter: () => {
      for (const { path, version } of groups) {
        enterCgroup(p, path, "the limits hold for what comes from here on", version);
      }
    },
    report: (name) => {
      for (const counter of counters) sayCounter(p, name, counter);
    },
    remove: () => {
      removeAll(p, groups.map(({ path }) => path), made);
      for (const group of groups) leaveAside(p, group);
    },
  };
}

function makeGroup(p: Builder, { path, enable, aside }: Group, isMade: () => void): void {
  const make = (directory: string): Cell =>
    p.call("mkdirat", [AT_FDCWD, directory, 0o755], {
      why: "a cgroup of the container's own",
      message: `cannot make the cgroup ${directory}`,
      needs: NOT_OURS,
    });
  make(path);
  isMade();
  if (aside !== undefined) {
    make(aside);
    enterCgroup(p, aside, "a cgroup with processes has no limits below it");
  }
  for (const [directory, controllers] of enable) {
    const message = `cannot use the controllers ${controllers} below ${directory}`;
    write(p, `${directory}/cgroup.subtree_control`, controllers, { message, refused: CROWDED });
  }
}

/**
 * Has this process enter a cgroup, by its directory.
 *
 * Where it is of version 1 our only thread enters it: for a thread the kernel need
 * not see to it that no process forks meanwhile, which takes it some 10 ms.
 */
export function enterCgroup(p: Builder, path: string, why: string, version: 1 | 2 = 2): void {
  const message = `cannot enter the cgroup ${path}`;
  if (version === 1) write(p, `${path}/tasks`, "0", { message, why, refused: REAL_TIME });
  else write(p, `${path}/cgroup.procs`, "0", { message, why });
}

/** What there is to say of what is written. */
interface Writing extends Pick<Note, "why"> {
  /** What is said when it fails. */
  readonly message: string;
  /** What the cause may be if the kernel does not take it. */
  readonly refused?: Need;
}

function write(
  p: Builder,
  path: string,
  text: string,
  { message, why, refused = NOT_OURS }: Writing,
): void {
  const file = path.slice(path.lastIndexOf("/") + 1);
  const fd = p.call("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0], {
    why: why ?? `write '${text}' to ${file}`,
    message,
    needs: NOT_OURS,
  });
  p.call("write", [fd, text, encode(text).length], { message, needs: refused });
}

/** How long it takes at most until nothing is left of processes that are killed. */
const [TRIES, PAUSE_NS] = [2500, 2_000_000];
const PIDS = 4096;
const [NEWLINE, ZERO] = ["\n", "0"].map((c) => c.charCodeAt(0)) as [number, number];

/** Ends all processes in cgroups, and removes these, the last one first, as far as they are there. */
export function removeCgroups(p: Builder, directories: readonly string[]): void {
  const made = p.cell("cgroups");
  p.set(made, directories.length);
  removeAll(p, directories, made);
}

/** Removes the cgroups that were made, the last one first. */
function removeAll(p: Builder, directories: readonly string[], made: Cell): void {
  const paths: Operand = { list: directories };
  const members: Operand = { list: directories.map((path) => `${path}/cgroup.procs`) };
  const [again, next, busy, end] = [p.label(), p.label(), p.label(), p.label()];
  const [tries, at] = [p.cell("tries"), p.cell("at")];
  p.place(next);
  p.branch("equal", made, 0, end);
  p.control("sub", [made, 1], { result: made });
  p.control("shl", [made, 3], { result: at });
  p.set(tries, 0);
  p.place(again);
  const path = p.control("load64", [p.control("add", [paths, at]), 0]);
  const removed = p.call("unlinkat", [AT_FDCWD, path, AT_REMOVEDIR], {
    why: "nothing is in the cgroup any more",
    accept: [EBUSY, ENOENT],
    message: "cannot remove the cgroup ",
    subject: path,
  });
  p.branch("equal", removed, -EBUSY, busy);
  p.jump(next);

  p.place(busy);
  const patient = p.label();
  p.branch("less", tries, TRIES, patient);
  p.control("raise", [EBUSY], { message: "cannot remove the cgroup ", subject: path });
  p.place(patient);
  p.control("add", [tries, 1], { result: tries });
  killMembers(p, p.control("load64", [p.control("add", [members, at]), 0]));
  const reaped = p.label();
  p.call("wait4", [-1, 0, WNOHANG, 0], {
    why: "a zombie of ours is still in its cgroup",
    fail: reaped,
  });
  p.place(reaped);
  pause(p, PAUSE_NS, { why: "what is killed is not gone at once", accept: [EINTR] });
  p.jump(again);
  p.place(end);
}

/** Goes back from the cgroup in which only we are, as it can't be removed with us. */
function leaveAside(p: Builder, { path, enable, aside }: Group): void {
  if (aside === undefined) return;
  const own = path.slice(0, path.lastIndexOf("/"));
  const attempt = (file: string, text: string): void => {
    const end = p.label();
    const fd = p.call("openat", [AT_FDCWD, file, O_WRONLY | O_CLOEXEC, 0], { fail: end });
    const close = p.label();
    p.call("write", [fd, text, text.length], { fail: close });
    p.place(close);
    p.call("close", [fd]);
    p.place(end);
  };
  for (const [directory, controllers] of enable) {
    if (directory === own) {
      attempt(`${own}/cgroup.subtree_control`, controllers.replaceAll("+", "-"));
    }
  }
  attempt(`${own}/cgroup.procs`, "0");
  const done = p.label();
  p.call("unlinkat", [AT_FDCWD, aside, AT_REMOVEDIR], { fail: done });
  p.place(done);
}

/** Kills the processes that the file lists, as far as we see them. */
function killMembers(p: Builder, file: Cell): void {
  const list = p.cell("pids", PIDS);
  const end = p.label();
  const fd = p.call("openat", [AT_FDCWD, file, O_RDONLY | O_CLOEXEC, 0], { fail: end });
  const size = p.call("read", [fd, { addressOf: list }, PIDS], { accept: [EINTR] });
  p.call("close", [fd]);
  p.branch("less", PIDS, size, end); // an error
  const at = p.control("add", [{ addressOf: list }, 0]);
  const stop = p.control("add", [at, size]);
  const pid = p.cell("pid");
  const [again, number, killed] = [p.label(), p.label(), p.label()];
  p.place(again);
  p.control("less", [at, stop], { fail: end });
  const byte = p.control("load8", [at, 0]);
  p.control("add", [at, 1], { result: at });
  p.control("equal", [byte, NEWLINE], { fail: number });
  // 0 is a process that we can't see; to kill it would be to kill our own group.
  p.branch("equal", pid, 0, again);
  p.call("kill", [pid, SIGNALS.SIGKILL], {
    why: "the container is at its end",
    accept: [ESRCH],
    fail: killed,
  });
  p.place(killed);
  p.set(pid, 0, again);
  p.place(number);
  const tens = p.control("add", [p.control("shl", [pid, 3]), p.control("shl", [pid, 1])]);
  p.control("add", [tens, p.control("sub", [byte, ZERO])], { result: pid, next: again });
  p.place(end);
}

/** Says what the kernel has counted, unless that is nothing. Nothing is said if it can't be known. */
function sayCounter(p: Builder, name: string, { path, key, text }: Counter): void {
  const prefix = encode(`${name}: ${text}`);
  const line = p.cell("line", prefix.length + 24, prefix);
  const content = p.cell("counters", 1024);
  const end = p.label();
  const fd = p.call("openat", [AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0], { fail: end });
  const close = p.label();
  const size = p.call("read", [fd, { addressOf: content }, content.size - 8], {
    why: "how often a limit was reached",
    fail: close,
  });
  p.place(close);
  p.call("close", [fd], { fail: end });
  p.branch("less", content.size, size, end);

  const word = encode(`${key} `);
  const [start, rest] = [word.subarray(0, 8), word.subarray(8)];
  const value = (bytes: Uint8Array): bigint =>
    bytes.reduceRight((sum, byte) => sum << 8n | BigInt(byte), 0n);
  const mask = (1n << BigInt(8 * start.length)) - 1n;
  const at = p.control("add", [{ addressOf: content }, 0]);
  const stop = p.control("add", [at, size]);
  const [again, next, found]: Label[] = [p.label(), p.label(), p.label()];
  p.place(again!);
  p.control("less", [at, stop], { fail: end });
  p.control("equal", [p.control("and", [p.control("load64", [at, 0]), mask]), value(start)], {
    fail: next!,
  });
  if (rest.length === 0) p.jump(found!);
  else p.branch("equal", p.control("load8", [at, 8]), rest[0]!, found!);
  p.place(next!);
  const length = p.control("copy", [{ addressOf: p.cell("line", 1024) }, at, NEWLINE, 1024]);
  p.control("add", [at, p.control("add", [length, 1])], { result: at, next: again! });

  p.place(found!);
  const number = p.control("add", [at, word.length]);
  p.branch("equal", p.control("load8", [number, 0]), ZERO, end);
  const digits = p.control("copy", [
    { addressOf: line, offset: prefix.length },
    number,
    NEWLINE,
    20,
  ]);
  const full = p.control("add", [digits, prefix.length]);
  p.control("store8", [p.control("add", [{ addressOf: line }, full]), 0, NEWLINE]);
  p.call("write", [2, { addressOf: line }, p.control("add", [full, 1])], {
    why: "which limit was reached",
    fail: end,
  });
  p.place(end);
}
