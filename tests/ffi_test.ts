import { errno, errnoNow, raw } from "../ffi/libc.ts";
import * as denspace from "../mod.ts";
import { beside, inChild, inDirectory, isRoot, outputOf, rootTest } from "./child.ts";
import {
  assertEquals,
  assertMatch,
  assertStringIncludes,
  assertThrows,
  join,
} from "../scripts/std.ts";

const {
  AT_SYMLINK_NOFOLLOW,
  close,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  memfdCreate,
  mmap,
  mount,
  MS_BIND,
  MS_NOUSER,
  munmap,
  O_CLOEXEC,
  O_CREAT,
  O_RDONLY,
  O_WRONLY,
  open,
  P_PID,
  pipe2,
  prctl,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  read,
  readFile,
  readlink,
  SIG_IGN,
  statx,
  SyscallError,
  umount,
  waitid,
  WEXITED,
  WNOHANG,
  WNOWAIT,
  write,
  writeFile,
} = denspace;

/** More than a page on every architecture. */
const PAGE = 0x10000;
const ANONYMOUS = MAP_PRIVATE | MAP_ANONYMOUS;

function text(path: string): string {
  return new TextDecoder().decode(readFile(path));
}

// errors

Deno.test("a failed call throws a SyscallError that says what, where and why", () => {
  const error = assertThrows(() => denspace.chdir("/no/where"), SyscallError);
  assertEquals(error.name, "SyscallError");
  assertEquals(error.message, "chdir /no/where: No such file or directory");
  assertEquals([error.syscall, error.errno, error.code], ["chdir", 2, "ENOENT"]);
  assertEquals(error.path, "/no/where");
});

