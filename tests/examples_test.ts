/**
 * The examples of the documentation that would change this process: functions that
 * nobody calls there are called here, each in a process and namespaces of its own.
 * (The others are run by `deno test --doc`.)
 */
import { spawnSync } from "../mod.ts";
import { assertEquals, fromFileUrl } from "../scripts/std.ts";
import { isRoot } from "./child.ts";

const PROJECT = new URL("..", import.meta.url);

/** A file system of its own, since a change of one that is shared would reach the machine. */
const MOUNTED = `(await import("MOD")).mount("own", "/mnt", "tmpfs", 0, null);`;

const API = `const api = await import("MOD");`;
/** A socket by which the kernel can be asked, see netlink(7). */
const NETLINK = `${API} const fd = api.socket(16, 3, 0);`;
/** A message that does nothing, and asks for an answer. */
const NOOP = "new Uint8Array([16, 0, 0, 0, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0])";

/** How each such function is called, as source. */
const CALLS: Readonly<Record<string, string>> = {
  ownTmp: "ownTmp()",
  withoutProc: "withoutProc()",
  renameForThisThread: "renameForThisThread()",
  rename: "rename()",
  enter: 'enter("/usr")',
  becomeShell: "becomeShell()",
  giveUpNetwork: "giveUpNetwork()",
  enterNetworkOf: "enterNetworkOf(Deno.pid)",
  mountTmpfs: 'mountTmpfs("/mnt")',
  makeReadOnly: `${MOUNTED} makeReadOnly("/mnt")`,
  bind: 'bind("/usr", "/mnt")',
  moveInto: `${MOUNTED} moveInto("/mnt")`,
  hostNameOf: "hostNameOf(Deno.pid)",
  serveIn: "serveIn(Deno.pid).terminate()",
  mapRoot:
    `${API} const other = api.spawn({ command: "sleep", args: ["60"], namespaces: { user: true } });
    mapRoot(other.pid, 0, 0);
    other.kill();`,
  greet: `${NETLINK} greet(fd)`,
  receive: `${NETLINK} api.send(fd, ${NOOP}); receive(fd)`,
  statusOf: `${API} statusOf(api.clone(api.plan({ command: "true" })).pid)`,
  createTmpfs: `${API} createTmpfs(api.fsopen("tmpfs", 0), 0o755)`,
  readOnly: `${API} const fs = api.fsopen("tmpfs", 0);
    api.fsconfig(fs, api.FSCONFIG_CMD_CREATE);
    readOnly(fs)`,
  move: `${MOUNTED} move("/mnt", "/opt")`,
  keepForLater: "keepForLater(Deno.pid); forget()",
  forget: "keepForLater(Deno.pid); forget()",
};

/** An example with a function that it does not call. */
interface Example {
  readonly file: string;
  readonly source: string;
  readonly name: string;
}

function examples(): Example[] {
  const found: Example[] = [];
  for (const directory of ["ffi", "ffi/plan", "sandbox"]) {
    for (const { name: file } of Deno.readDirSync(new URL(directory, PROJECT))) {
      if (!file.endsWith(".ts")) continue;
      const path = `${directory}/${file}`;
      const text = Deno.readTextFileSync(new URL(path, PROJECT));
      for (const [, block] of text.matchAll(/ \* ```ts\n((?: \*.*\n)*?) \* ```/g)) {
        const source = block!.replace(/^ \* ?/gm, "");
        const names = source.matchAll(/^(?:function|const) (\w+)(?:\(| = \()/gm);
        for (const [, name] of names) {
          const uses = source.match(new RegExp(`\\b${name}\\b`, "g"))!.length;
          if (uses === 1) found.push({ file: path, source, name: name! });
        }
      }
    }
  }
  return found;
}

const all = examples();

Deno.test("it is known how each example is called", () => {
  const unknown = all.map(({ name }) => name).filter((name) => !(name in CALLS));
  assertEquals(unknown, []);
});

for (const { file, source, name } of all) {
  const call = CALLS[name];
  const ignore = !isRoot;
  Deno.test({
    name: `the example ${name} of ${file} runs${ignore ? ": needs root" : ""}`,
    ignore,
    fn(): void {
      const mod = new URL("mod.ts", PROJECT).href;
      const script = `${source}\n${call}`.replaceAll("@denspace/denspace", mod).replaceAll(
        "MOD",
        mod,
      );
      const { code, stderr } = spawnSync({
        command: Deno.execPath(),
        args: [
          "run",
          "-A",
          "--no-check",
          "--no-config",
          `data:text/typescript,${encodeURIComponent(script)}`,
        ],
        cwd: fromFileUrl(PROJECT),
        namespaces: { mount: true, uts: true, net: true, ipc: true },
      });
      const errors = new TextDecoder().decode(stderr).replace(/^Listening .*\n/, "");
      assertEquals([errors, code], ["", 0]);
    },
  });
}
