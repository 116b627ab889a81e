/**
 * The program at a plan's end.
 *
 * @module
 */
import { PR_SET_NAME } from "../ffi/constants/prctl.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import { anyShell, execvp, shell } from "../ffi/plan/execvp.ts";
import { argument, environment, keepVariables } from "../ffi/plan/stack.ts";

/** A program: one of the arguments that the plan is started with, and those behind it. */
export interface Program {
  /** Its name; if absent, it is the user's shell, whose `argv[0]` replaces the one there. */
  readonly name?: string | undefined;
  /** The place of its `argv[0]` among the arguments. */
  readonly index: number;
}

/** Calls the process what ps(1) is to show while the plan runs. */
export function nameProcess(p: Builder, name: string): void {
  p.call("prctl", [PR_SET_NAME, name, 0, 0, 0], { why: "the name that ps shows" });
}

/** How a program is run. */
export interface Running {
  /** What else is tried when there is no program and SHELL can't be run. */
  readonly shells?: readonly string[] | undefined;
  /** The whole environment; as it is if absent. */
  readonly environment?: readonly string[] | undefined;
  /** The names of the variables that stay in the environment; all if absent. */
  readonly variables?: readonly string[] | undefined;
}

/** Runs the program in this process; the user's shell if there is none. */
export function runProgram(
  p: Builder,
  program: Program | undefined,
  { shells, environment: list, variables }: Running = {},
): void {
  const envp = list ? p.control("add", [{ list }, 0]) : environment(p);
  if (variables) keepVariables(p, envp, variables);
  const argv = program && argument(p, program.index);
  if (program?.name !== undefined) execvp(p, program.name, argv!, envp);
  else if (shells) anyShell(p, envp, argv, shells);
  else shell(p, envp, argv);
}
