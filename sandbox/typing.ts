/**
 * Keeps a program from typing: whoever shares a terminal with a shell can put
 * characters into its input, as if they had been typed there, by ioctl(2) with
 * TIOCSTI or TIOCLINUX. See seccomp(2), ioctl_tty(2).
 *
 * @module
 */
import { EPERM } from "../ffi/constants/errno.ts";
import { PR_SET_SECCOMP } from "../ffi/constants/prctl.ts";
import {
  AUDIT_ARCH_AARCH64,
  AUDIT_ARCH_ARM,
  AUDIT_ARCH_I386,
  AUDIT_ARCH_X86_64,
  BPF_ABS,
  BPF_JEQ,
  BPF_JMP,
  BPF_K,
  BPF_LD,
  BPF_RET,
  BPF_W,
  SECCOMP_MODE_FILTER,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
} from "../ffi/constants/seccomp.ts";
import { TIOCLINUX, TIOCSTI } from "../ffi/constants/termios.ts";
import type { Builder } from "../ffi/plan/builder.ts";

/** The number of ioctl(2) of each architecture that these machines run, x32 among them. */
const IOCTL = [
  [AUDIT_ARCH_X86_64, 16],
  [AUDIT_ARCH_X86_64, 0x4000_0000 + 514],
  [AUDIT_ARCH_AARCH64, 29],
  [AUDIT_ARCH_I386, 54],
  [AUDIT_ARCH_ARM, 54],
] as const;

/** Where `struct seccomp_data` has the number, the architecture, and the lower half of the second argument. */
const [NUMBER, ARCHITECTURE, REQUEST] = [0, 4, 24];

/** Refuses the two requests. It takes no_new_privs, or CAP_SYS_ADMIN in the user namespace. */
export function forbidTyping(p: Builder): void {
  const program = filter();
  // struct sock_fprog: how many instructions, and where
  const fprog = p.cell("struct sock_fprog", 16, [program.length / 8, program]);
  p.call("prctl", [PR_SET_SECCOMP, SECCOMP_MODE_FILTER, { addressOf: fprog }, 0, 0], {
    why: "the program types nothing into the shell that shares its terminal",
    message: "cannot keep the program from typing",
  });
}

/** `struct sock_filter`: an operation, how far to jump if it holds and if not, a constant. */
type Instruction = readonly [code: number, yes: number, no: number, k: number];

function filter(): Uint8Array {
  const load = (offset: number): Instruction => [BPF_LD | BPF_W | BPF_ABS, 0, 0, offset];
  const equal = (
    k: number,
    yes: number,
    no: number,
  ): Instruction => [BPF_JMP | BPF_JEQ | BPF_K, yes, no, k];
  const answer = (k: number): Instruction => [BPF_RET | BPF_K, 0, 0, k];
  const size = 4 * IOCTL.length;
  const program: Instruction[] = [
    ...IOCTL.flatMap(([architecture, number], i) => [
      load(ARCHITECTURE),
      equal(architecture, 0, 2),
      load(NUMBER),
      equal(number, size - 4 * i - 3, 0), // to what comes behind the first answer
    ]),
    answer(SECCOMP_RET_ALLOW),
    load(REQUEST),
    equal(TIOCSTI, 2, 0),
    equal(TIOCLINUX, 1, 0),
    answer(SECCOMP_RET_ALLOW),
    answer(SECCOMP_RET_ERRNO | EPERM),
  ];
  const bytes = new Uint8Array(8 * program.length);
  const view = new DataView(bytes.buffer);
  program.forEach(([code, yes, no, k], i) => {
    view.setUint16(8 * i, code, true);
    view.setUint8(8 * i + 2, yes);
    view.setUint8(8 * i + 3, no);
    view.setUint32(8 * i + 4, k, true);
  });
  return bytes;
}