type Failure = [what: string, call: () => unknown, syscall: string, code: string, path?: string];
const failures: Failure[] = [
  ["unshare of no namespace", () => denspace.unshare(0x800000), "unshare", "EINVAL"],
  ["setns to a closed descriptor", () => denspace.setns(-1, 0), "setns", "EBADF"],
  [
    "mount with flags that are negative",
    () => mount(null, "/no", null, MS_BIND | MS_NOUSER, null),
    "mount",
    "ENOENT",
    "/no",
  ],
  ["umount of a missing path", () => umount("/no", 0), "umount2", "ENOENT", "/no"],
  [
    "sethostname of 65 bytes",
    () => denspace.sethostname("x".repeat(65)),
    "sethostname",
    isRoot ? "EINVAL" : "EPERM",
  ],
  [
    "setdomainname of 65 bytes",
    () => denspace.setdomainname("x".repeat(65)),
    "setdomainname",
    isRoot ? "EINVAL" : "EPERM",
  ],
  ["chroot to a missing path", () => denspace.chroot("/no"), "chroot", "ENOENT", "/no"],
  ["fchdir to a closed descriptor", () => denspace.fchdir(-1), "fchdir", "EBADF"],
  ["read of a closed descriptor", () => read(-1, new Uint8Array(1)), "read", "EBADF"],
  ["write to a closed descriptor", () => write(-1, "x"), "write", "EBADF"],
  ["close of a closed descriptor", () => close(-1), "close", "EBADF"],
  ["dup3 to itself", () => denspace.dup3(0, 0, 0), "dup3", "EINVAL"],
  ["pipe2 with unknown flags", () => pipe2(-1), "pipe2", "EINVAL"],
  ["unlink of a missing path", () => denspace.unlink("/no"), "unlink", "ENOENT", "/no"],
  ["readlink of a directory", () => readlink("/"), "readlink", "EINVAL", "/"],
  ["execve of a missing path", () => denspace.execve("/no", [], []), "execve", "ENOENT", "/no"],
  ["open of a missing path", () => open("/no", O_RDONLY), "open", "ENOENT", "/no"],
  ["readFile of a missing path", () => readFile("/no"), "open", "ENOENT", "/no"],
  ["readFile of a directory", () => readFile("/proc"), "read", "EISDIR", "/proc"],
  ["writeFile to a missing path", () => writeFile("/no", ""), "open", "ENOENT", "/no"],
  ["mmap of nothing", () => mmap(0, PROT_NONE, ANONYMOUS), "mmap", "EINVAL"],
  ["mmap of a closed descriptor", () => mmap(PAGE, PROT_READ, MAP_PRIVATE), "mmap", "EBADF"],
  [
    "memfdCreate with a name of 250 bytes",
    () => memfdCreate("x".repeat(250), 0),
    "memfd_create",
    "EINVAL",
  ],
  ["prctl of an unknown operation", () => prctl(-1), "prctl", "EINVAL"],
  ["prlimit of an unknown resource", () => denspace.prlimit(0, -1), "prlimit", "EINVAL"],
  ["kill of a missing process", () => denspace.kill(2 ** 30, "SIGTERM"), "kill", "ESRCH"],
  ["signal of SIGKILL", () => denspace.signal("SIGKILL", SIG_IGN), "sigaction", "EINVAL"],
  ["sigmask in an unknown way", () => denspace.sigmask(9, 0n), "sigprocmask", "EINVAL"],
  ["waitid for a stranger", () => waitid(P_PID, 2 ** 30, WEXITED), "waitid", "ECHILD"],
  ["statx of a missing path", () => statx("/no"), "statx", "ENOENT", "/no"],
  ["fstat of a closed descriptor", () => denspace.fstat(-1), "statx", "EBADF"],
  ["fcntl of a closed descriptor", () => denspace.fcntl(-1, 1), "fcntl", "EBADF"],
  ["ioctl of a closed descriptor", () => denspace.ioctl(-1, 0), "ioctl", "EBADF"],
  [
    "capget of a missing process",
    () => denspace.capget(2 ** 30),
    "capget",
    "ESRCH",
  ],
  ["pidfdOpen of a missing process", () => denspace.pidfdOpen(2 ** 30), "pidfd_open", "ESRCH"],
  [
    "pidfdSendSignal to a closed descriptor",
    () => denspace.pidfdSendSignal(-1, "SIGTERM"),
    "pidfd_send_signal",
    "EBADF",
  ],
  ["pidfdGetfd of a closed descriptor", () => denspace.pidfdGetfd(-1, 0), "pidfd_getfd", "EBADF"],
  ["closeRange in the wrong order", () => denspace.closeRange(9, 3), "close_range", "EINVAL"],
  ...(isRoot
    ? [
      ["pivotRoot to a missing path", () => pivot("/no"), "pivot_root", "ENOENT", "/no"],
      ["fsopen of an unknown type", () => denspace.fsopen("no", 0), "fsopen", "ENODEV", "no"],
      [
        "fspick of a missing path",
        () => denspace.fspick(null, "/no", 0),
        "fspick",
        "ENOENT",
        "/no",
      ],
    ] as Failure[]
    : []),
  ["fsconfig of a closed descriptor", () => denspace.fsconfig(2 ** 30, 6), "fsconfig", "EBADF"],
  [
    "openTree of a missing path",
    () => denspace.openTree(null, "/no", 0),
    "open_tree",
    "ENOENT",
    "/no",
  ],
  [
    "mountSetattr of a missing path",
    () => denspace.mountSetattr(null, "/no", 0, { set: denspace.MOUNT_ATTR_RDONLY }),
    "mount_setattr",
    isRoot ? "ENOENT" : "EPERM",
    "/no",
  ],
];
function pivot(path: string): void {
  denspace.pivotRoot(path, path);
}

for (const [what, call, syscall, code, path] of failures) {
  Deno.test(`${what} fails with ${code}`, () => {
    const error = assertThrows(call, SyscallError);
    assertEquals([error.syscall, error.code, error.path], [syscall, code, path]);
  });
}

