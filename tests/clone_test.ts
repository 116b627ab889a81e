/** Children of Deno that run plans: each test in a Deno of its own, and on both ways to a child. */
import type { Builder } from "../ffi/plan/builder.ts";
import { host } from "../ffi/plan/host.ts";
import type { CallName } from "../ffi/plan/step.ts";
import * as denspace from "../mod.ts";
import { assert, assertEquals, assertMatch } from "../scripts/std.ts";
import { type Body, inChild, isRoot, outputWith } from "./child.ts";

interface Way {
  /** What a body writes to standard output. */
  outputOf<A extends unknown[]>(body: Body<A, unknown>, ...args: A): Promise<string>;
  /** What it returns, as far as JSON has it. */
  inDeno<A extends unknown[], R>(body: Body<A, R>, ...args: A): Promise<Awaited<R>>;
}

/** The ways to a child, and with which options of Deno there is only that. */
const WAYS: [name: string, options: string[]][] = [
  ["clone3", []],
  ["clone", [`--preload=${new URL("without_clone3.ts", import.meta.url).href}`]],
];

function cloneTest(name: string, fn: (way: Way) => Promise<void>): void {
  for (const [way, options] of WAYS) {
    const outputOf: Way["outputOf"] = (body, ...args) => outputWith(options, body, ...args);
    const inDeno: Way["inDeno"] = async (body, ...args) =>
      JSON.parse(await outputOf(body, ...args));
    Deno.test(`${name} (by ${way})`, () => fn({ outputOf, inDeno }));
  }
}

cloneTest(
  "clone runs a program with the arguments given, and tells how it ended",
  async ({ outputOf }) => {
    const output = await outputOf((api) => {
      const run = api.plan("run", (p) => {
        api.execvp(p, "sh", api.argument(p, 0), api.environment(p));
      });
      const script = 'printf "<%s>" "$0" "$@" "$DENSPACE"; exit 7';
      Deno.env.set("DENSPACE", "set by Deno");
      const child = api.clone(run, { argv: ["sh", "-c", script, "ü", "", "a b"] });
      const { pid, code, status } = child.wait();
      return [pid === child.pid, code, status];
    });
    assertEquals(output, `<ü><><a b><set by Deno>[true,"exited",7]\n`);
  },
);

cloneTest("clone gives a child that was killed by a signal", async ({ inDeno }) => {
  const { code, status } = await inDeno((api) => {
    const program = api.plan("end", (p) => {
      p.call("kill", [p.call("getpid", []), 9]);
      p.call("exit_group", [0]);
    });
    return api.clone(program).wait();
  });
  assertEquals([code, status], ["killed", 9]);
});

cloneTest(
  "clone gives its child other standard descriptors, though they are swapped",
  async ({ inDeno }) => {
    const [output, error] = await inDeno((api) => {
      const [[reader, writer], [reader2, writer2]] = [api.pipe2(0o2000000), api.pipe2(0o2000000)];
      const shell = api.plan(
        "shell",
        (p) => api.execvp(p, "sh", api.argument(p, 0), api.environment(p)),
      );
      const argv = ["sh", "-c", "cat; echo out; echo err >&2"];
      const input = api.pipe2(0o2000000);
      api.write(input[1], "in\n");
      api.close(input[1]);
      const child = api.clone(shell, { argv, stdin: input[0], stdout: writer, stderr: writer2 });
      child.wait();
      const text = (fd: number) => {
        const buffer = new Uint8Array(64);
        return new TextDecoder().decode(buffer.subarray(0, api.read(fd, buffer)));
      };
      return [text(reader), text(reader2)];
    });
    assertEquals([output, error], ["in\nout\n", "err\n"]);
  },
);

