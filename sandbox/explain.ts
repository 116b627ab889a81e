/**
 * What a plan would do on this host, by this user: each system call, with what it
 * comes to, why it is made, and what it needs that not everybody has.
 *
 * @module
 */
import { CAPABILITIES } from "../ffi/constants/capability.ts";
import { printArguments, printResult } from "../ffi/plan/print.ts";
import { reporting } from "../ffi/plan/report.ts";
import { ownEnvironment } from "../ffi/environ.ts";
import type { Plan } from "../ffi/plan/step.ts";
import { errorName } from "../ffi/plan/symbols.ts";
import { type Answer, type Call, walk } from "../ffi/plan/walk.ts";
import { foretell } from "./explain/answer.ts";
import { manualPage } from "./explain/manual.ts";
import { needs, type Privilege } from "./explain/needs.ts";
import { PLAIN, textOf } from "./explain/text.ts";
import { usualReason } from "./explain/usual.ts";
import { descriptor, startState, type State } from "./explain/state.ts";

export type { Privilege } from "./explain/needs.ts";

/** What a plan would do. */
export interface Prediction {
  /** The arguments that the plan finds. */
  readonly command: readonly string[];
  /** Who would run it. */
  readonly user: {
    readonly uid: number;
    readonly gid: number;
    /** The effective capabilities. */
    readonly capabilities: readonly string[];
  };
  /** The processes, in the order in which they are made, each with its parent's name. */
  readonly processes: readonly { readonly name: string; readonly parent: string | null }[];
  /**
   * The calls. Those of one process are in order; what two processes do at the
   * same time may be so in any order.
   */
  readonly calls: readonly PredictedCall[];
  /** What would come instead of the end, if all that is refused for want of a privilege were allowed. */
  readonly ifAllowed: readonly PredictedCall[];
}

/** A system call of a plan. */
export interface PredictedCall {
  /** The process that makes it. */
  readonly process: string;
  /** Its name. */
  readonly call: string;
  /** Its arguments, as strace(1) writes them; `<...>` stands for what is known only at a run. */
  readonly arguments: readonly string[];
  /** What it returns, as strace(1) writes it. */
  readonly result: string;
  /** The name of the errno, if it fails. */
  readonly errno: string | null;
  /** Why it is made. */
  readonly why: string | null;
  /** The page of the manual. */
  readonly manual: string;
  /** What it needs that not everybody has. */
  readonly needs: readonly Privilege[];
}

/** How often what is refused is allowed, to see what would follow. */
const LAST_ATTEMPT = 50;

/**
 * What a plan would do, as a text: each call as strace(1) would show it, with the
 * process that makes it, and below it why, the page of the manual, and what it
 * needs that not everybody has. `<...>` stands for what is known only at a run.
 *
 * It makes no call of the plan, but looks at the files and the processes that the
 * plan speaks of, as they are now. {@linkcode predict} has the same as data.
 *
 * @param plan the plan
 * @param argv the arguments that it finds
 * @param environment the environment that it finds: `NAME=value`
 * @returns the text, lines with their ends
 * @throws {SyscallError} when the host can't be looked at, as without /proc
 *
 * @example
 * ```ts
 * import { explain, plan } from "@denspace/denspace";
 *
 * const hello = plan("hello", (p) => {
 *   p.call("write", [1, "hello\n", 6], { why: "be polite" });
 *   p.call("exit_group", [0]);
 * });
 * console.log(explain(hello));
 * // hello  write(1, "hello\n", 6) = 6
 * //          be polite — write(2)
 * // hello  exit_group(0) = ?
 * //          the work is done — exit_group(2)
 * ```
 */
export function explain(
  plan: Plan,
  argv: readonly string[] = [plan.name],
  environment: readonly string[] = ownEnvironment(),
): string {
  return textOf(predict(plan, argv, environment), PLAIN);
}

/**
 * What a plan would do, as data: the calls that {@linkcode explain} gives as a
 * text, who would make them, and what would follow if all were allowed.
 *
 * @param plan the plan
 * @param argv the arguments that it finds
 * @param environment the environment that it finds: `NAME=value`
 * @returns what it would do
 * @throws {SyscallError} when the host can't be looked at, as without /proc
 *
 * @example
 * ```ts
 * import { plan, predict } from "@denspace/denspace";
 *
 * const shell = plan({ command: "sh", namespaces: { user: true, uts: true }, uidMap: "root" });
 * for (const { call, needs } of predict(shell).calls) {
 *   for (const { text, has } of needs) if (!has) console.log(`${call} needs ${text}`);
 * }
 * ```
 */
