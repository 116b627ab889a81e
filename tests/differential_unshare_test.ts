/** What unshare(1) and ours make of namespaces, side by side. */
import {
  BINFMT_MISC,
  type Case,
  CREDENTIALS,
  differential,
  type Fixture,
  NAMESPACES,
  TIME,
  USERNS,
  USR,
  words,
} from "./differential.ts";
import { busybox, ID_MAPS, PROC_MOUNTS, PROGRAMS } from "./differential_cases.ts";

const FIXTURES: Fixture[] = [
  ...PROGRAMS,
  { path: "exec/foreign", text: "denspace!" },
  { path: "exec/echo", bytes: busybox },
  { path: "root" },
  { path: "root/bin" },
  { path: "root/bin/busybox", bytes: busybox },
  { path: "root/bin/echo", link: "busybox" },
  { path: "root/foreign", text: "denspace!" },
  { path: "root/proc" },
];

const FOR_CHILDREN = words(
  "readlink /proc/self/ns/pid_for_children /proc/self/ns/time_for_children",
);

const PROPAGATION = words("findmnt -rno PROPAGATION /");

/** Everything below is shared: what is done to `/` shows, and stays there. */
const SHARED = words("{unshare} -m {unshare} -mf --propagation shared");

const namespaces: Case[] = [
  { name: "no option keeps every namespace", argv: NAMESPACES, as: "both" },
  { name: "-m makes a mount namespace", argv: ["-m", ...NAMESPACES] },
  { name: "-u makes a UTS namespace", argv: ["-u", ...NAMESPACES] },
  { name: "-i makes an IPC namespace", argv: ["-i", ...NAMESPACES] },
  { name: "-n makes a network namespace", argv: ["-n", ...NAMESPACES] },
  { name: "-p leaves the tool's own process outside", argv: ["-p", ...NAMESPACES] },
  {
    name: "-p without -f has no namespace for children yet",
    argv: ["-p", ...FOR_CHILDREN],
    needs: [TIME],
  },
  { name: "-U makes a user namespace", argv: ["-U", ...NAMESPACES], as: "both", needs: [USERNS] },
  { name: "-C makes a cgroup namespace", argv: ["-C", ...NAMESPACES] },
  {
    name: "-T makes a time namespace, which exec enters",
    argv: ["-T", ...NAMESPACES],
    needs: [TIME],
  },
  {
    name: "-T without offsets keeps the clocks",
    argv: words("-T cat /proc/self/timens_offsets"),
    needs: [TIME],
  },
  {
    name: "long names do the same",
    argv: ["--mount", "--uts", "--ipc", "--net", "--cgroup", ...NAMESPACES],
  },
  {
    name: "all long names at once, forked",
    argv: [
      "--mount",
      "--uts",
      "--ipc",
      "--net",
      "--pid",
      "--user",
      "--cgroup",
      "--time",
      "--fork",
      ...NAMESPACES,
    ],
    as: "both",
    needs: [USERNS, TIME],
  },
  {
    name: "all letters in one word",
    argv: ["-muinpUCTrf", "--mount-proc", ...NAMESPACES],
    as: "both",
    needs: [USERNS, TIME],
  },
  { name: "a namespace may be asked for twice", argv: ["-u", "--uts", "-uu", ...NAMESPACES] },
  { name: "-pf makes the program pid 1", argv: ["-pf", "sh", "-c", "echo $$ $PPID"] },
  { name: "-pf shows in the namespaces of the program", argv: ["-pf", ...NAMESPACES] },
  {
    name: "-Tf enters the time namespace in the child",
    argv: ["-Tf", ...NAMESPACES],
    needs: [TIME],
  },
  {
    name: "a new network namespace has a loopback device only",
    argv: words("-n cat /proc/net/dev"),
  },
  { name: "a new UTS namespace has the old name", argv: words("-u hostname"), needs: ["hostname"] },
  {
    name: "a new name stays in the UTS namespace",
    argv: ["-u", "sh", "-c", "hostname a && hostname"],
    needs: ["hostname"],
  },
  {
    name: "a new IPC namespace has no queues",
    argv: words("-i cat /proc/sysvipc/msg /proc/sysvipc/shm"),
  },
  {
    name: "a new cgroup namespace starts at the own cgroup",
    argv: words("-C cat /proc/self/cgroup"),
  },
  { name: "without privilege a namespace is refused", argv: words("-u true"), as: "user" },
  {
    name: "without privilege a mount namespace is refused",
    argv: words("--mount-proc true"),
    as: "user",
  },
  { name: "without privilege -f is refused before the fork", argv: words("-pf true"), as: "user" },
];

