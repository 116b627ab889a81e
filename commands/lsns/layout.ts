/**
 * Where everything in a picture of namespaces has its place.
 *
 * Frames and cards stand in columns, and nothing overlaps. What leads from a pid
 * namespace to its parent runs through the gaps between them: down the left edge of
 * the frame around the parent, along the gap above the frames within, down the gap
 * left of the column, and from the left to the child:
 *
 *     frame ──────────────────────────┐
 *     │ ┌─ parent ┐ ┌ card ┐          │
 *     │┌┤         │ │      │          │
 *     ││└─────────┘ └──────┘          │
 *     │└┬──────────┬──────────────────│ the gap above
 *     │ │┌ frame ┐ │┌ frame ┐         │
 *     │ └┼─ child│ └┼─ child│         │
 *
 * @module
 */
import {
  type Card,
  counted,
  type Frame,
  lettersOf,
  memberLines,
  type Picture,
  shorten,
} from "./picture.ts";

/** A place and a size, in pixels. */
export interface Rectangle {
  /** From the left. */
  readonly x: number;
  /** From the top. */
  readonly y: number;
  /** To the right. */
  readonly width: number;
  /** Downwards. */
  readonly height: number;
}

/** A text in one line. */
export interface Text {
  /** Its left end. */
  readonly x: number;
  /** Its base line. */
  readonly y: number;
  /** What it says: all of it has its place. */
  readonly text: string;
  /** All that it would say, if something was cut off. */
  readonly whole?: string;
  /** What it is, which decides about its looks. */
  readonly role: "title" | "kind" | "inode" | "note" | "process";
  /** The kind of namespace that it is about. */
  readonly kind?: string;
}

/** All that is drawn. */
export interface Drawing {
  /** The size of the picture. */
  readonly width: number;
  /** The size of the picture. */
  readonly height: number;
  /** The frames, outer ones first. */
  readonly frames: readonly Rectangle[];
  /** The cards. */
  readonly cards: readonly Rectangle[];
  /** The texts. */
  readonly texts: readonly Text[];
  /** What leads from children to parents, from corner to corner. */
  readonly lines: readonly (readonly [x: number, y: number])[][];
}

/** The size of letters. */
export const FONT_SIZE = 12;
/** How wide a letter of a monospaced font is at most; those of most have 0.6 of their size. */
const LETTER = 0.64 * FONT_SIZE;
/** From one line of text to the next. */
const LEADING = 18;
/** Between an edge and what is within. */
const PADDING = 12;
/** Between things beside each other; what leads from one to another runs here. */
const GAP = 22;
/** Letters in a line of a card. */
const CARD_LETTERS = 34;
const CARD_WIDTH = Math.ceil(CARD_LETTERS * LETTER) + 2 * PADDING;
/** How far below the middle of its line of text a line leaves. */
const LEAVING = 6;
/** How many letters of a text that is cut off are told at most. */
const WHOLE = 300;
/** Where the inode of a namespace stands, behind its kind. */
const KIND_LETTERS = 7;
/** How wide a picture shall be, measured by its height. */
const ASPECT = 1.5;
/** How far lines to different parents are from the middle of a gap. */
const LANES: readonly number[] = [0, -5, 5];

/** How wide a text is at most, in pixels. */
export function widthOf(text: string): number {
  return lettersOf(text) * LETTER;
}

/** A thing with a size, which can be put somewhere. */
interface Block {
  readonly width: number;
  readonly height: number;
  /** Puts it there. */
  readonly place: (x: number, y: number, drawing: Open, route: Route) => void;
}

/** A drawing that is being made. */
interface Open {
  readonly frames: Rectangle[];
  readonly cards: Rectangle[];
  readonly texts: Text[];
  /** Where the lines of pid namespaces end, by inode. */
  readonly ends: Map<number, End>;
}

