/**
 * seccomp.h: libseccomp, which makes filters of system calls out of rules.
 *
 * Nothing but this file knows the library. It is opened when it is first
 * needed, since not every machine has it.
 *
 * @module
 */
import { cstring } from "./arguments.ts";
import { SECCOMP_RET_KILL_PROCESS } from "./constants/seccomp.ts";
import { SyscallError } from "./errno.ts";
import { readFile } from "./file.ts";
import { memfdCreate, MFD_CLOEXEC } from "./mman.ts";
import { close } from "./unistd.ts";

/** The functions in use, each with its C declaration. */
const functions = {
  // const struct scmp_version *seccomp_version(void);
  seccomp_version: { parameters: [], result: "pointer" },
  // scmp_filter_ctx seccomp_init(uint32_t def_action);
  seccomp_init: { parameters: ["u32"], result: "pointer" },
  // void seccomp_release(scmp_filter_ctx ctx);
  seccomp_release: { parameters: ["pointer"], result: "void" },
  // uint32_t seccomp_arch_native(void);
  seccomp_arch_native: { parameters: [], result: "u32" },
  // int seccomp_arch_add(scmp_filter_ctx ctx, uint32_t arch_token);
  seccomp_arch_add: { parameters: ["pointer", "u32"], result: "i32" },
  // int seccomp_arch_remove(scmp_filter_ctx ctx, uint32_t arch_token);
  seccomp_arch_remove: { parameters: ["pointer", "u32"], result: "i32" },
  // int seccomp_attr_set(scmp_filter_ctx ctx, enum scmp_filter_attr attr, uint32_t value);
  seccomp_attr_set: { parameters: ["pointer", "u32", "u32"], result: "i32" },
  // int seccomp_syscall_resolve_name(const char *name);
  seccomp_syscall_resolve_name: { parameters: ["buffer"], result: "i32" },
  // int seccomp_rule_add_array(scmp_filter_ctx ctx, uint32_t action, int syscall,
  //                            unsigned int arg_cnt, const struct scmp_arg_cmp *arg_array);
  seccomp_rule_add_array: {
    parameters: ["pointer", "u32", "i32", "u32", "buffer"],
    result: "i32",
  },
  // int seccomp_export_bpf(const scmp_filter_ctx ctx, int fd);
  seccomp_export_bpf: { parameters: ["pointer", "i32"], result: "i32" },
} as const satisfies Record<string, Deno.ForeignFunction>;

type Functions = typeof functions;
type FunctionName = keyof Functions;
type ArgumentsOf<N extends FunctionName> = Deno.ToNativeParameterTypes<Functions[N]["parameters"]>;
type ResultOf<N extends FunctionName> = Deno.FromNativeResultType<Functions[N]["result"]>;

/** As `enum scmp_compare` numbers them. */
const COMPARISONS: readonly Comparison[] = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
];

/** How an argument of a system call is compared with a number. */
export type Comparison =
  | "SCMP_CMP_NE"
  | "SCMP_CMP_LT"
  | "SCMP_CMP_LE"
  | "SCMP_CMP_EQ"
  | "SCMP_CMP_GE"
  | "SCMP_CMP_GT"
  | "SCMP_CMP_MASKED_EQ";

/** `struct scmp_arg_cmp`: what an argument of a system call has to be. */
export interface ArgumentTest {
  /** Which argument, from 0. */
  readonly index: number;
  /** How it is compared. */
  readonly op: Comparison;
  /** With what; the mask of `SCMP_CMP_MASKED_EQ`. */
  readonly value: number;
  /** What is left of the argument under that mask. */
  readonly valueTwo?: number | undefined;
}

/** A rule: what the kernel does with a call whose arguments pass all the tests. */
export interface Rule {
  /** One of `SECCOMP_RET_*`, with an errno where it takes one. */
  readonly action: number;
  /** The name of the call; one that libseccomp does not know has no rule. */
  readonly syscall: string;
  /** The tests. */
  readonly args: readonly ArgumentTest[];
}

/** A filter as rules. */
export interface Rules {
  /** Values of `AUDIT_ARCH_*`: those whose calls are filtered. A call of another one kills. */
  readonly architectures: readonly number[];
  /** What happens with a call that no rule is for. */
  readonly defaultAction: number;
  /** The rules; their order has no meaning. */
  readonly rules: readonly Rule[];
}

/** A rule that libseccomp refuses. */
export class RuleError extends SyscallError {
  /** An error of the function, which left `errno`, for this rule. */
  constructor(syscall: string, errno: number, readonly rule?: Rule) {
    super(syscall, errno, { step: rule ? `seccomp rule for ${rule.syscall}` : syscall });
  }
}

type Library = Deno.DynamicLibrary<Record<FunctionName, { type: "pointer" }>>;
let library: Library | undefined;