const users: Case[] = [
  { name: "-U alone maps nothing", argv: ["-U", ...ID_MAPS], as: "both", needs: [USERNS] },
  {
    name: "-U alone leaves the overflow ids and no capability",
    argv: ["-U", ...CREDENTIALS],
    as: "both",
    needs: [USERNS],
  },
  {
    name: "-r maps to root and denies setgroups",
    argv: ["-r", ...ID_MAPS],
    as: "both",
    needs: [USERNS],
  },
  { name: "-r gives all capabilities", argv: ["-r", ...CREDENTIALS], as: "both", needs: [USERNS] },
  {
    name: "--map-root-user is -r",
    argv: ["--map-root-user", ...ID_MAPS],
    as: "both",
    needs: [USERNS],
  },
  { name: "-c maps to the same ids", argv: ["-c", ...ID_MAPS], as: "both", needs: [USERNS] },
  {
    name: "-c leaves the capabilities to exec, which only gives them to root",
    argv: ["-c", ...CREDENTIALS],
    as: "both",
    needs: [USERNS],
  },
  {
    name: "the last of -r and -c wins",
    argv: ["-r", "-c", ...ID_MAPS],
    as: "user",
    needs: [USERNS],
  },
  { name: "the last of -c and -r wins", argv: ["-cr", ...ID_MAPS], as: "user", needs: [USERNS] },
  {
    name: "a forked child writes its own maps",
    argv: ["-Urf", ...ID_MAPS],
    as: "both",
    needs: [USERNS],
  },
  {
    name: "a user namespace allows the others",
    argv: ["-Urmuin", ...NAMESPACES],
    as: "user",
    needs: [USERNS],
  },
  {
    name: "an ordinary user's pid namespace has its own /proc",
    argv: ["-Urpf", "--mount-proc", "readlink", "/proc/self"],
    as: "user",
    needs: [USERNS],
  },
  {
    name: "supplementary groups stay",
    via: words("setpriv --groups 4,24,1000"),
    argv: CREDENTIALS,
  },
  {
    name: "unmapped supplementary groups show as the overflow gid",
    via: words("setpriv --groups 4,24"),
    argv: ["-r", ...CREDENTIALS],
  },
];

