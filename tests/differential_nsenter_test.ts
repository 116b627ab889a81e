/** What nsenter(1) and ours make of namespaces, side by side. */
import {
  bash,
  type Case,
  CREDENTIALS,
  differential,
  NAMESPACES,
  type Target,
  TIME,
  USERNS,
  USR,
  words,
} from "./differential.ts";
import { ALL, MOUNT, PROGRAMS, target, UTS } from "./differential_cases.ts";

/** With a user namespace of its own, as root or as an ordinary user. */
const OWN = target("-muinpUCTrf --mount-proc --kill-child");

/** In a user namespace within another one. */
const NESTED = target("-Ur unshare -Uru");

const namespaces: Case[] = [
  {
    name: "-m enters the mount namespace",
    argv: ["-t", "{target}", "-m", ...NAMESPACES],
    target: MOUNT,
  },
  {
    name: "-u enters the UTS namespace",
    argv: ["-t", "{target}", "-u", ...NAMESPACES],
    target: ALL,
  },
  {
    name: "-i enters the IPC namespace",
    argv: ["-t", "{target}", "-i", ...NAMESPACES],
    target: ALL,
  },
  {
    name: "-n enters the network namespace",
    argv: ["-t", "{target}", "-n", ...NAMESPACES],
    target: ALL,
  },
  {
    name: "-p enters the pid namespace with a child",
    argv: ["-t", "{target}", "-p", ...NAMESPACES],
    target: ALL,
  },
  {
    name: "-C enters the cgroup namespace",
    argv: ["-t", "{target}", "-C", ...NAMESPACES],
    target: ALL,
  },
  {
    name: "-T enters the time namespace",
    argv: ["-t", "{target}", "-T", ...NAMESPACES],
    target: ALL,
    needs: [TIME],
  },
  {
    name: "-U enters the user namespace",
    argv: ["-t", "{target}", "-U", ...NAMESPACES],
    target: target("-Ur"),
  },
  {
    name: "several letters enter several namespaces",
    argv: ["-t", "{target}", "-u", "-i", "-n", ...NAMESPACES],
    target: ALL,
  },
  {
    name: "long names do the same",
    argv: [
      "--mount",
      "--uts",
      "--ipc",
      "--net",
      "--pid",
      "--cgroup",
      "--time",
      "--target={target}",
      ...NAMESPACES,
    ],
    target: ALL,
    needs: [TIME],
  },
  {
    name: "-a enters all but the own user namespace",
    argv: ["-t", "{target}", "-a", ...NAMESPACES],
    target: ALL,
  },
  {
    name: "-a includes another user namespace",
    argv: ["--all", "--target", "{target}", ...NAMESPACES],
    target: OWN,
  },
  {
    name: "-a of a process in the same namespaces",
    argv: ["-a", "-t", "{target}", ...NAMESPACES],
    target: target(""),
  },
  {
    name: "-a with --user by name",
    argv: ["-a", "-t", "{target}", "--user", ...NAMESPACES],
    target: OWN,
  },
  {
    name: "-n enters the own namespace again",
    argv: ["-t", "{target}", "-n", ...NAMESPACES],
    target: target(""),
  },
  {
    name: "-U of the own user namespace is refused",
    argv: words("-t {target} -U true"),
    target: target(""),
  },
  {
    name: "-U of the own user namespace is refused to an ordinary user",
    argv: words("-t {target} -U true"),
    target: target(""),
    as: "user",
  },
  {
    name: "-pF stays outside the pid namespace",
    argv: ["-t", "{target}", "-F", "-p", ...NAMESPACES],
    target: ALL,
  },
  {
    name: "-p makes the program a member of the pid namespace",
    argv: ["-t", "{target}", "-m", "-p", "sh", "-c", "echo $PPID; cat /proc/1/comm"],
    target: ALL,
  },
  {
    name: "-m starts in the root of the namespace",
    argv: words("-t {target} -m readlink /proc/self/cwd"),
    target: MOUNT,
  },
  {
    name: "-n sees the devices of the namespace",
    argv: words("-t {target} -n cat /proc/net/dev"),
    target: ALL,
  },
  {
    name: "the target may come last",
    argv: ["-u", "-n", "-t{target}", ...NAMESPACES],
    target: ALL,
  },
  {
    name: "the last target wins",
    argv: ["-t", "0", "-t", "{target}", "-u", ...NAMESPACES],
    target: UTS,
  },
  {
    name: "an ordinary user may not enter another's namespaces",
    argv: words("-t {target} -u true"),
    as: "user",
    target: target("-u", { as: "root" }),
  },
  {
    name: "an ordinary user may not enter all of another's namespaces",
    argv: words("-t {target} -a true"),
    as: "user",
    target: target("-u", { as: "root" }),
  },
  {
    name: "an ordinary user may not look at another's root",
    argv: words("-t {target} -u -r true"),
    as: "user",
    target: target("-u", { as: "root" }),
  },
];

