/**
 * Which configurations can be run. What of a configuration is not supported is an
 * error that names it: nothing is left out in silence.
 *
 * @module
 */
import { encode } from "../../ffi/bytes.ts";
import { CAPABILITIES } from "../../ffi/constants/capability.ts";
import { RLIMITS } from "../../ffi/constants/resource.ts";
import { isAmong } from "../idranges.ts";
import { parseLandlock } from "../landlock.ts";
import { parseAddress, parsePrefix } from "../network/address.ts";
import { parsePublished } from "../network/nat.ts";
import { parseRate } from "../network/rate.ts";
import { checkSeccomp } from "../seccomp/profile.ts";
import {
  ANNOTATIONS,
  DIE_WITH_PARENT,
  DIFF,
  INIT,
  LANDLOCK,
  LAYERS,
  NETWORK,
  NETWORK_ADDRESSES,
  NETWORK_BRIDGE,
  NETWORK_GATEWAYS,
  NETWORK_NAT,
  NETWORK_OUTSIDE,
  NETWORK_PUBLISH,
  NETWORK_RATE,
  TIMEOUT,
} from "./annotations.ts";
import { parseMountOptions } from "./mount_options.ts";
import type { Config, IdMapping, Mount, Resources, Rlimit } from "./oci.ts";

/**
 * A configuration can't be run; the message says what of it, and why.
 *
 * @example
 * ```ts
 * import { ConfigError, containerPlan } from "@denspace/denspace";
 *
 * try {
 *   containerPlan({
 *     ociVersion: "1.2.0",
 *     process: { cwd: "tmp", args: ["sh"], user: { uid: 0, gid: 0 } },
 *     root: { path: "/" },
 *   });
 * } catch (error) {
 *   if (!(error instanceof ConfigError)) throw error;
 *   console.log(error.field); // process.cwd
 * }
 * ```
 */
export class ConfigError extends RangeError {
  /** The name of the class. */
  override readonly name = "ConfigError";
  /** The field, such as `mounts[0].destination`; empty for the whole. */
  readonly field: string;

  /** An error of a field, of which something holds. */
  constructor(field: string, what: string) {
    super(`${field || "the configuration"} ${what}`);
    this.field = field;
  }
}

/** Looks at a value, which the path leads to; throws if it can't be that. */
type Check = (value: unknown, path: string) => void;

function fail(path: string, what: string): never {
  throw new ConfigError(path, what);
}

const text: Check = (value, path) => {
  if (typeof value !== "string") fail(path, "is no string");
  if (value.includes("\0")) fail(path, "has a NUL in it");
};
const flag: Check = (value, path) => {
  if (typeof value !== "boolean") fail(path, "is neither true nor false");
};
/** An absolute path without `.` and `..`, and without more slashes than it needs. */
const absolute: Check = (value, path) => {
  text(value, path);
  if (!/^\/$|^(\/(?!\.{1,2}(\/|$))[^/]+)+$/s.test(value as string)) {
    fail(path, `is no absolute path in its shortest form: ${value}`);
  }
};

function integer(min: number, max: number): Check {
  return (value, path) => {
    if (!Number.isInteger(value)) fail(path, "is no whole number");
    if ((value as number) < min || (value as number) > max) fail(path, `is not ${min} to ${max}`);
  };
}

function oneOf(words: readonly string[]): Check {
  return (value, path) => {
    if (!words.includes(value as string)) fail(path, `is none of ${words.join(", ")}: ${value}`);
  };
}

function list(check: Check): Check {
  return (value, path) => {
    if (!Array.isArray(value)) fail(path, "is no list");
    value.forEach((element, i) => check(element, `${path}[${i}]`));
  };
}

/** An object with these fields, of which some must be there. */
function object(fields: Readonly<Record<string, Check>>, required: readonly string[] = []): Check {
  return (value, path) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      fail(path, "is no object");
    }
    const join = (name: string): string => path === "" ? name : `${path}.${name}`;
    for (const [name, field] of Object.entries(value)) {
      if (!Object.hasOwn(fields, name)) fail(join(name), "is not supported yet");
      fields[name]!(field, join(name));
    }
    for (const name of required) {
      if ((value as Record<string, unknown>)[name] === undefined) fail(join(name), "is missing");
    }
  };
}

