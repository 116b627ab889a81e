/** The manual pages: what mandoc(1) has against them, and that all options are there. */
import { allHelp, type Help } from "../commands/help.ts";
import { commandPage, mainPage } from "../commands/man/page.ts";
import { SECTIONS } from "../commands/man/sections.ts";
import { assert, assertEquals, assertStringIncludes, fromFileUrl } from "../scripts/std.ts";

const MAIN = fromFileUrl(new URL("../commands/main.ts", import.meta.url));

function denspace(...args: string[]): string {
  const { code, stdout, stderr } = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-ffi", MAIN, ...args],
    stdin: "null",
  }).outputSync();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  return new TextDecoder().decode(stdout);
}

/** The commands that there are. */
const names = [...denspace("help").matchAll(/^ ([a-z]+) {2,}/gm)].map(([, name]) => name!);
const helps: Help[] = await allHelp(
  Object.fromEntries(names.map((name) => [name, () => import(`../commands/${name}.ts`)])),
);

const pages = new Map([
  ["denspace", mainPage(helps)],
  ...helps.map((help) => [`denspace-${help.name}`, commandPage(help)] as const),
]);

function mandoc(args: string[], page: string): string {
  const file = Deno.makeTempFileSync({ suffix: ".1" });
  try {
    Deno.writeTextFileSync(file, page);
    const { stdout, stderr } = new Deno.Command("mandoc", { args: [...args, file] }).outputSync();
    return new TextDecoder().decode(new Uint8Array([...stdout, ...stderr]));
  } finally {
    Deno.removeSync(file);
  }
}

function hasMandoc(): boolean {
  try {
    new Deno.Command("mandoc", { stdin: "null", stdout: "null", stderr: "null" }).outputSync();
    return true;
  } catch {
    return false;
  }
}
const missing = hasMandoc() ? "" : " (needs mandoc)";

for (const [name, page] of pages) {
  Deno.test({
    name: `mandoc has nothing against ${name}(1)${missing}`,
    ignore: missing !== "",
    fn: () => {
      const found = mandoc(["-Tlint"], page).split("\n")
        // Which pages there are depends on the machine; ours are looked at below.
        .filter((line) => line !== "" && !/manual not found: Xr|outdated mandoc.db/.test(line));
      assertEquals(found, []);
    },
  });
}

Deno.test({
  name: `pages tell of all options${missing}`,
  ignore: missing !== "",
  fn: () => {
    for (const { name, options } of helps) {
      // deno-lint-ignore no-control-regex
      const shown = mandoc(["-Tascii"], pages.get(`denspace-${name}`)!).replaceAll(/.\x08/g, "");
      for (const { name, short } of options) {
        assertStringIncludes(shown, `--${name}`);
        if (short !== undefined) assertStringIncludes(shown, ` -${short}`);
      }
    }
  },
});

Deno.test("pages refer to pages of ours that there are", () => {
  for (const [name, page] of pages) {
    for (const [, other] of page.matchAll(/^\.Xr (denspace\S*) 1/gm)) {
      assert(pages.has(other!), `${name} refers to ${other}`);
    }
  }
});

Deno.test("only commands that there are have further sections", () => {
  assertEquals(Object.keys(SECTIONS).filter((name) => !names.includes(name)), []);
});

Deno.test("denspace man prints the pages", () => {
  assertEquals(denspace("man"), pages.get("denspace"));
  assertEquals(denspace("man", "unshare"), pages.get("denspace-unshare"));
});
