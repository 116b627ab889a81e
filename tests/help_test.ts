/** What denspace says of itself: `help`, `--help`, `--version`, and what was meant by a wrong word. */
import { nearest } from "../commands/nearest.ts";
import { assertEquals, assertStringIncludes, fromFileUrl } from "../scripts/std.ts";

const MAIN = fromFileUrl(new URL("../commands/main.ts", import.meta.url));

interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

function denspace(...args: string[]): Output {
  const { code, stdout, stderr } = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-ffi", MAIN, ...args],
    stdin: "null",
  }).outputSync();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("denspace alone, help and --help say what commands there are", () => {
  const { code, stdout, stderr } = denspace();
  assertEquals([code, stderr], [0, ""]);
  for (const line of [" unshare", " nsenter", " lsns", " link", " help"]) {
    assertStringIncludes(stdout, `\n${line} `);
  }
  for (const args of [["help"], ["--help"], ["-h"]]) {
    assertEquals(denspace(...args), { code: 0, stdout, stderr });
  }
});

Deno.test("denspace --version says the version", () => {
  const { version } = JSON.parse(
    Deno.readTextFileSync(new URL("../deno.json", import.meta.url)),
  ) as { version: string };
  for (const option of ["--version", "-V", "--vers"]) {
    assertEquals(denspace(option), { code: 0, stdout: `denspace ${version}\n`, stderr: "" });
  }
});

for (const command of ["unshare", "nsenter", "lsns", "link"]) {
  Deno.test(`denspace help ${command} says what ${command} --help says`, () => {
    const output = denspace("help", command);
    assertEquals([output.code, output.stderr], [0, ""]);
    assertStringIncludes(output.stdout, "\n -h, --help ");
    assertEquals(denspace(command, "--help"), output);
  });
}

Deno.test("a command that does not exist leads to the nearest that does", () => {
  const see = "See 'denspace help' for those that there are.\n";
  for (
    const [args, said] of [
      [["unhsare"], "denspace: no command 'unhsare': is it 'unshare'?\n"],
      [["ns"], "denspace: no command 'ns': is it 'nsenter'"],
      [["help", "lnik"], "denspace help: no command 'lnik': is it 'link'?\n"],
      [["toString"], "denspace: no command 'toString'\n"],
    ] as const
  ) {
    const { code, stdout, stderr } = denspace(...args);
    assertEquals([code, stdout], [1, ""]);
    assertEquals(stderr.slice(0, said.length), said);
    assertEquals(stderr.slice(-see.length), see);
  }
});

Deno.test("a word too many is a mistake", () => {
  for (const command of ["help", "man", "completion", "link", "gc"]) {
    const { code, stdout, stderr } = denspace(command, "zsh", "extra");
    assertEquals([code, stdout], [1, ""], command);
    assertEquals(stderr.split("\n").length, 2, stderr);
  }
});

Deno.test("an option that denspace has not is a mistake", () => {
  assertEquals(denspace("--frobnicate"), {
    code: 1,
    stdout: "",
    stderr: "denspace: unrecognized option '--frobnicate'\n" +
      "Try 'denspace --help' for more information.\n",
  });
});

Deno.test("the nearest words are those with the fewest typing errors, if these are few", () => {
  const known = ["unshare", "nsenter", "link", "explain", "emit"];
  assertEquals(nearest("unsahre", known), ["unshare"]);
  assertEquals(nearest("nsentr", known), ["nsenter"]);
  assertEquals(nearest("e", known), ["explain", "emit"]);
  assertEquals(nearest("emti", known), ["emit"]);
  assertEquals(nearest("limk", known), ["link"]);
  assertEquals(nearest("frobnicate", known), []);
  assertEquals(nearest("", known), []);
});
