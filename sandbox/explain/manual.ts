/**
 * Where the manual says more of a system call.
 *
 * @module
 */

/** The pages that are not called as the system call is. */
const PAGES: Readonly<Record<string, string>> = {
  dup3: "dup(2)",
  getegid: "getgid(2)",
  geteuid: "getuid(2)",
  getppid: "getpid(2)",
  mkdirat: "mkdir(2)",
  openat: "open(2)",
  pipe2: "pipe(2)",
  ppoll: "poll(2)",
  prlimit64: "getrlimit(2)",
  rt_sigaction: "sigaction(2)",
  rt_sigprocmask: "sigprocmask(2)",
  rt_sigtimedwait: "sigtimedwait(2)",
  setdomainname: "getdomainname(2)",
  setitimer: "getitimer(2)",
  sethostname: "gethostname(2)",
  signalfd4: "signalfd(2)",
  symlinkat: "symlink(2)",
  umount2: "umount(2)",
  wait4: "wait(2)",
};

/** The pages of files, which say more than those of open and write. */
const FILES: readonly (readonly [path: RegExp, page: string])[] = [
  [/\/(uid_map|gid_map|setgroups)$/, "user_namespaces(7)"],
  [/\/timens_offsets$/, "time_namespaces(7)"],
  [/\/ns\/[a-z_]+$/, "namespaces(7)"],
  [/\/cgroup\.procs$/, "cgroups(7)"],
  [/\/attr\/exec$/, "proc_pid_attr(5)"],
];

/** The manual's page of a call, on a file if it is on one. */
export function manualPage(call: string, file: string | undefined): string {
  const [, page] = file === undefined ? [] : FILES.find(([path]) => path.test(file)) ?? [];
  return page ?? PAGES[call] ?? `${call}(2)`;
}
