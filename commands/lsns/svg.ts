/**
 * Pictures as SVG, for browsers and pages, light or dark as the reader has it.
 *
 * @module
 */
import { type Drawing, FONT_SIZE, layOut, type Rectangle, type Text } from "./layout.ts";
import type { Picture } from "./picture.ts";

/** Below the picture. */
const LEGEND: readonly string[] = [
  "A frame is a user namespace: it owns what is in it,",
  "and the frame around it is its parent and owner.",
  "A card has namespaces with the same processes in them.",
  "A line leads from a pid namespace to its parent.",
];
const MARGIN = 22;

const STYLE = `
.namespaces { color-scheme: light dark;
  --paper: #ffffff; --frame: #eef1f5; --edge: #b9c2cd; --card: #ffffff; --text: #1c2430;
  --faint: #5a6675; --line: #c2410c;
  --pid: #c2410c; --mnt: #1d6fb8; --net: #0f7b50; --ipc: #8a5a00; --uts: #7a3fb0;
  --cgroup: #b0306a; --time: #0b7285; --user: #1c2430; }
@media (prefers-color-scheme: dark) { .namespaces {
  --paper: #0f141a; --frame: #ffffff; --edge: #465160; --card: #1b222b; --text: #e6ebf1;
  --faint: #a3afbd; --line: #ff9a5c;
  --pid: #ff9a5c; --mnt: #74b9f5; --net: #5fd39a; --ipc: #e6b85c; --uts: #c9a0f2;
  --cgroup: #f28cb8; --time: #5fd0e0; --user: #e6ebf1; } }
.namespaces text { font: ${FONT_SIZE}px ui-monospace, Menlo, "DejaVu Sans Mono", "Liberation Mono", monospace;
  fill: var(--text); white-space: pre; }
.paper { fill: var(--paper); }
.frame { fill: var(--frame); stroke: var(--edge); }
@media (prefers-color-scheme: dark) { .frame { fill-opacity: 0.05; } }
.frame.even { fill: var(--paper); fill-opacity: 1; }
.card { fill: var(--card); stroke: var(--edge); }
.line { fill: none; stroke: var(--line); stroke-width: 1.5; stroke-linejoin: round; }
.head { fill: var(--line); }
.namespaces .title, .namespaces .kind { font-weight: bold; }
.namespaces .note { fill: var(--faint); }
`;

/** The picture as an SVG document. */
export function svg(picture: Picture): string {
  const drawing = layOut(picture);
  const height = drawing.height + MARGIN * LEGEND.length;
  const width = Math.max(drawing.width, 440);
  const legend = LEGEND.map((text, index): Text => ({
    x: MARGIN,
    y: drawing.height + MARGIN * index + FONT_SIZE,
    text,
    role: "note",
  }));
  return [
    `<svg class="namespaces" xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"` +
    ` viewBox="0 0 ${width} ${height}" role="img" aria-label="Namespaces">`,
    `<style>${STYLE}</style>`,
    `<rect class="paper" width="${width}" height="${height}"/>`,
    ...body(drawing),
    ...legend.map(text),
    "</svg>",
    "",
  ].join("\n");
}

function body({ frames, cards, texts, lines }: Drawing): string[] {
  return [
    ...frames.map((frame) => rectangle(frame, depth(frame, frames) % 2 ? "frame even" : "frame")),
    ...lines.map((points) =>
      `<path class="line" d="M${points.map(([x, y]) => `${x} ${y}`).join("L")}"/>`
    ),
    ...lines.map((points) => head(points.at(-1)!)),
    ...cards.map((card) => rectangle(card, "card")),
    ...texts.map(text),
  ];
}

/** How many frames there are around one. */
function depth(inner: Rectangle, frames: readonly Rectangle[]): number {
  return frames.filter((outer) =>
    outer !== inner && outer.x <= inner.x && outer.y <= inner.y &&
    outer.x + outer.width >= inner.x + inner.width &&
    outer.y + outer.height >= inner.y + inner.height
  ).length;
}

function rectangle({ x, y, width, height }: Rectangle, name: string): string {
  return `<rect class="${name}" x="${x}" y="${y}" width="${width}" height="${height}" rx="6"/>`;
}

/** The head of an arrow that points to the right. */
function head([x, y]: readonly [number, number]): string {
  return `<path class="head" d="M${x} ${y}l-7 -4v8z"/>`;
}

function text({ x, y, text, whole, role, kind }: Text): string {
  const style = kind ? ` style="fill: var(--${kind})"` : "";
  const title = whole === undefined ? "" : `<title>${escape(whole)}</title>`;
  return `<text class="${role}" x="${round(x)}" y="${round(y)}"${style}>${title}${
    escape(text)
  }</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
  return text.replace(/[&<>]/g, (character) => entities[character]!);
}
