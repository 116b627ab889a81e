/** How nsenter(1) and ours read options and run programs, side by side. */
import {
  bash,
  type Case,
  differential,
  type Fixture,
  NAMESPACES,
  SIGNALS,
  USERNS,
  words,
} from "./differential.ts";
import { ALL, MOUNT, PROGRAMS, target, UTS } from "./differential_cases.ts";
import { ANY_BYTES } from "./under_test.ts";
import { plan } from "../ffi/plan/builder.ts";
import { elf } from "../ffi/plan/elf.ts";
import { host } from "../ffi/plan/host.ts";
import { reporting } from "../ffi/plan/report.ts";

const FIXTURES: Fixture[] = [
  ...PROGRAMS,
  { path: "env" },
  { path: "env/twice", bytes: () => sleeper(["A=1", "B=2", "A=3", "", "AB=4"]) },
  { path: "env/nameless", bytes: () => sleeper(["A=1", "=2"]) },
  { path: "env/none", bytes: () => sleeper(["name", "value"]) },
];

/** A `sleep` with variables that no shell would give it. */
function sleeper(variables: string[]): Uint8Array {
  const program = plan("sleeper", (p) => {
    p.call("execve", ["/usr/bin/sleep", { list: ["sleep", "300"] }, { list: variables }]);
    p.call("exit_group", [127]);
  });
  return elf(reporting(program), host());
}

const options: Case[] = [
  { name: "--pid takes no word behind it", argv: words("--pid echo hi") },
  { name: "-p takes no word behind it", argv: words("-p echo hi") },
  { name: "--pid=PID is a file's name", argv: words("--pid=999999999 echo hi") },
  { name: "-pPID is a file's name", argv: words("-p999999999 echo hi") },
  {
    name: "a target alone is not enough",
    argv: words("-t {target} echo hi"),
    target: UTS,
    stderr: "more",
  },
  { name: "nothing at all is not enough", argv: words("echo hi") },
  { name: "no argument is not enough", argv: [] },
  {
    name: "-r is no namespace",
    argv: words("-t {target} -r echo hi"),
    target: UTS,
    stderr: "more",
  },
  {
    name: "-w is no namespace",
    argv: words("-t {target} -w echo hi"),
    target: UTS,
    stderr: "more",
  },
  {
    name: "-S is no namespace",
    argv: words("-t {target} -S 0 echo hi"),
    target: UTS,
    stderr: "more",
  },
  { name: "-a needs a target", argv: words("-a true") },
  { name: "-u needs a target", argv: words("-u true") },
  { name: "target 0 is none", argv: words("-t 0 -u true") },
  { name: "a negative target", argv: words("-t -5 -u true") },
  { name: "a target is cut to 32 bits", argv: words("-t 99999999999 -u true") },
  {
    name: "a target with a leading zero and blank",
    argv: ["-t", " 0{target}", "-u", ...NAMESPACES],
    target: UTS,
  },
  {
    name: "a process that has ended",
    argv: words("-t {target} -n true"),
    target: target("", { dead: true }),
  },
  {
    name: "all namespaces of a process that has ended",
    argv: words("-t {target} -a true"),
    target: target("", { dead: true }),
  },
  {
    name: "the root of a process that has ended",
    argv: words("-t {target} -r -u=/proc/self/ns/uts true"),
    target: target("", { dead: true }),
  },
  { name: "a target that is no number", argv: words("-t abc -u true") },
  { name: "a target with text behind it", argv: words("-t 1x -u true") },
  { name: "an empty target", argv: ["-t", "", "-u", "true"] },
  { name: "a target in hexadecimal", argv: words("-t 0x1 -u true") },
  { name: "a target beyond 64 bits", argv: words("-t 99999999999999999999 -u true") },
  {
    name: "letters are not bundled behind a namespace",
    argv: words("-t {target} -muinp true"),
    target: UTS,
  },
  { name: "-pF is the file F", argv: words("-t {target} -pF true"), target: UTS },
  { name: "-Fp is bundled", argv: ["-t", "{target}", "-Fp", ...NAMESPACES], target: ALL },
  { name: "-aF is bundled", argv: ["-t{target}", "-aF", ...NAMESPACES], target: target("-u -n") },
  { name: "-Ut takes t for a file", argv: words("-Ut {target} true"), target: UTS },
  { name: "--all takes no value", argv: words("--all=x true") },
  { name: "-F takes no value", argv: words("--no-fork=1 true") },
  { name: "--preserve-credentials takes no value", argv: words("--preserve-credentials=1 true") },
  { name: "a missing target", argv: words("-t") },
  { name: "a missing target of the long option", argv: words("-u --target") },
  {
    name: "a long option may be abbreviated",
    argv: ["--targ={target}", "--ut", "--preserve", ...NAMESPACES],
    target: UTS,
  },
  {
    name: "an exact name wins over longer ones",
    argv: ["--target", "{target}", "--net", ...NAMESPACES],
    target: ALL,
  },
  { name: "an ambiguous abbreviation lists the possibilities", argv: words("--se true") },
  { name: "an ambiguous abbreviation of --user", argv: words("--us true") },
  { name: "an unknown long option", argv: words("--nope true") },
  { name: "an unknown letter", argv: words("-x true") },
  { name: "getopt's error counts when it comes first", argv: words("--nope --net=/nonexistent") },
  {
    name: "the first operand ends the options",
    argv: words("-t {target} -u echo -t --nope -- x"),
    target: UTS,
  },
  { name: "-- ends the options", argv: words("-t {target} -u -- echo -u --"), target: UTS },
  {
    name: "bytes of a file's name are shown as they are",
    via: bash(`exec "$@" $'--net=\\xff\\xfe' true`),
    argv: [],
    needs: [ANY_BYTES],
  },
  {
    name: "bytes of an unknown option are shown as they are",
    via: bash(`exec "$@" $'--\\xff' true`),
    argv: [],
    needs: [ANY_BYTES],
  },
  {
    name: "--help is written to standard output",
    argv: words("--help"),
    stdout: "some",
    as: "both",
  },
  { name: "-h wins over later errors", argv: words("-h --nope"), stdout: "some" },
  { name: "-h loses to earlier errors", argv: words("-t x -h") },
  { name: "--help that cannot be written", via: bash('exec "$@" > /dev/full'), argv: ["--help"] },
  { name: "-V is written to standard output", argv: words("-V"), stdout: "some", as: "both" },
];

