/**
 * Which lines lsns(8) shows, and which of them hang from which.
 *
 * @module
 */
import type { Listing, Namespace } from "../../sandbox/listing/namespaces.ts";
import type { Process } from "../../sandbox/listing/processes.ts";
import type { Subject } from "./columns.ts";

/** What lines hang from: the parent process, the owner or the parent of the namespace. */
export type Tree = "process" | "owner" | "parent";

/** A line to be. */
export interface Row extends Subject {
  /** What it hangs from. */
  readonly parent: Row | undefined;
  /** What hangs from it. */
  readonly children: Row[];
}

/** What is wanted. */
export interface Selection {
  /** What lines hang from; nothing, if not given. */
  readonly tree: Tree | undefined;
  /** Only namespaces with this process. */
  readonly task?: number | undefined;
  /** Only namespaces without processes. */
  readonly persistent?: boolean | undefined;
  /** Which of the lines are kept. */
  readonly keep: (subject: Subject) => boolean;
}

/** What collects lines, and knows the last one of each process and namespace. */
interface Collector {
  readonly rows: Row[];
  readonly isShown: (what: Process | Namespace) => boolean;
  readonly add: (namespace: Namespace, process: Process | undefined) => void;
}

/** A line for each namespace. */
export function namespaceRows(listing: Listing, selection: Selection): Row[] {
  const { tree, task, persistent } = selection;
  const { rows, isShown, add } = collect(listing, selection);
  const show = (namespace: Namespace): void => {
    const { parent, owner } = relatives(listing, namespace);
    const above = tree === "owner" ? owner : tree === "parent" ? parent ?? owner : undefined;
    if (above && !isShown(above)) show(above);
    add(namespace, namespace.processes[0]);
  };
  for (const namespace of listing.namespaces.values()) {
    if (task !== undefined && !namespace.processes.some(({ pid }) => pid === task)) continue;
    if (persistent && namespace.processes.length > 0) continue;
    if (!isShown(namespace)) show(namespace);
  }
  return rows;
}

/** A line for each process of a namespace. */
export function processRows(listing: Listing, namespace: Namespace, selection: Selection): Row[] {
  const { rows, isShown, add } = collect(listing, selection);
  const { inode, kind } = namespace;
  const show = (process: Process): void => {
    const parent = listing.processes.get(process.ppid);
    const isInside = parent?.namespaces.get(kind) === inode;
    if (selection.tree === "process" && parent && isInside && !isShown(parent)) show(parent);
    add(namespace, process);
  };
  for (const process of namespace.processes) if (!isShown(process)) show(process);
  return rows;
}

function collect(listing: Listing, { tree, keep }: Selection): Collector {
  const rows: Row[] = [];
  const last = new Map<Process | Namespace | undefined, Row>();
  const above = (namespace: Namespace, process: Process | undefined): Row | undefined => {
    if (tree === undefined) return undefined;
    if (tree !== "process") return last.get(relatives(listing, namespace)[tree]);
    return process && last.get(listing.processes.get(process.ppid));
  };
  return {
    rows,
    isShown: (what) => last.has(what),
    add(namespace, process): void {
      if (!keep({ namespace, process })) return;
      const parent = above(namespace, process);
      const row: Row = { namespace, process, parent, children: [] };
      parent?.children.push(row);
      rows.push(row);
      const subject = tree === "owner" || tree === "parent" ? namespace : process;
      if (subject) last.set(subject, row);
    },
  };
}

/** The namespaces in which one was made, as far as they are known. */
function relatives(
  { namespaces }: Listing,
  { parent, owner }: Namespace,
): Record<"parent" | "owner", Namespace | undefined> {
  return { parent: namespaces.get(parent), owner: namespaces.get(owner) };
}
