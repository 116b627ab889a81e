/**
 * The configuration of a container as the OCI runtime specification 1.2 has it,
 * for Linux: https://github.com/opencontainers/runtime-spec/blob/main/config.md
 *
 * All of it has a type here; `supported.ts` says what of it can be run.
 *
 * @module
 */
import type { Capabilities } from "../privileges.ts";
import type { Seccomp } from "../seccomp/profile.ts";

/** A container: `config.json` of a bundle. */
export interface Config {
  /** The version of the specification. */
  readonly ociVersion: string;
  /** The program. */
  readonly process?: Process;
  /** The root directory. */
  readonly root?: Root;
  /** The name of the host inside. */
  readonly hostname?: string;
  /** The NIS domain name inside. */
  readonly domainname?: string;
  /** What is mounted, in this order. */
  readonly mounts?: readonly Mount[];
  /** Programs that run when something happens to the container. */
  readonly hooks?: Hooks;
  /** Anything else; what we look at is in `annotations.ts`. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** What only Linux has. */
  readonly linux?: Linux;
}

/** The program and what it is. */
export interface Process {
  /** Whether it has a terminal of its own. */
  readonly terminal?: boolean;
  /** The size of that terminal. */
  readonly consoleSize?: { readonly height: number; readonly width: number };
  /** The working directory, inside. */
  readonly cwd: string;
  /** The whole environment, each as `NAME=value`. */
  readonly env?: readonly string[];
  /** Its name, looked for in the PATH of `env`, and its arguments. */
  readonly args?: readonly string[];
  /** Limits of resources, see getrlimit(2). */
  readonly rlimits?: readonly Rlimit[];
  /** The AppArmor profile. */
  readonly apparmorProfile?: string;
  /** What is left of root's rights, see capabilities(7). */
  readonly capabilities?: Capabilities;
  /** Whether no program that it runs gains rights. */
  readonly noNewPrivileges?: boolean;
  /** How it is scheduled, see sched(7). */
  readonly scheduler?: Scheduler;
  /** The SELinux context. */
  readonly selinuxLabel?: string;
  /** The I/O priority, see ioprio_set(2). */
  readonly ioPriority?: { readonly class: string; readonly priority: number };
  /** On which processors it runs, when it starts and from then on. */
  readonly execCPUAffinity?: { readonly initial?: string; readonly final?: string };
  /** How soon it is killed when memory runs out, see proc_pid_oom_score_adj(5). */
  readonly oomScoreAdj?: number;
  /** Whose process it is. */
  readonly user: User;
}

/** A user, as ids inside. */
export interface User {
  /** The user id. */
  readonly uid: number;
  /** The group id. */
  readonly gid: number;
  /** The file mode creation mask. */
  readonly umask?: number;
  /** The supplementary groups. */
  readonly additionalGids?: readonly number[];
}

/** A limit, see getrlimit(2). */
export interface Rlimit {
  /** Such as `RLIMIT_NOFILE`. */
  readonly type: string;
  /** The limit in force. */
  readonly soft: number;
  /** Up to which that one may be raised. */
  readonly hard: number;
}

/** See sched_setattr(2). */
export interface Scheduler {
  /** Such as `SCHED_OTHER`. */
  readonly policy: string;
  /** From -20 to 19. */
  readonly nice?: number;
  /** Of a real-time policy. */
  readonly priority?: number;
  /** Such as `SCHED_FLAG_RESET_ON_FORK`. */
  readonly flags?: readonly string[];
  /** In nanoseconds, of SCHED_DEADLINE. */
  readonly runtime?: number;
  /** In nanoseconds, of SCHED_DEADLINE. */
  readonly deadline?: number;
  /** In nanoseconds, of SCHED_DEADLINE. */
  readonly period?: number;
}

/** The root directory. */
export interface Root {
  /** Where it lies outside; from the bundle if it is relative. */
  readonly path: string;
  /** Whether nothing can be changed in it. */
  readonly readonly?: boolean;
}

/** Something mounted. */
export interface Mount {
  /** Where, as an absolute path inside. */
  readonly destination: string;
  /** The type of the file system, or `bind`. */
  readonly type?: string;
  /** The device, directory or name; relative ones are from the bundle. */
  readonly source?: string;
  /** As those of mount(8). */
  readonly options?: readonly string[];
  /** Whose the files are, by user id. */
  readonly uidMappings?: readonly IdMapping[];
  /** Whose the files are, by group id. */
  readonly gidMappings?: readonly IdMapping[];
}

