/**
 * The columns of lsns(8).
 *
 * @module
 */
import { userName } from "../../ffi/pwd.ts";
import type { Listing, Namespace } from "../../sandbox/listing/namespaces.ts";
import { commandOf, type Process } from "../../sandbox/listing/processes.ts";
import type { Column } from "../table/table.ts";

/** What a line is about: a namespace, and the process that stands for it, if one is in it. */
export interface Subject {
  /** The namespace. */
  readonly namespace: Namespace;
  /** The process. */
  readonly process: Process | undefined;
}

/** The name of a column. */
export type ColumnName = keyof typeof COLUMNS;

/** A column with what it is about. */
export interface DescribedColumn extends Omit<Column, "name"> {
  /** What is in it. */
  readonly help: string;
}

/** All columns. */
export const COLUMNS = {
  NS: { help: "namespace identifier (inode number)", number: true, right: true, hint: 10 },
  TYPE: { help: "kind of namespace", hint: 5 },
  PATH: { help: "path to the namespace" },
  NPROCS: { help: "number of processes in the namespace", number: true, right: true, hint: 5 },
  PID: { help: "lowest PID in the namespace", number: true, right: true, hint: 5 },
  PPID: { help: "PPID of the PID", number: true, right: true, hint: 5 },
  COMMAND: { help: "command line of the PID", truncate: true },
  UID: { help: "UID of the PID", number: true, right: true },
  USER: { help: "username of the PID" },
  NETNSID: { help: "namespace ID as used by network subsystem", right: true },
  NSFS: { help: "nsfs mountpoint (usually used network subsystem)", multiline: true },
  PNS: { help: "parent namespace identifier (inode number)", number: true, right: true, hint: 10 },
  ONS: { help: "owner namespace identifier (inode number)", number: true, right: true, hint: 10 },
} as const satisfies Record<string, DescribedColumn>;

/** All their names, in the order of `--output-all`. */
export const COLUMN_NAMES: readonly ColumnName[] = Object.keys(COLUMNS) as ColumnName[];

/** The column that is called so, in capital letters or not. */
export function columnNamed(name: string): ColumnName | undefined {
  return COLUMN_NAMES.find((column) => column === name.toUpperCase());
}

/** What is in the columns: `undefined` where there is nothing to say. */
export type Values = (column: ColumnName, subject: Subject) => string | undefined;

/** The values for what was found; `separator` stands between the mounts of a namespace. */
export function valuesOf({ mounts }: Listing, separator: string): Values {
  const command = remembered(commandOf);
  const user = remembered((uid: number) => userName(uid) || String(uid));
  return (column, { namespace, process }) => {
    const { inode, kind, parent, owner, netnsid, processes } = namespace;
    const uid = process?.uid ?? namespace.ownerUid;
    switch (column) {
      case "NS":
        return String(inode);
      case "TYPE":
        return kind;
      case "PATH":
        return process && `/proc/${process.pid}/ns/${kind}`;
      case "NPROCS":
        return String(processes.length);
      case "PID":
        return process && String(process.pid);
      case "PPID":
        return process && String(process.ppid);
      case "COMMAND":
        return process && command(process.pid);
      case "UID":
        return String(uid | 0); // as lsns(8) has it: 4294967294 is -2
      case "USER":
        return user(uid);
      case "NETNSID":
        return netnsid === undefined ? undefined : String(netnsid);
      case "NSFS": {
        const targets = mounts.filter(({ root }) => root === `${kind}:[${inode}]`)
          .map(({ target }) => target);
        return targets.length === 0 ? undefined : [...new Set(targets)].join(separator);
      }
      case "PNS":
        return String(parent);
      case "ONS":
        return String(owner);
    }
  };
}

/** A function that is called once for each argument. */
function remembered<A, R>(compute: (argument: A) => R): (argument: A) => R {
  const results = new Map<A, R>();
  return (argument) => {
    if (!results.has(argument)) results.set(argument, compute(argument));
    return results.get(argument)!;
  };
}
