/**
 * sys/prctl.h: attributes of the calling thread or its process.
 *
 * @module
 */
import { int, u64, ulong } from "./arguments.ts";
import { call } from "./libc.ts";

export * from "./constants/prctl.ts";

/**
 * Asks for or changes an attribute of the calling thread or its process.
 *
 * What the arguments mean is decided by `op`. A pointer is given as its
 * address, by `Deno.UnsafePointer.value()`; its memory must be kept alive.
 *
 * See prctl(2).
 *
 * @param op `PR_SET_NO_NEW_PRIVS`, `PR_CAPBSET_READ`, ...
 * @param arg2 an `unsigned long`, as the others
 * @param arg3 0 if `op` has none
 * @param arg4 0 if `op` has none
 * @param arg5 0 if `op` has none
 * @returns what `op` asks for, mostly 0
 * @throws {SyscallError} when the kernel refuses it: EINVAL, EPERM
 * @throws {TypeError | RangeError} when an argument does not fit its C type
 *
 * @example
 * ```ts
 * import { PR_GET_NO_NEW_PRIVS, prctl } from "@denspace/denspace";
 *
 * console.log(prctl(PR_GET_NO_NEW_PRIVS) === 1 ? "no new privileges" : "setuid works");
 * ```
 */
export function prctl(
  op: number,
  arg2: number | bigint = 0,
  arg3: number | bigint = 0,
  arg4: number | bigint = 0,
  arg5: number | bigint = 0,
): number {
  return call("prctl", [
    int("op", op),
    argument("arg2", arg2),
    argument("arg3", arg3),
    argument("arg4", arg4),
    argument("arg5", arg5),
  ]);
}

function argument(name: string, value: number | bigint): bigint {
  return typeof value === "bigint" ? u64(name, value) : BigInt(ulong(name, value));
}
