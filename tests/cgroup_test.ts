/** Cgroups as data: which there are, what is written to them, and which devices they allow. */
import { assert, assertEquals, assertMatch } from "../scripts/std.ts";
import { deviceLines, deviceProgram, type DeviceRule } from "../sandbox/cgroup/devices.ts";
import { findHierarchies, type Hierarchy } from "../sandbox/cgroup/hierarchies.ts";
import type { Reader } from "../sandbox/small_file.ts";
import { layOutCgroup } from "../sandbox/cgroup/layout.ts";
import { settingsOf, weightOfShares } from "../sandbox/cgroup/settings.ts";
import type { Resources } from "../sandbox/container/oci.ts";

function reader(files: Readonly<Record<string, string>>): Reader {
  return (path) => files[path];
}

const V2_FILES = {
  "/proc/self/cgroup": "0::/user.slice/a b\n",
  "/proc/self/mountinfo":
    "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
  "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
  "/sys/fs/cgroup/cgroup.subtree_control": "cpu memory\n",
  "/sys/fs/cgroup/user.slice/cgroup.subtree_control": "memory\n",
  "/sys/fs/cgroup/user.slice/a b/cgroup.type": "domain\n",
};

const V1_FILES = {
  "/proc/self/cgroup":
    "5:name=systemd:/\n4:memory:/x\n3:cpu,cpuacct:/\n2:cpuset:/\n1:pids:/\n0::/\n",
  "/proc/self/mountinfo": [
    "30 24 0:26 / /c/memory rw - cgroup cgroup rw,memory",
    "31 24 0:27 / /c/cpu\\040and rw - cgroup cgroup rw,cpu,cpuacct",
    "32 24 0:28 / /c/cpuset rw - cgroup cgroup rw,cpuset",
    "33 24 0:29 /other /c/pids rw - cgroup cgroup rw,pids",
    "34 24 0:30 / /c/unified rw - cgroup2 cgroup2 rw",
    "",
  ].join("\n"),
  "/c/unified/cgroup.controllers": "hugetlb\n",
  "/c/cpuset/cpuset.cpus": "0-3\n",
  "/c/cpuset/cpuset.mems": "0\n",
};

Deno.test("hierarchies of version 2 are found, with our own cgroup", () => {
  assertEquals(findHierarchies(reader(V2_FILES)), [{
    version: 2,
    controllers: ["cpuset", "cpu", "io", "memory", "pids"],
    mount: "/sys/fs/cgroup",
    own: "/sys/fs/cgroup/user.slice/a b",
  }]);
});

Deno.test("hierarchies of both versions are found, but for those that can't be seen", () => {
  const version = 1 as const;
  assertEquals(findHierarchies(reader(V1_FILES)), [
    { version, controllers: ["memory"], mount: "/c/memory", own: "/c/memory/x" },
    { version, controllers: ["cpu", "cpuacct"], mount: "/c/cpu and", own: "/c/cpu and" },
    { version, controllers: ["cpuset"], mount: "/c/cpuset", own: "/c/cpuset" },
    { version: 2, controllers: ["hugetlb"], mount: "/c/unified", own: "/c/unified" },
  ]);
});

Deno.test("a container's directory is that of a mount with the same root", () => {
  const files = {
    "/proc/self/cgroup": "1:pids:/docker/1/inner\n",
    "/proc/self/mountinfo": "33 24 0:29 /docker/1 /c/pids rw - cgroup cgroup rw,pids\n",
  };
  assertEquals(findHierarchies(reader(files)).map(({ own }) => own), ["/c/pids/inner"]);
  assertEquals(findHierarchies(reader({})), []);
});

const ALL: Resources = {
  memory: { limit: 1000, swap: 1500, reservation: 500 },
  cpu: { shares: 1024, quota: 50_000, period: 200_000, burst: 10, idle: 0, cpus: "0", mems: "0" },
  pids: { limit: -1 },
  blockIO: {
    weight: 10,
    throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 5 }],
    throttleWriteIOPSDevice: [{ major: 8, minor: 1, rate: 6 }],
  },
  hugepageLimits: [{ pageSize: "2MB", limit: 7 }],
  rdma: { mlx: { hcaHandles: 3 } },
};