const anything = null as never;
const refused: [what: string, call: () => unknown, error: ErrorConstructor][] = [
  ["a fraction as flags", () => denspace.unshare(1.5), TypeError],
  ["flags of 33 bits", () => denspace.unshare(2 ** 32), RangeError],
  ["a descriptor of 32 bits", () => denspace.setns(2 ** 31, 0), RangeError],
  ["text as a descriptor", () => close("1" as never), TypeError],
  ["null as a path", () => denspace.chroot(anything), TypeError],
  ["NUL in a path", () => open("/proc\0/self", O_RDONLY), TypeError],
  ["NUL in a name", () => denspace.sethostname("a\0b"), TypeError],
  ["NUL in mount data", () => mount(null, "/no", null, 0, "a\0b"), TypeError],
  ["undefined as a mount source", () => mount(undefined!, "/no", null, 0, null), TypeError],
  ["mount flags of 33 bits", () => mount(null, "/no", null, 2 ** 32, null), RangeError],
  ["NUL in an argument", () => denspace.execve("/no", ["a\0"], []), TypeError],
  ["a negative mode", () => open("/no", O_RDONLY, -1), RangeError],
  ["a negative length", () => mmap(-1, PROT_NONE, ANONYMOUS), RangeError],
  ["a fraction as a length", () => mmap(1.5, PROT_NONE, ANONYMOUS), TypeError],
  ["a negative offset", () => mmap(1, PROT_NONE, ANONYMOUS, -1, -1), RangeError],
  ["null as an address", () => munmap(anything, -1), RangeError],
  ["an argument of 65 bits", () => prctl(0, 2n ** 64n), RangeError],
  ["a negative argument", () => prctl(0, -1), RangeError],
  ["a negative bigint argument", () => prctl(0, 0, -1n), RangeError],
  ["a limit of 65 bits", () => limitFiles({ soft: 2n ** 64n, hard: 0n }), RangeError],
  ["a limit that is a number", () => limitFiles({ soft: 1 as never, hard: 0n }), TypeError],
  ["an unknown signal name", () => denspace.kill(0, "SIGNOPE" as never), TypeError],
  ["a name that all objects have", () => denspace.kill(0, "toString" as never), TypeError],
  ["a handler", () => denspace.signal("SIGUSR1", 2), RangeError],
  ["a signal set of 65 bits", () => denspace.sigmask(0, 2n ** 64n), RangeError],
  ["a signal set that is a number", () => denspace.sigmask(0, 1 as never), TypeError],
  ["a negative process id", () => waitid(P_PID, -1, WEXITED), RangeError],
  ["a capability set of 65 bits", () => limitCapabilities(2n ** 64n), RangeError],
  ["an unknown capability", () => denspace.capabilitySet(["CAP_NOPE" as never]), TypeError],
  ["text as a file system's descriptor", () => denspace.fsmount("1" as never, 0, 0), TypeError],
  ["NUL in a parameter of a file system", () => denspace.fsconfig(0, 1, "a\0"), TypeError],
  ["undefined as a directory", () => denspace.openTree(undefined!, "/", 0), TypeError],
];
for (const [what, call, error] of refused) {
  Deno.test(`${what} is refused with a ${error.name} before the call`, () => {
    assertThrows(call, error);
  });
}

function limitFiles(limit: denspace.Limit): denspace.Limit {
  return denspace.prlimit(0, denspace.RLIMIT_NOFILE, limit);
}

function limitCapabilities(effective: bigint): void {
  denspace.capset({ ...denspace.capget(), effective });
}

// sched.h, mount.h

rootTest("unshare moves the thread into a UTS namespace that can be named", async () => {
  const before = denspace.gethostname();
  const names = await inChild((api) => {
    api.unshare(api.CLONE_NEWUTS);
    api.sethostname("inside");
    api.setdomainname("example.org");
    return [
      api.gethostname(),
      new TextDecoder().decode(api.readFile("/proc/sys/kernel/domainname")),
    ];
  });
  assertEquals(names, ["inside", "example.org\n"]);
  assertEquals(denspace.gethostname(), before);
});

rootTest("setns enters a namespace of the right kind only", async () => {
  const [before, code, after] = await inChild((api) => {
    const before = api.gethostname();
    const fd = api.open("/proc/thread-self/ns/uts", api.O_RDONLY | api.O_CLOEXEC);
    api.unshare(api.CLONE_NEWUTS);
    api.sethostname("inside");
    let code = "none";
    try {
      api.setns(fd, api.CLONE_NEWNET);
    } catch (error) {
      if (error instanceof api.SyscallError) code = error.code;
    }
    api.setns(fd, api.CLONE_NEWUTS);
    return [before, code, api.gethostname()];
  });
  assertEquals([code, after], ["EINVAL", before]);
});

