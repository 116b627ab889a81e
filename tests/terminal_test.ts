/**
 * Shells and job control at a real terminal, which tmux(1) provides.
 *
 * Each test has a tmux server of its own, in it an interactive bash whose
 * prompt is `outer>`. A bash that the tools start reads `.bash_profile`, since
 * it is a login shell, and prompts with `inside>`.
 */
import { assertEquals, assertMatch, dirname, fromFileUrl, join } from "../scripts/std.ts";
import { comm, descendants, end, find, PATH, stat, type State, state, until } from "./processes.ts";

const PROJECT = dirname(dirname(fromFileUrl(import.meta.url)));
const DENO = Deno.execPath();

/** The tools as `deno task` runs them, from any directory. */
const TASK = `${DENO} task --quiet --config ${join(PROJECT, "deno.json")}`;
/** The tools without `deno task`, which does not let itself be stopped. */
const RUN = `${DENO} run --allow-ffi ${join(PROJECT, "commands/main.ts")}`;

const missing = ["tmux", "bash", "unshare", "nsenter", "sleep"]
  .find((command) => find(command) === undefined) ??
  (succeeds("unshare", "-Urpf", "--mount-proc", "true") ? undefined : "user namespaces");

/** Registers a test that runs at a terminal of its own. */
function terminalTest(
  name: string,
  fn: (terminal: Terminal) => Promise<void>,
  needs: string | undefined = missing,
): void {
  Deno.test({
    name: name + (needs ? ` (needs ${needs})` : ""),
    ignore: needs !== undefined,
    fn: () => atTerminal(fn),
  });
}

const TARGETS = [
  { options: "-Urpf --mount-proc", needs: missing },
  {
    options: "-m -u -i -n -p -f --mount-proc",
    needs: missing ?? (Deno.uid() === 0 ? undefined : "root"),
  },
];

for (const { options, needs } of TARGETS) {
  terminalTest(`nsenter --pid: a shell beside a process of unshare ${options}`, async (t) => {
    const target = await t.target(options);
    await t.type(`${TASK} nsenter --pid ${target}`);
    await t.promptOf("inside");
    for (const type of ["uts", "mnt", "pid", "net", "user"]) {
      const namespace = Deno.readLinkSync(`/proc/${target}/ns/${type}`);
      assertEquals(await t.answer(`readlink /proc/self/ns/${type}`), namespace);
    }
    await useShell(t);
  }, needs);
}

terminalTest("unshare: a shell in namespaces of its own", async (t) => {
  await t.type(`${TASK} unshare -Urpf --mount-proc`);
  await t.promptOf("inside");
  assertEquals(await t.answer("echo $0 $$ $UID"), "-bash 1 0");
  for (const type of ["mnt", "pid", "user"]) {
    const answer = await t.answer(`readlink /proc/self/ns/${type}`);
    assertMatch(answer, new RegExp(`^${type}:\\[\\d+\\]$`));
    assertEquals(answer === Deno.readLinkSync(`/proc/self/ns/${type}`), false);
  }
  await useShell(t);
});

/** What a person does in a shell, and leaves it with status 7. */
async function useShell(t: Terminal): Promise<void> {
  assertEquals(await t.answer("echo $((6*7))"), "42");

  await t.type("sleep 1000");
  const interrupted = await t.foreground("sleep");
  await t.press("C-c");
  await t.promptOf("inside");
  assertEquals(await t.answer("echo $?"), "130");
  assertEquals(state(interrupted), "gone");

  assertMatch(await t.answer("sleep 100 &"), /^\[1\] \d+$/);
  assertMatch(await t.answer("jobs"), /^\[1\]\+ +Running +sleep 100 &$/);
  await t.type("fg");
  const job = await t.foreground("sleep");
  await t.press("C-z");
  assertMatch(await t.promptOf("inside"), /\n\[1\]\+ +Stopped +sleep 100$/);
  assertEquals(state(job), "stopped");
  assertEquals(await t.answer("bg"), "[1]+ sleep 100 &");
  await until("the job runs again", () => state(job) === "sleeping");
  await t.answer("kill %1; wait");
  assertEquals(state(job), "gone");

  await t.type("exit 7");
  await t.promptOf("outer");
  assertEquals(await t.answer("echo $?"), "7");
}

terminalTest("unshare -f: Ctrl-Z, fg and Ctrl-C act as on the real tool", async (t) => {
  const real = await stopAndResume(t, "unshare -f sleep 1000", "unshare");
  const ours = await stopAndResume(t, `${RUN} unshare -f sleep 1000`, "unshare");
  assertEquals(ours, real);
});