/** Where the line of a pid namespace ends, at the left of its card. */
interface End {
  readonly x: number;
  readonly y: number;
  /** The way out of the frame around it. */
  readonly route: Route;
}

/** The way from within a frame to the outside: the innermost first. */
type Route = readonly Passage[];

/** How a line gets from one frame into that around it. */
interface Passage {
  /** The left edge of the frame: where lines run down in it. */
  readonly edge: number;
  /** The gap above the frames in it. */
  readonly above: number;
  /** The gap on the left of the column in which the frame stands in the one around. */
  readonly column: number;
}

/** Puts everything in its place. */
export function layOut({ frames, parents }: Picture): Drawing {
  const drawing: Open = { frames: [], cards: [], texts: [], ends: new Map() };
  const all = pack(frames.map(frameBlock));
  all.place(GAP, GAP, drawing, []);
  const lanes = [...new Set(parents.values())];
  const lines = [...parents].flatMap(([child, parent]) => {
    const [from, to] = [drawing.ends.get(child), drawing.ends.get(parent)];
    const lane = LANES[lanes.indexOf(parent) % LANES.length]!;
    return from && to ? [connect(from, to, lane)] : [];
  });
  const { frames: rectangles, cards, texts } = drawing;
  return {
    width: all.width + 2 * GAP,
    height: all.height + 2 * GAP,
    frames: rectangles,
    cards,
    texts,
    lines,
  };
}

// Blocks ---------------------------------------------------------------------

function frameBlock(frame: Frame): Block {
  const { entry, user, members, cards, frames } = frame;
  const isPid = ({ entries }: Card): boolean => entries.some(({ kind }) => kind === "pid");
  const first = column(cards.filter(isPid).map(cardBlock));
  const others = pack(cards.filter((card) => !isPid(card)).map(cardBlock));
  const between = first.width > 0 && others.width > 0 ? GAP : 0;
  const row = {
    width: first.width + between + others.width,
    height: Math.max(first.height, others.height),
  };
  const within = pack(frames.map(frameBlock), row);

  const title = entry ? `${entry.kind} ${entry.inode}` : "owner out of sight";
  const notes = entry ? [user, counted(members.count), ...entry.notes].join(" · ") : "";
  const processes = members.count > 1 ? memberLines(members).join(" · ") : members.first.join("");
  const header = entry && processes !== "" ? 2 * LEADING : LEADING;

  const inner = Math.max(row.width, within.width, widthOf(title) + GAP, CARD_WIDTH);
  const rowTop = PADDING + header + (row.height > 0 ? PADDING : 0);
  const withinTop = rowTop + row.height + (within.height > 0 ? GAP : 0);
  return {
    width: inner + 2 * GAP,
    height: withinTop + within.height + PADDING,
    place(x, y, drawing, route): void {
      drawing.frames.push({ x, y, width: this.width, height: this.height });
      const left = x + GAP;
      const base = y + PADDING + FONT_SIZE;
      drawing.texts.push({ x: left, y: base, text: title, role: "title" });
      const noteX = left + widthOf(title) + LETTER;
      addText(drawing, { x: noteX, y: base, text: notes, role: "note" }, left + inner - noteX);
      if (header > LEADING) {
        const text = { x: left, y: base + LEADING, text: processes, role: "process" } as const;
        addText(drawing, text, inner);
      }
      const passage = { edge: x + GAP / 2, above: y + withinTop - GAP / 2 };
      const here: Route = [{ ...passage, column: x - GAP / 2 }, ...route];
      first.place(left, y + rowTop, drawing, here);
      others.place(left + first.width + between, y + rowTop, drawing, here);
      within.place(left, y + withinTop, drawing, here);
    },
  };
}

