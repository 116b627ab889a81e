/** Each option that a command's help lists does something: the run without it is another one. */
import {
  bash,
  BINFMT_MISC,
  type Case,
  cleanUp,
  CREDENTIALS,
  type Fixture,
  missing,
  type Outcome,
  outcomes,
  PROBES,
  type Target,
  TIME,
  type Tool,
  USERNS,
  USR,
  words,
} from "./differential.ts";
import { assert, assertEquals, assertMatch, fromFileUrl } from "../scripts/std.ts";
import { as, ETC, inEtc } from "./users.ts";
import { exists } from "./processes.ts";

/** A run in which an option shows. */
interface Effect extends Omit<Partial<Case>, "name" | "argv" | "as"> {
  /** What the run with the option shows, and the one without it does not. */
  shows: RegExp;
  /** The option's argument. */
  value?: string;
  /** The other options. */
  with?: string;
  /** The program. */
  run?: string | string[];
  as?: "root" | "user";
}

/** The effects of each option. */
type Effects = Record<string, Effect[]>;

const NO_SELINUX = "no SELinux";
PROBES[NO_SELINUX] = () => !exists("/sys/fs/selinux/enforce");

const FIXTURES: Fixture[] = [
  ...ETC,
  { path: "ns", text: "" },
  { path: "foreign", text: "denspace!" },
];

/** Prints the namespace of a kind. */
function namespace(kind: string): string {
  return `readlink /proc/self/ns/${kind}`;
}

/** Says what is bound to the file; on one processor, as in differential_persist_test.ts. */
const BOUND = [
  ...words("taskset -c 0 {unshare} -m --propagation private sh -c"),
  '"$@"; grep " {tmp}/ns " /proc/self/mountinfo',
  "sh",
];

/** A new namespace of a kind, and its file. */
function made(kind: string, options = "", needs: string[] = []): Effect[] {
  const shows = new RegExp(`^${kind}:\\[new 1\\]$`, "m");
  const bound = new RegExp(` ${kind}:\\[new 1\\] \\S+/ns `);
  return [
    { with: options, run: namespace(kind), shows, needs },
    { with: options, value: "{tmp}/ns", run: "true", via: BOUND, shows: bound, needs },
  ];
}

/** Shows the mark that is among the program's own arguments, in a proc where it is process 1. */
function markOf(proc: string): string[] {
  return ["sh", "-c", `cat ${proc}/1/cmdline`, "the mark of process 1"];
}

/** Sends its parent a signal and waits a while for it to come back. */
const SIGNALLING = [
  "sh",
  "-c",
  `trap 'echo forwarded; exit 15' TERM
  kill -TERM $PPID
  for i in $(seq 60); do sleep 0.05; done`,
];

const CAPABLE = /^CapEff:\s+0*[1-9a-f]/m;
const ALICE = inEtc(...as(1000));
const MAPPERS = [USERNS, "newuidmap", "newgidmap"];
const UID_MAP = "cat /proc/self/uid_map";
const GID_MAP = "cat /proc/self/gid_map";

