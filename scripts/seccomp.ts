/**
 * Generates the default filter of system calls, out of the kernel's tables of
 * them and the groups below:
 *
 *     apt install gcc linux-libc-dev gcc-aarch64-linux-gnu libseccomp2
 *     deno run -A scripts/seccomp.ts
 *
 * - `sandbox/seccomp/default.json`: the profile, in the format of container engines
 * - `sandbox/seccomp/compiled.ts`: the programs made of it, for machines without
 *   libseccomp and to save the time
 *
 * A call is allowed unless a group says otherwise, so whoever runs this with
 * the headers of a newer kernel reads what has become of the profile.
 *
 * @module
 */
import * as clone from "../ffi/constants/sched.ts";
import { ENOSYS, EPERM } from "../ffi/constants/errno.ts";
import { TIOCLINUX, TIOCSTI } from "../ffi/constants/termios.ts";
import type { ArgumentTest } from "../ffi/seccomp.ts";
import { compile } from "../sandbox/seccomp/compile.ts";
import { type Profile, type ProfileRule, resolveProfile } from "../sandbox/seccomp/profile.ts";
import { fromFileUrl, join } from "./std.ts";

/** Calls that are denied. */
interface Group {
  /** Why. */
  reason: string;
  calls: string;
  /** The capabilities of which any one allows them. */
  unless?: string[];
  /** EPERM if not given. */
  errno?: number;
}

/** With any of these a process can see and change what is not the container's. */
const DENIED: Group[] = [
  {
    reason: "changes what the container sees of file systems",
    calls: "mount umount umount2 pivot_root mount_setattr move_mount open_tree " +
      "fsopen fsconfig fsmount fspick",
    unless: ["CAP_SYS_ADMIN"],
  },
  {
    reason: "enters namespaces",
    calls: "setns",
    unless: ["CAP_SYS_ADMIN"],
  },
  {
    reason: "its flags lie in memory, where no filter sees them; C libraries go back to clone",
    calls: "clone3",
    unless: ["CAP_SYS_ADMIN"],
    errno: ENOSYS,
  },
  {
    reason: "opens files by number, past the root directory",
    calls: "open_by_handle_at",
    unless: ["CAP_DAC_READ_SEARCH"],
  },
  {
    reason: "runs code in the kernel",
    calls: "init_module finit_module delete_module create_module query_module get_kernel_syms",
    unless: ["CAP_SYS_MODULE"],
  },
  {
    reason: "ends or replaces the kernel",
    calls: "reboot kexec_load kexec_file_load",
    unless: ["CAP_SYS_BOOT"],
  },
  {
    reason: "loads programs into the kernel",
    calls: "bpf",
    unless: ["CAP_SYS_ADMIN", "CAP_BPF"],
  },
  {
    reason: "measures the kernel and other processes",
    calls: "perf_event_open",
    unless: ["CAP_SYS_ADMIN", "CAP_PERFMON"],
  },
  {
    reason: "lets a process stop the kernel within a call, which makes its bugs usable",
    calls: "userfaultfd",
    unless: ["CAP_SYS_PTRACE"],
  },
  {
    reason: "tells of kernel objects of other processes",
    calls: "kcmp",
    unless: ["CAP_SYS_PTRACE"],
  },
  {
    reason: "makes system calls that no filter sees",
    calls: "io_uring_setup io_uring_enter io_uring_register",
  },
  {
    reason: "keyrings belong to users, not to containers",
    calls: "add_key request_key keyctl",
  },
  {
    reason: "sets the clock, of which there is one",
    calls: "settimeofday stime clock_settime clock_settime64",
    unless: ["CAP_SYS_TIME"],
  },
  {
    reason: "reaches devices past their drivers",
    calls: "iopl ioperm pciconfig_iobase pciconfig_read pciconfig_write",
    unless: ["CAP_SYS_RAWIO"],
  },
  {
    reason: "reads and clears the kernel's messages",
    calls: "syslog",
    unless: ["CAP_SYSLOG", "CAP_SYS_ADMIN"],
  },
  {
    reason: "administers disks, memory and names of the machine",
    calls: "swapon swapoff quotactl quotactl_fd sethostname setdomainname fanotify_init " +
      "lookup_dcookie nfsservctl bdflush",
    unless: ["CAP_SYS_ADMIN"],
  },
  {
    reason: "records what all processes do",
    calls: "acct",
    unless: ["CAP_SYS_PACCT"],
  },
  {
    reason: "takes a terminal from whoever has it",
    calls: "vhangup",
    unless: ["CAP_SYS_TTY_CONFIG"],
  },
  {
    reason: "moves memory of other processes, and tells what it shares",
    calls: "move_pages migrate_pages mbind set_mempolicy set_mempolicy_home_node",
    unless: ["CAP_SYS_NICE"],
  },
  {
    reason: "runs 16-bit code in the kernel's care, hardly used and often broken",
    calls: "vm86 vm86old",
  },
  {
    reason: "obsolete: left from old kernels, or never made",
    calls: "_sysctl afs_syscall break epoll_ctl_old epoll_wait_old ftime getpmsg gtty idle lock " +
      "mpx prof profil putpmsg security stty sysfs tuxcall ulimit uselib ustat vserver",
    errno: ENOSYS,
  },
];

