/**
 * `denspace run`: a program in a container.
 *
 * @module
 */
import { decode } from "../ffi/bytes.ts";
import { S_IFDIR, S_IFMT } from "../ffi/constants/fcntl.ts";
import { readFile } from "../ffi/file.ts";
import { exec } from "../ffi/plan/exec.ts";
import { statx } from "../ffi/stat.ts";
import { supportedConfig } from "../sandbox/container/supported.ts";
import { planContainer } from "../sandbox/container/plan.ts";
import type { Config } from "../sandbox/container/oci.ts";
import { ownCommand } from "./arguments.ts";
import type { Context } from "./cli.ts";
import { configOf } from "./container_config.ts";
import { CONTAINER_OPTIONS, parseContainer } from "./container_options.ts";
import { ArgumentError, explained } from "./getopt.ts";
import { type Help, print, showHelp, VERSION } from "./help.ts";
import { realPath } from "./paths.ts";

/** What run says of itself. */
export const help: Help = {
  name: "run",
  summary: "run a program in a container",
  usage: "[options] [--] [program [argument...]]",
  about: `Runs a program, or a shell, in a container: in namespaces and a root of its own.
Without --rootfs the root is a throw-away copy of this machine: nothing that is
written there stays, but for what --keep keeps.

The exit status is that of the program, or the signal that killed it. As process
1 a program is not killed by signals that it does not handle: with --init it is
not process 1. When denspace is killed, the container is, if it has a pid
namespace of its own and its process 1 has not changed its user id, which with
--init it never does; in the machine's pid namespace only the program is.`,
  options: CONTAINER_OPTIONS,
  operands: "program",
  plan: true,
};

/** Runs a program in a container: `argv[0]` and what follows it. Does not return. */
export function main(argv: readonly string[], { run = exec, reads }: Partial<Context> = {}): void {
  const wanted = parseContainer(argv.slice(1));
  if (wanted.show === "help") return showHelp(help);
  if (wanted.show === "version") return print(`denspace ${VERSION}\n`);
  reads?.({
    option: "run",
    what: "the users, mounts and files of this machine",
    instead: "an emitted unshare",
  });
  const config = explained(() =>
    wanted.config === undefined ? supportedConfig(configOf(wanted)) : readConfig(wanted.config)
  );
  if (wanted.show === "config") return print(format(config));
  const options = { name: argv[0]!, command: ownCommand() };
  run(explained(() => planContainer(config, options)), argv);
}

/** A configuration in a file, or in a bundle, from which its relative paths start. */
function readConfig(path: string): Config {
  const real = realPath(path);
  const [file, bundle] = isDirectory(real)
    ? [`${real}/config.json`, real]
    : [real, real.slice(0, real.lastIndexOf("/")) || "/"];
  let value;
  try {
    value = JSON.parse(decode(readFile(file)));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ArgumentError(`${file} is no JSON: ${error.message}`);
  }
  return supportedConfig(within(value, bundle));
}

/** A configuration whose paths of the machine are absolute. */
function within(value: unknown, bundle: string): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { root, mounts, ...rest } = value as Record<string, unknown>;
  const absolute = (path: unknown): unknown =>
    typeof path === "string" && !path.startsWith("/") ? `${bundle}/${path}` : path;
  return {
    ...rest,
    ...(isObject(root)
      ? { root: { ...root, path: absolute(root.path) } }
      : root !== undefined && { root }),
    ...(Array.isArray(mounts)
      ? {
        mounts: mounts.map((mount) =>
          isObject(mount) && isBind(mount) ? { ...mount, source: absolute(mount.source) } : mount
        ),
      }
      : mounts !== undefined && { mounts }),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isBind({ type, options }: Record<string, unknown>): boolean {
  return type === "bind" ||
    Array.isArray(options) && options.some((option) => option === "bind" || option === "rbind");
}

function isDirectory(path: string): boolean {
  return (statx(path).mode & S_IFMT) === S_IFDIR;
}

/** As text; the largest limit is no number of JavaScript. */
function format(config: Config): string {
  return `${JSON.stringify(config, null, 2)}\n`.replaceAll(
    /\b18446744073709552000\b/g,
    `${2n ** 64n - 1n}`,
  );
}
