/** What scripts are asked for and do not know. What they do is tested with what they make. */
import { assertEquals, fromFileUrl } from "../scripts/std.ts";

const BENCH = "deno task bench [--rounds 40] [--json] [--plot FILE.svg]";
const BUNDLE = "bundle: nothing is given to it but a file: deno task bundle [FILE]";
const WRONG: [script: string, args: string[], said: string][] = [
  ["bench/bench", ["--plto", "x.svg"], `bench: there is no --plto: ${BENCH}`],
  ["bench/bench", ["x.svg"], `bench: there is no x.svg: ${BENCH}`],
  ["bench/bench", ["--rounds", "many"], `bench: no number of rounds: many: ${BENCH}`],
  ["bench/bench", ["--rounds", "0"], `bench: no number of rounds: 0: ${BENCH}`],
  ["bench/bench", ["--plot"], `bench: --plot needs a file: ${BENCH}`],
  ["bundle", ["--minify"], BUNDLE],
  ["bundle", ["a.js", "b.js"], BUNDLE],
  ["package", [], "package: name what to make: deb or npm"],
  ["package", ["rpm"], "package: name what to make: deb or npm"],
  ["package", ["deb", "npm"], "package: name what to make: deb or npm"],
  ["package", ["deb", "--binray=x"], "package: there is no --binray=x"],
];
for (const [script, args, said] of WRONG) {
  Deno.test(`${[script, ...args].join(" ")} is told in one line what it is asked for`, () => {
    const file = fromFileUrl(new URL(`../scripts/${script}.ts`, import.meta.url));
    const { code, stdout, stderr } = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", file, ...args],
      cwd: "/",
    }).outputSync();
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    assertEquals([code, text(stdout), text(stderr)], [1, "", `${said}\n`]);
  });
}
