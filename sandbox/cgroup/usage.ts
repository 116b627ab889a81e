/**
 * What the processes of a cgroup have used.
 *
 * @module
 */
import { type Reader, readSmallFile } from "../small_file.ts";
import type { Group } from "./layout.ts";

/** What all processes of a cgroup have used together, as far as the kernel counts it. */
export interface Usage {
  /** Time of processors, in seconds. */
  readonly cpuTime?: number;
  /** The most memory at one time, in bytes, with that of files that were read and written. */
  readonly memoryPeak?: number;
  /** How many of them were killed since memory ran out. */
  readonly oomKills?: number;
  /** Bytes read from disks. */
  readonly bytesRead?: number;
  /** Bytes written to disks. */
  readonly bytesWritten?: number;
}

/** What was used in cgroups, which are still there. */
export function readUsage(groups: readonly Group[], read: Reader = readSmallFile): Usage {
  /** What a file of one of them says, if one of them has it. */
  const find = (version: 1 | 2, file: string, pattern: RegExp): number | undefined => {
    for (const group of groups) {
      if (group.version !== version) continue;
      const text = read(`${group.path}/${file}`);
      if (text === undefined) continue;
      const found = [...text.matchAll(pattern)].map(([, number]) => Number(number));
      return found.reduce((sum, number) => sum + number, 0);
    }
    return undefined;
  };
  const scaled = (value: number | undefined, unit: number): number | undefined =>
    value === undefined ? undefined : value / unit;
  const whole = /^(\d+)$/gm;
  const io1 = "blkio.throttle.io_service_bytes";
  const usage = {
    cpuTime: scaled(find(2, "cpu.stat", /^usage_usec (\d+)$/gm), 1e6) ??
      scaled(find(1, "cpuacct.usage", whole), 1e9),
    memoryPeak: find(2, "memory.peak", whole) ?? find(1, "memory.max_usage_in_bytes", whole),
    oomKills: find(2, "memory.events", /^oom_kill (\d+)$/gm) ??
      find(1, "memory.oom_control", /^oom_kill (\d+)$/gm),
    bytesRead: find(2, "io.stat", /\brbytes=(\d+)/g) ?? find(1, io1, / Read (\d+)$/gm),
    bytesWritten: find(2, "io.stat", /\bwbytes=(\d+)/g) ?? find(1, io1, / Write (\d+)$/gm),
  };
  return Object.fromEntries(Object.entries(usage).filter(([, value]) => value !== undefined));
}
