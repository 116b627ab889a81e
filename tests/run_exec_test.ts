/** A further program in a container that runs. */
import { assert, assertEquals, assertMatch, dirname, fromFileUrl, join } from "../scripts/std.ts";
import {
  type Account,
  denspaceRun,
  makeRoot,
  output,
  processWith,
  type Result,
  scratch,
  spawn,
  test,
  until,
} from "./container.ts";

const MAIN = Deno.env.get("DENSPACE_UNDER_TEST") ??
  join(dirname(dirname(fromFileUrl(import.meta.url))), "commands/main.ts");

function exec(account: Account, pid: number, ...args: readonly string[]): Promise<Result> {
  return output(
    [Deno.execPath(), "run", "--allow-ffi", MAIN, "exec", `--pid=${pid}`, ...args],
    { as: account },
  );
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
    await until(() => processWith(`sleep\0${seconds}\0`), "the container runs");
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

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
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
      () => exists(`${directory.path}/done`) && Deno.readTextFileSync(`${directory.path}/first`),
      "the first program has said what it has",
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
    await until(() => processWith(`sleep\0${mark}\0`), "it runs");
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

test("it is in the cgroups of the container", async () => {
  await inContainer("root", ["--pids-limit", "20"], async (pid, container) => {
    const child = Number(Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`));
    const expected = Deno.readTextFileSync(`/proc/${child}/cgroup`);
    const mark = `${900 + Math.random()}`;
    const further = exec("root", pid, "sleep", mark);
    const found = await until(() => processWith(`sleep\0${mark}\0`), "it runs");
    assertEquals(Deno.readTextFileSync(`/proc/${found}/cgroup`), expected);
    assert(expected !== Deno.readTextFileSync("/proc/self/cgroup"));
    Deno.kill(found, "SIGKILL");
    await further;
    // Its supervisor removes them, if it is not killed itself.
    Deno.kill(child, "SIGKILL");
    await container.status;
  });
}, ["root"]);

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
    await until(() => processWith(`sleep\0${seconds}\0`), "the container runs");
    const { stdout } = await exec(account, child.pid, "readlink", "/proc/self/ns/pid");
    assertEquals(stdout, `${Deno.readLinkSync("/proc/self/ns/pid")}\n`);
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
});
