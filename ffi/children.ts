/**
 * The ends of children, as promises.
 *
 * Whoever is awaited is asked after whenever a SIGCHLD has come. A timer keeps
 * the event loop running meanwhile, since a listener for signals does not.
 *
 * @module
 */
import { P_PID, WEXITED, WNOHANG } from "./constants/wait.ts";
import { waitid, type WaitResult } from "./wait.ts";

interface Awaited {
  /** What is known from elsewhere. */
  readonly known: () => WaitResult | undefined;
  readonly resolve: (result: WaitResult) => void;
  readonly reject: (error: unknown) => void;
}

const awaited = new Map<number, Awaited>();

/** Longer than any program waits; not longer than a timer can be. */
const FOREVER = 2 ** 31 - 1;

/** Whether the event loop waits for a child. */
export interface Hold {
  /** It does, as it does from the start. */
  ref(): void;
  /** It does not. */
  unref(): void;
}

/**
 * What becomes of a child. Its process id is free afterwards.
 *
 * @param pid a child that nobody else waits for
 * @param known what somebody has found out after all, in this thread
 * @param held is given what holds the event loop
 */
export function ended(
  pid: number,
  known: () => WaitResult | undefined,
  held: (hold: Hold) => void = () => {},
): Promise<WaitResult> {
  const timer = setInterval(() => {}, FOREVER);
  held({ ref: () => Deno.refTimer(timer), unref: () => Deno.unrefTimer(timer) });
  const { promise, resolve, reject } = Promise.withResolvers<WaitResult>();
  if (awaited.size === 0) Deno.addSignalListener("SIGCHLD", look);
  awaited.set(pid, { known, resolve, reject });
  look(); // It may have ended before.
  return promise.finally(() => clearInterval(timer));
}

function look(): void {
  for (const [pid, { known, resolve, reject }] of awaited) {
    try {
      const result = known() ?? waitid(P_PID, pid, WEXITED | WNOHANG);
      if (!result) continue;
      resolve(result);
    } catch (error) {
      reject(error);
    }
    awaited.delete(pid);
  }
  if (awaited.size === 0) Deno.removeSignalListener("SIGCHLD", look);
}
