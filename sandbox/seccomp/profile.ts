/**
 * Profiles: filters of system calls in the JSON format that container engines
 * read. One profile is for many machines and containers; what it is for one of
 * them is what the OCI runtime specification has as `linux.seccomp`.
 *
 * @module
 */
import { ERRNO_NAMES } from "../../ffi/constants/errno.ts";
import { type ArgumentTest, isComparison } from "../../ffi/seccomp.ts";
import { isAtLeast } from "../target.ts";

/** A filter of system calls, as the OCI runtime specification has it, see seccomp(2). */
export interface Seccomp {
  /** What becomes of calls that no rule names, such as `SCMP_ACT_ERRNO`. */
  readonly defaultAction: string;
  /** The errno of that; EPERM if absent. */
  readonly defaultErrnoRet?: number | undefined;
  /** Architectures, such as `SCMP_ARCH_X86_64`; that of this machine if absent. */
  readonly architectures?: readonly string[] | undefined;
  /** Such as `SECCOMP_FILTER_FLAG_LOG`. */
  readonly flags?: readonly string[] | undefined;
  /** The socket of who answers for the kernel. */
  readonly listenerPath?: string | undefined;
  /** What it is told. */
  readonly listenerMetadata?: string | undefined;
  /** The rules. */
  readonly syscalls?: readonly SeccompRule[] | undefined;
}

/** What becomes of some calls. */
export interface SeccompRule {
  /** The calls. */
  readonly names: readonly string[];
  /** What becomes of them, such as `SCMP_ACT_ALLOW`. */
  readonly action: string;
  /** The errno of that; EPERM if absent. */
  readonly errnoRet?: number | undefined;
  /** What their arguments have to be, all of it; of several tests of one argument, any. */
  readonly args?: readonly ArgumentTest[] | undefined;
}

/** A profile, as container engines read it. */
export interface Profile extends Omit<Seccomp, "syscalls"> {
  /** The name of the default action's errno, instead of its number. */
  readonly defaultErrno?: string | undefined;
  /** What else each architecture runs, instead of `architectures`. */
  readonly archMap?: readonly ArchitectureFamily[] | undefined;
  /** The rules. */
  readonly syscalls?: readonly ProfileRule[] | undefined;
}

/** An architecture, and those whose programs it runs, too. */
export interface ArchitectureFamily {
  /** Such as `SCMP_ARCH_X86_64`. */
  readonly architecture: string;
  /** Such as `SCMP_ARCH_X86`. */
  readonly subArchitectures?: readonly string[] | undefined;
}

/** A rule of a profile. */
export interface ProfileRule extends SeccompRule {
  /** The name of the errno, instead of its number. */
  readonly errno?: string | undefined;
  /** Why. */
  readonly comment?: string | undefined;
  /** When the rule holds: if all of it is so. */
  readonly includes?: Condition | undefined;
  /** When it does not: if any of it is so. */
  readonly excludes?: Condition | undefined;
}

/** What a rule depends on. */
export interface Condition {
  /** Capabilities that the container has. */
  readonly caps?: readonly string[] | undefined;
  /** Architectures that the machine is one of, by the names of Go: `amd64`, `arm64`. */
  readonly arches?: readonly string[] | undefined;
  /** The first release of the kernel, such as `4.8`. */
  readonly minKernel?: string | undefined;
}

/** What a profile is resolved for. */
export interface Surroundings {
  /** The architecture, as `uname -m` names it. */
  readonly arch: "x86_64" | "aarch64";
  /** The release of the kernel, such as `6.18.44`. */
  readonly kernel: string;
  /** The capabilities that the container can have, such as `CAP_SYS_ADMIN`. */
  readonly capabilities: readonly string[];
}

/** The names of an architecture in profiles. */
const NAMES = {
  x86_64: { go: "amd64", scmp: "SCMP_ARCH_X86_64" },
  aarch64: { go: "arm64", scmp: "SCMP_ARCH_AARCH64" },
} as const;

/** What is right since it was resolved here: to look at hundreds of names once more takes long. */
const RESOLVED = new WeakSet<object>();

/** What a profile is for one container on one machine. */
export function resolveProfile(profile: Profile, where: Surroundings): Seccomp {
  const { defaultErrno, archMap, syscalls = [], ...rest } = profile;
  const native = NAMES[where.arch].scmp;
  const family = archMap?.find(({ architecture }) => architecture === native);
  const architectures = archMap
    ? [native, ...family?.subArchitectures ?? []]
    : profile.architectures;
  const errno = errnoOf(defaultErrno, profile.defaultErrnoRet);
  const resolved: Seccomp = {
    ...rest,
    ...(errno !== undefined && { defaultErrnoRet: errno }),
    ...(architectures && { architectures }),
    syscalls: syscalls.filter((rule) => holds(rule, where)).map((rule) => {
      const { names, action, args = [] } = rule;
      const errnoRet = errnoOf(rule.errno, rule.errnoRet);
      return {
        names,
        action,
        ...(errnoRet !== undefined && { errnoRet }),
        ...(args.length > 0 && { args }),
      };
    }),
  };
  RESOLVED.add(resolved);
  return resolved;
}

function errnoOf(name: string | undefined, number: number | undefined): number | undefined {
  return name ? ERRNO_NAMES.indexOf(name) : number;
}

function holds({ includes = {}, excludes = {} }: ProfileRule, where: Surroundings): boolean {
  const has = (capability: string): boolean => where.capabilities.includes(capability);
  const is = (arch: string): boolean => arch === NAMES[where.arch].go;
  return (includes.caps ?? []).every(has) && !(excludes.caps ?? []).some(has) &&
    (!includes.arches?.length || includes.arches.some(is)) &&
    !(excludes.arches ?? []).some(is) &&
    (!includes.minKernel || isAtLeast(where.kernel, includes.minKernel)) &&
    (!excludes.minKernel || !isAtLeast(where.kernel, excludes.minKernel));
}