const files: Case[] = [
  ...words("uts ipc net pid cgroup").map((type): Case => ({
    name: `--${type}=FILE enters the namespace of the file`,
    argv: [`--${type}=/proc/{target}/ns/${type}`, ...NAMESPACES],
    target: ALL,
  })),
  {
    name: "--mount=FILE enters the namespace of the file",
    argv: ["--mount=/proc/{target}/ns/mnt", ...NAMESPACES],
    target: MOUNT,
  },
  {
    name: "--time=FILE enters the namespace of the file",
    argv: ["--time=/proc/{target}/ns/time", ...NAMESPACES],
    target: ALL,
    needs: [TIME],
  },
  {
    name: "--user=FILE enters the namespace of the file",
    argv: ["--user=/proc/{target}/ns/user", ...NAMESPACES],
    target: target("-Ur"),
  },
  {
    name: "-nFILE enters the namespace of the file",
    argv: ["-n/proc/{target}/ns/net", ...NAMESPACES],
    target: ALL,
  },
  { name: "-n=FILE is -nFILE", argv: ["-n=/proc/{target}/ns/net", ...NAMESPACES], target: ALL },
  { name: "-n==FILE drops one = only", argv: words("-n==/proc/self/ns/net true") },
  { name: "--net==FILE drops no =", argv: words("--net==/proc/self/ns/net true") },
  { name: "a relative file", argv: ["--net=net", "-u=uts", ...NAMESPACES], cwd: "/proc/self/ns" },
  {
    name: "a file overrides -a for its type",
    argv: ["-a", "-t", "{target}", "--uts=/proc/self/ns/uts", ...NAMESPACES],
    target: ALL,
  },
  {
    name: "a file and a target",
    argv: ["-t", "{target}", "-u", "--net=/proc/self/ns/net", ...NAMESPACES],
    target: ALL,
  },
  {
    name: "the pid namespace of the file of children",
    argv: ["--pid=/proc/{target}/ns/pid_for_children", ...NAMESPACES],
    target: ALL,
  },
  {
    name: "user and other namespaces of files as an ordinary user",
    argv: [
      "--preserve-credentials",
      "--user=/proc/{target}/ns/user",
      "--net=/proc/{target}/ns/net",
      "--uts=/proc/{target}/ns/uts",
      ...NAMESPACES,
    ],
    as: "user",
    target: target("-Urun"),
    needs: [USERNS],
  },
  { name: "a file of another type", argv: words("--net=/proc/self/ns/uts true") },
  { name: "a file that is no namespace", argv: words("--net=/etc/passwd true") },
  { name: "a missing file", argv: words("--net=/nonexistent true") },
  { name: "an empty file name", argv: words("--net= true") },
  { name: "an unreadable file", argv: words("--net={tmp}/locked/net true"), as: "user" },
  { name: "a file without privilege", argv: words("--uts=/proc/self/ns/uts true"), as: "user" },
  { name: "the own user namespace by file", argv: words("--user=/proc/self/ns/user true") },
  {
    name: "files are opened from left to right",
    argv: words("--net=/nonexistent/1 --uts=/nonexistent/2 true"),
  },
];

