/** Filters of system calls: what they are made of, and what comes of them. */
import { ENOSYS, EPERM } from "../ffi/constants/errno.ts";
import {
  AUDIT_ARCH_AARCH64,
  AUDIT_ARCH_ARM,
  AUDIT_ARCH_I386,
  AUDIT_ARCH_X86_64,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_PROCESS,
} from "../ffi/constants/seccomp.ts";
import { TIOCLINUX, TIOCSTI } from "../ffi/constants/termios.ts";
import { plan } from "../ffi/plan/builder.ts";
import { execvp } from "../ffi/plan/execvp.ts";
import { host } from "../ffi/plan/host.ts";
import { argument, environment } from "../ffi/plan/stack.ts";
import { hasLibseccomp } from "../ffi/seccomp.ts";
import { noNewPrivileges } from "../sandbox/privileges.ts";
import { COMPILED } from "../sandbox/seccomp/compiled.ts";
import { compile } from "../sandbox/seccomp/compile.ts";
import { defaultSeccomp } from "../sandbox/seccomp/default.ts";
import { installFilter, makeFilter } from "../sandbox/seccomp/filter.ts";
import { parseProfile, resolveProfile, type Seccomp } from "../sandbox/seccomp/profile.ts";
import { ARCHITECTURES, generate, tableOf } from "../scripts/seccomp.ts";
import { assert, assertEquals, assertThrows, fromFileUrl } from "../scripts/std.ts";
import { evaluate } from "./bpf.ts";
import { runPlan } from "./plan_vectors.ts";
import { exists } from "./processes.ts";

const PODMANS = "/usr/share/containers/seccomp.json";
const SANDBOX = fromFileUrl(new URL("../sandbox/seccomp", import.meta.url));

/** The capabilities of which the default profile makes something. */
const MANY = ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_MODULE", "CAP_BPF", "CAP_SYS_NICE"];

type Machine = "x86_64" | "aarch64";

/** What one machine runs: the architecture as the kernel names it, and its table. */
const RUNS: Readonly<Record<Machine, readonly (readonly [number, string])[]>> = {
  x86_64: [[AUDIT_ARCH_X86_64, "x86_64"], [AUDIT_ARCH_I386, "i386"]],
  aarch64: [[AUDIT_ARCH_AARCH64, "aarch64"], [AUDIT_ARCH_ARM, "arm"]],
};

/** The bit in the number of an x32 call, and a number that no kernel knows. */
const X32 = 0x4000_0000;
const UNKNOWN = 999;

const reasons = {
  headers: await absent(...Object.values(ARCHITECTURES)),
  libseccomp: hasLibseccomp() ? undefined : "libseccomp",
  podman: exists(PODMANS) ? undefined : PODMANS,
};

function test(
  name: string,
  needs: readonly (keyof typeof reasons | "x86-64")[],
  fn: () => void | Promise<void>,
): void {
  const missing = needs.map((need) =>
    need === "x86-64" ? (Deno.build.arch === "x86_64" ? undefined : need) : reasons[need]
  ).find((reason) => reason);
  Deno.test({
    name: `seccomp: ${name}` + (missing ? ` (needs ${missing})` : ""),
    ignore: missing !== undefined,
    fn,
  });
}

/** The first compiler that is not there, or that has no table. */
async function absent(
  ...commands: (readonly [string, ...string[]])[]
): Promise<string | undefined> {
  for (const command of commands) {
    try {
      if ((await tableOf(command)).size === 0) return `the headers of ${command.join(" ")}`;
    } catch {
      return command.join(" ");
    }
  }
  return undefined;
}

