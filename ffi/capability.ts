/**
 * linux/capability.h: what a thread may do beyond what its ids allow.
 *
 * @module
 */
import { int, u64 } from "./arguments.ts";
import {
  CAPABILITIES,
  type CapabilityName,
  LINUX_CAPABILITY_VERSION_3,
} from "./constants/capability.ts";
import { syscall } from "./syscall.ts";

export * from "./constants/capability.ts";

/** Three of the capability sets of a thread, each with bit n for capability n. */
export interface CapabilitySets {
  /** Those that the kernel looks at. */
  effective: bigint;
  /** Those that may become effective. */
  permitted: bigint;
  /** Those that survive the execution of a program that has them, too. */
  inheritable: bigint;
}

/**
 * Capability sets of a thread.
 *
 * See capget(2) and capabilities(7).
 *
 * @param pid the thread or the process with this id; 0 for the calling thread
 * @returns its sets
 * @throws {SyscallError} when the kernel refuses it: ESRCH
 * @throws {TypeError | RangeError} when `pid` is no 32-bit integer
 *
 * @example
 * ```ts
 * import { CAP_SYS_ADMIN, capget } from "@denspace/denspace";
 *
 * const { effective } = capget();
 * if (effective & 1n << BigInt(CAP_SYS_ADMIN)) console.log("may mount");
 * ```
 */
export function capget(pid: number = 0): CapabilitySets {
  const data = new Uint32Array(6);
  syscall("capget", [header(pid), new Uint8Array(data.buffer)]);
  const set = (i: number): bigint => BigInt(data[i]!) | BigInt(data[i + 3]!) << 32n;
  return { effective: set(0), permitted: set(1), inheritable: set(2) };
}

/**
 * Sets capability sets of the calling thread; other threads of Deno keep theirs.
 *
 * See capset(2) and capabilities(7).
 *
 * @param sets the sets; bits above the last capability of the kernel are ignored
 * @throws {SyscallError} when the kernel refuses it: EPERM to add to what is
 *   permitted, or to make effective what is not
 * @throws {TypeError | RangeError} when a set is no unsigned 64-bit number
 *
 * @example
 * ```ts
 * import { CAP_NET_ADMIN, capget, capset } from "@denspace/denspace";
 *
 * function giveUpNetwork(): void {
 *   const { effective, permitted, inheritable } = capget();
 *   const all = ~(1n << BigInt(CAP_NET_ADMIN));
 *   capset({ effective: effective & all, permitted: permitted & all, inheritable });
 * }
 * ```
 */
export function capset({ effective, permitted, inheritable }: CapabilitySets): void {
  const data = new Uint32Array(6);
  Object.entries({ effective, permitted, inheritable }).forEach(([name, set], i) => {
    data[i] = Number(u64(name, set) & 0xffff_ffffn);
    data[i + 3] = Number(set >> 32n);
  });
  syscall("capset", [header(0), new Uint8Array(data.buffer)]);
}

/**
 * The set of these capabilities: bit n for capability n.
 *
 * See capabilities(7).
 *
 * @param names the capabilities
 * @returns the set
 * @throws {TypeError} when there is no such capability
 *
 * @example
 * ```ts
 * import { capabilitySet } from "@denspace/denspace";
 *
 * console.log(capabilitySet(["CAP_CHOWN", "CAP_KILL"])); // 33n
 * ```
 */
export function capabilitySet(names: Iterable<CapabilityName>): bigint {
  let set = 0n;
  for (const name of names) {
    if (!Object.hasOwn(CAPABILITIES, name)) throw new TypeError(`there is no capability ${name}`);
    set |= 1n << BigInt(CAPABILITIES[name]);
  }
  return set;
}

/** A `struct __user_cap_header_struct`. */
function header(pid: number): Uint8Array<ArrayBuffer> {
  const words = new Int32Array([LINUX_CAPABILITY_VERSION_3, int("pid", pid)]);
  return new Uint8Array(words.buffer);
}