function record(check: (name: string, value: unknown, path: string) => void): Check {
  return (value, path) => {
    if (typeof value !== "object" || value === null) fail(path, "is no object");
    for (const [name, field] of Object.entries(value)) check(name, field, `${path}.${name}`);
  };
}

/** An id, or how many there are; the last id means none. */
const id: Check = integer(0, 2 ** 32 - 2);
const size: Check = integer(1, 2 ** 32 - 1);

const idMappings: Check = list(object(
  { containerID: id, hostID: id, size },
  ["containerID", "hostID", "size"],
));

const mount: Check = (value, path) => {
  object({
    destination: absolute,
    type: text,
    source: text,
    options: list(text),
    uidMappings: idMappings,
    gidMappings: idMappings,
  }, ["destination"])(value, path);
  const { destination, options = [], type, uidMappings, gidMappings } = value as Mount;
  if (destination === "/") fail(`${path}.destination`, "is the root");
  try {
    const { idmap, bind, data: [option] } = parseMountOptions(options);
    if (option && (type === "bind" || bind)) {
      fail(`${path}.options`, `has ${option[0]}, which is no option of a bind`);
    }
    const mapped = idmap ?? uidMappings ?? gidMappings;
    if (mapped && type !== "bind" && !bind) fail(path, "has other ids, but is not bound");
    if (mapped && (!uidMappings !== !gidMappings)) fail(path, "has ids of one kind only");
  } catch (error) {
    if (error instanceof ConfigError || !(error instanceof RangeError)) throw error;
    fail(path, error.message);
  }
};

const isTrue = oneOf(["true", "false"]);
const ANNOTATION: Readonly<Record<string, Check>> = {
  [LAYERS]: (value, path) => value === "tmpfs" || absolute(value, path),
  [DIFF]: isTrue,
  [INIT]: isTrue,
  [DIE_WITH_PARENT]: isTrue,
  [LANDLOCK]: parsed(parseLandlock),
  [TIMEOUT]: (value, path) => {
    if (!/^\d+(\.\d+)?$/.test(`${value}`) || !(Number(value) > 0)) {
      fail(path, `is no number of seconds: ${value}`);
    }
  },
  [NETWORK]: oneOf(["veth", "pasta"]),
  [NETWORK_ADDRESSES]: parsed((value) => value.split(",").map(parsePrefix)),
  [NETWORK_OUTSIDE]: parsed((value) => value.split(",").map(parsePrefix)),
  [NETWORK_GATEWAYS]: parsed((value) => value.split(",").map(parseAddress)),
  [NETWORK_BRIDGE]: text,
  [NETWORK_RATE]: parsed(parseRate),
  [NETWORK_NAT]: isTrue,
  [NETWORK_PUBLISH]: parsed(parsePublished),
};

/** A text that is parsed; what throws a RangeError is wrong. */
function parsed(parse: (text: string) => unknown): Check {
  return (value, path) => {
    text(value, path);
    try {
      parse(value as string);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      fail(path, `is wrong: ${error.message}`);
    }
  };
}

const annotations: Check = record((name, value, path) => {
  text(value, path);
  if (!name.startsWith("denspace.")) return;
  if (!ANNOTATIONS.includes(name)) fail(path, "is not supported yet");
  ANNOTATION[name]!(value, path);
});

const variable: Check = (value, path) => {
  text(value, path);
  if (!/^[^=]+=/s.test(value as string)) fail(path, `is no NAME=value: ${value}`);
};

const capabilities: Check = list(oneOf(Object.keys(CAPABILITIES)));

const rlimit: Check = (value, path) => {
  object({
    type: oneOf(Object.keys(RLIMITS)),
    soft: integer(0, 2 ** 64),
    hard: integer(0, 2 ** 64),
  }, ["type", "soft", "hard"])(value, path);
  const { type, soft, hard } = value as Rlimit;
  if (soft > hard) fail(path, `has a soft ${type} above the hard one: ${soft}, ${hard}`);
};

const process: Check = object({
  cwd: absolute,
  args: list(text),
  env: list(variable),
  user: object({ uid: id, gid: id, umask: integer(0, 0o777), additionalGids: list(id) }, [
    "uid",
    "gid",
  ]),
  rlimits: list(rlimit),
  capabilities: object({
    bounding: capabilities,
    effective: capabilities,
    permitted: capabilities,
    inheritable: capabilities,
    ambient: capabilities,
  }),
  noNewPrivileges: flag,
  terminal: flag,
  consoleSize: object({ height: integer(0, 0xffff), width: integer(0, 0xffff) }, [
    "height",
    "width",
  ]),
}, ["cwd", "args", "user"]);