cloneTest(
  "the end of a clone is told by wait and by a promise, which close its pidfd",
  async ({ inDeno }) => {
    const results = await inDeno(async (api) => {
      const fds = () => [...Deno.readDirSync("/proc/self/fd")].length;
      const shell = api.plan(
        "shell",
        (p) => api.execvp(p, "sh", api.argument(p, 0), api.environment(p)),
      );
      const start = (script: string) => api.clone(shell, { argv: ["sh", "-c", script] });
      await start("exit 0").status; // Deno opens something for signals, once
      const before = fds();
      const [first, second, third] = [
        start("exit 3"),
        start("sleep 0.1; kill $$"),
        start("exit 4"),
      ];
      const promised = second!.status;
      api.pidfdSendSignal(second!.pidfd, 0);
      const ends = [
        first!.wait(),
        await first!.status,
        await promised,
        second!.wait(),
        await third!.status,
      ];
      return [ends.map(({ code, status }) => `${code} ${status}`), fds() - before];
    });
    assertEquals(results as unknown, [
      ["exited 3", "exited 3", "killed 15", "killed 15", "exited 4"],
      0,
    ]);
  },
);

cloneTest(
  "clone leaves our memory dumpable, and the limit of open files is the caller's",
  async ({ inDeno }) => {
    const [dumpable, limit] = await inDeno((api) => {
      const [reader, writer] = api.pipe2(0o2000000);
      const shell = api.plan("shell", (p) => {
        if (api.geteuid() === 0) p.call("setuid", [1000]);
        api.execvp(p, "sh", api.argument(p, 0), api.environment(p));
      });
      api.clone(shell, { argv: ["sh", "-c", "ulimit -n"], stdout: writer }).wait();
      const buffer = new Uint8Array(16);
      const length = api.read(reader, buffer);
      return [api.prctl(api.PR_GET_DUMPABLE), new TextDecoder().decode(buffer.subarray(0, length))];
    });
    const [, soft] = /^Max open files +(\d+)/m.exec(
      new TextDecoder().decode(denspace.readFile(`/proc/${callerOfDeno()}/limits`)),
    )!;
    assertEquals([dumpable, limit], [1, `${soft}\n`]);
  },
);

/** The nearest process above that is no Deno. */
function callerOfDeno(): number {
  for (let pid = Deno.ppid;;) {
    if (Deno.readLinkSync(`/proc/${pid}/exe`) !== Deno.readLinkSync("/proc/self/exe")) return pid;
    const [, ppid] = /^PPid:\t(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))!;
    pid = Number(ppid);
  }
}

cloneTest(
  "clone throws the failure of a step, and leaves no zombie",
  async ({ inDeno }) => {
    const failures = await inDeno((api) => {
      const attempt = (fn: () => unknown): unknown => {
        try {
          return fn();
        } catch (error) {
          if (!(error instanceof api.SyscallError)) throw error;
          const { message, syscall, code, step } = error;
          return { message, syscall, code, step };
        }
      };
      const program = (write: (p: Builder) => void) => () =>
        api.clone(api.plan("child", (p) => {
          write(p);
          p.call("exit_group", [0]);
        }));
      const children = () => attempt(() => api.waitid(api.P_ALL, 0, api.WEXITED | api.WNOHANG));
      return [
        program((p) => p.call("chdir", ["/no/where"], { message: "cannot enter it" })),
        program((p) => p.call("sethostname", ["x".repeat(65), 65])),
        program((p) => api.execvp(p, "no-such-program", api.argument(p, 0), api.environment(p))),
        program((p) => p.control("raise", [13], { message: "refused", call: "openat" })),
        () => api.clone(api.plan("child", (p) => p.call("exit_group", [0])), { flags: 0x10000 }),
      ].map((fn) => [attempt(fn), children()]);
    });
    const ECHILD = {
      message: "waitid: No child processes",
      syscall: "waitid",
      code: "ECHILD",
    };
    const hostName = isRoot ? ["EINVAL", "Invalid argument"] : ["EPERM", "Operation not permitted"];
    assertEquals(failures as unknown, [
      [{
        message: "cannot enter it: No such file or directory",
        syscall: "chdir",
        code: "ENOENT",
        step: "cannot enter it",
      }, ECHILD],
      [{
        message: `sethostname: ${hostName[1]}`,
        syscall: "sethostname",
        code: hostName[0],
      }, ECHILD],
      [{
        message: "failed to execute no-such-program: No such file or directory",
        syscall: "execve",
        code: "ENOENT",
        step: "failed to execute no-such-program",
      }, ECHILD],
      [
        {
          message: "refused: Permission denied",
          syscall: "openat",
          code: "EACCES",
          step: "refused",
        },
        ECHILD,
      ],
      [{ message: "clone: Invalid argument", syscall: "clone", code: "EINVAL" }, ECHILD],
    ]);
  },
);

