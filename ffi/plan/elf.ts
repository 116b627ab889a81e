/**
 * A laid out plan as a static executable.
 *
 * Two segments, one read and executed, one read and written, 64 KiB apart and
 * aligned to that (there are kernels with pages of 4, 16 and 64 KiB), and a
 * stack that can't be executed. See elf(5).
 *
 * @module
 */
import type { Architecture } from "./arch.ts";
import { initialSize, layout } from "./layout.ts";
import type { Plan, Step } from "./step.ts";

/** Where the parts lie. The offset in a page is the same there and in the file. */
const CODE = 0x400000;
const DATA = 0x800000;
const ALIGN = 0x10000;

const EHSIZE = 64;
const PHSIZE = 56;

const ET_EXEC = 2;
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;
const PF_X = 1;
const PF_W = 2;
const PF_R = 4;

/**
 * The executable that runs a plan.
 *
 * The plan starts with the executable's arguments and environment on its stack
 * as execve(2) leaves them.
 *
 * @param plan a plan with a failure, see `reporting` in report.ts
 * @param arch the architecture
 */
export function elf(plan: Plan, arch: Architecture): Uint8Array {
  return executable(plan, arch).file;
}

/** The executable, and the address in it of each step, by which a failure names it. */
export function executable(
  plan: Plan,
  arch: Architecture,
  says?: (step: Step) => boolean,
): { file: Uint8Array; steps: readonly number[] } {
  // In the file: headers, what the writable memory holds at the start, the rest.
  const headers = EHSIZE + 3 * PHSIZE;
  const front = headers + initialSize(plan);
  const { code: file, data, steps } = layout(plan, arch, CODE, DATA + headers, says, front);
  const size = file.length;
  file.set(data, headers);

  const [from, length] = [DATA + headers, data.length];
  // In words of 32 bits: no address and no size takes more.
  new Uint32Array(file.buffer).set([
    ...[0x464c_457f, 0x0001_0102, 0, 0], // e_ident: 64-bit, little-endian, version 1
    ...[ET_EXEC | arch.machine << 16, 1, CODE + front, 0], // e_type ... e_entry
    ...[EHSIZE, 0, 0, 0, 0], // e_phoff, e_shoff, e_flags
    ...[EHSIZE | PHSIZE << 16, 3, 0], // e_ehsize ... e_shstrndx
    ...[PT_LOAD, PF_R | PF_X, 0, 0, CODE, 0, CODE, 0, size, 0, size, 0, ALIGN, 0],
    ...[PT_LOAD, PF_R | PF_W, headers, 0, from, 0, from, 0, length, 0, plan.dataSize, 0, ALIGN, 0],
    ...[PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0],
  ]);
  return { file, steps };
}