const UNSHARE: Effects = {
  help: [{ run: "true", shows: /^Usage:\n unshare /m }],
  version: [{ run: "true", shows: /^unshare from denspace / }],
  mount: made("mnt"),
  uts: made("uts"),
  ipc: made("ipc"),
  net: made("net"),
  pid: made("pid", "-f"),
  user: made("user", "", [USERNS]),
  cgroup: made("cgroup"),
  time: made("time", "", [TIME]),
  fork: [{ run: ["sh", "-c", "echo $PPID"], maskPid: true, shows: /^\{pid\}\n/ }],
  "kill-child": [
    { with: "-f", run: "setpriv --dump", shows: /death signal: kill/i },
    { with: "-f", value: "TERM", run: "setpriv --dump", shows: /death signal: term/i },
  ],
  "mount-proc": [
    { with: "-pf", run: markOf("/proc"), shows: /the mark/ },
    { with: "-pf", value: "{tmp}/mnt", run: markOf("{tmp}/mnt"), shows: /the mark/ },
  ],
  "mount-binfmt": [
    {
      with: "-rpf",
      as: "user",
      run: "test -w /proc/sys/fs/binfmt_misc/register",
      shows: /^exit 0/,
      needs: [BINFMT_MISC],
    },
    { with: "-rpf", value: "{tmp}/mnt", run: "ls {tmp}/mnt", shows: /^re/, needs: [BINFMT_MISC] },
  ],
  "map-user": [
    { value: "7", run: "id -u", shows: /^7\n/, needs: [USERNS] },
    { value: "bob", via: inEtc(), run: "id -u", shows: /^1001\n/, needs: [USERNS] },
  ],
  "map-users": [
    { value: "7:0:2", run: UID_MAP, shows: /^ +7 +0 +2\n/, needs: [USERNS] },
    { value: "auto", via: ALICE, run: UID_MAP, shows: /^ +0 +100000 +1000\n/, needs: MAPPERS },
    { value: "subids", via: ALICE, run: UID_MAP, shows: /^ +100000 +100000 /, needs: MAPPERS },
    { with: "-c", value: "all", run: UID_MAP, shows: /^ +0 +0 +1\n +1 +1 /, needs: [USERNS] },
  ],
  "map-group": [
    { value: "7", run: "id -g", shows: /^7\n/, needs: [USERNS] },
    { value: "staff", via: inEtc(), run: "id -g", shows: /^50\n/, needs: [USERNS] },
  ],
  "map-groups": [
    { value: "7:0:2", run: GID_MAP, shows: /^ +7 +0 +2\n/, needs: [USERNS] },
    { value: "auto", via: ALICE, run: GID_MAP, shows: /^ +0 +110000 +2000\n/, needs: MAPPERS },
    { value: "subids", via: ALICE, run: GID_MAP, shows: /^ +110000 +110000 /, needs: MAPPERS },
    { with: "-c", value: "all", run: GID_MAP, shows: /^ +0 +0 +1\n +1 +1 /, needs: [USERNS] },
  ],
  "map-root-user": [{ as: "user", run: "id -u", shows: /^0\n/, needs: [USERNS] }],
  "map-current-user": [
    { with: "-U", as: "user", run: "id -u", shows: /^1000\n/, needs: [USERNS] },
  ],
  "map-auto": [
    { via: ALICE, run: UID_MAP, shows: /^ +0 +100000 +1000\n/, needs: MAPPERS },
    { via: ALICE, run: GID_MAP, shows: /^ +0 +110000 +2000\n/, needs: MAPPERS },
  ],
  "map-subids": [
    { via: ALICE, run: UID_MAP, shows: /^ +100000 +100000 +1000\n/, needs: MAPPERS },
    { via: ALICE, run: GID_MAP, shows: /^ +110000 +110000 +2000\n/, needs: MAPPERS },
  ],
  propagation: words("shared slave unchanged").map((value) => ({
    with: "-m",
    value,
    via: words("{unshare} -m {unshare} -mf --propagation shared"),
    run: "findmnt -no PROPAGATION /",
    shows: value === "slave" ? /^private,slave\n/ : /^shared\n/,
    needs: ["findmnt"],
  })),
  setgroups: [
    { with: "-U", value: "deny", run: "cat /proc/self/setgroups", shows: /^deny/, needs: [USERNS] },
  ],
  "keep-caps": [
    { with: "-c", as: "user", run: CREDENTIALS, shows: CAPABLE, needs: [USERNS] },
  ],
  setuid: [{ value: "7", run: "id -u", shows: /^7\n/ }],
  setgid: [
    { value: "7", run: "id -g", shows: /^7\n/ },
    { via: words("setpriv --groups 8,9"), value: "7", run: "id -G", shows: /^7\n/ },
  ],
  root: [{ value: "/usr", run: "/bin/pwd", shows: /^\/\n/, needs: [USR] }],
  wd: [{ value: "/usr", run: "readlink /proc/self/cwd", shows: /^\/usr\n/ }],
  monotonic: [
    {
      with: "-T",
      value: "9",
      run: "cat /proc/self/timens_offsets",
      shows: /^mo\D+9 /,
      needs: [TIME],
    },
  ],
  boottime: [
    {
      with: "-T",
      value: "9",
      run: "cat /proc/self/timens_offsets",
      shows: /^bo\D+9 /m,
      needs: [TIME],
    },
  ],
  "load-interp": [{
    with: "-rpf",
    value: ":den:M::denspace!::/bin/echo:",
    run: "{tmp}/foreign x",
    shows: /^\S+\/foreign x\n/,
    needs: [BINFMT_MISC],
  }],
  "forward-signals": [{ with: "-f", run: SIGNALLING, shows: /^forwarded\nexit 15$/ }],
  owner: [
    { with: "-r", value: "1000:1000", run: UID_MAP, shows: /^ +0 +1000 +1\n/, needs: [USERNS] },
    { with: "-r", value: "1000:1000", run: GID_MAP, shows: /^ +0 +1000 +1\n/, needs: [USERNS] },
    { with: "-r", value: "1000", run: UID_MAP, shows: /^ +0 +1000 +1\n/, needs: [USERNS] },
  ],
  "clear-env": [{ env: { X: "1" }, run: "/usr/bin/env", shows: /^exit 0$/ }],
  "whitelist-env": [
    { value: "X,Z", env: { X: "1", Y: "2" }, run: "/usr/bin/env", shows: /^X=1\nexit 0$/ },
  ],
};