const ids: Case[] = [
  { name: "-S sets the user id only", argv: ["-S", "1234", ...CREDENTIALS] },
  {
    name: "-G sets the group id and drops groups",
    via: words("setpriv --groups 4,24"),
    argv: ["-G", "1234", ...CREDENTIALS],
  },
  {
    name: "-S keeps supplementary groups",
    via: words("setpriv --groups 4,24"),
    argv: ["-S", "1234", ...CREDENTIALS],
  },
  { name: "-S and -G together", argv: ["--setuid", "12", "--setgid=34", ...CREDENTIALS] },
  { name: "the last -S wins", argv: ["-S", "12", "-S13", ...CREDENTIALS] },
  { name: "a leading zero is decimal", argv: ["-S", "010", ...CREDENTIALS] },
  { name: "a leading blank and a plus sign are accepted", argv: ["-S", " +5", ...CREDENTIALS] },
  { name: "ids are cut to 32 bits", argv: ["-S", "4294967301", ...CREDENTIALS] },
  { name: "2^32-1 is no user id", argv: words("-S 4294967295 true") },
  {
    name: "-S 0 in an own user namespace",
    argv: ["-r", "-S", "0", ...CREDENTIALS],
    as: "both",
    needs: [USERNS],
  },
  { name: "-S of an unmapped id", argv: words("-r -S 5 true"), as: "both", needs: [USERNS] },
  {
    name: "-G after setgroups was denied",
    argv: words("-r -G 0 true"),
    as: "both",
    needs: [USERNS],
  },
  { name: "-S without privilege", argv: words("-S 0 true"), as: "user" },
  { name: "-G without privilege", argv: words("-G 0 true"), as: "user" },
  { name: "-S to the own id needs no privilege", argv: ["-S", "1000", ...CREDENTIALS], as: "user" },
  { name: "a user id in hexadecimal", argv: words("-S 0x10 true") },
  { name: "a negative user id", argv: words("-S -1 true") },
  { name: "a negative group id", argv: words("--setgid=-1 true") },
  { name: "a user id with text behind it", argv: words("-S 5x true") },
  { name: "an empty user id", argv: ["-S", "", "true"] },
  { name: "a user's name is no user id", argv: words("-S root true") },
  { name: "a group's name is no group id", argv: words("-G root true") },
  { name: "a user id beyond 64 bits", argv: words("-S 99999999999999999999 true") },
];

const mounts: Case[] = [
  { name: "--mount-proc implies -m and mounts over /proc", argv: ["--mount-proc", ...PROC_MOUNTS] },
  {
    name: "--mount-proc with -pf shows the program as pid 1",
    argv: words("-pf --mount-proc readlink /proc/self"),
  },
  {
    name: "--mount-proc=DIR leaves /proc alone",
    argv: ["--mount-proc={tmp}/mnt", "grep", "^proc", "/proc/self/mounts"],
  },
  { name: "--mount-proc=DIR with a missing DIR", argv: words("--mount-proc=/nonexistent true") },
  { name: "--mount-proc= with an empty DIR", argv: words("--mount-proc= true") },
  { name: "--mount-proc takes no word behind it", argv: words("--mount-proc /nonexistent") },
  {
    name: "--mount-proc in a chain of shared mounts",
    via: SHARED,
    argv: ["--propagation", "shared", "--mount-proc", ...PROC_MOUNTS],
  },
  {
    name: "--mount-proc with --propagation unchanged",
    via: SHARED,
    argv: ["--propagation=unchanged", "--mount-proc", ...PROC_MOUNTS],
  },
  {
    name: "mounts are private by default",
    via: SHARED,
    argv: ["-m", ...PROPAGATION],
    needs: ["findmnt"],
  },
  {
    name: "--propagation private",
    via: SHARED,
    argv: ["-m", "--propagation", "private", ...PROPAGATION],
    needs: ["findmnt"],
  },
  {
    name: "--propagation slave",
    via: SHARED,
    argv: ["-m", "--propagation=slave", ...PROPAGATION],
    needs: ["findmnt"],
  },
  {
    name: "--propagation shared",
    via: SHARED,
    argv: ["-m", "--propagation", "shared", ...PROPAGATION],
    needs: ["findmnt"],
  },
  {
    name: "--propagation unchanged",
    via: SHARED,
    argv: ["-m", "--propagation", "unchanged", ...PROPAGATION],
    needs: ["findmnt"],
  },
  {
    name: "--propagation reaches the mounts below",
    via: SHARED,
    argv: words("-m --propagation=slave findmnt -rno TARGET,PROPAGATION -t proc,sysfs"),
    needs: ["findmnt"],
  },
  {
    name: "--mount-proc makes a mount that is to stay in the namespace private first",
    via: SHARED,
    argv: words("--propagation=slave --mount-proc findmnt -rno TARGET,PROPAGATION -t proc"),
    needs: ["findmnt"],
  },
  {
    name: "the last --propagation wins",
    via: SHARED,
    argv: ["-m", "--propagation=shared", "--propagation=slave", ...PROPAGATION],
    needs: ["findmnt"],
  },
  {
    name: "--propagation without a mount namespace is ignored",
    via: SHARED,
    argv: ["--propagation", "private", ...PROPAGATION],
    needs: ["findmnt"],
  },
  { name: "an unknown --propagation", argv: words("-m --propagation bogus true") },
  {
    name: "--propagation is not abbreviated in its value",
    argv: words("-m --propagation priv true"),
  },
  {
    name: "an ordinary user's mounts become slaves or private",
    argv: ["-Urm", "--propagation", "slave", ...PROPAGATION],
    as: "user",
    needs: [USERNS, "findmnt"],
  },
];

