/** unshare(1) and ours, side by side. */
import {
  bash,
  BINFMT_MISC,
  type Case,
  CREDENTIALS,
  differential,
  type Fixture,
  NAMESPACES,
  SIGNALS,
  TIME,
  USERNS,
  USR,
  words,
} from "./differential.ts";
import { ANY_BYTES, NO_PROC } from "./under_test.ts";

const FOR_CHILDREN = words(
  "readlink /proc/self/ns/pid_for_children /proc/self/ns/time_for_children",
);
const ID_MAPS = words("head -v /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups");
const PROC_MOUNTS = ["grep", " /proc ", "/proc/self/mounts"];
const PROPAGATION = words("findmnt -rno PROPAGATION /");
/** Everything below is shared: what is done to `/` shows, and stays there. */
const SHARED = words("{unshare} -m {unshare} -mf --propagation shared");

const FIXTURES: Fixture[] = [
  { path: "exec" },
  { path: "exec/tool", text: "#!/bin/sh\necho tool of exec, $# arguments\n" },
  { path: "exec/plain", text: 'echo plain "$0" "$@"\n' },
  { path: "exec/empty", text: "" },
  { path: "exec/lost", text: "#!/nonexistent/interpreter\n" },
  { path: "exec/garbage", text: "\x7fELF\0\x01\x02\0" },
  { path: "exec/data", text: "not a program\n", mode: 0o644 },
  { path: "exec/loop", link: "loop" },
  { path: "exec/directory" },
  { path: "exec/foreign", text: "denspace!" },
  { path: "exec/echo", bytes: busybox },
  { path: "denied" },
  { path: "denied/tool", text: "#!/bin/sh\necho denied\n", mode: 0o644 },
  { path: "directories" },
  { path: "directories/tool" },
  { path: "locked", mode: 0o700 },
  { path: "root" },
  { path: "root/bin" },
  { path: "root/bin/busybox", bytes: busybox },
  { path: "root/bin/echo", link: "busybox" },
  { path: "root/foreign", text: "denspace!" },
  { path: "root/proc" },
];

/** A static executable, or nothing where there is none. */
function busybox(): Uint8Array {
  try {
    return Deno.readFileSync("/usr/bin/busybox");
  } catch {
    return new Uint8Array();
  }
}

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

