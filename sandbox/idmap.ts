/**
 * User and group ids in a user namespace, see user_namespaces(7).
 *
 * @module
 */
import { encode } from "../ffi/bytes.ts";
import { AT_FDCWD, O_CLOEXEC, O_WRONLY } from "../ffi/constants/fcntl.ts";
import { SIGNALS } from "../ffi/constants/signal.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import { execvp } from "../ffi/plan/execvp.ts";
import { environment } from "../ffi/plan/stack.ts";
import type { Cell } from "../ffi/plan/step.ts";
import { procPath, writeFile, type WriteNotes } from "./files.ts";
import { exitUnlessDone, forkHelper, type Helper } from "./helper.ts";
import type { IdRange } from "./idranges.ts";
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
export function forkMapper(p: Builder, { users, groups }: IdRanges): Helper {
  const process = p.call("getpid", [], { why: "the process whose maps the helper writes" });
  return forkHelper(p, "mapper", "write the id maps from the old user namespace", () => {
    const uid = p.call("geteuid", [], { why: "root may write the maps himself" });
    p.when("equal", uid, 0, () => {
      writeRanges(p, process, "uid_map", users);
      writeRanges(p, process, "gid_map", groups);
    }, () => {
      if (users.length > 0 && groups.length > 0) {
        const first = p.call("clone", [SIGNALS.SIGCHLD, 0, 0, 0, 0], {
          why: "running a program replaces the process, and there are two to run",
          child: "newuidmap",
          message: "fork failed",
        });
        p.when("equal", first, 0, () => runMapper(p, process, "newuidmap", users));
        exitUnlessDone(p, first);
      } else if (users.length > 0) {
        runMapper(p, process, "newuidmap", users);
      }
      if (groups.length > 0) runMapper(p, process, "newgidmap", groups);
    });
  });
}

/** Writes a map of ranges of a process's user namespace; none if there are no ranges. */
export function writeRanges(
  p: Builder,
  process: Cell,
  file: "uid_map" | "gid_map",
  ranges: readonly IdRange[],
): void {
  if (ranges.length === 0) return;
  const lines = ranges.map(({ inside, outside, count }) => `${inside} ${outside} ${count}\n`);
  const text = lines.join("");
  const path = procPath(p, process, `/${file}`);
  const fd = p.call("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0], {
    why: "ids of these ranges are known inside",
    message: "could not open ",
    subject: path,
  });
  p.call("write", [fd, text, text.length], {
    why: "ids of these ranges are known inside",
    message: "failed to write ",
    subject: path,
  });
  p.call("close", [fd], { why: "what is written is written" });
}

/** Replaces this process by one of the setuid programs that may write maps. */
function runMapper(
  p: Builder,
  process: Cell,
  name: "newuidmap" | "newgidmap",
  ranges: readonly IdRange[],
): void {
  const pid = p.cell("pid", 16);
  p.control("decimal", [process, { addressOf: pid }]);
  const numbers = ranges.flatMap(({ inside, outside, count }) =>
    [inside, outside, count].map(String)
  );
  // The word before the arguments is for the shell, if this were a script.
  const argv = p.cell("argv", 8 * (numbers.length + 4), [
    0,
    name,
    { addressOf: pid },
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
  // "inside outside 1": ids have at most ten digits
  const prefix = inside === "current" ? "" : `${inside} `;
  const line = p.cell("map", 32, encode(prefix));
  let end = p.control("add", [{ addressOf: line, offset: prefix.length }, 0]);
  if (inside === "current") {
    end = p.control("decimal", [outside, end]);
    p.control("store8", [end, 0, " ".charCodeAt(0)]);
    end = p.control("add", [end, 1]);
  }
  end = p.control("decimal", [outside, end]);
  p.control("store8", [end, 0, " ".charCodeAt(0)]);
  p.control("store8", [end, 1, "1".charCodeAt(0)]);
  const size = p.control("sub", [p.control("add", [end, 2]), { addressOf: line }]);
  writeFile(p, file, { addressOf: line }, size, notes);
}