export function predict(
  plan: Plan,
  argv: readonly string[] = [plan.name],
  environment: readonly string[] = ownEnvironment(),
): Prediction {
  const real = run(plan, argv, environment, new Set());
  let ifAllowed: PredictedCall[] = [];
  const first = real.refused;
  if (first !== undefined) {
    const granted = new Set([first]);
    let again = run(plan, argv, environment, granted);
    for (let i = 0; i < LAST_ATTEMPT && again.refused !== undefined; i++) {
      granted.add(again.refused);
      again = run(plan, argv, environment, granted);
    }
    ifAllowed = again.calls.slice(first + 1);
    real.processes = again.processes;
  }
  const { self } = real.start.host;
  return {
    command: argv,
    user: { uid: self.uid, gid: self.gid, capabilities: capabilityNames(self.effective) },
    processes: real.processes,
    calls: real.calls,
    ifAllowed,
  };
}

/** What has been foretold. */
interface Run {
  readonly start: State;
  readonly calls: PredictedCall[];
  processes: Prediction["processes"];
  /** Which call was refused for want of a privilege, if that ended the plan. */
  readonly refused: number | undefined;
}

/** Foretells a run in which some calls are allowed, by their place. */
function run(
  plan: Plan,
  argv: readonly string[],
  environment: readonly string[],
  granted: ReadonlySet<number>,
): Run {
  const start = startState(plan.name);
  const calls: PredictedCall[] = [];
  const places = new Map<Call<State>, number>();
  const processes: { name: string; parent: string | null }[] = [{ name: plan.name, parent: null }];
  let refused: number | undefined;
  walk(reporting(plan), {
    argv,
    environment,
    state: start,
    calls: (call) => {
      places.set(call, calls.length);
      calls.push(undefined as unknown as PredictedCall);
    },
    answer: (call) => {
      const place = places.get(call)!;
      const manual = manualPage(call.name, fileOf(call)); // while it is open
      const needed = needs(call);
      const lacking = granted.has(place) ? undefined : needed.find(({ has }) => !has);
      const answer = lacking ? { result: -lacking.errno } : foretell(call);
      if (answer === "later") return answer;
      if (lacking) refused = place;
      const { process, child } = call;
      if (child !== undefined && answer.child) {
        processes.push({ name: child, parent: process.name });
      }
      calls[place] = explained(call, answer, manual, needed);
      return answer;
    },
  });
  // Who is left waits for what nobody knows of.
  for (const [call, place] of places) {
    calls[place] ??= explained(call, { result: undefined }, manualPage(call.name, undefined), []);
  }
  const { end } = start;
  return { start, calls, processes, refused: hasFailed(start, end) ? refused : undefined };
}

/** A call and what it comes to. */
function explained(
  call: Call<State>,
  answer: Answer<State>,
  manual: string,
  needs: readonly Privilege[],
): PredictedCall {
  const { result } = answer;
  return {
    process: call.process.name,
    call: call.name,
    arguments: printArguments(call, answer),
    result: printResult(call, answer),
    errno: result !== undefined && result < 0 ? errorName(-result) : null,
    why: call.step.note.why ?? usualReason(call.name),
    manual,
    needs,
  };
}

/** Whether a process, or one that it has made, has ended with another status than 0. */
function hasFailed({ children }: Pick<State, "children">, end: State["end"]): boolean {
  return typeof end === "number" && end !== 0 ||
    children.some((child) => hasFailed(child, child.end));
}

/** The file that a call is about. */
function fileOf({ name, args, process: { state, memory } }: Call<State>): string | undefined {
  if (name === "openat") return memory.text(args[1]!.value);
  return name === "write" ? descriptor(state, args[0]!.value).path : undefined;
}

function capabilityNames(set: bigint): string[] {
  return Object.entries(CAPABILITIES)
    .filter(([, number]) => set >> BigInt(number) & 1n).map(([name]) => name);
}