/** What a filter says of a call, read off its rules: 0 if the call is made, an errno, or `kill`. */
function verdict(filter: Seccomp, name: string | undefined, args: readonly bigint[]): string {
  const rule = filter.syscalls!.find(({ names, args: tests = [] }) => {
    if (name === undefined || !names.includes(name)) return false;
    const passes = ({ index, op, value, valueTwo = 0 }: typeof tests[number]): boolean => {
      const [arg, number] = [args[index] ?? 0n, BigInt(value)];
      return {
        SCMP_CMP_NE: arg !== number,
        SCMP_CMP_LT: arg < number,
        SCMP_CMP_LE: arg <= number,
        SCMP_CMP_EQ: arg === number,
        SCMP_CMP_GE: arg >= number,
        SCMP_CMP_GT: arg > number,
        SCMP_CMP_MASKED_EQ: (arg & number) === BigInt(valueTwo),
      }[op];
    };
    const several = new Set(tests.map(({ index }) => index)).size < tests.length;
    return several ? tests.some(passes) : tests.every(passes);
  }) ?? { action: filter.defaultAction, errnoRet: filter.defaultErrnoRet };
  return rule.action === "SCMP_ACT_ALLOW" ? "0" : `${rule.errnoRet ?? EPERM}`;
}

function answer(value: number): string {
  if (value === SECCOMP_RET_ALLOW) return "0";
  if (value === SECCOMP_RET_KILL_PROCESS) return "killed";
  assertEquals((value & 0xffff_0000) >>> 0, SECCOMP_RET_ERRNO);
  return `${value & 0xffff}`;
}

/** Arguments that matter to some rule, for all calls. */
const ARGUMENTS: readonly (readonly bigint[])[] = [
  [],
  [0n, BigInt(TIOCSTI)],
  [0n, BigInt(TIOCLINUX)],
  [0n, 0xdead_0000_0000n | BigInt(TIOCSTI)],
  [0n, 0xffff_ffff_0000_0000n | BigInt(TIOCLINUX)],
  [0n, BigInt(TIOCSTI ^ TIOCLINUX)],
  [0n, 0x5401n],
  [0n, 0xffff_ffff_8004_5430n],
  ...Array.from({ length: 32 }, (_, i) => [1n << BigInt(i), BigInt(TIOCSTI ^ (1 << i))]),
  [0x8n],
  [0x2_0000n],
  [0xffff_ffffn],
  [0x7e02_0011n],
  [0x10n, 0n, 9n],
  [0x0ff0_0000n],
];

/** Compares the program for a machine with the rules, call by call. */
async function compare(filter: Seccomp, program: Uint8Array, machine: Machine): Promise<void> {
  for (const [arch, name] of RUNS[machine]) {
    const table = await tableOf(ARCHITECTURES[name]!);
    for (const [call, number] of [...table, [undefined, UNKNOWN] as const]) {
      for (const args of ARGUMENTS) {
        const narrow = name === "i386" || name === "arm";
        if (narrow && call !== "ioctl" && call !== "clone" && args.length > 0) continue;
        const seen = narrow ? args.map((arg) => arg & 0xffff_ffffn) : args;
        assertEquals(
          answer(evaluate(program, { number, arch, args: seen })),
          verdict(filter, call, seen),
          `${name} ${call}(${seen.map((arg) => `0x${arg.toString(16)}`).join(", ")})`,
        );
      }
    }
  }
}

for (const machine of ["x86_64", "aarch64"] as const) {
  const where = { arch: machine, kernel: "6.12.0", capabilities: [] };

  test(`the default filter of ${machine} answers each call as the profile says`, [
    "headers",
  ], async () => {
    const filter = defaultSeccomp(where);
    await compare(filter, Uint8Array.fromBase64(COMPILED[machine]), machine);
  });

  test(`the default filter of ${machine} for many capabilities does so, too`, [
    "headers",
    "libseccomp",
  ], async () => {
    const filter = defaultSeccomp({ ...where, capabilities: MANY });
    await compare(filter, compile(filter, machine), machine);
  });

  test(`another architecture than those of ${machine} is killed`, [], () => {
    const program = Uint8Array.fromBase64(COMPILED[machine]);
    const archs = Object.values(RUNS).flat().map(([arch]) => arch);
    for (const arch of [...archs, 0x8000_0015]) {
      const known = RUNS[machine].some(([own]) => own === arch);
      assertEquals(answer(evaluate(program, { number: UNKNOWN, arch })), known ? "38" : "killed");
    }
  });
}