/** Not allowed as a whole: rules below are for some of their arguments. */
const BY_ARGUMENT = ["clone", "unshare", "ioctl"];

const NEW_NAMESPACES = clone.CLONE_NEWNS | clone.CLONE_NEWCGROUP | clone.CLONE_NEWUTS |
  clone.CLONE_NEWIPC | clone.CLONE_NEWUSER | clone.CLONE_NEWPID | clone.CLONE_NEWNET;

/** The profile. */
export async function profile(): Promise<Profile> {
  const known = await systemCalls();
  const denied = new Set(DENIED.flatMap(({ calls }) => calls.split(" ")));
  for (const name of [...denied, ...BY_ARGUMENT]) {
    if (!known.has(name)) throw new Error(`no system call ${name}`);
  }
  const allowed = [...known].filter((name) => !denied.has(name) && !BY_ARGUMENT.includes(name));
  return {
    // What the kernel says of a call that it does not know.
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: ENOSYS,
    archMap: [
      { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86"] },
      { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
    ],
    syscalls: [
      { names: allowed.sort(), action: "SCMP_ACT_ALLOW" },
      ...DENIED.flatMap(({ calls, reason, unless, errno = EPERM }) =>
        denial({ names: calls.split(" "), errnoRet: errno, comment: reason }, unless)
      ),
      // In clone the lowest byte is a signal, so CLONE_NEWTIME is only a flag of unshare.
      ...namespaces("clone", NEW_NAMESPACES),
      ...namespaces("unshare", NEW_NAMESPACES | clone.CLONE_NEWTIME),
      ...terminals(),
    ],
  };
}

/** The rules that deny calls unless one of the capabilities is there. */
function denial(rule: Omit<ProfileRule, "action">, unless: string[] = []): ProfileRule[] {
  const { names } = rule;
  return [
    {
      ...rule,
      action: "SCMP_ACT_ERRNO",
      ...(unless.length > 0 && { excludes: { caps: unless } }),
    },
    ...unless.map((capability) => ({
      names,
      action: "SCMP_ACT_ALLOW",
      includes: { caps: [capability] },
    })),
  ];
}

/** A test of an argument's bits, so of no more than the kernel looks at. */
function masked(index: number, mask: number, value: number): ArgumentTest {
  return { index, op: "SCMP_CMP_MASKED_EQ", value: mask >>> 0, valueTwo: value >>> 0 };
}

/** Rules for a call that makes namespaces if its first argument has one of the flags. */
function namespaces(name: string, flags: number): ProfileRule[] {
  const bits = Array.from({ length: 32 }, (_, i) => 1 << i).filter((bit) => flags & bit);
  const excludes = { caps: ["CAP_SYS_ADMIN"] };
  return [
    { names: [name], action: "SCMP_ACT_ALLOW", args: [masked(0, flags, 0)], excludes },
    {
      names: [name],
      action: "SCMP_ACT_ERRNO",
      errnoRet: EPERM,
      comment: "makes namespaces, and with them much of the kernel that is root's reachable",
      args: bits.map((bit) => masked(0, bit, bit)),
      excludes,
    },
    { names: [name], action: "SCMP_ACT_ALLOW", includes: { caps: ["CAP_SYS_ADMIN"] } },
  ];
}

/**
 * Rules for ioctl. There is no test for "not equal under a mask", and a test for
 * "not equal" looks at more bits than the kernel does. So the requests that are
 * allowed are those that differ from both in a bit that is the same in them, and
 * those that differ from one in one bit and from the other in another.
 */
function terminals(): ProfileRule[] {
  const both = [TIOCSTI, TIOCLINUX];
  const bits = Array.from({ length: 32 }, (_, i) => (1 << i) >>> 0);
  const [same, different] = [true, false].map((wanted) =>
    bits.filter((bit) => ((TIOCSTI ^ TIOCLINUX) & bit) === 0 === wanted)
  ) as [number[], number[]];
  const others = different.map((bit, i) => {
    // as TIOCSTI in this bit, as TIOCLINUX in the next one
    const next = different[(i + 1) % different.length]!;
    return masked(1, bit | next, TIOCSTI & bit | TIOCLINUX & next);
  });
  return [
    {
      names: ["ioctl"],
      action: "SCMP_ACT_ALLOW",
      args: [...same.map((bit) => masked(1, bit, ~TIOCSTI & bit)), ...others],
    },
    {
      names: ["ioctl"],
      action: "SCMP_ACT_ERRNO",
      errnoRet: EPERM,
      comment: "TIOCSTI and TIOCLINUX type into a terminal, for whoever reads from it outside",
      args: both.map((request) => masked(1, -1, request)),
    },
  ];
}

/** How the preprocessor is made to show the table of each architecture. */
const TABLES = [
  ["cc", "-m64"],
  ["cc", "-m32"],
  ["aarch64-linux-gnu-gcc"],
  ["cc", "-U__x86_64__", "-D__ARM_EABI__", "-I/usr/lib/linux/uapi/arm"],
] as const;

/** The system calls of the kernel's headers, for all architectures. */
async function systemCalls(): Promise<Set<string>> {
  const tables = await Promise.all(TABLES.map((command) => tableOf(command)));
  return new Set(tables.flatMap((table) => [...table.keys()]));
}

/** Numbers by name in the table of an architecture. */
export async function tableOf([command, ...args]: readonly [string, ...string[]]): Promise<
  Map<string, number>
> {
  const child = new Deno.Command(command, {
    args: [...args, "-E", "-dD", "-x", "c", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await ReadableStream.from([new TextEncoder().encode("#include <asm/unistd.h>\n")])
    .pipeTo(child.stdin);
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
  const definitions = new TextDecoder().decode(stdout)
    .matchAll(/^#define __(?:ARM_)?NR_(\w+) (?:(\d+)|\(?__\w+ ?\+ ?(\w+)\)?)$/gm);
  return new Map(
    definitions.filter(([, name]) => /^[a-z_]/.test(name!))
      .map(([, name, number, offset]) => [name!, Number(number ?? offset)]),
  );
}

/** The names of the tables in {@linkcode TABLES}. */
export const ARCHITECTURES: Readonly<Record<string, readonly [string, ...string[]]>> = {
  x86_64: [...TABLES[0]],
  i386: [...TABLES[1]],
  aarch64: [...TABLES[2]],
  arm: [...TABLES[3]],
};

/** The program of a profile for a container without capabilities that it asks for. */
export function program(profile: Profile, arch: "x86_64" | "aarch64"): Uint8Array {
  const kernel = "0.0"; // the profile does not ask for it
  return compile(resolveProfile(profile, { arch, kernel, capabilities: [] }), arch);
}

/** Writes the files into a directory. */
export async function generate(directory: string): Promise<void> {
  const written = await profile();
  await Deno.writeTextFile(join(directory, "default.json"), json(written));
  const programs = (["x86_64", "aarch64"] as const).map((arch) =>
    `  ${arch}: "${program(written, arch).toBase64()}",\n`
  );
  await Deno.writeTextFile(
    join(directory, "compiled.ts"),
    `// Generated by scripts/seccomp.ts from default.json; do not edit.
/**
 * The default filter as programs of classic BPF, in base 64, for containers with
 * none of the capabilities that the profile asks for.
 *
 * @module
 */

/** The program of each architecture. */
// deno-fmt-ignore
export const COMPILED: Readonly<Record<"x86_64" | "aarch64", string>> = {
${programs.join("")}};
`,
  );
  const config = fromFileUrl(new URL("../deno.json", import.meta.url));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", "--config", config, directory] })
    .output();
}

/** As JSON, a rule or a family of architectures on a line. */
function json({ archMap, syscalls, ...rest }: Profile): string {
  const lines = (list: readonly unknown[] = []): string =>
    list.map((each) => `    ${JSON.stringify(each)}`).join(",\n");
  const fields = Object.entries(rest).map(([name, value]) =>
    `  "${name}": ${JSON.stringify(value)},\n`
  );
  return `{\n${fields.join("")}  "archMap": [\n${lines(archMap)}\n  ],\n` +
    `  "syscalls": [\n${lines(syscalls)}\n  ]\n}\n`;
}

if (import.meta.main) {
  await generate(fromFileUrl(new URL("../sandbox/seccomp", import.meta.url)));
}
