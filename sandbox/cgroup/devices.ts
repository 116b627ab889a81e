/**
 * Which devices a cgroup may use: in version 1 lines of two files, in version 2 a
 * program of extended BPF that the kernel asks. See bpf(2) and the kernel's
 * cgroup-v1/devices.rst and cgroup-v2.rst.
 *
 * The last rule that a use matches decides, and without one it is allowed.
 *
 * @module
 */
import {
  BPF_ALU,
  BPF_ALU64,
  BPF_AND,
  BPF_CGROUP_DEVICE,
  BPF_DEVCG_ACC_MKNOD,
  BPF_DEVCG_ACC_READ,
  BPF_DEVCG_ACC_WRITE,
  BPF_DEVCG_DEV_BLOCK,
  BPF_DEVCG_DEV_CHAR,
  BPF_EXIT,
  BPF_F_ALLOW_MULTI,
  BPF_JEQ,
  BPF_JMP,
  BPF_JNE,
  BPF_K,
  BPF_LDX,
  BPF_MEM,
  BPF_MOV,
  BPF_PROG_ATTACH,
  BPF_PROG_LOAD,
  BPF_PROG_TYPE_CGROUP_DEVICE,
  BPF_RSH,
  BPF_W,
  BPF_X,
} from "../../ffi/constants/bpf.ts";
import { EPERM } from "../../ffi/constants/errno.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import type { Operand } from "../../ffi/plan/step.ts";
import type { Resources } from "../container/oci.ts";
import { open } from "../descriptors.ts";
import type { Write } from "./settings.ts";

/** A rule. */
export type DeviceRule = NonNullable<Resources["devices"]>[number];

/** What a rule speaks of, filled in. */
function whole({ type = "a", access = "rwm" }: DeviceRule): { type: string; access: string } {
  return { type, access: access === "" ? "rwm" : access };
}

/** The lines of version 1, in their order. */
export function deviceLines(rules: readonly DeviceRule[]): Write[] {
  return rules.map((rule) => {
    const { type, access } = whole(rule);
    const number = (value: number | undefined): string =>
      value === undefined || value < 0 ? "*" : `${value}`;
    const line = type === "a"
      ? "a *:* rwm"
      : `${type} ${number(rule.major)}:${number(rule.minor)} ${access}`;
    return [rule.allow ? "devices.allow" : "devices.deny", line];
  });
}

/** An instruction: its code, its registers, how far it jumps, and its number. */
interface Instruction {
  code: number;
  to?: number;
  from?: number;
  offset?: number;
  value?: number;
}

const TYPES: Readonly<Record<string, number>> = {
  b: BPF_DEVCG_DEV_BLOCK,
  c: BPF_DEVCG_DEV_CHAR,
};
const ACCESS: Readonly<Record<string, number>> = {
  r: BPF_DEVCG_ACC_READ,
  w: BPF_DEVCG_ACC_WRITE,
  m: BPF_DEVCG_ACC_MKNOD,
};
const ANY = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD;

// The registers: the answer, the argument and then a mask, and what is asked.
const [R0, R1, TYPE, USE, MAJOR, MINOR] = [0, 1, 2, 3, 4, 5];

