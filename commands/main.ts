/**
 * The entry for who is in a hurry: it has `unshare` and `nsenter`, and leaves all
 * other commands to the entry that has all.
 *
 * Deno reads every file that an `import()` leads to before anything runs, as long
 * as it can tell where it leads, and where it can't it wants a permission. The
 * files of all commands took as long as `unshare` itself.
 *
 * @module
 */
import { type Commands, run } from "./cli.ts";

const COMMANDS: Commands = {
  unshare: () => import("./unshare.ts"),
  nsenter: () => import("./nsenter.ts"),
};

const [name = ""] = Deno.args;
if (!Object.hasOwn(COMMANDS, name)) {
  const { startAgain } = await import("./again.ts");
  startAgain(new URL("all.ts", import.meta.url));
}
await run(COMMANDS);