/** A number of bytes, and the like; -1 for no limit. */
const amount: Check = integer(-1, Number.MAX_SAFE_INTEGER);
const count: Check = integer(0, Number.MAX_SAFE_INTEGER);
/** Numbers and ranges of processors or memory nodes. */
const numbers: Check = (value, path) => {
  text(value, path);
  if (!/^(\d+(-\d+)?(,\d+(-\d+)?)*)?$/.test(value as string)) fail(path, `is no list: ${value}`);
};
const deviceNumbers: Record<string, Check> = { major: count, minor: count };
const throttles: Check = list(
  object({ ...deviceNumbers, rate: count }, ["major", "minor", "rate"]),
);
const weight: Check = integer(0, 1000);

const resources: Check = object({
  memory: object({
    limit: amount,
    reservation: amount,
    swap: amount,
    swappiness: integer(0, 100),
    disableOOMKiller: flag,
    checkBeforeUpdate: flag,
    useHierarchy: flag,
  }),
  cpu: object({
    shares: count,
    quota: amount,
    burst: count,
    period: count,
    realtimeRuntime: amount,
    realtimePeriod: count,
    cpus: numbers,
    mems: numbers,
    idle: integer(0, 1),
  }),
  pids: object({ limit: amount }, ["limit"]),
  blockIO: object({
    weight,
    weightDevice: list(object({ ...deviceNumbers, weight }, ["major", "minor"])),
    throttleReadBpsDevice: throttles,
    throttleWriteBpsDevice: throttles,
    throttleReadIOPSDevice: throttles,
    throttleWriteIOPSDevice: throttles,
  }),
  devices: list(object({
    allow: flag,
    type: oneOf(["a", "b", "c"]),
    major: amount,
    minor: amount,
    access: (value, path) => {
      text(value, path);
      if (!/^[rwm]{0,3}$/.test(value as string)) fail(path, `is not of r, w and m: ${value}`);
    },
  }, ["allow"])),
  hugepageLimits: list(object({
    pageSize: (value, path) => {
      text(value, path);
      if (!/^\d+[KMG]B$/.test(value as string)) fail(path, `is no size such as 2MB: ${value}`);
    },
    limit: count,
  }, ["pageSize", "limit"])),
  network: object({
    classID: count,
    priorities: list(object({ name: text, priority: count }, ["name", "priority"])),
  }),
  rdma: record((_name, value, path) =>
    object({ hcaHandles: count, hcaObjects: count })(value, path)
  ),
  unified: record((name, value, path) => {
    text(value, path);
    if (!/^[a-z]\w*(\.[\w.-]+)+$/.test(name)) fail(path, "is no file of a cgroup");
  }),
});

/**
 * A value as limits.
 *
 * @throws {ConfigError} when it can't be that
 */
export function checkResources(value: unknown): Resources {
  resources(value, "resources");
  return value as Resources;
}

/**
 * Checks that a value is a path of cgroups, whose last part is the name of a new one.
 *
 * @throws {ConfigError} when it can't be that
 */
export const checkCgroupsPath: Check = (value, path) => {
  text(value, path);
  if (!/^\/?((?!\.{1,2}(\/|$))[^/:\n]+\/)*(?!\.{1,2}$)[^/:\n]+$/.test(value as string)) {
    fail(path, `is no path of a cgroup: ${value}`);
  }
};

const seccomp: Check = (value, path) => {
  try {
    checkSeccomp(value, path);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    // It begins with the field.
    const [field, ...what] = error.message.split(" ");
    fail(field!, what.join(" "));
  }
};

const linux: Check = object({
  namespaces: list(object({
    type: oneOf(["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"]),
    path: absolute,
  }, ["type"])),
  uidMappings: idMappings,
  gidMappings: idMappings,
  timeOffsets: record((name, value, path) => {
    if (name !== "monotonic" && name !== "boottime") fail(path, "is no clock of a time namespace");
    object({ secs: integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER) })(value, path);
  }),
  seccomp,
  rootfsPropagation: oneOf(["private", "slave", "shared", "unbindable"]),
  maskedPaths: list(absolute),
  readonlyPaths: list(absolute),
  cgroupsPath: checkCgroupsPath,
  resources,
});

