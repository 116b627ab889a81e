/**
 * The process that runs a plan's program, where the first one can't: as a sibling
 * of the first one, which then ends, so that nobody stands between the program
 * and whoever has started the plan.
 *
 * @module
 */
import { CLONE_PARENT, CLONE_VFORK, CLONE_VM } from "../constants/sched.ts";
import { SIGNALS } from "../constants/signal.ts";
import type { Plan, Step } from "./step.ts";

/**
 * The plan whose successor is a child of the first process's parent.
 *
 * It shares the memory of the first process, which goes on when the successor has
 * executed its program, or has ended.
 *
 * @param plan the plan, with whatever was added to it
 * @param end the index of the step at which the first process then goes on
 */
export function withSibling(plan: Plan, end: number): Plan {
  const { steps, successor } = plan;
  if (!successor) return plan;
  const { fork, parent } = successor;
  const step = steps[fork]!;
  const flags = CLONE_PARENT | CLONE_VM | CLONE_VFORK | SIGNALS.SIGCHLD;
  return {
    ...plan,
    steps: steps
      .with(fork, step.op === "clone" ? { ...step, args: [flags, 0, 0, 0, 0] } : step)
      .with(parent, jump(steps[parent]!, end)),
  };
}

function jump({ result }: Step, at: number): Step {
  return { op: "add", args: [0, 0], result, note: { next: { at } } };
}