const options: Case[] = [
  { name: "-- ends the options", argv: words("-u -- echo -u --") },
  { name: "the first operand ends the options", argv: words("-u echo -u --nope -- x") },
  { name: "a single dash is an operand", argv: words("- true") },
  { name: "a program's name may begin with a dash", argv: words("-- -x") },
  {
    name: "a long option may be abbreviated",
    argv: ["--ut", "--mount-p", "--kill", ...PROC_MOUNTS],
  },
  { name: "an exact name wins over longer ones", argv: ["--mount", ...PROC_MOUNTS] },
  { name: "an ambiguous abbreviation lists the possibilities", argv: words("--mo true") },
  { name: "an ambiguous abbreviation of the maps", argv: words("--map-u true") },
  { name: "an ambiguous abbreviation with a value", argv: words("--set=0 true") },
  { name: "an unknown long option", argv: words("--nope true") },
  { name: "an unknown long option with a value", argv: words("--nope=1 true") },
  { name: "an unknown letter", argv: words("-x true") },
  { name: "an unknown letter among known ones", argv: words("-ux true") },
  { name: "a letter takes no attached file", argv: words("-u/x true") },
  { name: "a letter takes no attached value", argv: words("-u=x true") },
  { name: "-f takes no value", argv: words("--fork=1 true") },
  {
    name: "an abbreviation that takes no value names the option in full",
    argv: words("--map-roo=1 true"),
  },
  { name: "a missing value of a long option", argv: words("--propagation") },
  { name: "a missing value of an abbreviated option", argv: words("--prop") },
  { name: "a missing value of a letter", argv: words("-R") },
  { name: "a missing value of a letter behind others", argv: words("-uS") },
  { name: "a value attached to a letter", argv: ["-w/usr", "readlink", "/proc/self/cwd"] },
  { name: "a value behind bundled letters", argv: ["-uw", "/usr", "readlink", "/proc/self/cwd"] },
  { name: "a value may look like an option", argv: words("-w -u true") },
  { name: "-- may be a value", argv: words("-w -- true") },
  { name: "the first of two errors counts", argv: words("--propagation bad --nope") },
  { name: "getopt's error counts when it comes first", argv: words("--nope --propagation bad") },
  {
    name: "bytes of an unknown option are shown as they are",
    via: bash(`exec "$@" $'--\\xff\\xfe' true`),
    argv: [],
    needs: [ANY_BYTES],
  },
  {
    name: "bytes of a bad value are shown as they are",
    via: bash(`exec "$@" $'\\xff' true`),
    argv: ["--propagation"],
    needs: [ANY_BYTES],
  },
  {
    name: "--help is written to standard output",
    argv: words("--help"),
    stdout: "some",
    as: "both",
  },
  { name: "-h wins over later errors", argv: words("-h --nope"), stdout: "some" },
  { name: "-h loses to earlier errors", argv: words("--nope -h") },
  {
    name: "--help that cannot be written",
    via: bash('exec "$@" > /dev/full'),
    argv: ["--help"],
  },
  { name: "-V is written to standard output", argv: words("-V"), stdout: "some", as: "both" },
  { name: "--version wins over later errors", argv: words("--version --nope"), stdout: "some" },
  {
    name: "--version that cannot be written",
    via: bash('exec "$@" > /dev/full'),
    argv: ["-V"],
  },
  { name: "--kill-child rejects a number", argv: words("--kill-child=15 true") },
  { name: "--kill-child rejects an unknown signal", argv: words("--kill-child=SIGNOPE true") },
  { name: "--kill-child rejects an empty signal", argv: words("--kill-child= true") },
  { name: "--kill-child rejects a bare RTMIN", argv: words("--kill-child=RTMIN true") },
  { name: "--kill-child takes names in any case", argv: words("--kill-child=sigterm echo yes") },
  { name: "--kill-child takes a name without SIG", argv: words("--kill-child=Hup echo yes") },
  { name: "--kill-child takes real-time signals", argv: words("--kill-child=RTMIN+3 echo yes") },
  {
    name: "--kill-child takes real-time signals from the end",
    argv: words("--kill-child=SIGRTMAX-1 echo yes"),
  },
  {
    name: "--kill-child rejects what is beyond the last signal",
    argv: words("--kill-child=RTMIN+99 true"),
  },
  { name: "--kill-child takes an alias", argv: words("--kill-child=IOT echo yes") },
  { name: "--kill-child takes no word behind it", argv: words("--kill-child echo yes") },
];

