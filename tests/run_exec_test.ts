/** A further program in a container that runs. */
import { assert, assertEquals, assertMatch, dirname, fromFileUrl, join } from "../scripts/std.ts";
import { limitsTest } from "./cgroups.ts";
import {
  type Account,
  controlJobs,
  denspaceRun,
  makeRoot,
  onTerminal,
  output,
  type Result,
  scratch,
  spawn,
  talk,
  test,
} from "./container.ts";
import { exists, processWith, until } from "./processes.ts";

const MAIN = Deno.env.get("DENSPACE_UNDER_TEST") ??
  join(dirname(dirname(fromFileUrl(import.meta.url))), "commands/main.ts");

function command(pid: number, ...args: readonly string[]): string[] {
  return [Deno.execPath(), "run", "--allow-ffi", MAIN, "exec", `--pid=${pid}`, ...args];
}

function exec(account: Account, pid: number, ...args: readonly string[]): Promise<Result> {
  return output(command(pid, ...args), { as: account });
}

/** Runs `use` while a container sleeps. */
async function inContainer(
  account: Account,
  options: readonly string[],
  use: (pid: number, child: Deno.ChildProcess) => Promise<void>,
): Promise<void> {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  const seconds = `${600 + Math.random()}`;
  const child = spawn(denspaceRun("--rootfs", root, ...options, "--", "sleep", seconds), {
    as: account,
  });
  const ended = child.output();
  try {
    await until("the container runs", () => processWith(`sleep\0${seconds}\0`));
    await use(child.pid, child);
  } finally {
    try {
      child.kill("SIGKILL");
    } catch {
      // `use` has done it
    }
    await ended;
  }
}

const SHOW = `hostname; env | sort; ulimit -n; id -u; id -g
  sed -n '/^\\(Cap\\|NoNewPrivs\\|Seccomp\\)/p' /proc/self/status; umask
  for ns in /proc/self/ns/*; do readlink $ns; done; sed 's/.*kB//' /proc/self/cgroup`;

test("it has what the first program has", async (account) => {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  const profile = `${directory.path}/profile.json`;
  const rules = [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errno: "EXDEV" }];
  Deno.writeTextFileSync(
    profile,
    JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: rules }),
  );
  const script = `(${SHOW}) >/shared/first; echo >/shared/done; exec sleep 600`;
  const child = spawn(
    denspaceRun(
      ...["--rootfs", root, "--hostname", "web", "--cap-add=net_admin", "--ulimit", "nofile=77:99"],
      ...["-e", "A=b", "--umask", "027", "--tmpfs", "/tmp", "--seccomp", profile],
      ...["-v", `${directory.path}:/shared`, "--", "sh", "-c", script],
    ),
    { as: account, env: { XDG_CACHE_HOME: directory.path } },
  );
  const ended = child.output();
  try {
    const first = await until(
      "the first program has said what it has",
      () => exists(`${directory.path}/done`) && Deno.readTextFileSync(`${directory.path}/first`),
    );
    // The profile is not read again.
    Deno.removeSync(profile);
    const { stdout, stderr, code } = await exec(
      account,
      child.pid,
      "sh",
      "-c",
      `${SHOW}; mkdir /tmp/d`,
    );
    assertEquals(stderr, "mkdir: can't create directory '/tmp/d': Invalid cross-device link\n");
    assertEquals(code, 1);
    assertEquals(stdout, first);
    assertMatch(stdout, /^web\n[^]*A=b\n[^]*\n77\n/);
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
});

test("it has another directory, further variables, and a status of its own", async (account) => {
  await inContainer(account, ["-e", "A=b"], async (pid) => {
    const script = "pwd; echo $A$B; exit 7";
    const { code, stdout } = await exec(
      account,
      pid,
      ...["-w", "/home", "-e", "B=c", "-e", "A=d", "--", "sh", "-c", script],
    );
    assertEquals([code, stdout], [7, "/home\ndc\n"]);
    assertEquals((await exec(account, pid, "missing")).code, 127);
    const killed = await exec(account, pid, "sh", "-c", "kill -TERM $$");
    assertEquals(killed.signal, "SIGTERM");
  });
});

