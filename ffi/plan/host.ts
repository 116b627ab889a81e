/**
 * The architecture that this process runs on.
 *
 * @module
 */
import type { Architecture } from "./arch.ts";
import { x86_64 } from "./x86_64.ts";

const architectures: readonly Architecture[] = [x86_64];

/**
 * The architecture that this process runs on.
 *
 * @throws {Error} when there is no interpreter for it
 */
export function host(): Architecture {
  const found = architectures.find(({ name }) => name === Deno.build.arch);
  if (!found) throw new Error(`no plan interpreter for ${Deno.build.arch}`);
  return found;
}
