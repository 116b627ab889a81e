/**
 * What a program that is started is to be, as data.
 *
 * @module
 */
import type { CapabilityName } from "../../ffi/constants/capability.ts";
import type { SignalName } from "../../ffi/constants/signal.ts";
import type { Resources } from "../container/oci.ts";
import type { IdRange } from "../idranges.ts";
import type { Descriptors } from "../inherit.ts";
import type { Landlock } from "../landlock.ts";
import type { Propagation } from "../mounts.ts";
import type { Namespace } from "../namespace.ts";
import type { NamespaceName } from "../namespaces.ts";
import type { Capabilities } from "../privileges.ts";
import type { ResourceLimit } from "../rlimits.ts";
import type { Profile } from "../seccomp/profile.ts";

/**
 * A string of bytes: a text, written as UTF-8 (a lone surrogate U+DC80 to
 * U+DCFF stands for a byte that is none), or the bytes.
 */
export type Text = string | Uint8Array;

/**
 * A namespace for a program: `true` for a new one, or where there is one: the
 * id of a process that is in it, the path of a file that stands for it, or the
 * namespace itself.
 */
export type NamespaceChoice = boolean | number | string | Namespace;

/**
 * The ids in a new user namespace: `"root"` for 0 inside and ours outside,
 * `"current"` for ours on both sides, a number for that one inside; ranges; or
 * `"auto"`: 0 is ours, and from 1 on come those that /etc/subuid or /etc/subgid
 * gives us. Ranges are written by newuidmap(1) unless we are root.
 */
export type IdMap = "root" | "current" | "auto" | number | readonly IdRange[];

/** A mount, as the OCI runtime specification has it. */
export interface Mount {
  /** Where it is mounted, a path within the root; missing directories are made. */
  readonly destination: Text;
  /** The type of file system; with `bind` or `rbind` among the options it is not needed. */
  readonly type?: string | undefined;
  /** A directory or file to bind, a path from where we are; a name for others. */
  readonly source?: Text | undefined;
  /** `"bind"`, `"rbind"`, `"ro"`, `"nosuid"`, ..., and those of the file system. */
  readonly options?: readonly string[] | undefined;
}

/** An interface of a program, `eth0` inside. Only root can have one. */
export interface Network {
  /** Its addresses, each with the bits of its network, as `10.0.0.2/24`. */
  readonly addresses: readonly string[];
  /** Those of the end that is outside. */
  readonly outside?: readonly string[] | undefined;
  /** The addresses by which everything else is reached. */
  readonly gateways?: readonly string[] | undefined;
  /** The bridge that the end outside is a port of. */
  readonly bridge?: string | undefined;
  /** How much can be sent, and how much received, as `10mbit` or `10mbit:64k`. */
  readonly rate?: string | undefined;
}

/** What a program is to be: where it runs, as whom, and what it may do. */
export interface ProgramOptions {
  /** The program; without a slash it is looked for in PATH. */
  readonly command: Text;
  /** Its arguments, without its name. */
  readonly args?: readonly Text[] | undefined;
  /** Its working directory, within the root; ours, or the root if that is another one. */
  readonly cwd?: Text | undefined;
  /** Variables for its environment, beside those that there are. */
  readonly env?: Readonly<Record<string, Text>> | undefined;
  /** Whether it has only the variables of `env`. */
  readonly clearEnv?: boolean | undefined;

