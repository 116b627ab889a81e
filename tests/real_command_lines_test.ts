/**
 * Command lines as they stand in other people's scripts, with util-linux and
 * ours side by side. Process 1 has become a process of the test, and what they
 * start something harmless.
 */
import {
  type Case,
  differential,
  type Fixture,
  type Target,
  TIME,
  type Tool,
  USERNS,
  words,
} from "./differential.ts";
import { busybox } from "./differential_cases.ts";
import { as, ETC, inEtc } from "./users.ts";

/** A command line, in a shell in which `unshare` or `nsenter` is the one under test. */
interface Line extends Pick<Case, "as" | "cwd" | "needs" | "stdin" | "target" | "env"> {
  /** The script. Its arguments are `one` and `two words`. */
  script: string;
  /** What starts the shell. */
  via?: string[];
}

const FIXTURES: Fixture[] = [
  ...ETC,
  {
    path: "work/enter",
    text: `#!/bin/bash
if [ -z "$IS_INSIDE" ]; then
  export IS_INSIDE=1
  extraFlags=()
  if [ "$(id -u)" != 0 ]; then extraFlags=(-r); fi
  exec unshare --fork --mount --uts --mount-proc --pid "\${extraFlags[@]}" -- "$0" "$@"
fi
echo "$$ $(id -u) $#"; printf '<%s>' "$@"; readlink /proc/self
`,
  },
  {
    path: "work/as-root",
    text: `#!/bin/sh
if [ "$(id -u)" != 0 ]; then exec unshare -m -U -r -- "$0" "$@"; fi
printf '<%s>' "$@"; cat /proc/self/uid_map
`,
  },
  {
    path: "work/offline",
    text: `#!/usr/bin/env -S unshare -rn /bin/bash
ip link set lo up
exec "$@"
`,
  },
  { path: "work/netns1", text: "" },
  { path: "root" },
  { path: "root/bin" },
  { path: "root/bin/busybox", bytes: busybox },
  ...words("sh id ls ps readlink pwd hostname").map((name): Fixture => ({
    path: `root/bin/${name}`,
    link: "busybox",
  })),
  { path: "root/proc" },
];

/** What tells where a shell is. */
const WHERE = `echo $0 $#; hostname; ip -br addr; readlink /proc/1/exe
for kind in mnt uts ipc net pid; do readlink /proc/self/ns/$kind; done
`;

/** As a container: with a host name, and a network. */
const CONTAINER: Target = {
  unshare: [
    ...words("-muinpf --mount-proc sh -c"),
    'hostname container && ip link set lo up && exec "$@"',
    "sh",
  ],
  cwd: "{tmp}/root",
};
/** As one that an ordinary user starts. */
const ROOTLESS: Target = {
  unshare: ["-Urmn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"],
  cwd: "{tmp}/root",
};
const IP = ["ip", "hostname"];

