/**
 * lsns(8) of util-linux and ours look at the same world. Everything is compared byte by
 * byte but for what we tell besides: ids of network namespaces without processes.
 */
import {
  type Account,
  type Case,
  differential,
  missing,
  type Outcome,
  outcomes,
  USERNS,
  words,
} from "./differential.ts";
import { startWorld, type World } from "./lsns_world.ts";
import { assertEquals, assertMatch } from "../scripts/std.ts";
import { as } from "./users.ts";

const DIRECTORY = Deno.makeTempDirSync({ prefix: "denspace-lsns-" });
Deno.chmodSync(DIRECTORY, 0o755);
const NEEDS = [USERNS, "lsns", "ip", "setpriv", "pgrep", "script", "bash"];
const UTF8 = { LC_ALL: "C.UTF-8" };

let world: World | undefined;
Deno.test.beforeAll(async () => {
  if (missing({ name: "", argv: [], needs: NEEDS }, "root")) return;
  world = await startWorld(DIRECTORY);
  Deno.writeTextFileSync(`${DIRECTORY}/pid`, `${world.pid}`);
});
Deno.test.afterAll(async () => {
  if (world) await world.end();
  else Deno.removeSync(DIRECTORY, { recursive: true });
});

/** Runs what follows it in the world; `{user}`, `{net}` ... in it are namespaces there. */
function inWorld(account: Account = "root"): string[] {
  const script = `world=$(cat ${DIRECTORY}/pid)
    exec nsenter -t $world -p -m -n -- "$@"`;
  return ["bash", "-c", script, "bash", ...(account === "user" ? as(1000) : [])];
}

/** Puts the inode of a namespace of the process `sleep N` where an argument is {kind of N}. */
const WITH_INODES = [
  "bash",
  "-c",
  `args=()
  for arg in "$@"; do
    if [[ $arg =~ ^(.*)@([a-z]+):([0-9]+)$ ]]; then
      pid=$(pgrep -xf ".*sleep \${BASH_REMATCH[3]}" | tail -1)
      inode=$(readlink /proc/$pid/ns/\${BASH_REMATCH[2]})
      arg="\${BASH_REMATCH[1]}\${inode//[^0-9]/}"
    fi
    args+=("$arg")
  done
  exec "\${args[@]}"`,
  "bash",
];

type Options = Pick<Case, "env"> & { as?: Account; name?: string };

/** A case in which both look at the world. */
function look(argv: string[], options: Options = {}): Case {
  const { as: account = "root", env = UTF8 } = options;
  const shown = argv.map((word) => /^[\w+,=:@-]+$/.test(word) ? word : `'${word}'`).join(" ");
  const notes = [account === "user" ? "as user 1000" : "", env === UTF8 ? "" : "in ASCII"];
  return {
    name: [`lsns ${shown}`, ...notes].join(" ").trim(),
    argv,
    via: [...inWorld(account), ...WITH_INODES],
    env,
    needs: NEEDS,
  };
}

/** What is shown of a network namespace without processes is our own. */
const WITHOUT_IDS = 'NETNSID == "" || NPROCS > 0';

const LOOKS: string[][] = [
  [],
  ...[
    "-l",
    "--list --noheadings",
    "-n",
    "-u",
    "--notruncate",
    "-W",
    "-T",
    "--tree",
    "-Tparent",
    "--tree=parent",
    "-Towner",
    "-Tprocess",
    "-T=parent",
    "-l -T",
    "-J",
    "--json -T",
    "-J -Tparent",
    "-J -l",
    "-r",
    "--raw -T",
    "-r -n -l",
    "-t net -o NS,TYPE,NSFS,PID,COMMAND",
    "-t net -o NSFS,NS",
    "-t net -o NS,NSFS -W",
    "-t net -o NS,NSFS -r",
    "-t net -o NS,NSFS -J -W",
    "-o NSFS,NS -T",
    "-t user",
    "-t user --type pid",
    "-t user -T",
    "-t pid -Tparent",
    "-t mnt -t uts -T",
    "-t time -t cgroup -t ipc",
    "-o +PATH",
    "-o +PPID,UID,PNS,ONS",
    "--output ns,Type,path",
    "-o NS,NS,COMMAND,COMMAND",
    "-o COMMAND",
    "-o USER,UID -n",
    "-o PNS,ONS,PPID -l",
    "-P",
    "--persistent -T",
    "-P -J -o NS,NSFS -W",
    "-p 1",
    "-p 1 -T",
    "--task 1 -o NS",
    "-p 999999",
    "-p -5",
    "-p 0",
    "@user:302",
    "@user:306",
    "@net:303 --output-all",
    "@net:306 -J",
    "@net:306 -r",
    "@net:306 -T",
    "@net:306 -o +NS,TYPE",
    "@uts:307",
    "@pid:304 -t pid",
    "@pid:304 -t net",
    "-l @mnt:304 -o NPROCS,PATH",
    "0",
  ].map(words),
];

