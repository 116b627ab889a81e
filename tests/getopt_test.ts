import {
  ArgumentError,
  getopt,
  type Option,
  programName,
  UsageError,
  usageText,
} from "../commands/getopt.ts";
import { parseDescriptor, parseId, parseOffset } from "../commands/numbers.ts";
import { assert, assertEquals, assertThrows } from "../scripts/std.ts";

// The options of util-linux 2.41, in the order of its ambiguity messages.

/** An unshare option whose long form alone may have an argument. */
const SHORT_BARE = { argument: "optional", shortArgument: "none" } as const;

const UNSHARE = [
  { name: "help", short: "h", argument: "none" },
  { name: "version", short: "V", argument: "none" },
  { name: "mount", short: "m", ...SHORT_BARE },
  { name: "uts", short: "u", ...SHORT_BARE },
  { name: "ipc", short: "i", ...SHORT_BARE },
  { name: "net", short: "n", ...SHORT_BARE },
  { name: "pid", short: "p", ...SHORT_BARE },
  { name: "user", short: "U", ...SHORT_BARE },
  { name: "cgroup", short: "C", ...SHORT_BARE },
  { name: "time", short: "T", ...SHORT_BARE },
  { name: "fork", short: "f", argument: "none" },
  { name: "kill-child", argument: "optional" },
  { name: "mount-proc", argument: "optional" },
  { name: "mount-binfmt", argument: "optional" },
  { name: "map-user", argument: "required" },
  { name: "map-users", argument: "required" },
  { name: "map-group", argument: "required" },
  { name: "map-groups", argument: "required" },
  { name: "map-root-user", short: "r", argument: "none" },
  { name: "map-current-user", short: "c", argument: "none" },
  { name: "map-auto", argument: "none" },
  { name: "map-subids", argument: "none" },
  { name: "propagation", argument: "required" },
  { name: "setgroups", argument: "required" },
  { name: "keep-caps", argument: "none" },
  { name: "setuid", short: "S", argument: "required" },
  { name: "setgid", short: "G", argument: "required" },
  { name: "root", short: "R", argument: "required" },
  { name: "wd", short: "w", argument: "required" },
  { name: "monotonic", argument: "required" },
  { name: "boottime", argument: "required" },
  { name: "load-interp", short: "l", argument: "required" },
] as const;

/** What util-linux 2.42 and 2.43 add to unshare. */
const UNSHARE_NEWER = [
  ...UNSHARE,
  { name: "forward-signals", argument: "none" },
  { name: "owner", argument: "required" },
  { name: "clear-env", argument: "none" },
  { name: "whitelist-env", argument: "required" },
] as const;

const NSENTER = [
  { name: "all", short: "a", argument: "none" },
  { name: "help", short: "h", argument: "none" },
  { name: "version", short: "V", argument: "none" },
  { name: "target", short: "t", argument: "required" },
  { name: "mount", short: "m", argument: "optional" },
  { name: "uts", short: "u", argument: "optional" },
  { name: "ipc", short: "i", argument: "optional" },
  { name: "net", short: "n", argument: "optional" },
  { name: "net-socket", short: "N", argument: "required" },
  { name: "pid", short: "p", argument: "optional" },
  { name: "user", short: "U", argument: "optional" },
  { name: "cgroup", short: "C", argument: "optional" },
  { name: "time", short: "T", argument: "optional" },
  { name: "setuid", short: "S", argument: "required" },
  { name: "setgid", short: "G", argument: "required" },
  { name: "root", short: "r", argument: "optional" },
  { name: "wd", short: "w", argument: "optional" },
  { name: "wdns", short: "W", argument: "optional" },
  { name: "env", short: "e", argument: "none" },
  { name: "no-fork", short: "F", argument: "none" },
  { name: "join-cgroup", short: "c", argument: "none" },
  { name: "preserve-credentials", argument: "none" },
  { name: "keep-caps", argument: "none" },
  { name: "user-parent", argument: "none" },
  { name: "follow-context", short: "Z", argument: "none" },
] as const;