const directories: Case[] = [
  { name: "the working directory stays", argv: words("readlink /proc/self/cwd"), as: "both" },
  {
    name: "the working directory stays in a new mount namespace",
    argv: words("-m readlink /proc/self/cwd"),
  },
  {
    name: "-R changes the root directory and starts in it",
    argv: words("-R /usr /bin/pwd"),
    needs: [USR],
  },
  {
    name: "-R shows what is below it",
    argv: words("--root=/usr /bin/ls -d /bin /lib /usr"),
    needs: [USR],
  },
  { name: "-R with a relative directory", argv: words("-R usr /bin/pwd"), cwd: "/", needs: [USR] },
  {
    name: "-R in an own user namespace",
    argv: words("-r -R /usr /bin/pwd"),
    as: "both",
    needs: [USERNS, USR],
  },
  { name: "-R / starts in /", argv: words("-R / readlink /proc/self/cwd") },
  { name: "-R looks the program up inside", argv: words("-R {tmp} sh"), needs: [USR] },
  { name: "-R with a missing directory", argv: words("-R /nonexistent true") },
  { name: "-R with a file", argv: words("-R /etc/passwd true") },
  { name: "-R with an empty name", argv: ["-R", "", "true"] },
  { name: "-R without privilege", argv: words("-R / true"), as: "user" },
  {
    name: "-w changes the working directory",
    argv: words("-w /usr/bin readlink /proc/self/cwd"),
    as: "both",
  },
  { name: "-w with a relative directory", argv: words("--wd ../mnt readlink /proc/self/cwd") },
  { name: "-w is looked up inside -R", argv: words("-w /share -R /usr /bin/pwd"), needs: [USR] },
  {
    name: "-w with a relative directory is below the new root",
    argv: words("-R /usr -w share /bin/pwd"),
    needs: [USR],
  },
  { name: "-w with a missing directory", argv: words("-w /nonexistent true") },
  { name: "-w with a file", argv: words("--wd=/etc/passwd true") },
  { name: "-w with an empty name", argv: ["-w", "", "true"] },
  { name: "-w without permission", argv: words("-w {tmp}/locked true"), as: "user" },
  {
    name: "--mount-proc is looked up inside -R",
    argv: words("-pf -R /usr --mount-proc=/share /bin/readlink /share/self"),
    needs: [USR],
  },
  {
    name: "--mount-proc in a root without /proc",
    argv: words("-R /usr --mount-proc /bin/true"),
    needs: [USR],
  },
];

