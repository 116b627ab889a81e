/**
 * Limits of the OCI runtime specification as files of cgroups, of either version.
 *
 * @module
 */
import type { Resources, ThrottleDevice } from "../container/oci.ts";

/** A file of a cgroup, and what is written to it. */
export type Write = readonly [file: string, text: string];

/** A limit. */
export interface Setting {
  /** Where the configuration has it. */
  readonly field: string;
  /** What controls it, as version 2 calls it. */
  readonly controller: string;
  /** What is written in version 1; nothing if it can't be had there. */
  readonly v1?: readonly Write[];
  /** What is written in version 2; nothing if it can't be had there. */
  readonly v2?: readonly Write[];
}

/** The name of a controller in version 1. */
export function nameInVersion1(controller: string): string {
  return controller === "io" ? "blkio" : controller;
}

/** Limits as files, but for rules of devices. */
export function settingsOf(resources: Resources): Setting[] {
  return [
    ...memory(resources),
    ...cpu(resources),
    ...pids(resources),
    ...blockIO(resources),
    ...others(resources),
  ];
}

/** The period of a new cgroup. */
const DEFAULT_PERIOD = 100_000;

/** A limit in which -1 stands for none. */
function orMax(limit: number): string {
  return limit < 0 ? "max" : `${limit}`;
}

function memory({ memory = {} }: Resources): Setting[] {
  const { limit, reservation, swap, swappiness, disableOOMKiller } = memory;
  const controller = "memory";
  const settings: Setting[] = [];
  const add = (name: string, rest: Pick<Setting, "v1" | "v2">): void => {
    settings.push({ field: `memory.${name}`, controller, ...rest });
  };
  if (limit !== undefined) {
    add("limit", {
      v1: [["memory.limit_in_bytes", `${limit}`]],
      v2: [["memory.max", orMax(limit)]],
    });
  }
  if (swap !== undefined) {
    // Version 1 counts memory and swap together, version 2 swap alone.
    const alone = swap < 0 ? swap : Math.max(0, swap - Math.max(0, limit ?? 0));
    add("swap", {
      v1: [["memory.memsw.limit_in_bytes", `${swap}`]],
      v2: [["memory.swap.max", orMax(alone)]],
    });
  }
  if (reservation !== undefined) {
    add("reservation", {
      v1: [["memory.soft_limit_in_bytes", `${reservation}`]],
      v2: [["memory.low", reservation < 0 ? "max" : `${reservation}`]],
    });
  }
  if (swappiness !== undefined) add("swappiness", { v1: [["memory.swappiness", `${swappiness}`]] });
  if (disableOOMKiller) add("disableOOMKiller", { v1: [["memory.oom_control", "1"]] });
  return settings;
}

/**
 * The weight of version 2 for shares of version 1: 1 for 2, 100 for 1024, 10000 for
 * 262144, which are the least, the default and the most of both.
 */
export function weightOfShares(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 2 ** 18) return 10_000;
  const l = Math.log2(shares);
  return Math.ceil(10 ** ((l * l + 125 * l) / 612 - 7 / 34));
}

function cpu({ cpu = {} }: Resources): Setting[] {
  const { shares, quota, period, burst, cpus, mems, idle } = cpu;
  const { realtimeRuntime, realtimePeriod } = cpu;
  const settings: Setting[] = [];
  const add = (name: string, rest: Pick<Setting, "v1" | "v2">, controller = "cpu"): void => {
    settings.push({ field: `cpu.${name}`, controller, ...rest });
  };
  if (shares) {
    add("shares", {
      v1: [["cpu.shares", `${shares}`]],
      v2: [["cpu.weight", `${weightOfShares(shares)}`]],
    });
  }
  if (quota !== undefined || period !== undefined) {
    const most = quota !== undefined && quota > 0 ? `${quota}` : "max";
    add(quota === undefined ? "period" : "quota", {
      v1: [
        ...(period === undefined || period === DEFAULT_PERIOD
          ? []
          : [["cpu.cfs_period_us", `${period}`] as const]),
        ...(quota === undefined ? [] : [["cpu.cfs_quota_us", `${quota}`] as const]),
      ],
      v2: [["cpu.max", `${most} ${period ?? DEFAULT_PERIOD}`]],
    });
  }
  if (burst !== undefined) {
    add("burst", { v1: [["cpu.cfs_burst_us", `${burst}`]], v2: [["cpu.max.burst", `${burst}`]] });
  }
  if (idle !== undefined) {
    add("idle", { v1: [["cpu.idle", `${idle}`]], v2: [["cpu.idle", `${idle}`]] });
  }
  if (realtimePeriod !== undefined) {
    add("realtimePeriod", { v1: [["cpu.rt_period_us", `${realtimePeriod}`]] });
  }
  if (realtimeRuntime !== undefined) {
    add("realtimeRuntime", { v1: [["cpu.rt_runtime_us", `${realtimeRuntime}`]] });
  }
  const set = (name: string, value: string | undefined): void => {
    if (!value) return;
    const writes: Write[] = [[`cpuset.${name}`, value]];
    add(name, { v1: writes, v2: writes }, "cpuset");
  };
  set("cpus", cpus);
  set("mems", mems);
  return settings;
}

