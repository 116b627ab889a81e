/**
 * The architectures that there are, and the one that this process runs on.
 *
 * @module
 */
import { aarch64 } from "./aarch64.ts";
import type { Architecture } from "./arch.ts";
import { x86_64 } from "./x86_64.ts";

/** The architectures that plans can be laid out for, by name, wherever this runs. */
export const architectures: Readonly<Record<Architecture["name"], Architecture>> = {
  x86_64,
  aarch64,
};

/**
 * The architecture that this process runs on.
 *
 * @throws {Error} when there is no interpreter for it
 */
export function host(): Architecture {
  const found = architectures[Deno.build.arch];
  if (!found) throw new Error(`no plan interpreter for ${Deno.build.arch}`);
  return found;
}
