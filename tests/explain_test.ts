/**
 * `denspace explain`: what it says is compared with what strace(1) sees of the
 * executable, call by call, for each process.
 */
import type { PredictedCall, Prediction } from "../sandbox/explain.ts";
import { assert, assertEquals, fromFileUrl } from "../scripts/std.ts";
import { find } from "./processes.ts";
import { startTarget } from "./target.ts";

const PROJECT = fromFileUrl(new URL("..", import.meta.url));
const TIMEOUT = 60_000;
const PATH = "/usr/local/bin:/usr/bin:/bin";
const scratch = Deno.makeTempDirSync({ prefix: "denspace-explain-" });
Deno.chmodSync(scratch, 0o755);
Deno.test.afterAll(() => Deno.removeSync(scratch, { recursive: true }));

/** The command lines; `{}` is the directory, `{target}` a process in namespaces of its own. */
const ROOT = `
unshare true
unshare -f true
unshare -u hostname box
unshare -m --propagation shared true
unshare -m --propagation unchanged true
unshare -mf --propagation slave --mount-proc true
unshare -pf --mount-proc true
unshare -pf --mount-proc={}/proc true
unshare -Urpf --mount-proc true
unshare -Uc --keep-caps true
unshare -r --setgroups deny true
unshare -U --setgroups allow true
unshare -f --map-users 0:0:9 --map-groups 0:0:9 true
unshare --map-users all --map-root-user true
unshare -UrT --boottime 99 --monotonic 9 true
unshare -f --kill-child true
unshare --kill-child=TERM -S 1000 -G 1000 true
unshare --forward-signals sleep 0.3
unshare -S 1000 -G 1000 true
unshare -rf -S 0 -G 0 true
unshare -R {}/root -w /inside /true
unshare -r -S 7 true
unshare -R {}/none true
unshare -w {} ./script a b
unshare {}/missing
unshare nowhere-to-be-found
unshare {}/plain
unshare --clear-env true
unshare --whitelist-env=PATH,HOME true
unshare -u
unshare --owner 1000:1000 -r true
unshare -mf --uts={}/uts true
nsenter -t {target} -a true
nsenter -t {target} -U -m -u true
nsenter -t {target} -U --preserve-credentials -p -r -w true
nsenter -t {target} -u -n -S follow -G follow true
nsenter -t {target} -p --no-fork true
nsenter --uts=/proc/{target}/ns/uts --net=/proc/{target}/ns/net -W/ true
nsenter --user-parent -t {target} -u true
nsenter --net=/proc/{target}/ns/uts true
nsenter --uts={}/uts true
nsenter -t 4194304 -u true
nsenter --pid {target} true
`.trim().split("\n");

const USER = `
unshare -Urpf --mount-proc true
unshare -Urm --mount-proc true
unshare -c --keep-caps -un true
unshare -u true
unshare -r --setgroups deny -S 0 -G 0 true
unshare -S 7 true
unshare {}/secret/true
nsenter -t {target} -u true
`.trim().split("\n");

const environment = { PATH, HOME: "/nowhere", SHELL: "/bin/true" };

interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end. */
async function output(command: string[], options: Deno.CommandOptions = {}): Promise<Output> {
  const child = new Deno.Command(command[0]!, {
    args: command.slice(1),
    clearEnv: true,
    env: environment,
    cwd: scratch,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    ...options,
  }).spawn();
  const late = setTimeout(() => child.kill("SIGKILL"), TIMEOUT);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(late);
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Explains command lines, and makes an executable of each: run as whoever runs them. */
const DRIVER = `
import * as nsenter from "{project}/commands/nsenter.ts";
import * as unshare from "{project}/commands/unshare.ts";
import { decode } from "{project}/ffi/bytes.ts";
import { readFile } from "{project}/ffi/file.ts";
import { emit } from "{project}/ffi/plan/file.ts";
import { predict } from "{project}/sandbox/explain.ts";

const environment = decode(readFile("/proc/self/environ")).split("\\0").filter(Boolean);
const kept = environment.filter((entry) => !entry.startsWith("DENO_"));
const found = JSON.parse(Deno.args[0]).map(([line, box]) => {
  const argv = line.split(" ");
  let prediction;
  const run = (plan, argv) => {
    prediction = predict(plan, argv, kept);
    emit(plan, box);
  };
  (argv[0] === "unshare" ? unshare : nsenter).main(argv, { run });
  return prediction;
});
console.log(JSON.stringify(found));
`;

const missing = Deno.uid() !== 0
  ? "root"
  : ["strace", "setpriv", "unshare"].find((name) => find(name) === undefined) ??
    ((await output([find("unshare")!, "-Ur", "true"])).code === 0 ? undefined : "user namespaces");

/** Who runs the command lines. */
interface Account {
  name: string;
  lines: string[];
  via: string[];
}

const ACCOUNTS: Account[] = [
  { name: "root", lines: ROOT, via: [] },
  {
    name: "a user",
    lines: USER,
    via: ["/usr/bin/setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"],
  },
];

for (const account of ACCOUNTS) {
  Deno.test({
    name: `what is explained to ${account.name} is what strace sees${
      missing === undefined ? "" : ` (needs ${missing})`
    }`,
    ignore: missing !== undefined,
    fn: (t) => compare(t, account),
  });
}

async function compare(t: Deno.TestContext, { lines, via }: Account): Promise<void> {
  const directory = Deno.makeTempDirSync({ dir: scratch });
  prepare(directory);
  const [deno, project] = copies();
  Deno.writeTextFileSync(`${directory}/driver.ts`, DRIVER.replaceAll("{project}", project));
  await using target = await startTarget();
  const fill = (line: string): string =>
    line.replaceAll("{}", directory).replaceAll("{target}", `${target.pid}`);
  const jobs = lines.map((line, i) => [fill(line), `${directory}/boxes/${i}`] as const);
  const driver = [deno, "run", "-A", "--no-config", `${directory}/driver.ts`, JSON.stringify(jobs)];
  const { code, stdout, stderr } = await output([...via, ...driver], {
    env: { ...environment, DENO_DIR: `${directory}/boxes/cache` },
  });
  assertEquals(code, 0, stderr);
  const predictions = JSON.parse(stdout) as Prediction[];
  for (const [i, line] of lines.entries()) {
    await t.step(line, async () => {
      const [, box] = jobs[i]!;
      const prediction = predictions[i]!;
      const traced = await trace(box, prediction.command.slice(1), via);
      assertSame(prediction, traced);
      for (const { call, why } of [...prediction.calls, ...prediction.ifAllowed]) {
        assert(why, `why ${call}?`);
      }
    });
  }
}

function prepare(directory: string): void {
  Deno.chmodSync(directory, 0o755);
  for (const name of ["boxes", "root", "root/inside", "proc", "secret"]) {
    Deno.mkdirSync(`${directory}/${name}`);
    Deno.chmodSync(`${directory}/${name}`, name === "secret" ? 0o700 : 0o777);
  }
  Deno.writeTextFileSync(`${directory}/script`, "exit 0\n", { mode: 0o755 });
  Deno.writeTextFileSync(`${directory}/plain`, "", { mode: 0o644 });
  Deno.writeTextFileSync(`${directory}/uts`, "");
  for (const name of ["script", "plain"]) {
    Deno.chmodSync(`${directory}/${name}`, name === "script" ? 0o755 : 0o644);
  }
  // A static program that does nothing would be best; a script of no shell is as good.
  Deno.copyFileSync(find("busybox") ?? find("true")!, `${directory}/root/true`);
}

let copied: [deno: string, project: string] | undefined;

/** Deno and the sources where everybody can read them. */
function copies(): [deno: string, project: string] {
  if (!copied) {
    const directory = `${scratch}/src`;
    Deno.mkdirSync(directory);
    const parts = ["commands", "sandbox", "ffi"].map((part) => PROJECT + part);
    for (
      const args of [["-rL", ...parts, directory], ["-L", Deno.execPath(), `${directory}/deno`]]
    ) {
      const { success } = new Deno.Command("cp", { args }).outputSync();
      assert(success, args.join(" "));
    }
    copied = [`${directory}/deno`, directory];
  }
  return copied;
}

/** The calls that each process makes, by its id; the first one's is 0. */
type Traced = Map<number, string[]>;

let traces = 0;

async function trace(box: string, args: string[], via: string[]): Promise<Traced> {
  const logs = `${scratch}/trace${traces++}`;
  Deno.mkdirSync(logs);
  Deno.chmodSync(logs, 0o777);
  // No mount of the machine is changed.
  const away = ["/usr/bin/unshare", "-m", "--propagation", "private", ...via];
  const { stderr } = await output(
    [...away, find("strace")!, "-ff", "-s", "200", "-o", `${logs}/log`, box, ...args],
    { cwd: scratch },
  );
  const traced: Traced = new Map();
  for (const { name } of Deno.readDirSync(logs)) {
    const lines = Deno.readTextFileSync(`${logs}/${name}`).split("\n")
      .filter((line) => /^\w+\(/.test(line) && !line.includes("ERESTARTSYS"))
      // which strace finds no name for
      .map((line) => line.replaceAll(/ \/\* [A-Z_]+\?\?\? \*\//g, ""));
    const isFirst = lines[0]?.startsWith(`execve("${box}"`) ?? false;
    if (isFirst) lines.shift();
    const program = lines.findIndex((line) => /^execve\(.* = 0$/.test(line));
    const pid = Number(name.slice("log.".length));
    traced.set(isFirst ? 0 : pid, program < 0 ? lines : lines.slice(0, program + 1));
    if (isFirst) pids.set(traced, pid);
  }
  assert(traced.has(0), `nothing is traced: ${stderr}`);
  return traced;
}

/** The id of the first process of each trace. */
const pids = new WeakMap<Traced, number>();

/** That each process makes the calls that are explained, with the arguments, in the order. */
function assertSame({ calls, processes }: Prediction, traced: Traced): void {
  const first = processes[0]!.name;
  const ids = new Map([[first, pids.get(traced)!]]);
  const lines = new Map([[first, traced.get(0)!]]);
  const explained = (name: string): PredictedCall[] =>
    calls.filter(({ process }) => process === name);
  for (const [name, own] of lines) {
    // The processes that it makes, in order
    const made = own.filter((line) => line.startsWith("clone("))
      .map((line) => Number(line.slice(line.lastIndexOf(" "))));
    explained(name).filter(({ call }) => call === "clone").forEach(({ result }, i) => {
      const child = result.slice("<pid of ".length, -1);
      ids.set(child, made[i]!);
      lines.set(child, traced.get(made[i]!) ?? []);
    });
  }
  for (const [name, own] of lines) {
    const patterns = explained(name).map((call) => pattern(call, ids));
    const wrong = patterns.findIndex((expected, i) => !expected.test(own[i] ?? ""));
    if (wrong >= 0 || own.length !== patterns.length) {
      // A difference that can be read
      assertEquals(explained(name).map(written), own, `${name}: ${patterns[wrong]?.source}`);
      throw new Error(`${name}: ${own[wrong]} is not ${patterns[wrong]?.source}`);
    }
  }
  assertEquals(lines.size, traced.size);
}

function written({ call, arguments: list, result }: PredictedCall): string {
  return `${call}(${list.join(", ")})`.padEnd(39) + ` = ${result}`;
}

/** What a call looks like in a trace. */
function pattern(call: PredictedCall, ids: ReadonlyMap<string, number>): RegExp {
  const source = written(call)
    .replaceAll(/ +(?== [^=]*$)/g, " ")
    .replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")
    .replace(/ = ([^=]*)$/, " += $1")
    // bytes of a number, and what a signalfd tells
    .replace(/^(read|write)\\\((\d+), "<pid of [^"]*"/, '$1\\($2, ".*"')
    .replace(/^read\\\((\d+), "\\\\21[^"]*", 128/, 'read\\($1, ".*", 128')
    .replaceAll(/filter=0x[0-9a-f]+/g, "filter=0x[0-9a-f]+")
    .replaceAll(/<pid of ([a-z ]+)>/g, (_, name) => `${ids.get(name)}`)
    .replaceAll(/\\\[<status of [a-z ]+>\\\]/g, "\\[\\{.*\\}\\]")
    .replaceAll(/<status of [a-z ]+>/g, "\\d+")
    .replaceAll(/0x1[0-9a-f]{6}/g, "0x[0-9a-f]+")
    .replace(/\\\[(\/\\\* \d+ vars \\\*\/)\\\]/, "0x[0-9a-f]+ $1")
    .replaceAll("\\{\\.\\.\\.\\}", "\\{.*\\}");
  // What a number means stands behind it.
  return new RegExp(`^${source}( \\([A-Za-z ]+\\))?$`);
}

// The command ----------------------------------------------------------------

function denspace(args: string[], via: string[] = [], env = {}): Promise<Output> {
  const main = `${PROJECT}commands/main.ts`;
  return output([...via, Deno.execPath(), "run", "--quiet", "--allow-ffi", main, ...args], {
    env: { ...environment, DENO_DIR: `${scratch}/cache`, ...env },
  });
}

const LINE = ["explain", "unshare", "-f", "/bin/true"];
const TEXT = `
unshare  prctl(PR_SET_NAME, "unshare") = 0
           the name that ps shows — prctl(2)
unshare  geteuid() = ${Deno.uid()}
           the user that the map speaks of — getuid(2)
unshare  getegid() = ${Deno.gid()}
           the group that the map speaks of — getgid(2)
unshare  rt_sigaction(SIGCHLD, {sa_handler=SIG_DFL, sa_mask=[], sa_flags=0}, NULL, 8) = 0
           were SIGCHLD ignored, no status could be waited for — sigaction(2)
unshare  unshare(0) = 0
           move into new namespaces — unshare(2)
unshare  rt_sigprocmask(SIG_BLOCK, [INT TERM], [], 8) = 0
           the parent outlives what interrupts its child — sigprocmask(2)
unshare  clone(child_stack=NULL, flags=SIGCHLD) = <pid of child>
           only a child is in the new pid namespace — clone(2)
unshare  wait4(<pid of child>, [<status of child>], 0, NULL) = <pid of child>
           wait for the child — wait(2)
child    rt_sigprocmask(SIG_SETMASK, [], NULL, 8) = 0
           the child has the signal mask that the parent had — sigprocmask(2)
child    execve("/bin/true", ["/bin/true"], [/* 4 vars */]) = 0
           run the program — execve(2)
unshare  exit_group(<status of child>) = ?
           the child's status — exit_group(2)
`.slice(1);

Deno.test("explain says in a pipe what would be done, and does not do it", async () => {
  assertEquals(await denspace(LINE), { code: 0, stdout: TEXT, stderr: "" });
  const touch = ["explain", "unshare", "touch", `${scratch}/touched`];
  assertEquals((await denspace(touch)).code, 0);
  assertEquals([...Deno.readDirSync(scratch)].filter(({ name }) => name === "touched"), []);
});

const noTerminal = find("script") === undefined ? " (needs script)" : "";
Deno.test({
  name: `explain has colours on a terminal, unless NO_COLOR is set${noTerminal}`,
  ignore: noTerminal !== "",
  fn: async () => {
    // script(1) takes one command line
    const terminal = (env: Record<string, string>): Promise<Output> =>
      output([
        find("script")!,
        "-qec",
        `'${Deno.execPath()}' run -q --allow-ffi '${PROJECT}commands/main.ts' ${LINE.join(" ")}`,
        "/dev/null",
      ], {
        env: {
          ...environment,
          DENO_DIR: `${scratch}/cache`,
          SHELL: "/bin/sh",
          TERM: "xterm",
          ...env,
        },
      });
    const plain = (text: string): string =>
      // deno-lint-ignore no-control-regex
      text.replaceAll(/\x1b\[[0-9;]*m/g, "").replaceAll(/\r|\d+ vars/g, "");
    const expected = plain(TEXT);
    const coloured = await terminal({});
    assert(coloured.stdout.includes("\x1b[1munshare\x1b[0m(0)"), coloured.stdout);
    assertEquals(plain(coloured.stdout), expected);
    for (const env of [{ NO_COLOR: "1" }, { TERM: "dumb" }]) {
      const { stdout } = await terminal(env);
      assert(!stdout.includes("\x1b["), stdout);
      assertEquals(plain(stdout), expected);
    }
  },
});

Deno.test("explain --json has the documented shape", async () => {
  const { code, stdout, stderr } = await denspace([
    "explain",
    "--json",
    "unshare",
    "-r",
    "/bin/true",
  ]);
  assertEquals([code, stderr], [0, ""]);
  const prediction = JSON.parse(stdout) as Prediction;
  assertEquals(Object.keys(prediction), ["command", "user", "processes", "calls", "ifAllowed"]);
  assertEquals(prediction.command, ["unshare", "-r", "/bin/true"]);
  assertEquals(prediction.processes, [{ name: "unshare", parent: null }]);
  assertEquals(prediction.user.uid, Deno.uid());
  for (const call of prediction.calls) {
    assertEquals(Object.keys(call), [
      ...["process", "call", "arguments", "result", "errno", "why", "manual", "needs"],
    ]);
  }
  const write = prediction.calls.find(({ call }) => call === "write")!;
  assertEquals(write.arguments, ["3", `"0 ${Deno.uid()} 1"`, `${`0 ${Deno.uid()} 1`.length}`]);
  assertEquals(write.needs, [{
    text: "CAP_SYS_ADMIN in the new user namespace",
    capability: "CAP_SYS_ADMIN",
    namespace: "the new user namespace",
    has: true,
    errno: 1,
  }]);
});

Deno.test({
  name: `what the user lacks is named, and what would follow is told${
    missing === undefined ? "" : ` (needs ${missing})`
  }`,
  ignore: missing !== undefined,
  fn: async () => {
    // The process that looks has no capabilities, whoever it belongs to.
    const { stdout } = await denspace(["explain", "--json", "unshare", "-m", "/bin/true"], [
      find("setpriv")!,
      "--bounding-set=-sys_admin",
    ]);
    const { calls, ifAllowed } = JSON.parse(stdout) as Prediction;
    const refused = calls.find(({ call }) => call === "unshare")!;
    assertEquals([refused.errno, refused.result], ["EPERM", "-1 EPERM (Operation not permitted)"]);
    assertEquals(refused.needs.map(({ text, has }) => [text, has]), [
      ["CAP_SYS_ADMIN in this user namespace", false],
    ]);
    assertEquals(calls.slice(-2).map(({ call }) => call), ["writev", "exit_group"]);
    assertEquals(ifAllowed.map(({ call }) => call), ["mount", "execve"]);
  },
});

Deno.test("explain says what is wrong with the command line that it explains", async () => {
  for (
    const [args, message] of [
      [["explain"], "denspace explain: no command given\n"],
      [["explain", "link", "/tmp"], "denspace explain: 'link' is no command that runs a plan\n"],
      [["explain", "unshare", "--no"], "unshare: unrecognized option '--no'\n"],
      [["explain", "nsenter", "true"], "nsenter: no namespace specified\n"],
    ] as const
  ) {
    const { code, stdout, stderr } = await denspace([...args]);
    assertEquals([code, stdout, stderr.slice(0, message.length)], [1, "", message]);
  }
});

Deno.test("containers are explained, too, to their end", async () => {
  for (const options of [[], ["--init"], ["--tty"], ["--timeout", "9"]]) {
    const { code, stdout, stderr } = await denspace(["explain", "run", ...options, "/bin/true"]);
    assertEquals([code, stderr], [0, ""]);
    const lines = stdout.trimEnd().split("\n");
    assert(lines.some((line) => /execve\("\/bin\/true", .* = 0$/.test(line)), options.join(" "));
    assertEquals(lines.at(-2), "denspace run  exit_group(<status of program>) = ?");
  }
});