/** Whether there is a libseccomp. */
export function hasLibseccomp(): boolean {
  try {
    return open() !== undefined;
  } catch {
    return false;
  }
}

function open(): Library {
  const names = Object.keys(functions) as FunctionName[];
  // As addresses: a function is compiled only when it is first called.
  const symbols = Object.fromEntries(names.map((name) => [name, { type: "pointer" as const }]));
  return library ??= Deno.dlopen("libseccomp.so.2", symbols) as unknown as Library;
}

const calls: Partial<Record<FunctionName, (...args: unknown[]) => unknown>> = {};

function raw<N extends FunctionName>(name: N, ...args: ArgumentsOf<N>): ResultOf<N> {
  let call = calls[name];
  if (!call) {
    const address = open().symbols[name] as Deno.PointerObject<never>;
    const definition: Deno.ForeignFunction = functions[name];
    const pointer = new Deno.UnsafeFnPointer(address, definition);
    calls[name] = call = pointer.call.bind(pointer) as (...args: unknown[]) => unknown;
  }
  return call(...args) as ResultOf<N>;
}

/** The functions that return `-errno` when they fail. */
type Fallible = { [N in FunctionName]: Functions[N]["result"] extends "i32" ? N : never }[
  FunctionName
];

function call<N extends Fallible>(name: N, args: ArgumentsOf<N>, rule?: Rule): void {
  const result = raw(name, ...args) as number;
  if (result < 0) throw new RuleError(name, -result, rule);
}

/** The version of libseccomp, such as `2.6.0`. See seccomp_version(3). */
export function libseccompVersion(): string {
  const version = new Deno.UnsafePointerView(raw("seccomp_version")!);
  return [0, 4, 8].map((offset) => version.getUint32(offset)).join(".");
}

// enum scmp_filter_attr
const SCMP_FLTATR_ACT_BADARCH = 2;
const SCMP_FLTATR_CTL_OPTIMIZE = 8;
/** A binary tree instead of a list. */
const TREE = 2;
/** What seccomp_syscall_resolve_name(3) returns for a name it does not know. */
const UNKNOWN = -1;
const ARGUMENT_SIZE = 24;

/**
 * Makes the program that the kernel runs for each system call: instructions of
 * classic BPF, 8 bytes each.
 *
 * See seccomp_rule_add(3) and seccomp_export_bpf(3).
 *
 * @throws {RuleError} when libseccomp refuses something
 */
export function compileRules({ architectures, defaultAction, rules }: Rules): Uint8Array {
  const filter = raw("seccomp_init", defaultAction);
  if (filter === null) throw new Error("seccomp_init failed");
  try {
    call("seccomp_attr_set", [filter, SCMP_FLTATR_ACT_BADARCH, SECCOMP_RET_KILL_PROCESS]);
    call("seccomp_attr_set", [filter, SCMP_FLTATR_CTL_OPTIMIZE, TREE]);
    const native = raw("seccomp_arch_native");
    for (const arch of architectures) {
      if (arch !== native) call("seccomp_arch_add", [filter, arch]);
    }
    if (!architectures.includes(native)) call("seccomp_arch_remove", [filter, native]);

    const numbers = new Map<string, number>();
    for (const rule of rules) {
      let number = numbers.get(rule.syscall);
      if (number === undefined) {
        number = raw("seccomp_syscall_resolve_name", cstring("syscall", rule.syscall));
        numbers.set(rule.syscall, number);
      }
      if (number === UNKNOWN) continue;
      const { action, args } = rule;
      call("seccomp_rule_add_array", [filter, action, number, args.length, structs(args)], rule);
    }
    return exported(filter);
  } finally {
    raw("seccomp_release", filter);
  }
}

/** An array of `struct scmp_arg_cmp`. */
function structs(tests: readonly ArgumentTest[]): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(ARGUMENT_SIZE * tests.length));
  tests.forEach(({ index, op, value, valueTwo = 0 }, i) => {
    const at = ARGUMENT_SIZE * i;
    view.setUint32(at, index, true);
    view.setUint32(at + 4, COMPARISONS.indexOf(op) + 1, true);
    view.setBigUint64(at + 8, BigInt(value), true);
    view.setBigUint64(at + 16, BigInt(valueTwo), true);
  });
  return new Uint8Array(view.buffer);
}

function exported(filter: Deno.PointerValue): Uint8Array {
  const fd = memfdCreate("seccomp", MFD_CLOEXEC);
  try {
    call("seccomp_export_bpf", [filter, fd]);
    return readFile(`/proc/self/fd/${fd}`);
  } finally {
    close(fd);
  }
}

/** Whether it is the name of a comparison. */
export function isComparison(name: string): name is Comparison {
  return (COMPARISONS as readonly string[]).includes(name);
}