const users: Case[] = [
  {
    name: "-U becomes root of the namespace",
    argv: ["-t", "{target}", "-U", ...CREDENTIALS],
    target: target("-Ur"),
  },
  {
    name: "-U drops groups",
    via: words("setpriv --groups 4,24"),
    argv: ["-t", "{target}", "-U", ...CREDENTIALS],
    target: target("-Ur"),
  },
  {
    name: "-U --preserve-credentials keeps groups",
    via: words("setpriv --groups 4,24"),
    argv: ["-t", "{target}", "-U", "--preserve-credentials", ...CREDENTIALS],
    target: target("-Ur"),
  },
  {
    name: "-U of a namespace without maps",
    argv: words("-t {target} -U true"),
    target: target("-U"),
  },
  {
    name: "-U --preserve-credentials of a namespace without maps",
    argv: ["-t", "{target}", "-U", "--preserve-credentials", ...CREDENTIALS],
    target: target("-U"),
    as: "both",
    needs: [USERNS],
  },
  {
    name: "-U of an own container needs --preserve-credentials",
    argv: words("-t {target} -U true"),
    target: target("-Ur"),
    as: "user",
    needs: [USERNS],
  },
  {
    name: "-U --preserve-credentials enters an own container",
    argv: ["-t", "{target}", "-U", "--preserve-credentials", ...CREDENTIALS],
    target: target("-Ur"),
    as: "user",
    needs: [USERNS],
  },
  {
    name: "-U opens the way to the other namespaces",
    argv: ["-t", "{target}", "--preserve-credentials", "-n", "-u", "-m", "-U", ...NAMESPACES],
    target: target("-Urmun"),
    as: "both",
    needs: [USERNS],
  },
  {
    name: "-a --preserve-credentials enters an own container",
    argv: ["-t", "{target}", "-a", "--preserve-credentials", ...NAMESPACES],
    target: OWN,
    as: "user",
    needs: [USERNS, TIME],
  },
  {
    name: "-a of a container that shares namespaces with us",
    argv: words("-t {target} -a --preserve-credentials true"),
    target: target("-Ur"),
    as: "user",
    needs: [USERNS],
  },
  {
    name: "root may drop into a container whose other namespaces are ours",
    argv: ["-t", "{target}", "-a", ...NAMESPACES],
    target: target("-Ur"),
  },
  {
    name: "root enters an ordinary user's container",
    argv: ["-t", "{target}", "-a", ...NAMESPACES],
    target: { ...OWN, as: "user" },
    needs: [USERNS, TIME],
  },
  {
    name: "root becomes root of an ordinary user's container",
    argv: ["-t", "{target}", "-a", ...CREDENTIALS],
    target: { ...OWN, as: "user" },
    needs: [USERNS, TIME],
  },
  {
    name: "-S in an own container",
    argv: ["-t", "{target}", "-U", "--preserve-credentials", "-S", "0", ...CREDENTIALS],
    target: target("-Ur"),
    as: "user",
    needs: [USERNS],
  },
  {
    name: "-S of an unmapped id",
    argv: words("-t {target} -U --preserve-credentials -S 5 true"),
    target: target("-Ur"),
    as: "both",
    needs: [USERNS],
  },
  { name: "-G of an unmapped id", argv: words("-t {target} -U -G 5 true"), target: target("-Ur") },
  {
    name: "-S sets the user id only",
    argv: ["-t", "{target}", "-u", "-S", "1234", ...CREDENTIALS],
    target: UTS,
  },
  {
    name: "-S keeps groups",
    via: words("setpriv --groups 4,24"),
    argv: ["-t", "{target}", "-u", "-S1234", ...CREDENTIALS],
    target: UTS,
  },
  {
    name: "-G sets the group id and drops groups",
    via: words("setpriv --groups 4,24"),
    argv: ["-t", "{target}", "-u", "--setgid=1234", ...CREDENTIALS],
    target: UTS,
  },
  {
    name: "-S and -G together",
    argv: ["-t", "{target}", "-u", "--setuid", "12", "-G", "34", ...CREDENTIALS],
    target: UTS,
  },
  {
    name: "-S and -G with -p",
    argv: ["-t", "{target}", "-p", "-S", "12", "-G", "34", ...CREDENTIALS],
    target: ALL,
  },
  {
    name: "a user id with a leading zero is decimal",
    argv: ["-t", "{target}", "-u", "-S", "010", ...CREDENTIALS],
    target: UTS,
  },
  { name: "a user id with text behind it", argv: words("-S 5x true") },
  { name: "a user's name is no user id", argv: words("-S root true") },
  { name: "a negative group id", argv: words("-G -1 true") },
  { name: "an empty user id", argv: ["-S", "", "true"] },
];