  /** The namespaces in which it is, where they are not ours. */
  readonly namespaces?: Readonly<Partial<Record<NamespaceName, NamespaceChoice>>> | undefined;
  /** The user ids in its new user namespace. */
  readonly uidMap?: IdMap | undefined;
  /** The group ids in its new user namespace. */
  readonly gidMap?: IdMap | undefined;
  /** What becomes of setgroups(2) in its new user namespace. */
  readonly setgroups?: "allow" | "deny" | undefined;
  /** The host name in its UTS namespace. */
  readonly hostname?: Text | undefined;
  /** The NIS domain name in its UTS namespace. */
  readonly domainname?: Text | undefined;
  /** What becomes of mounts between its new mount namespace and ours; `"private"` if absent. */
  readonly propagation?: Propagation | undefined;
  /** Its root, a directory: by pivot_root(2), in its new mount namespace, where nothing else is left. */
  readonly root?: Text | undefined;
  /** Its root, a directory: by chroot(2). */
  readonly chroot?: Text | undefined;
  /** What is mounted in its new mount namespace, in this order. */
  readonly mounts?: readonly Mount[] | undefined;
  /** Whether a new proc is mounted, on /proc or another directory. */
  readonly mountProc?: boolean | Text | undefined;
  /** Whether the loopback interface of its network namespace is brought up. */
  readonly loopback?: boolean | undefined;
  /** By how many seconds the clocks of its new time namespace are ahead. */
  readonly timeOffsets?: {
    /** CLOCK_MONOTONIC. */
    readonly monotonic?: number | bigint | undefined;
    /** CLOCK_BOOTTIME, the time since the start of the machine. */
    readonly boottime?: number | bigint | undefined;
  } | undefined;

  /** Its user id; the supplementary groups are dropped unless `groups` are given. */
  readonly uid?: number | undefined;
  /** Its group id; the supplementary groups likewise. */
  readonly gid?: number | undefined;
  /** Its supplementary groups. */
  readonly groups?: readonly number[] | undefined;
  /** The only capabilities that it has; or its five sets, of which an absent one is empty. */
  readonly capabilities?: readonly CapabilityName[] | Capabilities | undefined;
  /** Whether no execution can give it more privileges. */
  readonly noNewPrivs?: boolean | undefined;
  /**
   * The filter of its system calls: `"default"` for the one that containers have,
   * or a profile in the format of container engines. It implies `noNewPrivs`. The
   * plan is then one for machines of this architecture only.
   */
  readonly seccomp?: "default" | Profile | undefined;
  /** What it is granted, where that is restricted. It implies `noNewPrivs`. */
  readonly landlock?: Landlock | undefined;
  /** Its limits; that of open files is by default the one that Deno was started with. */
  readonly rlimits?: readonly ResourceLimit[] | undefined;

  /**
   * Limits of all its processes together, as the OCI runtime specification has
   * them, kept by a cgroup of its own; `{}` to have only counted what they use.
   * With it all of them end when it ends. See cgroups(7).
   */
  readonly resources?: Resources | undefined;
  /**
   * The path of that cgroup: from the topmost one, or from ours if it does not
   * begin with a slash. Only its last part is made.
   */
  readonly cgroupsPath?: string | undefined;
  /** An interface to the network namespace that is ours, in its new one. See veth(4). */
  readonly network?: Network | undefined;

  /** The signal that it gets when this thread ends; `true` for SIGKILL. A setuid program loses it. */
  readonly dieWithParent?: boolean | SignalName | undefined;
  /** Descriptors that it gets beside 0, 1 and 2: for each number there the one that it is here. */
  readonly descriptors?: Descriptors | undefined;
}

/** Where a stream of a program leads: to us, to where ours leads, or nowhere. */
export type Stdio = "piped" | "inherit" | "null";

/** What a program is to be, and how we deal with it. */
export interface SpawnOptions extends ProgramOptions, StreamOptions {}

/** How we deal with a plan that is started. */
export interface PlanOptions extends StreamOptions {
  /** The arguments that the plan finds, the first being the program's name. */
  readonly argv?: readonly Text[] | undefined;
}

/** How we deal with a program. */
export interface StreamOptions {
  /** Its standard input; `"inherit"` for `spawn`, `"null"` for `spawnSync` if absent. */
  readonly stdin?: Stdio | undefined;
  /** Its standard output; `"inherit"` for `spawn`, `"piped"` for `spawnSync` if absent. */
  readonly stdout?: Stdio | undefined;
  /** Its standard error; as the standard output if absent. */
  readonly stderr?: Stdio | undefined;
  /** Has it end by SIGTERM when it is aborted; not for `spawnSync`. */
  readonly signal?: AbortSignal | undefined;
}
