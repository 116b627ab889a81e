/**
 * What not every kernel has, and what to say where it is missing. An errno alone
 * does not tell: of ENOSYS or EINVAL nobody learns which kernel it takes.
 *
 * @module
 */
import { EINVAL, ENOENT, ENOSYS, ENOTTY, EPERM } from "../ffi/constants/errno.ts";
import { AT_FDCWD, O_CLOEXEC, O_PATH } from "../ffi/constants/fcntl.ts";
import { SYSCALL_SINCE } from "../ffi/errno.ts";
import { ERRNO, type Need } from "../ffi/plan/step.ts";
import { type NamespaceName, NAMESPACES } from "./namespaces.ts";
import type { Cause } from "./refusal.ts";

/** A feature, the kernel that brought it, and the errno of those that have its call, but not it. */
function need(feature: string, release: string, errno: number): Need {
  return { errno, text: `${feature} needs Linux ${release} or later` };
}

/** A feature that a system call is. */
function needCall(feature: string, call: string): Need {
  return need(feature, SYSCALL_SINCE[call]!, ENOSYS);
}

/** What the calls of plans need of the kernel. */
export const NEEDS = {
  parentDeath: needCall("a signal when the parent dies", "pidfd_open"),
  pidfdInode: need("to tell processes apart by an inode", "6.9", ENOSYS),
  othersSocket: needCall("the namespace of a process's socket", "pidfd_getfd"),
  userParent: need("the parent of a user namespace", "4.9", ENOTTY),
  owner: needCall("to follow the ids of a process", "statx"),
  mountApi: needCall("a root of one's own", "mount_setattr"),
  seccomp: needCall("a filter of system calls", "seccomp"),
  landlock: needCall("Landlock", "landlock_create_ruleset"),
  binfmtMisc: need("a binfmt_misc of one's own", "6.7", EPERM),
  timeOfProgram: need("a program in another time namespace", "6.0", EINVAL),
  closeOnExec: need("to keep descriptors from a program", "5.11", EINVAL),
} as const satisfies Record<string, Need>;

/** The kernel that brought each kind of namespace, and the option it has to be built with. */
const KINDS: Readonly<Record<NamespaceName, readonly [release: string, option?: string]>> = {
  user: ["3.8", "CONFIG_USER_NS"],
  cgroup: ["4.6", "CONFIG_CGROUPS"],
  ipc: ["2.6.19", "CONFIG_IPC_NS"],
  uts: ["2.6.19", "CONFIG_UTS_NS"],
  net: ["2.6.29", "CONFIG_NET_NS"],
  pid: ["3.8", "CONFIG_PID_NS"],
  mount: ["2.4.19"],
  time: ["5.6", "CONFIG_TIME_NS"],
};

/** That the kernel has no namespaces of a kind that is asked for: the first such kind. */
export function missingKind(kinds: Iterable<NamespaceName>, errno: number): Cause {
  return {
    errno,
    look: (p, { line, says, end }) => {
      const list = [...kinds].flatMap((kind) => [NAMESPACES[kind].file, line(isMissing(kind))]);
      // Without a /proc nothing is known.
      const directory = p.call("openat", [AT_FDCWD, "/proc/self/ns", O_PATH | O_CLOEXEC, 0], {
        why: "are there namespaces of these kinds?",
        fail: end,
      });
      const entry = p.control("add", [{ list }, 0]);
      const [again, next] = [p.here(), p.label()];
      const file = p.control("load64", [entry, 0]);
      p.branch("equal", file, 0, end);
      const fd = p.call("openat", [directory, file, O_PATH | O_CLOEXEC, 0], {
        why: "is there this kind?",
        fail: next,
      });
      p.call("close", [fd], { why: "there is" });
      p.control("add", [entry, 16], { result: entry, next: again });
      p.place(next);
      p.control("equal", [ERRNO, ENOENT], { fail: end });
      says(p.control("load64", [entry, 8]));
    },
  };
}

function isMissing(kind: NamespaceName): string {
  const [release, option] = KINDS[kind];
  const built = option === undefined ? "" : `, built with ${option}`;
  return `this kernel has no ${kind} namespaces: they need Linux ${release} or later${built}`;
}