const NSENTER: Line[] = [
  {
    script: "nsenter -t $pid -m -u -i -n -p -- bash",
    target: CONTAINER,
    stdin: WHERE,
    needs: IP,
  },
  { script: "nsenter --all --target=$pid -- sh -l", target: CONTAINER, stdin: WHERE, needs: IP },
  {
    script: "nsenter --target $pid --mount --uts --ipc --net --pid",
    target: CONTAINER,
    stdin: WHERE,
    needs: IP,
  },
  {
    script: `nsenter --target $pid --mount --uts --ipc --net --pid -- printf '<%s>' "$@"`,
    target: CONTAINER,
  },
  {
    script: "nsenter --target $pid --mount --uts --ipc --net --pid -- ps -e | grep -c sleep",
    target: CONTAINER,
    needs: ["ps"],
  },
  {
    script: "nsenter --mount=/proc/$pid/ns/mnt -- /bin/bash",
    target: CONTAINER,
    stdin: WHERE,
    needs: IP,
  },
  {
    script: "nsenter --mount=/proc/$pid/ns/mnt --net=/proc/$pid/ns/net /bin/bash",
    target: CONTAINER,
    stdin: WHERE,
    needs: IP,
  },
  {
    script: "PID=$pid; nsenter --target $PID --mount --uts --ipc --net --pid",
    env: { SHELL: "/bin/bash" },
    target: CONTAINER,
    stdin: WHERE,
    needs: IP,
  },
  { script: 'nsenter -t "$pid" -n', target: CONTAINER, stdin: WHERE, needs: IP },
  { script: "nsenter -n --target $pid", target: CONTAINER, stdin: WHERE, needs: IP },
  { script: "nsenter -n --target $pid -m", target: CONTAINER, stdin: WHERE, needs: IP },
  { script: "nsenter -n -t$pid", target: CONTAINER, stdin: "ip addr\nexit 3\n", needs: IP },
  {
    script: "nsenter --net=/proc/${pid}/ns/net -F -- ip -o -4 addr show dev lo scope host",
    target: CONTAINER,
    needs: IP,
  },
  {
    script: "nsenter --target=${pid} --net -F -- ip -o -4 addr show dev lo scope host",
    target: CONTAINER,
    needs: IP,
  },
  {
    script: 'set -- ip -o addr; nsenter -U --preserve-credentials -m -n -t "$pid" $@',
    as: "user",
    target: ROOTLESS,
    needs: [USERNS, "ip"],
  },
  {
    script: "nsenter -t $pid -m -n -U --preserve-credentials -w pwd",
    as: "user",
    target: ROOTLESS,
    needs: [USERNS, "ip"],
  },
  {
    script: "nsenter -t $pid -F -U --preserve-credentials -n id -u",
    as: "user",
    target: ROOTLESS,
    needs: [USERNS, "ip"],
  },
  {
    script: `nsenter_flags() {
    flags="--target=$1"
    if [ "$(readlink /proc/$1/ns/user)" != "$(readlink /proc/self/ns/user)" ]
    then flags="$flags --preserve-credentials -U"
    fi
    echo "$flags -n"
  }
  nsenter $(nsenter_flags $pid) ip addr show lo`,
    as: "both",
    target: { unshare: words("-r -n") },
    needs: [USERNS, "ip"],
  },
  {
    script: "nsenter -t $(echo $pid) -a sh -l -c 'echo $0 $PPID; readlink /proc/1/exe'",
    target: { unshare: words("--fork --pid --mount-proc") },
  },
];

