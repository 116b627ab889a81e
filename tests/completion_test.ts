/** Completions in the real shells: as their functions give them, and as they are typed. */
import { allHelp, type Help } from "../commands/help.ts";
import { assert, assertEquals, fromFileUrl } from "../scripts/std.ts";
import { find } from "./processes.ts";

const MAIN = fromFileUrl(new URL("../commands/main.ts", import.meta.url));
const TIMEOUT = 120_000;
const scratch = Deno.makeTempDirSync({ prefix: "denspace-completion-" });
Deno.test.afterAll(() => Deno.removeSync(scratch, { recursive: true }));

/** The commands that there are. */
const NAMES = [
  ...output([Deno.execPath(), "run", "--quiet", "--allow-ffi", MAIN, "help"])
    .matchAll(/^ ([a-z]+) {2,}/gm),
].map(([, name]) => name!);
const HELPS: Help[] = await allHelp(
  Object.fromEntries(NAMES.map((name) => [name, () => import(`../commands/${name}.ts`)])),
);

function output(command: string[], env: Record<string, string> = {}): string {
  const { code, stdout, stderr } = new Deno.Command(command[0]!, {
    args: command.slice(1),
    env,
    cwd: scratch,
    stdin: "null",
  }).outputSync();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  assertEquals([code, text(stderr)], [0, ""], command.join(" "));
  return text(stdout);
}

/** The file with the completions of a shell. */
function script(shell: string): string {
  const file = `${scratch}/${shell === "zsh" ? "_denspace" : `denspace.${shell}`}`;
  const deno = [Deno.execPath(), "run", "--quiet", "--allow-ffi", MAIN];
  Deno.writeTextFileSync(file, output([...deno, "completion", shell]));
  return file;
}

for (const name of ["adir", "adir/inner"]) Deno.mkdirSync(`${scratch}/${name}`);
Deno.writeTextFileSync(`${scratch}/afile`, "");

/** What a shell offers for a line. */
type Offers = (line: string) => string[];

/** Calls the function of bash as bash does: with the words of the line. */
function bash(): Offers {
  const file = script("bash");
  return (line) => {
    // bash takes a = for a word of its own.
    const words = line.split(/ +|(=)/).filter((word) => word !== undefined);
    const code = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _denspace
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const clean = words.filter((word, i) => word !== "" || i === words.length - 1);
    return output([find("bash")!, "-c", code, "bash", file, ...clean]).split("\n").filter(Boolean);
  };
}

function fish(): Offers {
  const file = script("fish");
  return (line) =>
    output([
      find("fish")!,
      "--no-config",
      "-c",
      `source ${file}; complete -C ${JSON.stringify(line)}`,
    ], {
      HOME: scratch,
    }).split("\n").filter(Boolean).map((offer) => offer.split("\t")[0]!)
      // An optional argument is offered as a second form; the part before a = is repeated.
      .filter((offer) => !offer.endsWith("=")).map((offer) =>
        offer.replace(/^--[a-z-]+=(?=.)/, "")
      );
}

for (const [shell, make] of [["bash", bash], ["fish", fish]] as const) {
  const missing = find(shell) === undefined;
  Deno.test({
    name: `${shell} completes commands, options, and what is behind them${
      missing ? ` (needs ${shell})` : ""
    }`,
    ignore: missing,
    fn: () => offers(make()),
  });
}

function offers(offered: Offers): void {
  const has = (line: string, ...words: string[]): void => {
    const found = offered(line);
    for (const word of words) {
      assert(found.includes(word), `${line}: ${word} of ${found.join(" ")}`);
    }
  };
  const isExactly = (line: string, ...words: string[]): void =>
    assertEquals(offered(line).sort(), words.sort(), line);

  has("denspace ", ...NAMES);
  isExactly("denspace unsh", "unshare");
  isExactly("denspace help exp", "explain");
  has("denspace help ", ...NAMES);
  for (const { name, options } of HELPS) {
    has(`denspace ${name} --`, ...options.map(({ name }) => `--${name}`));
  }
  isExactly("denspace unshare --mount-p", "--mount-proc");
  isExactly("denspace unshare -Ur --propagation s", "slave", "shared");
  isExactly("denspace unshare --propagation=sl", "slave");
  isExactly("denspace unshare --setgroups ", "allow", "deny");
  isExactly("denspace unshare --kill-child=TER", "TERM");
  isExactly("denspace lsns --graph ", "svg", "mermaid", "dot");
  isExactly("denspace lsns --tree=o", "owner");
  isExactly("denspace emit --arch ", "x86_64", "aarch64");
  isExactly("denspace completion ", "bash", "fish", "zsh");
  // Files, directories, users, processes
  has("denspace emit -o af", "afile");
  assert(offered("denspace unshare --root a").some((word) => /^adir\/?$/.test(word)));
  assert(!offered("denspace unshare --root a").includes("afile"));
  has("denspace unshare --uts=af", "afile");
  has("denspace unshare --map-user roo", "root");
  has("denspace nsenter --target ", `${Deno.pid}`);
  // Programs, and commands within commands
  has("denspace unshare -Urpf --mount-proc pri", "printf");
  has("denspace unshare -S 0 pri", "printf");
  isExactly("denspace explain n", "nsenter");
  isExactly("denspace explain unshare --mount-p", "--mount-proc");
  isExactly("denspace explain unshare --propagation un", "unchanged");
  isExactly("denspace emit -o x unshare --clear", "--clear-env");
  has("denspace explain unshare -Ur pri", "printf");
}

