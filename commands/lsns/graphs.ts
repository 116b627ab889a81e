/**
 * The languages that `lsns --graph` draws in.
 *
 * @module
 */
import { dot } from "./dot.ts";
import { mermaid } from "./mermaid.ts";
import type { Picture } from "./picture.ts";
import { svg } from "./svg.ts";

/** The name of one. */
export type GraphFormat = "svg" | "mermaid" | "dot";

/** How each draws a picture. */
export const GRAPHS: Readonly<Record<GraphFormat, (picture: Picture) => string>> = {
  svg,
  mermaid,
  dot,
};
