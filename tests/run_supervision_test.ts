/** `denspace run`: how a container ends, and what signals do to it. */
import { assert, assertEquals, assertMatch } from "../scripts/std.ts";
import {
  type Account,
  controlJobs,
  denspaceRun,
  makeRoot,
  onTerminal,
  run,
  scratch,
  spawn,
  type Started,
  talk,
  test,
} from "./container.ts";
import { children, processWith, state, until } from "./processes.ts";

function start(account: Account, options: readonly string[], script: string): Started {
  const directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  const child = spawn(denspaceRun("--rootfs", root, ...options, "--", "sh", "-c", script), {
    as: account,
  });
  return talk(child, directory);
}

const FOREVER = "while :; do sleep 0.05; done";

test("the signal that kills the program kills denspace", async (account) => {
  for (const options of [[], ["--init"]]) {
    const kill = options.length > 0 ? "kill -TERM $$" : "kill -KILL $$";
    await using it = start(
      account,
      [...options, "--pid", options.length > 0 ? "new" : "host"],
      kill,
    );
    const { signal } = await it.child.status;
    assertEquals(signal, options.length > 0 ? "SIGTERM" : "SIGKILL");
  }
});

test("signals that a process sends are passed on, each once", async (account) => {
  const trap = ["HUP", "INT", "QUIT", "USR1", "TERM", "WINCH"];
  const script = `${trap.map((name) => `trap 'echo got ${name}' ${name}`).join("; ")}
    trap 'echo done; exit 7' USR2; echo ready; ${FOREVER}`;
  await using it = start(account, [], script);
  await it.says("ready");
  for (const name of trap) {
    it.child.kill(`SIG${name}` as Deno.Signal);
    await it.says(`got ${name}\n`);
  }
  it.child.kill("SIGUSR2");
  assertEquals((await it.child.status).code, 7);
  await it.says("done");
  for (const name of trap) {
    assertEquals(it.written().split(`got ${name}\n`).length, 2, it.written());
  }
});

test("with --init a program that handles no signal dies of it", async (account) => {
  await using it = start(account, ["--init"], `echo ready; ${FOREVER}`);
  await it.says("ready");
  it.child.kill("SIGTERM");
  assertEquals((await it.child.status).signal, "SIGTERM");
});

test("it stops and continues with the program", async (account) => {
  // SIGTSTP stops nothing in a process group that nobody could continue.
  const script = `trap 'kill -STOP $$' USR1; echo pid $$; ${FOREVER}`;
  await using it = start(account, ["--init"], script);
  await it.says("pid 2");
  it.child.kill("SIGUSR1");
  await until("it stops", () => state(it.child.pid) === "stopped");
  it.child.kill("SIGCONT");
  await until("it continues", () => state(it.child.pid) !== "stopped");
  it.child.kill("SIGINT");
  assertEquals((await it.child.status).signal, "SIGINT");
});

test("--timeout kills all, with status 124", async (account) => {
  const { code } = await run(["--timeout", "0.3", "--", "sh", "-c", "trap '' TERM; sleep 60"], {
    as: account,
  });
  assertEquals(code, 124);
  assertEquals(
    (await run(["--timeout", "60", "--", "sh", "-c", "exit 3"], { as: account })).code,
    3,
  );
  assertEquals((await run(["--timeout", "0", "--", "true"], { as: account })).code, 1);
});

test("with --die-with-parent it ends with what started it", async (account) => {
  const mark = account === "root" ? "54325.5" : "54325.25";
  const script = `"$@" & while :; do sleep 1; done`;
  await using child = spawn(
    ["bash", "-c", script, "bash", ...denspaceRun("--die-with-parent", "--", "sleep", mark)],
    { as: account },
  );
  await until("the program runs", () => processWith(`sleep\0${mark}\0`));
  child.kill("SIGKILL");
  await until("the program is gone", () => processWith(`sleep\0${mark}\0`) === undefined);
});

test("all processes of a container end with the program", async (account) => {
  const mark = account === "root" ? "54326.5" : "54326.25";
  for (const options of [[], ["--init"]]) {
    const { code } = await run([
      ...options,
      "--",
      "sh",
      "-c",
      `sleep ${mark} >/dev/null 2>&1 </dev/null & exit 5`,
    ], {
      as: account,
    });
    assertEquals(code, 5);
    assertEquals(processWith(`sleep\0${mark}\0`), undefined);
  }
});

test("what waits is no Deno, and less than 200 KB", async (account) => {
  await using it = start(account, ["--init"], `echo ready; ${FOREVER}`);
  await it.says("ready");
  for (const pid of [it.child.pid, ...children(it.child.pid)]) {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    if (!status.startsWith("Name:\tdenspace\n")) continue;
    const [, size] = /^VmRSS:\s+(\d+) kB/m.exec(status)!;
    assert(Number(size) < 200, status);
    assertMatch(status, /^Threads:\t1$/m);
  }
  assertEquals(children(it.child.pid).length, 2); // init and the program
});

