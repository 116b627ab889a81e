/**
 * Ranges of ids in the maps of a user namespace: how they are written, where
 * they come from, and how several make one map. See user_namespaces(7).
 *
 * @module
 */
import { decode } from "../ffi/bytes.ts";
import { readFile } from "../ffi/file.ts";
import { described } from "../ffi/libc.ts";
import { userName } from "../ffi/pwd.ts";

/** Ids that are mapped one to one, in the same order. */
export interface IdRange {
  /** The first id inside. */
  readonly inside: number;
  /** The first id outside. */
  readonly outside: number;
  /** How many. */
  readonly count: number;
}

/** In place of an id: the one of whoever runs the plan. */
export const OWN_ID = -1;

/** A number as `%u` of scanf(3) reads it. */
const NUMBER = String.raw`\s*([+-]?\d+)`;
const COLONS = new RegExp(`^${NUMBER}:${NUMBER}:${NUMBER}$`);
const COMMAS = new RegExp(`^${NUMBER},${NUMBER},${NUMBER}$`);

/** `inside:outside:count`, or the older `outside,inside,count`; `undefined` for anything else. */
export function parseRange(text: string): IdRange | undefined {
  const [, inside, outside, count] = COLONS.exec(text) ?? [];
  if (inside) return range(inside, outside!, count!);
  const [, first, second, size] = COMMAS.exec(text) ?? [];
  return first ? range(second!, first, size!) : undefined;
}

function range(inside: string, outside: string, count: string): IdRange {
  return { inside: id(inside), outside: id(outside), count: id(count) };
}

/** An id, cut to 32 bits. */
function id(text: string): number {
  return Number(BigInt.asUintN(32, BigInt(text)));
}

/**
 * The first range that a file gives to a user: `name:start:count` a line, see
 * subuid(5). The name may also be the user's id; as in unshare(1), any name that
 * is no number counts as 0, so root gets the first range that has one.
 *
 * @throws {SyscallError} when the file can't be read
 * @throws {RangeError} when the user has no name, or no range in the file
 */
export function subordinateIds(file: string, uid: number): { start: number; count: number } {
  const name = userName(uid);
  if (name === undefined) throw new RangeError(`you (user ${uid}) don't exist.`);
  const text = described({ step: `could not open '${file}'` }, () => decode(readFile(file)));
  for (const line of text.split("\n")) {
    const [, owner, start, count] = /^([^:]*):([^:]*):(.*)$/.exec(line) ?? [];
    if (owner === undefined || owner !== name && (Number.parseInt(owner) || 0) !== uid) continue;
    return { start: subordinate(start!), count: subordinate(count!) };
  }
  throw new RangeError(`no line matching user "${name}" in ${file}`);
}

function subordinate(text: string): number {
  if (/^\s*\+?\d+$/.test(text)) return Number(text);
  throw new RangeError(`failed to parse subid map: '${text}'`);
}

/** Whether an id is one of so many from the first on. */
export function isAmong(id: number, first: number, count: number): boolean {
  return first <= id && id < first + count;
}

/** So many ids from the first on, as a person writes them: `5`, or `5-9`. */
export function idSpan(first: number, count: number): string {
  return count === 1 ? `${first}` : `${first}-${first + count - 1}`;
}

/** The ranges of the user namespace in which a process is. */
export function rangesOf(process: number | "self", file: "uid_map" | "gid_map"): IdRange[] {
  const lines = decode(readFile(`/proc/${process}/${file}`)).trimEnd().split("\n");
  return lines.map((line) => {
    const [inside, outside, count] = line.trim().split(/ +/);
    return range(inside!, outside!, count!);
  });
}

/** A range for each of those that our own namespace has, mapped to itself. */
export function identityRanges(file: "uid_map" | "gid_map"): IdRange[] {
  return rangesOf("self", file).map((range) => ({ ...range, outside: range.inside }));
}

/**
 * One map of a single id and of ranges: the single id comes first, and the
 * ranges make room for it on either side. As util-linux 2.41 has it, a range
 * that is too long by the single id loses its last one.
 */
export function mergeRanges(single: IdRange | undefined, ranges: readonly IdRange[]): IdRange[] {
  if (!single) return ranges.filter(({ count }) => count > 0);
  return [single, ...ranges.flatMap((range) => around(single, range))]
    .filter(({ count }) => count > 0);
}

/** The up to three parts of a range that leave an id out on both sides. */
function around(single: IdRange, { inside, outside, count }: IdRange): IdRange[] {
  const within = (id: number, start: number): boolean => id >= start && id <= start + count;
  const overlaps = within(single.outside, outside) || within(single.inside, inside);
  const size = overlaps ? count - 1 : count;
  const cut = (id: number, start: number): number => Math.min(Math.max(id - start, 0), size);
  const cuts = [cut(single.outside, outside), cut(single.inside, inside)].sort((a, b) => a - b);

  const parts: IdRange[] = [];
  let [i, o, done] = [inside, outside, 0];
  for (const end of [...cuts, size]) {
    if (parts.length > 0 && o === single.outside) o++;
    if (parts.length > 0 && i === single.inside) i++;
    parts.push({ inside: i, outside: o, count: end - done });
    i += end - done;
    o += end - done;
    done = end;
  }
  return parts;
}