const CONTAINER: Target = { unshare: words("-muinpCf") };

/** A namespace that is the target's, through the target and through a file. */
function entered(kind: string, target = CONTAINER, needs: string[] = []): Effect[] {
  const shows = new RegExp(`^${kind}:\\[target\\]\n`);
  const run = namespace(kind);
  return [
    { with: "-t {target}", target, run, shows, needs },
    { value: `/proc/{target}/ns/${kind}`, target, run, shows, needs },
  ];
}

/** Runs the tool in a cgroup of its own, where those of the second version are. */
const IN_CGROUP = [
  ...words("{unshare} -m bash -c"),
  `mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit
  cgroup=$(mktemp -d /sys/fs/cgroup/denspace-XXXXXX) || exit
  (echo $BASHPID > $cgroup/cgroup.procs && exec "$@" 2>&1) | sed s,$cgroup,, | cat
  rmdir $cgroup`,
  "bash",
];
/** A host that says that it has SELinux. */
const AS_IF_SELINUX = [
  ...words("{unshare} -m sh -c"),
  'mount -t tmpfs none /sys/fs && mkdir /sys/fs/selinux && : > /sys/fs/selinux/enforce && exec "$@"',
  "sh",
];
const ROOTLESS: Target = { unshare: words("-Ucu"), as: "user" };