/** A name of uname(2). */
const nodeName: Check = (value, path) => {
  text(value, path);
  if (encode(value as string).length > 64) fail(path, `is longer than 64 bytes: ${value}`);
};

const config: Check = object({
  ociVersion: (value, path) => {
    text(value, path);
    if (!/^1\./.test(value as string)) fail(path, `is not 1.x: ${value}`);
  },
  process,
  root: object({ path: absolute, readonly: flag }, ["path"]),
  hostname: nodeName,
  domainname: nodeName,
  mounts: list(mount),
  annotations,
  linux,
}, ["ociVersion", "process", "root"]);

/** An id must be one of those that are known inside. */
function known(field: string, id: number, maps: string, mappings: readonly IdMapping[]): void {
  const isKnown = mappings.some(({ containerID, size }) => isAmong(id, containerID, size));
  if (!isKnown) fail(field, `is ${id}, which ${maps} do not have`);
}

/**
 * A value as a configuration that can be run.
 *
 * @throws {ConfigError} when it can't; the message names the field
 */
export function supportedConfig(value: unknown): Config {
  config(value, "");
  const checked = value as Config;
  const { process, linux = {}, root, mounts = [], annotations = {} } = checked;
  const kinds = (linux.namespaces ?? []).map(({ type }) => type);
  const twice = kinds.find((kind, i) => kinds.indexOf(kind) !== i);
  if (twice) fail("linux.namespaces", `has ${twice} twice`);
  const find = (type: string) => linux.namespaces?.find((each) => each.type === type);
  const isNew = (type: string): boolean => !!find(type) && find(type)!.path === undefined;
  if (process!.args!.length === 0) fail("process.args", "is empty");
  const maps = (linux.uidMappings ?? []).length + (linux.gidMappings ?? []).length;
  if (maps > 0 && !isNew("user")) fail("linux.uidMappings", "need a new user namespace");
  if (isNew("user") && (linux.uidMappings ?? []).length === 0) {
    fail("linux.uidMappings", "is missing");
  }
  if (isNew("user") && (linux.gidMappings ?? []).length === 0) {
    fail("linux.gidMappings", "is missing");
  }
  if (isNew("user")) {
    const { uid, gid, additionalGids = [] } = process!.user;
    known("process.user.uid", uid, "linux.uidMappings", linux.uidMappings!);
    known("process.user.gid", gid, "linux.gidMappings", linux.gidMappings!);
    additionalGids.forEach((id, i) =>
      known(`process.user.additionalGids[${i}]`, id, "linux.gidMappings", linux.gidMappings!)
    );
  }
  for (const [field, type] of [["hostname", "uts"], ["domainname", "uts"]] as const) {
    if (checked[field] !== undefined && !isNew(type)) {
      fail(field, "needs a UTS namespace of its own: the machine's would change");
    }
  }
  if (linux.timeOffsets && !isNew("time")) fail("linux.timeOffsets", "need a new time namespace");
  mounts.forEach(({ options = [], uidMappings }, i) => {
    if (!parseMountOptions(options).idmap || uidMappings || linux.uidMappings) return;
    fail(`mounts[${i}].options`, "has idmap, but there are no ids: it takes a user namespace");
  });
  if (!isNew("mount")) {
    const needs = "needs a new mount namespace: the machine's mounts would change";
    if (root!.path !== "/" || root!.readonly) fail("root", needs);
    if (mounts.length > 0) fail("mounts", needs);
    if (linux.maskedPaths?.length) fail("linux.maskedPaths", needs);
    if (linux.readonlyPaths?.length) fail("linux.readonlyPaths", needs);
    if (annotations[LAYERS] !== undefined) fail(`annotations.${LAYERS}`, needs);
  }
  const devpts = mounts.find(({ destination }) => destination === "/dev/pts");
  if (process!.terminal && isNew("mount") && devpts?.type !== "devpts") {
    fail("process.terminal", "needs a mount of type devpts on /dev/pts");
  }
  if (annotations[NETWORK] !== undefined && !isNew("network")) {
    fail(`annotations.${NETWORK}`, "needs a new network namespace");
  }
  if (annotations[INIT] === "true" && !isNew("pid")) {
    fail(`annotations.${INIT}`, "needs a new pid namespace");
  }
  if (annotations[DIFF] === "true" && annotations[LAYERS] === undefined) {
    fail(`annotations.${DIFF}`, `needs ${LAYERS}: changes go to the root itself`);
  }
  return checked;
}
