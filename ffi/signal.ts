/**
 * signal.h: sending, ignoring and blocking signals.
 *
 * @module
 */
import { int, u64 } from "./arguments.ts";
import { SIG_DFL, SIG_IGN, type SignalName, SIGNALS } from "./constants/signal.ts";
import { call } from "./libc.ts";

export * from "./constants/signal.ts";

/**
 * Sends a signal to a process, or to several.
 *
 * See kill(2).
 *
 * @param pid the process; 0 for all of the own process group, -1 for all that
 *   may be signalled, less for the process group `-pid`
 * @param signal the signal by number or name; 0 only asks whether it could be sent
 * @throws {SyscallError} when the kernel refuses it: ESRCH, EPERM
 * @throws {TypeError | RangeError} when `pid` is no 32-bit integer, or when
 *   there is no such signal name
 *
 * @example
 * ```ts
 * import { getpid, kill } from "@denspace/denspace";
 *
 * kill(getpid(), 0); // yes, we may
 * kill(getpid(), "SIGCONT");
 * ```
 */
export function kill(pid: number, signal: number | SignalName): void {
  call("kill", [int("pid", pid), signalNumber(signal)]);
}

/**
 * Ignores a signal from now on, or does by default what it does.
 *
 * This holds for the whole process and for the programs it executes. Deno
 * ignores SIGPIPE: give it its default back before an `execve`. A handler that
 * was set by `Deno.addSignalListener` is gone afterwards.
 *
 * See sigaction(2) and signal(7).
 *
 * @param signal the signal by number or name
 * @param disposition `SIG_DFL` or `SIG_IGN`; handlers are not for JavaScript
 * @throws {SyscallError} when the kernel refuses it: EINVAL for SIGKILL and SIGSTOP
 * @throws {TypeError | RangeError} when there is no such signal name or disposition
 *
 * @example
 * ```ts
 * import { SIG_DFL, SIG_IGN, signal } from "@denspace/denspace";
 *
 * signal("SIGUSR2", SIG_IGN);
 * signal("SIGUSR2", SIG_DFL);
 * ```
 */
export function signal(signal: number | SignalName, disposition: number): void {
  if (disposition !== SIG_DFL && disposition !== SIG_IGN) {
    throw new RangeError(`disposition must be SIG_DFL or SIG_IGN, not ${disposition}`);
  }
  // struct sigaction of glibc, the same on x86-64 and aarch64: handler 0,
  // sa_mask 8 to 136, sa_flags 136, sa_restorer 144
  const action = new BigUint64Array(152 / 8);
  action[0] = BigInt(disposition);
  call("sigaction", [signalNumber(signal), action, null]);
}

/**
 * Gets the signals that the calling thread blocks, and changes them if a set
 * is given.
 *
 * A set is a number in which signal n is bit n - 1. Other threads of Deno go on
 * to take a signal that was sent to the process; what is executed or started
 * afterwards inherits the mask.
 *
 * See sigprocmask(2) and pthread_sigmask(3).
 *
 * @param how `SIG_BLOCK`, `SIG_UNBLOCK` or `SIG_SETMASK`
 * @param set the signals; `null` to change nothing
 * @returns the signals that were blocked before
 * @throws {SyscallError} when the kernel refuses it: EINVAL for another `how`
 * @throws {TypeError | RangeError} when an argument does not fit its C type
 *
 * @example
 * ```ts
 * import { SIG_BLOCK, SIG_SETMASK, sigmask, SIGNALS } from "@denspace/denspace";
 *
 * const old = sigmask(SIG_BLOCK, 1n << BigInt(SIGNALS.SIGTERM - 1));
 * sigmask(SIG_SETMASK, old);
 * ```
 */
export function sigmask(how: number, set: bigint | null): bigint {
  // A sigset_t of glibc has 128 bytes, the kernel's has 8.
  const old = new BigUint64Array(128 / 8);
  call("sigprocmask", [int("how", how), set === null ? null : sigset(set), old]);
  return old[0]!;
}

function sigset(set: bigint): BigUint64Array<ArrayBuffer> {
  const words = new BigUint64Array(128 / 8);
  words[0] = u64("set", set);
  return words;
}

/**
 * The number of a signal.
 *
 * See signal(7).
 *
 * @param signal the signal by number or name
 * @returns the number
 * @throws {TypeError | RangeError} when there is no such signal name, or the
 *   number is no 32-bit integer
 *
 * @example
 * ```ts
 * import { signalNumber } from "@denspace/denspace";
 *
 * console.log(signalNumber("SIGKILL")); // 9
 * ```
 */
export function signalNumber(signal: number | SignalName): number {
  if (typeof signal === "number") return int("signal", signal);
  if (!Object.hasOwn(SIGNALS, signal)) throw new TypeError(`there is no signal ${signal}`);
  return SIGNALS[signal];
}
