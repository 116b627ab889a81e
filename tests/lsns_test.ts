/** The parts of lsns: filters, tables, mounts, and pictures in which nothing overlaps. */
import { draw, lettersOf, type Picture } from "../commands/lsns/picture.ts";
import type { Values } from "../commands/lsns/columns.ts";
import { GRAPHS } from "../commands/lsns/graphs.ts";
import { type Drawing, FONT_SIZE, layOut, type Rectangle } from "../commands/lsns/layout.ts";
import { type Cell, FilterError, parseFilter } from "../commands/table/filter.ts";
import { human } from "../commands/table/human.ts";
import { json } from "../commands/table/json.ts";
import { raw } from "../commands/table/raw.ts";
import { ART, type Line, type Table } from "../commands/table/table.ts";
import { listNamespaces, readlink } from "../mod.ts";
import type { NamespaceKind } from "../sandbox/listing/kinds.ts";
import type { Listing, Namespace } from "../sandbox/listing/namespaces.ts";
import type { Process } from "../sandbox/listing/processes.ts";
import { parseMounts } from "../sandbox/listing/mounts.ts";
import { assert, assertEquals, assertThrows } from "../scripts/std.ts";

// Filters ----------------------------------------------------------------------

const ROW: Record<string, [string | undefined, boolean]> = {
  A: ["1", true],
  B: ["2", true],
  NONE: [undefined, true],
  S: [" one ", false],
  EMPTY: [undefined, false],
};
const cell: Cell = (name) => {
  const [text, number] = ROW[name]!;
  return { text, number };
};

for (
  const [filter, passes] of [
    ["A == 1", true],
    // && and || bind equally, from the left.
    ["true || true && false", false],
    ["true || (true && false)", true],
    ["!A == 2", false],
    ["!(A == 2)", true],
    ["A == B == false", true],
    ["A < B", true],
    ["S == 'one'", true],
    ["S != EMPTY", true],
    ["EMPTY == EMPTY", true],
    ["EMPTY == ''", false],
    ["NONE == 0", false],
    ["NONE != 0", false],
    ["NONE == '0'", true],
    ["A == '1'", true],
    ["'1' == A", true],
    ["A == 1.0", true],
    ["1 == 1.5", false],
    ["A == true", true],
    ["S =~ '^o'", true],
    ["S !~ '^o'", false],
    ["'abc' =~ 'b'", true],
    ["NE ne 1", undefined],
    ["A ne 2", true],
    ["2M == 2097152", true],
    ["18446744073709551616 == 18446744073709551615", true],
  ] as const
) {
  Deno.test(`the filter ${filter} ${passes ? "lets a line pass" : "does not"}`, () => {
    if (passes === undefined) assertThrows(() => parseFilter(filter), FilterError);
    else assertEquals(parseFilter(filter).passes(cell), passes);
  });
}

Deno.test("a filter names its columns as they are written", () => {
  assertEquals(parseFilter("A == 1 && (b:c-d > x || A)").columns, ["A", "b:c-d", "x", "A"]);
});

// Tables -----------------------------------------------------------------------

function tableOf(lines: readonly Line[]): Table {
  const columns = [{ name: "NAME", tree: true }, { name: "SIZE", number: true, right: true }];
  return { name: "things", columns, lines, headings: true };
}

function treeOf(): Line[] {
  const line = (cells: string[], parent?: Line): Line => {
    const made: Line = { cells, parent, children: [] };
    (parent?.children as Line[] | undefined)?.push(made);
    return made;
  };
  const root = line(["root", "1"]);
  const first = line(["first", "20"], root);
  return [root, first, line(["below", ""], first), line(["la st", "3"], root)];
}

Deno.test("a tree is drawn for people, for programs and as JSON", () => {
  const table = tableOf(treeOf());
  assertEquals(
    human(table, { art: ART.ascii }),
    ["NAME      SIZE", "root         1", "|-first     20", "| `-below ", "`-la st      3", ""]
      .join("\n"),
  );
  assertEquals(
    raw(table, ART.ascii),
    "NAME SIZE\nroot 1\n|-first 20\n|\\x20`-below \n`-la\\x20st 3\n",
  );
  assertEquals(JSON.parse(json(table)), {
    things: [{
      name: "root",
      size: 1,
      children: [
        { name: "first", size: 20, children: [{ name: "below", size: null }] },
        { name: "la st", size: 3 },
      ],
    }],
  });
});

Deno.test("a table without lines is nothing, and as JSON an empty array", () => {
  const table = tableOf([]);
  assertEquals([human(table, { art: ART.ascii }), raw(table, ART.ascii)], ["", ""]);
  assertEquals(JSON.parse(json(table)), { things: [] });
});

// What there is ----------------------------------------------------------------

