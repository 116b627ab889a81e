/**
 * Pictures as Mermaid has them, which GitHub draws in a page: see
 * https://mermaid.js.org/syntax/flowchart.html
 *
 * @module
 */
import { type Card, type Entry, type Frame, memberLines, type Picture } from "./picture.ts";

/** How long the lines about processes are. */
const LETTERS = 40;

/** The picture as a flowchart. */
export function mermaid({ frames, parents }: Picture): string {
  const nodes = new Map<number, string>();
  const lines = frames.flatMap((each, index) => frame(each, `f${index}`, nodes));
  const edges = [...parents].map(([child, parent]) =>
    `${nodes.get(child)} -->|parent| ${nodes.get(parent)}`
  );
  return ["flowchart TB", ...[...lines, ...edges].map((line) => `  ${line}`)].join("\n") + "\n";
}

function frame(
  { entry, user, members, cards, frames }: Frame,
  id: string,
  nodes: Map<number, string>,
): string[] {
  const title = entry ? [`user ${entry.inode}`, user] : ["owner out of sight"];
  const inner = [
    ...(entry ? [`${id}u${text(memberLines(members, LETTERS))}`] : []),
    ...cards.map((each, index) => card(each, `${id}c${index}`, nodes)),
    ...frames.flatMap((each, index) => frame(each, `${id}f${index}`, nodes)),
  ];
  return [`subgraph ${id}${text([title.join(" · ")])}`, ...inner.map((line) => `  ${line}`), "end"];
}

function card({ entries, members }: Card, id: string, nodes: Map<number, string>): string {
  for (const { inode } of entries) nodes.set(inode, id);
  return `${id}${text([...entries.map(named), ...memberLines(members, LETTERS)])}`;
}

function named({ kind, inode, notes }: Entry): string {
  return [kind, inode, ...notes].join(" ");
}

/** A label, in which nothing has a meaning to Mermaid or to HTML. */
function text(lines: readonly string[]): string {
  const escaped = lines.map((line) =>
    line.replace(/[^\p{L}\p{N} ·:\/.,_()-]/gu, (character) => `#${character.codePointAt(0)};`)
  );
  return `["${escaped.join("<br/>")}"]`;
}