const execution: Case[] = [
  {
    name: "an exit status is passed on",
    argv: ["-t", "{target}", "-u", "sh", "-c", "exit 5"],
    target: UTS,
  },
  {
    name: "an exit status is passed on from a child",
    argv: ["-t", "{target}", "-p", "sh", "-c", "exit 5"],
    target: ALL,
  },
  {
    name: "a missing program is 127",
    argv: words("-t {target} -u nonexistent-program"),
    target: UTS,
  },
  {
    name: "a missing program is 127 in a child",
    argv: words("-t {target} -p nonexistent-program"),
    target: ALL,
  },
  { name: "an empty name is 127", argv: ["-t", "{target}", "-u", ""], target: UTS },
  {
    name: "a missing interpreter is 127",
    argv: words("-t {target} -u {tmp}/exec/lost"),
    target: UTS,
  },
  {
    name: "a file without the execute bit is 126",
    argv: words("-t {target} -u {tmp}/exec/data"),
    target: UTS,
  },
  {
    name: "a file without the execute bit is 126 in a child",
    argv: words("-t {target} -p {tmp}/exec/data"),
    target: ALL,
  },
  { name: "a directory is 126", argv: words("-t {target} -u /usr"), target: UTS },
  {
    name: "a script without #! is run by sh",
    argv: words("-t {target} -u {tmp}/exec/plain a b"),
    target: UTS,
  },
  {
    name: "an empty element of PATH is the working directory",
    env: { PATH: ":/nonexistent" },
    cwd: "{tmp}/exec",
    argv: words("-t {target} -u tool"),
    target: UTS,
  },
  {
    name: "an empty element of PATH after -m is the new root",
    env: { PATH: ":/nonexistent" },
    cwd: "{tmp}/exec",
    argv: words("-t {target} -m tool"),
    target: MOUNT,
  },
  {
    name: "no PATH is /bin and /usr/bin",
    env: { PATH: null },
    argv: words("-t {target} -u echo found"),
    target: UTS,
  },
  {
    name: "without a program /bin/sh is a login shell",
    argv: words("-t {target} -u"),
    target: UTS,
    stdin: 'echo "$0" $#\n',
  },
  {
    name: "without a program in a child",
    argv: words("-t {target} -m -p --"),
    target: ALL,
    stdin: 'echo "$0" $#; exit 3\n',
  },
  {
    name: "SHELL is the program",
    env: { SHELL: "/bin/bash" },
    argv: words("-t {target} -u"),
    target: UTS,
    stdin: 'echo "$0"\n',
    needs: ["bash"],
  },
  {
    name: "an empty SHELL is used as it is",
    env: { SHELL: "" },
    argv: words("-t {target} -u"),
    target: UTS,
  },
  {
    name: "standard input reaches the program",
    argv: words("-t {target} -u cat"),
    target: UTS,
    stdin: "one\ntwo\0three",
  },
  {
    name: "standard input reaches a forked program",
    argv: words("-t {target} -p cat"),
    target: ALL,
    stdin: "one\ntwo\0three",
  },
];