const UNSHARE: Line[] = [
  {
    script:
      "setsid -w unshare --fork --pid --mount-proc sh -c 'echo $$ $PPID; readlink /proc/self'",
  },
  { script: './enter "$@"', as: "both", needs: [USERNS, "bash"] },
  { script: "unshare --fork --pid sh -c 'echo $$ $#; exit 4' sh \"$@\"" },
  {
    script: "unshare --mount --map-auto --map-root-user --setuid 0 --setgid 0 " +
      "--fork --pid --mount-proc head /proc/self/uid_map /proc/self/gid_map",
    via: inEtc(...as(1000)),
    needs: [USERNS, "newuidmap", "newgidmap"],
  },
  {
    script: 'unshare -n -Ufp -r -- sh -c "ip link set dev lo up && ip -o addr && id -u"',
    as: "both",
    needs: [USERNS, "ip"],
  },
  { script: "./offline ip -o addr", as: "both", needs: [USERNS, "ip", "bash"] },
  {
    script: "unshare --mount-proc --fork --pid --cgroup --root=$PWD bin/sh",
    cwd: "{tmp}/root",
    stdin: "pwd; ls /; ps -o pid,comm; readlink /proc/self\n",
    needs: ["busybox"],
  },
  {
    script: "unshare --fork -Ur --mount --uts --ipc --net --pid --mount-proc " +
      '--root="{tmp}/root" /bin/sh',
    as: "both",
    stdin: "id -u; pwd; ls /; echo $$; hostname new && hostname\n",
    needs: [USERNS, "busybox"],
  },
  { script: './as-root "$@"', as: "user", needs: [USERNS] },
  {
    script:
      'linux64 env - PATH=$PATH DENO_DIR=$DENO_DIR unshare -mpf /bin/sh -c "chroot . /bin/sh"',
    cwd: "{tmp}/root",
    stdin: "pwd; ls /; echo $$\n",
    needs: ["busybox", "linux64", "chroot"],
  },
  {
    script: 'unshare -Ufpm --kill-child --map-user="$(id -u)" --map-group="$(id -g)" ' +
      "--mount-proc sh -c 'id -u; id -g; echo $$; readlink /proc/self; exit 9'",
    as: "both",
    needs: [USERNS],
  },
  {
    script: "unshare --map-root-user --net --pid --fork <<EOF\nid -u; echo \\$\\$\nexit 6\nEOF",
    as: "both",
    needs: [USERNS],
  },
  {
    script: "unshare -Um --map-root-user -- bash - <<EOS\nid -u; echo $# \\$#\nEOS",
    as: "both",
    needs: [USERNS, "bash"],
  },
  {
    script: "unshare --mount --uts --ipc --net=$PWD/netns1 --pid --fork sh; " +
      "echo $?; stat -f -c %T netns1; {nsenter} --net=netns1 ip -o addr",
    via: words("{unshare} -m --propagation private"),
    stdin: "echo $$; ip link set lo up\nexit 8\n",
    needs: ["ip"],
  },
  {
    script: "unshare --mount --uts --ipc --net --map-root-user --user --pid --fork " +
      "chroot {tmp}/root sh",
    as: "both",
    stdin: "id -u; pwd; ls /; echo $$\n",
    needs: [USERNS, "busybox", "chroot"],
  },
  {
    script: "exec env -i PATH=$PATH DENO_DIR=$DENO_DIR TERM=$TERM unshare --time --boottime $u " +
      `sh -c 'echo "$TERM" "$@"; cat /proc/self/timens_offsets' sh "$@"`,
    env: { TERM: "dumb", u: "86400" },
    needs: [TIME],
  },
  { script: "unshare --user --pid echo YES", as: "both", needs: [USERNS] },
  { script: "unshare -h | grep -qe --fork; echo $?", as: "both" },
  {
    script: 'set -- findmnt -no FSTYPE,PROPAGATION {tmp}/mnt; unshare -r -nmU bash -c "' +
      'mount -t tmpfs --make-rshared tmpfs {tmp}/mnt; $*"',
    as: "both",
    needs: [USERNS, "bash", "findmnt"],
  },
  {
    script: "unshare --map-auto --map-current-user --setuid 0 --setgid 0 " +
      "sh -c 'id -u; id -g; cat /proc/self/uid_map'",
    via: inEtc(...as(1000)),
    needs: [USERNS, "newuidmap", "newgidmap"],
  },
];

/** The comparison: in a directory that is first on PATH, the tool runs what is compared. */
function compared(tool: Tool, { script, via = [], env, needs, ...rest }: Line): Case {
  const shell = `bin=$(mktemp -d {tmp}/home/XXXXXX) && chmod 755 $bin &&
  printf '#!/bin/sh\\nexec %s "$@"\\n' "$*" > $bin/${tool} && chmod 755 $bin/${tool} || exit
  PATH=$bin:$PATH
  set -- one 'two words'
  ${script}`;
  const lines = script.split("\n");
  const line = lines.findLast((line) => line.includes(`${tool} `)) ?? script;
  return {
    name: `runs ${line.trim()}`,
    via: [...via, "bash", "-c", shell, "bash"],
    argv: [],
    env: { ...rest.target && { pid: "{target}" }, ...env },
    needs: ["bash", ...needs ?? []],
    ...rest,
  };
}

differential("nsenter", NSENTER.map((line) => compared("nsenter", line)), FIXTURES);
differential("unshare", UNSHARE.map((line) => compared("unshare", line)), FIXTURES);