cloneTest(
  "a child has the caller's signal mask and ignored signals, but SIGPIPE has its default",
  async ({ outputOf }) => {
    const output = await outputOf((api) => {
      Deno.addSignalListener("SIGUSR1", () => {});
      const status = (): unknown =>
        new TextDecoder().decode(api.readFile("/proc/self/status")).match(/^Sig(Ign|Cgt).*/gm);
      api.signal("SIGQUIT", api.SIG_IGN);
      api.sigmask(api.SIG_BLOCK, 1n << BigInt(api.SIGNALS.SIGUSR2 - 1));
      const before = [status(), `${api.sigmask(api.SIG_BLOCK, null)}`];
      const sed = api.plan("sed", (p) => {
        api.execvp(p, "sed", api.argument(p, 0), api.environment(p));
      });
      api.clone(sed, { argv: ["sed", "-nE", "/^Sig(Blk|Ign|Cgt)/p", "/proc/self/status"] }).wait();
      const after = [status(), `${api.sigmask(api.SIG_BLOCK, null)}`];
      Deno.exit(JSON.stringify(before) === JSON.stringify(after) ? 0 : 1);
    });
    const set = (...signals: number[]): string =>
      signals.reduce((set, signal) => set | 1n << BigInt(signal - 1), 0n).toString(16).padStart(
        16,
        "0",
      );
    const { SIGUSR2, SIGQUIT } = denspace.SIGNALS;
    assertEquals(output, `SigBlk:\t${set(SIGUSR2)}\nSigIgn:\t${set(SIGQUIT)}\nSigCgt:\t${set()}\n`);
  },
);

cloneTest(
  "a signal to a child does by default what it does, and runs nothing of Deno",
  async ({ inDeno }) => {
    const result = await inDeno(async (api) => {
      let received = 0;
      Deno.addSignalListener("SIGUSR1", () => received++);
      const program = api.plan("signalled", (p) => {
        p.call("kill", [p.call("getpid", []), api.SIGNALS.SIGUSR1]);
        p.call("exit_group", [0]);
      });
      const ends = Array.from({ length: 20 }, () => api.clone(program).wait());
      await new Promise((resolve) => setTimeout(resolve, 50));
      const fromChildren = received;
      api.kill(Deno.pid, "SIGUSR1");
      while (received === fromChildren) await new Promise((resolve) => setTimeout(resolve, 1));
      return [[...new Set(ends.map(({ code, status }) => `${code} ${status}`))], fromChildren];
    });
    assertEquals(result, [[`killed ${denspace.SIGNALS.SIGUSR1}`], 0]);
  },
);

