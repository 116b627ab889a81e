/**
 * The capabilities that a program gets, and that it can get no more, see
 * capabilities(7).
 *
 * The order is: {@linkcode boundCapabilities}, a change of ids,
 * {@linkcode setCapabilities}, {@linkcode noNewPrivileges}.
 *
 * @module
 */
import { capabilitySet } from "../ffi/capability.ts";
import { type CapabilityName, LINUX_CAPABILITY_VERSION_3 } from "../ffi/constants/capability.ts";
import { EINVAL } from "../ffi/constants/errno.ts";
import {
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAPBSET_DROP,
  PR_SET_KEEPCAPS,
  PR_SET_NO_NEW_PRIVS,
} from "../ffi/constants/prctl.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import { forEachCapability, raiseAmbient } from "./capabilities.ts";

/** The five capability sets, as the OCI runtime specification has them. A set that is absent is empty. */
export interface Capabilities {
  /** Those that the program and what it executes can ever have. */
  readonly bounding?: readonly CapabilityName[] | undefined;
  /** Those that the kernel looks at. */
  readonly effective?: readonly CapabilityName[] | undefined;
  /** Those that may become effective. */
  readonly permitted?: readonly CapabilityName[] | undefined;
  /** Those that survive an execution, if the file has them, too. */
  readonly inheritable?: readonly CapabilityName[] | undefined;
  /** Those that survive an execution in any case. */
  readonly ambient?: readonly CapabilityName[] | undefined;
}

const ALL = (1n << 64n) - 1n;

/** Drops all other capabilities from the bounding set, and sees that a change of ids leaves the rest alone. */
export function boundCapabilities(p: Builder, { bounding = [] }: Capabilities): void {
  forEachCapability(
    p,
    ALL & ~capabilitySet(bounding),
    (capability) =>
      p.call("prctl", [PR_CAPBSET_DROP, capability, 0, 0, 0], {
        why: "nothing that is executed can get this capability",
        message: "cannot drop a capability from the bounding set",
        accept: [EINVAL], // above the last one that this kernel knows
      }),
  );
  p.call("prctl", [PR_SET_KEEPCAPS, 1, 0, 0, 0], {
    why: "a change of the user id leaves the capabilities alone",
    message: "prctl(PR_SET_KEEPCAPS) failed",
  });
}

/** Sets all sets but the bounding one. */
export function setCapabilities(p: Builder, want: Capabilities): void {
  const { effective = [], permitted = [], inheritable = [], ambient = [] } = want;
  const data = new Uint32Array(6);
  [effective, permitted, inheritable].map(capabilitySet).forEach((set, i) => {
    data[i] = Number(set & 0xffff_ffffn);
    data[i + 3] = Number(set >> 32n);
  });
  const header = p.cell("cap_user_header", 8, [LINUX_CAPABILITY_VERSION_3]);
  p.call("capset", [{ addressOf: header }, new Uint8Array(data.buffer)], {
    why: "these capabilities and no others",
    message: "cannot set the capabilities",
  });
  p.call("prctl", [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0], {
    message: "prctl(PR_CAP_AMBIENT) failed",
  });
  const raised = capabilitySet(ambient);
  if (raised !== 0n) raiseAmbient(p, raised, "cannot raise an ambient capability");
}

/** No execution gives more privileges than there were before: no setuid, no file capabilities. */
export function noNewPrivileges(p: Builder): void {
  p.call("prctl", [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0], {
    why: "setuid programs give no privileges any more",
    message: "prctl(PR_SET_NO_NEW_PRIVS) failed",
  });
}
