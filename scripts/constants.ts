/**
 * Generates the constant tables in `ffi/constants/` from the headers of the
 * kernel and of glibc, for x86-64 and aarch64 at once.
 *
 *     apt install gcc libc6-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross
 *     deno run -A scripts/constants.ts
 *
 * A name is written when both architectures have it. A value that differs
 * between them is an error unless the table below says that it does.
 *
 * @module
 */
import { SIGNATURES } from "../ffi/plan/signatures.ts";
import { fromFileUrl, join } from "./std.ts";

type Architecture = "x86_64" | "aarch64";

/** Names of one header; they keep its order. */
interface Source {
  from: string;
  /** Matches whole names; the group `name` is the part that we export. */
  names: RegExp;
  /** A flag is unsigned and written in base 16, a mode in base 8, a bigint has 64 bits. */
  as?: "flag" | "mode" | "bigint";
  /** Exported names whose values differ between the architectures. */
  differing?: RegExp;
  /**
   * The names of an object of them all, sorted by number and with the first
   * name of each number, and of the type of its keys.
   */
  table?: [object: string, type?: string];
  /** Whose numbers a table has when they differ. */
  of?: Architecture;
}

// Without the second names EWOULDBLOCK, EDEADLOCK and ENOTSUP.
const ERRNO: Source = {
  from: "linux/errno.h",
  names: /^E(?!WOULDBLOCK|DEADLOCK|NOTSUP$)\w+$/,
};

/** Numbers of calls that no plan uses would only be more to load. */
const SYSCALLS = new RegExp(`^__NR_(?<name>${Object.keys(SIGNATURES).join("|")})$`);

