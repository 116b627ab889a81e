/**
 * Limits of a process, see getrlimit(2).
 *
 * @module
 */
import { type LimitName, RLIMITS } from "../ffi/constants/resource.ts";
import type { Builder } from "../ffi/plan/builder.ts";

/** A limit, as the OCI runtime specification has it; `RLIM_INFINITY` is none. */
export interface ResourceLimit {
  /** What is limited, which decides the unit: bytes, seconds or a count. */
  readonly type: LimitName;
  /** What the kernel enforces. */
  readonly soft: number | bigint;
  /** What the soft limit may be raised to without privilege. */
  readonly hard: number | bigint;
}

/** Limits what the program may use. */
export function limitResource(p: Builder, { type, soft, hard }: ResourceLimit): void {
  const limit = new BigUint64Array([BigInt(soft), BigInt(hard)]);
  p.call("prlimit64", [0, RLIMITS[type], new Uint8Array(limit.buffer), 0], {
    why: `${type} is ${soft}, and at most ${hard}`,
    message: `cannot set ${type}`,
  });
}
