/**
 * A plan as text, for a person.
 *
 * @module
 */
import { encode } from "../bytes.ts";
import * as fcntl from "../constants/fcntl.ts";
import { LANDLOCK_RULE_NET_PORT, LANDLOCK_RULE_PATH_BENEATH } from "../constants/landlock.ts";
import * as mount from "../constants/mount.ts";
import * as prctl from "../constants/prctl.ts";
import * as sched from "../constants/sched.ts";
import * as seccomp from "../constants/seccomp.ts";
import { SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK, SIGNALS } from "../constants/signal.ts";
import * as wait from "../constants/wait.ts";
import { type Kind, SIGNATURES } from "./signatures.ts";
import { isCell, type Operand, type Plan, type Step } from "./step.ts";

/** The constants that an argument is one of, or made of. */
interface Family {
  readonly names: Readonly<Record<string, unknown>>;
  /** Whether several are added up; those of `names` that start so are. */
  readonly flags?: string;
  /** Whether the lowest bits are one of other constants. */
  readonly low?: { readonly mask: number; readonly names: Readonly<Record<string, unknown>> };
}

const { O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE } = fcntl;

const FAMILIES: Readonly<Record<string, Family>> = {
  AT_: { names: fcntl, flags: "AT_" },
  CLONE_: { names: sched, flags: "CLONE_", low: { mask: 0xff, names: SIGNALS } },
  HOW_: { names: { SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK } },
  LANDLOCK_RULE_: { names: { LANDLOCK_RULE_PATH_BENEATH, LANDLOCK_RULE_NET_PORT } },
  MS_: { names: mount, flags: "MS_" },
  O_: {
    names: fcntl,
    flags: "O_",
    low: { mask: O_ACCMODE, names: { O_RDONLY, O_WRONLY, O_RDWR } },
  },
  PR_: { names: operations() },
  SECCOMP_SET_MODE_: { names: { SECCOMP_SET_MODE_FILTER: seccomp.SECCOMP_SET_MODE_FILTER } },
  SECCOMP_FILTER_FLAG_: { names: seccomp, flags: "SECCOMP_FILTER_FLAG_" },
  SIG_: { names: SIGNALS },
  W_: { names: wait, flags: "W" },
};

/**
 * A plan as strace(1) would show its run: each system call on a line, with the
 * reason.
 *
 * What a call before it has returned stands as `<name of the call>`. Steps that
 * are taken only in some cases are shown, too.
 *
 * @param plan the plan
 * @returns the text, lines with their ends
 *
 * @example
 * ```ts
 * import { plan, print } from "@denspace/denspace";
 *
 * const hello = plan("hello", (p) => {
 *   p.call("write", [1, "hello\n", 6], { why: "be polite" });
 *   p.call("exit_group", [0]);
 * });
 * console.log(print(hello));
 * // hello: write(1, "hello\n", 6)  # be polite
 * // hello: exit_group(0)
 * ```
 */
export function print({ name, steps }: Plan): string {
  return steps.filter(({ op }) => op in SIGNATURES).map((step) => {
    const why = step.note.why === undefined ? "" : `  # ${step.note.why}`;
    return `${name}: ${printCall(step)}${why}\n`;
  }).join("");
}

/** A step that is a system call, as strace(1) would show it. */
export function printCall({ op, args }: Step): string {
  const kinds: readonly Kind[] = SIGNATURES[op as keyof typeof SIGNATURES];
  return `${op}(${args.map((arg, i) => printOperand(arg, kinds[i]!)).join(", ")})`;
}

function printOperand(operand: Operand, kind: Kind): string {
  if (typeof operand === "number" || typeof operand === "bigint") {
    return printNumber(Number(operand), kind);
  }
  if (typeof operand === "string") return quote(operand);
  if (operand instanceof Uint8Array) return `[${operand.join(" ")}]`;
  if (isCell(operand)) return `<${operand.name}>`;
  if ("list" in operand) {
    return `[${operand.list.map((element) => printOperand(element, "string")).join(", ")}]`;
  }
  return `&<${operand.addressOf.name}>`;
}

function printNumber(value: number, kind: Kind): string {
  switch (kind) {
    case "dirfd":
      return value === fcntl.AT_FDCWD ? "AT_FDCWD" : `${value}`;
    case "address":
    case "string":
    case "strings":
    case "bytes":
      return value === 0 ? "NULL" : hex(value);
    case "octal":
      return value === 0 ? "0" : `0${value.toString(8)}`;
    case "number":
    case "fd":
      return `${value}`;
  }
  return printConstant(value, FAMILIES[kind]!);
}

function printConstant(value: number, { names, flags, low }: Family): string {
  if (flags === undefined) return nameOf(value, names);
  let rest = value;
  const found: string[] = [];
  for (const [name, flag] of Object.entries(names)) {
    const isFlag = typeof flag === "number" && flag > 0 && (flag & (flag - 1)) === 0;
    if (!isFlag || !name.startsWith(flags) || flag & (low?.mask ?? 0)) continue;
    if ((rest & flag) === 0) continue;
    found.push(name);
    rest &= ~flag;
  }
  if (low && (rest !== 0 || nameOf(0, low.names) !== "0")) found.push(nameOf(rest, low.names));
  else if (rest !== 0 || found.length === 0) found.push(hex(rest));
  return found.join("|");
}

/** The first arguments of prctl(2), without the many that are second ones. */
function operations(): Family["names"] {
  const isOperation = (name: string): boolean =>
    /^PR_((SET|GET)_(?!MM_)|CAPBSET_|CAP_AMBIENT$)/.test(name);
  return Object.fromEntries(Object.entries(prctl).filter(([name]) => isOperation(name)));
}

function nameOf(value: number, names: Family["names"]): string {
  return Object.keys(names).find((name) => names[name] === value) ?? hex(value);
}

function hex(value: number): string {
  return value === 0 ? "0" : `0x${(value >>> 0).toString(16)}`;
}

/** A string as in C. */
function quote(text: string): string {
  let quoted = "";
  for (const byte of encode(text)) {
    if (byte === 0x0a) quoted += "\\n";
    else if (byte === 0x09) quoted += "\\t";
    else if (byte === 0x22 || byte === 0x5c) quoted += `\\${String.fromCharCode(byte)}`;
    else if (byte < 0x20 || byte > 0x7e) quoted += `\\${byte.toString(8).padStart(3, "0")}`;
    else quoted += String.fromCharCode(byte);
  }
  return `"${quoted}"`;
}
