/** Has system calls refused to this thread, as filters do that do not know them. */
import { ENOSYS } from "../ffi/constants/errno.ts";
import { PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP } from "../ffi/constants/prctl.ts";
import {
  SECCOMP_MODE_FILTER,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
} from "../ffi/constants/seccomp.ts";
import { prctl } from "../ffi/prctl.ts";
import { host } from "../ffi/plan/host.ts";
import type { CallName } from "../ffi/plan/step.ts";
import { geteuid } from "../ffi/unistd.ts";

const [LOAD, EQUAL, RETURN] = [0x20n, 0x15n, 0x06n];

/** Has these calls refused from now on, with ENOSYS. */
export function refuse(...calls: CallName[]): void {
  const filter = new BigUint64Array([
    instruction(LOAD, 0), // the number of the system call
    ...calls.map((name, i) => instruction(EQUAL, host().syscalls[name], calls.length - i)),
    instruction(RETURN, SECCOMP_RET_ALLOW),
    instruction(RETURN, SECCOMP_RET_ERRNO | ENOSYS),
  ]);
  const program = new BigUint64Array([BigInt(filter.length), addressOf(filter)]);
  if (geteuid() !== 0) prctl(PR_SET_NO_NEW_PRIVS, 1);
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, addressOf(program));
}

/** An instruction of classic BPF, with how many to leave out if it holds. */
function instruction(op: bigint, constant: number, skip = 0): bigint {
  return op | BigInt(skip) << 16n | BigInt(constant >>> 0) << 32n;
}

function addressOf(words: BigUint64Array<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(words));
}
