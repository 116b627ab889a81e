/**
 * User and group ids in a user namespace, see user_namespaces(7).
 *
 * @module
 */
import { EINVAL } from "../ffi/constants/errno.ts";
import { AT_FDCWD, O_CLOEXEC, O_WRONLY } from "../ffi/constants/fcntl.ts";
import { SIGNALS } from "../ffi/constants/signal.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import { execvp } from "../ffi/plan/execvp.ts";
import { environment } from "../ffi/plan/stack.ts";
import type { Cell, Operand } from "../ffi/plan/step.ts";
import { procPath, writeFile, type WriteNotes } from "./files.ts";
import { exitUnlessDone, forkHelper, type Helper } from "./helper.ts";
import { type IdRange, OWN_ID } from "./idranges.ts";
import type { Refusals } from "./refusal.ts";

/** An id inside the namespace; `"current"` is the same one as outside. */
export type InsideId = number | "current";

/** The ids of whoever makes the namespace, asked for before it is made. */
export interface OutsideIds {
  /** The effective user id. */
  readonly uid: Cell;
  /** The effective group id. */
  readonly gid: Cell;
}

/** Asks for the effective ids, which are unmapped once the namespace is made. */
export function outsideIds(p: Builder): OutsideIds {
  return {
    uid: p.call("geteuid", [], { why: "the user that the map speaks of" }),
    gid: p.call("getegid", [], { why: "the group that the map speaks of" }),
  };
}

/** Maps one user id: the one that `outside` holds. */
export function mapUser(
  p: Builder,
  inside: InsideId,
  outside: Cell,
  refusal: Refusals,
): void {
  const file = "/proc/self/uid_map";
  mapOne(p, file, inside, outside, {
    why: "one user id is known inside",
    write: refusal.on(`write failed ${file}`),
  });
}

/**
 * Maps one group id.
 *
 * Without privilege that is only allowed once setgroups(2) is forbidden inside:
 * who could drop a group could get at files that are closed to this group.
 */
export function mapGroup(p: Builder, inside: InsideId, outside: Cell): void {
  setgroups(p, "deny");
  mapOne(p, "/proc/self/gid_map", inside, outside, { why: "one group id is known inside" });
}

/** The maps of ranges; a kind that has none is not written. */
export interface IdRanges {
  /** User ids. */
  readonly users: readonly IdRange[];
  /** Group ids. */
  readonly groups: readonly IdRange[];
}

/**
 * Forks a helper that writes maps of ranges. It stays in the old user namespace:
 * root there writes them, anybody else asks newuidmap(1) and newgidmap(1).
 */
export function forkMapper(p: Builder, { users, groups }: IdRanges, own?: OutsideIds): Helper {
  mustNotHave(p, users, own?.uid);
  mustNotHave(p, groups, own?.gid);
  const process = p.call("getpid", [], { why: "the process whose maps the helper writes" });
  return forkHelper(p, "mapper", "write the id maps from the old user namespace", () => {
    const uid = p.call("geteuid", [], { why: "root may write the maps himself" });
    p.when("equal", uid, 0, () => {
      writeRanges(p, process, "uid_map", users, own?.uid);
      writeRanges(p, process, "gid_map", groups, own?.gid);
    }, () => {
      if (users.length > 0 && groups.length > 0) {
        const first = p.call("clone", [SIGNALS.SIGCHLD, 0, 0, 0, 0], {
          why: "running a program replaces the process, and there are two to run",
          child: "newuidmap",
          message: "fork failed",
        });
        p.when("equal", first, 0, () => runMapper(p, process, "newuidmap", users, own?.uid));
        exitUnlessDone(p, first);
      } else if (users.length > 0) {
        runMapper(p, process, "newuidmap", users, own?.uid);
      }
      if (groups.length > 0) runMapper(p, process, "newgidmap", groups, own?.gid);
    });
  });
}