function cardBlock({ entries, members }: Card): Block {
  const processes = memberLines(members);
  const lines = entries.reduce((sum, { notes }) => sum + 1 + notes.length, processes.length);
  return {
    width: CARD_WIDTH,
    height: lines * LEADING + 2 * PADDING,
    place(x, y, drawing, route): void {
      drawing.cards.push({ x, y, width: this.width, height: this.height });
      const [left, room] = [x + PADDING, CARD_WIDTH - 2 * PADDING];
      let base = y + PADDING + FONT_SIZE - 2;
      for (const { kind, inode, notes } of entries) {
        if (kind === "pid") drawing.ends.set(inode, { x, y: base - 4, route });
        drawing.texts.push({ x: left, y: base, text: kind, role: "kind", kind });
        const indent = left + KIND_LETTERS * LETTER;
        drawing.texts.push({ x: indent, y: base, text: `${inode}`, role: "inode" });
        base += LEADING;
        for (const text of notes) {
          addText(drawing, { x: indent, y: base, text, role: "note" }, left + room - indent);
          base += LEADING;
        }
      }
      base += PADDING / 2;
      for (const text of processes) {
        addText(drawing, { x: left, y: base, text, role: "process" }, room);
        base += LEADING;
      }
    },
  };
}

/** Adds a text, as much of it as has place in so many pixels. */
function addText(drawing: Open, text: Text, room: number): void {
  const letters = Math.floor(room / LETTER);
  if (text.text === "" || letters < 2) return;
  const short = shorten(text.text, letters);
  drawing.texts.push(
    short === text.text ? text : { ...text, text: short, whole: shorten(text.text, WHOLE) },
  );
}

/** Blocks below each other. */
function column(blocks: readonly Block[]): Block {
  return {
    width: Math.max(0, ...blocks.map(({ width }) => width)),
    height: blocks.reduce(
      (sum, { height }) => sum + height + GAP,
      -GAP * Number(blocks.length > 0),
    ),
    place(x, y, drawing, route): void {
      for (const block of blocks) {
        block.place(x, y, drawing, route);
        y += block.height + GAP;
      }
    },
  };
}

/**
 * Blocks in as many columns as make the whole about as wide as a page, together with
 * what stands above.
 */
function pack(blocks: readonly Block[], above = { width: 0, height: 0 }): Block {
  const choices = blocks.map((_, i) => inColumns(blocks, i + 1));
  const distance = ({ width, height }: Block): number =>
    Math.abs(Math.log(Math.max(width, above.width) / (height + above.height) / ASPECT));
  return choices.sort((a, b) => distance(a) - distance(b))[0] ?? column([]);
}

/** Blocks in so many columns, each put where there is most room. */
function inColumns(blocks: readonly Block[], count: number): Block {
  const stacks = Array.from({ length: count }, (): Block[] => []);
  for (const block of blocks) {
    const heights = stacks.map((stack) => column(stack).height);
    stacks[heights.indexOf(Math.min(...heights))]!.push(block);
  }
  const columns = stacks.map(column);
  return {
    width: columns.reduce((sum, { width }) => sum + width + GAP, -GAP),
    height: Math.max(...columns.map(({ height }) => height)),
    place(x, y, drawing, route): void {
      for (const each of columns) {
        each.place(x, y, drawing, route);
        x += each.width + GAP;
      }
    },
  };
}

// Lines ----------------------------------------------------------------------

/**
 * The corners of the line from a child to its parent, which is in the same frame or
 * in one around it; `lane` is how far it is from the middle of a gap.
 */
function connect(from: End, to: End, lane: number): [number, number][] {
  // Below where lines arrive, if it is a parent itself.
  let y = from.y + LEAVING;
  const points: [number, number][] = [[from.x, y]];
  const outward = from.route.slice(0, from.route.length - to.route.length);
  for (const [i, { column }] of outward.entries()) {
    const around = from.route[i + 1]!;
    const [x, next] = [column + lane, around.above + lane];
    points.push([x, y], [x, next], [around.edge + lane, next]);
    y = next;
  }
  const edge = to.route[0]!.edge + lane;
  points.push([edge, y], [edge, to.y], [to.x, to.y]);
  return points;
}
