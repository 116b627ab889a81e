/**
 * The entry with all commands: only the module of the one that runs is executed.
 *
 * @module
 */
import { type Commands, run } from "./cli.ts";

const COMMANDS: Commands = {
  unshare: () => import("./unshare.ts"),
  nsenter: () => import("./nsenter.ts"),
  run: () => import("./run.ts"),
  exec: () => import("./exec.ts"),
  diff: () => import("./diff.ts"),
  gc: () => import("./gc.ts"),
  explain: () => import("./explain.ts"),
  emit: () => import("./emit.ts"),
  lsns: () => import("./lsns.ts"),
  link: () => import("./link.ts"),
  man: () => import("./man.ts"),
  completion: () => import("./completion.ts"),
  help: () => import("./help.ts"),
};

await run(COMMANDS);
