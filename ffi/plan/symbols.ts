/**
 * Numbers by the names of the constants that they are, or are made of.
 *
 * @module
 */
import { CAPABILITIES } from "../constants/capability.ts";
import * as ranges from "../constants/close_range.ts";
import * as errno from "../constants/errno.ts";
import * as fcntl from "../constants/fcntl.ts";
import { LANDLOCK_RULE_NET_PORT, LANDLOCK_RULE_PATH_BENEATH } from "../constants/landlock.ts";
import * as interfaces from "../constants/if.ts";
import * as mman from "../constants/mman.ts";
import * as mount from "../constants/mount.ts";
import * as nsfs from "../constants/nsfs.ts";
import * as prctl from "../constants/prctl.ts";
import * as resource from "../constants/resource.ts";
import * as sched from "../constants/sched.ts";
import * as seccomp from "../constants/seccomp.ts";
import { SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK, SIGNALS } from "../constants/signal.ts";
import * as socket from "../constants/socket.ts";
import * as wait from "../constants/wait.ts";

/** The constants that an argument is one of, or made of. */
interface Family {
  readonly names: Readonly<Record<string, unknown>>;
  /** Whether several are added up; those of `names` that start so are. */
  readonly flags?: string;
  /** Whether they are shown in this order, not in that of their values. */
  readonly listed?: boolean;
  /** Whether the lowest bits are one of other constants. */
  readonly low?: { readonly mask: number; readonly names: Readonly<Record<string, unknown>> };
  /** Whether that one comes first. */
  readonly lowFirst?: boolean;
}

const { O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE } = fcntl;

const FAMILIES: Readonly<Record<string, Family>> = {
  AT_: { names: { ...startingWith(fcntl, "AT_"), AT_RECURSIVE: mount.AT_RECURSIVE }, flags: "AT_" },
  CLOSE_RANGE_: { names: ranges, flags: "CLOSE_RANGE_" },
  CAP_: { names: CAPABILITIES },
  CLONE_: { names: sched, flags: "CLONE_", low: { mask: 0xff, names: SIGNALS } },
  F_: { names: commands() },
  F_SEAL_: { names: fcntl, flags: "F_SEAL_" },
  FSCONFIG_: { names: startingWith(mount, "FSCONFIG_") },
  FSMOUNT_: { names: mount, flags: "FSMOUNT_" },
  FSOPEN_: { names: mount, flags: "FSOPEN_" },
  FSPICK_: { names: mount, flags: "FSPICK_" },
  HOW_: { names: { SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK } },
  LANDLOCK_RULE_: { names: { LANDLOCK_RULE_PATH_BENEATH, LANDLOCK_RULE_NET_PORT } },
  // those of unshare(2) and setns(2), where there is no signal
  KINDS_: { names: sched, flags: "CLONE_" },
  MFD_: { names: mman, flags: "MFD_" },
  MNT_: {
    names: { ...startingWith(mount, "MNT_"), UMOUNT_NOFOLLOW: mount.UMOUNT_NOFOLLOW },
    flags: "",
  },
  MOUNT_ATTR_: { names: mount, flags: "MOUNT_ATTR_" },
  MOVE_MOUNT_: { names: mount, flags: "MOVE_MOUNT_" },
  MS_: { names: mount, flags: "MS_" },
  // requests of ioctl(2)
  NS_: { names: { ...nsfs, SIOCSIFFLAGS: interfaces.SIOCSIFFLAGS } },
  O_: {
    names: fcntl,
    flags: "O_",
    low: { mask: O_ACCMODE, names: { O_RDONLY, O_WRONLY, O_RDWR } },
    lowFirst: true,
  },
  // those of calls that open something, without how it is accessed
  OPENED_: { names: fcntl, flags: "O_" },
  OPEN_TREE_: {
    names: {
      OPEN_TREE_CLONE: mount.OPEN_TREE_CLONE,
      OPEN_TREE_CLOEXEC: mount.OPEN_TREE_CLOEXEC,
      AT_EMPTY_PATH: fcntl.AT_EMPTY_PATH,
      AT_RECURSIVE: mount.AT_RECURSIVE,
    },
    flags: "",
    listed: true,
  },
  PR_: { names: operations() },
  SECCOMP_MODE_: { names: { SECCOMP_MODE_FILTER: seccomp.SECCOMP_MODE_FILTER } },
  SECCOMP_SET_MODE_: { names: { SECCOMP_SET_MODE_FILTER: seccomp.SECCOMP_SET_MODE_FILTER } },
  SECCOMP_FILTER_FLAG_: { names: seccomp, flags: "SECCOMP_FILTER_FLAG_" },
  PR_CAP_AMBIENT_: { names: prctl, flags: "PR_CAP_AMBIENT_" },
  RESOLVE_: { names: fcntl, flags: "RESOLVE_" },
  RLIMIT_: { names: startingWith(resource, "RLIMIT_") },
  SFD_: { names: { SFD_NONBLOCK: fcntl.O_NONBLOCK, SFD_CLOEXEC: fcntl.O_CLOEXEC }, flags: "" },
  AF_: { names: startingWith(socket, "AF_") },
  SOCK_: {
    names: socket,
    flags: "SOCK_",
    low: { mask: 0xf, names: { SOCK_DGRAM: socket.SOCK_DGRAM, SOCK_RAW: socket.SOCK_RAW } },
    lowFirst: true,
  },
  SIG_: { names: SIGNALS },
  W_: { names: wait, flags: "W" },
};

