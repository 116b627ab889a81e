/**
 * The table of mounts, see proc_pid_mountinfo(5).
 *
 * @module
 */

/** A mount, as a line of the table has it. */
export interface MountLine {
  /** A number that no other mount has. */
  readonly id: string;
  /** That of the mount on which it lies. */
  readonly parent: string;
  /** Which directory of the file system is its root. */
  readonly root: string;
  /** Where it is mounted. */
  readonly path: string;
  /** Options of the mount. */
  readonly options: readonly string[];
  /** The type of the file system. */
  readonly type: string;
  /** Options of the file system. */
  readonly superOptions: readonly string[];
}

/** The lines of such a file, of file systems whose types begin so. */
export function parseMountinfo(text: string, type = ""): MountLine[] {
  return text.split("\n").filter((line) => line.includes(` - ${type}`)).map((line) => {
    // id parent major:minor root path options [tags...] - type source options
    const [id, parent, , root, path, options, ...rest] = line.split(" ") as [
      ...[string, string, string, string, string, string],
      ...string[],
    ];
    const [type, , superOptions = ""] = rest.slice(rest.indexOf("-") + 1);
    return {
      id,
      parent,
      root: unescaped(root),
      path: unescaped(path),
      options: options.split(","),
      type: type!,
      superOptions: superOptions.split(","),
    };
  });
}

/** A field as it is meant: blanks, newlines and backslashes stand there in octal. */
function unescaped(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
}