rootTest("mount and umount change the mount namespace of the thread", async () => {
  await inDirectory(async (directory) => {
    const [mounted, unmounted] = await inChild((api, directory) => {
      const mounts = () =>
        new TextDecoder().decode(api.readFile("/proc/thread-self/mountinfo"))
          .split("\n").filter((line) => line.split(" ")[4] === directory);
      api.unshare(api.CLONE_NEWNS);
      api.mount(null, "/", null, api.MS_REC | api.MS_PRIVATE, null);
      api.mount("word", directory, "tmpfs", api.MS_NOSUID, "size=1m");
      const mounted = mounts();
      api.umount(directory, api.MNT_DETACH);
      return [mounted, mounts()];
    }, directory);
    assertEquals([mounted?.length, unmounted?.length], [1, 0]);
    assertMatch(mounted![0]!, / rw,nosuid,.* - tmpfs word rw,size=1024k/);
  });
});

rootTest(
  "a file system is configured, mounted, copied, changed and moved by descriptor",
  async () => {
    await inDirectory(async (directory) => {
      const found = await inChild((api, directory) => {
        const mounts = (path: string) =>
          new TextDecoder().decode(api.readFile("/proc/thread-self/mountinfo"))
            .split("\n").filter((line) => line.split(" ")[4] === path)
            .map((line) => line.replace(/^.* (rw|ro)/, "$1"));
        api.unshare(api.CLONE_NEWNS);
        api.mount(null, "/", null, api.MS_REC | api.MS_PRIVATE, null);
        const fs = api.fsopen("tmpfs", api.FSOPEN_CLOEXEC);
        api.fsconfig(fs, api.FSCONFIG_SET_STRING, "size", "1m");
        api.fsconfig(fs, api.FSCONFIG_SET_STRING, "source", "word");
        api.fsconfig(fs, api.FSCONFIG_CMD_CREATE);
        const made = api.fsmount(fs, api.FSMOUNT_CLOEXEC, api.MOUNT_ATTR_NODEV);
        const copy = api.openTree(made, "", api.OPEN_TREE_CLOEXEC | api.AT_EMPTY_PATH);
        api.moveMount(copy, "", null, directory, api.MOVE_MOUNT_F_EMPTY_PATH);
        const first = mounts(directory);
        api.mountSetattr(null, directory, api.AT_RECURSIVE, {
          set: api.MOUNT_ATTR_NOSUID | api.MOUNT_ATTR_RDONLY,
          clear: api.MOUNT_ATTR_NODEV,
        });
        const second = mounts(directory);
        const again = api.fspick(null, directory, api.FSPICK_CLOEXEC);
        api.fsconfig(again, api.FSCONFIG_SET_STRING, "size", "2m");
        api.fsconfig(again, api.FSCONFIG_CMD_RECONFIGURE);
        return [first, second, mounts(directory)];
      }, directory);
      assertEquals(found.map((lines) => lines.length), [1, 1, 1]);
      const [first, second, third] = found.map((lines) => lines[0]!);
      assertMatch(first!, /^rw,.*size=1024k/);
      assertMatch(second!, /size=1024k/);
      assertMatch(third!, /size=2048k/);
    });
  },
);

rootTest("pivotRoot makes a mount the root, and the old root can go", async () => {
  await inDirectory(async (directory) => {
    const seen = await inChild((api, directory) => {
      api.unshare(api.CLONE_NEWNS);
      api.mount(null, "/", null, api.MS_REC | api.MS_PRIVATE, null);
      api.mount("root", directory, "tmpfs", 0, null);
      api.chdir(directory);
      api.close(api.open("inside", api.O_WRONLY | api.O_CREAT));
      api.pivotRoot(".", ".");
      api.umount(".", api.MNT_DETACH);
      return api.statx("/inside").size === 0n && api.statx("/").ino === api.statx("..").ino;
    }, directory);
    assertEquals(seen, true);
  });
});

// capability.h, pidfd.h, ioctl.h

Deno.test("capset gives up capabilities of the thread, which capget shows", async () => {
  const [before, after, shown] = await inChild((api) => {
    const kill = api.capabilitySet(["CAP_KILL"]);
    const { effective, permitted, inheritable } = api.capget();
    api.capset({ effective: effective & ~kill, permitted, inheritable });
    const status = new TextDecoder().decode(api.readFile("/proc/thread-self/status"));
    return [effective, api.capget().effective, BigInt(`0x${/^CapEff:\t(.*)/m.exec(status)![1]}`)]
      .map(String);
  });
  assertEquals(BigInt(after!), BigInt(before!) & ~(1n << 5n));
  assertEquals(shown, after);
});

