/**
 * Writing a plan down.
 *
 * @module
 */
import {
  type CallName,
  type Cell,
  type ControlName,
  isControl,
  type Operand,
  type Plan,
  type Step,
} from "./step.ts";
import type { Signatures } from "./signatures.ts";

/** A place among the steps, perhaps one that is not written yet. */
export interface Label {
  /** The index of the step, once placed. */
  at?: number;
}

/** What else is to be said of a step. */
export interface Note {
  /** Why it is made, in one short sentence. */
  why?: string;
  /** What is said when it fails; without one the name of the call. */
  message?: string;
  /** The address of a string that ends the message. */
  subject?: Cell;
  /** The exit status when it fails; 1 unless told. */
  status?: number;
  /** The errnos that count as success. */
  accept?: readonly number[];
  /** Where to go on when it fails, instead of ending the program. */
  fail?: Label;
  /** Where to go on, if not at the step that is written next. */
  next?: Label;
  /** The cell for the result, if not one of its own. */
  result?: Cell;
}

/** The arguments of a system call: as many as it has. */
export type Arguments<N extends CallName> = Operands<Signatures[N]>;
type Operands<T extends readonly unknown[]> = { [K in keyof T]: Operand };

/** The control operations that decide between two ways on. */
export type Condition = "equal" | "less";

/** The means to write a plan. */
export interface Builder {
  /** A system call; its result, errors as `-errno`. */
  call<N extends CallName>(name: N, args: Arguments<N>, note?: Note): Cell;
  /** A control operation; its result. */
  control(op: ControlName, args: readonly Operand[], note?: Note): Cell;
  /** A new cell. */
  cell(name: string, size?: number, init?: Cell["init"]): Cell;
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
  /** A label for the step that is written next. */
  here(): Label;
  /** A label for a place that {@linkcode Builder.place} tells later. */
  label(): Label;
  /** Says that the label stands here. */
  place(label: Label): void;
  /** Goes on at the label. */
  jump(label: Label): void;
  /** The steps that `body` writes are made by the process of this name. */
  as(who: string, body: () => void): void;
}

/**
 * Builds a plan.
 *
 * @param name the program's name, with which its messages begin
 * @param write writes the steps
 * @param base a plan that the new steps are appended to
 * @throws {Error} when a step leads nowhere
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
export function plan(
  name: string,
  write: (p: Builder) => void,
  base?: Plan,
): Plan {
  type Draft = Omit<Step, "next" | "fail"> & { next?: Label; fail?: Label };
  const first = base?.steps.length ?? 0;
  const drafts: Draft[] = [];
  let cells = base?.cells ?? 3; // the context has the first three
  let who = name;

  const here = () => ({ at: first + drafts.length });
  const cell: Builder["cell"] = (name, size = 8, init) => ({
    cell: cells++,
    name,
    size,
    ...(init && { init }),
  });

  function step(op: Step["op"], args: readonly Operand[], note: Note): Cell {
    const { why, message, subject, accept, fail, next } = note;
    const result = note.result ?? cell(op);
    drafts.push({
      op,
      args,
      result,
      who,
      ...(why !== undefined && { why }),
      ...(accept && { accept }),
      ...(fail && { fail }),
      ...(next && { next }),
      ...(!fail && canFail(op) && {
        message: {
          text: message ?? op,
          status: note.status ?? 1,
          ...(subject && { subject }),
        },
      }),
    });
    return result;
  }

  const ended = () => {
    const last = drafts.at(-1)!;
    return isEnd(last.op) || last.next !== undefined && !last.fail;
  };
  const p: Builder = {
    call: (name, args, note = {}) => step(name, args, note),
    control: (op, args, note = {}) => step(op, args, note),
    cell,
    when(op, a, b, then, otherwise) {
      const [no, end] = [p.label(), p.label()];
      p.control(op, [a, b], { fail: no });
      then();
      if (otherwise && !ended()) p.jump(end);
      p.place(no);
      otherwise?.();
      p.place(end);
    },
    branch(op, a, b, next) {
      const fail = p.label();
      p.control(op, [a, b], { next, fail });
      p.place(fail);
    },
    here,
    label: () => ({}),
    place(label) {
      label.at = here().at;
    },
    jump: (next) => void p.control("add", [0, 0], { next }),
    as(name, body) {
      const outer = who;
      who = name;
      body();
      who = outer;
    },
  };
  write(p);

  const steps = drafts.map(({ next, fail, ...draft }, i): Step => {
    const index = ({ at }: Label): number => {
      if (at !== undefined && at < first + drafts.length) return at;
      throw new Error(`plan ${name}: ${draft.op} leads nowhere`);
    };
    const ends = isEnd(draft.op);
    return {
      ...draft,
      next: index(next ?? { at: first + i + (ends ? 0 : 1) }),
      ...(fail && { fail: index(fail) }),
    };
  });
  return { name, steps: [...base?.steps ?? [], ...steps], cells };
}

function canFail(op: Step["op"]): boolean {
  return op === "raise" || !isControl(op) && op !== "exit_group";
}

/** Whether nothing follows in the table: the way on is no step's business. */
function isEnd(op: Step["op"]): boolean {
  return op === "raise" || op === "exit_group";
}
