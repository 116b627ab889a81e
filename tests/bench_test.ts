/** The bench: what it is asked for. What it measures takes minutes. */
import { assertEquals, fromFileUrl } from "../scripts/std.ts";

const SCRIPT = fromFileUrl(new URL("../scripts/bench/bench.ts", import.meta.url));

Deno.test("what bench is asked for and does not know is told in one line", () => {
  const wrong: [args: string[], said: string][] = [
    [["--plto", "x.svg"], "there is no --plto"],
    [["x.svg"], "there is no x.svg"],
    [["--rounds", "many"], "no number of rounds: many"],
    [["--rounds", "0"], "no number of rounds: 0"],
    [["--plot"], "--plot needs a file"],
  ];
  for (const [args, said] of wrong) {
    const { code, stdout, stderr } = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", SCRIPT, ...args],
    }).outputSync();
    const usage = "deno task bench [--rounds 40] [--json] [--plot FILE.svg]";
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    assertEquals([code, text(stdout), text(stderr)], [1, "", `bench: ${said}: ${usage}\n`]);
  }
});