const clocks: Case[] = [
  ...words(
    "--monotonic=5 --boottime=5 --monotonic=-1 --boottime=-1 --monotonic=0 --monotonic=+7 " +
      "--boottime=007 --monotonic=1000000000 --boottime=1000000000 --monotonic=4000000000",
  ).map((option): Case => ({
    name: `${option} moves a clock`,
    argv: ["-T", option, "cat", "/proc/self/timens_offsets"],
    needs: [TIME],
  })),
  {
    name: "both clocks are moved",
    argv: words("-T --monotonic 86400 --boottime 172800 cat /proc/self/timens_offsets"),
    needs: [TIME],
  },
  {
    name: "the last offset of a clock counts",
    argv: words("-T --monotonic 5 --monotonic 6 cat /proc/self/timens_offsets"),
    needs: [TIME],
  },
  {
    name: "offsets in a child",
    argv: words("-Tf --monotonic 5 --boottime 6 cat /proc/self/timens_offsets"),
    needs: [TIME],
  },
  {
    name: "offsets in a user namespace",
    argv: words("-UrT --monotonic 5 --boottime -6 cat /proc/self/timens_offsets"),
    as: "both",
    needs: [USERNS, TIME],
  },
  {
    name: "offsets in a user namespace with ranges",
    argv: words("--map-users 0:0:9 -T --boottime 6 cat /proc/self/timens_offsets"),
    needs: [USERNS, TIME],
  },
  {
    name: "the time since boot shows the offset",
    argv: ["-T", "--boottime=1000000000", "grep", "-o", "^100", "/proc/uptime"],
    needs: [TIME],
  },
  {
    name: "an offset without -T",
    argv: words("--monotonic 5 true"),
  },
  { name: "an offset without -T that is 0", argv: words("--boottime 0 true") },
  { name: "an offset before -T", argv: words("--boottime 0 -T true"), needs: [TIME] },
  {
    name: "an offset without -T counts after other errors",
    argv: words("--boottime 0 --setgroups x true"),
  },
  ...[
    "--monotonic=-1000000000",
    "--boottime=-1000000000",
    "--monotonic=9223372036854775807",
    "--boottime=-9223372036854775808",
    "--boottime=9300000000",
  ].map((option): Case => ({
    name: `${option} is too much for the kernel`,
    argv: ["-T", option, "true"],
    needs: [TIME],
  })),
  ...["9223372036854775808", "-9223372036854775809", "1.5", "1s", "0x10", "", "--"].map(
    (text): Case => ({
      name: `'${text}' is no offset`,
      argv: ["-T", `--boottime=${text}`, "true"],
    }),
  ),
  {
    name: "the clock since boot comes first",
    argv: words("-T --monotonic=-1000000000 --boottime=-1000000000 true"),
    needs: [TIME],
  },
  { name: "an offset without privilege", argv: words("-T --boottime 5 true"), as: "user" },
];

/** Prints the new mounts of the kinds that --mount-binfmt makes. */
const BINFMT = ["grep", "-E", "^(binfmt_misc|proc) ", "/proc/self/mounts"];

/** A format of files that begin with "denspace!", run by the first echo there is. */
const FORMAT = ":den:M::denspace!::/bin/echo:";

