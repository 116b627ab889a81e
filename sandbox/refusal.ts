/**
 * Why a host refuses user namespaces. The errno does not tell: EPERM is what
 * half a dozen settings answer, so the plan looks at them when that has happened.
 *
 * @module
 */
import { ENOSPC, EPERM } from "../ffi/constants/errno.ts";
import { AT_FDCWD, O_CLOEXEC, O_RDONLY } from "../ffi/constants/fcntl.ts";
import { PR_GET_SECCOMP } from "../ffi/constants/prctl.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import { type Cell, ERRNO, type Label, type Note } from "../ffi/plan/step.ts";

/** A file of /proc/sys, the first character of it that refuses, and what to do. */
const SETTINGS: readonly (readonly [file: string, refuses: string, hint: string])[] = [
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

/** Finds out why a host refuses a user namespace, and says it on a second line. */
export function refusals(p: Builder, name: string): Refusals {
  const sites: { message: string; fail: Label }[] = [];
  return {
    on: (message) => {
      const fail = p.label();
      sites.push({ message, fail });
      return { fail };
    },
    write: () => {
      const [message, errno, hint] = [p.cell("message"), p.cell("errno"), p.cell("hint")];
      const [look, end] = [p.label(), p.label()];
      for (const site of sites) {
        p.place(site.fail);
        p.set(message, site.message);
        p.set(errno, ERRNO, look);
      }
      p.place(look);
      const says = (text: string): void => p.set(hint, `${name}: ${text}\n`);
      p.when("equal", errno, ENOSPC, () => says(NO_MORE));
      p.control("equal", [errno, EPERM], { fail: end });
      const mode = p.call("prctl", [PR_GET_SECCOMP, 0, 0, 0, 0], {
        fail: { at: p.here().at! + 1 },
      });
      p.when("equal", mode, SECCOMP_MODE_FILTER, () => says(FILTERED));
      for (const [file, refuses, text] of SETTINGS) {
        p.when("equal", firstByte(p, file), refuses.charCodeAt(0), () => says(text));
      }
      p.place(end);
      p.control("raise", [errno], { message: "", subject: message, hint });
    },
  };
}

/** The first byte of a file; 0 if there is none. */
function firstByte(p: Builder, file: string): Cell {
  const [byte, none] = [p.cell("byte"), p.label()];
  const fd = p.call("openat", [AT_FDCWD, file, O_RDONLY | O_CLOEXEC, 0], { fail: none });
  p.call("read", [fd, { addressOf: byte }, 1], { fail: none });
  p.place(none);
  return byte;
}
