/** Namespaces as values, and this process in them. */
import * as denspace from "../mod.ts";
import { show } from "../sandbox/spawn/values.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "../scripts/std.ts";
import { beside, inChild, inDirectory, rootTest } from "./child.ts";
import { comm, until } from "./processes.ts";

const { close, namespacesOf, openNamespace, SyscallError } = denspace;

Deno.test("a namespace is the same by path, process, pidfd and descriptor", async () => {
  await beside(["sleep", "60"], (pid) => {
    const pidfd = denspace.pidfdOpen(pid);
    using byPath = openNamespace({ path: "/proc/self/ns/net" });
    using byPid = openNamespace({ pid, type: "net" });
    using byPidfd = openNamespace({ pidfd, type: "net" });
    using byFd = openNamespace({ fd: byPath.fd });
    for (const each of [byPid, byPidfd, byFd]) {
      assertEquals([each.type, each.id, each.equals(byPath)], ["net", byPath.id, true]);
    }
    assertEquals(denspace.readlink("/proc/self/ns/net"), `net:[${byPath.id}]`);
    using other = openNamespace({ pid, type: "uts" });
    assertEquals([other.type, other.equals(byPath)], ["uts", false]);
    close(pidfd);
  });
});

Deno.test("the namespaces of a process are all kinds that there are, and end together", () => {
  const namespaces = namespacesOf();
  const names = Object.entries(namespaces).map(([name, { type }]) => [name, type]);
  assertEquals(names.map(([name]) => name), names.map(([, type]) => type));
  assert(names.length >= 7);
  const fds = Object.values(namespaces).map(({ fd }) => fd);
  namespaces[Symbol.dispose]();
  namespaces[Symbol.dispose]();
  assertEquals(Object.values(namespaces).map(({ fd }) => fd), fds.map(() => -1));
  for (const fd of fds) assertThrows(() => denspace.fstat(fd), SyscallError);
});

Deno.test("what is no namespace is refused, and leaves no descriptor", () => {
  const before = [...Deno.readDirSync("/proc/self/fd")].length;
  assertThrows(() => openNamespace({ path: "/dev/null" }), SyscallError, "ioctl");
  assertThrows(() => openNamespace({ path: "/no" }), SyscallError, "open /no");
  assertThrows(() => openNamespace({ pid: 2 ** 30, type: "net" }), SyscallError);
  for (const source of [Deno.pid, "/proc/self/ns/net", null]) {
    assertThrows(() => openNamespace(source as never), TypeError, `type }, not by ${show(source)}`);
  }
  assertThrows(() => openNamespace({ pid: 0, type: "net" }), RangeError);
  assertThrows(() => openNamespace({ pid: 1.5, type: "net" }), TypeError);
  assertThrows(() => openNamespace({ pid: 1, type: "no" as never }), TypeError);
  assertThrows(() => openNamespace({ pidfd: 1, type: "net" }), TypeError, "1 is no pidfd");
  assertThrows(() => namespacesOf(2 ** 30), SyscallError);
  assertEquals([...Deno.readDirSync("/proc/self/fd")].length, before);
});

rootTest("a namespace tells its owner, its parent and who made it", async () => {
  await beside(
    ["unshare", "-Upf", "--kill-child", "--map-root-user", "sleep", "60"],
    async (pid) => {
      const child = await childOf(pid);
      using user = openNamespace({ pid: child, type: "user" });
      using pids = openNamespace({ pid: child, type: "pid" });
      using ours = openNamespace({ path: "/proc/self/ns/user" });
      using owner = pids.owner();
      using parent = user.parent();
      using outer = openNamespace({ path: "/proc/self/ns/pid" });
      using above = pids.parent();
      assertEquals([owner!.equals(user), parent!.equals(ours), above!.equals(outer)], [
        true,
        true,
        true,
      ]);
      assertEquals(user.ownerUid(), 0);
    },
  );
});