const directories: Case[] = [
  {
    name: "the working directory stays",
    argv: words("-t {target} -u readlink /proc/self/cwd"),
    target: UTS,
  },
  {
    name: "-r enters the target's root directory",
    argv: words("-t {target} -u -r /bin/ls -d /bin /usr"),
    target: target("-u -R /usr"),
    needs: [USR],
  },
  {
    name: "-r without -w keeps the directory outside",
    argv: words("-t {target} -u -r /bin/pwd"),
    target: target("-u -R /usr"),
    needs: [USR],
  },
  {
    name: "-r with -w is in the target's directory",
    argv: words("-t {target} -u -r -w /bin/pwd"),
    target: target("-u -R /usr -w /share"),
    needs: [USR],
  },
  {
    name: "-w is the target's directory",
    argv: words("-t {target} -u -w readlink /proc/self/cwd"),
    target: target("-u", { cwd: "/usr/share" }),
  },
  {
    name: "--wd is the target's directory",
    argv: words("--wd --target {target} --uts readlink /proc/self/cwd"),
    target: target("-u", { cwd: "/usr/share" }),
  },
  {
    name: "-w in a mount namespace",
    argv: words("-t {target} -m -w readlink /proc/self/cwd"),
    target: target("-m", { cwd: "/usr/share" }),
  },
  {
    name: "-w with -a",
    argv: words("-t {target} -a -r -w readlink /proc/self/cwd"),
    target: { ...ALL, cwd: "/usr/share" },
  },
  {
    name: "-rDIR is the root directory",
    argv: words("-t {target} -u -r/usr -w/usr /bin/pwd"),
    target: UTS,
    needs: [USR],
  },
  {
    name: "--root=DIR without a target",
    argv: words("--uts=/proc/self/ns/uts --root=/usr --wd=/usr/share /bin/pwd"),
    needs: [USR],
  },
  { name: "-r=DIR keeps the =", argv: words("-t {target} -u -r=/usr true"), target: UTS },
  {
    name: "-wDIR is opened before entering",
    argv: words("-t {target} -m -w/usr/share readlink /proc/self/cwd"),
    target: MOUNT,
  },
  {
    name: "-w=DIR is -wDIR",
    argv: words("-t {target} -u -w=/usr readlink /proc/self/cwd"),
    target: UTS,
  },
  {
    name: "--wd with a relative directory",
    argv: words("-t {target} -u --wd=../exec readlink /proc/self/cwd"),
    target: UTS,
  },
  {
    name: "--root with a missing directory",
    argv: words("-t {target} -u --root=/nonexistent true"),
    target: UTS,
  },
  {
    name: "--wd with a missing directory",
    argv: words("-t {target} -u --wd=/nonexistent true"),
    target: UTS,
  },
  { name: "--wd with a file", argv: words("-t {target} -u --wd=/etc/passwd true"), target: UTS },
  {
    name: "--root with a file",
    argv: words("-t {target} -u --root=/etc/passwd true"),
    target: UTS,
  },
  {
    name: "--wd without permission",
    argv: words("-t {target} -n --wd={tmp}/locked true"),
    target: target(""),
    as: "user",
  },
  { name: "-r without privilege", argv: words("--uts=/proc/self/ns/uts -r/ true"), as: "user" },
  {
    name: "-r in an own container",
    argv: words("-t {target} -U --preserve-credentials -r -w /bin/pwd"),
    target: target("-Ur -R /usr -w /share"),
    as: "both",
    needs: [USERNS, USR],
  },
  { name: "-r without target and directory", argv: words("-r true") },
  { name: "-w without target and directory", argv: words("--uts=/proc/self/ns/uts -w true") },
];