/**
 * Reads a profile.
 *
 * @param text the JSON
 * @throws {RangeError} for what is no profile, naming the field
 */
export function parseProfile(text: string): Profile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RangeError(`is not JSON: ${(error as Error).message}`);
  }
  isProfile(value, "");
  const { archMap, architectures } = value as Profile;
  if (archMap?.length && architectures?.length) {
    throw new RangeError("architectures and archMap can't be used together");
  }
  return value as Profile;
}

/**
 * Checks a filter of the OCI runtime specification.
 *
 * @param value the filter
 * @param place where it stands, for the message
 * @throws {RangeError} for what is none, naming the field
 */
export function checkSeccomp(value: unknown, place: string): void {
  if (!RESOLVED.has(value as object)) isSeccomp(value, place);
}

/** Says what is wrong with a value at a place, or nothing. */
type Check = (value: unknown, place: string) => void;

/** What each field has to be. */
type Fields = Readonly<Record<string, Check>>;

/** The fields that can't be left out. */
const REQUIRED = ["defaultAction", "names", "action", "architecture", "op", "index", "value"];

function wrong(place: string, what: string, value: unknown): never {
  throw new RangeError(`${place || "the profile"} must be ${what}, not ${JSON.stringify(value)}`);
}

const text: Check = (value, place) => {
  if (typeof value !== "string") wrong(place, "a text", value);
};
const matching = (pattern: RegExp, what: string): Check => (value, place) => {
  if (typeof value !== "string" || !pattern.test(value)) wrong(place, what, value);
};
const integer = (least: number, most: number): Check => (value, place) => {
  const number = value as number;
  if (!Number.isSafeInteger(value) || number < least || number > most) {
    wrong(place, `a whole number from ${least} to ${most}`, value);
  }
};
const list = (check: Check): Check => (value, place) => {
  if (!Array.isArray(value)) wrong(place, "a list", value);
  value.forEach((each, i) => check(each, `${place}[${i}]`));
};
/** A list of texts: there are hundreds, and a place is only put together for what is wrong. */
const texts: Check = (value, place) => {
  if (!Array.isArray(value)) wrong(place, "a list", value);
  const at = value.findIndex((each) => typeof each !== "string");
  if (at >= 0) wrong(`${place}[${at}]`, "a text", value[at]);
};
/** An object with fields. */
const fields = (known: Fields): Check => {
  const checks = new Map(Object.entries(known));
  const required = REQUIRED.filter((name) => checks.has(name));
  return (value, place) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      wrong(place, "an object", value);
    }
    const object = value as Record<string, unknown>;
    const dot = place && `${place}.`;
    for (const name of Object.keys(object)) {
      const check = checks.get(name);
      if (!check) throw new RangeError(`${dot}${name} is not known`);
      // The engines write what is absent as null, too.
      if (object[name] === null) delete object[name];
      else check(object[name], dot + name);
    }
    for (const name of required) {
      if (!Object.hasOwn(object, name)) throw new RangeError(`${dot}${name} is missing`);
    }
  };
};

const ACTIONS: ReadonlySet<unknown> = new Set(
  ["ALLOW", "ERRNO", "KILL", "KILL_PROCESS", "KILL_THREAD", "LOG", "TRACE", "TRAP"]
    .map((name) => `SCMP_ACT_${name}`),
);
const action: Check = (value, place) => {
  if (value === "SCMP_ACT_NOTIFY") throw new RangeError(`${place}: ${value} is not supported`);
  if (!ACTIONS.has(value)) wrong(place, "an action", value);
};
const errnoNumber = integer(0, 4095);
const errnoName: Check = (value, place) => {
  if (value !== "" && !ERRNO_NAMES.includes(String(value))) wrong(place, "an errno", value);
};
const architecture = matching(/^SCMP_ARCH_\w+$/, "an architecture");
const capability = matching(/^CAP_\w+$/, "a capability");
const unsupported: Check = (value, place) => {
  if (value !== "") throw new RangeError(`${place} is not supported`);
};

const CONDITION: Fields = {
  caps: list(capability),
  arches: texts,
  minKernel: (value, place) => {
    if (value !== "") matching(/^\d+\.\d+/, "a release")(value, place);
  },
};
const ARGUMENT: Fields = {
  index: integer(0, 5),
  value: integer(0, Number.MAX_SAFE_INTEGER),
  valueTwo: integer(0, Number.MAX_SAFE_INTEGER),
  op: (value, place) => {
    if (!isComparison(String(value))) wrong(place, "a comparison", value);
  },
};
const RULE: Fields = {
  names: texts,
  action,
  errnoRet: errnoNumber,
  args: list(fields(ARGUMENT)),
};
const SECCOMP: Fields = {
  defaultAction: action,
  defaultErrnoRet: errnoNumber,
  architectures: list(architecture),
  flags: list(matching(/^SECCOMP_FILTER_FLAG_(LOG|SPEC_ALLOW|TSYNC)$/, "a flag that is supported")),
  listenerPath: unsupported,
  listenerMetadata: unsupported,
  syscalls: list(fields(RULE)),
};
const isSeccomp: Check = fields(SECCOMP);
const isProfile: Check = fields({
  ...SECCOMP,
  defaultErrno: errnoName,
  archMap: list(fields({ architecture, subArchitectures: list(architecture) })),
  syscalls: list(fields({
    ...RULE,
    errno: errnoName,
    comment: text,
    includes: fields(CONDITION),
    excludes: fields(CONDITION),
  })),
});
