/**
 * Arguments that an executable has in it.
 *
 * @module
 */
import { plan } from "./builder.ts";
import { type Plan, STACK } from "./step.ts";

/** The most that an execution can have, as execve(2) tells: 6 MB, of 8 bytes and a NUL at least. */
const POINTERS = 6 * 2 ** 20 / 9 | 0;

/**
 * The plan as an executable that has arguments of its own: the plan finds these,
 * and behind them those that the executable is started with.
 *
 * @param base the plan
 * @param argv the arguments, `argv[0]` among them
 */
export function withArguments(base: Plan, argv: readonly string[]): Plan {
  const whole = plan(base.name, (p) => {
    // argc, our arguments, those of the run but for its argv[0], NULL, its
    // environment, NULL
    const stack = p.cell("stack", 8 * (argv.length + POINTERS));
    const argc = p.control("add", [p.control("load64", [STACK, 0]), argv.length - 1]);
    p.control("store64", [{ addressOf: stack }, 0, argc]);
    argv.forEach((arg, i) => p.control("store64", [{ addressOf: stack }, 8 * (i + 1), arg]));
    const from = p.control("add", [STACK, 16]);
    const to = p.control("add", [{ addressOf: stack, offset: 8 * (argv.length + 1) }, 0]);
    for (const _array of ["arguments", "environment"]) {
      const again = p.here();
      const word = p.control("load64", [from, 0]);
      p.control("store64", [to, 0, word]);
      p.control("add", [from, 8], { result: from });
      p.control("add", [to, 8], { result: to });
      p.control("equal", [word, 0], { fail: again });
    }
    p.control("add", [{ addressOf: stack }, 0], { result: STACK, next: { at: base.start } });
  }, base);
  return { ...whole, start: base.steps.length };
}