const inherited: Case[] = [
  {
    name: "the program has the tool's pid",
    argv: ["-t", "{target}", "-u", "sh", "-c", "echo $$"],
    target: UTS,
    maskPid: true,
  },
  {
    name: "the program has the tool's pid in all namespaces with -F",
    argv: ["-t", "{target}", "-a", "-F", "sh", "-c", "echo $$"],
    target: target("-muinC"),
    maskPid: true,
  },
  {
    name: "the tool is the parent of a forked program",
    argv: words("-t {target} -p sed -n /^PPid/p /proc/self/status"),
    target: ALL,
    maskPid: true,
  },
  { name: "no descriptor is added", argv: words("-t {target} -a ls /proc/self/fd"), target: ALL },
  {
    name: "no descriptor is added with files and directories",
    argv: words("--net=/proc/{target}/ns/net -t {target} -u -r -w ls /proc/self/fd"),
    target: target("-n -u"),
  },
  {
    name: "descriptors of the caller are passed on",
    via: bash('exec 3</etc/passwd 5>/dev/null; exec "$@"'),
    argv: words("-t {target} -a ls /proc/self/fd"),
    target: ALL,
  },
  {
    name: "descriptors of the caller are what they were",
    via: bash('exec 3</etc/passwd 5>/dev/null; exec "$@"'),
    argv: words("-t {target} -u -w readlink /proc/self/fd/3 /proc/self/fd/5"),
    target: UTS,
  },
  {
    name: "the environment is kept byte for byte",
    via: bash(`exec env -i DENO_DIR={deno_dir} Z=1 $'X=\\xff' $'\\xc3=1' A= "$@"`),
    argv: words("-t {target} -u /usr/bin/env -0"),
    target: UTS,
  },
  {
    name: "a PATH without node is kept",
    env: { PATH: "/nonexistent" },
    argv: words("-t {target} -u /usr/bin/env"),
    target: UTS,
  },
  {
    name: "the environment is not the target's",
    argv: words("-t {target} -a printenv"),
    target: ALL,
  },
  {
    name: "the arguments are kept byte for byte",
    via: bash(`exec "$@" printf '<%s>' $'\\xff' "" "a b" ""`),
    argv: words("-t {target} -u"),
    target: UTS,
    needs: [ANY_BYTES],
  },
  {
    name: "the umask is kept",
    via: bash('umask 0137; exec "$@"'),
    argv: words("-t {target} -p sed -n /^Umask/p /proc/self/status"),
    target: ALL,
  },
  {
    name: "the nice value is kept",
    via: words("nice -n 7"),
    argv: words("-t {target} -u nice"),
    target: UTS,
  },
  {
    name: "the limits are kept",
    via: bash('ulimit -Sn 512; ulimit -Ss 4096; "$@"; exit $?'),
    argv: words("-t {target} -u cat /proc/self/limits"),
    target: UTS,
  },
  {
    name: "the limits reach a child",
    via: bash('ulimit -n 300; "$@"; exit $?'),
    argv: words("-t {target} -p cat /proc/self/limits"),
    target: ALL,
  },
  {
    name: "signals are at their defaults",
    argv: ["-t", "{target}", "-u", ...SIGNALS],
    target: UTS,
  },
  {
    name: "signals are at their defaults in a child",
    argv: ["-t", "{target}", "-p", ...SIGNALS],
    target: ALL,
  },
  {
    name: "blocked and ignored signals stay so",
    via: words("env --block-signal=USR1,INT --ignore-signal=QUIT,TERM"),
    argv: ["-t", "{target}", "-u", ...SIGNALS],
    target: UTS,
  },
  {
    name: "blocked and ignored signals stay so in a child",
    via: words("env --block-signal=USR1,INT --ignore-signal=QUIT,TERM"),
    argv: ["-t", "{target}", "-p", ...SIGNALS],
    target: ALL,
  },
  {
    name: "an ignored SIGCHLD stays ignored without a fork",
    via: words("env --ignore-signal=CHLD"),
    argv: ["-t", "{target}", "-u", ...SIGNALS],
    target: UTS,
  },
  {
    name: "an ignored SIGCHLD is reset by a fork",
    via: words("env --ignore-signal=CHLD"),
    argv: ["-t", "{target}", "-p", ...SIGNALS],
    target: ALL,
  },
  {
    name: "process group and session are kept",
    argv: ["-t", "{target}", "-p", "cut", "-d", " ", "-f", "5,6", "/proc/self/stat"],
    target: ALL,
  },
  {
    name: "a child stays in the process group of a session leader",
    via: words("setsid -w"),
    argv: ["-t", "{target}", "-p", "cut", "-d", " ", "-f", "5,6", "/proc/self/stat"],
    target: ALL,
    maskPid: true,
  },
];

