/**
 * What system calls come to if nothing stands against them: descriptors,
 * processes, pipes and signal masks, as every kernel has them.
 *
 * @module
 */
import { CLOSE_RANGE_CLOEXEC } from "../constants/close_range.ts";
import { ECHILD } from "../constants/errno.ts";
import { F_DUPFD_CLOEXEC } from "../constants/fcntl.ts";
import { NS_GET_PARENT, NS_GET_USERNS, SIOCGSKNS } from "../constants/nsfs.ts";
import { CLONE_FILES, CLONE_PARENT } from "../constants/sched.ts";
import { SIG_BLOCK, SIG_SETMASK, SIGNALS } from "../constants/signal.ts";
import { WNOHANG } from "../constants/wait.ts";
import type { CallName } from "./step.ts";
import type { Answer, Call, Value } from "./walk.ts";

/** What an open descriptor is. */
export interface Descriptor {
  /** What it was opened as. */
  readonly path?: string;
  /** What has been written and not yet read, byte by byte, if it is an end of a pipe. */
  readonly pipe?: Value[];
  /** Whether it is the end that is written to. */
  readonly writes?: boolean;
  /** Whether signals are read from it. */
  readonly signals?: boolean;
}

type End = number | "program" | "killed";

/** What is known of a process. */
export interface Assumed {
  /** What it is called. */
  readonly name: string;
  /** A number in place of its process id. */
  readonly pid: number;
  /** Its parent. */
  readonly parent?: Assumed;
  /** The processes that it has made. */
  readonly children: Assumed[];
  /** What it has open, perhaps together with others. */
  readonly descriptors: Map<number, Descriptor>;
  /** The signals that are blocked. */
  mask: bigint;
  /** The file mode creation mask. */
  umask: number;
  /** Whether its parent has been told of its end. */
  waited?: boolean;
  /** Whether a SIGCHLD waits to be taken. */
  childEnded?: boolean;
  /** How it ended: with a status, by becoming a program, or by SIGKILL. */
  end?: End;
}

/** No process has such an id: they end at 2^22. */
const FIRST_PID = 5_000_001;
/** The size of what a signalfd gives. */
const SIGINFO = 128;

/** What is known of the first process, which is called so, when it starts. */
export function start(
  name: string,
  open: Iterable<number> = [0, 1, 2],
  mask: bigint = 0n,
): Assumed {
  const descriptors = new Map([...open].map((fd): [number, Descriptor] => [fd, {}]));
  return { name, pid: FIRST_PID, children: [], descriptors, mask, umask: 0o22 };
}

/** The process of that id, among all that come from the same one. */
export function processOf(state: Assumed, pid: number): Assumed | undefined {
  let root = state;
  while (root.parent) root = root.parent;
  const search = (here: Assumed): Assumed | undefined =>
    here.pid === pid ? here : here.children.map(search).find((found) => found !== undefined);
  return search(root);
}

/** What is known of a new child of a process, made with these flags of clone(2). */
export function forked(maker: Assumed, name: string, flags: bigint): Assumed {
  let root = maker;
  while (root.parent) root = root.parent;
  const pid = FIRST_PID + count(root);
  const parent = has(flags, CLONE_PARENT) ? maker.parent ?? maker : maker;
  const { descriptors, mask, umask } = maker;
  const child: Assumed = {
    name,
    pid,
    parent,
    children: [],
    descriptors: has(flags, CLONE_FILES) ? descriptors : new Map(descriptors),
    mask,
    umask,
  };
  parent.children.push(child);
  return child;
}

function has(flags: bigint, flag: number): boolean {
  return (Number(flags) & flag) !== 0;
}

function count({ children }: Assumed): number {
  return children.reduce((sum, child) => sum + count(child), 1);
}

/** A process id as a person knows it. */
function pidLabel({ name }: Assumed): string {
  return `pid of ${name}`;
}

