import { generate, headerVersions } from "../scripts/constants.ts";
import { assertEquals, fromFileUrl, join } from "../scripts/std.ts";
import { CAP_LAST_CAP, CAP_SYS_ADMIN } from "../ffi/constants/capability.ts";
import {
  EAGAIN,
  EHWPOISON,
  EINVAL,
  EPERM,
  ERRNO_NAMES,
  ERROR_TEXTS,
} from "../ffi/constants/errno.ts";
import * as fcntl from "../ffi/constants/fcntl.ts";
import { MAP_ANONYMOUS, MAP_PRIVATE, MFD_EXEC } from "../ffi/constants/mman.ts";
import * as mount from "../ffi/constants/mount.ts";
import { NS_GET_USERNS, SIOCGSKNS } from "../ffi/constants/nsfs.ts";
import { PR_SET_NO_NEW_PRIVS } from "../ffi/constants/prctl.ts";
import { RLIM_INFINITY, RLIMIT_NOFILE } from "../ffi/constants/resource.ts";
import * as sched from "../ffi/constants/sched.ts";
import { SA_RESTORER, SIGNALS } from "../ffi/constants/signal.ts";
import { SYSCALLS_AARCH64 } from "../ffi/constants/syscalls_aarch64.ts";
import { SYSCALLS_X86_64 } from "../ffi/constants/syscalls_x86_64.ts";
import { P_PIDFD, WEXITED, WNOHANG } from "../ffi/constants/wait.ts";

const CONSTANTS = fromFileUrl(new URL("../ffi/constants", import.meta.url));

async function readAll(directory: string): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  for await (const { name } of Deno.readDir(directory)) {
    texts[name] = await Deno.readTextFile(join(directory, name));
  }
  return texts;
}

/** Why the files can't be made again here, or nothing. */
async function obstacle(): Promise<string> {
  let versions: string;
  try {
    versions = await headerVersions();
  } catch (error) {
    return `: ${(error as Error).message.split("\n")[0]}`;
  }
  const { "errno.ts": text } = await readAll(CONSTANTS);
  return text?.includes(`headers of ${versions}.`) ? "" : `: the headers here are of ${versions}`;
}

const reason = await obstacle();
Deno.test({
  name: `scripts/constants.ts makes the committed files again${reason}`,
  ignore: reason !== "",
  async fn(): Promise<void> {
    const directory = await Deno.makeTempDir();
    try {
      await generate(directory);
      assertEquals(await readAll(directory), await readAll(CONSTANTS));
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

Deno.test("flags and commands have the values of the manual pages and headers", () => {
  assertEquals(sched.CLONE_NEWTIME, 0x80);
  assertEquals(sched.CLONE_NEWNS, 0x00020000);
  assertEquals(sched.CLONE_NEWUSER, 0x10000000);
  assertEquals(sched.CLONE_IO, 0x80000000);
  assertEquals(mount.MS_BIND | mount.MS_REC, 4096 | 16384);
  assertEquals(mount.MS_NOUSER, 2 ** 31);
  assertEquals(mount.MNT_DETACH, 2);
  assertEquals(mount.FSCONFIG_CMD_CREATE, 6);
  assertEquals(mount.MOUNT_ATTR_IDMAP, 0x100000);
  assertEquals(mount.AT_RECURSIVE, 0x8000);
  assertEquals(fcntl.O_CLOEXEC, 0o2000000);
  assertEquals(fcntl.AT_FDCWD, -100);
  assertEquals(fcntl.AT_EMPTY_PATH, 0x1000);
  assertEquals(fcntl.RESOLVE_IN_ROOT, 0x10);
  assertEquals(MAP_PRIVATE | MAP_ANONYMOUS, 0x22);
  assertEquals(MFD_EXEC, 0x10);
  assertEquals(SA_RESTORER, 0x04000000);
  assertEquals([WNOHANG, WEXITED, P_PIDFD], [1, 4, 3]);
  assertEquals(PR_SET_NO_NEW_PRIVS, 38);
  assertEquals([CAP_SYS_ADMIN, CAP_LAST_CAP], [21, 40]);
  assertEquals([NS_GET_USERNS, SIOCGSKNS], [0xb701, 0x894c]);
  assertEquals([RLIMIT_NOFILE, RLIM_INFINITY], [7, 2n ** 64n - 1n]);
});

Deno.test("flags that differ by architecture have the values of both", () => {
  assertEquals(fcntl.O_DIRECTORY, { x86_64: 0o200000, aarch64: 0o40000 });
  assertEquals(fcntl.O_NOFOLLOW, { x86_64: 0o400000, aarch64: 0o100000 });
});

Deno.test("system calls have the numbers of their architecture and the same names", () => {
  const { openat, clone, execve, pidfd_open } = SYSCALLS_X86_64;
  assertEquals([openat, clone, execve, pidfd_open], [257, 56, 59, 434]);
  const other = SYSCALLS_AARCH64;
  assertEquals([other.openat, other.clone, other.execve, other.pidfd_open], [56, 220, 221, 434]);
  assertEquals(
    Object.keys(SYSCALLS_AARCH64).sort(),
    Object.keys(SYSCALLS_X86_64).sort(),
  );
  assertEquals("open" in SYSCALLS_X86_64, false);
});

Deno.test("an error number has one name and glibc's text", () => {
  const names = ERRNO_NAMES.filter((name) => name !== "");
  assertEquals(new Set(names).size, names.length);
  assertEquals([EPERM, EAGAIN, EHWPOISON], [1, 11, 133]);
  assertEquals([EPERM, EAGAIN, EHWPOISON].map((errno) => ERRNO_NAMES[errno]), [
    "EPERM",
    "EAGAIN",
    "EHWPOISON",
  ]);
  assertEquals([ERRNO_NAMES.length, ERROR_TEXTS.length], [134, 134]);
  assertEquals(ERROR_TEXTS[0], "Success");
  assertEquals(ERROR_TEXTS[EINVAL], "Invalid argument");
  assertEquals(ERROR_TEXTS[41], "Unknown error 41");
});

Deno.test("a standard signal has one name, from SIGHUP to SIGSYS", () => {
  assertEquals(
    Object.values(SIGNALS),
    Array.from({ length: 31 }, (_, index) => index + 1),
  );
  assertEquals([SIGNALS.SIGKILL, SIGNALS.SIGCHLD], [9, 17]);
});