cloneTest("signals to the parent don't disturb its children", async ({ inDeno }) => {
  const { ends, received } = await inDeno(async (api) => {
    let received = 0;
    Deno.addSignalListener("SIGUSR1", () => received++);
    const storm = new Deno.Command("sh", {
      // Without a pause Deno would do nothing but handle signals.
      args: [
        "-c",
        'while kill -USR1 "$@"; do sleep 0; done',
        "sh",
        ...Array(9).fill(`${Deno.pid}`),
      ],
      stderr: "null",
    }).spawn();
    while (received === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    const program = api.plan("true", (p) => {
      api.execvp(p, "true", api.argument(p, 0), api.environment(p));
    });
    const ends = [];
    for (let i = 0; i < 300; i++) {
      const { code, status } = api.clone(program).wait();
      ends.push(`${code} ${status}`);
      if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve));
    }
    storm.kill("SIGKILL");
    await storm.status;
    // A signal that Deno finds when it is about to end, and handles no more, ends it.
    for (let before = -1; before < received;) {
      before = received;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return { ends: [...new Set(ends)], received };
  });
  assertEquals(ends, ["exited 0"]);
  assert(received > 10, `${received}`);
});

cloneTest(
  "a signal that meets a child before it runs its program runs nothing of Deno",
  async ({ inDeno }) => {
    const received = await inDeno(async (api) => {
      let received = 0;
      Deno.addSignalListener("SIGUSR1", () => received++);
      // Shoots at every child of Deno, itself included, as soon as it is there.
      const script = `trap "" USR1
      cd /proc/$0/task/$0 && echo ready
      while [ -e children ]; do read -r all <children; kill -USR1 $all; done`;
      const shots = new Deno.Command("sh", {
        args: ["-c", script, `${Deno.pid}`],
        stdout: "piped",
        stderr: "null",
      }).spawn();
      await shots.stdout.getReader().read();
      const program = api.plan("true", (p) => {
        api.execvp(p, "true", api.argument(p, 0), api.environment(p));
      });
      for (let killed = 0; killed < 50;) {
        if (api.clone(program).wait().code === "killed") killed++;
      }
      shots.kill("SIGKILL");
      await shots.status;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return received;
    });
    assertEquals(received, 0);
  },
);

cloneTest("clones of one plan have each its own arguments, variables and options", async (way) => {
  const output = await way.outputOf((api) => {
    const shell = api.plan("shell", (p) => {
      api.execvp(p, "sh", api.argument(p, 0), api.environment(p));
    });
    const argv = ["sh", "-c", 'echo "$0 $A $B"', "first"];
    const run = (options: { stdout?: number; flags?: number } = {}): unknown =>
      api.clone(shell, { argv, ...options }).wait();
    run();
    Deno.env.set("A", "a");
    run();
    argv[3] = "second";
    run();
    Deno.env.set("A", "x".repeat(1000));
    Deno.env.set("B", "b");
    Deno.env.delete("A");
    run();
    // Enough to have the C library make room elsewhere, and more than there was for.
    for (let i = 0; i < 1000; i++) Deno.env.set(`MANY_${i}`, `${i}`);
    argv[2] = "env | grep -c ^MANY_";
    run();
    for (let i = 0; i < 900; i++) Deno.env.delete(`MANY_${i}`);
    run();
    argv[2] = "readlink /proc/self/ns/uts";
    run();
    run({ flags: api.CLONE_NEWUSER | api.CLONE_NEWUTS });
    run({ stdout: 2 });
    run();
  });
  const lines = output.split("\n");
  const own = Deno.readLinkSync("/proc/self/ns/uts");
  assertEquals(lines.slice(0, 6), ["first  ", "first a ", "second a ", "second  b", "1000", "100"]);
  assertEquals([lines[6], lines[7] === own, lines.slice(8)], [own, false, [own, ""]]);
});

