/**
 * Runs programs of classic BPF, as the kernel does for seccomp(2).
 *
 * @module
 */

/** `struct seccomp_data`: what a filter sees of a system call. */
export interface SystemCall {
  /** Its number. */
  number: number;
  /** A value of `AUDIT_ARCH_*`. */
  arch: number;
  /** Its arguments, zeros if not given. */
  args?: readonly bigint[];
}

const [LD, ALU, JMP, RET] = [0x20, 0x54, 0x05, 0x06];
const [ALWAYS, EQUAL, GREATER, NOT_LESS, ANY] = [0x00, 0x10, 0x20, 0x30, 0x40];

/** What a filter answers: a value of `SECCOMP_RET_*`, with an errno where it has one. */
export function evaluate(program: Uint8Array, { number, arch, args = [] }: SystemCall): number {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, arch, true);
  args.forEach((arg, i) => data.setBigUint64(16 + 8 * i, BigInt.asUintN(64, arg), true));

  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  let a = 0;
  for (let at = 0;; at += 8) {
    const op = code.getUint16(at, true);
    const k = code.getUint32(at + 4, true);
    if (op === LD) a = data.getUint32(k, true);
    else if (op === ALU) a = (a & k) >>> 0;
    else if (op === RET) return k;
    else if ((op & 7) === JMP) {
      const kind = op & 0xf8;
      if (kind === ALWAYS) {
        at += 8 * k;
        continue;
      }
      const holds = {
        [EQUAL]: a === k,
        [GREATER]: a > k,
        [NOT_LESS]: a >= k,
        [ANY]: (a & k) !== 0,
      }[kind];
      if (holds === undefined) throw new Error(`unknown jump 0x${op.toString(16)}`);
      at += 8 * code.getUint8(at + (holds ? 2 : 3));
    } else throw new Error(`unknown instruction 0x${op.toString(16)}`);
  }
}
