/**
 * Pictures in the language of Graphviz, see dot(1).
 *
 * @module
 */
import { type Card, type Entry, type Frame, memberLines, type Picture } from "./picture.ts";

/** How long the lines about processes are. */
const LETTERS = 40;

/** The picture as a graph with a cluster for each user namespace. */
export function dot({ frames, parents }: Picture): string {
  const nodes = new Map<number, string>();
  const lines = frames.flatMap((each, index) => frame(each, `${index}`, nodes));
  const edges = [...parents].map(([child, parent]) =>
    `${nodes.get(parent)} -> ${nodes.get(child)} [dir=back, tooltip="parent"];`
  );
  const inner = [
    "rankdir=LR;",
    'node [shape=box, fontname="monospace", fontsize=10];',
    'graph [fontname="monospace", fontsize=11, labeljust=l, style=rounded];',
    ...lines,
    ...edges,
  ];
  return ["digraph namespaces {", ...inner.map((line) => `  ${line}`), "}"].join("\n") + "\n";
}

function frame(
  { entry, user, members, cards, frames }: Frame,
  id: string,
  nodes: Map<number, string>,
): string[] {
  const title = entry ? `user ${entry.inode} · ${user}` : "owner out of sight";
  const inner = [
    `label=${text([title], "\\l")};`,
    ...(entry
      ? [`u${id} [shape=plain, label=${text(memberLines(members, LETTERS), "\\l")}];`]
      : []),
    ...cards.map((each, index) => card(each, `c${id}_${index}`, nodes)),
    ...frames.flatMap((each, index) => frame(each, `${id}_${index}`, nodes)),
  ];
  return [`subgraph cluster_${id} {`, ...inner.map((line) => `  ${line}`), "}"];
}

function card({ entries, members }: Card, id: string, nodes: Map<number, string>): string {
  for (const { inode } of entries) nodes.set(inode, id);
  return `${id} [label=${text([...entries.map(named), ...memberLines(members, LETTERS)], "\\l")}];`;
}

function named({ kind, inode, notes }: Entry): string {
  return [kind, inode, ...notes].join(" ");
}

/** A quoted string; every line ends with what says where it stands. */
function text(lines: readonly string[], end: string): string {
  return `"${lines.map((line) => line.replace(/["\\]/g, "\\$&") + end).join("")}"`;
}