Deno.test("a pidfd sends signals, and gives access to descriptors", async () => {
  await beside(["sleep", "60"], (pid) => {
    const pidfd = denspace.pidfdOpen(pid);
    const own = denspace.pidfdOpen(denspace.getpid());
    const copy = denspace.pidfdGetfd(own, 1);
    assertEquals(denspace.fstat(copy), denspace.fstat(1));
    assertEquals(denspace.fcntl(copy, denspace.F_GETFD), denspace.FD_CLOEXEC);
    denspace.pidfdSendSignal(pidfd, "SIGTERM");
    assertEquals(waitid(denspace.P_PIDFD, pidfd, WEXITED | WNOWAIT)?.code, "killed");
    for (const fd of [pidfd, own, copy]) close(fd);
  });
});

Deno.test("ioctl asks a namespace what it is", () => {
  const fd = open("/proc/thread-self/ns/user", O_RDONLY | O_CLOEXEC);
  assertEquals(denspace.ioctl(fd, denspace.NS_GET_NSTYPE), denspace.CLONE_NEWUSER);
  const uid = new Uint32Array(1);
  denspace.ioctl(fd, denspace.NS_GET_OWNER_UID, new Uint8Array(uid.buffer));
  assertEquals(uid[0], 0);
  close(fd);
});

Deno.test("closeRange has descriptors closed when a program is executed", () => {
  const [reader, writer] = pipe2(0);
  const top = denspace.fcntl(reader, denspace.F_DUPFD_CLOEXEC, 950);
  denspace.fcntl(top, denspace.F_SETFD, 0);
  denspace.closeRange(top, top, denspace.CLOSE_RANGE_CLOEXEC);
  assertEquals(denspace.fcntl(top, denspace.F_GETFD), denspace.FD_CLOEXEC);
  denspace.closeRange(top, top);
  assertThrows(() => denspace.fcntl(top, denspace.F_GETFD), SyscallError);
  close(reader);
  close(writer);
});

// unistd.h

Deno.test("the ids and the name are those that Deno has", () => {
  assertEquals(
    [denspace.getpid(), denspace.getppid(), denspace.gethostname()],
    [Deno.pid, Deno.ppid, Deno.hostname()],
  );
  const ids = (name: string) =>
    new RegExp(`^${name}:\t(\\d+)\t(\\d+)`, "m").exec(text("/proc/self/status"))!
      .slice(1).map(Number);
  assertEquals([denspace.getuid(), denspace.geteuid()], ids("Uid"));
  assertEquals([denspace.getgid(), denspace.getegid()], ids("Gid"));
});

rootTest("chroot makes a directory the root", async () => {
  const [uptime, cwd] = await inChild((api) => {
    api.chroot("/proc");
    api.chdir("/");
    return [api.readFile("/uptime").length, api.statx(".").ino === api.statx("/").ino];
  });
  assertEquals([Number(uptime) > 0, cwd], [true, true]);
});

Deno.test("chdir and fchdir change the working directory", async () => {
  const [before, there, after] = await inChild((api) => {
    const cwd = () => api.readlink("/proc/self/cwd");
    const before = cwd();
    const fd = api.open(".", api.O_RDONLY | api.O_CLOEXEC);
    api.chdir("/proc");
    const there = cwd();
    api.fchdir(fd);
    return [before, there, cwd()];
  });
  assertEquals(there, "/proc");
  assertEquals(after, before);
});

Deno.test("what is written into a pipe is read from it, up to its end", () => {
  const [reader, writer] = pipe2(O_CLOEXEC);
  assertEquals(write(writer, "h\u00e9\udcff"), 4);
  assertEquals(write(writer, new Uint8Array([0, 1, 2, 3]).subarray(1, 3)), 2);
  assertEquals(write(writer, ""), 0);
  close(writer);
  const buffer = new Uint8Array(16);
  assertEquals(read(reader, buffer.subarray(2, 8)), 6);
  assertEquals([...buffer.subarray(0, 9)], [0, 0, 0x68, 0xc3, 0xa9, 0xff, 1, 2, 0]);
  assertEquals(read(reader, buffer), 0);
  close(reader);
});

