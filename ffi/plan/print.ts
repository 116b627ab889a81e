/**
 * System calls of a plan as strace(1) shows them.
 *
 * @module
 */
import { encode } from "../bytes.ts";
import * as capability from "../constants/capability.ts";
import * as fcntl from "../constants/fcntl.ts";
import * as prctl from "../constants/prctl.ts";
import { ERROR_TEXTS } from "../constants/errno.ts";
import { SIGNALS } from "../constants/signal.ts";
import { type Kind, SIGNATURES } from "./signatures.ts";
import type { CallName } from "./step.ts";
import { errorName, nameOf, symbol } from "./symbols.ts";
import type { Answer, Call, Memory, Part, Value } from "./walk.ts";

/** The arguments of a system call as strace(1) shows them, after it has been answered. */
export function printArguments(
  { name, args, process: { memory } }: Call<unknown>,
  { result = 0 }: Answer<unknown>,
): string[] {
  const kinds: readonly Kind[] = SIGNATURES[name];
  const show = (i: number, kind: Kind = kinds[i]!): string =>
    printValue(args[i]!, kind, memory, args[i + 1]);
  const special = SPECIAL[name];
  return special ? special(show, args, memory, result) : args.map((_, i) => show(i));
}

/** What a system call has returned, as strace(1) shows it. */
export function printResult({ name }: Call<unknown>, { result, label }: Answer<unknown>): string {
  if (result === undefined) return name === "execve" ? "0" : "?";
  if (label !== undefined) return `<${label}>`;
  if (name === "umask") return `0${result.toString(8).padStart(2, "0")}`;
  return result < 0 ? `-1 ${errorName(-result)} (${ERROR_TEXTS[-result]})` : `${result}`;
}

type Show = (i: number, kind?: Kind) => string;
type Special = (show: Show, args: readonly Value[], memory: Memory, result: number) => string[];

