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
import { Memory } from "./memory.ts";
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

/** What shifts a number by 16 and by 32 bits, within a word. */
const [U16, U32] = [2 ** 16, 2 ** 32];

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
  const codeAt = headers + initialSize(plan);
  const { code, data, steps } = layout(plan, arch, CODE + codeAt, DATA + headers, says);
  const size = codeAt + code.length;

  const file = new Memory(0, (size + 7) & ~7);
  const words = (...values: (number | bigint)[]): void => {
    for (const value of values) file.put(file.take(8), value);
  };
  words(0x0001_0102_464c_457fn, 0); // e_ident: 64-bit, little-endian, version 1
  words(ET_EXEC + arch.machine * U16 + 1 * U32, CODE + codeAt, EHSIZE, 0); // e_type ... e_shoff
  words(EHSIZE * U32 + PHSIZE * U32 * U16, 3); // e_flags ... e_shstrndx
  words(PT_LOAD + (PF_R + PF_X) * U32, 0, CODE, CODE, size, size, ALIGN);
  const [from, length] = [DATA + headers, data.length];
  words(PT_LOAD + (PF_R + PF_W) * U32, headers, from, from, length, plan.dataSize, ALIGN);
  words(PT_GNU_STACK + (PF_R + PF_W) * U32, 0, 0, 0, 0, 0, 16);

  file.bytes.set(data, headers);
  file.bytes.set(code, codeAt);
  return { file: file.bytes, steps };
}