cloneTest(
  "a plan finds its cells as they are at the start, however the last run ended",
  async (way) => {
    const ends = await way.inDeno((api) => {
      const counter = api.plan("counter", (p) => {
        const [count, limit] = [p.cell("count"), p.cell("limit", 8, [3])];
        const again = p.here();
        p.control("add", [count, 1], { result: count });
        p.branch("less", count, limit, again);
        p.control("add", [limit, 1], { result: limit });
        p.call("fcntl", [1_000_000, 1, 0], { accept: [9] });
        const reader = api.argument(p, 1);
        const none = p.label();
        p.branch("equal", p.control("load64", [reader, 0]), 0, none);
        p.call("close", [-1]);
        p.place(none);
        p.call("exit_group", [count]);
      });
      return [["a"], ["a", "b"], ["a"], ["a", "b"], ["a"]].map((argv) => {
        try {
          return api.clone(counter, { argv }).wait().status;
        } catch (error) {
          return (error as Error).message;
        }
      });
    });
    const failure = "close: Bad file descriptor";
    assertEquals(ends, [3, failure, 3, failure, 3]);
  },
);

cloneTest(
  "after the end of a child there is no descriptor of it, asked for or not",
  async (way) => {
    const found = await way.inDeno((api) => {
      const program = api.plan("end", (p) => p.call("exit_group", [0]));
      const [asked, other] = [api.clone(program), api.clone(program)];
      const same = asked.pidfd === asked.pidfd;
      const flags = api.fcntl(asked.pidfd, api.F_GETFD);
      return [
        same,
        flags,
        ...[asked, other].map((child) => {
          child.wait();
          try {
            return child.pidfd;
          } catch (error) {
            return (error as denspace.SyscallError).code;
          }
        }),
      ];
    });
    assertEquals(found as unknown, [true, denspace.FD_CLOEXEC, "ESRCH", "ESRCH"]);
  },
);

cloneTest("a Worker clones as the script does, and at once with others", async (way) => {
  const statuses = await way.inDeno(async (api) => {
    const url = new URL("mod.ts", `file://${Deno.cwd()}/`).href;
    const source = `import { clone, plan } from ${JSON.stringify(url)};
      const program = plan("end", (p) => p.call("exit_group", [7]));
      const ends = Array.from({ length: 50 }, () => clone(program).wait().status);
      postMessage([...new Set(ends)]);`;
    const worker = (): Promise<unknown> => {
      const worker = new Worker(`data:text/javascript,${encodeURIComponent(source)}`, {
        type: "module",
      });
      return new Promise((resolve) => {
        worker.onmessage = ({ data }) => {
          worker.terminate();
          resolve(data);
        };
      });
    };
    const program = api.plan("end", (p) => p.call("exit_group", [7]));
    const all = [worker(), worker(), worker()];
    for (let i = 0; i < 50; i++) api.clone(program).wait();
    return await Promise.all(all);
  });
  assertEquals(statuses, [[7], [7], [7]]);
});

const STEPS: [refused: CallName[], error: string][] = [
  [["rt_sigprocmask"], "rt_sigprocmask: Function not implemented"],
  [["prctl"], "prctl: Function not implemented"],
  [["rt_sigaction"], "rt_sigaction: Function not implemented"],
  [["clone3", "rt_sigaction"], "rt_sigaction: Function not implemented"],
  [["prlimit64"], "prlimit64: Function not implemented"],
  [["fcntl"], "descriptor 2: Function not implemented"],
  [["dup3"], "dup3: Function not implemented"],
];
for (const [refused, expected] of STEPS) {
  Deno.test(`where ${refused.join(" and ")} fails, clone throws, and leaves nothing`, async () => {
    const refusing = new URL("refusing.ts", import.meta.url).href;
    const [message, before, after] = await inChild(
      async (api, refusing, refused) => {
        const { refuse } = await import(refusing);
        const program = api.plan("end", (p) => p.call("exit_group", [0]));
        const state = () => {
          const text = (file: string) => new TextDecoder().decode(api.readFile(file));
          const signals = text("/proc/thread-self/status").match(/^Sig(Blk|Ign|Cgt).*/gm)!.join();
          const children = text("/proc/thread-self/children");
          const descriptors = [...Deno.readDirSync("/proc/self/fd")].length;
          return `${signals} ${children} ${descriptors}`;
        };
        api.clone(program, { stdout: 2 }).wait();
        const before = state();
        refuse(...refused);
        try {
          api.clone(program, { stdout: 2 });
          return ["no error", before, state()];
        } catch (error) {
          return [(error as Error).message.split("\n")[0]!, before, state()];
        }
      },
      refusing,
      refused,
    );
    assertEquals([message, after], [expected, before]);
  });
}