Deno.test("limits are files of version 1", () => {
  assertEquals(settingsOf(ALL).flatMap(({ v1 }) => v1!), [
    ["memory.limit_in_bytes", "1000"],
    ["memory.memsw.limit_in_bytes", "1500"],
    ["memory.soft_limit_in_bytes", "500"],
    ["cpu.shares", "1024"],
    ["cpu.cfs_period_us", "200000"],
    ["cpu.cfs_quota_us", "50000"],
    ["cpu.cfs_burst_us", "10"],
    ["cpu.idle", "0"],
    ["cpuset.cpus", "0"],
    ["cpuset.mems", "0"],
    ["pids.max", "max"],
    ["blkio.bfq.weight", "10"],
    ["blkio.throttle.read_bps_device", "8:0 5"],
    ["blkio.throttle.write_iops_device", "8:1 6"],
    ["hugetlb.2MB.limit_in_bytes", "7"],
    ["rdma.max", "mlx hca_handle=3"],
  ]);
});

Deno.test("the period that a new cgroup has is not written", () => {
  const [setting] = settingsOf({ cpu: { quota: 50_000, period: 100_000 } });
  assertEquals(setting?.v1, [["cpu.cfs_quota_us", "50000"]]);
});

Deno.test("limits are files of version 2", () => {
  assertEquals(settingsOf(ALL).flatMap(({ v2 }) => v2!), [
    ["memory.max", "1000"],
    ["memory.swap.max", "500"],
    ["memory.low", "500"],
    ["cpu.weight", "100"],
    ["cpu.max", "50000 200000"],
    ["cpu.max.burst", "10"],
    ["cpu.idle", "0"],
    ["cpuset.cpus", "0"],
    ["cpuset.mems", "0"],
    ["pids.max", "max"],
    ["io.weight", "default 1"],
    ["io.max", "8:0 rbps=5"],
    ["io.max", "8:1 wiops=6"],
    ["hugetlb.2MB.max", "7"],
    ["rdma.max", "mlx hca_handle=3"],
  ]);
  assertEquals([2, 1024, 2 ** 18].map(weightOfShares), [1, 100, 10_000]);
});

Deno.test("below our own cgroup of version 2 controllers are passed down, and we step aside", () => {
  const read = reader(V2_FILES);
  const resources = { memory: { limit: 5 }, pids: { limit: 3 } };
  const { groups, counters } = layOutCgroup({ resources, path: "n" }, findHierarchies(read), read);
  const own = "/sys/fs/cgroup/user.slice/a b";
  assertEquals(groups, [{
    version: 2,
    path: `${own}/n`,
    enable: [
      ["/sys/fs/cgroup", "+pids"],
      ["/sys/fs/cgroup/user.slice", "+pids"],
      [own, "+memory +pids"],
    ],
    aside: `${own}/n.supervisor`,
    writes: [["memory.max", "5"], ["pids.max", "3"]],
    devices: undefined,
  }]);
  assertEquals(counters.map(({ path }) => path), [
    `${own}/n/memory.events`,
    `${own}/n/pids.events`,
  ]);
  const elsewhere = layOutCgroup({ resources, path: "/p/n" }, findHierarchies(read), read);
  assertEquals(elsewhere.groups.map(({ path, aside }) => [path, aside]), [
    ["/sys/fs/cgroup/p/n", undefined],
  ]);
});

Deno.test("on a machine with both versions each limit goes to where its controller is", () => {
  const read = reader(V1_FILES);
  const resources: Resources = {
    memory: { limit: 5 },
    cpu: { quota: 1000, cpus: "1" },
    hugepageLimits: [{ pageSize: "2MB", limit: 7 }],
  };
  const { groups } = layOutCgroup({ resources, path: "n" }, findHierarchies(read), read);
  assertEquals(groups.map(({ path, writes }) => [path, writes]), [
    ["/c/memory/x/n", [["memory.limit_in_bytes", "5"]]],
    ["/c/cpu and/n", [["cpu.cfs_quota_us", "1000"]]],
    ["/c/cpuset/n", [["cpuset.mems", "0"], ["cpuset.cpus", "1"]]],
    ["/c/unified/n", [["hugetlb.2MB.max", "7"]]],
  ]);
});