terminalTest("nsenter -p: Ctrl-Z, fg and Ctrl-C act as on the real tool", async (t) => {
  const target = await t.target("-Urpf --mount-proc");
  const command = `nsenter -t ${target} -p -U --preserve-credentials sleep 1000`;
  const real = await stopAndResume(t, command, "nsenter");
  const ours = await stopAndResume(t, `${RUN} ${command}`, "nsenter");
  assertEquals(ours, real);
});

/** Stops a command that waits for `sleep`, resumes and ends it; what bash says of it. */
async function stopAndResume(t: Terminal, command: string, tool: string): Promise<string[]> {
  const said: string[] = [];
  const say = (text: string) => said.push(text.replace(command, "COMMAND").replace(/ +/g, " "));

  await t.type(command);
  const [program, waiter] = [await t.foreground("sleep"), await t.foreground(tool)];
  const both = (what: State) => () => state(program) === what && state(waiter) === what;
  await t.press("C-z");
  say(await t.promptOf("outer"));
  await until("both are stopped", both("stopped"));
  assertMatch(said.at(-1)!, /\[1\]\+ Stopped COMMAND$/);
  say(await t.answer("jobs"));
  assertMatch(said.at(-1)!, /^\[1\]\+ Stopped COMMAND$/);

  // The waiter of nsenter stops with its child. If it wakes before its child
  // does, which is chance, it takes it for stopped and stops once more.
  let resumed: "both" | "none";
  do {
    await t.type("fg");
    resumed = await until(
      "both run, or are stopped",
      async () => both("sleeping")() ? "both" : await t.hasPrompt() && "none",
    );
  } while (resumed === "none");
  await t.press("C-c");
  say(await t.promptOf("outer"));
  await until("both have ended", both("gone"));
  say(await t.answer("echo $?"));
  assertEquals(said.at(-1), "130");
  assertEquals(await t.answer("jobs"), "");
  return said;
}

terminalTest("deno task runs the tools in the caller's directory", async (t) => {
  for (const directory of [t.scratch, "/", join(PROJECT, "commands")]) {
    assertEquals(await t.answer(`cd ${directory}; ${TASK} unshare pwd`), directory);
  }
  const target = await t.target("-Ur");
  const command = `${TASK} nsenter -t ${target} -U --preserve-credentials pwd`;
  assertEquals(await t.answer(`cd ${t.scratch}; ${command}`), t.scratch);
});

terminalTest("deno task finds the project from a directory in it", async (t) => {
  const directory = join(PROJECT, "commands");
  assertEquals(await t.answer(`cd ${directory}; ${DENO} task -q unshare pwd`), directory);
});

terminalTest("deno task runs in the directory of a shell that deno task started", async (t) => {
  await t.answer(`cd ${t.scratch}`);
  await t.type(`${TASK} unshare -Urpf --mount-proc`);
  await t.promptOf("inside");
  assertEquals(await t.answer("pwd; echo ${INIT_CWD-unset}"), `${t.scratch}\nunset`);
  for (const directory of [join(t.scratch, "home"), "/"]) {
    assertEquals(await t.answer(`cd ${directory}; ${TASK} unshare -u pwd`), directory);
  }
  await t.type("exit");
  await t.promptOf("outer");
});

// The terminal -------------------------------------------------------------

type Prompt = "outer" | "inside";

/** A terminal in which a bash runs. */
interface Terminal extends Screen {
  /** A directory of the test's own. */
  scratch: string;
  /** Starts a `sleep` in new namespaces that lives as long as the test; its pid. */
  target(options: string): Promise<number>;
}

/** What is typed at a terminal and what it shows. */
interface Screen {
  /** Types a line and Enter, once there is a prompt. */
  type(line: string): Promise<void>;
  /** Presses a key, as tmux calls it. */
  press(key: string): Promise<void>;
  /** Whether a shell has prompted since a line was typed. */
  hasPrompt(): Promise<boolean>;
  /** Waits until this shell has prompted; what is shown between the last two prompts. */
  promptOf(shell: Prompt): Promise<string>;
  /** What a command shows before the same shell prompts again. */
  answer(line: string): Promise<string>;
  /** The process of this name in the terminal's foreground process group. */
  foreground(name: string): Promise<number>;
}

