/**
 * Writing a plan down.
 *
 * @module
 */
import {
  type CallName,
  type Cell,
  CONTEXT_SIZE,
  type ControlName,
  ERRNO,
  FAILED,
  FAILURE,
  type Initial,
  isControl,
  type Label,
  type Note,
  type Operand,
  type Plan,
  type Step,
} from "./step.ts";
import type { Signatures } from "./signatures.ts";

/** The arguments of a system call: as many as it has. */
export type Arguments<N extends CallName> = Operands<Signatures[N]>;
/** As many operands as `T` has elements. */
export type Operands<T extends readonly unknown[]> = { [K in keyof T]: Operand };

/** The control operations that decide between two ways on. */
export type Condition = "equal" | "less";

/** The means to write a plan. */
export interface Builder {
  /** A system call; its result, errors as `-errno`. */
  call<N extends CallName>(name: N, args: Arguments<N>, note?: Note): Cell;
  /** A control operation; its result. */
  control(op: ControlName, args: readonly Operand[], note?: Note): Cell;
  /** A new cell, of 8 bytes if nothing is said. */
  cell(name: string, size?: number, value?: Initial["value"]): Cell;
  /** Goes on in one of two ways: as `a` is equal to or less than `b`, or not. */
  when(
    op: Condition,
    a: Operand,
    b: Operand,
    then: () => unknown,
    otherwise?: () => unknown,
  ): void;
  /** Goes on at the label if `a` is equal to or less than `b`. */
  branch(op: Condition, a: Operand, b: Operand, to: Label): void;
  /** Gives a cell a value. */
  set(cell: Cell, value: Operand, next?: Label): void;
  /** A label for the step that is written next. */
  here(): Label;
  /** A label for a place that {@linkcode Builder.place} tells later. */
  label(): Label;
  /** Says that the label stands here. */
  place(label: Label): void;
  /** Goes on at the label. */
  jump(label: Label): void;
  /** Has a failure of what `body` writes come only after what `undo` writes. */
  guard(body: () => void, undo: () => void): void;
  /** What a child process does: a failure of it undoes nothing of what the parent did. */
  apart(body: () => void): void;
}

const NOTHING: Note = {};

/**
 * Builds a plan.
 *
 * @param name the program's name, with which its messages begin
 * @param write writes the steps
 * @param base a plan that the new steps are appended to
 * @throws {TypeError} when nothing comes behind the last step, and it does not end the program
 *
 * @example
 * ```ts
 * import { plan } from "./builder.ts";
 *
 * const hello = plan("hello", (p) => {
 *   p.call("write", [1, "hello\n", 6]);
 *   p.call("exit_group", [0]);
 * });
 * ```
 */
export function plan(name: string, write: (p: Builder) => void, base?: Plan): Plan {
  const steps: Step[] = base ? [...base.steps] : [];
  const initial: Initial[] = base ? [...base.initial] : [];
  let dataSize = base ? base.dataSize : CONTEXT_SIZE;

  const cell: Builder["cell"] = (name, size = 8, value) => {
    const cell = { offset: dataSize, size, name };
    dataSize += (size + 7) & ~7;
    if (value) initial.push({ cell, value });
    return cell;
  };
  let guarding: Label | undefined; // where the innermost guard undoes things
  const step = (op: Step["op"], args: readonly Operand[], note = NOTHING): Cell => {
    const result = note.result ?? cell(op);
    const guarded = guarding && !note.fail && (op === "raise" || !isControl(op));
    steps.push({ op, args, result, note: guarded ? { ...note, fail: guarding! } : note });
    return result;
  };
  let placed = 0; // where a label was placed last
  const place = (label: Label): void => {
    label.at = placed = steps.length;
  };
  /** Whether nothing goes on behind the last step. */
  const ended = (): boolean => {
    const last = steps.at(-1);
    if (!last) return false;
    const { op, note } = last;
    return op === "exit_group" || op === "raise" || op === "return" || (!!note.next && !note.fail);
  };
  const jump = (next: Label) => void step("add", [0, 0], { next });
  const set: Builder["set"] = (result, value, next) => {
    step("add", [value, 0], next ? { result, next } : { result });
  };

  write({
    call: step,
    control: step,
    cell,
    when: (op, a, b, then, otherwise) => {
      const [no, end]: [Label, Label] = [{}, {}];
      step(op, [a, b], { fail: no });
      then();
      const joins = otherwise && !ended();
      if (joins) jump(end);
      place(no);
      otherwise?.();
      if (joins) place(end);
    },
    branch: (op, a, b, next) => {
      step(op, [a, b], { next, fail: { at: steps.length + 1 } });
    },
    set,
    here: () => ({ at: steps.length }),
    label: () => ({}),
    place,
    jump,
    guard: (body, undo) => {
      const outer = guarding;
      const [inner, end]: [Label, Label] = [{ reported: true }, {}];
      guarding = inner;
      body();
      guarding = outer;
      const joins = !ended();
      if (joins) jump(end);
      place(inner);
      const [step, errno] = [cell("failed step"), cell("errno")];
      set(step, FAILED);
      set(errno, ERRNO);
      undo();
      set(FAILED, step);
      set(ERRNO, errno, outer ?? FAILURE);
      if (joins) place(end);
    },
    apart: (body) => {
      const outer = guarding;
      guarding = undefined;
      body();
      guarding = outer;
    },
  });
  if (!ended() || placed === steps.length) {
    throw new TypeError(`plan ${name}: ${steps.at(-1)?.op ?? "nothing"} leads nowhere`);
  }
  const { start = 0, successor, channel } = base ?? {};
  return {
    name,
    steps,
    start,
    dataSize,
    initial,
    ...(successor && { successor }),
    ...(channel && { channel }),
  };
}