function pids({ pids }: Resources): Setting[] {
  if (!pids) return [];
  const writes: Write[] = [["pids.max", orMax(pids.limit)]];
  return [{ field: "pids.limit", controller: "pids", v1: writes, v2: writes }];
}

/** The throttles: their fields, files of version 1, and keys of io.max. */
const THROTTLES = [
  ["throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"],
  ["throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"],
  ["throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"],
  ["throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"],
] as const;

function blockIO({ blockIO = {} }: Resources): Setting[] {
  const controller = "io";
  const settings: Setting[] = [];
  // Weights from 10 to 1000 in version 1, from 1 to 10000 in version 2.
  const scaled = (weight: number): number => 1 + Math.floor((weight - 10) * 9999 / 990);
  const { weight, weightDevice = [] } = blockIO;
  if (weight) {
    settings.push({
      field: "blockIO.weight",
      controller,
      v1: [["blkio.bfq.weight", `${weight}`]],
      v2: [["io.weight", `default ${scaled(weight)}`]],
    });
  }
  for (const { major, minor, weight } of weightDevice) {
    if (!weight) continue;
    settings.push({
      field: "blockIO.weightDevice",
      controller,
      v1: [["blkio.bfq.weight_device", `${major}:${minor} ${weight}`]],
      v2: [["io.weight", `${major}:${minor} ${scaled(weight)}`]],
    });
  }
  for (const [field, file, key] of THROTTLES) {
    for (const { major, minor, rate } of (blockIO[field] ?? []) as readonly ThrottleDevice[]) {
      settings.push({
        field: `blockIO.${field}`,
        controller,
        v1: [[file, `${major}:${minor} ${rate}`]],
        v2: [["io.max", `${major}:${minor} ${key}=${rate === 0 ? "max" : rate}`]],
      });
    }
  }
  return settings;
}

function others({ hugepageLimits = [], rdma = {}, network, unified = {} }: Resources): Setting[] {
  const settings: Setting[] = hugepageLimits.map(({ pageSize, limit }) => ({
    field: "hugepageLimits",
    controller: "hugetlb",
    v1: [[`hugetlb.${pageSize}.limit_in_bytes`, `${limit}`]],
    v2: [[`hugetlb.${pageSize}.max`, `${limit}`]],
  }));
  for (const [device, { hcaHandles, hcaObjects }] of Object.entries(rdma)) {
    const part = (key: string, value: number | undefined): string =>
      value === undefined ? "" : ` ${key}=${value}`;
    const writes: Write[] = [[
      "rdma.max",
      `${device}${part("hca_handle", hcaHandles)}${part("hca_object", hcaObjects)}`,
    ]];
    settings.push({ field: "rdma", controller: "rdma", v1: writes, v2: writes });
  }
  if (network?.classID !== undefined) {
    settings.push({
      field: "network.classID",
      controller: "net_cls",
      v1: [["net_cls.classid", `${network.classID}`]],
    });
  }
  for (const { name, priority } of network?.priorities ?? []) {
    settings.push({
      field: "network.priorities",
      controller: "net_prio",
      v1: [["net_prio.ifpriomap", `${name} ${priority}`]],
    });
  }
  for (const [file, text] of Object.entries(unified)) {
    settings.push({ field: "unified", controller: file.split(".")[0]!, v2: [[file, text]] });
  }
  return settings;
}