/** In a network namespace of its own, with a socket of another one as descriptor 3. */
const SOCKET: Target = {
  unshare: [
    "-n",
    ...bash('ip link set lo up && exec 3<>/dev/udp/127.0.0.1/9 && exec unshare -nu "$@"'),
  ],
};

/** The same as an ordinary user, in a user namespace of its own. */
const OWN_SOCKET: Target = { ...SOCKET, unshare: ["-Ur", ...SOCKET.unshare] };

const sockets: Case[] = [
  {
    name: "-N enters the network namespace of a socket",
    argv: ["-t", "{target}", "-N", "3", ...NAMESPACES],
    target: SOCKET,
  },
  {
    name: "--net-socket wins over --net",
    argv: ["--net-socket=3", "-t", "{target}", "-n", ...NAMESPACES],
    target: SOCKET,
  },
  {
    name: "-N wins over the file of -n",
    argv: ["-t", "{target}", "-N3", "--net=/proc/self/ns/net", ...NAMESPACES],
    target: SOCKET,
  },
  {
    name: "-N with other namespaces of the target",
    argv: ["-t", "{target}", "-u", "-N3", ...NAMESPACES],
    target: SOCKET,
  },
  {
    name: "-N with -a",
    argv: ["-a", "-N3", "-t", "{target}", ...NAMESPACES],
    target: SOCKET,
  },
  {
    name: "-N sees the devices of the socket's namespace",
    argv: words("-t {target} -N 3 cat /proc/net/dev"),
    target: SOCKET,
  },
  {
    name: "-N leaves no descriptor behind",
    argv: words("-t {target} -N 3 ls /proc/self/fd"),
    target: SOCKET,
  },
  {
    name: "-N with the user namespace of an own container",
    argv: ["-t", "{target}", "-U", "--preserve-credentials", "-N3", ...NAMESPACES],
    target: OWN_SOCKET,
    as: "user",
    needs: [USERNS],
  },
  {
    name: "-N in an own container without its user namespace",
    argv: words("-t {target} -N 3 true"),
    target: OWN_SOCKET,
    as: "user",
    needs: [USERNS],
  },
  {
    name: "-N of a descriptor that is not open",
    argv: words("-t {target} -N 99 true"),
    target: UTS,
  },
  { name: "-N of what is no socket", argv: words("-t {target} -N 1 true"), target: UTS },
  {
    name: "-N of another's process",
    argv: words("-t {target} -N 3 true"),
    target: { ...SOCKET, as: "root" },
    as: "user",
  },
  {
    name: "-N of a process that has ended",
    argv: words("-t {target} -N 3 true"),
    target: target("", { dead: true }),
    maskPid: true,
  },
  { name: "-N needs a target", argv: words("-N 3 true") },
  {
    name: "a negative -N is none",
    argv: words("-t {target} -N -1 true"),
    target: UTS,
    stderr: "more",
  },
  {
    name: "a negative -N takes back another",
    argv: ["-t", "{target}", "-u", "-N99", "-N-1", ...NAMESPACES],
    target: SOCKET,
  },
  { name: "-N of no number", argv: words("-t 1 -N x true") },
  { name: "-N of nothing", argv: ["-t", "1", "-N", "", "true"] },
  { name: "-N beyond 32 bits", argv: words("-N 2147483648 true") },
];

