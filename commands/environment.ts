/**
 * Variables in arguments.
 *
 * @module
 */
import { decode } from "../ffi/bytes.ts";
import { readFile } from "../ffi/file.ts";
import { ArgumentError } from "./getopt.ts";

/** What `--env` and `--env-file` say. */
export interface Variables {
  /** `name=value`, or the name of one of ours. */
  readonly env: readonly string[];
  /** Files that have one a line. */
  readonly envFiles: readonly string[];
}

/** What is read once: it stays as it was when this process was started. */
let own: readonly string[] | undefined;

/** The variables of this process. */
export function ownVariables(): readonly string[] {
  return own ??= decode(readFile("/proc/self/environ")).split("\0").filter((entry) =>
    entry.indexOf("=") > 0
  );
}

/** Variables, and further ones; the last of several with one name counts. */
export function withVariables(
  variables: readonly string[],
  { env, envFiles }: Variables,
): string[] {
  const found = new Map<string, string>();
  const set = (entry: string): void => void found.set(entry.slice(0, entry.indexOf("=")), entry);
  const add = (text: string): void => {
    if (text.includes("=")) return set(text);
    const ours = ownVariables().find((entry) => entry.startsWith(`${text}=`));
    if (ours !== undefined) set(ours);
  };
  variables.forEach(set);
  for (const file of envFiles) {
    for (const line of decode(readFile(file)).split("\n")) {
      if (line.trim() !== "" && !line.startsWith("#")) add(line);
    }
  }
  for (const text of env) {
    if (text === "" || text.startsWith("=")) throw new ArgumentError(`no name=value: '${text}'`);
    add(text);
  }
  return [...found.values()];
}