Deno.test("the parent of the first user namespace is none of ours", () => {
  using user = openNamespace({ path: "/proc/self/ns/user" });
  const link = denspace.readlink("/proc/self/ns/user");
  if (link !== "user:[4026531837]") return; // these tests run in another one
  using parent = user.parent();
  assertEquals(parent, null);
});

rootTest("a namespace that is pinned outlives its processes", async () => {
  await inDirectory(async (directory) => {
    const [name, pinned, gone, rest] = await inChild((api, directory) => {
      const file = `${directory}/uts`;
      api.unshare(api.CLONE_NEWNS | api.CLONE_NEWUTS);
      api.mount(null, "/", null, api.MS_REC | api.MS_PRIVATE, null);
      api.sethostname("pinned");
      const own = api.openNamespace({ path: "/proc/thread-self/ns/uts" });
      own.pin(file);
      own[Symbol.dispose]();
      api.unshare(api.CLONE_NEWUTS);
      api.sethostname("another");
      const again = api.openNamespace({ path: file });
      const name = api.withNamespace(again, api.gethostname);
      again[Symbol.dispose]();
      api.unpin(file);
      const files = () => [...Deno.readDirSync(directory)].length;
      const gone = files();
      const other = api.openNamespace({ path: "/proc/thread-self/ns/uts" });
      try {
        other.pin("/no/where");
      } catch { /* there is no such directory */ }
      return [name, api.gethostname(), gone, files()];
    }, directory);
    assertEquals([name, pinned, gone, rest], ["pinned", "another", 0, 0]);
  });
});

// inside of this process

Deno.test("who wants to enter a user namespace is told of the threads", () => {
  const tried = [
    () => denspace.unshare(denspace.CLONE_NEWUSER),
    () => {
      using own = openNamespace({ path: "/proc/self/ns/user" });
      denspace.setns(own.fd, denspace.CLONE_NEWUSER);
    },
    ...(["user", "time", "pid"] as const).map((type) => () => {
      using own = openNamespace({ pid: Deno.pid, type });
      denspace.withNamespace(own, () => {});
    }),
  ];
  for (const fn of tried) {
    const { hint } = assertThrows(fn, SyscallError);
    assertMatch(hint!, /^this process has \d+ threads; use spawn$/);
  }
});

Deno.test("an asynchronous function is refused, before it runs where that can be seen", () => {
  let ran = false;
  assertThrows(() => denspace.withNamespace([], async () => await (ran = true)), TypeError);
  assertEquals(ran, false);
  assertThrows(() => denspace.withNamespace([], () => Promise.resolve()), TypeError);
});

/** A process with namespaces of its own, in which much is different. */
const OTHER = [
  "unshare",
  "-mnui",
  "--propagation",
  "private",
  "sh",
  "-c",
  "hostname other; mount -t tmpfs other /mnt; echo inside > /mnt/note; cd /mnt; exec sleep 60",
];

rootTest("withNamespace enters, and comes back when the function returns or throws", async () => {
  await beside(OTHER, async (pid) => {
    await until("it sleeps", () => comm(pid) === "sleep");
    const [seen, caught, before, after] = await inChild((api, pid) => {
      const own = () => [
        ...["mnt", "net", "uts", "ipc"].map((name) => api.readlink(`/proc/thread-self/ns/${name}`)),
        api.readlink("/proc/thread-self/cwd"),
        `${api.statx("/").ino} ${api.statx("/").dev}`,
        [...Deno.readDirSync("/proc/self/fd")].length,
      ];
      Deno.chdir("/usr");
      using theirs = api.namespacesOf(pid);
      const kinds = [theirs.mount!, theirs.net!, theirs.uts!, theirs.ipc!];
      const before = own();
      const seen = api.withNamespace(kinds, () => [
        Deno.hostname(),
        Deno.readTextFileSync("/mnt/note"),
        new TextDecoder().decode(new Deno.Command("hostname").outputSync().stdout),
        Deno.networkInterfaces().length,
        api.readlink("/proc/thread-self/cwd"),
      ]);
      let caught = "";
      try {
        api.withNamespace(kinds, () => {
          Deno.chdir("/mnt");
          throw new Error("thrown inside");
        });
      } catch (error) {
        caught = (error as Error).message;
      }
      return [seen, caught, before, own()] as const;
    }, pid);
    assertEquals(seen, ["other", "inside\n", "other\n", 0, "/"]);
    assertEquals([caught, after], ["thrown inside", before]);
  });
});