Deno.test("mounts of namespaces are found in mountinfo, with the names that they have", () => {
  const text = [
    "22 1 0:21 / /proc rw - proc proc rw",
    "30 1 0:4 net:[4026532264] /run/a\\040b rw shared:1 - nsfs nsfs rw",
    "31 1 0:4 mnt:[4026532265] /run/\\134 rw - nsfs nsfs rw",
    "32 1 8:1 / /run/nsfs rw - ext4 /dev/nsfs rw",
    "",
  ].join("\n");
  assertEquals(parseMounts(text), [
    { root: "net:[4026532264]", inode: 4026532264, target: "/run/a b" },
    { root: "mnt:[4026532265]", inode: 4026532265, target: "/run/\\" },
  ]);
});

Deno.test("listNamespaces() finds this process in its namespaces", () => {
  const { namespaces, processes } = listNamespaces({ kinds: ["net", "uts"] });
  assert([...namespaces.values()].every(({ kind }) => kind === "net" || kind === "uts"));
  for (const kind of ["net", "uts"] as const) {
    const inode = Number(readlink(`/proc/self/ns/${kind}`).replace(/\D/g, ""));
    assertEquals(namespaces.get(inode)!.kind, kind);
    assert(namespaces.get(inode)!.processes.some(({ pid }) => pid === Deno.pid));
  }
  assertEquals(processes.get(Deno.pid)!.ppid, Deno.ppid);
});

// Pictures ---------------------------------------------------------------------

const KINDS: NamespaceKind[] = ["mnt", "net", "pid", "ipc", "uts", "cgroup", "time"];

/** A namespace to be, by the numbers of its owner and parent. */
type Sketch = [kind: NamespaceKind, owner: number, parent: number, pids: number[]];

function pictureOf(sketches: readonly Sketch[], command: (pid: number) => string): Picture {
  const process = (pid: number): Process => ({ pid, ppid: 0, uid: 0, namespaces: new Map() });
  const inode = (number: number): number => number === 0 ? 0 : 4026531835 + number;
  const namespaces = sketches.map(([kind, owner, parent, pids], index): Namespace => ({
    inode: inode(index + 1),
    kind,
    owner: inode(owner),
    parent: inode(parent),
    ownerUid: 0,
    netnsid: kind === "net" ? index % 5 : undefined,
    processes: pids.map(process),
  }));
  const listing: Listing = {
    namespaces: new Map(namespaces.map((namespace) => [namespace.inode, namespace])),
    processes: new Map(),
    mounts: [],
  };
  const values: Values = (column, { namespace, process }) =>
    column === "COMMAND"
      ? command(process!.pid)
      : column === "USER"
      ? "a-user-with-a-name"
      : namespace.inode % 7 === 0
      ? "/run/a/mount/with/a/long/name/in/it, /run/another"
      : undefined;
  return draw(listing, namespaces, values);
}

/** As many containers as asked for, each with all kinds; `nested` are within each other. */
function containers(count: number, nested: boolean): Sketch[] {
  const sketches: Sketch[] = [];
  let [outer, outerPid] = [0, 0];
  for (let i = 0; i <= count; i++) {
    sketches.push(["user", outer, outer, [i + 1, i + 1000]]);
    const user = sketches.length;
    const pid = user + 1 + KINDS.indexOf("pid");
    for (const kind of KINDS) {
      const pids = kind === "pid" || i % 3 ? [i + 1] : [i + 1, i + 1000, i + 2000, i + 3000, 9];
      sketches.push([kind, user, kind === "pid" ? outerPid : 0, i % 4 === 1 ? [] : pids]);
    }
    if (i === 0 || nested) [outer, outerPid] = [user, pid];
  }
  return sketches;
}

const FIVE: Sketch[] = [
  ["user", 0, 0, [1, 2, 3]],
  ["pid", 1, 0, [1, 2]],
  ["user", 1, 1, [3]],
  ["pid", 3, 2, [3]],
  ["net", 3, 0, [3]],
];
const CHAIN: Sketch[] = [
  ["user", 0, 0, [1]],
  ...Array.from({ length: 12 }, (_, i): Sketch => ["pid", 1, i === 0 ? 0 : i + 1, [i + 1]]),
];
const LONG = (pid: number): string => `run-${pid} ${"--option=<value> & 漢字 ".repeat(20)}`;
const PICTURES: Record<string, Picture> = {
  "5 namespaces": pictureOf(FIVE, (pid) => `sleep ${pid}`),
  "200 namespaces": pictureOf(containers(24, false), (pid) => `sleep ${pid}`),
  "200 namespaces, long command lines": pictureOf(containers(24, false), LONG),
  "80 namespaces within each other": pictureOf(containers(9, true), LONG),
  "a chain of pid namespaces": pictureOf(CHAIN, (pid) => `sleep ${pid}`),
  "an owner out of sight": pictureOf([["net", 0, 0, [1]], ["pid", 0, 0, [1]]], () => "init"),
};

/** Where texts are, with letters that are wider than those of any usual monospaced font. */
function textBoxes({ texts }: Drawing): Rectangle[] {
  return texts.map(({ x, y, text }) => ({
    x,
    y: y - FONT_SIZE,
    width: lettersOf(text) * FONT_SIZE * 0.64,
    height: FONT_SIZE * 1.3,
  }));
}

