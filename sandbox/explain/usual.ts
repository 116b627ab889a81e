/**
 * Why a system call is made, where its plan does not say.
 *
 * @module
 */

/** The usual reason of each call that has one. */
const REASONS: Readonly<Record<string, string>> = {
  chdir: "what paths start from",
  close: "it is needed no more",
  dup3: "under this number it is looked for",
  exit_group: "the work is done",
  fchdir: "what paths start from",
  fcntl: "what is done with this descriptor",
  getpid: "this process",
  ioctl: "what the device is told",
  mkdirat: "a place for what is put there",
  mount_setattr: "what may be done with the mount",
  openat: "the file, whatever its path means later",
  openat2: "the file, whose path must not lead out",
  pipe2: "for one process to tell another one",
  prctl: "a trait of the process",
  signalfd4: "signals are taken one by one",
  statx: "what file it is",
  symlinkat: "a name that programs look for",
  wait4: "go on when it has ended",
};

/** Why a call is made, as a rule. */
export function usualReason(call: string): string | null {
  return REASONS[call] ?? null;
}