/** A look at the world at a terminal of so many columns. */
function atTerminal(columns: number, argv: string[]): Case {
  const script =
    `exec script -qec "stty cols ${columns} rows 40; exec $(printf "%q " "$@") 2>/dev/null" /dev/null`;
  const { via, ...rest } = look(argv);
  return {
    ...rest,
    name: `${rest.name} on ${columns} columns`,
    via: [...via!.slice(0, -WITH_INODES.length), "bash", "-c", script, "bash"],
  };
}

const TERMINALS = [20, 40, 57, 64, 80, 103, 132, 200].flatMap((columns) => [
  atTerminal(columns, []),
  atTerminal(columns, ["-o", "COMMAND,PID,COMMAND"]),
]).concat([
  atTerminal(60, ["-u"]),
  atTerminal(50, ["-T"]),
  atTerminal(60, ["-o", "PID,COMMAND,USER"]),
  atTerminal(60, ["-Q", "PPID > 0"]),
  atTerminal(60, ["-Q", "PATH", "-l"]),
  atTerminal(30, ["-n", "-o", "COMMAND"]),
]);

const FILTERS = [
  'TYPE == "net"',
  "TYPE == 'net' && NPROCS == 1",
  "NS == @net:303",
  "NPROCS > 1 or PID < 5",
  'COMMAND =~ "^sleep"',
  'COMMAND !~ "^sleep"',
  'COMMAND =~ "[[:digit:]]{3}$" && USER != "root"',
  'UID == "0"',
  "PID > 0.5",
  "PID >= 20.0 AND PID LE 25",
  "PID",
  "NSFS",
  "!PID",
  "not PID",
  "TYPE == true",
  "true",
  "FALSE || 1",
  'TYPE =~ "^u" || PID == 1 && TYPE == "net"',
  '!TYPE == "net"',
  '(TYPE=="net") == true',
  'TYPE < "n"',
  'TYPE le "mnt"',
  "PPID == 0 AND NOT (TYPE EQ 'mnt')",
  "PID == 0.0",
  'PID == "0"',
  "1K",
  "0",
  "1KiB > 1023 && 010K == 8192",
  "NS GT 4G",
  "",
  'PNS != 0 && ONS == "@user:300"',
  'USER == "  root "',
];

const MISTAKES: string[][] = [
  ...[
    "-o foo",
    "-t foo",
    "-Tfoo",
    "--tree=",
    "-J -r",
    "--raw --json",
    "-P -p 1",
    "-p x",
    "-p 5x",
    "-p 99999999999",
    "-p 99999999999x",
    "-p -3000000000",
    "x",
    "1x",
    "-- -1",
    "99999999999999999999999",
    "12",
    "4026531837 x -t net",
    "-p 1 12",
    "--t",
    "--no",
    "--o",
    "-X",
    "--foo",
    "--json=1",
    "-p",
    "--output",
    "-H",
    "-r -H",
    "-J -H",
  ].map(words),
  ["-p", ""],
  [""],
  ["-Q", "(("],
  ["-Q", "(NS 1"],
  ["-Q", "NS=="],
  ["-Q", "== 1"],
  ["-Q", "NS == 4026531837 1"],
  ["-Q", "1 NS"],
  ["-Q", ")"],
  ["-Q", " "],
  ["-Q", "and"],
  ["-Q", 'NS =~ "("'],
  ["-Q", 'TYPE =~ "[z-a]"'],
  ["-Q", "foo == 1 && bar"],
  ["-Q", "99999999999999999Y"],
  ["-Q", "USER == 1"],
];

differential("lsns", [
  ...LOOKS.map((argv) => look(argv)),
  ...FILTERS.map((filter) => look(["-l", "-Q", filter])),
  look(["-Q", "NPROCS == 1"]),
  look(["-Q", "NPROCS == 1", "-T", "-J"]),
  look(["-Q", "TYPE != 'user'", "-T"]),
  look(["--output-all", "-Q", WITHOUT_IDS]),
  look(["--output-all", "-J", "-W", "-Q", WITHOUT_IDS]),
  look(["--output-all", "-r", "-Q", WITHOUT_IDS]),
  look(["-t", "net", "-Q", WITHOUT_IDS]),
  look(["--output-all", "-T", "-t", "uts", "-t", "user"]),
  ...TERMINALS,
  {
    ...look([]),
    name: "a reader that has gone away",
    via: ["bash", "-c", '{ sleep 0.1; "$@"; echo $? >&2; } | true', "bash", ...look([]).via!],
  },
  ...MISTAKES.map((argv) => look(argv)),
  ...[[], ["-T"], ["-J"], ["-r"], ["@uts:307"]].map((argv) => look(argv, { env: { LC_ALL: "C" } })),
  ...[[], ["-T"], ["-Tparent"], ["-J"], ["-P"], ["@user:302"], ["@user:306"]]
    .map((argv) => look(argv, { as: "user" })),
]);

