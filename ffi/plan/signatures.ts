/**
 * The system calls that plans use, and what their arguments are: how many there
 * are binds whoever builds a plan, what they are serves whoever prints it.
 *
 * Only calls that x86-64 and aarch64 both have, with the same arguments. (The
 * last two of clone(2) are swapped between them; plans leave both 0.)
 *
 * @module
 */

/**
 * What an argument is: a number, a descriptor, an address, a NUL-terminated
 * string, bytes whose length is the next argument, or the prefix of the
 * constants it is made of.
 */
export type Kind =
  | "number"
  | "fd"
  | "dirfd"
  | "address"
  | "string"
  | "bytes"
  | "strings"
  | "octal"
  | `${string}_`;

/** The arguments of each system call, in order. */
export const SIGNATURES = {
  bpf: ["number", "address", "number"],
  capget: ["address", "address"],
  capset: ["address", "address"],
  chdir: ["string"],
  chroot: ["string"],
  clone: ["CLONE_", "address", "address", "address", "address"],
  clone3: ["address", "number"],
  close: ["fd"],
  close_range: ["fd", "number", "CLOSE_RANGE_"],
  dup3: ["fd", "fd", "O_"],
  execve: ["string", "strings", "strings"],
  exit_group: ["number"],
  fchdir: ["fd"],
  fchownat: ["dirfd", "string", "number", "number", "AT_"],
  fcntl: ["fd", "F_", "number"],
  flock: ["fd", "number"],
  fsconfig: ["fd", "FSCONFIG_", "string", "string", "number"],
  fsmount: ["fd", "FSMOUNT_", "MOUNT_ATTR_"],
  fsopen: ["string", "FSOPEN_"],
  fspick: ["dirfd", "string", "FSPICK_"],
  getdents64: ["fd", "address", "number"],
  getegid: [],
  geteuid: [],
  getpid: [],
  getppid: [],
  getuid: [],
  ioctl: ["fd", "number", "address"],
  kill: ["number", "SIG_"],
  lgetxattr: ["string", "string", "address", "number"],
  landlock_add_rule: ["fd", "LANDLOCK_RULE_", "address", "number"],
  landlock_create_ruleset: ["address", "number", "number"],
  landlock_restrict_self: ["fd", "number"],
  memfd_create: ["string", "MFD_"],
  mkdirat: ["dirfd", "string", "octal"],
  mount: ["string", "string", "string", "MS_", "string"],
  mount_setattr: ["dirfd", "string", "AT_", "address", "number"],
  move_mount: ["dirfd", "string", "dirfd", "string", "MOVE_MOUNT_"],
  open_by_handle_at: ["dirfd", "address", "O_"],
  open_tree: ["dirfd", "string", "OPEN_TREE_"],
  openat: ["dirfd", "string", "O_", "octal"],
  openat2: ["dirfd", "string", "address", "number"],
  pidfd_getfd: ["fd", "fd", "number"],
  pidfd_open: ["number", "number"],
  pidfd_send_signal: ["fd", "SIG_", "address", "number"],
  pipe2: ["address", "O_"],
  pivot_root: ["string", "string"],
  ppoll: ["address", "number", "address", "address", "number"],
  prctl: ["PR_", "number", "number", "number", "number"],
  prlimit64: ["number", "RLIMIT_", "address", "address"],
  read: ["fd", "address", "number"],
  recvfrom: ["fd", "address", "number", "number", "address", "address"],
  renameat2: ["dirfd", "string", "dirfd", "string", "number"],
  rt_sigaction: ["SIG_", "address", "address", "number"],
  rt_sigprocmask: ["HOW_", "address", "address", "number"],
  rt_sigtimedwait: ["address", "address", "address", "number"],
  sendto: ["fd", "bytes", "number", "number", "address", "number"],
  seccomp: ["SECCOMP_SET_MODE_", "SECCOMP_FILTER_FLAG_", "address"],
  setdomainname: ["bytes", "number"],
  setgid: ["number"],
  setgroups: ["number", "address"],
  sethostname: ["bytes", "number"],
  setitimer: ["number", "address", "address"],
  setns: ["fd", "CLONE_"],
  setresgid: ["number", "number", "number"],
  setresuid: ["number", "number", "number"],
  setsid: [],
  setuid: ["number"],
  signalfd4: ["fd", "address", "number", "SFD_"],
  socket: ["AF_", "SOCK_", "number"],
  statx: ["dirfd", "string", "AT_", "number", "address"],
  symlinkat: ["string", "dirfd", "string"],
  umask: ["octal"],
  umount2: ["string", "MNT_"],
  unlinkat: ["dirfd", "string", "AT_"],
  unshare: ["CLONE_"],
  wait4: ["number", "address", "W_", "address"],
  write: ["fd", "bytes", "number"],
  writev: ["fd", "address", "number"],
} as const satisfies Record<string, readonly Kind[]>;

/** The type of {@linkcode SIGNATURES}, from which the arity of a call is read. */
export type Signatures = typeof SIGNATURES;