const execution: Case[] = [
  { name: "an exit status is passed on", argv: ["sh", "-c", "exit 5"], as: "both" },
  { name: "exit 255 is passed on", argv: ["sh", "-c", "exit 255"] },
  { name: "a missing program is 127", argv: words("nonexistent-program") },
  { name: "a missing path is 127", argv: words("/nonexistent/program") },
  { name: "an empty name is 127", argv: [""] },
  { name: "a missing program is 127 in a child", argv: words("-f nonexistent-program") },
  { name: "a missing interpreter is 127", argv: words("{tmp}/exec/lost") },
  { name: "a file without the execute bit is 126", argv: words("{tmp}/exec/data"), as: "both" },
  { name: "a file without the execute bit is 126 in a child", argv: words("-f {tmp}/exec/data") },
  { name: "a directory is 126", argv: words("{tmp}/exec/directory") },
  { name: "the root directory is 126", argv: words("/") },
  { name: "a path through a file is 126", argv: words("/etc/passwd/x") },
  { name: "a loop of links is 126", argv: words("{tmp}/exec/loop") },
  { name: "a path without search permission is 126", argv: words("{tmp}/locked/tool"), as: "user" },
  { name: "a name that is too long", argv: ["n".repeat(300)] },
  { name: "a path that is too long", argv: ["/" + "n/".repeat(3000)] },
  { name: "a script without #! is run by sh", argv: words("{tmp}/exec/plain a b"), as: "both" },
  {
    name: "a script without #! found on PATH is run by sh",
    env: { PATH: "{tmp}/exec:/bin" },
    argv: ["plain", "", "b c"],
  },
  { name: "a script without #! in a child", argv: words("-f {tmp}/exec/plain x") },
  { name: "an empty script succeeds", argv: words("{tmp}/exec/empty") },
  { name: "a broken ELF file", argv: words("{tmp}/exec/garbage") },
  {
    name: "PATH is searched in order",
    env: { PATH: "/nonexistent:{tmp}/exec:/bin" },
    argv: words("tool a b"),
  },
  {
    name: "an element of PATH that denies is passed over",
    env: { PATH: "{tmp}/denied:{tmp}/exec:/bin" },
    argv: words("tool"),
  },
  {
    name: "an element of PATH that denies is reported at the end",
    env: { PATH: "{tmp}/denied:/bin" },
    argv: words("tool"),
  },
  {
    name: "a directory on PATH is no program",
    env: { PATH: "{tmp}/directories:{tmp}/exec:/bin" },
    argv: words("tool"),
  },
  {
    name: "a directory on PATH is reported at the end",
    env: { PATH: "{tmp}/directories" },
    argv: words("tool"),
  },
  {
    name: "a file among PATH's elements is passed over",
    env: { PATH: "/etc/passwd:{tmp}/exec:/bin" },
    argv: words("tool"),
  },
  {
    name: "an unreadable element of PATH is passed over",
    env: { PATH: "{tmp}/locked:{tmp}/exec:/bin" },
    argv: words("tool"),
    as: "user",
  },
  {
    name: "an unreadable element of PATH makes it 126",
    env: { PATH: "{tmp}/locked" },
    argv: words("tool"),
    as: "user",
  },
  {
    name: "a leading empty element of PATH is the working directory",
    env: { PATH: ":/nonexistent" },
    cwd: "{tmp}/exec",
    argv: words("tool"),
  },
  {
    name: "a middle empty element of PATH is the working directory",
    env: { PATH: "/nonexistent::/" },
    cwd: "{tmp}/exec",
    argv: words("tool"),
  },
  {
    name: "a trailing empty element of PATH is the working directory",
    env: { PATH: "/nonexistent:" },
    cwd: "{tmp}/exec",
    argv: words("tool"),
  },
  {
    name: "an empty PATH is the working directory",
    env: { PATH: "" },
    cwd: "{tmp}/exec",
    argv: words("tool"),
  },
  { name: "an empty PATH finds nothing elsewhere", env: { PATH: "" }, argv: words("true") },
  { name: "a relative element of PATH", env: { PATH: "../exec:/bin" }, argv: words("tool") },
  { name: "no PATH is /bin and /usr/bin", env: { PATH: null }, argv: words("echo found") },
  {
    name: "no PATH does not include the working directory",
    env: { PATH: null },
    cwd: "{tmp}/exec",
    argv: words("tool"),
  },
  {
    name: "a name with a slash is not searched for",
    env: { PATH: "{tmp}/exec" },
    argv: words("./tool"),
  },
  {
    name: "PATH is searched inside -R",
    env: { PATH: "/bin" },
    argv: words("-R /usr pwd"),
    needs: [USR],
  },
  {
    name: "without a program /bin/sh is a login shell",
    argv: [],
    stdin: 'echo "$0" $#\n',
    as: "both",
  },
  { name: "without a program behind --", argv: words("-u --"), stdin: 'echo "$0" $#\n' },
  { name: "without a program in a child", argv: words("-f"), stdin: 'echo "$0" $#; exit 3\n' },
  {
    name: "SHELL is the program",
    env: { SHELL: "/bin/bash" },
    argv: [],
    stdin: 'echo "$0"; shopt login_shell\n',
    needs: ["bash"],
  },
  { name: "SHELL without a directory is not searched for", env: { SHELL: "sh" }, argv: [] },
  { name: "SHELL in the working directory", env: { SHELL: "tool" }, cwd: "{tmp}/exec", argv: [] },
  { name: "an empty SHELL is used as it is", env: { SHELL: "" }, argv: [] },
  { name: "a SHELL without the execute bit is 126", env: { SHELL: "{tmp}/exec/data" }, argv: [] },
  { name: "a SHELL without #! is not run by sh", env: { SHELL: "{tmp}/exec/plain" }, argv: [] },
  { name: "a SHELL that is a directory", env: { SHELL: "/usr/" }, argv: [] },
  { name: "standard input reaches the program", argv: words("cat"), stdin: "one\ntwo\0three" },
  {
    name: "standard input reaches a forked program",
    argv: words("-f cat"),
    stdin: "one\ntwo\0three",
  },
  {
    name: "a script on standard input",
    argv: words("--map-root-user --net --pid --fork"),
    stdin: "echo $$\nid -u\n",
    as: "both",
    needs: [USERNS],
  },
];