const NSENTER: Effects = {
  all: [{ with: "-t {target}", target: CONTAINER, run: namespace("uts"), shows: /^uts:\[target/ }],
  help: [{ with: "-t 1 -u", run: "true", shows: /^Usage:\n nsenter /m }],
  version: [{ with: "-t 1 -u", run: "true", shows: /^nsenter from denspace / }],
  target: [
    {
      with: "-u",
      value: "{target}",
      target: CONTAINER,
      run: namespace("uts"),
      shows: /^uts:\[target/,
    },
  ],
  mount: entered("mnt"),
  uts: entered("uts"),
  ipc: entered("ipc"),
  net: entered("net"),
  "net-socket": [{
    with: "-t {target}",
    value: "7",
    target: {
      unshare: [
        ...words("-n bash -c"),
        'ip link set lo up && exec 7<> /dev/udp/127.0.0.1/9 && exec "$@"',
        "bash",
      ],
    },
    run: namespace("net"),
    shows: /^net:\[target/,
    needs: ["bash", "ip"],
  }],
  pid: entered("pid"),
  user: entered("user", { unshare: words("-Ur") }, [USERNS]),
  cgroup: entered("cgroup"),
  time: entered("time", { unshare: words("-T") }, [TIME]),
  setuid: [
    { with: "-t {target} -u", value: "7", target: CONTAINER, run: "id -u", shows: /^7\n/ },
    {
      with: "-t {target} -u",
      value: "follow",
      target: { unshare: words("-S 8") },
      run: "id -u",
      shows: /^8\n/,
    },
  ],
  setgid: [
    { with: "-t {target} -u", value: "7", target: CONTAINER, run: "id -G", shows: /^7\n/ },
    {
      with: "-t {target} -u",
      value: "follow",
      target: { unshare: words("-G 8") },
      run: "id -G",
      shows: /^8\n/,
    },
  ],
  root: [
    {
      with: "-t {target} -u",
      target: { unshare: words("-R /usr") },
      run: "/bin/test -d /share",
      shows: /^exit 0/,
      needs: [USR],
    },
    {
      with: "-t {target} -u",
      value: "/usr",
      target: CONTAINER,
      run: "/bin/test -d /share",
      shows: /^exit 0/,
      needs: [USR],
    },
  ],
  wd: [
    {
      with: "-t {target} -u",
      target: { unshare: words("-u"), cwd: "/usr" },
      run: "readlink /proc/self/cwd",
      shows: /^\/usr\n/,
    },
    {
      with: "-t {target} -u",
      value: "/usr",
      target: CONTAINER,
      run: "readlink /proc/self/cwd",
      shows: /^\/usr\n/,
    },
  ],
  wdns: [{
    with: "-t {target} -u",
    value: "/usr",
    target: CONTAINER,
    run: "readlink /proc/self/cwd",
    shows: /^\/usr\n/,
  }],
  env: [{
    with: "-t {target} -u",
    target: { unshare: words("-u env X=1") },
    run: "/usr/bin/env",
    shows: /^X=1$/m,
  }],
  "no-fork": [{
    with: "-t {target} -p",
    target: CONTAINER,
    maskPid: true,
    run: ["sh", "-c", "echo $$"],
    shows: /^\{pid\}\n/,
  }],
  "join-cgroup": [{
    with: "-t {target} -u",
    target: CONTAINER,
    via: IN_CGROUP,
    run: "grep ^0:: /proc/self/cgroup",
    shows: /^0::\/(?!denspace)/,
    needs: ["bash"],
  }],
  "preserve-credentials": [{
    with: "-t {target} -U",
    as: "user",
    target: ROOTLESS,
    run: "id -u",
    shows: /^1000\nexit 0$/,
    needs: [USERNS],
  }],
  "keep-caps": [{
    with: "-t {target} -U -u --preserve-credentials",
    as: "user",
    target: ROOTLESS,
    run: CREDENTIALS,
    shows: CAPABLE,
    needs: [USERNS],
  }],
  "user-parent": [{
    with: "-t {target}",
    target: { unshare: words("-Ur unshare -Ur") },
    run: namespace("user"),
    shows: /^user:\[new 1\]/,
    needs: [USERNS],
  }],
  "follow-context": [{
    with: "-t {target} -u",
    target: CONTAINER,
    via: AS_IF_SELINUX,
    run: "true",
    shows: /SELinux context|exec context/,
    needs: [NO_SELINUX],
  }],
};

for (const [tool, effects] of [["unshare", UNSHARE], ["nsenter", NSENTER]] as const) {
  const options = help(tool);
  Deno.test(`${tool}: the options in the help are those that are tested`, () => {
    assertEquals(Object.keys(effects).sort(), options.map(({ name }) => name).sort());
  });
  for (const option of options) {
    for (const effect of effects[option.name] ?? []) testEffect(tool, option, effect);
  }
}
for (const { expects, ...c } of [...owners(), ...forwarding(), ...environments()]) {
  const account = c.as === "user" ? "user" : "root";
  const reason = missing(c, account);
  Deno.test({
    name: `unshare: ${c.name}` + (reason === undefined ? "" : ` (needs ${reason})`),
    ignore: reason !== undefined,
    fn: async () => {
      const [seen] = await outcomes("unshare", [c], FIXTURES);
      const nothing = { status: "exit 0", stdout: "", stderr: "", observed: [] };
      assertEquals(seen, { ...nothing, ...expects });
    },
  });
}
Deno.test.afterAll(cleanUp);

/** An option as the help has it. */
interface HelpOption {
  name: string;
  short?: string | undefined;
  argument: "none" | "required" | "optional";
}

/** The options that the help lists. */
function help(tool: Tool): HelpOption[] {
  const main = fromFileUrl(new URL("../commands/main.ts", import.meta.url));
  const { stdout } = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-ffi", main, tool, "--help"],
  }).outputSync();
  const text = new TextDecoder().decode(stdout);
  const options = [...text.matchAll(/^ (?:-(\w), | {4})--([\w-]+)(\[=| <|)/gm)];
  assert(options.length > 20, text);
  return options.map(([, short, name, argument]) => ({
    name: name!,
    short,
    argument: argument === "" ? "none" : argument === " <" ? "required" : "optional",
  }));
}

function testEffect(tool: Tool, option: HelpOption, effect: Effect): void {
  const { value, with: others = "", run = [], shows, as: account = "root", ...rest } = effect;
  const forms = formsOf(tool, option, value);
  const [first] = forms;
  const needs = [...rest.needs ?? [], ...rest.target || rest.via ? words("unshare taskset") : []];
  const program = typeof run === "string" ? words(run) : run;
  const before = others === "" ? [] : words(others);
  const cases = [[], ...forms].map((form): Case => ({
    ...rest,
    name: option.name,
    as: account,
    argv: [...before, ...form, ...program],
    needs,
  })) as [Case, ...Case[]];
  const reason = missing(cases[0], account);
  Deno.test({
    name: `${tool} ${first!.join(" ")} shows in ${program.join(" ").split("\n")[0]}` +
      (reason === undefined ? "" : ` (needs ${reason})`),
    ignore: reason !== undefined,
    fn: async () => {
      const seen = (await outcomes(tool, cases, FIXTURES)).map(textOf);
      const [without, ...withs] = seen;
      assert(!shows.test(without!), `shows without the option: ${without}`);
      for (const [i, text] of withs.entries()) assertMatch(text, shows, forms[i]!.join(" "));
    },
  });
}

/** The long form of an option, and the short one if it can have the value. */
function formsOf(
  tool: Tool,
  { name, short, argument }: HelpOption,
  value: string | undefined,
): string[][] {
  const attached = value !== undefined && argument === "optional";
  const rest = value === undefined || attached ? [] : [value];
  const long = [`--${name}${attached ? `=${value}` : ""}`, ...rest];
  // unshare's letters of namespaces take no file
  if (short === undefined || attached && tool === "unshare") return [long];
  return [long, [`-${short}${attached ? value : ""}`, ...rest]];
}

function textOf({ status, stdout, stderr }: Outcome): string {
  return stdout + stderr + status;
}

// What util-linux 2.41 has not -----------------------------------------------

/** A case, and what comes of it. */
type Expected = Case & { expects: Partial<Outcome> };

/** Enters, as another user, the user namespace that the tool has made. */
function entering(uid: number): string[] {
  return bash(`"$@" & tool=$!
    until [ "$(cat /proc/$tool/comm)" = sleep ]; do sleep 0.01; done
    setpriv --reuid ${uid} --regid ${uid} --clear-groups \\
      {nsenter} --user=/proc/$tool/ns/user --preserve-credentials id -u 2>&1 | sed s,/proc/$tool/,/proc/PID/,
    kill $tool`);
}

function owners(): Expected[] {
  const failed = (message: string): Partial<Outcome> => ({
    status: "exit 1",
    stderr: `unshare: ${message}\n`,
  });
  return [
    {
      name: "--owner may enter the user namespace",
      via: entering(1000),
      argv: words("--owner 1000:1000 -r sleep 300"),
      needs: [USERNS, "unshare"],
      expects: { stdout: "0\n" },
    },
    {
      name: "nobody but the owner may enter the user namespace",
      via: entering(1000),
      argv: words("--owner 1001:1001 -r sleep 300"),
      needs: [USERNS, "unshare"],
      expects: { stdout: "nsenter: cannot open /proc/PID/ns/user: Permission denied\n" },
    },
    {
      name: "--owner without a group keeps it",
      argv: ["--owner", "1000", "-c", "head", "/proc/self/uid_map", "/proc/self/gid_map"],
      needs: [USERNS],
      expects: {
        stdout: `==> /proc/self/uid_map <==
      1000       1000          1

==> /proc/self/gid_map <==
         0          0          1
`,
      },
    },
    {
      name: "--owner drops the groups",
      via: words("setpriv --groups 5,6"),
      argv: words("--owner 1000:1000 -r id -G"),
      needs: [USERNS],
      expects: { stdout: "0\n" },
    },
    {
      name: "--owner alone maps nothing",
      argv: words("--owner 1000:1000 id -u"),
      needs: [USERNS],
      expects: { stdout: "65534\n" },
    },
    {
      name: "--owner with ranges",
      argv: words("--owner 1000:1000 --map-users 0:1000:1 --map-groups 0:1000:2 id -u"),
      needs: [USERNS],
      expects: { stdout: "0\n" },
    },
    {
      name: "an ordinary user may be the owner",
      as: "user",
      argv: words("--owner 1000 -r id -u"),
      needs: [USERNS],
      expects: { stdout: "0\n" },
    },
    {
      name: "an ordinary user may make nobody else the owner",
      as: "user",
      argv: words("--owner 1001 -r id -u"),
      expects: failed("setuid() failed: Operation not permitted"),
    },
    {
      name: "an ordinary user may not drop the groups for --owner",
      as: "user",
      argv: words("--owner 1000:1000 -r id -u"),
      expects: failed("setgroups failed: Operation not permitted"),
    },
    ...["", "x", "1:", ":1", "-1", "1:2:3", "root"].map((text): Expected => ({
      name: `'${text}' is no owner`,
      argv: ["--owner", text, "true"],
      expects: failed("failed to parse owner"),
    })),
  ];
}

function forwarding(): Expected[] {
  /** Says which signals come, and exits at the last of so many. */
  const counting = (count: number): string[] => [
    "bash",
    "-c",
    `n=0
    came() { echo $1; n=$((n + 1)); [ $n != ${count} ] || { kill $!; exit $((40 + n)); }; }
    trap 'came INT' INT; trap 'came TERM' TERM
    sleep 300 & echo ready; while :; do wait; done`,
  ];
  const ended = { until: "gone", of: "program" } as const;
  return [
    ...(["SIGTERM", "SIGINT"] as const).map((signal): Expected => ({
      name: `--forward-signals passes ${signal} on, and the program's status back`,
      argv: ["--forward-signals", ...counting(1)],
      steps: [{ output: "ready" }, { signal, to: "tool" }, ended],
      needs: ["bash"],
      expects: { status: "exit 41", stdout: `ready\n${signal.slice(3)}\n` },
    })),
    {
      name: "--forward-signals passes several signals on",
      argv: ["--forward-signals", ...counting(3)],
      steps: [
        { output: "ready" },
        { signal: "SIGINT", to: "tool" },
        { output: "INT" },
        { signal: "SIGTERM", to: "tool" },
        { output: "TERM" },
        { signal: "SIGINT", to: "tool" },
        ended,
      ],
      needs: ["bash"],
      expects: { status: "exit 43", stdout: "ready\nINT\nTERM\nINT\n" },
    },
    {
      name: "--forward-signals ends as a program that the signal has killed",
      argv: words("--forward-signals sleep 300"),
      steps: [{ signal: "SIGTERM", to: "tool" }, ended],
      expects: { status: "SIGTERM" },
    },
    {
      name: "--forward-signals passes signals on that the caller ignores",
      via: words("env --ignore-signal=TERM"),
      argv: ["--forward-signals", "env", "--default-signal=TERM", ...counting(1)],
      steps: [{ output: "ready" }, { signal: "SIGTERM", to: "tool" }, ended],
      needs: ["bash"],
      expects: { status: "exit 41", stdout: "ready\nTERM\n" },
    },
    {
      name: "--forward-signals passes signals on into a pid namespace",
      argv: ["--forward-signals", "-Urp", "--mount-proc", ...counting(2)],
      steps: [
        { output: "ready" },
        { signal: "SIGTERM", to: "tool" },
        { output: "TERM" },
        { signal: "SIGINT", to: "tool" },
        ended,
      ],
      needs: [USERNS, "bash"],
      expects: { status: "exit 42", stdout: "ready\nTERM\nINT\n" },
    },
    {
      name: "--forward-signals comes before --kill-child",
      argv: ["--forward-signals", "--kill-child", ...counting(1)],
      steps: [{ output: "ready" }, { signal: "SIGTERM", to: "tool" }, ended],
      needs: ["bash"],
      expects: { status: "exit 41", stdout: "ready\nTERM\n" },
    },
    {
      name: "--forward-signals keeps other signals",
      argv: words("--forward-signals sleep 300"),
      steps: [
        { signal: "SIGHUP", to: "tool" },
        { until: "gone", of: "tool" },
        { observe: "state", of: "program" },
      ],
      expects: { status: "SIGHUP", observed: ["program: running"] },
    },
    {
      name: "--forward-signals leaves no signal blocked in the program",
      argv: ["--forward-signals", "grep", "SigBlk", "/proc/self/status"],
      expects: { stdout: "SigBlk:\t0000000000000000\n" },
    },
    {
      name: "--forward-signals passes the status of a program on that ends by itself",
      argv: ["--forward-signals", "sh", "-c", "exit 7"],
      expects: { status: "exit 7" },
    },
    {
      name: "--forward-signals without a program",
      argv: words("--forward-signals nonexistent-program"),
      expects: {
        status: "exit 127",
        stderr: "unshare: failed to execute nonexistent-program: No such file or directory\n",
      },
    },
  ];
}

function environments(): Expected[] {
  const env = { A: "1", AB: "2", C: "", D: "x=y" };
  return [
    { name: "--clear-env finds programs where there is no PATH", argv: ["--clear-env", "env"] },
    {
      name: "--clear-env empties the environment of a child",
      argv: ["-f", "--clear-env", "/usr/bin/env"],
    },
    {
      name: "--clear-env empties the environment of a shell",
      env: { SHELL: "/bin/bash" },
      argv: ["--clear-env"],
      stdin: "/bin/echo $0 $A\n",
      expects: { stdout: "-sh\n" },
    },
    {
      name: "--whitelist-env keeps the variables that are named",
      argv: ["--whitelist-env", "D,A,C", "env"],
      expects: { stdout: "A=1\nC=\nD=x=y\n" },
    },
    {
      name: "--whitelist-env does not keep those whose name begins so",
      argv: ["--whitelist-env=A", "env"],
      expects: { stdout: "A=1\n" },
    },
    {
      name: "--whitelist-env passes over names that are no variable's",
      argv: ["--whitelist-env=NONE,AB,,A=1", "env"],
      expects: { stdout: "AB=2\n" },
    },
    { name: "--whitelist-env of nothing", argv: ["--whitelist-env=", "env"] },
    {
      name: "--whitelist-env behind --clear-env",
      argv: ["--clear-env", "--whitelist-env=A", "env"],
      expects: { stdout: "A=1\n" },
    },
    {
      name: "--whitelist-env of PATH is where programs are looked up",
      env: { PATH: "/nonexistent" },
      argv: ["--whitelist-env=PATH", "env"],
      expects: {
        status: "exit 127",
        stderr: "unshare: failed to execute env: No such file or directory\n",
      },
    },
    {
      name: "--whitelist-env keeps bytes",
      via: bash(`exec env $'A=\\xff\\xfe' "$@"`),
      argv: ["--whitelist-env=A", "printenv", "A"],
      needs: ["bash"],
      expects: { stdout: "\xff\xfe\n" },
    },
  ].map((c) => ({ expects: {}, ...c, env: { ...env, ...c.env } }));
}