test("it is beside process 1, and ends with that", async (account) => {
  await inContainer(account, ["--init"], async (pid, child) => {
    const mark = `${900 + Math.random()}`;
    const further = exec(account, pid, "sleep", mark);
    await until("it runs", () => processWith(`sleep\0${mark}\0`));
    const { stdout } = await exec(account, pid, "ps", "-o", "pid,args");
    assertEquals(stdout.match(/^ +\d+ .*(init|sleep)/gm)?.length, 3, stdout);
    child.kill("SIGKILL");
    const { signal } = await further;
    assertEquals(signal, "SIGKILL");
    assertEquals(processWith(`sleep\0${mark}\0`), undefined);
  });
});

test("Landlock and the limits hold for it", async (account) => {
  const options = ["--landlock", "ro:/bin,ro:/proc,rw:/dev/null", "--tmpfs", "/tmp"];
  await inContainer(account, options, async (pid) => {
    const { stderr } = await exec(account, pid, "cat", "/etc/passwd");
    assertEquals(stderr, "cat: can't open '/etc/passwd': Permission denied\n");
  });
});

limitsTest("it is in the cgroups of the container", async () => {
  await inContainer("root", ["--pids-limit", "20"], async (pid, container) => {
    const child = Number(Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`));
    const expected = Deno.readTextFileSync(`/proc/${child}/cgroup`);
    const mark = `${900 + Math.random()}`;
    const further = exec("root", pid, "sleep", mark);
    const found = await until("it runs", () => processWith(`sleep\0${mark}\0`));
    assertEquals(Deno.readTextFileSync(`/proc/${found}/cgroup`), expected);
    assert(expected !== Deno.readTextFileSync("/proc/self/cgroup"));
    Deno.kill(found, "SIGKILL");
    await further;
    // Its supervisor removes them, if it is not killed itself.
    Deno.kill(child, "SIGKILL");
    await container.status;
  });
});

test("the description is sealed, and never inside", async (account) => {
  await inContainer(account, [], async (pid) => {
    const links = [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => [
      `/proc/${pid}/fd/${name}`,
      Deno.readLinkSync(`/proc/${pid}/fd/${name}`),
    ]);
    const [path] = links.find(([, link]) => link === "/memfd:denspace-container (deleted)")!;
    let error: unknown;
    try {
      Deno.writeTextFileSync(path!, "x", { create: false });
    } catch (caught) {
      error = caught;
    }
    assert(error instanceof Error, "it can't be written");
    const { stdout } = await exec(account, pid, "sh", "-c", "ls -l /proc/[0-9]*/fd");
    assert(!stdout.includes("memfd"), stdout);
  });
});

test("a process that is no supervisor, or another user's, is not believed", async (account) => {
  const { stderr } = await exec(account, 0x3ffffff, "true");
  assertEquals(stderr, `denspace exec: there is no process ${0x3ffffff}\n`);
  const own = spawn(["sleep", "600"], { as: account });
  const other = exec(account, own.pid, "true");
  assertEquals((await other).stderr, `denspace exec: process ${own.pid} is no denspace run\n`);
  own.kill("SIGKILL");
  await own.output();
  await inContainer("user", [], async (pid) => {
    if (account === "user") return;
    const { code, stderr } = await exec("root", pid, "true");
    assertEquals(code, 1);
    assertMatch(stderr, /^denspace exec: process \d+ is that of user 1000: only/);
  });
  await inContainer(account, [], async (pid) => {
    const inside = Number(
      Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ").at(-1),
    );
    const { stderr } = await exec(account, inside, "true");
    assertEquals(stderr, `denspace exec: process ${inside} is no denspace run\n`);
  });
});

test("it is the user of the container, also in a user namespace of ranges of ids", async () => {
  const maps = ["--map-users", "0:100000:1000", "--map-groups", "0:100000:1000"];
  for (const uid of ["0", "5"]) {
    await inContainer("root", [...maps, "--user", uid], async (pid) => {
      const { stdout, stderr } = await exec("root", pid, "id", "-u");
      assertEquals([stdout, stderr], [`${uid}\n`, ""]);
    });
  }
}, ["root"]);

test("it shares what the container shares", async (account) => {
  const seconds = `${600 + Math.random()}`;
  const child = spawn(denspaceRun("--no-namespaces", "--", "sleep", seconds), { as: account });
  const ended = child.output();
  try {
    await until("the container runs", () => processWith(`sleep\0${seconds}\0`));
    const { stdout } = await exec(account, child.pid, "readlink", "/proc/self/ns/pid");
    assertEquals(stdout, `${Deno.readLinkSync("/proc/self/ns/pid")}\n`);
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
});

test("-t gives it a further terminal of the container, as large as ours, also later", async (account) => {
  for (const options of [[], ["-t"], ["--no-namespaces"]]) {
    using directory = scratch();
    const root = options.includes("--no-namespaces")
      ? []
      : ["--rootfs", makeRoot(`${directory.path}/root`)];
    const seconds = `${600 + Math.random()}`;
    await using container = talk(
      spawn(denspaceRun(...root, ...options, "--", "sleep", seconds), { as: account }),
    );
    await until("the container runs", () => processWith(`sleep\0${seconds}\0`));
    const marker = `${directory.path}/marker`;
    const before = `stty rows 44 cols 99
      (while [ ! -e ${marker} ]; do sleep 0.05; done; stty rows 50 cols 90 </dev/tty) &`;
    const script = `stty -echo; tty; ls -l $(tty) | cut -c1; trap 'echo got""int' INT; echo ready
      while read word || :; do case $word in size) stty size;; quit) exit 9;; esac; done`;
    const program = command(container.child.pid, "-it", "--", "sh", "-c", script);
    await using it = talk(spawn(onTerminal(program, before), { as: account }));
    await it.says("ready");
    const number = options.includes("-t") ? 1 : 0;
    if (root.length > 0) assertMatch(it.written(), new RegExp(`/dev/pts/${number}\r\nc\r\n`));
    else assertMatch(it.written(), /\/dev\/pts\/\d+\r\nc\r\n/);
    await it.types("size\n");
    await it.says("44 99");
    Deno.writeTextFileSync(marker, "");
    const asked = setInterval(() => void it.types("size\n"), 100);
    await it.says("50 90").finally(() => clearInterval(asked));
    await it.types("\x03");
    await it.says("gotint");
    await it.types("quit\n");
    assertEquals((await it.child.status).code, 9);
    assertEquals(it.written().split("gotint").length, 2, it.written());
  }
});

test("a shell on a terminal of its own has job control", async (account) => {
  await inContainer(account, [], async (pid) => {
    const shell = command(pid, "-t", "-e", "PS1=inside: ", "sh");
    await using it = talk(spawn(onTerminal(shell), { as: account }));
    await controlJobs(it, "inside: ");
  });
});

test("what stands in place of the terminals of the container is not opened", async () => {
  await inContainer("root", ["--tmpfs", "/dev/pts"], async (pid) => {
    const { stderr } = await exec("root", pid, "-t", "true");
    assertEquals(
      stderr,
      "denspace exec: cannot open a terminal: /dev/ptmx: No such file or directory\n",
    );
    await exec("root", pid, "touch", "/dev/pts/ptmx");
    assertEquals(
      (await exec("root", pid, "-t", "true")).stderr,
      "denspace exec: cannot open a terminal: it is not device 5:2: Invalid argument\n",
    );
    await exec("root", pid, "ln", "-sf", "/proc/1/root/dev/null", "/dev/pts/ptmx");
    assertEquals(
      (await exec("root", pid, "-t", "true")).stderr,
      "denspace exec: cannot open a terminal: /dev/ptmx: Too many levels of symbolic links\n",
    );
  });
}, ["root"]);

const RIGHTS = `id; echo $HOME; grep -E 'Cap(Eff|Amb)' /proc/self/status`;

test("it has the user, and the rights, that are asked for", async () => {
  const none = "0000000000000000";
  const admin = "0000000000001000"; // CAP_NET_ADMIN
  const maps = ["--map-users", "0:100000:1000", "--map-groups", "0:100000:1000"];
  for (const options of [[], maps]) {
    // Another user has only what was asked for, root all that there can be.
    await inContainer("root", [...options, "-u", "web", "--cap-add=net_admin"], async (pid) => {
      const has = async (...more: string[]): Promise<string> =>
        (await exec("root", pid, ...more, "sh", "-c", RIGHTS)).stdout;
      const web = "uid=33(web) gid=34(web) groups=77(extra)\n/srv/web\n";
      assertEquals(await has(), `${web}CapEff:\t${admin}\nCapAmb:\t${admin}\n`);
      assertEquals(await has("-u", "web"), await has());
      assertMatch(
        await has("-u", "5:extra"),
        new RegExp(`^uid=5 gid=77\\(extra\\)\n/\nCapEff:\t${admin}\n`),
      );
      assertMatch(
        await has("-u", "0"),
        /^uid=0\(root\) gid=0\(root\)[^\n]*\n\/root\nCapEff:\t00000000800415fb\n/,
      );
      assertMatch(await has("-u", "web", "--privileged"), new RegExp(`\nCapEff:\t${none}\n`));
    });
  }
  await inContainer("root", [], async (pid) => {
    const { stderr, code } = await exec("root", pid, "-u", "nobody", "true");
    assertEquals(code, 1);
    assertMatch(stderr, /^denspace exec: no user 'nobody' in \/proc\/\d+\/root\/etc\/passwd\n$/);
  });
}, ["root"]);

test("a user that has no id inside is an error", async () => {
  await inContainer("user", [], async (pid) => {
    const { stderr, code } = await exec("user", pid, "-u", "web", "true");
    assertEquals(code, 1);
    assertEquals(
      stderr,
      "denspace exec: --user: there is no user 33 in the container's user namespace, only 0\n",
    );
    assertEquals((await exec("user", pid, "-u", "root", "id", "-u")).stdout, "0\n");
  });
}, ["user"]);

test("--privileged gives all capabilities, and no filter", async (account) => {
  await inContainer(account, ["--cap-drop=ALL"], async (pid) => {
    const mounts = ["sh", "-c", "mount -t tmpfs none /home && umount /home"];
    assertEquals((await exec(account, pid, ...mounts)).code, 1);
    const { code, stderr } = await exec(account, pid, "--privileged", ...mounts);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
  });
});

test("variables come from the command line, from files, and from ours", async (account) => {
  using directory = scratch();
  const file = `${directory.path}/variables`;
  Deno.writeTextFileSync(file, "# none\n\nA=file\nB=file\nOURS\n");
  await inContainer(account, ["-e", "A=first", "-e", "C=first"], async (pid) => {
    const options = ["--env-file", file, "-e", "B=line", "-e", "NONE", "-e", "D"];
    const show = ["sh", "-c", "echo $A $B $C $D $OURS ${NONE-none} ${TERM-none}"];
    const env = { OURS: "ours", D: "ours", TERM: "ours" };
    const { stdout } = await output(command(pid, ...options, ...show), { as: account, env });
    assertEquals(stdout, "file line first ours ours none none\n");
    // The terminal that it is shown on is ours.
    const shown = await output(command(pid, "-t", ...show), { as: account, env });
    assertMatch(shown.stdout, / none ours\r\n$/);
    assertMatch(
      (await exec(account, pid, "-e", "=x", "true")).stderr,
      /^denspace exec: no name=value: '=x'/,
    );
  });
});

test("explain says what it would do", async (account) => {
  await inContainer(account, [], async (pid) => {
    const [deno, run, ffi, main, ...args] = command(pid, "-t", "--", "true");
    const { stdout, stderr, code } = await output([deno!, run!, ffi!, main!, "explain", ...args], {
      as: account,
    });
    assertEquals({ stderr, code }, { stderr: "", code: 0 });
    assertMatch(stdout, /^stage +setns\(\d+, CLONE_NEW.*\) = 0$/m);
    assertMatch(stdout, /^program +execve\("\/bin\/true", .*\) = 0$/m);
    assert(!stdout.includes("So it fails"), stdout);
  });
});

/** In a pid namespace of its own, since there an id can be given away again. */
const RACE = `
import { exec } from "PROJECT/ffi/plan/exec.ts";
import { furtherProgram } from "PROJECT/sandbox/container/further.ts";
import { planContainer } from "PROJECT/sandbox/container/plan.ts";

const [root] = Deno.args;
const start = async () => {
  const { pid } = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-ffi", "PROJECT/commands/main.ts", "run", "--rootfs", root, "sleep", "600"],
  }).spawn();
  let member;
  await until(() => {
    [member] = Deno.readTextFileSync(\`/proc/\${pid}/task/\${pid}/children\`).split(" ");
    return Deno.readTextFileSync(\`/proc/\${member}/cmdline\`).startsWith("sleep");
  });
  return { pid, member: Number(member) };
};
const until = async (look) => {
  for (;;) {
    try { if (look()) return; } catch { /* not yet */ }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
const gone = (pid) => {
  try { Deno.statSync(\`/proc/\${pid}\`); return false; } catch { return true; }
};
const end = ({ pid, member }) => {
  Deno.kill(pid, "SIGKILL");
  while (!gone(member)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
};

// The container ends while one looks.
const first = await start();
try {
  furtherProgram(first.pid, (container) => (end(first), container.first));
} catch (error) {
  console.log(error.message.replace(/\\d+/, "N"));
}

// It ends afterwards, and another process gets the id.
const second = await start();
const { config, existing } = furtherProgram(second.pid, ({ first }) => ({ ...first, args: ["true"] }));
const plan = planContainer(config, { name: "test", existing });
end(second);
for (;;) {
  Deno.writeTextFileSync("/proc/sys/kernel/ns_last_pid", String(second.member - 1));
  const { pid } = new Deno.Command("unshare", { args: ["-u", "sleep", "500"] }).spawn();
  if (pid === second.member) break;
  Deno.kill(pid, "SIGKILL");
}
exec(plan, ["test"]);
`;

test("another process that has got an id of the container is not entered", async () => {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  const project = new URL("..", import.meta.url).href.replace(/\/$/, "");
  const code = RACE.replaceAll("PROJECT", project).replaceAll(
    `"${project}/commands`,
    `"${fromFileUrl(project)}/commands`,
  );
  Deno.writeTextFileSync(`${directory.path}/race.ts`, code);
  // The shell waits for whatever is left to it.
  const script = '"$@"; echo $?';
  const { stdout, stderr } = await output([
    ...["unshare", "-pf", "--mount-proc", "--kill-child", "sh", "-c", script, "sh"],
    ...[Deno.execPath(), "run", "-A", "--no-check", `${directory.path}/race.ts`, root],
  ]);
  assertMatch(
    `${stdout}${stderr}`,
    /^the container of process N has ended\n1\ntest: cannot enter the namespaces of process \d+: No such process\n$/,
  );
}, ["root"]);

test(
  "before Linux 5.8 the namespaces are entered one by one, if the process is still there",
  async () => {
    await inContainer("root", ["--hostname", "inside"], async (pid) => {
      using directory = scratch();
      const trace = `${directory.path}/trace`;
      const { code, stdout, stderr } = await output([
        ...["strace", "-f", "-o", trace, "-e", "trace=setns,pidfd_send_signal"],
        ...["-e", "inject=setns:error=EINVAL:when=1", ...command(pid, "hostname")],
      ]);
      assertEquals({ code, stdout, stderr }, { code: 0, stdout: "inside\n", stderr: "" });
      assertMatch(
        Deno.readTextFileSync(trace),
        /setns\((\d+), .* EINVAL .*\n.*pidfd_send_signal\(\1, 0, NULL, 0\) += 0\n.*setns\(.* = 0\n/,
      );
    });
  },
  ["root"],
  ["strace"],
);