// Typed, in a terminal -------------------------------------------------------

const SHELLS: Record<string, (file: string) => string[]> = {
  bash: () => ["bash", "--noprofile", "--norc", "-i"],
  zsh: () => ["zsh", "-f", "-i"],
  fish: () => ["fish", "--no-config", "-i"],
};

for (const [shell, command] of Object.entries(SHELLS)) {
  const missing = [shell, "tmux"].find((name) => find(name) === undefined);
  Deno.test({
    name: `what is typed in ${shell} is completed${missing ? ` (needs ${missing})` : ""}`,
    ignore: missing !== undefined,
    fn: () => typed(shell, command),
  });
}

async function typed(shell: string, command: (file: string) => string[]): Promise<void> {
  const file = script(shell);
  const setup = shell === "zsh"
    ? `fpath=(${scratch} $fpath); autoload -Uz compinit; compinit -u -D`
    : `source ${file}`;
  await using terminal = await start(command(file));
  await terminal.type(`${setup}; echo re''ady`, "Enter");
  await terminal.shows(/^ready$/m);
  for (
    const [keys, line] of [
      ["denspace unsh", "denspace unshare "],
      ["denspace unshare --mount-p", "denspace unshare --mount-proc"],
      ["denspace unshare --propagation sl", "denspace unshare --propagation slave "],
      ["denspace unshare --propagation=sl", "denspace unshare --propagation=slave "],
      ["denspace unshare -Ur --root ad", "denspace unshare -Ur --root adir/"],
      ["denspace explain unshare --clear", "denspace explain unshare --clear-env"],
      ["denspace unshare -Ur mkfif", "denspace unshare -Ur mkfifo "],
    ] as const
  ) {
    await terminal.type(`clear`, "Enter");
    await terminal.shows(/^(?!.*ready)/s);
    await terminal.type(keys, "Tab");
    await terminal.shows(new RegExp(`${line.trimEnd().replaceAll(/[=]/g, "\\$&")}`));
    await terminal.type("", "C-c");
  }
}

interface Terminal extends AsyncDisposable {
  /** Types a text, and keys. */
  type(text: string, ...keys: string[]): Promise<void>;
  /** Waits until the screen looks so. */
  shows(pattern: RegExp): Promise<void>;
}

let terminals = 0;

// deno-lint-ignore require-await
async function start(command: string[]): Promise<Terminal> {
  const socket = `${scratch}/tmux${terminals++}`;
  const tmux = (...args: string[]): string =>
    output(["tmux", "-S", socket, "-f", "/dev/null", ...args]);
  const env = [
    "env",
    "-i",
    `HOME=${scratch}`,
    "TERM=screen",
    "PATH=/usr/bin:/bin",
    "LC_ALL=C.UTF-8",
  ];
  tmux("new-session", "-d", "-x", "120", "-y", "30", "-c", scratch, ...env, ...command);
  const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));
  return {
    type: async (text, ...keys) => {
      if (text !== "") tmux("send-keys", "-l", text);
      await pause();
      if (keys.length > 0) tmux("send-keys", ...keys);
    },
    shows: async (pattern) => {
      let screen = "";
      for (const end = Date.now() + TIMEOUT; Date.now() < end; await pause()) {
        screen = tmux("capture-pane", "-p");
        if (pattern.test(screen)) return;
      }
      throw new Error(`${pattern} is not on the screen:\n${screen}`);
    },
    [Symbol.asyncDispose]: async () => {
      tmux("kill-server");
      await pause();
    },
  };
}