function overlap(a: Rectangle, b: Rectangle): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height &&
    b.y < a.y + a.height;
}

function contains(a: Rectangle, b: Rectangle): boolean {
  return a.x <= b.x && a.y <= b.y && a.x + a.width >= b.x + b.width &&
    a.y + a.height >= b.y + b.height;
}

function overlaps(these: readonly Rectangle[], those: readonly Rectangle[]): unknown[] {
  return these.flatMap((a, i) =>
    those.filter((b, j) => (these !== those || i < j) && overlap(a, b)).map((b) => [a, b])
  );
}

for (const [name, picture] of Object.entries(PICTURES)) {
  Deno.test(`nothing overlaps in a picture of ${name}`, () => {
    const drawing = layOut(picture);
    const { width, height, cards, frames, lines } = drawing;
    const texts = textBoxes(drawing);
    const paper = { x: 0, y: 0, width, height };
    assert(texts.length > 0);
    for (const each of [...texts, ...cards, ...frames]) assert(contains(paper, each));
    assertEquals(overlaps(texts, texts), []);
    assertEquals(overlaps(cards, cards), []);
    // A frame is within another or beside it, and so are a card and a frame, a text and a card.
    const apart = (a: Rectangle, b: Rectangle): boolean =>
      a === b || !overlap(a, b) || contains(a, b) || contains(b, a);
    for (const frame of frames) {
      for (const each of [...frames, ...cards, ...texts]) assert(apart(frame, each));
    }
    for (const card of cards) for (const text of texts) assert(apart(card, text));
    const segments = lines.flatMap((points) =>
      points.slice(1).map(([x, y], i): Rectangle => {
        const [fromX, fromY] = points[i]!;
        assert(x === fromX || y === fromY, "lines go straight");
        return {
          x: Math.min(x, fromX),
          y: Math.min(y, fromY),
          width: Math.abs(x - fromX) || 1,
          height: Math.abs(y - fromY) || 1,
        };
      })
    );
    assertEquals(overlaps(segments, texts), []);
    // What leads to a card ends at its edge.
    const inner = cards.map(({ x, y, width, height }) => ({
      x: x + 1,
      y: y + 1,
      width: width - 2,
      height: height - 2,
    }));
    assertEquals(overlaps(segments, inner), []);
  });
}

Deno.test("each pid namespace has a line to its parent", () => {
  assertEquals(layOut(PICTURES["200 namespaces"]!).lines.length, 24);
  assertEquals(layOut(PICTURES["80 namespaces within each other"]!).lines.length, 9);
  assertEquals(layOut(PICTURES["a chain of pid namespaces"]!).lines.length, 11);
});

Deno.test("an SVG picture has no markup but its own, and colours for dark pages", () => {
  const text = GRAPHS.svg(PICTURES["200 namespaces, long command lines"]!);
  const rest = text.replace(/<style>[^<]*<\/style>/, "")
    .replace(/<(\/?)(svg|rect|path|text|title)( [a-z-]+="[^"<>]*")*(\/?)>/gi, "");
  assertEquals(rest.match(/[<>]|&(?!amp;|lt;|gt;)/g), null);
  for (const tag of ["svg", "text", "title"]) {
    const count = (pattern: RegExp): number => text.match(pattern)?.length ?? 0;
    assertEquals(count(new RegExp(`<${tag}[ >]`, "g")), count(new RegExp(`</${tag}>`, "g")));
  }
  assert(text.includes("@media (prefers-color-scheme: dark)"));
});

Deno.test("a picture for Mermaid nests what a user namespace owns", () => {
  assertEquals(
    GRAPHS.mermaid(PICTURES["5 namespaces"]!),
    `flowchart TB
  subgraph f0["user 4026531836 · a-user-with-a-name"]
    f0u["1 sleep 1<br/>2 sleep 2<br/>3 sleep 3"]
    f0c0["pid 4026531837<br/>1 sleep 1<br/>2 sleep 2"]
    subgraph f0f0["user 4026531838 · a-user-with-a-name"]
      f0f0u["3 sleep 3"]
      f0f0c0["pid 4026531839<br/>net 4026531840 id 4<br/>3 sleep 3"]
    end
  end
  f0f0c0 -->|parent| f0c0
`,
  );
});

Deno.test("labels for Mermaid and Graphviz have nothing that those take for their own", () => {
  const odd = pictureOf([["user", 0, 0, [1]], ["net", 1, 0, [1]]], () => `a"b\\c<d>[e]#f;{g}|h`);
  assert(
    GRAPHS.mermaid(odd).includes(`"1 a#34;b#92;c#60;d#62;#91;e#93;#35;f#59;#123;g#125;#124;h"`),
  );
  assert(GRAPHS.dot(odd).includes(`1 a\\"b\\\\c<d>[e]#f;{g}|h\\l`));
});