const LSNS = [
  { name: "json", short: "J", argument: "none" },
  { name: "task", short: "p", argument: "required" },
  { name: "help", short: "h", argument: "none" },
  { name: "output", short: "o", argument: "required" },
  { name: "output-all", argument: "none" },
  { name: "persistent", short: "P", argument: "none" },
  { name: "filter", short: "Q", argument: "required" },
  { name: "notruncate", short: "u", argument: "none" },
  { name: "version", short: "V", argument: "none" },
  { name: "noheadings", short: "n", argument: "none" },
  { name: "nowrap", short: "W", argument: "none" },
  { name: "list", short: "l", argument: "none" },
  { name: "raw", short: "r", argument: "none" },
  { name: "type", short: "t", argument: "required" },
  { name: "tree", short: "T", argument: "optional" },
  { name: "list-columns", short: "H", argument: "none" },
] as const;

/** Parses all of `args`: options as `name` or `name=value`, then operands. */
function parse(
  table: readonly Option[],
  args: readonly string[],
  settings?: { permute?: boolean },
): { options: string[]; operands: string[] } {
  const { options, operands } = getopt(table, args, settings);
  const shown = Array.from(
    options,
    ({ name, value }) => value === undefined ? name : `${name}=${value}`,
  );
  return { options: shown, operands };
}

/** The message of the usage error that `args` make. */
function complaint(table: readonly Option[], args: readonly string[]): string {
  return assertThrows(() => parse(table, args), UsageError).message;
}

// ---------------------------------------------------------------- options

Deno.test("options end at the first operand, which keeps its own options", () => {
  assertEquals(parse(UNSHARE, ["-u", "echo", "-u", "--", "--x"]), {
    options: ["uts"],
    operands: ["echo", "-u", "--", "--x"],
  });
});

Deno.test("-- ends the options and is not an operand, a second one is", () => {
  assertEquals(parse(UNSHARE, ["-f", "--", "--", "-f"]), {
    options: ["fork"],
    operands: ["--", "-f"],
  });
});

Deno.test("a lone dash and an empty argument are operands", () => {
  assertEquals(parse(UNSHARE, ["-f", "-"]).operands, ["-"]);
  assertEquals(parse(UNSHARE, ["-f", "", "-f"]).operands, ["", "-f"]);
});

Deno.test("with permute operands may stand among the options, up to --", () => {
  const args = ["1", "-n", "-", "--type", "net", "2", "--", "-J", "3"];
  assertEquals(parse(LSNS, args, { permute: true }), {
    options: ["noheadings", "type=net"],
    operands: ["1", "-", "2", "-J", "3"],
  });
});

Deno.test("bundled letters are options each, the last may have an argument", () => {
  assertEquals(parse(UNSHARE, ["-UrpfS", "7"]).options, [
    "user",
    "map-root-user",
    "pid",
    "fork",
    "setuid=7",
  ]);
  assertEquals(parse(UNSHARE, ["-frS7"]).options.at(-1), "setuid=7");
});

Deno.test("an optional argument is attached, or it is not there", () => {
  assertEquals(parse(NSENTER, ["--net", "1"]), {
    options: ["net"],
    operands: ["1"],
  });
  assertEquals(parse(NSENTER, ["-n", "1"]).operands, ["1"]);
  assertEquals(parse(NSENTER, ["--net=/a=b"]).options, ["net=/a=b"]);
  assertEquals(parse(NSENTER, ["--net="]).options, ["net="]);
  assertEquals(parse(NSENTER, ["-muinp"]).options, ["mount=uinp"]);
});

Deno.test("a short option's attached argument keeps its equals sign", () => {
  assertEquals(parse(NSENTER, ["-n=/x", "-t=1"]).options, [
    "net==/x",
    "target==1",
  ]);
});

Deno.test("a required argument may look like an option, or be empty", () => {
  assertEquals(parse(NSENTER, ["-t", "--", "--target", "-a"]).options, [
    "target=--",
    "target=-a",
  ]);
  assertEquals(parse(NSENTER, ["-t", "", "--target", ""]).options, [
    "target=",
    "target=",
  ]);
});