test("-t gives the program a terminal of its own", async (account) => {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  const { code, stdout } = await run(["-t", "--rootfs", root, "--", "sh"], {
    as: account,
    stdin: "tty; ls -l /dev/console | cut -c1; stty size >/dev/null && echo sized; exit 6\n",
  });
  assertEquals(code, 6);
  assertMatch(stdout, /^\/dev\/pts\/0\r$/m);
  assertMatch(stdout, /^c\r$/m);
  assertMatch(stdout, /^sized\r$/m);
  // Without a root of its own it is one of the machine's.
  const shared = await run(["-t", "--no-namespaces", "--", "tty"], { as: account });
  assertMatch(shared.stdout, /^\/dev\/pts\/\d+\r\n$/);
});

/** A container on a terminal. */
function startOnTerminal(
  account: Account,
  before: string,
  options: readonly string[],
  script: string,
): Started {
  const directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  const command = denspaceRun("--rootfs", root, ...options, "--", "sh", "-c", script);
  return talk(spawn(onTerminal(command, before), { as: account }), directory);
}

const READER = `trap 'echo got""int' INT; stty -echo; echo ready
  while read word || :; do case $word in size) stty size;; quit) exit 9;; esac; done`;

test("one Ctrl-C is one SIGINT, on our terminal and on one of its own", async (account) => {
  for (const options of [[], ["--init"], ["-t"]]) {
    await using it = startOnTerminal(account, "", options, READER);
    await it.says("ready");
    await it.types("\x03");
    await it.says("gotint");
    await it.types("quit\n");
    assertEquals((await it.child.status).code, 9);
    assertEquals(it.written().split("gotint").length, 2, it.written());
  }
});

test("a terminal of its own is as large as ours, also later", async (account) => {
  using directory = scratch();
  const marker = `${directory.path}/marker`;
  const later = `(while [ ! -e ${marker} ]; do sleep 0.05; done; stty rows 50 cols 90 </dev/tty) &`;
  await using it = startOnTerminal(account, `stty rows 44 cols 99; ${later}`, ["-t"], READER);
  await it.says("ready");
  await it.types("size\n");
  await it.says("44 99");
  Deno.writeTextFileSync(marker, "");
  const asked = setInterval(() => void it.types("size\n"), 100);
  await it.says("50 90").finally(() => clearInterval(asked));
  await it.types("quit\n");
  assertEquals((await it.child.status).code, 9);
});

test("a shell on a terminal of its own has job control", async (account) => {
  for (const options of [["-t"], ["-t", "--init"]]) {
    await using it = startOnTerminal(account, "", options, "export PS1=inside:; exec sh");
    await controlJobs(it, "inside:");
  }
});

test("all that a program shows on its terminal is shown, before denspace ends", async (account) => {
  const { stdout, code } = await run(["-t", "--", "seq", "20000"], { as: account });
  assertEquals(code, 0);
  const numbers = Array.from({ length: 20000 }, (_, i) => `${i + 1}\r\n`).join("");
  assertEquals(stdout, numbers);
});

test("what is typed while the program does not read is kept, and no deadlock", async (account) => {
  const typed = "x".repeat(100) + "\n";
  const { stdout, code } = await run(["-t", "--", "sh", "-c", "stty -echo; seq 5000; wc -l"], {
    as: account,
    stdin: typed.repeat(500),
  });
  assertEquals(code, 0);
  assertMatch(stdout, /\n500\r\n$/);
});

test("on a terminal standard input ends for all that read it, whenever they do", async (account) => {
  const shown = async (stdin: string, ...program: string[]): Promise<string> => {
    const { stdout, code } = await run(["-t", "--timeout", "20", "--", ...program], {
      as: account,
      stdin,
    });
    assertEquals(code, 0, stdout);
    return stdout;
  };
  // The end of what is no line, and one for each program.
  assertMatch(await shown("end", "sh", "-c", "cat; cat; cat; echo .all"), /end\.all\r\n$/);
  // The terminal is changed while the end waits in it to be read.
  const script = "stty -icanon; sleep 0.5; stty icanon; cat; echo all";
  assertMatch(await shown("", "sh", "-c", script), /all\r\n$/);
  assertMatch(await shown("sleep 0.5\necho out\n", "bash", "--norc"), /\nout\r\n/);
});

test("nothing of a container that could not start is left", async (account) => {
  using directory = scratch();
  const before = Deno.readTextFileSync("/proc/self/mountinfo");
  const { code, stderr } = await run(["--rootfs", directory.path, "--", "true"], { as: account });
  assertEquals(code, 127);
  assertMatch(stderr, /^denspace run: failed to execute true: No such file or directory\n/);
  assertEquals(Deno.readTextFileSync("/proc/self/mountinfo"), before);
  const none = await run(["--rootfs", `${directory.path}/none`, "--", "true"], { as: account });
  assertEquals(none.code, 1);
  assertMatch(none.stderr, /^denspace run: open \S+none: No such file or directory\n$/);
});