Deno.test("dup3 and pipe2 make descriptors close-on-exec when asked to", () => {
  const closesOnExec = (fd: number) => {
    const flags = /flags:\t(\d+)/.exec(text(`/proc/self/fdinfo/${fd}`))![1]!;
    return (parseInt(flags, 8) & O_CLOEXEC) !== 0;
  };
  const [reader, writer] = pipe2(0);
  assertEquals(denspace.dup3(reader, 901, O_CLOEXEC), 901);
  assertEquals([reader, writer, 901].map(closesOnExec), [false, false, true]);
  assertEquals(readlink("/proc/self/fd/901"), readlink(`/proc/self/fd/${reader}`));
  [reader, writer, 901].forEach(close);
});

Deno.test("readlink gives links of any length whole", async () => {
  await inDirectory(async (directory) => {
    for (const length of [1, 255, 256, 257, 4000]) {
      const link = join(directory, `${length}`);
      await Deno.symlink("x".repeat(length), link);
      assertEquals(readlink(link), "x".repeat(length));
    }
  });
});

Deno.test("a path that is not UTF-8 is kept", async () => {
  await inDirectory((directory) => {
    const path = `${directory}/caf\udce9`;
    const fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC);
    assertEquals(readlink(`/proc/self/fd/${fd}`), path);
    close(fd);
    const { stdout } = new Deno.Command("ls", { args: [directory] }).outputSync();
    assertEquals([...stdout], [0x63, 0x61, 0x66, 0xe9, 0x0a]);
    denspace.unlink(path);
    assertEquals([...Deno.readDirSync(directory)], []);
  });
});

Deno.test("execve keeps the pid and passes on argv and envp as bytes", async () => {
  const output = await outputOf((api) => {
    api.write(1, `${api.getpid()} `);
    const script = 'echo "$$ $0 $X"; printf %s "$1" | od -An -tx1';
    api.execve("/bin/sh", ["-sh", "-c", script, "zero", "\udcff"], [
      "X=y",
      "PATH=/usr/bin:/bin",
    ]);
  });
  assertMatch(output, /^(\d+) \1 zero y\n ff\n$/);
});

// fcntl.h, files

Deno.test("open makes a file with the mode that the umask leaves", async () => {
  await inDirectory((directory) => {
    const umask = Deno.umask(0o027);
    try {
      const made = (name: string, mode?: number) => {
        const path = join(directory, name);
        close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode));
        return statx(path).mode;
      };
      assertEquals([made("a"), made("b", 0o777)], [0o100640, 0o100750]);
    } finally {
      Deno.umask(umask);
    }
  });
});

Deno.test("readFile reads files of any size, and those whose size is 0", async () => {
  await inDirectory(async (directory) => {
    for (const size of [0, 1, 0x4000, 200_001]) {
      const bytes = Uint8Array.from({ length: size }, (_, i) => i * 7);
      const path = join(directory, `${size}`);
      await Deno.writeFile(path, bytes);
      assertEquals(readFile(path), bytes);
    }
  });
  assertEquals(statx("/proc/self/status").size, 0n);
  assertStringIncludes(text("/proc/self/status"), `Pid:\t${Deno.pid}\n`);
});

Deno.test("readFile and writeFile leave no descriptor open, whether they fail or not", async () => {
  const [before, after] = await inChild((api) => {
    const next = () => {
      const fd = api.open("/", api.O_RDONLY | api.O_CLOEXEC);
      api.close(fd);
      return fd;
    };
    const before = next();
    api.readFile("/proc/uptime");
    api.writeFile("/dev/null", "x");
    for (
      const fail of [
        () => api.readFile("/proc"),
        () => api.writeFile("/proc/self/oom_score_adj", "x"),
      ]
    ) {
      try {
        fail();
      } catch {
        continue;
      }
      throw new Error("it did not fail");
    }
    return [before, next()];
  });
  assertEquals(after, before);
});

Deno.test("writeFile writes over a file and does not truncate it", async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, "file");
    await Deno.writeTextFile(path, "0123456789");
    writeFile(path, "abc");
    writeFile(path, new Uint8Array());
    assertEquals(text(path), "abc3456789");
  });
});

// mman.h