Deno.test("a letter may take no argument where the long option may", () => {
  assertEquals(parse(UNSHARE, ["--mount=/x"]).options, ["mount=/x"]);
  assertEquals(complaint(UNSHARE, ["-m/x"]), "invalid option -- '/'");
});

Deno.test("an exact name wins over longer ones", () => {
  assertEquals(parse(UNSHARE, ["--mount", "--map-user", "1"]).options, [
    "mount",
    "map-user=1",
  ]);
});

Deno.test("options added by newer releases make abbreviations ambiguous", () => {
  assertEquals(parse(UNSHARE, ["--f", "--c"]).options, ["fork", "cgroup"]);
  assertEquals(
    complaint(UNSHARE_NEWER, ["--f"]),
    "option '--f' is ambiguous; possibilities: '--fork' '--forward-signals'",
  );
  assertEquals(parse(UNSHARE_NEWER, ["--own=1:1", "--clear"]).options, [
    "owner=1:1",
    "clear-env",
  ]);
});

Deno.test("an abbreviation of two aliases is not ambiguous", () => {
  const table = [
    { name: "color", short: "c", argument: "optional" },
    { name: "colour", short: "c", argument: "optional" },
    { name: "column", argument: "required" },
  ] as const;
  assertEquals(parse(table, ["--colo=x"]).options, ["color=x"]);
  assertEquals(
    complaint(table, ["--co"]),
    "option '--co' is ambiguous; possibilities: '--color' '--column'",
  );
});

Deno.test("an unknown letter outside of ASCII is reported whole", () => {
  assertEquals(complaint(UNSHARE, ["-é"]), "invalid option -- 'é'");
  assertEquals(complaint(UNSHARE, ["-f𝕏"]), "invalid option -- '𝕏'");
});

Deno.test("an option is handed out before a later mistake is seen", () => {
  const { options } = getopt(UNSHARE, ["-fQ", "--bogus"]);
  const iterator = options[Symbol.iterator]();
  assertEquals(iterator.next().value?.name, "fork");
  assertThrows(() => iterator.next(), UsageError, "invalid option -- 'Q'");
});

Deno.test("the arguments are left as they were", () => {
  const args = Object.freeze(["-t", "1", "ls"]);
  assertEquals(parse(NSENTER, args).operands, ["ls"]);
});

Deno.test("a command line of 200000 operands is no problem", () => {
  const { operands } = parse(UNSHARE, Array(200_000).fill("x"));
  assertEquals(operands.length, 200_000);
});

Deno.test("a match has the type and the data of its entry", () => {
  const table = [
    { name: "all", short: "a", argument: "none", mask: 7 },
    { name: "target", short: "t", argument: "required" },
    { name: "net", short: "n", argument: "optional", mask: 4 },
    { name: "root", short: "r", argument: "required", shortArgument: "none" },
  ] as const;
  const { options } = getopt(table, ["-at1", "-n", "-r"]);
  const seen: unknown[] = [];
  for (const option of options) {
    switch (option.name) {
      case "all": {
        const value: undefined = option.value;
        seen.push(option.mask, value);
        break;
      }
      case "target": {
        const value: string = option.value;
        seen.push(value);
        break;
      }
      case "net":
      case "root": {
        // @ts-expect-error There may be no argument.
        const value: string = option.value;
        seen.push(value);
        break;
      }
      default:
        // Fails to compile when an option is forgotten above.
        option satisfies never;
    }
  }
  assertEquals(seen, [7, undefined, "1", undefined, undefined]);
});

Deno.test("a usage error names the program as started, then its last part", () => {
  assertEquals(
    usageText("a/b/enter", new UsageError("no")),
    "a/b/enter: no\nTry 'enter --help' for more information.\n",
  );
  assertEquals(programName("a/b/"), "");
  assertEquals(programName("unshare"), "unshare");
});

// ---------------------------------------------------------------- numbers

const RANGE = ": Numerical result out of range";

Deno.test("an id is decimal, unsigned and cut to 32 bits", () => {
  for (
    const [text, id] of [
      ["0", 0],
      ["010", 10],
      [" \t\n\v\f\r+5", 5],
      ["-0", 0],
      ["4294967295", 4294967295],
      ["4294967296", 0],
      ["99999999999", 1215752191],
      ["18446744073709551615", 4294967295],
    ] as const
  ) assertEquals(parseId(text, "pid"), id, text);
});

