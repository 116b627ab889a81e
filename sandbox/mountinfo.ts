/**
 * The table of mounts, see proc_pid_mountinfo(5).
 *
 * @module
 */

/** A field as it is meant: blanks, newlines and backslashes stand there in octal. */
export function unescapeField(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
}