/** By file: what its documentation says, and where its names come from. */
const FILES: Record<string, [doc: string, ...Source[]]> = {
  "errno.ts": [
    "Error numbers, see errno(3), and their texts, see strerror(3).",
    ERRNO,
  ],
  "syscalls_x86_64.ts": [
    "System calls of x86-64 that plans use, see syscalls(2).",
    {
      from: "asm/unistd.h",
      names: SYSCALLS,
      table: ["SYSCALLS_X86_64"],
      of: "x86_64",
    },
  ],
  "syscalls_aarch64.ts": [
    "System calls of aarch64 that plans use, see syscalls(2).",
    {
      from: "asm/unistd.h",
      names: SYSCALLS,
      table: ["SYSCALLS_AARCH64"],
      of: "aarch64",
    },
  ],
  "sched.ts": [
    "Flags of clone(2), unshare(2) and setns(2).",
    // Two of clone3(2) take more than 32 bits.
    {
      from: "linux/sched.h",
      names: /^CLONE_(?!ARGS_|CLEAR_SIGHAND|INTO_CGROUP)\w+$/,
      as: "flag",
    },
    { from: "linux/sched.h", names: /^CLONE_CLEAR_SIGHAND$/, as: "bigint" },
    { from: "linux/sched.h", names: /^CLONE_ARGS_\w+$/ },
  ],
  "mount.ts": [
    "Flags of mount(2), umount2(2), open_tree(2), move_mount(2), fsopen(2), ...",
    { from: "sys/mount.h", names: /^(MS|UMOUNT)_\w+$/, as: "flag" },
    { from: "sys/mount.h", names: /^MNT_[A-Z]+$/, as: "flag" },
    { from: "sys/mount.h", names: /^(OPEN_TREE|MOVE_MOUNT)_\w+$/, as: "flag" },
    { from: "linux/mount.h", names: /^FS(OPEN|PICK|MOUNT)_\w+$/, as: "flag" },
    { from: "linux/mount.h", names: /^FSCONFIG_\w+$/ },
    { from: "linux/mount.h", names: /^MOUNT_ATTR_\w+$/, as: "flag" },
    { from: "linux/fcntl.h", names: /^AT_RECURSIVE$/, as: "flag" },
  ],
  "fcntl.ts": [
    "Flags of openat(2), openat2(2), fcntl(2) and other calls on files, and their types.",
    {
      from: "linux/fcntl.h",
      names: /^O_\w+$/,
      as: "flag",
      differing: /^O_(DIRECT|DIRECTORY|LARGEFILE|NOFOLLOW|TMPFILE)$/,
    },
    // AT_RECURSIVE is in mount.ts.
    { from: "linux/fcntl.h", names: /^AT_(?!FDCWD|REC)\w+$/, as: "flag" },
    { from: "linux/fcntl.h", names: /^(AT_FDCWD|FD_CLOEXEC)$/ },
    { from: "linux/fcntl.h", names: /^F_(?!SEAL_)\w+$/ },
    { from: "linux/fcntl.h", names: /^F_SEAL_\w+$/, as: "flag" },
    { from: "linux/openat2.h", names: /^RESOLVE_\w+$/, as: "flag" },
    { from: "linux/fcntl.h", names: /^LOCK_(EX|NB)$/ },
    { from: "sys/stat.h", names: /^S_IF\w+$/, as: "mode" },
    { from: "linux/stat.h", names: /^STATX_(TYPE|MODE|UID|INO|BASIC_STATS)$/, as: "flag" },
  ],
  "mman.ts": [
    "Flags of mmap(2), mprotect(2) and memfd_create(2).",
    { from: "linux/mman.h", names: /^(PROT|MAP)_\w+$/, as: "flag" },
    { from: "linux/memfd.h", names: /^MFD_\w+$/, as: "flag" },
  ],
  "signal.ts": [
    "Signals, see signal(7), and flags of sigaction(2) and sigprocmask(2).",
    {
      from: "linux/signal.h",
      names: /^SIG(?!RTM|STKSZ)[A-Z0-9]+$/,
      table: ["SIGNALS", "SignalName"],
    },
    { from: "linux/signal.h", names: /^SIG_(BLOCK|UNBLOCK|SETMASK|DFL|IGN)$/ },
    { from: "linux/signal.h", names: /^SA_\w+$/, as: "flag" },
  ],
  "wait.ts": [
    "Options of wait4(2) and waitid(2), and what became of a child.",
    { from: "linux/wait.h", names: /^W[A-Z]+$/, as: "flag" },
    { from: "linux/wait.h", names: /^P_\w+$/ },
    { from: "asm/siginfo.h", names: /^CLD_\w+$/ },
  ],
  "prctl.ts": [
    "Operations and arguments of prctl(2).",
    // Without the tracer "any process", of 64 bits.
    { from: "linux/prctl.h", names: /^PR_(?!SET_PTRACER_ANY)\w+$/ },
  ],
  "resource.ts": [
    "Resources of prlimit(2).",
    { from: "linux/resource.h", names: /^RLIMIT_\w+$/ },
    {
      from: "linux/resource.h",
      names: /^RLIMIT_\w+$/,
      table: ["RLIMITS", "LimitName"],
    },
    { from: "linux/resource.h", names: /^RLIM_INFINITY$/, as: "bigint" },
  ],
  "capability.ts": [
    "Capabilities, see capabilities(7), and the version for capset(2).",
    { from: "linux/capability.h", names: /^CAP_\w+$/ },
    {
      from: "linux/capability.h",
      names: /^CAP_(?!LAST_CAP)\w+$/,
      table: ["CAPABILITIES", "CapabilityName"],
    },
    {
      from: "linux/capability.h",
      names: /^_(?<name>LINUX_CAPABILITY_VERSION_3)$/,
      as: "flag",
    },
  ],
  "termios.ts": [
    "Requests of ioctl(2) to a terminal, see ioctl_tty(2).",
    {
      from: "asm/ioctls.h",
      names: /^(TCGETS|TCSETS|TIOCSCTTY|TIOC[GS]WINSZ|TIOCSTI|TIOCLINUX|TIOCGPTPEER|TIOCSPTLCK)$/,
      as: "flag",
    },
  ],
  "seccomp.ts": [
    "Classic BPF for seccomp(2): instructions, architectures and answers.",
    {
      from: "linux/seccomp.h",
      names: /^SECCOMP_RET_(ALLOW|ERRNO|KILL_(PROCESS|THREAD)|LOG|TRACE|TRAP)$/,
      as: "flag",
    },
    { from: "linux/seccomp.h", names: /^SECCOMP_(MODE_FILTER|SET_MODE_FILTER)$/ },
    {
      from: "linux/seccomp.h",
      names: /^SECCOMP_FILTER_FLAG_(LOG|SPEC_ALLOW|TSYNC)$/,
      as: "flag",
    },
    { from: "linux/audit.h", names: /^AUDIT_ARCH_(X86_64|I386|AARCH64|ARM)$/, as: "flag" },
    {
      from: "linux/filter.h",
      names: /^BPF_(LD|JMP|RET|W|ABS|JEQ|K)$/,
      as: "flag",
    },
  ],
  "landlock.ts": [
    "Access rights, rules and scopes of landlock(7).",
    { from: "linux/landlock.h", names: /^LANDLOCK_CREATE_RULESET_VERSION$/, as: "flag" },
    { from: "linux/landlock.h", names: /^LANDLOCK_RULE_\w+$/ },
    { from: "linux/landlock.h", names: /^LANDLOCK_(ACCESS|SCOPE)_\w+$/, as: "flag" },
  ],
  "nsfs.ts": [
    "Requests of ioctl(2): to a namespace, see ioctl_ns(2), and to a socket.",
    { from: "linux/nsfs.h", names: /^NS_GET_\w+$/, as: "flag" },
    { from: "linux/sockios.h", names: /^SIOCGSKNS$/, as: "flag" },
  ],
  "pidfd.ts": [
    "Flags of pidfd_open(2).",
    { from: "linux/pidfd.h", names: /^PIDFD_(NONBLOCK|THREAD)$/, as: "flag" },
  ],
  "close_range.ts": [
    "Flags of close_range(2).",
    { from: "linux/close_range.h", names: /^CLOSE_RANGE_\w+$/, as: "flag" },
  ],
  "netlink.ts": [
    "Messages of rtnetlink(7): links, addresses, routes, queueing disciplines.",
    { from: "linux/netlink.h", names: /^NETLINK_ROUTE$/ },
    {
      from: "linux/netlink.h",
      names: /^(NLM_F_(REQUEST|ACK|CREATE|REPLACE|EXCL)|NLA_F_NESTED)$/,
      as: "flag",
    },
    {
      from: "linux/rtnetlink.h",
      names: /^RTM_(NEW(LINK|ADDR|ROUTE|QDISC|TFILTER|NSID)|DELLINK|GETNSID)$/,
    },
    { from: "linux/net_namespace.h", names: /^NETNSA_(NSID|FD|NSID_NOT_ASSIGNED)$/ },
    {
      from: "linux/rtnetlink.h",
      names: /^(RTA_(DST|GATEWAY|OIF)|RT_TABLE_MAIN|RTPROT_STATIC|RT_SCOPE_UNIVERSE|RTN_UNICAST)$/,
    },
    { from: "linux/rtnetlink.h", names: /^TCA_(KIND|OPTIONS)$/ },
    {
      from: "linux/if_link.h",
      names: /^IFLA_(IFNAME|GROUP|MASTER|LINKINFO|INFO_KIND|INFO_DATA|NET_NS_FD|NET_NS_PID)$/,
    },
    { from: "linux/veth.h", names: /^VETH_INFO_PEER$/ },
    { from: "linux/if_addr.h", names: /^IFA_(ADDRESS|LOCAL)$/ },
    { from: "linux/if_addr.h", names: /^IFA_F_NODAD$/, as: "flag" },
    { from: "linux/pkt_sched.h", names: /^TC_H_(ROOT|INGRESS)$/, as: "flag" },
    { from: "linux/pkt_sched.h", names: /^(TCA_TBF_(PARMS|RATE64|BURST)|TC_LINKLAYER_ETHERNET)$/ },
    {
      from: "linux/pkt_cls.h",
      names: /^(TCA_U32_(SEL|ACT)|TCA_ACT_(KIND|OPTIONS)|TC_ACT_STOLEN|TC_U32_TERMINAL)$/,
    },
    { from: "linux/tc_act/tc_mirred.h", names: /^TCA_(MIRRED_PARMS|EGRESS_REDIR)$/ },
    { from: "linux/if_ether.h", names: /^ETH_P_ALL$/ },
  ],
  "bpf.ts": [
    "Extended BPF for bpf(2): instructions and commands.",
    {
      from: "linux/bpf.h",
      names: /^BPF_(PROG_LOAD|PROG_ATTACH|PROG_TYPE_CGROUP_DEVICE|CGROUP_DEVICE)$/,
    },
    { from: "linux/bpf.h", names: /^BPF_F_ALLOW_MULTI$/, as: "flag" },
    { from: "linux/bpf.h", names: /^BPF_DEVCG_(ACC|DEV)_\w+$/ },
    {
      from: "linux/bpf.h",
      names: /^BPF_(LDX|MEM|W|ALU|ALU64|MOV|AND|RSH|JMP|JEQ|JNE|EXIT|K|X)$/,
      as: "flag",
    },
  ],
  "if.ts": [
    "Requests of ioctl(2) to network interfaces, see netdevice(7), and their flags.",
    { from: "linux/sockios.h", names: /^SIOC([GS]IFFLAGS|GIFINDEX)$/, as: "flag" },
    { from: "net/if.h", names: /^IFF_UP$/, as: "flag" },
  ],
  "socket.ts": [
    "Domains and types of socket(2).",
    { from: "sys/socket.h", names: /^(AF_(INET6?|NETLINK)|SOCK_(DGRAM|RAW|CLOEXEC))$/ },
  ],
};