Deno.test("an id that is none is refused, for its range before its form", () => {
  const bad = ["", " ", "5 ", "5x", "0x10", "1e3", "+-5", "- 5", "-", "\xa05"];
  for (const text of bad) {
    const error = assertThrows(() => parseId(text, "uid"), ArgumentError);
    assertEquals(error.message, `failed to parse uid: '${text}'`);
  }
  for (const text of ["-5", "-5x", "18446744073709551616", "9".repeat(30)]) {
    const error = assertThrows(() => parseId(text, "uid"), ArgumentError);
    assertEquals(error.message, `failed to parse uid: '${text}'${RANGE}`);
  }
});

Deno.test("an offset is a signed number of 64 bits", () => {
  assertEquals(parseOffset("-9223372036854775808", "x"), -(2n ** 63n));
  assertEquals(parseOffset("+9223372036854775807", "x"), 2n ** 63n - 1n);
  for (const text of ["-9223372036854775809", "9223372036854775808"]) {
    assertThrows(() => parseOffset(text, "x"), ArgumentError, RANGE);
  }
});

Deno.test("a descriptor is a signed number below 2^31, cut only when negative", () => {
  assertEquals(parseDescriptor("-1", "x"), -1);
  assertEquals(parseDescriptor("-4294967295", "x"), 1);
  assertEquals(parseDescriptor("2147483647", "x"), 2147483647);
  for (const text of ["2147483648", "9223372036854775808", "-9223372036854775809"]) {
    assertThrows(() => parseDescriptor(text, "x"), ArgumentError, RANGE);
  }
  const error = assertThrows(() => parseDescriptor("2147483648x", "fd"), Error);
  assertEquals(error.message, "failed to parse fd: '2147483648x'");
});

// ------------------------------------------------------------- differential

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

type Tool = "unshare" | "nsenter" | "lsns";

/** What our parser makes the tool `name`, started as `argv0`, answer. */
function predict(name: Tool, argv0: string, args: readonly string[]): Outcome {
  try {
    return { unshare, nsenter, lsns }[name](args);
  } catch (error) {
    let stderr = `${programName(argv0)}: ${(error as Error).message}\n`;
    if (error instanceof UsageError) stderr = usageText(argv0, error);
    else if (!(error instanceof ArgumentError)) throw error;
    return { code: 1, stdout: "", stderr };
  }
}

const HELP = { code: 0, stdout: "(help)", stderr: "" };
const VERSION = { code: 0, stdout: "(version)", stderr: "" };

function unshare(args: readonly string[]): Outcome {
  const { options, operands } = getopt(UNSHARE, args);
  for (const option of options) {
    switch (option.name) {
      case "help":
        return HELP;
      case "version":
        return VERSION;
      case "setuid":
      case "map-user":
        parseId(option.value, "uid");
        break;
      case "setgid":
      case "map-group":
        parseId(option.value, "gid");
        break;
      case "monotonic":
      case "boottime":
        parseOffset(option.value, `${option.name} offset`);
        break;
      case "map-users":
      case "map-groups":
        throw new ArgumentError(`invalid mapping '${option.value}'`);
      case "setgroups":
        throw new ArgumentError(
          `unsupported --setgroups argument '${option.value}'`,
        );
      case "propagation":
        throw new ArgumentError(`unsupported propagation mode: ${option.value}`);
      case "kill-child":
        if (option.value === undefined) break;
        throw new ArgumentError(`unknown signal: ${option.value}`);
    }
  }
  const [program = "", ...rest] = operands;
  if (program === "echo") {
    return { code: 0, stdout: rest.join(" ") + "\n", stderr: "" };
  }
  const stderr = `unshare: failed to execute ${program}: ${NOT_FOUND}\n`;
  return { code: 127, stdout: "", stderr };
}

const NOT_FOUND = "No such file or directory";