Deno.test("what no cgroup can keep is an error that says what is missing", () => {
  const fails = (resources: Resources, files: Record<string, string>, expected: RegExp): void => {
    const read = reader(files);
    const layOut = () => layOutCgroup({ resources, path: "n" }, findHierarchies(read), read);
    assertMatch(thrown(layOut), expected);
  };
  const pids = { pids: { limit: 1 } };
  fails(pids, V1_FILES, /^linux\.resources\.pids\.limit needs the cgroup controller pids, which/);
  fails(pids, {}, /no cgroup hierarchy is mounted$/);
  fails(
    { memory: { swappiness: 1 } },
    V2_FILES,
    /swappiness can't be had with version 2 of cgroups$/,
  );
  fails({ unified: { "memory.high": "1" } }, V1_FILES, /unified can't be had with version 1/);
});

// Devices --------------------------------------------------------------------

const RULES: DeviceRule[] = [
  { allow: false, access: "rwm" },
  { allow: true, type: "c", access: "m" },
  { allow: true, type: "c", major: 1, minor: 3, access: "rwm" },
  { allow: true, type: "c", major: 136, access: "rw" },
  { allow: true, type: "b", major: 8, access: "r" },
  { allow: false, type: "b", major: 8, minor: 9, access: "r" },
];

Deno.test("rules of devices are lines of version 1, in their order", () => {
  assertEquals(deviceLines(RULES), [
    ["devices.deny", "a *:* rwm"],
    ["devices.allow", "c *:* m"],
    ["devices.allow", "c 1:3 rwm"],
    ["devices.allow", "c 136:* rw"],
    ["devices.allow", "b 8:* r"],
    ["devices.deny", "b 8:9 r"],
  ]);
});

/** Runs a program of version 2 as the kernel would, with what it has. */
function ask(rules: readonly DeviceRule[], use: string, type: string, device: string): number {
  const program = deviceProgram(rules);
  const view = new DataView(program.buffer);
  const uses = { m: 1, r: 2, w: 4 };
  const access = [...use].reduce((sum, letter) => sum | uses[letter as keyof typeof uses], 0);
  const context = [access << 16 | (type === "b" ? 1 : 2), ...device.split(":").map(Number)];
  const registers = new Array(11).fill(0);
  for (let at = 0, steps = 0; steps < 1000; at += 8, steps++) {
    const [to, from] = [view.getUint8(at + 1) & 0xf, view.getUint8(at + 1) >> 4];
    const [offset, value] = [view.getInt16(at + 2, true), view.getInt32(at + 4, true)];
    switch (view.getUint8(at)) {
      case 0x61:
        registers[to] = context[offset / 4];
        break;
      case 0xbf:
        registers[to] = registers[from];
        break;
      case 0xb4:
        registers[to] = value;
        break;
      case 0x54:
        registers[to] &= value;
        break;
      case 0x74:
        registers[to] >>>= value;
        break;
      case 0x55:
        if (registers[to] !== value) at += 8 * offset;
        break;
      case 0x5d:
        if (registers[to] !== registers[from]) at += 8 * offset;
        break;
      case 0x15:
        if (registers[to] === value) at += 8 * offset;
        break;
      case 0x95:
        return registers[0];
      default:
        throw new Error(`unknown instruction ${view.getUint8(at)}`);
    }
  }
  throw new Error("no end");
}

Deno.test("rules of devices are a program of version 2, in which the last rule that fits decides", () => {
  const cases: [use: string, type: string, device: string, allowed: number][] = [
    ["rw", "c", "1:3", 1],
    ["r", "c", "1:4", 0],
    ["m", "c", "1:4", 1],
    ["rm", "c", "1:4", 0],
    ["rw", "c", "136:77", 1],
    ["rwm", "c", "136:77", 0],
    ["r", "b", "8:1", 1],
    ["rw", "b", "8:1", 0],
    ["r", "b", "8:9", 0],
    ["m", "b", "8:1", 0],
    ["r", "b", "1:3", 0],
  ];
  for (const [use, type, device, allowed] of cases) {
    assertEquals(ask(RULES, use, type, device), allowed, `${use} ${type} ${device}`);
  }
  assertEquals(ask([], "rwm", "c", "1:1"), 1);
  assertEquals(ask([{ allow: false, type: "c", access: "w" }], "rw", "c", "1:1"), 0);
  assertEquals(ask([{ allow: false, type: "c", access: "w" }], "r", "c", "1:1"), 1);
  // What comes before a rule for all is never reached, which the kernel does not take.
  assertEquals(deviceProgram([...RULES, { allow: true }]).length, 8 * 8);
});

Deno.test("rules go to the controller of version 1, else to a program of version 2", () => {
  const hierarchy = (version: 1 | 2, ...controllers: string[]): Hierarchy => ({
    version,
    controllers,
    mount: `/v${version}`,
    own: `/v${version}`,
  });
  const layOut = (...hierarchies: Hierarchy[]) =>
    layOutCgroup({ resources: { devices: RULES }, path: "n" }, hierarchies, () => undefined)
      .groups.map(({ path, writes, devices }) => [path, writes.length, devices?.length]);
  assertEquals(layOut(hierarchy(2), hierarchy(1, "devices")), [["/v1/n", 6, undefined]]);
  assertEquals(layOut(hierarchy(1, "pids"), hierarchy(2)), [["/v2/n", 0, 6]]);
  assert(deviceProgram(RULES).length > 0);
});

/** What a function says that throws a RangeError. */
function thrown(fn: () => unknown): string {
  try {
    fn();
  } catch (error) {
    if (error instanceof RangeError) return error.message;
  }
  return "";
}