/** Ids that are mapped one to one. */
export interface IdMapping {
  /** The first one inside. */
  readonly containerID: number;
  /** The first one outside. */
  readonly hostID: number;
  /** How many. */
  readonly size: number;
}

/** Programs to run. */
export interface Hooks {
  /** Deprecated: after the namespaces are made. */
  readonly prestart?: readonly Hook[];
  /** After the namespaces are made, outside. */
  readonly createRuntime?: readonly Hook[];
  /** After the namespaces are made, inside. */
  readonly createContainer?: readonly Hook[];
  /** Before the program, inside. */
  readonly startContainer?: readonly Hook[];
  /** After the program was started. */
  readonly poststart?: readonly Hook[];
  /** After the container has been deleted. */
  readonly poststop?: readonly Hook[];
}

/** A program to run. */
export interface Hook {
  /** Its file. */
  readonly path: string;
  /** Its arguments, from its own name on. */
  readonly args?: readonly string[];
  /** Its environment. */
  readonly env?: readonly string[];
  /** After how many seconds it is given up. */
  readonly timeout?: number;
}

/** What only Linux has. */
export interface Linux {
  /** The namespaces that are not those of whoever runs the container. */
  readonly namespaces?: readonly Namespace[];
  /** The user ids of a new user namespace. */
  readonly uidMappings?: readonly IdMapping[];
  /** The group ids of a new user namespace. */
  readonly gidMappings?: readonly IdMapping[];
  /** By how much clocks are ahead, by `monotonic` and `boottime`. */
  readonly timeOffsets?: Readonly<Record<string, TimeOffset>>;
  /** Devices beside those that every container has. */
  readonly devices?: readonly Device[];
  /** Network devices to move in. */
  readonly netDevices?: Readonly<Record<string, { readonly name?: string }>>;
  /** The cgroup. */
  readonly cgroupsPath?: string;
  /** Limits of the cgroup. */
  readonly resources?: Resources;
  /** Cache and memory bandwidth. */
  readonly intelRdt?: IntelRdt;
  /** Where memory comes from, see set_mempolicy(2). */
  readonly memoryPolicy?: {
    readonly mode: string;
    readonly nodes?: string;
    readonly flags?: readonly string[];
  };
  /** Files of /proc/sys and what to write there. */
  readonly sysctl?: Readonly<Record<string, string>>;
  /** The filter of system calls. */
  readonly seccomp?: Seccomp;
  /** How mounts spread: `slave`, `private`, `shared` or `unbindable`. */
  readonly rootfsPropagation?: string;
  /** Paths that can't be read. */
  readonly maskedPaths?: readonly string[];
  /** Paths that can't be written. */
  readonly readonlyPaths?: readonly string[];
  /** The SELinux context of mounts. */
  readonly mountLabel?: string;
  /** See personality(2). */
  readonly personality?: { readonly domain: string; readonly flags?: readonly string[] };
}

/** The kinds of namespaces, as the specification calls them. */
export type NamespaceType =
  | "pid"
  | "network"
  | "mount"
  | "ipc"
  | "uts"
  | "user"
  | "cgroup"
  | "time";

/** A namespace. */
export interface Namespace {
  /** Its kind. */
  readonly type: NamespaceType;
  /** The file of the one to join; a new one if absent. */
  readonly path?: string;
}

/** How much a clock is ahead. */
export interface TimeOffset {
  /** Seconds. */
  readonly secs?: number;
  /** And nanoseconds. */
  readonly nanosecs?: number;
}

/** A device, see mknod(2). */
export interface Device {
  /** `c`, `b`, `u` or `p`. */
  readonly type: string;
  /** Where. */
  readonly path: string;
  /** Its major number. */
  readonly major?: number;
  /** Its minor number. */
  readonly minor?: number;
  /** Its permissions. */
  readonly fileMode?: number;
  /** Its owner. */
  readonly uid?: number;
  /** Its group. */
  readonly gid?: number;
}