// What it tells besides -----------------------------------------------------------

/** What our lsns does. */
async function ours(...argv: string[]): Promise<Outcome> {
  const [outcome] = await outcomes("lsns", [look(argv)], []);
  return outcome!;
}

function test(name: string, fn: () => Promise<void>): void {
  const reason = missing({ name, argv: [], needs: NEEDS }, "root");
  Deno.test({
    name: `lsns: ${name}${reason ? ` (needs ${reason})` : ""}`,
    ignore: reason !== undefined,
    fn,
  });
}

const COLUMNS = ["-n", "-l", "-r", "-o"];

test("a namespace that only a descriptor holds", async () => {
  const { stdout } = await ours(...COLUMNS, "TYPE,NPROCS,USER", "-t", "uts", "-P");
  assertEquals(stdout, "uts 0 root\n");
});

test("a namespace that only a socket holds, with what the network calls it", async () => {
  const { stdout } = await ours(
    ...COLUMNS,
    "TYPE,NPROCS,PID,COMMAND,USER,NETNSID",
    ...["-P", "-Q", "!NSFS && TYPE == 'net'"],
  );
  assertEquals(stdout, "net 0   root unassigned\n");
});

test("ids of network namespaces, with and without processes", async () => {
  const { stdout } = await ours("-t", "net", ...COLUMNS, "NETNSID,NPROCS,NSFS");
  assertMatch(stdout, /^7 1 \/run\/netns\/blue$/m);
  assertMatch(stdout, /^8 0 \/run\/netns\/red$/m);
});

test("a filter knows ids of network namespaces that are not shown", async () => {
  const { stdout } = await ours(...COLUMNS, "NSFS", "-Q", 'NETNSID == "8"');
  assertEquals(stdout, "/run/netns/red\n");
});

test("all mounts of a namespace, as JSON, too", async () => {
  const mounts = ["/run/mounts/one", "/run/mounts/two", "/run/mounts/three and"];
  const filter = ["-l", "-Q", "NSFS =~ 'mounts/one'", "-o", "NSFS"];
  assertEquals((await ours(...filter)).stdout, ["NSFS", ...mounts, ""].join("\n"));
  assertEquals((await ours(...filter, "-n", "-W")).stdout, `${mounts.join(",")}\n`);
  assertEquals(JSON.parse((await ours(...filter, "-J")).stdout), {
    namespaces: [{ nsfs: mounts.join(",") }],
  });
});

test("the parent and the owner of a namespace", async () => {
  const { stdout } = await ours("-J", "-o", "NS,TYPE,PNS,ONS,COMMAND", "-l");
  type Row = Record<"ns" | "pns" | "ons", number> & Record<"type" | "command", string>;
  const { namespaces } = JSON.parse(stdout) as { namespaces: Row[] };
  const pid = namespaces.find(({ type, command }) => type === "pid" && command === "sleep 304")!;
  const [user, above] = [pid.ons, pid.pns].map((inode) =>
    namespaces.find(({ ns }) => ns === inode)
  );
  assertEquals([user?.type, user?.command], ["user", "unshare -Urpf --mount-proc sleep 304"]);
  assertEquals([above?.type, above?.pns], ["pid", 0]);
});

test("a filter for the processes of a namespace", async () => {
  const { stdout, stderr } = await ours("@net:306", "-n", "-o", "COMMAND", "-Q", "PPID == 1");
  assertEquals([stderr, stdout], ["", "sleep 306\n"]);
});

for (const filter of ["NS == @", "1 =~ 2", "NS =~ 5", "PATH =~ NS", 'NS == "a', "1 = 1"]) {
  test(`${filter} is no filter`, async () => {
    const { status, stdout, stderr } = await ours("-Q", filter);
    assertEquals([status, stdout], ["exit 1", ""]);
    assertMatch(stderr, /^lsns: failed to parse ".*": (syntax error|a regular expression)/);
  });
}

for (const list of ["", "NS,,PID", ",NS", "NS,", "+"]) {
  test(`'${list}' is no list of columns`, async () => {
    const { status, stderr } = await ours("-o", list);
    assertEquals([status, stderr], ["exit 1", `lsns: invalid list of columns: '${list}'\n`]);
  });
}

test("a column that does not exist among others", async () => {
  const { status, stderr } = await ours("-o", "NS,foo,bar");
  assertEquals([status, stderr], ["exit 1", "lsns: unknown column: foo\n"]);
});

test("a kernel that does not know the requests", async () => {
  const unknown = words("strace -qq -e trace=ioctl -e inject=ioctl:error=ENOTTY -o /dev/null");
  const { via, ...rest } = look([]);
  const [outcome] = await outcomes("lsns", [{ ...rest, via: [...via!, ...unknown] }], []);
  assertEquals([outcome!.status, outcome!.stdout], ["exit 2", ""]);
  assertMatch(outcome!.stderr, /^lsns: this kernel does not tell what a namespace is: /);
});
