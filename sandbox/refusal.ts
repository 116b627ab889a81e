/**
 * Why a host refuses something, such as user namespaces. The errno does not tell:
 * EPERM is what half a dozen settings answer, so the plan looks at them when that
 * has happened.
 *
 * @module
 */
import { ENOSPC, EPERM } from "../ffi/constants/errno.ts";
import { AT_FDCWD, O_CLOEXEC, O_RDONLY } from "../ffi/constants/fcntl.ts";
import { PR_GET_SECCOMP } from "../ffi/constants/prctl.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import { type Cell, ERRNO, type Label, type Note } from "../ffi/plan/step.ts";

/** A file of /proc/sys, the first character of it that refuses, and what to do. */
export const SETTINGS: readonly (readonly [file: string, refuses: string, hint: string])[] = [
  [
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    "1",
    "AppArmor restricts user namespaces to programs that have a profile for them; " +
    "root can end that: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
  ],
  [
    "/proc/sys/kernel/unprivileged_userns_clone",
    "0",
    "only root may make user namespaces here; " +
    "root can change that: sysctl -w kernel.unprivileged_userns_clone=1",
  ],
];
const NO_MORE = "no more user namespaces are allowed; " +
  "root can allow more: sysctl -w user.max_user_namespaces=10000";
const FILTERED = "a seccomp filter, as containers have one, may refuse user namespaces; " +
  "run the container with another: --security-opt seccomp=unconfined";

const SECCOMP_MODE_FILTER = 2;

/** What is said of calls that a host may refuse. */
export interface Refusals {
  /** What to say of such a call, which fails with this message. */
  on(message: string): Note;
  /** Writes the steps that look for the reason; nothing goes on behind them. */
  write(): void;
}

/** A reason for which a call is refused. */
export interface Cause {
  /** The errno that may come of it. */
  readonly errno: number;
  /** Writes the steps that look whether it is this one: they say so, or go on. */
  look(p: Builder, find: Finding): void;
}

/** How a cause is told. */
export interface Finding {
  /** A text as a line that is said. */
  line(text: string): string;
  /** Says the line at this address, and nothing else. */
  says(line: string | Cell): void;
  /** Where it goes on when nothing can be found. */
  readonly end: Label;
}

/** Finds out why a host refuses something, and says it on a second line. */
export function refusals(p: Builder, name: string, causes: readonly Cause[]): Refusals {
  const sites: { message: string; fail: Label }[] = [];
  return {
    on: (message) => {
      const fail = p.label();
      sites.push({ message, fail });
      return { fail };
    },
    write: () => {
      if (sites.length === 0) return;
      const [message, errno, hint] = [p.cell("message"), p.cell("errno"), p.cell("hint")];
      const [look, end] = [p.label(), p.label()];
      for (const site of sites) {
        p.place(site.fail);
        p.set(message, site.message);
        p.set(errno, ERRNO, look);
      }
      p.place(look);
      const find: Finding = {
        line: (text) => `${name}: ${text}\n`,
        says: (line) => p.set(hint, line, end),
        end,
      };
      for (const cause of causes) p.when("equal", errno, cause.errno, () => cause.look(p, find));
      p.place(end);
      p.control("raise", [errno], { message: "", subject: message, hint });
    },
  };
}

/** Why there may be no further user namespace. */
export const NO_MORE_USER_NAMESPACES: Cause = {
  errno: ENOSPC,
  look: (_p, { line, says }) => says(line(NO_MORE)),
};

/** What of the host may refuse a user namespace. */
export const USER_NAMESPACES_REFUSED: Cause = {
  errno: EPERM,
  look: (p, { line, says, end }) => {
    for (const [file, refuses, text] of SETTINGS) {
      p.when("equal", firstByte(p, file), refuses.charCodeAt(0), () => says(line(text)));
    }
    const mode = p.call("prctl", [PR_GET_SECCOMP, 0, 0, 0, 0], {
      why: "does a seccomp filter refuse it?",
      fail: end,
    });
    p.when("equal", mode, SECCOMP_MODE_FILTER, () => says(line(FILTERED)));
  },
};

/** The first byte of a file; 0 if there is none. */
function firstByte(p: Builder, file: string): Cell {
  const [byte, none] = [p.cell("byte"), p.label()];
  const fd = p.call("openat", [AT_FDCWD, file, O_RDONLY | O_CLOEXEC, 0], {
    why: "does this setting refuse it?",
    fail: none,
  });
  p.call("read", [fd, { addressOf: byte }, 1], { why: "its first character tells", fail: none });
  p.place(none);
  return byte;
}
