/**
 * Which form of the program is tested: the sources, or what the environment names.
 *
 * `DENSPACE_UNDER_TEST` holds another command to test, as words separated by
 * blanks. A `{}` in it becomes the tool's name, which is otherwise appended:
 *
 *     DENSPACE_UNDER_TEST="deno run --allow-ffi dist/denspace.js"
 *     DENSPACE_UNDER_TEST="/usr/local/bin/{}"
 *
 * @module
 */
import { join } from "../scripts/std.ts";
import { exists } from "./processes.ts";

/** The command that is tested instead of the sources, if there is one. */
export function commandUnderTest(tool: string): string[] | undefined {
  const given = Deno.env.get("DENSPACE_UNDER_TEST");
  if (!given) return undefined;
  const command = given.split(/\s+/).filter(Boolean).map((word) => {
    const here = join(Deno.cwd(), word);
    return word.includes("/") && !/^[-/]/.test(word) && exists(here) ? here : word;
  });
  return given.includes("{}")
    ? command.map((word) => word.replaceAll("{}", tool))
    : [...command, tool];
}

/** Needed of what is tested: Deno's own runtime may stop before any JavaScript has run. */
export const ANY_BYTES = "a program that starts with arguments that are not UTF-8";
/** Needed of what is tested, too. */
export const NO_PROC = "a program that starts without /proc";

/** Whether what is tested has what is needed of it. */
export const PROBES_OF_PROGRAM: Readonly<Record<string, () => boolean>> = {
  [ANY_BYTES]: () => starts("bash", "-c", `"$@" --version $'\\xff'`, "bash"),
  [NO_PROC]: () =>
    starts("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc; "$@" --version', "sh"),
};

/** Whether the program starts behind a command; the sources do. */
function starts(file: string, ...args: string[]): boolean {
  const command = commandUnderTest("unshare");
  return command === undefined || new Deno.Command(file, {
    args: [...args, ...command],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).outputSync().success;
}
