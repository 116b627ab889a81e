/**
 * What was changed in a root of layers: what their upper directories hold, against
 * what is below. See overlayfs in the kernel's documentation.
 *
 * @module
 */
import { AT_SYMLINK_NOFOLLOW, S_IFCHR, S_IFDIR, S_IFMT } from "../../ffi/constants/fcntl.ts";
import { readdir } from "../../ffi/dirent.ts";
import { optional } from "../../ffi/libc.ts";
import { type Stat, statx } from "../../ffi/stat.ts";
import { lgetxattr } from "../../ffi/xattr.ts";
import { layerPlace } from "./layers.ts";
import { SKELETON } from "./overlay.ts";

/** A path that was added, changed or deleted. */
export interface Change {
  /** What became of it. */
  readonly kind: "A" | "C" | "D";
  /** The path inside. */
  readonly path: string;
}

/**
 * What was changed, sorted by path. A directory counts as changed when something
 * was added to it or deleted from it; what was in a deleted directory is not
 * listed.
 *
 * @param directory the directory of the layers
 * @param root the directory whose copy the root is
 * @throws {SyscallError} when something can't be looked at
 */
export function changes(directory: string, root: string): Change[] {
  const names = readdir(directory);
  const base = root === "/" ? "" : root;
  const found = names.filter((name) => name !== SKELETON).flatMap((name) => {
    const place = layerPlace(name);
    const made = place === "/" && names.includes(SKELETON);
    const lower = made ? `${directory}/${SKELETON}` : `${base}${place}`;
    const inside = [...within(`${directory}/${name}/upper`, lower, place === "/" ? "" : place)];
    const top: Change[] = place === "/" || inside.length === 0 ? [] : [{ kind: "C", path: place }];
    return [...top, ...inside];
  });
  return found.sort((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : 0);
}

/** What was changed in a directory, of which there may be nothing below. */
function* within(upper: string, lower: string | undefined, place: string): Generator<Change> {
  const names = readdir(upper);
  if (lower !== undefined && isOpaque(upper)) yield* missing(lower, names, place);
  for (const name of names) {
    const path = `${place}/${name}`;
    const is = statx(`${upper}/${name}`, AT_SYMLINK_NOFOLLOW);
    const was = lower === undefined ? undefined : find(`${lower}/${name}`);
    if (isWhiteout(is)) {
      if (was) yield { kind: "D", path };
      continue;
    }
    yield { kind: was ? "C" : "A", path };
    const below = was && isDirectory(was) ? `${lower}/${name}` : undefined;
    if (isDirectory(is)) yield* within(`${upper}/${name}`, below, path);
    else if (below !== undefined) yield* missing(below, [], path);
  }
}

/** What is in a lower directory, but not among these names. */
function* missing(lower: string, names: readonly string[], place: string): Generator<Change> {
  for (const name of readdir(lower)) {
    if (!names.includes(name)) yield { kind: "D", path: `${place}/${name}` };
  }
}

function find(path: string): Stat | undefined {
  return optional(() => statx(path, AT_SYMLINK_NOFOLLOW));
}

function isDirectory({ mode }: Stat): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}

/** What stands for a deleted file. */
function isWhiteout({ mode, rdev }: Stat): boolean {
  return (mode & S_IFMT) === S_IFCHR && rdev === 0n;
}

/** Whether nothing of the lower directory shows: it was deleted, and made again. */
function isOpaque(path: string): boolean {
  return ["trusted.overlay.opaque", "user.overlay.opaque"].some((name) =>
    lgetxattr(path, name)?.[0] === "y".charCodeAt(0)
  );
}