/** Runs a command to its end and returns its output; throws if it fails. */
async function run(
  command: string,
  args: string[],
  input = "",
): Promise<string> {
  const io = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  const child = new Deno.Command(command, { args, ...io }).spawn();
  await ReadableStream.from([new TextEncoder().encode(input)]).pipeTo(
    child.stdin,
  );
  const { success, stdout, stderr } = await child.output();
  if (!success) {
    throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
  }
  return new TextDecoder().decode(stdout);
}

/** Values by exported name of what `names` matches in a header. */
async function valuesOf(
  of: Architecture,
  { from, names }: Source,
): Promise<Map<string, bigint>> {
  const compiler = of === Deno.build.arch ? "cc" : `${of}-linux-gnu-gcc`;
  const options = ["-w", "-D_GNU_SOURCE", "-x", "c", "-o", "-", "-"];
  const include = `#include <stddef.h>\n#include <${from}>\n`;
  const text = await run(compiler, ["-E", "-dD", ...options], include);
  // Macros with a value and without parameters, and enumerators.
  const found = text.matchAll(/^(?:#define +|\s+)(\w+)(?:(?: +|=)\S.*|,)?$/gm);
  const wanted = new Set(
    found.map((match) => match[1]!).filter((name) => names.test(name)),
  );
  // We can't run what we compile for the other architecture: read the values
  // from its assembly.
  const lines = wanted.values().map((name) => `asm("==${name} %0" :: "i"((long)(${name})));\n`);
  const program = `${include}void values(void) {\n${[...lines].join("")}}\n`;
  const assembly = await run(compiler, ["-S", ...options], program);
  const values = assembly.matchAll(/==(\w+) \$?(-?\d+)$/gm);
  return new Map(
    values.map((
      [, name, value],
    ) => [names.exec(name!)?.groups?.name ?? name!, BigInt(value!)]),
  );
}

/** Values as in {@linkcode valuesOf} on both architectures, of common names. */
async function commonValues(
  source: Source,
): Promise<Map<string, Record<Architecture, bigint>>> {
  const [x86_64, aarch64] = await Promise.all([
    valuesOf("x86_64", source),
    valuesOf("aarch64", source),
  ]);
  const common = new Map<string, Record<Architecture, bigint>>();
  for (const [name, value] of x86_64) {
    const other = aarch64.get(name);
    if (other === undefined) continue;
    if (!source.of && (value !== other) !== !!source.differing?.test(name)) {
      throw new Error(`${name} is ${value} on x86-64 and ${other} on aarch64`);
    }
    common.set(name, { x86_64: value, aarch64: other });
  }
  if (common.size === 0) {
    throw new Error(`no ${source.names} in ${source.from}`);
  }
  return common;
}

/** A value as a literal of TypeScript. */
function literal(value: bigint, { as }: Source): string {
  if (as === "bigint") return `0x${BigInt.asUintN(64, value).toString(16)}n`;
  if (value < -(2n ** 31n) || value >= 2n ** 32n) {
    throw new Error(`${value} takes more than 32 bits`);
  }
  if (as === "mode") return `0o${value.toString(8)}`;
  return as === "flag" ? `0x${BigInt.asUintN(32, value).toString(16)}` : `${value}`;
}

/** Declares a constant for each name of a source. */
async function constants(source: Source): Promise<string> {
  let text = "";
  for (const [name, { x86_64, aarch64 }] of await commonValues(source)) {
    const value = literal(x86_64, source);
    const type = source.as === "bigint" ? "bigint" : "number";
    text += source.differing?.test(name)
      ? `/** \`${name}\` of ${source.from}, which differs by architecture. */
export const ${name}: Readonly<Record<"x86_64" | "aarch64", number>> = {
  x86_64: ${value},
  aarch64: ${literal(aarch64, source)},
};\n`
      : `/** \`${name}\` of ${source.from}. */
export const ${name}: ${type} = ${value};\n`;
  }
  return text;
}

/** Declares one object with the names of a source, and a type of its keys. */
async function table(
  source: Source,
  [object, type]: [object: string, type?: string],
): Promise<string> {
  const names = new Map<number, string>();
  for (const [name, values] of await commonValues(source)) {
    const number = Number(values[source.of ?? "x86_64"]);
    if (!names.has(number)) names.set(number, name);
  }
  const lines = [...names].sort(([a], [b]) => a - b)
    .map(([number, name]) => `  ${name}: ${number},\n`).join("");
  return `/** Numbers by name of ${source.from}. */
export const ${object} = {\n${lines}} as const;\n` +
    (type
      ? `/** A name in {@linkcode ${object}}. */
export type ${type} = keyof typeof ${object};\n`
      : "");
}

/** Declares the names by number, and the texts of strerror(3), which no header has. */
async function errorTables(): Promise<string> {
  const names: string[] = [];
  for (const [name, { x86_64 }] of await commonValues(ERRNO)) names[Number(x86_64)] = name;
  const program = await Deno.makeTempFile();
  await run(
    "cc",
    ["-x", "c", "-o", program, "-"],
    `#include <stdio.h>
    #include <string.h>
    int main(void) { for (int i = 0; i < ${names.length}; i++) puts(strerror(i)); }`,
  );
  const texts = (await run(program, [])).trimEnd().split("\n");
  await Deno.remove(program);
  return `/** Names of errors by number; there are numbers without one. */
export const ERRNO_NAMES: readonly string[] = ${
    JSON.stringify(Array.from(names, (name) => name ?? ""))
  };
/** Texts of glibc's strerror(3) in the C locale, by error number. */
export const ERROR_TEXTS: readonly string[] = ${JSON.stringify(texts, null, 2)};\n`;
}

/**
 * Versions of the headers, as the generated files name them. Throws if a
 * compiler is missing or the versions are not the same for both.
 */
export async function headerVersions(): Promise<string> {
  const linux = {
    from: "linux/version.h",
    names: /^LINUX_VERSION_(MAJOR|PATCHLEVEL)$/,
  };
  const glibc = { from: "features.h", names: /^__GLIBC(_MINOR)?__$/ };
  const [kernel, libc] = await Promise.all(
    [linux, glibc].map(async (source) =>
      (await commonValues(source)).values().map(({ x86_64 }) => x86_64)
        .toArray().join(".")
    ),
  );
  return `Linux ${kernel} and glibc ${libc}`;
}

/** Writes all files into a directory. */
export async function generate(directory: string): Promise<void> {
  const versions = await headerVersions();
  await Deno.mkdir(directory, { recursive: true });
  for (const [file, [doc, ...sources]] of Object.entries(FILES)) {
    const headers = [...new Set(sources.map(({ from }) => from))].join(", ");
    const parts = sources.map((source) =>
      source.table ? table(source, source.table) : constants(source)
    );
    if (file === "errno.ts") parts.push(errorTables());
    await Deno.writeTextFile(
      join(directory, file),
      `// Generated by scripts/constants.ts from ${headers}; do not edit.
/**
 * ${doc}
 *
 * Made with the headers of ${versions}.
 *
 * @module
 */

${(await Promise.all(parts)).join("")}`,
    );
  }
  const config = fromFileUrl(new URL("../deno.json", import.meta.url));
  await run(Deno.execPath(), ["fmt", "--config", config, directory]);
}

if (import.meta.main) {
  await generate(fromFileUrl(new URL("../ffi/constants", import.meta.url)));
}