/** The calls of which strace(1) shows more, or less, than the kinds of their arguments tell. */
const SPECIAL: Readonly<Partial<Record<CallName, Special>>> = {
  capget: (
    show,
    args,
    memory,
  ) => [header(args[0]!, memory), capabilities(args[1]!, memory) ?? show(1)],
  capset: (
    show,
    args,
    memory,
  ) => [header(args[0]!, memory), capabilities(args[1]!, memory) ?? show(1)],
  clone: (show) => ["child_stack=NULL", `flags=${show(0)}`],
  dup3: (show) => [show(0), show(1), show(2, "OPENED_")],
  execve: (show, args, memory) => [
    show(0),
    show(1),
    `[/* ${pointers(args[2]!, memory).length} vars */]`,
  ],
  fcntl: (show) => [show(0), show(1), show(1) === "F_ADD_SEALS" ? show(2, "F_SEAL_") : show(2)],
  mount_setattr: (show, args, memory) => {
    const [set, clear, propagation, user] = [0n, 8n, 16n, 24n]
      .map((at) => Number(memory.load(args[3]!.value + at, 8).value));
    return [
      show(0),
      show(1),
      show(2),
      `{attr_set=${symbol(set!, "MOUNT_ATTR_")}, attr_clr=${symbol(clear!, "MOUNT_ATTR_")}, ` +
      `propagation=${symbol(propagation!, "MS_")}, userns_fd=${user}}`,
      show(4),
    ];
  },
  openat2: (show, args, memory) => {
    const [flags, mode, resolve] = [0n, 8n, 16n]
      .map((at) => Number(memory.load(args[2]!.value + at, 8).value));
    const parts = [
      `flags=${symbol(flags!, "O_")}`,
      ...(flags! & fcntl.O_CREAT ? [`mode=0${mode!.toString(8)}`] : []),
      `resolve=${symbol(resolve!, "RESOLVE_")}`,
    ];
    return [show(0), show(1), `{${parts.join(", ")}}`, show(3)];
  },
  signalfd4: (show, args, memory) => [
    `${Number(BigInt.asIntN(32, args[0]!.value))}`,
    signalSet(args[1]!, memory),
    show(2),
    show(3),
  ],
  socket: (show, args) => [
    show(0),
    show(1),
    args[2]!.value === 0n && show(0) === "AF_INET" ? "IPPROTO_IP" : show(2),
  ],
  ioctl: (show, args, memory) =>
    show(1, "NS_") === "SIOCSIFFLAGS"
      ? [
        show(0),
        show(1, "NS_"),
        `{ifr_name=${quote(memory.string(args[2]!.value))}, ifr_flags=${
          memory.load(args[2]!.value + 16n, 2).value === 1n ? "IFF_UP" : "..."
        }}`,
      ]
      : [show(0), show(1, "NS_"), ...(show(2) === "NULL" ? [] : [show(2)])],
  openat: (
    show,
    args,
  ) => [show(0), show(1), show(2), ...(has(args[2]!, fcntl.O_CREAT) ? [show(3)] : [])],
  pipe2: (show, args, memory) => {
    const [input, output] = [0n, 4n].map((at) => memory.load(args[0]!.value + at, 4).value);
    return [`[${input}, ${output}]`, show(1, "OPENED_")];
  },
  ppoll: (show, args, memory) => {
    const { value } = args[0]!;
    const fd = memory.load(value, 4).value;
    const events = memory.load(value + 4n, 2).value === 1n ? "POLLIN" : "0";
    return [
      `[{fd=${fd}, events=${events}}]`,
      show(1),
      timespec(args[2]!, memory),
      show(3),
      show(4),
    ];
  },
  prctl: (show, args, memory) => {
    const operation = Number(args[0]!.value);
    const second = PRCTL[operation];
    if (operation === prctl.PR_SET_SECCOMP) {
      return [show(0), show(1, "SECCOMP_MODE_"), filter(args[2]!, memory)];
    }
    if (second === "nothing") return [show(0)];
    if (operation === prctl.PR_CAP_AMBIENT) {
      const takes = args[1]!.value !== BigInt(prctl.PR_CAP_AMBIENT_CLEAR_ALL);
      return [
        show(0),
        show(1, "PR_CAP_AMBIENT_"),
        show(2, takes ? "CAP_" : "number"),
        show(3),
        show(4),
      ];
    }
    return second ? [show(0), show(1, second)] : args.map((_, i) => show(i));
  },
  prlimit64: (
    show,
    args,
    memory,
  ) => [show(0), show(1), limit(args[2]!, memory), limit(args[3]!, memory)],
  read: (show, args, memory, result) => [
    show(0),
    quoteSome(memory, args[1]!.value, Math.max(0, result)),
    show(2),
  ],
  seccomp: (show, args, memory) => [show(0), show(1), filter(args[2]!, memory)],
  setns: (show) => [show(0), show(1, "KINDS_")],
  unshare: (show) => [show(0, "KINDS_")],
  rt_sigaction: (show, args, memory) => [
    show(0),
    action(args[1]!, memory),
    action(args[2]!, memory),
    show(3),
  ],
  rt_sigprocmask: (show, args, memory) => [
    show(0),
    signalSet(args[1]!, memory),
    signalSet(args[2]!, memory),
    show(3),
  ],
  rt_sigtimedwait: (show, args, memory) => [signalSet(args[0]!, memory), show(1), show(2), show(3)],
  statx: (show, args) => [
    show(0),
    show(1),
    // without a word of how fresh they must be, as stat(2) has it
    ["AT_STATX_SYNC_AS_STAT", ...(args[2]!.value === 0n ? [] : [show(2)])].join("|"),
    args[3]!.value === 0x7ffn ? "STATX_BASIC_STATS" : show(3),
    "{...}",
  ],
  umask: (_show, args) => [`0${args[0]!.value.toString(8).padStart(2, "0")}`],
  unlinkat: (show, args) => [
    show(0),
    show(1),
    // AT_EACCESS of another call has the same number
    args[2]!.value === BigInt(fcntl.AT_REMOVEDIR) ? "AT_REMOVEDIR" : show(2),
  ],
  wait4: (show, args, memory, result) => {
    // With WNOHANG there may be no status.
    if (args[1]!.value === 0n || result <= 0) return args.map((_, i) => show(i));
    const { value, label } = memory.load(args[1]!.value, 4);
    const status = label === undefined
      ? `{WIFEXITED(s) && WEXITSTATUS(s) == ${value >> 8n & 0xffn}}`
      : `<${label}>`;
    return [show(0), `[${status}]`, show(2), show(3)];
  },
  writev: (show, args, memory) => {
    const parts = Array.from({ length: Number(args[2]!.value) }, (_, i) => {
      const at = args[1]!.value + BigInt(16 * i);
      const [base, length] = [memory.load(at, 8).value, memory.load(at + 8n, 8).value];
      const text = base === 0n ? "NULL" : quote(memory.string(base, Number(length)));
      return `{iov_base=${text}, iov_len=${length}}`;
    });
    return [show(0), `[${parts.join(", ")}]`, show(2)];
  },
};

