/**
 * Limits on a command line, as those of an OCI configuration.
 *
 * @module
 */
import { S_IFBLK, S_IFCHR, S_IFMT } from "../ffi/constants/fcntl.ts";
import { major, minor, statx } from "../ffi/stat.ts";
import { geteuid } from "../ffi/unistd.ts";
import type { DeviceRule } from "../sandbox/cgroup/devices.ts";
import type { Mount, Resources, ThrottleDevice } from "../sandbox/container/oci.ts";
import { ArgumentError } from "./getopt.ts";
import { insidePath, realPath } from "./paths.ts";

/** The options that limit something, with what they say; those of the lists may be repeated. */
export interface Limits {
  memory?: string;
  "memory-swap"?: string;
  cpus?: string;
  "cpu-shares"?: string;
  cpuset?: string;
  "pids-limit"?: string;
  readonly ioMax: string[];
  readonly devices: string[];
}

const UNITS = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };
const PERIOD = 100_000;
/** The least time, in microseconds of a period, that the kernel gives. */
const LEAST_QUOTA = 1000;

/** What options say, or nothing if there are none. */
export function resourcesOf(limits: Limits): Resources | undefined {
  const { memory, cpus, cpuset } = limits;
  const [swap, shares, pids] = [limits["memory-swap"], limits["cpu-shares"], limits["pids-limit"]];
  if (swap !== undefined && memory === undefined) {
    throw new ArgumentError("--memory-swap is memory and swap together: it needs --memory");
  }
  const bytes = memory === undefined ? undefined : parseSize(memory);
  const both = swap === undefined ? undefined : swap === "-1" ? -1 : parseSize(swap);
  if (both !== undefined && both >= 0 && both < bytes!) {
    throw new ArgumentError("--memory-swap is memory and swap together: it is less than --memory");
  }
  const devices = limits.devices.map(parseDevice);
  const resources: Resources = {
    ...(bytes !== undefined && {
      memory: { limit: bytes, ...(both !== undefined && { swap: both }) },
    }),
    ...((cpus ?? shares ?? cpuset) !== undefined && {
      cpu: {
        ...(shares !== undefined && { shares: parseCount(shares, "CPU shares", 2, 2 ** 18) }),
        ...(cpus !== undefined && { quota: parseQuota(cpus), period: PERIOD }),
        ...(cpuset !== undefined && { cpus: cpuset }),
      },
    }),
    ...(pids !== undefined && { pids: { limit: parsePids(pids) } }),
    ...(limits.ioMax.length > 0 && { blockIO: parseThrottles(limits.ioMax) }),
    // Who is not root gains nothing by a device that its permissions don't give.
    ...(devices.length > 0 && geteuid() === 0 && {
      devices: [{ allow: false, access: "rwm" }, ...devices.map(({ rule }) => rule)],
    }),
  };
  return Object.keys(resources).length > 0 ? resources : undefined;
}

/** The mounts that show the devices of options inside. */
export function deviceMounts({ devices }: Limits): Mount[] {
  return devices.map((text) => parseDevice(text).mount);
}

function parseSize(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([bkmgt]?)(?:i?b)?$/i.exec(text) ?? [];
  if (number === undefined) throw new ArgumentError(`no size such as 64m: '${text}'`);
  return Math.floor(Number(number) * UNITS[unit!.toLowerCase() as keyof typeof UNITS]);
}

function parseCount(text: string, what: string, least: number, most: number): number {
  const count = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(count >= least && count <= most)) {
    throw new ArgumentError(`${what} are ${least} to ${most}: '${text}'`);
  }
  return count;
}

function parsePids(text: string): number {
  return text === "-1" ? -1 : parseCount(text, "--pids-limit: processes", 1, 2 ** 22);
}

function parseQuota(text: string): number {
  const quota = /^\d*\.?\d+$/.test(text) ? Math.round(Number(text) * PERIOD) : 0;
  if (quota < LEAST_QUOTA) {
    throw new ArgumentError(`no number of processors, at least 0.01: '${text}'`);
  }
  return quota;
}

const KEYS = {
  rbps: "throttleReadBpsDevice",
  wbps: "throttleWriteBpsDevice",
  riops: "throttleReadIOPSDevice",
  wiops: "throttleWriteIOPSDevice",
} as const;

/** `DEVICE:rbps=1m,wiops=100`: bytes and operations a second. */
function parseThrottles(texts: readonly string[]): NonNullable<Resources["blockIO"]> {
  const throttles: Partial<Record<(typeof KEYS)[keyof typeof KEYS], ThrottleDevice[]>> = {};
  for (const text of texts) {
    const at = text.lastIndexOf(":");
    const fields = text.slice(at + 1).split(",").map((field) => field.split("="));
    if (at < 1 || !fields.every(([key, value]) => key! in KEYS && value !== undefined)) {
      throw new ArgumentError(
        `no device:rbps=...,wbps=...,riops=...,wiops=...: '${text}'`,
      );
    }
    const { type, major, minor } = deviceNumbers(text.slice(0, at));
    if (type !== "b") throw new ArgumentError(`no block device: '${text.slice(0, at)}'`);
    for (const [key, value] of fields as [keyof typeof KEYS, string][]) {
      (throttles[KEYS[key]] ??= []).push({ major, minor, rate: parseSize(value) });
    }
  }
  return throttles;
}

function deviceNumbers(path: string): { type: "b" | "c"; major: number; minor: number } {
  const { mode, rdev } = statx(path);
  const kind = mode & S_IFMT;
  if (kind !== S_IFCHR && kind !== S_IFBLK) throw new ArgumentError(`no device: '${path}'`);
  return { type: kind === S_IFBLK ? "b" : "c", major: major(rdev), minor: minor(rdev) };
}

/** `DEVICE[:PLACE][:rwm]` */
function parseDevice(text: string): { rule: DeviceRule; mount: Mount } {
  const parts = text.split(":");
  const access = parts.length > 1 && /^[rwm]{1,3}$/.test(parts.at(-1)!) ? parts.pop()! : "rwm";
  const [source, destination = source, more] = parts;
  if (!source || !destination || more !== undefined) {
    throw new ArgumentError(`no device[:place][:rwm]: '${text}'`);
  }
  return {
    rule: { allow: true, ...deviceNumbers(source), access },
    mount: {
      destination: insidePath(destination),
      type: "bind",
      source: realPath(source),
      options: ["bind", "rprivate", "nosuid", "noexec"],
    },
  };
}