test("calls of x32 are killed, and -1 is unknown", [], () => {
  const program = Uint8Array.fromBase64(COMPILED.x86_64);
  const of = (number: number): string =>
    answer(evaluate(program, { number, arch: AUDIT_ARCH_X86_64 }));
  assertEquals([of(X32), of(X32 + 16), of(X32 + 512), of(0x7fff_ffff)], Array(4).fill("killed"));
  assertEquals(of(0xffff_ffff), `${ENOSYS}`);
});

test("the default profile denies what DENIED says, and no more", ["headers"], async () => {
  const { syscalls } = defaultSeccomp({ arch: "x86_64", kernel: "6.12.0", capabilities: [] });
  const named = (action: string): string[] =>
    syscalls!.filter((rule) => rule.action === action).flatMap(({ names }) => names);
  const table = new Set(
    (await Promise.all(Object.values(ARCHITECTURES).map(tableOf))).flatMap((all) => [
      ...all.keys(),
    ]),
  );
  const twice = ["clone", "ioctl", "unshare"];
  const [allowed, denied] = [named("SCMP_ACT_ALLOW"), named("SCMP_ACT_ERRNO")];
  assertEquals(allowed.filter((name) => denied.includes(name)).sort(), twice);
  assertEquals(new Set([...allowed, ...denied]), table);
});