/** Writes a map of ranges of a process's user namespace; none if there are no ranges. */
export function writeRanges(
  p: Builder,
  process: Cell,
  file: "uid_map" | "gid_map",
  ranges: readonly IdRange[],
  own?: Cell,
): void {
  if (ranges.length === 0) return;
  const id = (id: number): string | Cell => id === OWN_ID ? own! : `${id}`;
  const parts = ranges.flatMap((
    { inside, outside, count },
  ) => [id(inside), " ", id(outside), ` ${count}\n`]);
  const { text, size } = compose(p, parts);
  const path = procPath(p, process, `/${file}`);
  const fd = p.call("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0], {
    why: "ids of these ranges are known inside",
    message: "could not open ",
    subject: path,
  });
  p.call("write", [fd, text, size], {
    why: "ids of these ranges are known inside",
    message: "failed to write ",
    subject: path,
  });
  p.call("close", [fd], { why: "what is written is written" });
}

/** Ranges can't be cut around an id that is only known at the run: it must be in none. */
function mustNotHave(p: Builder, ranges: readonly IdRange[], own: Cell | undefined): void {
  const [single, ...others] = ranges;
  if (single?.outside !== OWN_ID) return;
  for (const { inside, outside, count } of others) {
    for (const start of single.inside === OWN_ID ? [inside, outside] : [outside]) {
      const right = p.label();
      p.control("less", [p.control("sub", [own!, start]), count], { fail: right });
      p.control("raise", [EINVAL], {
        message: `your own id is mapped twice: ${inside}:${outside}:${count}`,
      });
      p.place(right);
    }
  }
}

/** A text of parts that are known, and of numbers that are only known at the run. */
function compose(p: Builder, parts: readonly (string | Cell)[]): { text: Operand; size: Operand } {
  if (parts.every((part) => typeof part === "string")) {
    const text = parts.join("");
    return { text, size: text.length };
  }
  // An id has at most ten digits.
  const room = parts.reduce((sum, part) => sum + (typeof part === "string" ? part.length : 10), 1);
  const text: Operand = { addressOf: p.cell("text", room) };
  let end = p.control("add", [text, 0]);
  for (const part of parts) {
    if (typeof part === "string") {
      end = p.control("add", [end, p.control("copy", [end, part, 0, part.length])]);
    } else {
      end = p.control("decimal", [part, end]);
    }
  }
  return { text, size: p.control("sub", [end, text]) };
}

/** Replaces this process by one of the setuid programs that may write maps. */
function runMapper(
  p: Builder,
  process: Cell,
  name: "newuidmap" | "newgidmap",
  ranges: readonly IdRange[],
  own: Cell | undefined,
): void {
  const decimal = (number: Cell): Operand => {
    const text = p.cell("number", 16);
    p.control("decimal", [number, { addressOf: text }]);
    return { addressOf: text };
  };
  const numbers = ranges.flatMap(({ inside, outside, count }) =>
    [inside, outside, count].map((number) => number === OWN_ID ? decimal(own!) : `${number}`)
  );
  // The word before the arguments is for the shell, if this were a script.
  const argv = p.cell("argv", 8 * (numbers.length + 4), [
    0,
    name,
    decimal(process),
    ...numbers,
    0,
  ]);
  execvp(p, name, p.control("add", [{ addressOf: argv }, 8]), environment(p));
}

/** Allows or forbids setgroups(2) in this user namespace; before Linux 3.19 there is no such file. */
export function setgroups(p: Builder, policy: "allow" | "deny"): void {
  writeFile(p, "/proc/self/setgroups", policy, policy.length, {
    why: `${policy} setgroups(2) inside`,
    optional: true,
  });
}

function mapOne(
  p: Builder,
  file: string,
  inside: InsideId,
  outside: Cell,
  notes: WriteNotes,
): void {
  const { text, size } = compose(p, [
    inside === "current" ? outside : `${inside}`,
    " ",
    outside,
    " 1",
  ]);
  writeFile(p, file, text, size, notes);
}