/** Opens something; the lowest descriptor that is free, from one on. */
export function opened(state: Assumed, descriptor: Descriptor = {}, from: number = 0): number {
  let fd = from;
  while (state.descriptors.has(fd)) fd++;
  state.descriptors.set(fd, descriptor);
  return fd;
}

/** The calls that return a new descriptor. */
const OPENING: ReadonlySet<CallName> = new Set<CallName>([
  "fsmount",
  "fsopen",
  "fspick",
  "memfd_create",
  "open_by_handle_at",
  "open_tree",
  "openat",
  "openat2",
  "pidfd_getfd",
  "pidfd_open",
  "socket",
]);
/** The requests of ioctl(2) that do, see ioctl_nsfs(2). */
const OPENING_REQUESTS: ReadonlySet<number> = new Set([NS_GET_USERNS, NS_GET_PARENT, SIOCGSKNS]);

/** The version of Landlock's interface that is taken to be there. */
const LANDLOCK_ABI = 7;

/** What becomes of a call. */
export function assuming(call: Call<Assumed>): Answer<Assumed> | "later" {
  const { name, process: { state, memory } } = call;
  const [a = 0n, b = 0n, c = 0n] = call.args.map(({ value }) => value);
  switch (name) {
    case "exit_group":
      return end(state, Number(a & 0xffn));
    case "execve":
      return end(state, "program");
    case "kill": {
      const target = Number(b) === SIGNALS.SIGKILL ? processOf(state, Number(a)) : undefined;
      if (target && target !== state && target.end === undefined) end(target, "killed");
      return { result: 0 };
    }
    case "clone": {
      const child = forked(state, call.child!, a);
      return { result: child.pid, label: pidLabel(child), child };
    }
    case "getpid":
      return { result: state.pid, label: pidLabel(state) };
    case "close":
      state.descriptors.delete(Number(a));
      return { result: 0 };
    case "fcntl":
      if (Number(b) !== F_DUPFD_CLOEXEC) return { result: 0 };
      return { result: opened(state, state.descriptors.get(Number(a)), Number(c)) };
    case "signalfd4":
      return { result: opened(state, { signals: true }) };
    case "landlock_create_ruleset":
      return { result: a === 0n ? LANDLOCK_ABI : opened(state) };
    case "umask": {
      const { umask } = state;
      state.umask = Number(a) & 0o777;
      return { result: umask };
    }
    case "close_range":
      if (Number(c) & CLOSE_RANGE_CLOEXEC) return { result: 0 };
      for (const fd of [...state.descriptors.keys()]) {
        if (fd >= a && fd <= b) state.descriptors.delete(fd);
      }
      return { result: 0 };
    case "dup3":
      state.descriptors.set(Number(b), state.descriptors.get(Number(a)) ?? {});
      return { result: Number(b) };
    case "pipe2": {
      const pipe: Value[] = [];
      for (const [at, writes] of [[0n, false], [4n, true]] as const) {
        memory.store(a + at, 4, { value: BigInt(opened(state, { pipe, writes })) });
      }
      return { result: 0 };
    }
    case "write": {
      const { pipe } = state.descriptors.get(Number(a)) ?? {};
      for (let i = 0n; pipe && i < c; i++) pipe.push(memory.load(b + i, 1));
      return { result: Number(c) };
    }
    case "writev": {
      const lengths = Array.from(
        { length: Number(c) },
        (_, i) => memory.load(b + BigInt(16 * i + 8), 8).value,
      );
      return { result: Number(lengths.reduce((sum, length) => sum + length, 0n)) };
    }
    case "read":
      return readFrom(call, Number(a), b, Number(c));
    case "wait4":
      return waitFor(call, Number(BigInt.asIntN(32, a)), b, Number(c));
    case "rt_sigtimedwait":
      if (!state.childEnded) return "later";
      state.childEnded = false;
      return { result: SIGNALS.SIGCHLD };
    case "ppoll":
      return poll(call, a, Number(b), c);
    case "rt_sigprocmask": {
      if (c !== 0n) memory.store(c, 8, { value: state.mask });
      if (b !== 0n) {
        const set = memory.load(b, 8).value;
        const how = Number(a);
        if (how === SIG_SETMASK) state.mask = set;
        else state.mask = how === SIG_BLOCK ? state.mask | set : state.mask & ~set;
      }
      return { result: 0 };
    }
    case "ioctl":
      return { result: OPENING_REQUESTS.has(Number(b)) ? opened(state) : 0 };
    default:
      return { result: OPENING.has(name) ? opened(state) : 0 };
  }
}

