/**
 * The disk on which limits can be measured.
 *
 * @module
 */
import { findHierarchies } from "../../sandbox/cgroup/hierarchies.ts";
import { exists, read } from "./contestant.ts";

/** A disk. */
export interface Disk {
  /** Its file in /dev. */
  readonly path: string;
  /** Its number. */
  readonly major: number;
  /** The rest of its number. */
  readonly minor: number;
}

/** The disk on which a directory is; nothing, and it is said why, if there can be no limit for it. */
export function diskOf(directory: string): Disk | undefined {
  const controllers = findHierarchies().flatMap(({ controllers }) => controllers);
  const lacks = controllers.some((name) => name === "io" || name === "blkio")
    ? undefined
    : "no cgroup has the controller";
  const disk = lacks === undefined ? find(Deno.statSync(directory).dev) : undefined;
  if (!disk) console.error(`bench: no limit of I/O: ${lacks ?? `${directory} is on no disk`}`);
  return disk;
}

/** The disk with a file system of this st_dev, see makedev(3); a limit is one of a whole disk. */
function find(dev: number): Disk | undefined {
  const [high, low] = [Math.floor(dev / 2 ** 32), dev >>> 0];
  const [major, minor] = [
    (high & ~0xfff) | (low >>> 8 & 0xfff),
    (low >>> 12 & ~0xff) | (low & 0xff),
  ];
  const link = `/sys/dev/block/${major}:${minor}`;
  if (!exists(link)) return undefined;
  const part = Deno.realPathSync(link);
  const disk = exists(`${part}/partition`) ? part.slice(0, part.lastIndexOf("/")) : part;
  const numbers = read(`${disk}/dev`)!.trim().split(":").map(Number) as [number, number];
  const [, name] = /^DEVNAME=(.*)$/m.exec(read(`${disk}/uevent`)!)!;
  return { path: `/dev/${name}`, major: numbers[0], minor: numbers[1] };
}
