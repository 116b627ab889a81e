/**
 * The entry of the bundle, in which all commands are one file.
 *
 * @module
 */
import { run } from "./cli.ts";
import * as nsenter from "./nsenter.ts";
import * as unshare from "./unshare.ts";

// Deno keeps V8's code for the next start, but only once the event loop has
// turned. A command replaces this process before that, so let it turn first. The
// compiled program keeps none.
const NOTHING: string = "data:text/javascript,";
if (!Deno.build.standalone) await import(NOTHING);

await run({
  unshare: () => unshare,
  nsenter: () => nsenter,
  run: () => import("./run.ts"),
  explain: () => import("./explain.ts"),
  emit: () => import("./emit.ts"),
  link: () => import("./link.ts"),
  help: () => import("./help.ts"),
});