async function atTerminal(fn: (terminal: Terminal) => Promise<void>): Promise<void> {
  const scratch = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "denspace-" }));
  const home = join(scratch, "home");
  Deno.mkdirSync(home);
  Deno.writeTextFileSync(join(home, ".bash_profile"), "PS1='inside> '\nunset PROMPT_COMMAND\n");
  const denoDir = await cacheDirectory();
  const tmux = async (...args: string[]): Promise<string> => {
    const { success, stdout, stderr } = await new Deno.Command("tmux", {
      args: ["-S", join(scratch, "sock"), "-f", "/dev/null", ...args],
      clearEnv: true,
      env: {
        PATH,
        HOME: home,
        DENO_DIR: denoDir,
        LC_ALL: "C.UTF-8",
        TERM: "xterm",
        SHELL: find("bash")!,
        PS1: "outer> ",
      },
      cwd: scratch,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    if (!success) throw new Error(`tmux ${args.join(" ")}: ${decode(stderr)}`);
    return decode(stdout);
  };

  const size = ["-x", "500", "-y", "100"];
  const shell = ["bash", "--noprofile", "--norc", "-i"];
  await tmux("new-session", "-d", ...size, "--", ...shell);
  const pane = Number(await tmux("display-message", "-p", "#{pane_pid}"));
  const targets: Deno.ChildProcess[] = [];
  try {
    await fn({
      ...terminal(tmux, pane),
      scratch,
      target: (options) => startTarget(options, targets),
    });
  } catch (error) {
    const screen = await tmux("capture-pane", "-p", "-J", "-S", "-").catch(() => "");
    throw new Error(`${error}\n--- the screen\n${screen.trimEnd()}\n---`, { cause: error });
  } finally {
    const roots = [pane, ...targets.map(({ pid }) => pid)];
    const processes = roots.flatMap((pid) => [...descendants(pid), pid]);
    await tmux("kill-server").catch(() => {});
    await end(processes);
    for (const { status } of targets) await status;
    Deno.removeSync(scratch, { recursive: true });
  }
}

function terminal(
  tmux: (...args: string[]) => Promise<string>,
  pane: number,
): Screen {
  /** How many prompts there were when the last line was typed, and the last of them. */
  let [before, shell] = [0, "outer" as Prompt];
  const screen = async (): Promise<string[]> => {
    const text = await tmux("capture-pane", "-p", "-J", "-S", "-");
    return text.trimEnd().split("\n").map((line) => line.trimEnd());
  };
  const prompts = (lines: string[]) =>
    lines.flatMap((line, i) => /^(outer|inside)>( |$)/.test(line) ? [i] : []);
  const prompting = (lines: string[]) =>
    lines.at(-1)!.match(/^(outer|inside)>$/)?.[1] as Prompt | undefined;

  const t: Screen = {
    async type(line): Promise<void> {
      await until(`a prompt for ${line}`, async () => {
        const lines = await screen();
        const prompt = prompting(lines);
        if (prompt) [before, shell] = [prompts(lines).length, prompt];
        return prompt;
      });
      await tmux("send-keys", "-l", "--", line);
      await t.press("Enter");
    },
    async press(key): Promise<void> {
      await tmux("send-keys", key);
    },
    async hasPrompt(): Promise<boolean> {
      const lines = await screen();
      return prompting(lines) !== undefined && prompts(lines).length > before;
    },
    async promptOf(expected): Promise<string> {
      await until(`the prompt of the ${expected} shell`, t.hasPrompt);
      const lines = await screen();
      assertEquals(prompting(lines), expected);
      return lines.slice(prompts(lines).at(-2)! + 1, -1).join("\n");
    },
    async answer(line): Promise<string> {
      await t.type(line);
      return await t.promptOf(shell);
    },
    foreground: (name) =>
      until(
        `${name} in the foreground`,
        () => descendants(pane).find((pid) => comm(pid) === name && isForeground(pid)),
      ),
  };
  return t;
}

/** The cache of this Deno, in which the tests' own dependencies are. */
async function cacheDirectory(): Promise<string> {
  const { stdout } = await new Deno.Command(DENO, { args: ["info", "--json"] }).output();
  return JSON.parse(decode(stdout)).denoDir;
}

// Processes ----------------------------------------------------------------

/** Starts a `sleep` in new namespaces. */
async function startTarget(options: string, started: Deno.ChildProcess[]): Promise<number> {
  const child = new Deno.Command(find("unshare")!, {
    args: [...options.split(" "), find("sleep")!, "1000"],
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  started.push(child);
  return await until(
    `the sleep of unshare ${options}`,
    () => [child.pid, ...descendants(child.pid)].find((pid) => comm(pid) === "sleep"),
  );
}

/** Whether its process group is the one that the terminal's keys reach. */
function isForeground(pid: number): boolean {
  const [, , group, , , foreground] = stat(pid) ?? [];
  return group !== undefined && group === foreground;
}

// Files --------------------------------------------------------------------

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function succeeds(command: string, ...args: string[]): boolean {
  return new Deno.Command(command, { args, env: { PATH }, stdout: "null", stderr: "null" })
    .outputSync().success;
}