const waiting: Case[] = [
  {
    name: "a child's SIGTERM is passed on",
    argv: ["-t", "{target}", "-p", "sh", "-c", "kill -TERM $$"],
    target: ALL,
  },
  {
    name: "a child's SIGKILL is passed on",
    argv: ["-t", "{target}", "-p", "sh", "-c", "kill -KILL $$"],
    target: ALL,
  },
  {
    name: "a child's SIGINT is passed on",
    argv: ["-t", "{target}", "-p", "sh", "-c", "kill -INT $$"],
    target: ALL,
  },
  {
    name: "a child's signal that the caller ignores becomes 1",
    via: words("env --ignore-signal=USR1"),
    argv: [
      "-t",
      "{target}",
      "-p",
      "env",
      "--default-signal=USR1",
      "sh",
      "-c",
      "kill -USR1 $$; exit 4",
    ],
    target: ALL,
  },
  {
    name: "a program in place dies of its own signal",
    argv: ["-t", "{target}", "-u", "sh", "-c", "kill -USR1 $$"],
    target: UTS,
  },
  {
    name: "the waiting parent looks like the tool",
    argv: words("-t {target} -a sleep 300"),
    target: ALL,
    steps: [{ observe: "ps", of: "tool" }, { observe: "ps", of: "program" }],
  },
  {
    name: "the waiting parent leaves signals alone",
    argv: words("-t {target} -p sleep 300"),
    target: ALL,
    // fork(3) blocks all signals for a moment, in which the child may already run
    steps: [
      { pause: 50 },
      { observe: "signals", of: "tool" },
      { observe: "signals", of: "program" },
    ],
  },
  {
    name: "SIGTERM ends the waiting parent but not the child",
    argv: words("-t {target} -p sleep 300"),
    target: ALL,
    steps: [
      { signal: "SIGTERM", to: "tool" },
      { until: "gone", of: "tool" },
      { pause: 50 },
      { observe: "state", of: "program" },
    ],
  },
  {
    name: "SIGINT ends the waiting parent but not the child",
    argv: words("-t {target} -p sleep 300"),
    target: ALL,
    steps: [
      { signal: "SIGINT", to: "tool" },
      { until: "gone", of: "tool" },
      { pause: 50 },
      { observe: "state", of: "program" },
    ],
  },
  {
    name: "a stopped child stops the parent, and both go on",
    argv: words("-t {target} -p sleep 300"),
    target: ALL,
    steps: [
      { signal: "SIGSTOP", to: "program" },
      { until: "stopped", of: "tool" },
      { observe: "state", of: "program" },
      { signal: "SIGCONT", to: "tool" },
      { until: "running", of: "program" },
      { until: "running", of: "tool" },
      { signal: "SIGUSR1", to: "program" },
      { until: "gone", of: "program" },
    ],
  },
  {
    name: "a child is stopped and continued twice",
    argv: words("-t {target} -p sleep 300"),
    target: ALL,
    steps: [
      { signal: "SIGSTOP", to: "program" },
      { until: "stopped", of: "tool" },
      { signal: "SIGCONT", to: "tool" },
      { until: "running", of: "program" },
      { signal: "SIGSTOP", to: "program" },
      { until: "stopped", of: "tool" },
      { signal: "SIGCONT", to: "tool" },
      { until: "running", of: "program" },
      { signal: "SIGTERM", to: "program" },
      { until: "gone", of: "program" },
    ],
  },
  {
    name: "a killed parent leaves the child",
    argv: words("-t {target} -p sleep 300"),
    target: ALL,
    steps: [
      { signal: "SIGKILL", to: "tool" },
      { until: "gone", of: "tool" },
      { pause: 50 },
      { observe: "state", of: "program" },
    ],
  },
];

