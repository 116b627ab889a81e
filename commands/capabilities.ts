/**
 * Capabilities in arguments.
 *
 * @module
 */
import { capget } from "../ffi/capability.ts";
import { CAPABILITIES, type CapabilityName } from "../ffi/constants/capability.ts";
import { CAPABILITIES_OF_ROOT, capabilitySets } from "../sandbox/container/defaults.ts";
import type { Capabilities } from "../sandbox/privileges.ts";
import { ArgumentError } from "./getopt.ts";

/** What `--cap-add`, `--cap-drop` and `--privileged` say. */
export interface Rights {
  /** Capabilities, or `ALL`. */
  readonly capAdd: readonly string[];
  /** Capabilities, or `ALL`. */
  readonly capDrop: readonly string[];
  /** Whether all are kept. */
  readonly privileged: boolean;
}

/** What is left of root's rights; nothing is said of them where there are none to take. */
export function capabilitiesOf(
  { capAdd, capDrop, privileged }: Rights,
  uid: number,
  inUserNamespace: boolean,
): Capabilities | undefined {
  const { permitted } = capget();
  if (!inUserNamespace && permitted === 0n) {
    if (capAdd.length === 0 && !privileged) return undefined;
    throw new ArgumentError("--cap-add and --privileged need root, or a user namespace");
  }
  const all = (Object.keys(CAPABILITIES) as CapabilityName[]).filter((name) =>
    inUserNamespace || permitted & 1n << BigInt(CAPABILITIES[name])
  );
  const isAll = (name: string): boolean => name.toUpperCase() === "ALL";
  const [added, dropped] = [capAdd, capDrop].map((names) =>
    names.filter((name) => !isAll(name)).map(parseCapability)
  ) as [CapabilityName[], CapabilityName[]];
  const missing = added.find((name) => !all.includes(name));
  if (missing) throw new ArgumentError(`--cap-add=${missing}: this process has not got it itself`);
  const asked = capAdd.some(isAll) ? all : added;
  const usual = privileged ? all : capDrop.some(isAll) ? [] : CAPABILITIES_OF_ROOT;
  const possible = all.filter((name) =>
    (usual.includes(name) || asked.includes(name)) && !dropped.includes(name)
  );
  return capabilitySets(uid, possible, asked);
}

function parseCapability(text: string): CapabilityName {
  const name = text.toUpperCase().replace(/^(CAP_)?/, "CAP_");
  if (Object.hasOwn(CAPABILITIES, name)) return name as CapabilityName;
  throw new ArgumentError(`no capability '${text}'`);
}