/** The program of version 2. */
export function deviceProgram(rules: readonly DeviceRule[]): Uint8Array<ArrayBuffer> {
  // struct bpf_cgroup_dev_ctx: use << 16 | type, major, minor
  const load = (to: number, offset: number): Instruction => ({
    code: BPF_LDX | BPF_MEM | BPF_W,
    to,
    from: R1,
    offset,
  });
  const answer = (value: number): Instruction[] => [
    { code: BPF_ALU | BPF_MOV | BPF_K, to: R0, value },
    { code: BPF_JMP | BPF_EXIT },
  ];
  const program: Instruction[] = [
    load(TYPE, 0),
    load(MAJOR, 4),
    load(MINOR, 8),
    { code: BPF_ALU64 | BPF_MOV | BPF_X, to: USE, from: TYPE },
    { code: BPF_ALU | BPF_AND | BPF_K, to: TYPE, value: 0xffff },
    { code: BPF_ALU | BPF_RSH | BPF_K, to: USE, value: 16 },
  ];
  let decided = false;
  for (const rule of rules.toReversed()) {
    const block = [...condition(rule), ...answer(rule.allow ? 1 : 0)];
    // A jump leads behind the block.
    block.forEach((each, i) => {
      if (each.offset === NEXT_RULE) each.offset = block.length - i - 1;
    });
    program.push(...block);
    decided = block.length === 2;
    if (decided) break; // The kernel takes no program with parts that are never reached.
  }
  if (!decided) program.push(...answer(1));
  return assemble(program);
}

/** Stands for the distance to the next rule. */
const NEXT_RULE = -1;

/** Goes on behind the rule unless it speaks of this use. */
function condition(rule: DeviceRule): Instruction[] {
  const { type, access } = whole(rule);
  if (type === "a") return [];
  const unless = (register: number, value: number | undefined): Instruction[] =>
    value === undefined || value < 0
      ? []
      : [{ code: BPF_JMP | BPF_JNE | BPF_K, to: register, offset: NEXT_RULE, value }];
  const mask = [...access].reduce((sum, letter) => sum | ACCESS[letter]!, 0);
  // Of several uses at once all must be allowed, and none denied.
  const uses: Instruction[] = mask === ANY ? [] : [
    { code: BPF_ALU64 | BPF_MOV | BPF_X, to: R1, from: USE },
    { code: BPF_ALU | BPF_AND | BPF_K, to: R1, value: mask },
    rule.allow
      ? { code: BPF_JMP | BPF_JNE | BPF_X, to: R1, from: USE, offset: NEXT_RULE }
      : { code: BPF_JMP | BPF_JEQ | BPF_K, to: R1, offset: NEXT_RULE, value: 0 },
  ];
  return [
    ...unless(TYPE, TYPES[type]),
    ...uses,
    ...unless(MAJOR, rule.major),
    ...unless(MINOR, rule.minor),
  ];
}

function assemble(program: readonly Instruction[]): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(8 * program.length));
  program.forEach(({ code, to = 0, from = 0, offset = 0, value = 0 }, i) => {
    view.setUint8(8 * i, code);
    view.setUint8(8 * i + 1, from << 4 | to);
    view.setInt16(8 * i + 2, offset, true);
    view.setInt32(8 * i + 4, value | 0, true);
  });
  return new Uint8Array(view.buffer);
}

/** Has the kernel ask the program before a process of the cgroup uses a device. */
export function filterDevices(p: Builder, directory: string, rules: readonly DeviceRule[]): void {
  const message = "cannot set which devices may be used";
  const program = deviceProgram(rules);
  // union bpf_attr: type and number of instructions, their address, that of the license
  const load: Operand[] = [
    BigInt(BPF_PROG_TYPE_CGROUP_DEVICE) | BigInt(program.length / 8) << 32n,
    program,
    "",
    0,
    0,
    0,
  ];
  const attribute = p.cell("union bpf_attr", 8 * load.length, load);
  const loaded = p.call("bpf", [BPF_PROG_LOAD, { addressOf: attribute }, attribute.size], {
    why: "a program that says which devices may be used",
    message,
    needs: { errno: EPERM, text: "only root can say which devices may be used" },
  });
  const target = open(p, directory, { message });
  const attach = p.cell("union bpf_attr", 16);
  const fields: Operand[] = [target, loaded, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI];
  fields.forEach((field, i) => p.control("store32", [{ addressOf: attach }, 4 * i, field]));
  p.call("bpf", [BPF_PROG_ATTACH, { addressOf: attach }, attach.size], {
    why: "the kernel asks it",
    message,
  });
  p.call("close", [target]);
  p.call("close", [loaded]);
}