test("scripts/seccomp.ts makes the committed files again", [
  "headers",
  "libseccomp",
], async () => {
  const directory = await Deno.makeTempDir({ prefix: "denspace-seccomp-" });
  try {
    await generate(directory);
    for (const file of ["default.json", "compiled.ts"]) {
      const [made, committed] = [directory, SANDBOX].map((folder) =>
        Deno.readTextFileSync(`${folder}/${file}`)
      );
      assertEquals(made, committed, file);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

// In force ------------------------------------------------------------------

/** Compiled once for all tests. */
let compiled: Promise<{ directory: string; file: string }> | undefined;

function tryer(): Promise<{ directory: string; file: string }> {
  return compiled ??= (async () => {
    const directory = await Deno.makeTempDir({ prefix: "denspace-seccomp-" });
    const file = `${directory}/try_system_calls`;
    const source = fromFileUrl(new URL("try_system_calls.c", import.meta.url));
    const { success, stderr } = await new Deno.Command("cc", {
      args: ["-O1", "-static", "-mno-red-zone", "-o", file, source],
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    return { directory, file };
  })();
}

Deno.test.afterAll(async () => {
  if (compiled) await Deno.remove((await compiled).directory, { recursive: true });
});

/** What a filter that is in force answers to calls. */
async function tried(filter: Seccomp, calls: readonly string[]): Promise<string[]> {
  const { file } = await tryer();
  const program = plan("test", (p) => {
    noNewPrivileges(p);
    installFilter(p, makeFilter(filter, host().name));
    execvp(p, file, argument(p, 0), environment(p));
  });
  const { code, stdout, stderr } = await runPlan({ arch: host(), via: [] }, program, calls);
  assertEquals([code, stderr], [0, ""]);
  return new TextDecoder().decode(stdout).trimEnd().split("\n");
}

/** Compares a filter in force with its rules: the whole 64- and 32-bit tables, and then some. */
async function compareInForce(filter: Seccomp): Promise<void> {
  const names: Record<string, Map<number, string>> = {};
  for (const [bits, name] of [["64", "x86_64"], ["32", "i386"]] as const) {
    const table = await tableOf(ARCHITECTURES[name]!);
    names[bits] = new Map([...table].map(([name, number]) => [number, name]));
  }
  // The kernel itself does not ask a filter about uretprobe and uprobe.
  const lines = await tried(filter, ["64:0-334", "64:337-520", "32:0-520"]);
  assertEquals(lines.length, 520 + 520);
  for (const line of lines) {
    const [bits, number, result] = line.split(" ");
    const name = names[bits!]!.get(Number(number));
    assertEquals(result, verdict(filter, name, []), `${line}: ${name}`);
  }
}

test("each call that is denied by default is denied, each that is allowed gets through", [
  "headers",
  "x86-64",
], () => compareInForce(defaultSeccomp({ arch: "x86_64", kernel: "6.12.0", capabilities: [] })));

test("podman's profile does what it says", [
  "headers",
  "libseccomp",
  "podman",
  "x86-64",
], async () => {
  const profile = parseProfile(Deno.readTextFileSync(PODMANS));
  for (const capabilities of [[], ["CAP_SYS_ADMIN", "CAP_AUDIT_WRITE"]]) {
    const filter = resolveProfile(profile, { arch: "x86_64", kernel: "6.12.0", capabilities });
    await compareInForce(filter);
  }
});

test("the default filter is in force on this machine, and programs run under it", [], async () => {
  const filter = defaultSeccomp({ arch: host().name, kernel: "6.12.0", capabilities: [] });
  const program = plan("test", (p) => {
    noNewPrivileges(p);
    installFilter(p, makeFilter(filter, host().name));
    execvp(p, "sh", argument(p, 0), environment(p));
  });
  const script = `grep Seccomp: /proc/self/status; echo $(echo piped | cat)
    unshare -u true; chroot / true && echo chroot; mount -t tmpfs none /mnt 2>/dev/null; echo $?`;
  const { stdout, stderr } = await runPlan({ arch: host(), via: [] }, program, ["-c", script]);
  const lines = new TextDecoder().decode(stdout).split("\n");
  assertEquals([lines[0], lines[1]], ["Seccomp:\t2", "piped"]);
  assert(stderr.includes("Operation not permitted"), stderr);
  assert(lines.at(-2) !== "0", `${lines}`);
});

test("nothing can be typed into a terminal, and no namespace be made", ["x86-64"], async () => {
  const filter = defaultSeccomp({ arch: "x86_64", kernel: "6.12.0", capabilities: [] });
  const [ioctl, clone, unshare, clone3] = [16, 56, 272, 435];
  assertEquals(
    await tried(filter, [
      `64:${ioctl},0,${TIOCSTI}`,
      `64:${ioctl},0,0xdeadbeef00005412`,
      `64:${ioctl},0,${TIOCLINUX}`,
      `64:${ioctl},0,0xffffffff0000541c`,
      `32:54,0,${TIOCSTI}`,
      `64:${ioctl},0,0x5413`,
      `64:${clone},0x10000011`,
      `64:${clone},0x11`,
      `64:${unshare},0x80`,
      `64:${unshare},0x20000`,
      `64:${unshare},0x400`,
      `64:${clone3}`,
      `64:${X32}`,
      `64:${X32 + 59}`,
    ]),
    [
      `64 ${ioctl} 1`,
      `64 ${ioctl} 1`,
      `64 ${ioctl} 1`,
      `64 ${ioctl} 1`,
      "32 54 1",
      `64 ${ioctl} 0`,
      `64 ${clone} 1`,
      `64 ${clone} 0`,
      `64 ${unshare} 1`,
      `64 ${unshare} 1`,
      `64 ${unshare} 0`,
      `64 ${clone3} ${ENOSYS}`,
      `64 ${X32} killed`,
      `64 ${X32 + 59} killed`,
    ],
  );
});

// Profiles --------------------------------------------------------------------

test("what a profile says depends on capabilities, architecture and kernel", [], () => {
  const profile = parseProfile(JSON.stringify({
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrno: "ENOSYS",
    defaultErrnoRet: 1,
    archMap: [
      { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86"] },
      { architecture: "SCMP_ARCH_AARCH64", subArchitectures: null },
    ],
    syscalls: [
      {
        names: ["a"],
        action: "SCMP_ACT_ALLOW",
        args: null,
        includes: { caps: ["CAP_A", "CAP_B"] },
      },
      { names: ["b"], action: "SCMP_ACT_ALLOW", args: [], excludes: { caps: ["CAP_A", "CAP_B"] } },
      { names: ["c"], action: "SCMP_ACT_ALLOW", includes: { arches: ["arm64", "s390x"] } },
      { names: ["d"], action: "SCMP_ACT_ALLOW", excludes: { arches: ["arm64"] } },
      { names: ["e"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "4.8" } },
      { names: ["f"], action: "SCMP_ACT_ERRNO", errno: "EINVAL", includes: { minKernel: "" } },
    ],
  }));
  const names = (kernel: string, ...capabilities: string[]): string =>
    resolveProfile(profile, { arch: "x86_64", kernel, capabilities }).syscalls!
      .map((rule) => rule.names).join("");
  assertEquals(names("4.7.1"), "bdf");
  assertEquals(names("4.8.0-1", "CAP_A"), "def");
  assertEquals(names("5.1", "CAP_A", "CAP_B"), "adef");
  assertEquals(names("4.18"), "bdef");
  assertEquals(resolveProfile(profile, { arch: "aarch64", kernel: "3.1", capabilities: [] }), {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: ENOSYS,
    architectures: ["SCMP_ARCH_AARCH64"],
    syscalls: [
      { names: ["b"], action: "SCMP_ACT_ALLOW" },
      { names: ["c"], action: "SCMP_ACT_ALLOW" },
      { names: ["f"], action: "SCMP_ACT_ERRNO", errnoRet: 22 },
    ],
  });
});

test("a mistake in a profile is named", [], () => {
  const rule = { names: ["read"], action: "SCMP_ACT_ALLOW" };
  const args = { index: 0, value: 1, op: "SCMP_CMP_EQ" };
  const cases: [unknown, string][] = [
    [[], "the profile must be an object, not []"],
    [{}, "defaultAction is missing"],
    [{ defaultAction: "ALLOW" }, 'defaultAction must be an action, not "ALLOW"'],
    [{ defaultAction: "SCMP_ACT_LOG", more: 1 }, "more is not known"],
    [{ ...rule }, "names is not known"],
    [{ syscalls: [rule, { names: ["x"] }] }, "syscalls[1].action is missing"],
    [{ syscalls: [{ ...rule, names: "x" }] }, 'syscalls[0].names must be a list, not "x"'],
    [{ syscalls: [{ ...rule, names: [1] }] }, "syscalls[0].names[0] must be a text, not 1"],
    [
      { syscalls: [{ ...rule, action: "SCMP_ACT_NOTIFY" }] },
      "syscalls[0].action: SCMP_ACT_NOTIFY is not supported",
    ],
    [
      { syscalls: [{ ...rule, args: [{ ...args, index: 6 }] }] },
      "syscalls[0].args[0].index must be a whole number from 0 to 5, not 6",
    ],
    [
      { syscalls: [{ ...rule, args: [{ ...args, value: 2 ** 60 }] }] },
      `syscalls[0].args[0].value must be a whole number from 0 to ${2 ** 53 - 1}, not ${2 ** 60}`,
    ],
    [
      { syscalls: [{ ...rule, args: [{ ...args, op: "EQ" }] }] },
      'syscalls[0].args[0].op must be a comparison, not "EQ"',
    ],
    [
      { syscalls: [{ ...rule, includes: { caps: ["CAP_SYS-ADMIN"] } }] },
      'syscalls[0].includes.caps[0] must be a capability, not "CAP_SYS-ADMIN"',
    ],
    [
      { syscalls: [{ ...rule, errno: "ENONE" }] },
      'syscalls[0].errno must be an errno, not "ENONE"',
    ],
    [
      { syscalls: [{ ...rule, includes: { caps: ["KILL"] } }] },
      'syscalls[0].includes.caps[0] must be a capability, not "KILL"',
    ],
    [
      { flags: ["SECCOMP_FILTER_FLAG_NEW_LISTENER"] },
      'flags[0] must be a flag that is supported, not "SECCOMP_FILTER_FLAG_NEW_LISTENER"',
    ],
    [{ listenerPath: "/run/s" }, "listenerPath is not supported"],
    [{
      defaultAction: "SCMP_ACT_LOG",
      architectures: ["SCMP_ARCH_X86"],
      archMap: [{ architecture: "SCMP_ARCH_X86" }],
    }, "architectures and archMap can't be used together"],
  ];
  for (const [profile, message] of cases) {
    assertThrows(() => parseProfile(JSON.stringify(profile)), RangeError, message);
  }
  assertThrows(() => parseProfile("{"), RangeError, "is not JSON");
});