/** Ends a process; the program that it becomes is taken to end in no time. */
function end(state: Assumed, how: End): Answer<Assumed> {
  state.end = how;
  const { parent } = state;
  // Where it is not blocked it is ignored.
  if (parent && parent.mask >> BigInt(SIGNALS.SIGCHLD - 1) & 1n) parent.childEnded = true;
  return { result: undefined };
}

/** What is read from a pipe, once it is there; from anything else comes nothing. */
function readFrom(
  { process: { state, memory } }: Call<Assumed>,
  fd: number,
  buffer: bigint,
  size: number,
): Answer<Assumed> | "later" {
  const { pipe, signals } = state.descriptors.get(fd) ?? {};
  if (signals) {
    if (!state.childEnded) return "later";
    state.childEnded = false;
    // struct signalfd_siginfo: the signal, and CLD_EXITED behind an errno
    memory.store(buffer, 4, { value: BigInt(SIGNALS.SIGCHLD) });
    memory.store(buffer + 8n, 4, { value: 1n });
    return { result: SIGINFO };
  }
  if (!pipe) return { result: 0 };
  const found = pipe.splice(0, size);
  if (found.length === 0 && isWritten(state, pipe)) return "later";
  found.forEach((byte, i) => memory.store(buffer + BigInt(i), 1, byte));
  return { result: found.length };
}

/** Whether a process can still write into a pipe. */
function isWritten(state: Assumed, pipe: Value[]): boolean {
  let root = state;
  while (root.parent) root = root.parent;
  const writes = ({ end, descriptors, children }: Assumed): boolean =>
    end === undefined &&
      [...descriptors.values()].some((each) => each.pipe === pipe && each.writes) ||
    children.some(writes);
  return writes(root);
}

/** Waits until something can be read; a terminal of which nobody knows has nothing. */
function poll(
  { process: { state, memory } }: Call<Assumed>,
  list: bigint,
  count: number,
  timeout: bigint,
): Answer<Assumed> | "later" {
  const POLLIN = 1n;
  let ready = 0;
  for (let i = 0; i < count; i++) {
    // struct pollfd: descriptor, events, returned events
    const at = list + BigInt(8 * i);
    const fd = Number(BigInt.asIntN(32, memory.load(at, 4).value));
    const { signals, pipe } = state.descriptors.get(fd) ?? {};
    const has = signals ? state.childEnded === true : pipe !== undefined && pipe.length > 0;
    memory.store(at + 6n, 2, { value: has ? POLLIN : 0n });
    if (has) ready++;
  }
  return ready === 0 && timeout === 0n ? "later" : { result: ready };
}

/** The end of a child, once it has ended. */
function waitFor(
  { process: { state, memory } }: Call<Assumed>,
  pid: number,
  status: bigint,
  options: number,
): Answer<Assumed> | "later" {
  const left = state.children.filter((child) => !child.waited && (pid < 0 || child.pid === pid));
  if (left.length === 0) return { result: -ECHILD };
  const child = left.find(({ end }) => end !== undefined);
  if (!child) return options & WNOHANG ? { result: 0 } : "later";
  child.waited = true;
  const { end } = child;
  if (status === 0n) return { result: child.pid, label: pidLabel(child) };
  if (end === "program") memory.store(status, 4, { value: 0n, label: `status of ${child.name}` });
  else if (end === "killed") memory.store(status, 4, { value: BigInt(SIGNALS.SIGKILL) });
  else memory.store(status, 4, { value: BigInt((end ?? 0) << 8) });
  return { result: child.pid, label: pidLabel(child) };
}
