/**
 * The limit of open files, which Deno has raised for itself.
 *
 * @module
 */
import { RLIMIT_NOFILE } from "../constants/resource.ts";
import type { Builder } from "./builder.ts";
import { softLimitOfCaller } from "./exec.ts";

/** Takes the soft limit back to what Deno was started with. */
export function lowerFileLimit(p: Builder): void {
  const soft = softLimitOfCaller();
  const limit = p.cell("struct rlimit", 16);
  const [get, set] = [[0, { addressOf: limit }], [{ addressOf: limit }, 0]] as const;
  p.call("prlimit64", [0, RLIMIT_NOFILE, ...get]);
  p.when("less", soft, limit, () => {
    p.set(limit, soft);
    p.call("prlimit64", [0, RLIMIT_NOFILE, ...set]);
  });
}