/** What the second argument of prctl(2) is, if there are no more. */
const PRCTL: Readonly<Record<number, Kind | "nothing">> = {
  [prctl.PR_SET_NAME]: "string",
  [prctl.PR_SET_PDEATHSIG]: "SIG_",
  [prctl.PR_GET_SECCOMP]: "nothing",
  [prctl.PR_CAPBSET_DROP]: "CAP_",
  [prctl.PR_SET_KEEPCAPS]: "number",
};

/** As many bytes as are shown at most. */
const SHOWN = 200;

/** Bytes, the first of them if there are many. */
function quoteSome(memory: Memory, address: bigint, size: number): string {
  const text = quote(memory.string(address, Math.min(size, SHOWN)));
  return size > SHOWN ? `${text}...` : text;
}

/** An argument; `next` is the one behind it. */
function printValue(argument: Value, kind: Kind, memory: Memory, next: Value | undefined): string {
  const { value, label } = argument;
  if (label !== undefined) return `<${label}>`;
  switch (kind) {
    case "string":
      return value === 0n ? "NULL" : quote(memory.string(value));
    case "bytes":
      return value === 0n ? "NULL" : quoteSome(memory, value, Number(next!.value));
    case "strings": {
      if (value === 0n) return "NULL";
      return `[${pointers(argument, memory).map((at) => quote(memory.string(at))).join(", ")}]`;
    }
    case "address":
      return value === 0n ? "NULL" : `0x${value.toString(16)}`;
  }
  const number = Number(BigInt.asIntN(64, value));
  switch (kind) {
    case "dirfd":
      return number === fcntl.AT_FDCWD ? "AT_FDCWD" : `${number}`;
    case "octal":
      return number === 0 ? "0" : `0${number.toString(8)}`;
    case "number":
    case "fd":
      return `${number}`;
  }
  return symbol(number, kind);
}

function has({ value }: Value, flag: number): boolean {
  return (Number(value) & flag) !== 0;
}

/** The addresses in a NULL-terminated array. */
function pointers({ value }: Value, memory: Memory): bigint[] {
  const found: bigint[] = [];
  for (let at = value; at !== 0n; at += 8n) {
    const pointer = memory.load(at, 8).value;
    if (pointer === 0n) break;
    found.push(pointer);
  }
  return found;
}

function signalSet({ value }: Value, memory: Memory): string {
  if (value === 0n) return "NULL";
  const set = memory.load(value, 8).value;
  const all = Array.from({ length: 64 }, (_, i) => i + 1);
  const within = all.filter((signal) => set >> BigInt(signal - 1) & 1n);
  const most = within.length > 64 * 2 / 3;
  const shown = most ? all.filter((signal) => !within.includes(signal)) : within;
  return `${most ? "~" : ""}[${shown.map(signalName).join(" ")}]`;
}