const environments: Case[] = [
  {
    name: "-e is the target's environment, in reverse",
    argv: words("-t {target} -u -e /usr/bin/env -0"),
    target: target("-u env -i ONE=1 TWO=2 THREE= FOUR==4"),
  },
  {
    name: "--env in a child",
    argv: words("-t {target} -a --env /usr/bin/env -0"),
    target: target("-up --fork --kill-child env -i ONE=1 TWO=2"),
  },
  {
    name: "-e has the last of several values, where it stands",
    argv: words("-t {target} -u -e /usr/bin/env -0"),
    target: target("-u {tmp}/env/twice"),
  },
  {
    name: "-e of variables that are none",
    argv: words("-t {target} -u -e /usr/bin/env -0"),
    target: target("-u {tmp}/env/none"),
  },
  {
    name: "-e with a variable that has no name",
    argv: words("-t {target} -u -e true"),
    target: target("-u {tmp}/env/nameless"),
  },
  {
    name: "-e of an empty environment",
    argv: words("-t {target} -u -e /usr/bin/env -0"),
    target: target("-u env -i"),
  },
  {
    name: "-e keeps bytes",
    argv: words("-t {target} -u -e /usr/bin/env -0"),
    target: { unshare: ["-u", ...bash(`exec env -i $'X=\\xff\\xc3' $'\\xfe=\xc3\xa4' Y=ä "$@"`)] },
  },
  {
    name: "-e has the PATH in which the program is found",
    argv: words("-t {target} -u -e tool"),
    target: target("-u /usr/bin/env -i PATH={tmp}/exec:/usr/bin:/bin"),
  },
  {
    name: "-e has a PATH in which the program is not",
    argv: words("-t {target} -u -e echo"),
    target: { unshare: ["-u", ...bash("exec env -i PATH={tmp}/exec /usr/bin/sleep 300")] },
  },
  {
    name: "-e has no PATH",
    env: { PATH: "{tmp}/exec:/usr/bin" },
    argv: words("-t {target} -u -e tool"),
    target: target("-u env -i A=1"),
  },
  {
    name: "-e has the shell",
    argv: words("-t {target} -u -e"),
    target: target("-u env -i SHELL=/bin/bash"),
    stdin: 'echo "$0"\n',
    needs: ["bash"],
  },
  {
    name: "-e without SHELL is /bin/sh",
    env: { SHELL: "/bin/bash" },
    argv: words("-t {target} -u -e"),
    target: target("-u env -i A=1"),
    stdin: 'echo "$0"\n',
  },
  {
    name: "-e of another's process",
    argv: words("-t {target} -u -e true"),
    target: { ...UTS, as: "root" },
    as: "user",
  },
  {
    name: "-e of an own container",
    argv: words("-t {target} -U --preserve-credentials -e /usr/bin/env -0"),
    target: target("-Ur env -i A=1 B=2"),
    as: "both",
    needs: [USERNS],
  },
  {
    name: "-e of a process that has ended",
    argv: words("--uts=/proc/self/ns/uts -t {target} -e true"),
    target: target("", { dead: true }),
  },
  { name: "-e needs a target", argv: words("--uts=/proc/self/ns/uts -e true") },
  { name: "-e is no namespace", argv: words("-t {target} -e true"), target: UTS, stderr: "more" },
  { name: "-e takes no value", argv: words("--env=1 true") },
];

differential("nsenter", [
  ...environments,
  ...options,
  ...execution,
  ...inherited,
  ...waiting,
], FIXTURES);