Deno.test("a time namespace is made where clone3 can, and nothing else where it can't", async () => {
  const make = (options: string[]): Promise<string> =>
    outputWith(options, (api) => {
      const program = api.plan("link", (p) => {
        api.execvp(p, "readlink", api.argument(p, 0), api.environment(p));
      });
      const argv = ["readlink", "/proc/self/ns/time"];
      try {
        api.clone(program, { argv, flags: api.CLONE_NEWUSER | api.CLONE_NEWTIME }).wait();
      } catch (error) {
        console.log((error as Error).message);
      }
    });
  const [made, refused] = [await make(WAYS[0]![1]), await make(WAYS[1]![1])];
  assertMatch(made, /^time:/);
  assert(made.trim() !== Deno.readLinkSync("/proc/self/ns/time"), made);
  assertMatch(refused, /^clone3: Function not implemented/);
});

Deno.test("clone flushes the interpreter from the caches where the processor needs that", async () => {
  const sizes = await inChild((api) => {
    const flushed: number[] = [];
    const { dlopen } = Deno;
    Deno.dlopen = ((path, symbols) => {
      const library = dlopen(path, symbols);
      const flush = (library.symbols as Record<string, unknown>).__clear_cache;
      if (typeof flush !== "function") return library;
      const __clear_cache = (begin: Deno.PointerValue, end: Deno.PointerValue): void => {
        flushed.push(Number(Deno.UnsafePointer.value(end) - Deno.UnsafePointer.value(begin)));
        flush(begin, end);
      };
      return { symbols: { ...library.symbols, __clear_cache }, close: () => library.close() };
    }) as typeof dlopen;
    for (let i = 0; i < 2; i++) {
      api.clone(api.plan("child", (p) => p.call("exit_group", [0]))).wait();
    }
    return flushed;
  });
  // On x86-64 there is nothing to flush.
  const { name, interpreter } = host();
  assertEquals(sizes, name === "aarch64" ? [interpreter.length] : []);
});

/** All that it is meant to do, which takes a while, or what is enough for every day. */
const TIMES = Deno.env.get("DENSPACE_STRESS") === undefined ? 250 : 10_000;

cloneTest(
  `clones leave no memory and no descriptor behind, ${2 * TIMES} of them`,
  async ({ inDeno }) => {
    const { maps, kib, files } = await inDeno((api, times) => {
      const good = api.plan("good", (p) => p.call("exit_group", [0]));
      const bad = api.plan("bad", (p) => p.control("raise", [1]));
      const clone = (count: number): void => {
        for (let i = 0; i < count; i++) {
          api.clone(good).wait();
          try {
            api.clone(bad);
          } catch {
            // That it throws is what is wanted.
          }
        }
      };
      const text = (path: string): string => new TextDecoder().decode(api.readFile(path));
      const state = () => ({
        maps: text("/proc/self/maps").split("\n").length,
        kib: Number(/^VmRSS:\s+(\d+)/m.exec(text("/proc/self/status"))![1]),
        files: [...Deno.readDirSync("/proc/self/fd")].length,
      });
      clone(20);
      const before = state();
      clone(times);
      const after = state();
      return {
        maps: after.maps - before.maps,
        kib: after.kib - before.kib,
        files: after.files - before.files,
      };
    }, TIMES);
    // V8 makes itself room once.
    assert(Math.abs(maps) < 50 && kib < 40_000, `${maps} mappings and ${kib} KiB more`);
    assertEquals(files, 0);
  },
);
