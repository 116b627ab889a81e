/**
 * The command line: `denspace <command> [arguments]`.
 *
 * @module
 */
import { encode } from "../ffi/bytes.ts";
import { SyscallError } from "../ffi/errno.ts";
import { write } from "../ffi/unistd.ts";
import { rawArguments } from "./arguments.ts";
import { ArgumentError, programName, UsageError, usageText } from "./getopt.ts";

/** The commands. Only the module of the one that runs is loaded. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  unshare: () => import("./unshare.ts"),
  nsenter: () => import("./nsenter.ts"),
};

interface Command {
  /** Does what `argv` says, `argv[0]` being the command's name. */
  main(argv: readonly string[]): void;
}

async function main(argv: readonly string[]): Promise<number> {
  const [command = ""] = argv;
  const load = COMMANDS[command];
  if (!load) {
    const names = Object.keys(COMMANDS).join(", ");
    complain(
      `denspace: ${command ? `unknown command '${command}'` : "no command"}: use ${names}\n`,
    );
    return 1;
  }
  try {
    (await load()).main(argv);
    return 0;
  } catch (error) {
    complain(explain(command, error));
    return 1;
  }
}

function explain(argv0: string, error: unknown): string {
  if (error instanceof UsageError) return usageText(argv0, error);
  if (error instanceof ArgumentError || error instanceof SyscallError) {
    return `${programName(argv0)}: ${error.message}\n`;
  }
  throw error;
}

function complain(text: string): void {
  write(2, encode(text));
}

Deno.exit(await main(rawArguments()));
