/**
 * What system calls come to if nothing stands against them: descriptors,
 * processes, pipes and signal masks, as every kernel has them.
 *
 * @module
 */
import { SIG_BLOCK, SIG_SETMASK, SIGNALS } from "../constants/signal.ts";
import { WNOHANG } from "../constants/wait.ts";
import type { CallName } from "./step.ts";
import type { Answer, Call } from "./walk.ts";

/** What an open descriptor is. */
export interface Descriptor {
  /** What it was opened as. */
  readonly path?: string;
  /** What has been written and not yet read, if it is an end of a pipe. */
  readonly pipe?: { size: number };
}

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
  /** What it has open. */
  readonly descriptors: Map<number, Descriptor>;
  /** The signals that are blocked. */
  mask: bigint;
  /** Whether a SIGCHLD waits to be taken. */
  childEnded?: boolean;
  /** How it ended: with a status, or by becoming a program. */
  end?: number | "program";
}

/** No process has such an id: they end at 2^22. */
const FIRST_PID = 5_000_001;
const ECHILD = 10;

/** What is known of the first process, which is called so, when it starts. */
export function start(
  name: string,
  open: Iterable<number> = [0, 1, 2],
  mask: bigint = 0n,
): Assumed {
  const descriptors = new Map([...open].map((fd): [number, Descriptor] => [fd, {}]));
  return { name, pid: FIRST_PID, children: [], descriptors, mask };
}

/** The process of that id, among all that come from the same one. */
export function processOf(state: Assumed, pid: number): Assumed | undefined {
  let root = state;
  while (root.parent) root = root.parent;
  const search = (here: Assumed): Assumed | undefined =>
    here.pid === pid ? here : here.children.map(search).find((found) => found !== undefined);
  return search(root);
}

/** What is known of a new child of a process. */
export function forked(parent: Assumed, name: string): Assumed {
  let root = parent;
  while (root.parent) root = root.parent;
  const pid = FIRST_PID + count(root);
  const child: Assumed = {
    name,
    pid,
    parent,
    children: [],
    descriptors: new Map(parent.descriptors),
    mask: parent.mask,
  };
  parent.children.push(child);
  return child;
}

function count({ children }: Assumed): number {
  return children.reduce((sum, child) => sum + count(child), 1);
}

/** A process id as a person knows it. */
export function pidLabel({ name }: Assumed): string {
  return `pid of ${name}`;
}

/** Opens something; the lowest descriptor that is free. */
export function opened(state: Assumed, descriptor: Descriptor = {}): number {
  let fd = 0;
  while (state.descriptors.has(fd)) fd++;
  state.descriptors.set(fd, descriptor);
  return fd;
}

/** The calls that return a new descriptor. */
const OPENING: ReadonlySet<CallName> = new Set<CallName>([
  "fsmount",
  "fsopen",
  "fspick",
  "open_by_handle_at",
  "open_tree",
  "openat",
  "openat2",
  "pidfd_getfd",
  "pidfd_open",
  "signalfd4",
  "socket",
]);
/** The first arguments of ioctl(2) that do: those of ioctl_nsfs(2), and SIOCGSKNS. */
const OPENING_REQUESTS: ReadonlySet<number> = new Set([0xb701, 0xb702, 0x894c]);

/** What becomes of a call. */
export function assuming(call: Call<Assumed>): Answer<Assumed> | "later" {
  const { name, process: { state, memory } } = call;
  const [a = 0n, b = 0n, c = 0n] = call.args.map(({ value }) => value);
  switch (name) {
    case "exit_group":
      return end(state, Number(a & 0xffn));
    case "execve":
      return end(state, "program");
    case "clone": {
      const child = forked(state, call.child!);
      return { result: child.pid, label: pidLabel(child), child };
    }
    case "getpid":
      return { result: state.pid, label: pidLabel(state) };
    case "close":
      state.descriptors.delete(Number(a));
      return { result: 0 };
    case "dup3":
      state.descriptors.set(Number(b), state.descriptors.get(Number(a)) ?? {});
      return { result: Number(b) };
    case "pipe2": {
      const pipe = { size: 0 };
      for (const at of [0n, 4n]) {
        memory.store(a + at, 4, { value: BigInt(opened(state, { pipe })) });
      }
      return { result: 0 };
    }
    case "write": {
      const { pipe } = state.descriptors.get(Number(a)) ?? {};
      if (pipe) pipe.size += Number(c);
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
      return waitFor(call, Number(a), b, Number(c));
    case "rt_sigtimedwait":
      if (!state.childEnded) return "later";
      state.childEnded = false;
      return { result: SIGNALS.SIGCHLD };
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
function end(state: Assumed, how: number | "program"): Answer<Assumed> {
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
  const { pipe } = state.descriptors.get(fd) ?? {};
  if (!pipe) return { result: 0 };
  const found = Math.min(pipe.size, size);
  if (found === 0) return state.parent?.end === undefined ? "later" : { result: 0 };
  pipe.size -= found;
  for (let i = 0; i < found; i++) memory.store(buffer + BigInt(i), 1, { value: 0x78n });
  return { result: found };
}

/** The end of a child, once it has ended. */
function waitFor(
  { process: { state, memory } }: Call<Assumed>,
  pid: number,
  status: bigint,
  options: number,
): Answer<Assumed> | "later" {
  const child = state.children.find((child) => child.pid === pid);
  if (!child) return { result: -ECHILD };
  const { end } = child;
  if (end === undefined) return options & WNOHANG ? { result: 0 } : "later";
  if (end === "program") memory.store(status, 4, { value: 0n, label: `status of ${child.name}` });
  else memory.store(status, 4, { value: BigInt(end << 8) });
  return { result: child.pid, label: pidLabel(child) };
}