/** Limits of a cgroup, see cgroups(7); -1 is none for memory, time and processes. */
export interface Resources {
  /** Which devices may be used; the last rule that speaks of a use decides. */
  readonly devices?: readonly {
    /** Whether it may. */
    readonly allow: boolean;
    /** `a` for all devices, `b` for block devices, `c` for others; all if absent. */
    readonly type?: string;
    /** The major number; any if absent. */
    readonly major?: number;
    /** The minor number; any if absent. */
    readonly minor?: number;
    /** The uses: of the letters `r`, `w` and `m` for mknod(2); all if absent. */
    readonly access?: string;
  }[];
  /** Memory. */
  readonly memory?: {
    /** The most, in bytes. */
    readonly limit?: number;
    /** What is left alone when memory is short, in bytes. */
    readonly reservation?: number;
    /** The most memory and swap together, in bytes. */
    readonly swap?: number;
    /** Not supported: deprecated. */
    readonly kernel?: number;
    /** Not supported: deprecated. */
    readonly kernelTCP?: number;
    /** How eagerly it is swapped, from 0 to 100: version 1 only. */
    readonly swappiness?: number;
    /** Whether processes wait for memory, instead of being killed: version 1 only. */
    readonly disableOOMKiller?: boolean;
    /** Looked at by nobody: it is always so. */
    readonly useHierarchy?: boolean;
    /** Looked at by nobody: a new cgroup uses nothing. */
    readonly checkBeforeUpdate?: boolean;
  };
  /** Processors. */
  readonly cpu?: {
    /** The share when others want them, too, from 2 to 262144; 1024 is usual. */
    readonly shares?: number;
    /** The most time in each period, in microseconds; of all processors together. */
    readonly quota?: number;
    /** Time that is saved up for later periods, in microseconds. */
    readonly burst?: number;
    /** The period, in microseconds; 100000 if absent. */
    readonly period?: number;
    /** The most time of real-time processes in each period, in microseconds: version 1 only. */
    readonly realtimeRuntime?: number;
    /** That period, in microseconds: version 1 only. */
    readonly realtimePeriod?: number;
    /** On which processors, such as `0-2,4`. */
    readonly cpus?: string;
    /** Of which nodes memory is, such as `0`. */
    readonly mems?: string;
    /** 1 to run only when nobody else wants to. */
    readonly idle?: number;
  };
  /** The most processes. */
  readonly pids?: {
    /** How many. */
    readonly limit: number;
  };
  /** Disks. */
  readonly blockIO?: {
    /** The share when others want them, too, from 10 to 1000. */
    readonly weight?: number;
    /** Not supported: the kernel has it no more. */
    readonly leafWeight?: number;
    /** The share of single disks. */
    readonly weightDevice?: readonly WeightDevice[];
    /** The most that is read, in bytes a second. */
    readonly throttleReadBpsDevice?: readonly ThrottleDevice[];
    /** The most that is written, in bytes a second. */
    readonly throttleWriteBpsDevice?: readonly ThrottleDevice[];
    /** The most reads a second. */
    readonly throttleReadIOPSDevice?: readonly ThrottleDevice[];
    /** The most writes a second. */
    readonly throttleWriteIOPSDevice?: readonly ThrottleDevice[];
  };
  /** Huge pages: their size, such as `2MB`, and the most bytes of them. */
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: number }[];
  /** Packets: version 1 only. */
  readonly network?: {
    /** Their tag, see the kernel's net_cls.rst. */
    readonly classID?: number;
    /** Their priority by interface, see the kernel's net_prio.rst. */
    readonly priorities?: readonly { readonly name: string; readonly priority: number }[];
  };
  /** Remote memory: the most handles and objects, by device. */
  readonly rdma?: Readonly<
    Record<string, { readonly hcaHandles?: number; readonly hcaObjects?: number }>
  >;
  /** Files of version 2, such as `memory.high`, and what to write there. */
  readonly unified?: Readonly<Record<string, string>>;
}

/** How much a disk counts. */
export interface WeightDevice {
  /** Its major number. */
  readonly major: number;
  /** Its minor number. */
  readonly minor: number;
  /** From 10 to 1000. */
  readonly weight?: number;
  /** Against the cgroups below. */
  readonly leafWeight?: number;
}

/** How much of a disk. */
export interface ThrottleDevice {
  /** Its major number. */
  readonly major: number;
  /** Its minor number. */
  readonly minor: number;
  /** Bytes or operations a second. */
  readonly rate: number;
}

/** See resctrl in the kernel's documentation. */
export interface IntelRdt {
  /** The group. */
  readonly closID?: string;
  /** Lines of its schemata. */
  readonly schemata?: readonly string[];
  /** The cache. */
  readonly l3CacheSchema?: string;
  /** The bandwidth. */
  readonly memBwSchema?: string;
  /** Whether it is measured. */
  readonly enableMonitoring?: boolean;
}