function nsenter(args: readonly string[]): Outcome {
  let target = 0;
  const namespaces: string[] = [];
  for (const option of getopt(NSENTER, args).options) {
    switch (option.name) {
      case "help":
        return HELP;
      case "version":
        return VERSION;
      case "target":
        target = parseId(option.value, "pid");
        break;
      case "net-socket":
        parseDescriptor(option.value, "file descriptor");
        break;
      case "setuid":
        parseId(option.value, "uid");
        break;
      case "setgid":
        parseId(option.value, "gid");
        break;
      case "root":
        cannotOpen(option.value);
        break;
      case "mount":
      case "uts":
      case "ipc":
      case "net":
      case "pid":
      case "user":
      case "cgroup":
      case "time":
        namespaces.push(option.name);
        cannotOpen(option.value?.replace(/^=/, ""));
        break;
      case "wd":
        cannotOpen(option.value?.replace(/^=/, ""));
    }
  }
  if (namespaces.length === 0) throw new ArgumentError("no namespace specified");
  if (target === 0) throw new ArgumentError("no target PID specified");
  cannotOpen(`/proc/${target}/ns/${namespaces[0]}`);
  throw new Error("not reached");
}

/** No path in these tests exists. */
function cannotOpen(path: string | undefined): void {
  if (path === undefined) return;
  throw new ArgumentError(`cannot open ${path}: ${NOT_FOUND}`);
}

function lsns(args: readonly string[]): Outcome {
  const { options, operands } = getopt(LSNS, args, { permute: true });
  for (const option of options) {
    switch (option.name) {
      case "help":
        return HELP;
      case "version":
        return VERSION;
      case "type":
        throw new ArgumentError(`unknown namespace type: ${option.value}`);
      case "tree":
        if (option.value === undefined) break;
        throw new ArgumentError(`unknown tree type: ${option.value}`);
    }
  }
  throw new ArgumentError(`invalid namespace argument: '${operands[0]}'`);
}

/** What the real tool, started as `argv0` in `cwd`, answers. */
function observe(argv0: string, args: readonly string[], cwd = "/"): Outcome {
  // Deno.Command would look up the path and make it argv[0]; a shell doesn't.
  const output = new Deno.Command("sh", {
    args: ["-c", 'exec "$0" "$@"', argv0, ...args],
    cwd,
    env: { LC_ALL: "C" },
    stdin: "null",
  }).outputSync();
  const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  const stdout = decode(output.stdout)
    .replace(/^\nUsage:[^]*/, "(help)")
    .replace(/^\w+ from util-linux .*\n/, "(version)");
  return { code: output.code, stdout, stderr: decode(output.stderr) };
}

function installed(tool: Tool): boolean {
  try {
    const { stdout } = new Deno.Command(tool, { args: ["--version"] })
      .outputSync();
    return new TextDecoder().decode(stdout).includes("util-linux 2.41");
  } catch {
    return false;
  }
}

const missing = (["unshare", "nsenter", "lsns"] as const)
  .filter((tool) => !installed(tool));

function differential(name: string, fn: () => void): void {
  const ignore = missing.length > 0;
  const reason = ` (no ${missing.join(", ")} of util-linux 2.41 here)`;
  Deno.test({ name: ignore ? name + reason : name, ignore, fn });
}

