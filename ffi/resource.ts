/**
 * sys/resource.h: limits of a process.
 *
 * @module
 */
import { int, u64 } from "./arguments.ts";
import { call } from "./libc.ts";

export * from "./constants/resource.ts";

/** A limit of {@linkcode prlimit}; each may be `RLIM_INFINITY`. */
export interface Limit {
  /** What the kernel enforces. */
  soft: bigint;
  /** What an unprivileged process may raise the soft limit to. */
  hard: bigint;
}

/**
 * Gets a limit of a process, and sets it if a new one is given.
 *
 * See prlimit(2).
 *
 * @param pid the process, or 0 for this one
 * @param resource `RLIMIT_NOFILE`, `RLIMIT_NPROC`, ...; which one decides the
 *   unit: bytes, seconds or a count
 * @param limit the new limit
 * @returns the limit that it was before
 * @throws {SyscallError} when the kernel refuses it: EPERM to raise a hard
 *   limit, EINVAL when `soft` is above `hard`, ESRCH
 * @throws {TypeError | RangeError} when an argument does not fit its C type
 *
 * @example
 * ```ts
 * import { prlimit, RLIM_INFINITY, RLIMIT_CORE } from "@denspace/denspace";
 *
 * const { soft, hard } = prlimit(0, RLIMIT_CORE);
 * console.log(soft === RLIM_INFINITY ? "any core dump" : `core dumps up to ${soft} bytes`);
 * prlimit(0, RLIMIT_CORE, { soft: hard, hard });
 * prlimit(0, RLIMIT_CORE, { soft, hard });
 * ```
 */
export function prlimit(pid: number, resource: number, limit?: Limit): Limit {
  const set = limit ? new BigUint64Array([u64("soft", limit.soft), u64("hard", limit.hard)]) : null;
  const old = new BigUint64Array(2);
  call("prlimit", [int("pid", pid), int("resource", resource), set, old]);
  return { soft: old[0]!, hard: old[1]! };
}
