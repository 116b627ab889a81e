/**
 * sys/wait.h: what became of a child.
 *
 * @module
 */
import { flags, int, uint } from "./arguments.ts";
import { EINTR } from "./constants/errno.ts";
import {
  CLD_CONTINUED,
  CLD_DUMPED,
  CLD_EXITED,
  CLD_KILLED,
  CLD_STOPPED,
  CLD_TRAPPED,
} from "./constants/wait.ts";
import { SyscallError } from "./errno.ts";
import { errno, raw } from "./libc.ts";

export * from "./constants/wait.ts";

/** What {@linkcode waitid} tells of a child. */
export interface WaitResult {
  /** The child. */
  pid: number;
  /** Its real user id. */
  uid: number;
  /** What happened to it; `"dumped"` is killed, with a core dump. */
  code: "exited" | "killed" | "dumped" | "trapped" | "stopped" | "continued";
  /** The exit status if it has exited, else the number of the signal. */
  status: number;
}

const CODES: Readonly<Record<number, WaitResult["code"]>> = {
  [CLD_EXITED]: "exited",
  [CLD_KILLED]: "killed",
  [CLD_DUMPED]: "dumped",
  [CLD_TRAPPED]: "trapped",
  [CLD_STOPPED]: "stopped",
  [CLD_CONTINUED]: "continued",
};

/**
 * Waits for a child, and frees its process id unless `WNOWAIT` is given.
 *
 * Until then nothing else runs in this thread, the event loop included, unless
 * `WNOHANG` is given. A signal does not end it. Deno waits for the children of
 * `Deno.Command` itself: look at those with `WNOWAIT` only.
 *
 * See waitid(2).
 *
 * @param idtype `P_PID`, `P_PIDFD`, `P_PGID` or `P_ALL`: what `id` is
 * @param id the process, descriptor or process group; 0 with `P_ALL`
 * @param options `WEXITED`, `WSTOPPED`, `WCONTINUED`, and more, joined by `|`
 * @returns what happened, or `null` when nothing has yet, with `WNOHANG`
 * @throws {SyscallError} when there is no such child, ECHILD; EINVAL
 * @throws {TypeError | RangeError} when an argument does not fit its C type
 *
 * @example
 * ```ts
 * import { P_PID, waitid, WEXITED } from "@denspace/denspace";
 *
 * function statusOf(child: number): number {
 *   const { code, status } = waitid(P_PID, child, WEXITED)!;
 *   return code === "exited" ? status : 128 + status;
 * }
 * ```
 */
export function waitid(idtype: number, id: number, options: number): WaitResult | null {
  const info = new Int32Array(128 / 4);
  const args = [
    int("idtype", idtype),
    uint("id", id),
    info,
    flags("options", options),
  ] as const;
  let error: number;
  do {
    if (raw("waitid", ...args) === 0) return resultOf(info);
    error = errno();
  } while (error === EINTR);
  throw new SyscallError("waitid", error);
}

/** Reads a siginfo_t: si_code is at 8, si_pid at 16, si_uid 20, si_status 24. */
function resultOf(info: Int32Array): WaitResult | null {
  const pid = info[4]!;
  if (pid === 0) return null;
  return { pid, uid: info[5]! >>> 0, code: CODES[info[2]!]!, status: info[6]! };
}
