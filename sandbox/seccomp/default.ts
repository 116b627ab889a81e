/**
 * The filter that a container has if nothing else is asked for.
 *
 * @module
 */
import { COMPILED } from "./compiled.ts";
import DEFAULT from "./default.json" with { type: "json" };
import { type Profile, resolveProfile, type Seccomp, type Surroundings } from "./profile.ts";

/** The default filter, for a container that can have these capabilities. */
export function defaultSeccomp(where: Surroundings): Seccomp {
  return resolveProfile(DEFAULT as Profile, where);
}

/** The program of a filter given as JSON, if it is the default one for few capabilities. */
export function compiledDefault(json: string, arch: Surroundings["arch"]): Uint8Array | undefined {
  const plain = defaultSeccomp({ arch, kernel: "0.0", capabilities: [] });
  return json === JSON.stringify(plain) ? Uint8Array.fromBase64(COMPILED[arch]) : undefined;
}
