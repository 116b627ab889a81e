/**
 * The processes in /proc, with their namespaces and what they have open of others.
 *
 * With thousands of processes this is where the time goes: some twenty system calls
 * for each.
 *
 * @module
 */
import {
  closeAt,
  ITSELF,
  type Name,
  name,
  numbersIn,
  openAt,
  readAt,
  type SmallStat,
  statAt,
} from "../../ffi/at.ts";
import { decode } from "../../ffi/bytes.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  S_IFMT,
  S_IFSOCK,
} from "../../ffi/constants/fcntl.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { KINDS, type NamespaceKind } from "./kinds.ts";

/** A process. */
export interface Process {
  /** Its id. */
  readonly pid: number;
  /** That of its parent. */
  readonly ppid: number;
  /** The owner of its directory in /proc. */
  readonly uid: number;
  /** The inodes of its namespaces, as far as we may see them. */
  readonly namespaces: ReadonlyMap<NamespaceKind, number>;
}

/** Who is told of what is found on the way; descriptors are closed afterwards. */
export interface Finder {
  /** A process is in a namespace; `open` opens that, or returns a negated errno. */
  member(kind: NamespaceKind, inode: number, open: () => number): void;
  /** A process has a descriptor of a namespace. */
  descriptor(inode: number, open: () => number): void;
  /** A process has a socket, the descriptor `fd`. */
  socket(inode: number, pid: number, fd: number): void;
}

const DIRECTORY = O_RDONLY | O_CLOEXEC | O_DIRECTORY[Deno.build.arch];
const FILES = {
  stat: name("stat"),
  fd: name("fd"),
  namespaces: new Map(KINDS.map((kind) => [kind, name(`ns/${kind}`)])),
};

/** All processes, in the order of their ids, as far as we may see them. */
export function readProcesses(kinds: readonly NamespaceKind[], finder: Finder): Process[] {
  const proc = openAt(AT_FDCWD, name("/proc"), DIRECTORY);
  if (proc < 0) throw new SyscallError("open", -proc, { path: "/proc" });
  const device = namespaceDevice(proc);
  try {
    return [...numbersIn(proc)].flatMap((pid) => {
      const directory = openAt(proc, number(pid), O_PATH | O_CLOEXEC);
      if (directory < 0) return []; // It has ended.
      try {
        return readProcess(directory, kinds, device, finder) ?? [];
      } finally {
        closeAt(directory);
      }
    });
  } finally {
    closeAt(proc);
  }
}

/** The device that all namespaces are on: the kernel's nsfs. */
function namespaceDevice(proc: number): number {
  for (const kind of KINDS) {
    const stat = statAt(proc, name(`self/ns/${kind}`));
    if (typeof stat === "object") return stat.device;
  }
  return -1;
}

function readProcess(
  directory: number,
  kinds: readonly NamespaceKind[],
  device: number,
  finder: Finder,
): Process | undefined {
  const owner = statAt(directory, ITSELF, AT_EMPTY_PATH);
  const ids = parseStat(readAt(directory, FILES.stat));
  if (typeof owner === "number" || !ids) return undefined;
  const namespaces = new Map<NamespaceKind, number>();
  for (const kind of kinds) {
    const file = FILES.namespaces.get(kind)!;
    const stat = statAt(directory, file);
    if (typeof stat === "number") continue;
    namespaces.set(kind, stat.inode);
    finder.member(kind, stat.inode, () => openAt(directory, file, O_RDONLY | O_CLOEXEC));
  }
  readDescriptors(directory, device, ids.pid, finder);
  return { ...ids, uid: owner.uid, namespaces };
}

function readDescriptors(process: number, device: number, pid: number, finder: Finder): void {
  const directory = openAt(process, FILES.fd, DIRECTORY);
  if (directory < 0) return;
  for (const fd of numbersIn(directory)) {
    const file = number(fd);
    const stat: SmallStat | number = statAt(directory, file);
    if (typeof stat === "number") continue;
    if (stat.device === device) {
      finder.descriptor(stat.inode, () => openAt(directory, number(fd), O_RDONLY | O_CLOEXEC));
    } else if ((stat.mode & S_IFMT) === S_IFSOCK) {
      finder.socket(stat.inode, pid, fd);
    }
  }
  closeAt(directory);
}

/** The ids in a stat file, see proc_pid_stat(5): `1 (name) S 0 ...`, any bytes in the name. */
function parseStat(
  bytes: Uint8Array<ArrayBuffer> | undefined,
): Pick<Process, "pid" | "ppid"> | undefined {
  if (!bytes) return undefined;
  const CLOSING = 0x29; // ")"
  const pid = decimal(bytes, 0);
  const ppid = decimal(bytes, bytes.lastIndexOf(CLOSING) + 4);
  return pid < 0 || ppid < 0 ? undefined : { pid, ppid };
}

/** The decimal number at a place; -1 if there is none. */
function decimal(bytes: Uint8Array, at: number): number {
  let number = -1;
  for (let digit = bytes[at]! - 0x30; digit >= 0 && digit <= 9; digit = bytes[++at]! - 0x30) {
    number = Math.max(number, 0) * 10 + digit;
  }
  return number;
}

const digits: Name = new Uint8Array(16);

/** A number as a name, overwritten by the next one. */
function number(value: number): Name {
  const text = String(value);
  for (let i = 0; i < text.length; i++) digits[i] = text.charCodeAt(i);
  digits[text.length] = 0;
  return digits;
}

/** The command line of a process, with blanks between the arguments, or else its name. */
export function commandOf(pid: number): string {
  for (const file of ["cmdline", "comm"]) {
    const bytes = readAt(AT_FDCWD, name(`/proc/${pid}/${file}`));
    if (!bytes || bytes.length === 0) continue;
    // The last byte is the NUL of the last argument, or a newline.
    return decode(bytes.subarray(0, -1).map((byte) => byte === 0 ? 0x20 : byte));
  }
  return "";
}
