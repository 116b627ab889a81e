/**
 * What is said of a system call beforehand.
 *
 * @module
 */
import type { Answer, Call } from "../../ffi/plan/walk.ts";
import type { State } from "./state.ts";

/** What becomes of a call with these arguments; nothing if it is as ever. */
export type Predict = (
  call: Call<State>,
  ...args: bigint[]
) => Answer<State> | "later" | undefined;

/** A call that fails. */
export function failed(errno: number): Answer<State> {
  return { result: -errno };
}

/** A call that has nothing to return. */
export const DONE: Answer<State> = { result: 0 };
