/**
 * The error that a step of a plan leaves behind.
 *
 * @module
 */
import { SyscallError } from "../errno.ts";
import { needOf } from "./layout.ts";
import { isControl, type Plan, type Step } from "./step.ts";

/** What is known of a failure. */
export interface Failure {
  /** The index of the step. */
  readonly step: number;
  /** The errno. */
  readonly errno: number;
  /** What ends the message of the step. */
  readonly subject: string;
  /** A further line, with the program's name before it. */
  readonly hint: string;
}

/** The error of a step that has failed. */
export function failureOf(
  plan: Plan,
  { step: index, errno, subject, hint }: Failure,
): SyscallError {
  const step = plan.steps[index]!;
  const text = (step.note.message ?? "") + subject;
  const said = hint.trimEnd().replace(`${plan.name}: `, "") || needOf(step, errno);
  return new SyscallError(callOf(plan, step, text), errno, {
    ...(text !== "" && { step: text }),
    ...(said !== undefined && { hint: said }),
  });
}

/** The system call that failed. */
function callOf({ steps }: Plan, step: Step, text: string): string {
  if (!isControl(step.op)) return step.op;
  if (step.note.call) return step.note.call;
  // It speaks for several: the one that goes on, when it fails, where this text is set.
  const origin = steps.find(({ op, note: { fail } }) =>
    !isControl(op) && fail?.at !== undefined && steps[fail.at]?.args[0] === text
  );
  return origin?.op ?? step.op;
}
