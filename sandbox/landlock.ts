/**
 * Landlock: a program that can reach no more files, ports and processes than it
 * is granted, whoever runs it. See landlock(7).
 *
 * @module
 */
import { EINVAL, EOPNOTSUPP } from "../ffi/constants/errno.ts";
import { AT_FDCWD, O_CLOEXEC, O_PATH } from "../ffi/constants/fcntl.ts";
import {
  LANDLOCK_ACCESS_FS_EXECUTE as EXECUTE,
  LANDLOCK_ACCESS_FS_IOCTL_DEV as IOCTL_DEV,
  LANDLOCK_ACCESS_FS_READ_DIR as READ_DIR,
  LANDLOCK_ACCESS_FS_READ_FILE as READ_FILE,
  LANDLOCK_ACCESS_FS_TRUNCATE as TRUNCATE,
  LANDLOCK_ACCESS_FS_WRITE_FILE as WRITE_FILE,
  LANDLOCK_ACCESS_NET_BIND_TCP as BIND_TCP,
  LANDLOCK_ACCESS_NET_CONNECT_TCP as CONNECT_TCP,
  LANDLOCK_CREATE_RULESET_VERSION,
  LANDLOCK_RULE_NET_PORT,
  LANDLOCK_RULE_PATH_BENEATH,
  LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET,
  LANDLOCK_SCOPE_SIGNAL,
} from "../ffi/constants/landlock.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import { type Cell, ERRNO, type Operand } from "../ffi/plan/step.ts";
import { NEEDS } from "./kernel.ts";

/**
 * What a program is granted. Each kind of access is free unless something is said
 * of it; then there is no more of it than what is listed, which may be nothing.
 */
export interface Landlock {
  /** Files that may be read and executed, and directories with all files below. */
  readonly read?: readonly string[] | undefined;
  /** Files and directories with which all may be done. */
  readonly write?: readonly string[] | undefined;
  /** TCP ports to listen at. */
  readonly bind?: readonly number[] | undefined;
  /** TCP ports to connect to. */
  readonly connect?: readonly number[] | undefined;
  /** What reaches nobody but those that are restricted, too. */
  readonly scopes?: readonly LandlockScope[] | undefined;
}

/** Connections to abstract Unix sockets, see unix(7), or signals. */
export type LandlockScope = "abstract-unix-socket" | "signal";

const SCOPES: Readonly<Record<LandlockScope, number>> = {
  "abstract-unix-socket": LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET,
  signal: LANDLOCK_SCOPE_SIGNAL,
};

/** What there is of them. */
export const LANDLOCK_SCOPES: readonly LandlockScope[] = Object.keys(SCOPES) as LandlockScope[];

/** What the kernel can restrict from which version of its interface on. */
const ABI = {
  /** Before, a file that may only be read could be truncated. */
  truncate: { abi: 3, release: "6.2", feature: "to restrict files" },
  net: { abi: 4, release: "6.7", feature: "to restrict TCP ports" },
  ioctl: { abi: 5 },
  scopes: { abi: 6, release: "6.12", feature: "to restrict signals and abstract sockets" },
} as const;

/** All that can be done with files, up to an access right. */
const upTo = (access: number): number => 2 * access - 1;
const READ = EXECUTE | READ_FILE | READ_DIR;
/** What can be done with a file that is no directory. */
const WITH_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

/**
 * Fails unless the kernel can do it; the version of its interface. It changes
 * nothing, so that it can come before everything else.
 */
export function requireLandlock(p: Builder, want: Landlock): Cell {
  const none = p.label();
  const abi = p.call("landlock_create_ruleset", [0, 0, LANDLOCK_CREATE_RULESET_VERSION], {
    why: "which version of Landlock the kernel has",
    fail: none,
  });
  const known = p.label();
  p.jump(known);
  p.place(none);
  p.when("equal", ERRNO, EOPNOTSUPP, () => {
    p.control("raise", [ERRNO], {
      message: "Landlock is off on this machine: the kernel's parameter lsm= has to name it",
    });
  });
  p.control("raise", [ERRNO], { message: "this kernel has no Landlock", needs: NEEDS.landlock });
  p.place(known);

  const needed = [
    ...want.read || want.write ? [ABI.truncate] : [],
    ...want.bind || want.connect ? [ABI.net] : [],
    ...want.scopes ? [ABI.scopes] : [],
  ];
  for (const { abi: least, release, feature } of needed) {
    const enough = p.label();
    p.branch("less", least - 1, abi, enough);
    p.control("raise", [EOPNOTSUPP], {
      message: `Landlock of this kernel is too old: ${feature} needs Linux ${release} or later`,
    });
    p.place(enough);
  }
  return abi;
}

/**
 * Restricts this process, and all that come from it, for ever. Without
 * CAP_SYS_ADMIN, no_new_privs has to be set.
 */
