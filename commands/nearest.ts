/**
 * What was meant by a word that is none of those that are known.
 *
 * @module
 */

/** What engines have for containers that outlive their terminal. */
const LATER = [
  ...["ps", "list", "logs", "attach", "create", "start", "state", "stop", "kill", "rm", "delete"],
  ...["pause", "resume", "unpause", "wait"],
];

/** What to say of a command that does not exist. */
export function unknownCommand(name: string, known: readonly string[]): string {
  if (LATER.includes(name)) {
    return `${name} is not supported yet: containers that outlive their terminal ` +
      "come with the OCI runtime commands";
  }
  const near = nearest(name, known);
  const meant = near.length === 0 ? "" : `: is it ${near.map((word) => `'${word}'`).join(" or ")}?`;
  return `no command '${name}'${meant}\nSee 'denspace help' for those that there are.`;
}

/** The words that begin so, or else those that the fewest typing errors lead to, if these are few. */
export function nearest(word: string, known: readonly string[]): string[] {
  if (word === "") return [];
  const begin = known.filter((other) => other.startsWith(word));
  if (begin.length > 0) return begin;
  const distances = known.map((other) => [other, distance(word, other)] as const);
  const least = Math.min(...distances.map(([, errors]) => errors));
  if (least > Math.max(1, Math.floor(word.length / 3))) return [];
  return distances.filter(([, errors]) => errors === least).map(([other]) => other);
}

/** How many letters have to be added, left out, replaced, or swapped with the next. */
export function distance(a: string, b: string): number {
  const rows: number[][] = [];
  for (let i = 0; i <= a.length; i++) {
    const row: number[] = rows[i] = [i];
    for (let j = 1; j <= b.length; j++) {
      if (i === 0) {
        row.push(j);
        continue;
      }
      const same = a[i - 1] === b[j - 1];
      let least = Math.min(
        rows[i - 1]![j]! + 1,
        row[j - 1]! + 1,
        rows[i - 1]![j - 1]! + (same ? 0 : 1),
      );
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      row.push(least);
    }
  }
  return rows[a.length]![b.length]!;
}
