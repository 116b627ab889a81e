/**
 * From a filter as the OCI runtime specification has it to the program that the
 * kernel runs for each system call.
 *
 * @module
 */
import { EPERM } from "../../ffi/constants/errno.ts";
import {
  AUDIT_ARCH_AARCH64,
  AUDIT_ARCH_ARM,
  AUDIT_ARCH_I386,
  AUDIT_ARCH_X86_64,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_PROCESS,
  SECCOMP_RET_KILL_THREAD,
  SECCOMP_RET_LOG,
  SECCOMP_RET_TRACE,
  SECCOMP_RET_TRAP,
} from "../../ffi/constants/seccomp.ts";
import { type ArgumentTest, compileRules, type Rule } from "../../ffi/seccomp.ts";
import type { Seccomp, SeccompRule } from "./profile.ts";

/** `SCMP_ARCH_X32` of seccomp.h, for which the kernel has no name. */
const AUDIT_ARCH_X32 = 0x4000003e;

/** By machine: the architectures whose calls it can make, its own first. */
const ARCHITECTURES: Readonly<Record<"x86_64" | "aarch64", Readonly<Record<string, number>>>> = {
  x86_64: {
    SCMP_ARCH_X86_64: AUDIT_ARCH_X86_64,
    SCMP_ARCH_X86: AUDIT_ARCH_I386,
    SCMP_ARCH_X32: AUDIT_ARCH_X32,
  },
  aarch64: {
    SCMP_ARCH_AARCH64: AUDIT_ARCH_AARCH64,
    SCMP_ARCH_ARM: AUDIT_ARCH_ARM,
  },
};

const ACTIONS: Readonly<Record<string, number>> = {
  SCMP_ACT_ALLOW: SECCOMP_RET_ALLOW,
  SCMP_ACT_ERRNO: SECCOMP_RET_ERRNO,
  SCMP_ACT_KILL: SECCOMP_RET_KILL_THREAD,
  SCMP_ACT_KILL_PROCESS: SECCOMP_RET_KILL_PROCESS,
  SCMP_ACT_KILL_THREAD: SECCOMP_RET_KILL_THREAD,
  SCMP_ACT_LOG: SECCOMP_RET_LOG,
  SCMP_ACT_TRACE: SECCOMP_RET_TRACE,
  SCMP_ACT_TRAP: SECCOMP_RET_TRAP,
};

/**
 * Compiles a filter, for a machine of this architecture.
 *
 * What can't run there is left out: rules for calls that libseccomp does not
 * know, and other architectures.
 *
 * @throws {SyscallError} when libseccomp refuses a rule
 */
export function compile(filter: Seccomp, arch: "x86_64" | "aarch64"): Uint8Array {
  const known = ARCHITECTURES[arch];
  const named = (filter.architectures ?? []).filter((name) => Object.hasOwn(known, name));
  const architectures = named.length > 0
    ? named.map((name) => known[name]!)
    : [Object.values(known)[0]!];
  const defaultAction = actionOf(filter.defaultAction, filter.defaultErrnoRet);
  const rules = (filter.syscalls ?? []).flatMap(rulesOf)
    // libseccomp refuses what is so anyway
    .filter(({ action }) => action !== defaultAction);
  return compileRules({ architectures, defaultAction, rules });
}

function actionOf(name: string, errno: number = EPERM): number {
  const action = ACTIONS[name];
  if (action === undefined) throw new RangeError(`seccomp action '${name}' is not supported`);
  return name === "SCMP_ACT_ERRNO" || name === "SCMP_ACT_TRACE" ? action | errno : action;
}

function rulesOf({ names, action, errnoRet, args = [] }: SeccompRule): Rule[] {
  const number = actionOf(action, errnoRet);
  return names.flatMap((syscall) =>
    alternatives(args).map((args) => ({ action: number, syscall, args }))
  );
}

/** Tests of different arguments have to be passed all; of the same argument, any. */
function alternatives(tests: readonly ArgumentTest[]): (readonly ArgumentTest[])[] {
  const different = new Set(tests.map(({ index }) => index)).size === tests.length;
  return different ? [tests] : tests.map((test) => [test]);
}
