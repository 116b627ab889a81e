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
import { layout } from "./layout.ts";
import type { Plan } from "./step.ts";

const BASE = 0x400000;
const ALIGN = 0x10000;
const EHSIZE = 64;
const PHSIZE = 56;

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
  const headers = EHSIZE + 3 * PHSIZE;
  const codeAddress = BASE + headers;
  const align8 = (size: number) => Math.ceil(size / 8) * 8;
  // The second segment follows in the file without a gap, so its address is at
  // the same distance from a page's start as its offset is.
  const dataOffset = (codeSize: number) => headers + align8(codeSize);
  const dataAddress = (codeSize: number) => {
    const offset = dataOffset(codeSize);
    return BASE + Math.ceil(offset / ALIGN) * ALIGN + offset % ALIGN;
  };
  const { code, data, dataSize } = layout(plan, arch, codeAddress, dataAddress);

  const offset = dataOffset(code.length);
  const file = new Uint8Array(offset + data.length);
  const view = new DataView(file.buffer);
  let at = 0;
  const u16 = (value: number) => view.setUint16((at += 2) - 2, value, true);
  const u32 = (value: number) => view.setUint32((at += 4) - 4, value, true);
  const u64 = (value: number) => view.setBigUint64((at += 8) - 8, BigInt(value), true);
  const segment = (
    type: number,
    flags: number,
    offset: number,
    address: number,
    fileSize: number,
    size: number,
    align: number,
  ) => {
    u32(type), u32(flags);
    [offset, address, address, fileSize, size, align].forEach(u64);
  };

  // e_ident: 64-bit, little-endian, version 1, System V
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]);
  at = 16;
  u16(2), u16(arch.machine), u32(1); // ET_EXEC, EV_CURRENT
  u64(codeAddress), u64(EHSIZE), u64(0), u32(0); // e_entry, e_phoff, e_shoff, e_flags
  [EHSIZE, PHSIZE, 3, 0, 0, 0].forEach(u16);

  segment(PT_LOAD, PF_R | PF_X, 0, BASE, headers + code.length, headers + code.length, ALIGN);
  segment(PT_LOAD, PF_R | PF_W, offset, dataAddress(code.length), data.length, dataSize, ALIGN);
  segment(PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 16);

  file.set(code, headers);
  file.set(data, offset);
  return file;
}