function signalName(signal: number): string {
  if (signal >= 32) return `RT_${signal - 32}`;
  return nameOf(signal, SIGNALS).replace(/^SIG/, "");
}

/** A `struct sigaction`. */
function action({ value }: Value, memory: Memory): string {
  if (value === 0n) return "NULL";
  const handler = memory.load(value, 8).value;
  const name = handler === 0n
    ? "SIG_DFL"
    : handler === 1n
    ? "SIG_IGN"
    : `0x${handler.toString(16)}`;
  return `{sa_handler=${name}, sa_mask=[], sa_flags=0}`;
}

/** A `struct sock_fprog`. */
function filter({ value }: Value, memory: Memory): string {
  const [length, first] = [memory.load(value, 2).value, memory.load(value + 8n, 8).value];
  return `{len=${length}, filter=0x${first.toString(16)}}`;
}

/** A `struct rlimit64`. */
function limit({ value }: Value, memory: Memory): string {
  if (value === 0n) return "NULL";
  const [soft, hard] = [0n, 8n].map((at) => {
    const number = memory.load(value + at, 8).value;
    if (number === 2n ** 64n - 1n) return "RLIM64_INFINITY";
    return number > 1024n && number % 1024n === 0n ? `${number / 1024n}*1024` : `${number}`;
  });
  return `{rlim_cur=${soft}, rlim_max=${hard}}`;
}

function timespec({ value }: Value, memory: Memory): string {
  if (value === 0n) return "NULL";
  return `{tv_sec=${memory.load(value, 8).value}, tv_nsec=${memory.load(value + 8n, 8).value}}`;
}

/** A `struct __user_cap_header_struct`. */
function header({ value }: Value, memory: Memory): string {
  const version = memory.load(value, 4).value;
  const name = version === BigInt(capability.LINUX_CAPABILITY_VERSION_3)
    ? "_LINUX_CAPABILITY_VERSION_3"
    : `0x${version.toString(16)}`;
  return `{version=${name}, pid=${memory.load(value + 4n, 4).value}}`;
}

/** Two `struct __user_cap_data_struct`. */
function capabilities({ value }: Value, memory: Memory): string | undefined {
  if (value === 0n) return undefined;
  const fields = ["effective", "permitted", "inheritable"].map((name, i) => {
    const half = (at: number): bigint => memory.load(value + BigInt(at + 4 * i), 4).value;
    const set = half(0) | half(12) << 32n;
    const found = Object.entries(capability.CAPABILITIES)
      .filter(([, number]) => set >> BigInt(number) & 1n).map(([name]) => `1<<${name}`);
    return `${name}=${found.join("|") || "0"}`;
  });
  return `{${fields.join(", ")}}`;
}

/** A string as in C, with `<what it is>` for what is known only at a run. */
export function quote(parts: readonly Part[]): string {
  let quoted = "";
  for (const part of parts) {
    if (typeof part !== "string") {
      quoted += `<${part.label}>`;
      continue;
    }
    const bytes = encode(part);
    for (const [i, byte] of bytes.entries()) {
      if (byte === 0x0a) quoted += "\\n";
      else if (byte === 0x09) quoted += "\\t";
      else if (byte === 0x22 || byte === 0x5c) quoted += `\\${String.fromCharCode(byte)}`;
      else if (byte < 0x20 || byte > 0x7e) {
        // A digit behind it must not be taken for one of its own.
        const next = bytes[i + 1] ?? 0;
        quoted += `\\${byte.toString(8).padStart(next >= 0x30 && next <= 0x39 ? 3 : 1, "0")}`;
      } else quoted += String.fromCharCode(byte);
    }
  }
  return `"${quoted}"`;
}