const inherited: Case[] = [
  {
    name: "the program has the tool's pid",
    argv: ["sh", "-c", "echo $$"],
    maskPid: true,
    as: "both",
  },
  {
    name: "the program has the tool's pid in new namespaces",
    argv: ["-muinUr", "sh", "-c", "echo $$"],
    maskPid: true,
    needs: [USERNS],
  },
  {
    name: "the tool is the parent of a forked program",
    argv: ["-f", "sh", "-c", "echo $PPID"],
    maskPid: true,
  },
  {
    name: "the program is the only thread",
    argv: ["sed", "-n", "/^Threads/p", "/proc/self/status"],
  },
  { name: "no descriptor is added", argv: words("ls /proc/self/fd"), as: "both" },
  { name: "no descriptor is added in a child", argv: words("--kill-child ls /proc/self/fd") },
  {
    name: "no descriptor is added with a map and a root",
    argv: words("-Urmpf --mount-proc -w / ls /proc/self/fd"),
    as: "both",
    needs: [USERNS],
  },
  {
    name: "the waiting parent has no descriptor of its own",
    argv: ["-f", "sh", "-c", "ls /proc/$PPID/fd"],
  },
  {
    name: "the waiting parent is one thread",
    argv: ["-f", "sh", "-c", "sed -n /^Threads/p /proc/$PPID/status"],
  },
  {
    name: "descriptors of the caller are passed on",
    via: bash('exec 3</etc/passwd 5>/dev/null 17<&3; exec "$@"'),
    argv: words("ls /proc/self/fd"),
  },
  {
    name: "descriptors of the caller are what they were",
    via: bash('exec 3</etc/passwd 5>/dev/null; exec "$@"'),
    argv: words("readlink /proc/self/fd/3 /proc/self/fd/5"),
  },
  {
    name: "descriptors of the caller reach a child",
    via: bash('exec 4</etc/passwd; exec "$@"'),
    argv: words("-f readlink /proc/self/fd/4"),
  },
  {
    name: "the environment keeps its order",
    via: words("env -i DENO_DIR={deno_dir} Z=1 A=2 M= B=x=y"),
    argv: words("/usr/bin/env"),
  },
  {
    name: "the environment keeps its order in a child",
    via: words("env -i DENO_DIR={deno_dir} Z=1 A=2"),
    argv: words("-f /usr/bin/env"),
  },
  {
    name: "bytes of the environment are kept",
    via: bash(`exec env -i DENO_DIR={deno_dir} $'X=\\xff\\xfe' $'\\xc3=1' "Y=a\nb" "$@"`),
    argv: words("/usr/bin/env -0"),
    as: "both",
  },
  {
    name: "a PATH without node is kept",
    env: { PATH: "/nonexistent" },
    argv: words("/usr/bin/env"),
    as: "both",
  },
  { name: "an empty PATH is kept", env: { PATH: "" }, argv: words("/usr/bin/env") },
  {
    name: "an environment without PATH is kept",
    env: { PATH: null },
    argv: words("-f /usr/bin/env"),
    as: "both",
  },
  { name: "an environment without HOME is kept", env: { HOME: null }, argv: words("env") },
  {
    name: "variables that Deno reads are kept",
    env: {
      DENO_NO_PROMPT: "1",
      NO_COLOR: "",
      FORCE_COLOR: "1",
      NODE_OPTIONS: "--no-warnings",
      RUST_BACKTRACE: "full",
    },
    argv: words("env"),
  },
  {
    name: "a large variable is kept",
    env: { LARGE: "v".repeat(100_000) },
    argv: words("printenv LARGE"),
  },
  {
    name: "many variables are kept",
    env: Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`V${i}`, `${i}`])),
    argv: words("printenv"),
  },
  { name: "empty and blank arguments are kept", argv: ["printf", "<%s>", "", "a b", "", "\n", ""] },
  {
    name: "bytes of the arguments are kept",
    via: bash(`exec "$@" printf '<%s>' $'\\xff\\x01' $'\\xc3' "" "ü"`),
    argv: ["-u"],
    needs: [ANY_BYTES],
  },
  { name: "the program sees its name as given", argv: words("cat /proc/self/cmdline") },
  { name: "a large argument is kept", argv: ["printf", "%s", "a".repeat(100_000)] },
  {
    name: "many arguments are kept",
    argv: ["printf", "%s\n", ...Array.from({ length: 3000 }, (_, i) => `${i}`)],
  },
  {
    name: "the umask is kept",
    via: bash('umask 0137; exec "$@"'),
    argv: ["sed", "-n", "/^Umask/p", "/proc/self/status"],
    as: "both",
  },
  { name: "the nice value is kept", via: words("nice -n 7"), argv: words("nice"), as: "both" },
  {
    name: "the limits are kept",
    via: bash(
      'ulimit -Sn 512; ulimit -Sc 0; ulimit -t 1000; ulimit -Sf 90000; ulimit -Ss 4096; "$@"; exit $?',
    ),
    argv: words("cat /proc/self/limits"),
    as: "both",
  },
  {
    name: "a lowered hard limit is kept",
    via: bash('ulimit -n 300; "$@"; exit $?'),
    argv: ["bash", "-c", "ulimit -aS; ulimit -aH"],
    as: "both",
  },
  {
    name: "the limits reach a child",
    via: bash('ulimit -Sn 512; "$@"; exit $?'),
    argv: words("-f cat /proc/self/limits"),
  },
  { name: "signals are at their defaults", argv: SIGNALS, as: "both" },
  { name: "signals are at their defaults in a child", argv: ["-f", ...SIGNALS] },
  {
    name: "ignored signals stay ignored",
    via: words("env --ignore-signal=HUP,INT,USR1"),
    argv: SIGNALS,
    as: "both",
  },
  {
    name: "blocked signals stay blocked",
    via: words("env --block-signal=USR1,TERM,INT"),
    argv: SIGNALS,
    as: "both",
  },
  {
    name: "blocked and ignored signals stay so in a child",
    via: words("env --block-signal=USR1,INT --ignore-signal=QUIT,TERM"),
    argv: ["-f", ...SIGNALS],
  },
  { name: "an ignored SIGCHLD is reset", via: words("env --ignore-signal=CHLD"), argv: SIGNALS },
  {
    name: "an ignored SIGCHLD does not lose the status",
    via: words("env --ignore-signal=CHLD"),
    argv: ["-f", "sh", "-c", "exit 9"],
  },
  {
    name: "SIGPIPE ends a program that writes to a closed pipe",
    argv: ["bash", "-c", "yes | head -n1; echo ${PIPESTATUS[@]}"],
    needs: ["bash"],
  },
  {
    name: "process group and session are kept",
    argv: ["cut", "-d", " ", "-f", "5,6", "/proc/self/stat"],
  },
  {
    name: "a session leader stays one",
    via: words("setsid -w"),
    argv: ["sh", "-c", "echo $$; cut -d' ' -f5,6 /proc/$$/stat"],
    maskPid: true,
  },
  {
    name: "a child stays in the process group",
    via: words("setsid -w"),
    argv: ["-f", "sh", "-c", "cut -d' ' -f5,6 /proc/$$/stat"],
    maskPid: true,
  },
  {
    name: "the CPU affinity is kept",
    via: words("taskset -c 0"),
    argv: ["sed", "-n", "/^Cpus_allowed:/p", "/proc/self/status"],
  },
  {
    name: "the personality is kept",
    via: words("setarch -R"),
    argv: words("cat /proc/self/personality"),
  },
  {
    name: "the scheduling policy is kept",
    via: words("chrt -b 0"),
    argv: ["cut", "-d", " ", "-f", "41", "/proc/self/stat"],
  },
  {
    name: "ambient capabilities are enough",
    via: words(
      "setpriv --reuid 1000 --clear-groups --inh-caps=+sys_admin --ambient-caps=+sys_admin",
    ),
    argv: ["-u", ...CREDENTIALS],
  },
  { name: "the name of the process is the program's", argv: words("cat /proc/self/comm") },
  { name: "the I/O priority is kept", via: words("ionice -c 2 -n 6"), argv: words("ionice") },
  {
    name: "a host without /proc will do",
    via: ["{unshare}", "-m", "sh", "-c", 'mount -t tmpfs none /proc; exec "$@"', "sh"],
    argv: words("-uf echo yes"),
    needs: [NO_PROC],
  },
  {
    name: "no_new_privs and the bounding set are kept",
    via: words("setpriv --no-new-privs --bounding-set=-sys_boot"),
    argv: CREDENTIALS,
  },
  {
    name: "inheritable and ambient capabilities are kept",
    via: words("setpriv --inh-caps=+net_raw --ambient-caps=+net_raw"),
    argv: CREDENTIALS,
  },
  {
    name: "the parent death signal is kept",
    via: words("setpriv --pdeathsig TERM"),
    argv: words("setpriv --dump"),
  },
];

