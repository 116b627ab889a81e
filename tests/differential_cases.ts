/**
 * What cases of several files are made of.
 *
 * @module
 */
import { type Fixture, type Target, words } from "./differential.ts";

/** What there is to execute, in `exec` and in other places that PATH may name. */
export const PROGRAMS: Fixture[] = [
  { path: "exec" },
  { path: "exec/tool", text: "#!/bin/sh\necho tool of exec, $# arguments\n" },
  { path: "exec/plain", text: 'echo plain "$0" "$@"\n' },
  { path: "exec/empty", text: "" },
  { path: "exec/lost", text: "#!/nonexistent/interpreter\n" },
  { path: "exec/garbage", text: "\x7fELF\0\x01\x02\0" },
  { path: "exec/data", text: "not a program\n", mode: 0o644 },
  { path: "exec/loop", link: "loop" },
  { path: "exec/directory" },
  { path: "denied" },
  { path: "denied/tool", text: "#!/bin/sh\necho denied\n", mode: 0o644 },
  { path: "directories" },
  { path: "directories/tool" },
  { path: "locked", mode: 0o700 },
];

/** Prints its id maps. */
export const ID_MAPS: string[] = words(
  "head -v /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups",
);

/** Prints what is mounted on /proc. */
export const PROC_MOUNTS: string[] = ["grep", " /proc ", "/proc/self/mounts"];

/** A static executable, or nothing where there is none. */
export function busybox(): Uint8Array {
  try {
    return Deno.readFileSync("/usr/bin/busybox");
  } catch {
    return new Uint8Array();
  }
}

/** A process that the real unshare(1) starts with these options. */
export function target(options: string, more: Partial<Target> = {}): Target {
  return { unshare: options === "" ? [] : words(options), ...more };
}

/** Started by root, in the caller's user namespace. */
export const ALL: Target = target("-muinpCTf --mount-proc --kill-child");

/** With a name of its own. */
export const UTS: Target = target("-u");

/** With mounts of its own. */
export const MOUNT: Target = target("-m");
