/**
 * Filters of system calls, see seccomp(2): what is wanted to the program that
 * the kernel runs, and its installation.
 *
 * @module
 */
import {
  SECCOMP_FILTER_FLAG_LOG,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW,
  SECCOMP_FILTER_FLAG_TSYNC,
  SECCOMP_SET_MODE_FILTER,
} from "../../ffi/constants/seccomp.ts";
import { SyscallError } from "../../ffi/errno.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import { hasLibseccomp, libseccompVersion } from "../../ffi/seccomp.ts";
import { NEEDS } from "../kernel.ts";
import { cached } from "./cache.ts";
import { compile } from "./compile.ts";
import { compiledDefault } from "./default.ts";
import type { Seccomp, Surroundings } from "./profile.ts";

/** A filter that can be installed. */
export interface Filter {
  /** The program: instructions of classic BPF, 8 bytes each. */
  readonly program: Uint8Array;
  /** Flags of seccomp(2). */
  readonly flags: number;
}

const FLAGS: Readonly<Record<string, number>> = {
  SECCOMP_FILTER_FLAG_LOG,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW,
  SECCOMP_FILTER_FLAG_TSYNC,
};

const INSTRUCTION = 8;
/** `BPF_MAXINSNS` of the kernel. */
const MOST_INSTRUCTIONS = 4096;

/**
 * The filter for a machine of an architecture.
 *
 * @throws {RangeError} when there is no libseccomp to make it, when the filter
 *   asks for what is not supported, or when it gets too large
 */
export function makeFilter(seccomp: Seccomp, arch: Surroundings["arch"]): Filter {
  const json = JSON.stringify(seccomp);
  const program = compiledDefault(json, arch) ?? compiled(seccomp, json, arch);
  const instructions = program.length / INSTRUCTION;
  if (instructions > MOST_INSTRUCTIONS) {
    throw new RangeError(
      `the seccomp filter has ${instructions} instructions; the kernel takes ${MOST_INSTRUCTIONS}`,
    );
  }
  const flags = (seccomp.flags ?? []).map((name) => FLAGS[name]);
  if (flags.includes(undefined)) {
    throw new RangeError(`seccomp flag '${seccomp.flags![flags.indexOf(undefined)]}' is not known`);
  }
  return { program, flags: flags.reduce<number>((all, flag) => all | flag!, 0) };
}

function compiled(seccomp: Seccomp, json: string, arch: Surroundings["arch"]): Uint8Array {
  if (!hasLibseccomp()) {
    throw new RangeError(
      "only the default seccomp filter, without further capabilities, can be had without " +
        "libseccomp.so.2; install it (Debian: libseccomp2)",
    );
  }
  const source = `denspace filter 1, libseccomp ${libseccompVersion()}, ${arch}: ${json}`;
  try {
    return cached(source, () => compile(seccomp, arch));
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new RangeError(`libseccomp refuses the filter: ${error.message}`);
  }
}

/**
 * Installs a filter. Every system call behind it goes through the filter, so it
 * comes last; without CAP_SYS_ADMIN, behind no_new_privs.
 */
export function installFilter(p: Builder, { program, flags }: Filter): void {
  const filter = p.cell("struct sock_fprog", 16, [program.length / INSTRUCTION, program]);
  p.call("seccomp", [SECCOMP_SET_MODE_FILTER, flags, { addressOf: filter }], {
    why: "from here on the kernel asks the filter about each system call",
    message: "cannot install the seccomp filter",
    needs: NEEDS.seccomp,
  });
}