rootTest("a namespace that can't be entered leaves the others as they were", async () => {
  await beside(OTHER, async (pid) => {
    await until("it sleeps", () => comm(pid) === "sleep");
    const [code, same] = await inChild((api, pid) => {
      const own = () => api.readlink("/proc/thread-self/ns/uts");
      using uts = api.openNamespace({ pid, type: "uts" });
      const net = api.openNamespace({ pid, type: "net" });
      net[Symbol.dispose]();
      const before = own();
      let code = "";
      try {
        api.withNamespace([uts, net], () => {});
      } catch (error) {
        code = (error as denspace.SyscallError).code;
      }
      return [code, own() === before];
    }, pid);
    assertEquals([code, same], ["EBADF", true]);
  });
});

rootTest("where there is no way back the process ends, and says why", async () => {
  await beside(OTHER, async (pid) => {
    await until("it sleeps", () => comm(pid) === "sleep");
    const error = await inChild((api, pid) => {
      using uts = api.openNamespace({ pid, type: "uts" });
      api.withNamespace(uts, () => api.capset({ effective: 0n, permitted: 0n, inheritable: 0n }));
    }, pid).catch(({ message }) => message);
    assertEquals(
      error,
      "denspace: cannot return to the old namespaces: setns: Operation not permitted\n",
    );
  });
});

rootTest(
  "a worker lives in the namespaces that it is given, and this thread does not",
  async () => {
    await beside(OTHER, async (pid) => {
      await until("it sleeps", () => comm(pid) === "sleep");
      const [seen, own] = await inChild(async (api, pid) => {
        using theirs = api.namespacesOf(pid);
        const module = `self.postMessage([
        Deno.hostname(),
        Deno.readTextFileSync("/mnt/note"),
        await Deno.readTextFile("/mnt/note"),
        Deno.networkInterfaces().length,
        new TextDecoder().decode((await new Deno.Command("hostname").output()).stdout),
      ]);`;
        const worker = api.namespaceWorker(
          [theirs.mount!, theirs.uts!, theirs.net!],
          `data:text/javascript,${encodeURIComponent(module)}`,
        );
        const { data } = await new Promise<MessageEvent>((resolve) => worker.onmessage = resolve);
        worker.terminate();
        return [data, [Deno.hostname(), api.readlink("/proc/thread-self/cwd") === Deno.cwd()]];
      }, pid);
      assertEquals(seen, ["other", "inside\n", "inside\n", 0, "other\n"]);
      assertEquals(own, [Deno.hostname(), true]);
    });
  },
);

rootTest("sockets are those of the namespace that was entered", async () => {
  const [inside, outside] = await inChild(async (api) => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const refused = async () => {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        return false;
      } catch {
        return true;
      }
    };
    const before = await refused();
    api.unshare(api.CLONE_NEWNET);
    return [await refused(), before];
  });
  assertEquals([inside, outside], [true, false]);
});

rootTest("a worker that was there before stays where it is", async () => {
  const [before, after, own] = await inChild(async (api) => {
    const module = "self.onmessage = () => self.postMessage(Deno.hostname());";
    const worker = new Worker(`data:text/javascript,${encodeURIComponent(module)}`, {
      type: "module",
    });
    const ask = () => {
      worker.postMessage("");
      return new Promise<string>((resolve) => worker.onmessage = ({ data }) => resolve(data));
    };
    const before = await ask();
    api.unshare(api.CLONE_NEWUTS);
    api.sethostname("inside");
    const after = await ask();
    worker.terminate();
    return [before, after, Deno.hostname()];
  });
  assertEquals([after, own], [before, "inside"]);
});

async function childOf(pid: number): Promise<number> {
  const children = () => Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim();
  await until("it has a child", () => children() !== "");
  return Number(children());
}
