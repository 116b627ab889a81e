/**
 * What a container has if nothing else is said.
 *
 * @module
 */
import type { CapabilityName } from "../../ffi/constants/capability.ts";
import type { DeviceRule } from "../cgroup/devices.ts";
import type { Capabilities } from "../privileges.ts";
import type { Mount, NamespaceType } from "./oci.ts";

/** The version of the specification that a configuration has. */
export const OCI_VERSION = "1.2.0";

/**
 * The devices that may be used in any case, whatever rules there are: those that
 * every container has, and all may be made.
 */
export const USUAL_DEVICES: readonly DeviceRule[] = [
  { allow: true, type: "c", access: "m" },
  { allow: true, type: "b", access: "m" },
  // null, zero, full, random, urandom; tty, console, ptmx; terminals
  ...[[1, 3], [1, 5], [1, 7], [1, 8], [1, 9], [5, 0], [5, 1], [5, 2], [136]].map(
    ([major, minor]): DeviceRule => ({
      allow: true,
      type: "c",
      major: major!,
      ...(minor !== undefined && { minor }),
      access: "rwm",
    }),
  ),
];

/** What is not seen: of all that the kernel tells, the machine's own affairs. */
export const MASKED_PATHS: readonly string[] = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
];

/** What is not written: of all that the kernel can be told, what concerns the machine. */
export const READONLY_PATHS: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

/** What root may do in a container, as container engines have it: all that does not reach the machine. */
export const CAPABILITIES_OF_ROOT: readonly CapabilityName[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_NET_BIND_SERVICE",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
];

/**
 * The capability sets of a program, of which a list is what the container can have.
 * Root has them all; another user has those that are asked for, which takes that
 * they are inheritable and ambient. Else nothing is.
 */
export function capabilitySets(
  uid: number,
  possible: readonly CapabilityName[],
  asked: readonly CapabilityName[],
): Capabilities {
  if (uid === 0) return { bounding: possible, effective: possible, permitted: possible };
  const own = possible.filter((name) => asked.includes(name));
  return { bounding: possible, effective: own, permitted: own, inheritable: own, ambient: own };
}

const SAFE = ["nosuid", "noexec", "nodev"];
/** The group of terminals, which exists nearly everywhere. */
const TTY_GROUP = "gid=5";

/** On what the mounts depend. */
export interface MountDefaults {
  /** Whether there is a new namespace of a kind. */
  readonly isNew: (kind: NamespaceType) => boolean;
  /** Whether the container is in a user namespace. */
  readonly inUserNamespace: boolean;
  /** Whether group 5 exists there. */
  readonly hasTtyGroup: boolean;
  /** Whether the root is a copy of the machine, whose /run and /tmp stay outside. */
  readonly copy: boolean;
}

/**
 * The mounts of a container.
 *
 * In a user namespace a file system that shows a namespace of the machine can't be
 * made anew: what the machine has is bound then.
 */
export function defaultMounts(
  { isNew, inUserNamespace, hasTtyGroup, copy }: MountDefaults,
): Mount[] {
  const may = (kind: NamespaceType): boolean => isNew(kind) || !inUserNamespace;
  const bound = (path: string, ...options: string[]): Mount => ({
    destination: path,
    type: "bind",
    source: path,
    options: ["rbind", "rprivate", ...options],
  });
  const made = (destination: string, type: string, ...options: string[]): Mount => ({
    destination,
    type,
    source: type,
    options,
  });
  const mounts = [
    may("pid") ? made("/proc", "proc", ...SAFE) : bound("/proc"),
    made("/dev", "tmpfs", "nosuid", "noexec", "mode=755", "size=65536k"),
    made(
      "/dev/pts",
      "devpts",
      "nosuid",
      "noexec",
      "newinstance",
      "ptmxmode=0666",
      "mode=0620",
      ...hasTtyGroup ? [TTY_GROUP] : [],
    ),
    made("/dev/shm", "tmpfs", ...SAFE, "mode=1777"),
    ...may("ipc") ? [made("/dev/mqueue", "mqueue", ...SAFE)] : [],
    may("network") ? made("/sys", "sysfs", ...SAFE, "ro") : bound("/sys", "rro"),
    ...may("network") && may("cgroup")
      ? [made("/sys/fs/cgroup", "cgroup", ...SAFE, "relatime", "ro")]
      : [],
  ];
  if (!copy) return mounts;
  return [
    ...mounts,
    made("/run", "tmpfs", "nosuid", "nodev", "mode=755"),
    made("/tmp", "tmpfs", "nosuid", "nodev", "mode=1777"),
  ];
}
