/**
 * What a picture of namespaces has in it, whatever it is drawn with.
 *
 * A user namespace is a frame around what it owns: other user namespaces, whose
 * parent it is at the same time, and cards. A card is a set of namespaces in which
 * there are exactly the same processes. A pid namespace has a parent besides.
 *
 * @module
 */
import type { Listing, Namespace } from "../../sandbox/listing/namespaces.ts";
import type { NamespaceKind } from "../../sandbox/listing/kinds.ts";
import type { Process } from "../../sandbox/listing/processes.ts";
import { printable } from "../table/text.ts";
import type { Values } from "./columns.ts";

/** A namespace in the picture. */
export interface Entry {
  /** Its inode. */
  readonly inode: number;
  /** Its kind. */
  readonly kind: NamespaceKind;
  /** What else is known of it: where it is bound to, what the network calls it. */
  readonly notes: readonly string[];
}

/** The processes in a namespace. */
export interface Members {
  /** The first of them, as id and command. */
  readonly first: readonly string[];
  /** How many there are. */
  readonly count: number;
}

/** Namespaces with the same processes. */
export interface Card {
  /** The namespaces. */
  readonly entries: readonly Entry[];
  /** Who is in all of them. */
  readonly members: Members;
}

/** A user namespace and what it owns. */
export interface Frame {
  /** The user namespace; `undefined` for one that we may not see. */
  readonly entry: Entry | undefined;
  /** Who it belongs to. */
  readonly user: string;
  /** Who is in it. */
  readonly members: Members;
  /** What it owns besides user namespaces. Those with a pid namespace come first. */
  readonly cards: readonly Card[];
  /** The user namespaces below it. */
  readonly frames: readonly Frame[];
}

/** A picture. */
export interface Picture {
  /** The user namespaces that are in no other one. */
  readonly frames: readonly Frame[];
  /** Pid namespaces and their parents, by inode. */
  readonly parents: ReadonlyMap<number, number>;
}

/** The kinds in the order in which a card has them. */
const ORDER: readonly NamespaceKind[] = [
  "user",
  "pid",
  "mnt",
  "net",
  "ipc",
  "uts",
  "cgroup",
  "time",
];
/** How many processes are named. */
const NAMED = 3;

/** A picture of some namespaces, with the parents and owners that they have. */
export function draw(listing: Listing, chosen: readonly Namespace[], values: Values): Picture {
  const { namespaces } = listing;
  const all = new Set<Namespace>();
  const include = (namespace: Namespace | undefined): void => {
    if (!namespace || all.has(namespace)) return;
    all.add(namespace);
    include(namespaces.get(namespace.parent));
    include(namespaces.get(namespace.owner));
  };
  chosen.forEach(include);
  const sorted = [...all].sort((a, b) =>
    ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || a.inode - b.inode
  );

  const entry = (namespace: Namespace): Entry => {
    const mounts = values("NSFS", { namespace, process: undefined });
    const { inode, kind, netnsid } = namespace;
    const notes = mounts === undefined ? [] : [printable(mounts)];
    if (typeof netnsid === "number") notes.unshift(`id ${netnsid}`);
    return { inode, kind, notes };
  };
  const members = (namespace: Namespace): Members => ({
    first: namespace.processes.slice(0, NAMED).map((process) =>
      `${process.pid} ${printable(values("COMMAND", { namespace, process }) ?? "").trim()}`
    ),
    count: namespace.processes.length,
  });
  const card = (group: readonly Namespace[]): Card => ({
    entries: group.map(entry),
    members: members(group[0]!),
  });
  /** What belongs to an owner; 0 for what belongs to none that is here. */
  const frame = (owner: number): Frame => {
    const namespace = namespaces.get(owner);
    const owned = sorted.filter((each) => ownerOf(each) === owner);
    const [users, others] = [owned.filter(isUser), owned.filter((each) => !isUser(each))];
    const user = namespace && values("USER", { namespace, process: namespace.processes[0] });
    return {
      entry: namespace && entry(namespace),
      user: printable(user ?? ""),
      members: namespace ? members(namespace) : { first: [], count: 0 },
      cards: [...Map.groupBy(others, processesOf).values()].map(card),
      frames: users.map(({ inode }) => frame(inode)),
    };
  };
  const ownerOf = ({ owner }: Namespace): number => all.has(namespaces.get(owner)!) ? owner : 0;

  const outside = frame(0);
  const pids = sorted.filter(({ kind, parent }) => kind === "pid" && namespaces.has(parent));
  return {
    frames: outside.cards.length > 0
      ? [...outside.frames, { ...outside, frames: [] }]
      : outside.frames,
    parents: new Map(pids.map(({ inode, parent }) => [inode, parent])),
  };
}

function isUser({ kind }: Namespace): boolean {
  return kind === "user";
}

/** What namespaces with the same processes have in common. */
function processesOf({ processes, inode }: Namespace): string {
  const ids = processes.map(({ pid }: Process) => pid).join(" ");
  return ids || `empty ${inode}`;
}

/** How many processes there are, in words. */
export function counted(count: number): string {
  return count === 0 ? "no process" : count === 1 ? "1 process" : `${count} processes`;
}

/** The processes, a line for each that is named, of so many letters at most, and one for the others. */
export function memberLines({ first, count }: Members, letters: number = Infinity): string[] {
  if (count === 0) return ["no process"];
  const lines = first.map((line) => shorten(line, letters));
  return count > lines.length ? [...lines, `and ${count - lines.length} more`] : lines;
}

/** How many letters wide a text is: those of East Asia count twice. */
export function lettersOf(text: string): number {
  let letters = 0;
  for (const character of text) letters += character.codePointAt(0)! >= 0x1100 ? 2 : 1;
  return letters;
}

/** As much of a text as has place in so many letters. */
export function shorten(text: string, letters: number): string {
  if (lettersOf(text) <= letters) return text;
  let short = "";
  for (const character of text) {
    if (lettersOf(short + character) > letters - 1) break;
    short += character;
  }
  return `${short.trimEnd()}…`;
}
