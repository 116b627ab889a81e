/**
 * Which configurations can be run. What of a configuration is not supported is an
 * error that names it: nothing is left out in silence.
 *
 * @module
 */
import { RLIMITS } from "../../ffi/constants/resource.ts";
import { ANNOTATIONS, DIE_WITH_PARENT, DIFF, INIT, LAYERS, TIMEOUT } from "./annotations.ts";
import { parseMountOptions } from "./mount_options.ts";
import type { Config, Mount } from "./oci.ts";

/** A configuration can't be run; the message says what of it. */
export class ConfigError extends RangeError {
  /** The name of the class. */
  override readonly name = "ConfigError";
}

/** Looks at a value, which the path leads to; throws if it can't be that. */
type Check = (value: unknown, path: string) => void;

function fail(path: string, what: string): never {
  throw new ConfigError(`${path || "the configuration"} ${what}`);
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
  }, ["destination"])(value, path);
  const { destination, options = [] } = value as Mount;
  if (destination === "/") fail(`${path}.destination`, "is the root");
  try {
    const { idmap } = parseMountOptions(options);
    if (idmap) fail(`${path}.options`, `${idmap} is not supported yet`);
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
  [TIMEOUT]: (value, path) => {
    if (!/^\d+(\.\d+)?$/.test(`${value}`) || !(Number(value) > 0)) {
      fail(path, "is no number of seconds");
    }
  },
};

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

const process: Check = object({
  cwd: absolute,
  args: list(text),
  env: list(variable),
  user: object({ uid: id, gid: id, umask: integer(0, 0o777), additionalGids: list(id) }, [
    "uid",
    "gid",
  ]),
  rlimits: list(object({
    type: oneOf(Object.keys(RLIMITS)),
    soft: integer(0, 2 ** 64),
    hard: integer(0, 2 ** 64),
  }, ["type", "soft", "hard"])),
  noNewPrivileges: flag,
  terminal: flag,
  consoleSize: object({ height: integer(0, 0xffff), width: integer(0, 0xffff) }, [
    "height",
    "width",
  ]),
}, ["cwd", "args", "user"]);

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
  rootfsPropagation: oneOf(["private", "slave", "shared", "unbindable"]),
  maskedPaths: list(absolute),
  readonlyPaths: list(absolute),
});

const config: Check = object({
  ociVersion: (value, path) => {
    text(value, path);
    if (!/^1\./.test(value as string)) fail(path, `is not 1.x: ${value}`);
  },
  process,
  root: object({ path: absolute, readonly: flag }, ["path"]),
  hostname: text,
  domainname: text,
  mounts: list(mount),
  annotations,
  linux,
}, ["ociVersion", "process", "root"]);

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
  for (const [field, type] of [["hostname", "uts"], ["domainname", "uts"]] as const) {
    if (checked[field] !== undefined && !isNew(type)) {
      fail(field, "needs a UTS namespace of its own: the machine's would change");
    }
  }
  if (linux.timeOffsets && !isNew("time")) fail("linux.timeOffsets", "need a new time namespace");
  if (!isNew("mount")) {
    const needs = "needs a new mount namespace: the machine's mounts would change";
    if (root!.path !== "/" || root!.readonly) fail("root", needs);
    if (mounts.length > 0) fail("mounts", needs);
    if (linux.maskedPaths?.length) fail("linux.maskedPaths", needs);
    if (linux.readonlyPaths?.length) fail("linux.readonlyPaths", needs);
    if (annotations[LAYERS] !== undefined) fail(`annotations.${LAYERS}`, needs);
  }
  if (annotations[INIT] === "true" && !isNew("pid")) {
    fail(`annotations.${INIT}`, "needs a new pid namespace");
  }
  if (annotations[DIFF] === "true" && annotations[LAYERS] === undefined) {
    fail(`annotations.${DIFF}`, `needs ${LAYERS}: changes go to the root itself`);
  }
  return checked;
}