export function restrict(p: Builder, want: Landlock, abi: Cell): void {
  const { bind, connect, scopes } = want;
  if (Object.values(want).every((each) => each === undefined)) return; // to the kernel an error
  const files = p.control("add", [want.read || want.write ? upTo(TRUNCATE) : 0, 0]);
  if (want.read || want.write) {
    const old = p.label();
    p.branch("less", abi, ABI.ioctl.abi, old);
    p.set(files, upTo(IOCTL_DEV));
    p.place(old);
  }
  const attributes = p.cell("struct landlock_ruleset_attr", 24, [
    0,
    (bind ? BIND_TCP : 0) | (connect ? CONNECT_TCP : 0),
    (scopes ?? []).reduce((all, scope) => all | SCOPES[scope], 0),
  ]);
  p.control("store64", [{ addressOf: attributes }, 0, files]);
  const ruleset = p.call("landlock_create_ruleset", [{ addressOf: attributes }, 24, 0], {
    why: "what is restricted",
    message: "cannot restrict the program with Landlock",
  });
  for (const path of want.read ?? []) allowPath(p, ruleset, path, READ, "be read");
  for (const path of want.write ?? []) allowPath(p, ruleset, path, files, "be written");
  for (const port of bind ?? []) allowPort(p, ruleset, port, BIND_TCP, "listen at");
  for (const port of connect ?? []) allowPort(p, ruleset, port, CONNECT_TCP, "connect to");
  p.call("landlock_restrict_self", [ruleset, 0], {
    why: "from here on the program can't do what it was not granted",
    message: "cannot restrict the program with Landlock",
  });
  p.call("close", [ruleset]);
}

function allowPath(p: Builder, ruleset: Cell, path: string, access: Operand, what: string): void {
  const fd = p.call("openat", [AT_FDCWD, path, O_PATH | O_CLOEXEC, 0], {
    message: `cannot grant ${path}`,
  });
  const rule = p.cell("struct landlock_path_beneath_attr", 16);
  const [file, done] = [p.label(), p.label()];
  const add = (allowed: Operand, why: string, fail?: typeof file): void => {
    p.control("store64", [{ addressOf: rule }, 0, allowed]);
    p.control("store32", [{ addressOf: rule }, 8, fd]);
    p.call("landlock_add_rule", [ruleset, LANDLOCK_RULE_PATH_BENEATH, { addressOf: rule }, 0], {
      why,
      message: `cannot grant ${path}`,
      ...(fail && { fail }),
    });
  };
  add(access, `${path} may ${what}, and all below`, file);
  p.jump(done);
  p.place(file);
  const retry = p.label();
  p.branch("equal", ERRNO, EINVAL, retry);
  p.control("raise", [ERRNO], { message: `cannot grant ${path}` });
  p.place(retry);
  add(p.control("and", [access, WITH_FILE]), "what can be done with a directory only is left out");
  p.place(done);
  p.call("close", [fd]);
}

function allowPort(
  p: Builder,
  ruleset: Cell,
  port: number,
  access: number,
  what: string,
): void {
  const rule = p.cell("struct landlock_net_port_attr", 16, [access, port]);
  p.call("landlock_add_rule", [ruleset, LANDLOCK_RULE_NET_PORT, { addressOf: rule }, 0], {
    why: `the program may ${what} port ${port}`,
    message: `cannot grant port ${port}`,
  });
}

/**
 * Reads what a program is granted, separated by commas:
 *
 *     ro:PATH  rw:PATH  bind:PORT  connect:PORT  scope:signal  scope:abstract-unix-socket
 *
 * `none` in place of a path or port grants nothing, but restricts.
 *
 * @throws {RangeError} for anything else
 */
export function parseLandlock(text: string): Landlock {
  const found: { -readonly [K in keyof Required<Landlock>]?: (string | number)[] } = {};
  for (const word of text.split(",")) {
    const colon = word.indexOf(":");
    const [kind, value] = [word.slice(0, colon), word.slice(colon + 1)];
    const field = FIELDS[kind];
    if (colon < 0 || !field) {
      throw new RangeError(`'${word}' grants nothing: ro:, rw:, bind:, connect: or scope: do`);
    }
    const list = found[field] ??= [];
    if (value === "none" && kind !== "scope") continue;
    if (kind === "scope") {
      if (!Object.hasOwn(SCOPES, value)) throw new RangeError(`there is no scope '${value}'`);
      list.push(value);
    } else if (kind === "ro" || kind === "rw") {
      if (!value.startsWith("/")) throw new RangeError(`'${value}' is no absolute path`);
      list.push(value);
    } else {
      if (!/^\d{1,5}$/.test(value) || Number(value) > 65535) {
        throw new RangeError(`'${value}' is no port`);
      }
      list.push(Number(value));
    }
  }
  return found as Landlock;
}

const FIELDS: Readonly<Record<string, keyof Landlock>> = {
  ro: "read",
  rw: "write",
  bind: "bind",
  connect: "connect",
  scope: "scopes",
};