const parents: Case[] = [
  {
    name: "--user-parent enters the parent user namespace",
    argv: ["-t", "{target}", "--user-parent", ...NAMESPACES],
    target: NESTED,
  },
  {
    name: "--user-parent is root there",
    argv: ["-t", "{target}", "--user-parent", ...CREDENTIALS],
    target: NESTED,
  },
  {
    name: "--user-parent with -U",
    argv: ["-t", "{target}", "-U", "--user-parent", ...NAMESPACES],
    target: NESTED,
  },
  {
    name: "--user-parent with another namespace",
    argv: ["-t", "{target}", "-u", "--user-parent", ...NAMESPACES],
    target: NESTED,
  },
  {
    name: "--user-parent with -a",
    argv: ["-t", "{target}", "-a", "--user-parent", ...NAMESPACES],
    target: NESTED,
  },
  {
    name: "--user-parent of a file",
    argv: ["-t", "{target}", "--user=/proc/{target}/ns/user", "--user-parent", ...NAMESPACES],
    target: NESTED,
  },
  {
    name: "--user-parent as an ordinary user",
    argv: ["-t", "{target}", "--user-parent", "--preserve-credentials", ...NAMESPACES],
    target: NESTED,
    as: "user",
    needs: [USERNS],
  },
  {
    name: "--user-parent may be abbreviated",
    argv: ["-t", "{target}", "--user-p", ...NAMESPACES],
    target: NESTED,
  },
  {
    name: "the parent is our own",
    argv: words("-t {target} --user-parent true"),
    target: target("-Ur"),
    as: "both",
    needs: [USERNS],
  },
  {
    name: "there is no parent",
    argv: words("-t {target} --user-parent -u true"),
    target: UTS,
  },
  { name: "--user-parent needs a target", argv: words("--user-parent true") },
  {
    name: "--user-parent needs a target even with a file",
    argv: words("--user=/proc/self/ns/user --user-parent true"),
  },
  {
    name: "--user-parent of a process that has ended",
    argv: words("-t {target} --user-parent true"),
    target: target("", { dead: true }),
  },
];

const inside: Case[] = [
  {
    name: "-W is looked up in the mount namespace",
    argv: words("-t {target} -m -W{tmp}/mnt /bin/ls"),
    target: {
      unshare: ["-m", ...bash('mount --bind {tmp}/exec {tmp}/mnt && exec "$@"')],
    },
  },
  {
    name: "-w is not",
    argv: words("-t {target} -m -w{tmp}/mnt /bin/ls"),
    target: {
      unshare: ["-m", ...bash('mount --bind {tmp}/exec {tmp}/mnt && exec "$@"')],
    },
  },
  {
    name: "-W is looked up in the new root",
    argv: words("-t {target} -u -r/usr -W/share /bin/pwd"),
    target: UTS,
    needs: [USR],
  },
  {
    name: "a relative -W begins at the new root",
    argv: words("-t {target} -u -r -Wshare /bin/pwd"),
    target: target("-u -R /usr -w /bin"),
    needs: [USR],
  },
  {
    name: "a relative -W without a root",
    argv: words("-t {target} -u -W../exec readlink /proc/self/cwd"),
    target: UTS,
  },
  {
    name: "a relative -W with -m begins at the root",
    argv: words("-t {target} -m -Wusr readlink /proc/self/cwd"),
    target: MOUNT,
  },
  {
    name: "-W in a child",
    argv: words("-t {target} -a -W/usr/share readlink /proc/self/cwd"),
    target: ALL,
  },
  {
    name: "-W=DIR is -WDIR",
    argv: words("-t {target} -u -W=/usr readlink /proc/self/cwd"),
    target: UTS,
  },
  {
    name: "the last -W counts",
    argv: words("-t {target} -u --wdns=/nonexistent --wdns=/usr readlink /proc/self/cwd"),
    target: UTS,
  },
  {
    name: "-W without a directory changes nothing",
    argv: words("-t {target} -u -W readlink /proc/self/cwd"),
    target: UTS,
  },
  {
    name: "-W without a directory takes back another",
    argv: words("-t {target} -u -W/usr -W readlink /proc/self/cwd"),
    target: UTS,
  },
  {
    name: "-r with -W without a directory keeps the directory outside",
    argv: words("-t {target} -u -r/usr -W /bin/pwd"),
    target: UTS,
    needs: [USR],
  },
  {
    name: "-W of a missing directory",
    argv: words("-t {target} -u -W/nonexistent true"),
    target: UTS,
  },
  { name: "-W of an empty name", argv: words("-t {target} -u --wdns= true"), target: UTS },
  { name: "-W of a file", argv: words("-t {target} -u -W/etc/passwd true"), target: UTS },
  {
    name: "-W without permission",
    argv: words("-t {target} -U --preserve-credentials -W{tmp}/locked true"),
    target: target("-Ur"),
    as: "user",
    needs: [USERNS],
  },
  { name: "-W excludes -w", argv: words("-w -W/usr -u=/nonexistent true") },
  { name: "-w excludes -W", argv: words("-W -w/usr true") },
  {
    name: "-W is no namespace",
    argv: words("-t {target} -W/usr true"),
    target: UTS,
    stderr: "more",
  },
];