/** Command lines by what they are about, between bars; `''` is an empty argument. */
const COMMAND_LINES = {
  "unknown options": `
    unshare --bogus | unshare --bogus=x | unshare --bogus= --help | unshare -Q
    unshare -fQ --help | unshare -m- | unshare -: | unshare -; | unshare -? | unshare -W
    unshare --- | unshare ---help | unshare ---=x | unshare --FORK | unshare --é
    unshare --clear-env
    nsenter -Q | nsenter -aQ | nsenter -a= | nsenter -1 | nsenter --bogus
    nsenter --targets=1 | nsenter --setgroups deny
    lsns -Z | lsns --bogus
  `,
  abbreviations: `
    unshare --ut --help | unshare --map-r --help | unshare --kil=x | unshare --c --help
    unshare --setuid 1 --setu x | unshare --map-user 1 --map-user=x | unshare --map-users x
    unshare --mount --help | unshare --h | unshare --vers | unshare --load
    nsenter --targ x | nsenter --tar=x | nsenter --a --help | nsenter --wd --help
    nsenter --wdn=x --help | nsenter --net-s x | nsenter --user=x | nsenter --user-p --help
    nsenter --user-p=x
    lsns --tr=x | lsns --output-a --help
  `,
  "ambiguous abbreviations": `
    unshare --m | unshare --mo | unshare --mo=x | unshare --mount- | unshare --map
    unshare --map-user --map- | unshare --set x | unshare --k | unshare --u | unshare --p
    unshare --=x | unshare --=
    nsenter --u | nsenter --ne=x | nsenter --w | nsenter --p 1 | nsenter --s | nsenter --=
    lsns --o | lsns --n | lsns --=x
  `,
  "missing arguments": `
    unshare -S | unshare -fS | unshare -w | unshare -l | unshare --wd | unshare --w
    unshare --map-user | unshare --map-user= | unshare --propagation | unshare --boot
    nsenter -t | nsenter -at | nsenter --target | nsenter --targ | nsenter -a -N
    nsenter -n -S
    lsns x -p | lsns --task
  `,
  "arguments that nobody asked for": `
    unshare --fork=x | unshare --fo=x | unshare --fork= | unshare --map-root-user=1
    unshare --help=x | unshare -m/x | unshare -u=x
    nsenter --all=1 | nsenter --no-fork= | nsenter -e/x
    lsns --raw=x
  `,
  arguments: `
    unshare --setgroups x | unshare --setgroups=x | unshare --setgroups=
    unshare --setgroups '' | unshare --setgroups --help | unshare --setgroups=a=b
    unshare --propagation -- x | unshare --kill-child=9 | unshare --kill-child= --help
    unshare --kill-child --help | unshare --mount=x --help | unshare --mount= --help
    unshare -mS x | unshare -fSx | unshare -S=5 | unshare -S -- --help | unshare -S ''
    unshare -mS5 --help
    nsenter -tx | nsenter -t=5 | nsenter -t -a | nsenter -at x | nsenter -n/x
    nsenter -n=/x | nsenter -n==/x | nsenter -n= | nsenter --net= | nsenter --net==/x
    nsenter -muinp | nsenter -pF | nsenter -Fpx | nsenter -r=/x | nsenter -w=/x
    nsenter -W=/x --help | nsenter -Ut 1
    lsns -Tx | lsns -t x
  `,
  operands: `
    unshare echo -f --bogus | unshare -f echo -Q -- x | unshare -- echo --
    unshare -f -- echo -f | unshare --fork -- -- echo | unshare - | unshare - --bogus
    unshare '' | unshare '' --help | unshare --kill-child echo x | unshare --kill-child TERM
    unshare -S 0x
    nsenter x --bogus | nsenter -n 1 --bogus | nsenter --net 1 --bogus
    nsenter --pid 1234 echo | nsenter -- --help | nsenter - -t x
    nsenter -t 99999999999 -n x -Q
    lsns x --bogus | lsns x -Z | lsns x -n --help | lsns -n x y -u | lsns -n -- --help x
    lsns x -- -Z | lsns - -n
  `,
  order: `
    unshare -S x --bogus | unshare --bogus -S x | unshare -hQ | unshare -Qh
    unshare -fV --bogus | unshare --help --version | unshare -Sx -h
    nsenter -t x -n/x | nsenter -n/x -t x | nsenter -t | nsenter -h -t | nsenter -ahQ
    lsns x -t y --bogus
  `,
};

for (const [topic, lines] of Object.entries(COMMAND_LINES)) {
  differential(`the real tools agree about ${topic}`, () => {
    for (const line of lines.trim().split(/\s*[|\n]\s*/)) {
      const words = line.split(" ").map((word) => word === "''" ? "" : word);
      const [tool, ...args] = words as [Tool, ...string[]];
      assertEquals(observe(tool, args), predict(tool, tool, args), line);
    }
  });
}

