/** Namespaces that unshare(1) and ours bind to files, side by side. */
import {
  type Case,
  differential,
  type Fixture,
  NAMESPACES,
  TIME,
  USERNS,
  USR,
  words,
} from "./differential.ts";

const ID_MAPS = words("head -v /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups");
const KINDS = words("mount uts ipc net pid user cgroup time");

/**
 * Runs what follows it in a mount namespace of its own, and says what it has
 * bound to files. On one processor: with several, Linux 6.18 may take a new
 * mount namespace for one that is older than the caller's, and refuse it.
 */
const BINDING = [
  ...words("taskset -c 0 {unshare} -m --propagation private sh -c"),
  `"$@" 2> {tmp}/work/errors; echo exit $?; sed 's,/proc/[0-9]*/,/proc/PID/,' {tmp}/work/errors
    grep ' {tmp}/ns/' /proc/self/mountinfo | cut -d ' ' -f 4,5`,
  "sh",
];
/** The same without a word of what is bound: the tool keeps the pid. */
const BOUND = words("taskset -c 0 {unshare} -m --propagation private");

function bound(...kinds: string[]): string[] {
  return kinds.map((kind) => `--${kind}={tmp}/ns/${kind}`);
}

const persistence: Case[] = [
  ...words("mount uts ipc net cgroup").map((kind): Case => ({
    name: `--${kind}=FILE binds the namespace to a file`,
    via: BINDING,
    argv: [...bound(kind), ...NAMESPACES],
  })),
  {
    name: "--pid=FILE without a fork fails",
    via: BOUND,
    argv: [...bound("pid"), "true"],
    maskPid: true,
  },
  {
    name: "--pid=FILE binds the namespace of the children",
    via: BINDING,
    argv: ["-f", ...bound("pid"), ...NAMESPACES],
  },
  {
    name: "--time=FILE binds the namespace of the children",
    via: BINDING,
    argv: [...bound("time"), ...NAMESPACES],
    needs: [TIME],
  },
  {
    name: "--time=FILE binds a namespace with its offsets",
    via: BINDING,
    argv: [...bound("time"), "--boottime=99", "cat", "/proc/self/timens_offsets"],
    needs: [TIME],
  },
  {
    name: "--user=FILE with a mount namespace",
    via: BINDING,
    argv: ["-m", ...bound("user"), ...NAMESPACES],
    needs: [USERNS],
  },
  {
    name: "--user=FILE with a map",
    via: BINDING,
    argv: ["-mr", ...bound("user"), ...ID_MAPS],
    needs: [USERNS],
  },
  {
    name: "--user=FILE with ranges",
    via: BINDING,
    argv: ["-m", "--map-users", "0:0:9", ...bound("user"), ...ID_MAPS],
    needs: [USERNS],
  },
  {
    name: "files of all kinds, in a child",
    via: BINDING,
    argv: ["-f", ...bound(...KINDS), ...NAMESPACES],
    needs: [USERNS, TIME],
  },
  {
    name: "files of all kinds but the pid namespace, in place",
    via: BINDING,
    argv: [...bound(...KINDS.filter((kind) => kind !== "pid")), ...NAMESPACES],
    needs: [USERNS, TIME],
  },
  {
    name: "the order of binding does not depend on the command line",
    via: BINDING,
    argv: [...bound(...words("time net uts cgroup ipc")), "true"],
    needs: [TIME],
  },
  {
    name: "a file of one kind, others without",
    via: BINDING,
    argv: ["-mui", ...bound("net"), ...NAMESPACES],
  },
  {
    name: "a file of the mount namespace, in a child",
    via: BINDING,
    argv: ["-f", ...bound("mount"), ...NAMESPACES],
  },
  {
    name: "files with --kill-child",
    via: BINDING,
    argv: ["--kill-child", ...bound("mount", "pid"), ...NAMESPACES],
  },
  {
    name: "the last file of a kind counts",
    via: BINDING,
    argv: [...bound("uts"), "--uts={tmp}/ns/ipc", "true"],
  },
  {
    name: "a kind without a file keeps the one said before",
    via: BINDING,
    argv: [...bound("uts"), "--uts", "-u", "true"],
  },
  {
    name: "two kinds on one file",
    via: BINDING,
    argv: [...bound("uts"), "--ipc={tmp}/ns/uts", "true"],
  },
  { name: "a relative file", via: BINDING, cwd: "{tmp}/ns", argv: ["--uts=uts", "true"] },
  {
    name: "a relative file with a new root",
    via: BINDING,
    cwd: "{tmp}/ns",
    argv: ["--uts=uts", "-R", "/usr", "/bin/true"],
    needs: [USR],
  },
  {
    name: "a file with a new proc",
    via: BINDING,
    argv: ["-pf", "--mount-proc", ...bound("uts", "pid", "mount"), "readlink", "/proc/self"],
  },
  {
    name: "the file stays bound when the program fails",
    via: BINDING,
    argv: [...bound("uts", "mount"), "sh", "-c", "exit 5"],
  },
  {
    name: "the file stays bound when there is no program",
    via: BINDING,
    argv: [...bound("net"), "nonexistent-program"],
  },
  {
    name: "the file stays bound when the program is killed",
    via: BINDING,
    argv: ["-f", ...bound("net"), "sh", "-c", "kill -KILL $$"],
  },
  {
    name: "the file stays bound when a later step fails",
    via: BINDING,
    argv: [...bound("net"), "-w", "/nonexistent", "true"],
  },
  {
    name: "files are bound until one is missing",
    via: BINDING,
    argv: [...bound("cgroup", "ipc"), "--net={tmp}/ns/missing", "true"],
  },
  ...words("mount uts ipc net cgroup time user").map((kind): Case => ({
    name: `--${kind}=FILE with a missing file`,
    via: BOUND,
    argv: kind === "user"
      ? ["-m", "--user={tmp}/ns/missing", "true"]
      : [`--${kind}={tmp}/ns/missing`, "true"],
    maskPid: true,
    needs: [USERNS, TIME],
  })),
  {
    name: "a missing file ends the parent, not the program",
    via: BOUND,
    argv: words("-f --uts={tmp}/ns/missing echo yes"),
    maskPid: true,
  },
  { name: "an empty file name", via: BOUND, argv: words("--uts= true"), maskPid: true },
  { name: "a directory", via: BOUND, argv: words("--uts={tmp}/ns true"), maskPid: true },
  {
    name: "a file of the mount namespace on a shared mount",
    via: words("taskset -c 0 {unshare} -m --propagation shared"),
    argv: [...bound("mount"), "true"],
    maskPid: true,
  },
  {
    name: "an ordinary user may bind nothing",
    as: "user",
    argv: ["-Ur", ...bound("uts"), "true"],
    maskPid: true,
    needs: [USERNS],
  },
];

differential("unshare", persistence, [
  { path: "ns" },
  ...KINDS.map((kind): Fixture => ({ path: `ns/${kind}`, text: "" })),
]);