const formats: Case[] = [
  {
    name: "--mount-binfmt in a new pid namespace",
    argv: ["-pf", "--mount-binfmt", ...BINFMT],
    as: "both",
    needs: [BINFMT_MISC],
  },
  {
    name: "--mount-binfmt implies -U, -m and --mount-proc",
    argv: ["-pf", "--mount-binfmt", ...NAMESPACES],
    as: "both",
    needs: [BINFMT_MISC],
  },
  {
    name: "--mount-binfmt shows an empty list",
    argv: words("-rpf --mount-binfmt ls /proc/sys/fs/binfmt_misc"),
    as: "both",
    needs: [BINFMT_MISC],
  },
  {
    name: "--mount-binfmt without a pid namespace",
    argv: ["--mount-binfmt", ...BINFMT],
    as: "both",
    needs: [USERNS],
  },
  {
    name: "--mount-binfmt=DIR mounts no proc",
    argv: ["-r", "--mount-binfmt={tmp}/mnt", ...BINFMT],
    as: "both",
    needs: [BINFMT_MISC],
  },
  {
    name: "--mount-binfmt=DIR with a missing directory",
    argv: words("-r --mount-binfmt=/nonexistent true"),
    needs: [BINFMT_MISC],
  },
  {
    name: "--mount-binfmt=DIR and --mount-proc",
    argv: ["-rpf", "--mount-proc", "--mount-binfmt={tmp}/mnt", ...BINFMT],
    needs: [BINFMT_MISC],
  },
  {
    name: "--mount-binfmt and --mount-proc=DIR",
    argv: ["-rpf", "--mount-proc={tmp}/mnt", "--mount-binfmt", ...BINFMT],
    needs: [BINFMT_MISC],
  },
  { name: "--mount-binfmt takes no word behind it", argv: words("-pf --mount-binfmt echo yes") },
  {
    name: "--mount-binfmt is looked up inside -R",
    argv: words("-rpf -R /usr --mount-binfmt=/share /bin/ls /share"),
    needs: [BINFMT_MISC, USR],
  },
  {
    name: "--load-interp runs files of a format",
    argv: ["-rpf", "--load-interp", FORMAT, "{tmp}/exec/foreign", "a", "b c"],
    as: "both",
    needs: [BINFMT_MISC],
  },
  {
    name: "-l runs files of a format by an interpreter that is opened at once",
    argv: ["-rpfl", `${FORMAT}F`, "{tmp}/exec/foreign", "a", "b c"],
    as: "both",
    needs: [BINFMT_MISC],
  },
  {
    name: "-l implies -m, --mount-proc and --mount-binfmt",
    argv: ["-rpf", "-l", FORMAT, ...BINFMT],
    needs: [BINFMT_MISC],
  },
  {
    name: "-l implies -U, in which nothing may be registered without a map",
    argv: ["-pf", "-l", FORMAT, "true"],
    needs: [BINFMT_MISC],
  },
  {
    name: "-l shows in the list",
    argv: ["-rpf", "-l", FORMAT, "cat", "/proc/sys/fs/binfmt_misc/den"],
    needs: [BINFMT_MISC],
  },
  {
    name: "-l with --mount-binfmt=DIR",
    argv: ["-rpf", "-l", FORMAT, "--mount-binfmt={tmp}/mnt", "cat", "{tmp}/mnt/den"],
    needs: [BINFMT_MISC],
  },
  {
    name: "--mount-binfmt=DIR before -l",
    argv: ["-rpf", "--mount-binfmt={tmp}/mnt", "-l", FORMAT, "cat", "{tmp}/mnt/den"],
    needs: [BINFMT_MISC],
  },
  {
    name: "the last -l counts",
    argv: ["-rpf", "-l", ":no:M::no::/no:", "-l", FORMAT, "ls", "/proc/sys/fs/binfmt_misc"],
    needs: [BINFMT_MISC],
  },
  {
    name: "-l inside -R",
    argv: [
      "-rpf",
      "-R",
      "{tmp}/root",
      "-l",
      FORMAT,
      "/bin/busybox",
      "ls",
      "/proc/sys/fs/binfmt_misc",
    ],
    needs: [BINFMT_MISC, "busybox"],
  },
  {
    name: "-l runs a file inside -R by an interpreter there",
    argv: ["-rpf", "-R", "{tmp}/root", "-l", FORMAT, "/foreign"],
    needs: [BINFMT_MISC, "busybox"],
  },
  {
    name: "-l runs a file inside -R by an interpreter outside",
    argv: ["-rpf", "-R", "{tmp}/root", "-l", ":den:M::denspace!::{tmp}/exec/echo:F", "/foreign"],
    needs: [BINFMT_MISC, "busybox"],
  },
  { name: "an empty format", argv: ["-rpf", "-l", "", "true"], needs: [BINFMT_MISC] },
  { name: "a bad format", argv: words("-rpf -l bad true"), needs: [BINFMT_MISC] },
  {
    name: "a format with a missing interpreter that is opened at once",
    argv: words("-rpf -l :den:M::den::/nonexistent:F true"),
    needs: [BINFMT_MISC],
  },
  { name: "a missing format", argv: words("-l") },
];

differential("unshare", [
  ...namespaces,
  ...users,
  ...ids,
  ...mounts,
  ...directories,
  ...clocks,
  ...formats,
], FIXTURES);