Deno.test("mapped memory is used, protected and given back", () => {
  const address = mmap(2 * PAGE, PROT_READ | PROT_WRITE, ANONYMOUS);
  const start = Deno.UnsafePointer.value(address).toString(16);
  const permissions = () =>
    new RegExp(`^0*${start}-\\S+ (\\S+)`, "m").exec(text("/proc/self/maps"))?.[1];
  const bytes = new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(address, 2 * PAGE));
  bytes[PAGE] = 7;
  assertEquals([bytes[0], bytes[PAGE]], [0, 7]);
  denspace.mprotect(address, PAGE, PROT_READ);
  assertEquals(permissions(), "r--p");
  munmap(address, PAGE);
  assertEquals(permissions(), undefined);
  assertEquals(bytes[PAGE], 7);
  const second = Deno.UnsafePointer.offset(address, PAGE)!;
  const error = assertThrows(() => munmap(Deno.UnsafePointer.offset(second, 1)!, 1), SyscallError);
  assertEquals([error.syscall, error.code], ["munmap", "EINVAL"]);
  munmap(second, PAGE);
});

Deno.test("a file in memory has a name and is mapped from an offset on", () => {
  const fd = memfdCreate("note", denspace.MFD_CLOEXEC);
  assertEquals(readlink(`/proc/self/fd/${fd}`), "/memfd:note (deleted)");
  write(fd, new Uint8Array(PAGE));
  write(fd, "hello");
  const address = mmap(PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
  close(fd);
  assertEquals(new Deno.UnsafePointerView(address).getCString(), "hello");
  munmap(address, PAGE);
});

// prctl.h, resource.h

Deno.test("prctl takes numbers, bigints and addresses", async () => {
  const names = await inChild((api) => {
    const buffer = new TextEncoder().encode("renamed\0........");
    const address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer));
    api.prctl(api.PR_SET_NAME, address);
    const comm = new TextDecoder().decode(api.readFile("/proc/thread-self/comm"));
    buffer.fill(0);
    api.prctl(api.PR_GET_NAME, address);
    return [comm, new TextDecoder().decode(buffer.subarray(0, 8))];
  });
  assertEquals(names, ["renamed\n", "renamed\0"]);
  assertEquals(prctl(denspace.PR_GET_DUMPABLE), 1);
});

Deno.test("prlimit changes a limit of another process and returns the old one", async () => {
  await beside(["sleep", "60"], (pid) => {
    const old = denspace.prlimit(pid, denspace.RLIMIT_NOFILE);
    assertEquals(old, denspace.prlimit(0, denspace.RLIMIT_NOFILE));
    const limit = { soft: 10n, hard: 20n };
    assertEquals(denspace.prlimit(pid, denspace.RLIMIT_NOFILE, limit), old);
    assertEquals(denspace.prlimit(pid, denspace.RLIMIT_NOFILE), limit);
    assertMatch(text(`/proc/${pid}/limits`), /^Max open files +10 +20 /m);
  });
});

Deno.test("a resource without a limit has RLIM_INFINITY", () => {
  const { hard } = denspace.prlimit(0, denspace.RLIMIT_CPU);
  const [, shown] = /^Max cpu time +\S+ +(\S+)/m.exec(text("/proc/self/limits"))!;
  assertEquals(hard === denspace.RLIM_INFINITY ? "unlimited" : `${hard}`, shown);
});

// signal.h

Deno.test("signal ignores a signal and gives it its default back", async () => {
  const ignored = await inChild((api) => {
    const state = () => {
      const status = new TextDecoder().decode(api.readFile("/proc/self/status"));
      const [, mask] = /^SigIgn:\t(.*)/m.exec(status)!;
      return (BigInt(`0x${mask}`) >> BigInt(api.SIGNALS.SIGUSR2 - 1) & 1n) === 1n;
    };
    const before = state();
    api.signal("SIGUSR2", api.SIG_IGN);
    api.kill(api.getpid(), "SIGUSR2");
    const after = state();
    api.signal(api.SIGNALS.SIGUSR2, api.SIG_DFL);
    return [before, after, state()];
  });
  assertEquals(ignored, [false, true, false]);
});

