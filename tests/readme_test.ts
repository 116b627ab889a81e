/**
 * The README's commands, as whoever reads it types them: each block in a shell of
 * its own, as an ordinary user who is given nothing but a directory and `denspace`.
 *
 * Numbers and the width of columns differ from one machine to the next, so
 * they are not compared; neither is what stands for a `...` line.
 *
 * @module
 */
import { assertMatch, dirname, fromFileUrl } from "../scripts/std.ts";

const PROJECT = dirname(dirname(fromFileUrl(import.meta.url)));
const ID = 1000;

/** A command with what it prints. */
interface Typed {
  command: string;
  output: string;
}

/** A block of commands, under the headline where it stands. */
interface Block {
  headline: string;
  line: number;
  commands: Typed[];
}

/** The blocks of a text in a language: in `console` a command starts with `$ `, in `sh` each line is one. */
function blocks(text: string, language: "console" | "sh"): Block[] {
  const prompt = language === "console" ? "$ " : "";
  const found: Block[] = [];
  let [headline, open]: [string, Block | undefined] = ["", undefined];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.startsWith("#") && !open) headline = line.replace(/^#+ /, "");
    else if (line === "```" + language) found.push(open = { headline, line: i + 1, commands: [] });
    else if (line === "```") open = undefined;
    else if (open && line.startsWith(prompt)) {
      open.commands.push({ command: line.slice(prompt.length), output: "" });
    } else if (open) open.commands.at(-1)!.output += line + "\n";
  }
  return found;
}

/** What an output has to look like. */
function pattern(output: string): RegExp {
  const lines = output.trimEnd().split("\n").map((line) => {
    if (line === "...") return "[^]*";
    return line.trim().replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")
      .replaceAll(/0x[0-9a-f]+|\d+/g, "[0-9a-fx]+").replaceAll(/\s+/g, "\\s+");
  });
  return new RegExp(`^\\s*${lines.join("\\s+")}\\s*$`);
}

const MARK = "----8<----";

/**
 * Runs the commands of a block in one shell; what each prints. Who types waits for
 * a second; a busy machine needs longer, so that is so many seconds here.
 */
async function type({ commands }: Block, second: number): Promise<string[]> {
  const home = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${home}/bin`);
    const denspace = `#!/bin/sh\nexec '${Deno.execPath()}' run --allow-ffi --no-config ` +
      `'${PROJECT}/commands/main.ts' "$@"\n`;
    await Deno.writeTextFile(`${home}/bin/denspace`, denspace, { mode: 0o755 });
    const root = Deno.uid() === 0;
    if (root) await Deno.chown(home, ID, ID);
    const script = [
      `export HOME=${home} PATH=${home}/bin:$PATH DENO_DIR=${home}/.cache SHELL=/bin/sh`,
      "cd",
      `sleep() { command sleep $(($1 == 1 ? ${second} : $1)); }`,
      ...commands.map(({ command }) => `${command}\nprintf '%s\\n' '${MARK}'`),
    ].join("\n");
    const { stdout, stderr } = await new Deno.Command("bash", {
      args: ["-c", `exec 2>&1\n${script}`],
      env: { NO_COLOR: "1", LC_ALL: "C.UTF-8" },
      stdin: "null",
      ...(root && { uid: ID, gid: ID }),
    }).output();
    const text = new TextDecoder().decode(new Uint8Array([...stdout, ...stderr]));
    return text.split(`${MARK}\n`);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

/** What the commands take for granted, and this machine lacks. */
const missing = ["busybox", "hostname", "ip", "ipcmk", "ps"].filter((name) =>
  !new Deno.Command("sh", { args: ["-c", `command -v ${name}`], stdout: "null" }).outputSync()
    .success
);

/** Commands that can't be typed here: they need the npm registry. */
const NOT_TYPED = /^(npx|docker|sudo) /;

const readme = await Deno.readTextFile(`${PROJECT}/README.md`);
for (const block of blocks(readme, "console")) {
  const commands = block.commands.filter(({ command }) => !NOT_TYPED.test(command));
  if (commands.length === 0) continue;
  const needs = missing.length > 0 ? ` (needs ${missing.join(", ")})` : "";
  Deno.test({
    name: `README, line ${block.line}, ${block.headline}: the commands print what it says${needs}`,
    ignore: missing.length > 0,
    async fn(): Promise<void> {
      const check = async (second: number): Promise<void> => {
        const printed = await type({ ...block, commands }, second);
        for (const [i, { command, output }] of commands.entries()) {
          assertMatch(printed[i] ?? "", pattern(output), `$ ${command}`);
        }
      };
      const waits = commands.some(({ command }) => /\bsleep 1\b/.test(command));
      if (waits) await check(1).catch(() => check(30));
      else await check(1);
    },
  });
}

/** What is there for whoever types these; of containers only their configuration is asked for. */
const SURROUNDINGS = [
  "mkdir -p alpine src zsh .local/share/bash-completion/completions .config/fish/completions",
  "fpath=('' zsh)",
  `deno() { (cd '${PROJECT}' && '${Deno.execPath()}' "$@"); }`,
  // A machine that has been told to pass packets on.
  `router() { unshare -Urn sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward && "$@"' sh "$@"; }`,
];

for (const { headline, line, commands } of blocks(readme, "sh")) {
  Deno.test(`README, line ${line}, ${headline}: the commands are right`, async () => {
    const typed = [
      ...SURROUNDINGS,
      ...commands.map(({ command }) =>
        command.replace(/^denspace run /, "$&--print-config >config ")
          .replace(/.* --nat /, "router $&")
          .replace(/ --io-max \S+/, "") // not everybody has that disk
      ),
    ].map((command) => ({ command: `${command}; echo $?`, output: "" }));
    const printed = await type({ headline, line, commands: typed }, 1);
    for (const [i, { command }] of typed.entries()) {
      assertMatch(printed[i] ?? "", /^(root\n)?0\n$/, `$ ${command}`);
    }
  });
}