const waiting: Case[] = [
  { name: "a child's exit status is passed on", argv: ["-f", "sh", "-c", "exit 7"], as: "both" },
  { name: "a child's SIGTERM is passed on", argv: ["-f", "sh", "-c", "kill -TERM $$"], as: "both" },
  { name: "a child's SIGINT is passed on", argv: ["-f", "sh", "-c", "kill -INT $$"] },
  { name: "a child's SIGKILL is passed on", argv: ["-f", "sh", "-c", "kill -KILL $$"] },
  { name: "a child's SIGHUP is passed on", argv: ["-f", "sh", "-c", "kill -HUP $$"] },
  { name: "a child's SIGPIPE is passed on", argv: ["-f", "sh", "-c", "kill -PIPE $$"] },
  {
    name: "a child's SIGSEGV is passed on",
    via: words("prlimit --core=0:0"),
    argv: ["-f", "sh", "-c", "kill -SEGV $$"],
  },
  {
    name: "a child's signal that the caller ignores is passed on",
    via: words("env --ignore-signal=USR1"),
    argv: ["-f", "env", "--default-signal=USR1", "sh", "-c", "kill -USR1 $$; exit 4"],
  },
  { name: "a program in place dies of its own signal", argv: ["sh", "-c", "kill -USR1 $$"] },
  {
    name: "pid 1 of a namespace cannot kill itself",
    argv: ["-pf", "sh", "-c", "kill -KILL $$; exit 4"],
  },
  { name: "the end of pid 1 ends the namespace", argv: ["-pf", "sh", "-c", "sleep 300 & exit 6"] },
  {
    name: "-p without -f can fork once only",
    argv: ["-p", "sh", "-c", "/bin/true; /bin/true; echo not reached"],
  },
  {
    name: "the waiting parent looks like the tool",
    argv: words("-f sleep 300"),
    steps: [{ observe: "ps", of: "tool" }, { observe: "ps", of: "program" }],
  },
  {
    name: "the waiting parent looks like the tool in new namespaces",
    argv: words("-Urpf --mount-proc sleep 300"),
    as: "both",
    needs: [USERNS],
    steps: [{ observe: "ps", of: "tool" }],
  },
  {
    name: "the waiting parent blocks SIGINT and SIGTERM",
    argv: words("-f sleep 300"),
    steps: [{ observe: "signals", of: "tool" }, { observe: "signals", of: "program" }],
  },
  {
    name: "SIGINT and SIGTERM do not end the waiting parent",
    argv: words("-f sleep 300"),
    steps: [
      { signal: "SIGINT", to: "tool" },
      { signal: "SIGTERM", to: "tool" },
      { pause: 50 },
      { observe: "state", of: "tool" },
      { observe: "state", of: "program" },
      { signal: "SIGUSR1", to: "program" },
      { until: "gone", of: "program" },
    ],
  },
  {
    name: "SIGHUP ends the waiting parent but not the child",
    argv: words("-f sleep 300"),
    steps: [
      { signal: "SIGHUP", to: "tool" },
      { until: "gone", of: "tool" },
      { pause: 50 },
      { observe: "state", of: "program" },
    ],
  },
  {
    name: "a stopped child does not stop the parent",
    argv: words("-f sleep 300"),
    steps: [
      { signal: "SIGSTOP", to: "program" },
      { until: "stopped", of: "program" },
      { pause: 100 },
      { observe: "state", of: "tool" },
      { signal: "SIGCONT", to: "program" },
      { until: "running", of: "program" },
      { signal: "SIGTERM", to: "program" },
      { until: "gone", of: "program" },
    ],
  },
  {
    name: "a stopped and continued parent goes on waiting",
    argv: words("-f sleep 300"),
    steps: [
      { signal: "SIGSTOP", to: "tool" },
      { until: "stopped", of: "tool" },
      { observe: "state", of: "program" },
      { signal: "SIGCONT", to: "tool" },
      { until: "running", of: "tool" },
      { signal: "SIGQUIT", to: "program" },
      { until: "gone", of: "program" },
    ],
    via: words("prlimit --core=0:0"),
  },
  {
    name: "a killed parent leaves the child without --kill-child",
    argv: words("-f sleep 300"),
    steps: [
      { signal: "SIGKILL", to: "tool" },
      { until: "gone", of: "tool" },
      { pause: 50 },
      { observe: "state", of: "program" },
    ],
  },
  {
    name: "--kill-child takes the child along",
    argv: words("--kill-child sleep 300"),
    as: "both",
    steps: [{ signal: "SIGKILL", to: "tool" }, { until: "gone", of: "program" }],
  },
  {
    name: "--kill-child takes a whole pid namespace along",
    argv: words("-Urp --kill-child sleep 300"),
    as: "both",
    needs: [USERNS],
    steps: [{ signal: "SIGKILL", to: "tool" }, { until: "gone", of: "program" }],
  },
  {
    name: "--kill-child=TERM sends SIGTERM",
    argv: [
      "--kill-child=TERM",
      "sh",
      "-c",
      'trap "echo terminated; exit" TERM; echo ready; while :; do sleep 0.1; done',
    ],
    steps: [
      { output: "ready" },
      { signal: "SIGKILL", to: "tool" },
      { until: "gone", of: "program" },
    ],
  },
  {
    name: "--kill-child=CONT leaves the child alive",
    argv: words("--kill-child=SIGCONT sleep 300"),
    steps: [
      { signal: "SIGKILL", to: "tool" },
      { until: "gone", of: "tool" },
      { pause: 50 },
      { observe: "state", of: "program" },
    ],
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

const signals: Case[] = [
  ...words("KILL TERM HUP int SIGQUIT usr1 SigUsr2 RTMIN+3 SIGRTMAX-1 RT5 IOT CLD POLL STKFLT")
    .map((name): Case => ({
      name: `--kill-child=${name} has the program die of it`,
      argv: [`--kill-child=${name}`, "setpriv", "--dump"],
    })),
  { name: "--kill-child is SIGKILL", argv: words("--kill-child setpriv --dump") },
  { name: "the last --kill-child counts", argv: words("--kill-child=HUP --kill-child setpriv -d") },
  { name: "--kill-child in a pid namespace", argv: words("-p --kill-child=HUP setpriv --dump") },
  ...["SIG", "SIGSIGTERM", "TERM ", " TERM", "RTMIN+31", "RTMIN-1", "RTMAX+1", "RT", "RT31", "0"]
    .map((name): Case => ({
      name: `'${name}' is no signal`,
      argv: [`--kill-child=${name}`, "echo", "yes"],
    })),
];

const abbreviations: Case[] = [
  { name: "--ke is --keep-caps", argv: ["-c", "--ke", ...CREDENTIALS], needs: [USERNS] },
  { name: "--mon is --monotonic", argv: words("-T --mon 5 cat /proc/self/timens_offsets") },
  { name: "--b is --boottime", argv: words("--ti --b=5 cat /proc/self/timens_offsets") },
  { name: "--l is --load-interp", argv: words("--l") },
  { name: "--ro and --wd", argv: words("--ro / --wd /usr readlink /proc/self/cwd") },
  { name: "--setu is --setuid", argv: ["--setu", "5", ...CREDENTIALS] },
  { name: "--setgi is --setgid", argv: ["--setgi=5", ...CREDENTIALS] },
  { name: "--setgr is --setgroups", argv: ["-U", "--setgr=deny", ...ID_MAPS], needs: [USERNS] },
  { name: "--setg is ambiguous", argv: words("--setg=5 true") },
  { name: "--map-r is --map-root-user", argv: ["--map-r", ...ID_MAPS], needs: [USERNS] },
  { name: "--map-c is --map-current-user", argv: ["--map-c", ...ID_MAPS], needs: [USERNS] },
  { name: "--map-user is no abbreviation", argv: ["--map-user", "5", ...ID_MAPS], needs: [USERNS] },
  { name: "--map-g is ambiguous", argv: words("--map-g 5 true") },
  { name: "--map is ambiguous", argv: words("--map true") },
  { name: "--m is ambiguous", argv: words("--m true") },
  { name: "--u is ambiguous", argv: words("--u true") },
  { name: "--u= is ambiguous", argv: words("--u=x true") },
  { name: "--p is ambiguous", argv: words("--p true") },
  { name: "--mount- is ambiguous", argv: words("--mount-=x true") },
  { name: "-- with a blank is unknown", argv: ["--mount ", "true"] },
  { name: "an option in capitals is unknown", argv: words("--MOUNT true") },
  { name: "a single dash before a long name is letters", argv: words("-uts true") },
];

differential("unshare", [
  ...namespaces,
  ...users,
  ...ids,
  ...mounts,
  ...directories,
  ...options,
  ...execution,
  ...inherited,
  ...waiting,
  ...clocks,
  ...formats,
  ...signals,
  ...abbreviations,
], FIXTURES);
