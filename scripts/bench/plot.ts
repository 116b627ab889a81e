/**
 * Tables of measured times as a picture: a bar for each row, its target as a line.
 *
 * @module
 */

/** A row of a table, as the bench writes it. */
export interface Row {
  /** What was measured. */
  readonly name: string;
  /** How long it took. */
  readonly milliseconds: number;
  /** How much longer than the first row of its table. */
  readonly ratio: number;
  /** What the ratio may be. */
  readonly target?: number | undefined;
}

const WIDTH = 880;
const LABELS = 330;
const NUMBERS = 160;
const BAR = WIDTH - LABELS - NUMBERS;
const LINE = 24;
const TITLE = 40;

const STYLE = `
  svg { font: 13px system-ui, sans-serif; background: #fff; fill: #1f2328 }
  .title { font-weight: 600 }
  .first { fill: #8c959f } .bar { fill: #1a7f64 } .over { fill: #bc4c00 }
  .number { fill: #59636e } .target { stroke: #1f2328; stroke-dasharray: 3 2 }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; fill: #e6edf3 }
    .first { fill: #6e7681 } .bar { fill: #2ea88a } .over { fill: #db6d28 }
    .number { fill: #9198a1 } .target { stroke: #e6edf3 }
  }`;

/** Draws tables one below the other, each to its own scale; light or dark as the reader has it. */
export function plot(tables: Readonly<Record<string, readonly Row[]>>, note: string): string {
  const parts: string[] = [];
  let y = 0;
  const text = (x: number, kind: string, content: string): void => {
    parts.push(`<text x="${x}" y="${y}" class="${kind}">${escape(content)}</text>`);
  };
  for (const [title, rows] of Object.entries(tables)) {
    const longest = Math.max(
      ...rows.map(({ milliseconds, ratio, target }) =>
        Math.max(milliseconds, target === undefined ? 0 : milliseconds / ratio * target)
      ),
    );
    const width = (milliseconds: number): number => round(BAR * milliseconds / longest);
    y += TITLE;
    text(12, "title", title);
    for (const [i, { name, milliseconds, ratio, target }] of rows.entries()) {
      y += LINE;
      text(12, "name", name);
      const kind = i === 0 ? "first" : target !== undefined && ratio > target ? "over" : "bar";
      parts.push(
        `<rect x="${LABELS}" y="${y - 12}" width="${
          width(milliseconds)
        }" height="15" rx="2" class="${kind}"/>`,
      );
      if (target !== undefined) {
        const x = LABELS + width(milliseconds / ratio * target);
        parts.push(`<line x1="${x}" x2="${x}" y1="${y - 16}" y2="${y + 7}" class="target"/>`);
      }
      const factor = i === 0 ? "" : `, ${ratio.toFixed(2)} ×`;
      text(LABELS + BAR + 10, "number", `${milliseconds.toFixed(1)} ms${factor}`);
    }
  }
  y += TITLE;
  text(12, "number", note);
  const height = y + 16;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>How long programs take to start in new namespaces</title>
<style>${STYLE}
</style>
${parts.join("\n")}
</svg>
`;
}

function round(value: number): number {
  return Math.round(10 * value) / 10;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