/** Somebody else's process, with a user and a group of its own. */
const OTHER = target("-u setpriv --reuid 1000 --regid 1001 --clear-groups");

const following: Case[] = [
  {
    name: "-S follow",
    argv: ["-t", "{target}", "-u", "-S", "follow", ...CREDENTIALS],
    target: OTHER,
    needs: ["setpriv"],
  },
  {
    name: "-G follow",
    argv: ["-t", "{target}", "-u", "-G", "follow", ...CREDENTIALS],
    target: OTHER,
    needs: ["setpriv"],
  },
  {
    name: "-S follow -G follow in a child",
    argv: ["-t", "{target}", "-p", "--setuid=follow", "--setgid=follow", ...CREDENTIALS],
    target: { ...OTHER, unshare: ["-p", "--fork", "--kill-child", ...OTHER.unshare] },
    needs: ["setpriv"],
  },
  {
    name: "follow stays, whatever comes later",
    argv: ["-t", "{target}", "-u", "-S", "follow", "-S", "5", "-G6", "-Gfollow", ...CREDENTIALS],
    target: OTHER,
    needs: ["setpriv"],
  },
  {
    name: "follow is the id that is seen inside",
    argv: ["-t", "{target}", "-U", "-S", "follow", "-G", "follow", ...CREDENTIALS],
    target: { ...target("-Ur"), as: "user" },
    needs: [USERNS],
  },
  {
    name: "follow with --preserve-credentials",
    argv: ["-t", "{target}", "-U", "--preserve-credentials", "-S", "follow", ...CREDENTIALS],
    target: target("-Ur"),
    as: "both",
    needs: [USERNS],
  },
  {
    name: "following another's process",
    argv: words("-t {target} -S follow -u true"),
    target: { ...UTS, as: "root" },
    as: "user",
  },
  { name: "follow needs a target", argv: words("--uts=/proc/self/ns/uts -S follow true") },
  {
    name: "follow of a process that has ended",
    argv: words("--uts=/proc/self/ns/uts -t {target} -G follow true"),
    target: target("", { dead: true }),
  },
  { name: "follow is written in full", argv: words("-S foll true") },
  { name: "follow is written in small letters", argv: words("-G FOLLOW true") },
  { name: "an error behind follow", argv: words("-S follow -S x true") },
  {
    name: "-Z does nothing without SELinux",
    argv: ["-t", "{target}", "-u", "-Z", ...NAMESPACES],
    target: UTS,
  },
  { name: "-Z needs no target without SELinux", argv: words("-Z --uts=/proc/self/ns/uts true") },
  { name: "-Z is no namespace", argv: words("-Z true") },
];

