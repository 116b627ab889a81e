/** Has clone3(2) refused to this thread, as filters of system calls do that do not know it. */
import { ENOSYS } from "../ffi/constants/errno.ts";
import { PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP } from "../ffi/constants/prctl.ts";
import {
  SECCOMP_MODE_FILTER,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
} from "../ffi/constants/seccomp.ts";
import { prctl } from "../ffi/prctl.ts";
import { host } from "../ffi/plan/host.ts";
import { geteuid } from "../ffi/unistd.ts";

const [LOAD, EQUAL, RETURN] = [0x20n, 0x15n, 0x06n];
const instruction = (op: bigint, constant: number, otherwise = 0): bigint =>
  op | BigInt(otherwise) << 24n | BigInt(constant >>> 0) << 32n;
const filter = new BigUint64Array([
  instruction(LOAD, 0), // the number of the system call
  instruction(EQUAL, host().syscalls.clone3, 1),
  instruction(RETURN, SECCOMP_RET_ERRNO | ENOSYS),
  instruction(RETURN, SECCOMP_RET_ALLOW),
]);
const addressOf = (words: BigUint64Array<ArrayBuffer>): bigint =>
  Deno.UnsafePointer.value(Deno.UnsafePointer.of(words));
const program = new BigUint64Array([BigInt(filter.length), addressOf(filter)]);

if (geteuid() !== 0) prctl(PR_SET_NO_NEW_PRIVS, 1);
prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, addressOf(program));