differential("the real tools agree about numbers", () => {
  // deno-fmt-ignore
  const numbers = [
    "", " ", "0", "010", "0x10", "1e3", "1.0", "5", "5 ", "5x", "5\n", "+5",
    "-5", "-5x", "-0", "-0x", "++5", "+-5", "- 5", "-", "+", "x", "-x", " 5",
    "\t5", "\n5", "\v5", "\f5", "\r5", "\x855", "\xa05", "\u20285", "\u0665",
    "2147483647", "2147483648", "2147483648x", "-2147483648", "-2147483649",
    "4294967295", "4294967296", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "-9223372036854775809", "-9223372036854775809x",
    "18446744073709551615", "18446744073709551616", "18446744073709551616x",
    "18446744073709551616\nx", "-18446744073709551616", "+99999999999999999999999", "0".repeat(40) + "7",
  ];
  for (const number of numbers) {
    for (
      const [tool, ...args] of [
        ["unshare", "-S", number, "-h"],
        ["unshare", `--map-group=${number}`, "-h"],
        ["unshare", "--monotonic", number, "-h"],
        ["nsenter", "-N", number, "-h"],
        ["nsenter", "-t", number, "-h"],
      ] as [Tool, ...string[]][]
    ) {
      const line = JSON.stringify([tool, ...args]);
      assertEquals(observe(tool, args), predict(tool, tool, args), line);
    }
  }
  for (const pid of ["99999999999", "4294967295", "4294967296"]) {
    const args = ["-t", pid, "-n"];
    assertEquals(observe("nsenter", args), predict("nsenter", "nsenter", args));
  }
});

differential("the real tools agree about the program's name", () => {
  const directory = Deno.makeTempDirSync();
  try {
    const which = new Deno.Command("sh", { args: ["-c", "command -v unshare"] }).outputSync();
    const path = new TextDecoder().decode(which.stdout).trim();
    Deno.symlinkSync(path, `${directory}/other name`);
    for (const argv0 of [path, `${directory}/other name`, "./other name"]) {
      for (const args of [["--bogus"], ["-Q"], ["-S", "x"]]) {
        const line = [argv0, ...args].join(" ");
        assertEquals(observe(argv0, args, directory), predict("unshare", argv0, args), line);
      }
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

/** Numbers below `limit`, the same ones in every run (an LCG). */
function dice(seed: number): (limit: number) => number {
  return (limit) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor(seed / 2 ** 32 * limit);
  };
}

/** Options whose effect on a command line `predict` doesn't know. */
const UNPREDICTABLE = ["map-auto", "map-subids", "wdns"];

function randomLine(
  table: readonly Option[],
  roll: (limit: number) => number,
): string[] {
  const pick = <T>(list: readonly T[]): T => list[roll(list.length)]!;
  const known = table.filter(({ name }) => !UNPREDICTABLE.includes(name));
  const letters = known.flatMap(({ short }) => short ?? []);
  const value = (): string => pick(["", "x", "5", "=", "-1", "a=b", "--", "-h"]);
  const word = (): string => {
    const { name } = pick(known);
    switch (roll(6)) {
      case 0:
        return `--${name}`;
      case 1:
        return `--${name.slice(0, 1 + roll(name.length))}`;
      case 2:
        return `--${name.slice(0, 1 + roll(name.length))}=${value()}`;
      case 3:
        return `-${pick(letters)}${value()}`;
      case 4:
        return `-${pick(letters)}${pick(letters)}${pick([...letters, "", "?"])}`;
      default:
        return value();
    }
  };
  return [...Array.from({ length: 1 + roll(5) }, word), "--help"];
}

differential("the real tools agree about random command lines", () => {
  const roll = dice(Number(Deno.env.get("SEED") ?? 1));
  const rounds = Number(Deno.env.get("ROUNDS") ?? 200);
  let compared = 0;
  for (let round = 0; round < rounds; round++) {
    for (const [tool, table] of [["unshare", UNSHARE], ["nsenter", NSENTER]] as const) {
      const args = randomLine(table, roll);
      const expected = predict(tool, tool, args);
      // Nothing is run, and no process with a number of these is entered.
      if (expected.code === 127 || /: no |\/proc\//.test(expected.stderr)) continue;
      compared++;
      assertEquals(observe(tool, args), expected, JSON.stringify([tool, ...args]));
    }
  }
  assert(compared > rounds / 2, `only ${compared} comparisons`);
});