const capabilities: Case[] = [
  {
    name: "--keep-caps with the user and another namespace",
    argv: ["-t", "{target}", "-U", "-u", "--keep-caps", ...CREDENTIALS],
    target: target("-Uru"),
  },
  {
    name: "--keep-caps in an own container",
    argv: [
      ..."-t {target} -U -u --preserve-credentials --keep-caps".split(" "),
      ...CREDENTIALS,
    ],
    target: target("-Uu"),
    as: "user",
    needs: [USERNS],
  },
  {
    name: "--keep-caps in a child",
    argv: [..."-t {target} -a --preserve-credentials --keep-caps".split(" "), ...CREDENTIALS],
    target: OWN,
    as: "both",
    needs: [USERNS, TIME],
  },
  {
    name: "--keep-caps after a change of the user",
    argv: [..."-t {target} -U -u --keep-caps -S 7 -G 8".split(" "), ...CREDENTIALS],
    target: target("-Uu --map-users=0:0:20 --map-groups=0:0:20"),
  },
  {
    name: "--keep-caps without a user namespace",
    argv: ["-t", "{target}", "-u", "--keep-caps", ...CREDENTIALS],
    target: UTS,
  },
  {
    name: "--keep-caps is no namespace",
    argv: words("-t {target} --keep-caps true"),
    target: UTS,
    stderr: "more",
  },
  { name: "--keep-caps takes no value", argv: words("--keep-caps=1 true") },
];

/** Starts the tool where cgroups of the second version are mounted, and no others. */
const CGROUP2 = (command = '"$@"') => [
  "unshare",
  "-m",
  ...bash(`mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec ${command}`),
];

const NOBODY = 'setpriv --reuid 1000 --regid 1000 --clear-groups "$@"';

const cgroups: Case[] = [
  {
    name: "-c joins the cgroup",
    via: CGROUP2(),
    argv: words("-t {target} -u -c grep 0:: /proc/self/cgroup"),
    target: UTS,
  },
  {
    name: "--join-cgroup with a child",
    via: CGROUP2(),
    argv: words("-t {target} -p -u -C --join-cgroup grep 0:: /proc/self/cgroup"),
    target: ALL,
  },
  {
    name: "-c without privilege",
    via: CGROUP2(NOBODY),
    env: { DENO_DIR: "{tmp}/deno-user" },
    argv: words("--uts=/proc/self/ns/uts -t {target} -c true"),
    target: UTS,
    needs: ["setpriv"],
  },
  { name: "-c needs a target", via: CGROUP2(), argv: words("--uts=/proc/self/ns/uts -c true") },
  {
    name: "-c of a process that has ended",
    via: CGROUP2(),
    argv: words("--uts=/proc/self/ns/uts -t {target} -c true"),
    target: target("", { dead: true }),
  },
  {
    name: "-c is no namespace",
    via: CGROUP2(),
    argv: words("-t {target} -c true"),
    target: UTS,
    stderr: "more",
  },
  {
    name: "-c where no cgroups are mounted",
    via: ["unshare", "-m", ...bash('umount -R /sys/fs/cgroup; exec "$@"')],
    argv: words("-t {target} -u -c true"),
    target: UTS,
  },
  {
    name: "-c where the first version is mounted",
    via: ["unshare", "-m", ...bash('mount -t tmpfs tmpfs /sys/fs/cgroup && exec "$@"')],
    argv: words("-t {target} -u -c true"),
    target: UTS,
  },
];

differential("nsenter", [
  ...namespaces,
  ...files,
  ...sockets,
  ...parents,
  ...inside,
  ...following,
  ...capabilities,
  ...cgroups,
  ...users,
  ...directories,
], PROGRAMS);