Deno.test("sigmask blocks signals of the thread and returns those that were", async () => {
  const masks = await inChild((api) => {
    const shown = () => {
      const status = new TextDecoder().decode(api.readFile("/proc/thread-self/status"));
      return `${BigInt(`0x${/^SigBlk:\t(.*)/m.exec(status)![1]}`)}`;
    };
    const term = 1n << BigInt(api.SIGNALS.SIGTERM - 1);
    const last = 1n << 63n;
    const old = api.sigmask(api.SIG_SETMASK, term | last);
    const set = shown();
    api.sigmask(api.SIG_UNBLOCK, last);
    const rest = shown();
    const asked = `${api.sigmask(api.SIG_BLOCK, null)}`;
    api.sigmask(api.SIG_SETMASK, old);
    return [`${old}`, set, rest, asked, shown()];
  });
  const term = 1n << 14n;
  assertEquals(masks, ["0", `${term | 1n << 63n}`, `${term}`, `${term}`, "0"]);
});

// wait.h

Deno.test("waitid tells how a child stopped, went on and was killed", async () => {
  await beside(["sleep", "60"], (pid) => {
    const wait = (options: number) => waitid(P_PID, pid, options);
    assertEquals(wait(WEXITED | WNOHANG | WNOWAIT), null);
    denspace.kill(pid, "SIGSTOP");
    const uid = denspace.getuid();
    assertEquals(wait(denspace.WSTOPPED), { pid, uid, code: "stopped", status: 19 });
    denspace.kill(pid, denspace.SIGNALS.SIGCONT);
    assertEquals(wait(denspace.WCONTINUED), { pid, uid, code: "continued", status: 18 });
    denspace.kill(pid, "SIGTERM");
    assertEquals(wait(WEXITED | WNOWAIT), { pid, uid, code: "killed", status: 15 });
  });
});

Deno.test("waitid waits through a signal and tells the exit status", async () => {
  const [own, result] = await inChild((api) => {
    // A handler without SA_RESTART: any function of the C library that takes
    // nothing will do.
    const libc = Deno.dlopen("libc.so.6", {
      getpid: { type: "pointer" },
      sigaction: { parameters: ["i32", "buffer", "pointer"], result: "i32" },
    });
    const action = new BigUint64Array(152 / 8);
    action[0] = Deno.UnsafePointer.value(libc.symbols.getpid as Deno.PointerObject);
    libc.symbols.sigaction(api.SIGNALS.SIGUSR1, action, null);
    const script = "sleep 0.2; kill -USR1 $PPID; sleep 0.2; exit 7";
    const { pid } = new Deno.Command("sh", { args: ["-c", script] }).spawn();
    const result = api.waitid(api.P_PID, pid, api.WEXITED | api.WNOWAIT);
    return [result?.pid === pid, result];
  });
  const { code, status } = result as denspace.WaitResult;
  assertEquals([own, code, status], [true, "exited", 7]);
});

// stat.h

Deno.test("statx tells what stat(2) tells", async () => {
  await inDirectory(async (directory) => {
    const file = join(directory, "file");
    await Deno.writeTextFile(file, "hello", { mode: 0o640 });
    for (const path of [file, "/", "/proc/self/ns/uts", "/dev/null"]) {
      const { dev, ino, mode, uid, gid, size } = await Deno.stat(path);
      const found = statx(path);
      assertEquals([found.dev, found.ino, found.size], [BigInt(dev), BigInt(ino!), BigInt(size)]);
      assertEquals([found.mode, found.uid, found.gid], [mode, uid, gid]);
    }
  });
  assertEquals(statx("/dev/null").rdev, 0x103n);
  assertEquals(statx("/").rdev, 0n);
});

Deno.test("major and minor take a device's number apart, however large it is", () => {
  const { major, minor } = denspace;
  assertEquals([major(0x103n), minor(0x103n)], [1, 3]);
  // makedev(0x12345678, 0x9abcdef0)
  assertEquals([major(0x12345_9abcde_678_f0n), minor(0x12345_9abcde_678_f0n)], [
    0x12345678,
    0x9abcdef0,
  ]);
});

Deno.test("statx follows a symbolic link unless it is told not to", () => {
  const type = (flags?: number) => statx("/proc/self", flags).mode & 0o170000;
  assertEquals([type(), type(AT_SYMLINK_NOFOLLOW)], [0o040000, 0o120000]);
});

Deno.test("errno is what the last call has left, whatever else sets it before it is looked at", () => {
  const EBADF = 9;
  assertEquals(raw("close", -1), -1);
  errnoNow[0] = 0;
  assertEquals(errno(), EBADF);
});