/** Names of constants that have a better one. */
const OTHER_NAMES: ReadonlySet<string> = new Set(["O_NDELAY"]);

/** A number as the constants of a family, such as `MS_`. */
export function symbol(value: number, family: string): string {
  const { names, flags, listed, low, lowFirst } = FAMILIES[family]!;
  if (flags === undefined) return nameOf(value, names);
  let rest = value;
  const found = Object.entries(names).filter((entry): entry is [string, number] => {
    const [name, flag] = entry;
    if (typeof flag !== "number" || flag <= 0 || !name.startsWith(flags)) return false;
    if (OTHER_NAMES.has(name)) return false;
    return (flag & (flag - 1)) === 0 && (flag & (low?.mask ?? 0)) === 0;
  }).sort(([, a], [, b]) => listed ? 0 : a - b).flatMap(([name, flag]) => {
    if ((rest & flag) === 0) return [];
    rest &= ~flag;
    return [name];
  });
  if (low && (rest !== 0 || lowFirst)) {
    if (lowFirst) found.unshift(nameOf(rest, low.names));
    else found.push(nameOf(rest, low.names));
  } else if (rest !== 0 || found.length === 0) {
    found.push(hex(rest));
  }
  return found.join("|");
}

/** The name of an errno. */
export function errorName(number: number): string {
  return nameOf(number, errno as unknown as Family["names"]);
}

/** The constants whose names start so. */
function startingWith(names: Family["names"], prefix: string): Family["names"] {
  return Object.fromEntries(Object.entries(names).filter(([name]) => name.startsWith(prefix)));
}

/** The commands of fcntl(2). */
function commands(): Family["names"] {
  const isCommand = (name: string): boolean =>
    /^F_(DUPFD|(SET|GET)(FD|FL|_SEALS|PIPE_SZ)|ADD_SEALS)/.test(name);
  return Object.fromEntries(Object.entries(fcntl).filter(([name]) => isCommand(name)));
}

/** The first arguments of prctl(2), without the many that are second ones. */
function operations(): Family["names"] {
  const isOperation = (name: string): boolean =>
    /^PR_((SET|GET)_(?!MM_)|CAPBSET_|CAP_AMBIENT$)/.test(name);
  return Object.fromEntries(Object.entries(prctl).filter(([name]) => isOperation(name)));
}

/** The name of a number among constants. */
export function nameOf(value: number, names: Family["names"]): string {
  return Object.keys(names).find((name) => names[name] === value) ?? hex(value);
}

function hex(value: number): string {
  return value === 0 ? "0" : `0x${(value >>> 0).toString(16)}`;
}
