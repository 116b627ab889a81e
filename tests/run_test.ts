/** `denspace run`: what a container is, from inside and from outside. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../scripts/std.ts";
import { denspaceRun, inRoot, makeRoot, output, run, scratch, spawn, test } from "./container.ts";
import { processWith, until } from "./processes.ts";

test("the host name stays inside", async (account) => {
  const before = Deno.hostname();
  assertEquals(await inRoot(account, ["--hostname", "web"], "hostname"), "web\n");
  assertEquals(Deno.hostname(), before);
});

test("the program is process 1, and ps sees nothing else", async (account) => {
  const lines = (await inRoot(account, [], "ps -o pid,args")).trimEnd().split("\n");
  assertEquals(lines.length, 2, lines.join("\n")); // the header, ps
  assertMatch(lines[1]!, /^ +1 .*ps -o pid,args$/);
});

test("with --init the program is not process 1, which reaps what is left over", async (account) => {
  const script = `echo $$; orphan=$(sh -c 'sleep 0.1 >/dev/null & echo $!'); i=0
    while [ -e /proc/$orphan ]; do i=$((i+1)); [ $i -lt 900 ] || exit 1; sleep 0.01; done
    ps -o pid,stat,args`;
  const [pid, ...lines] = (await inRoot(account, ["--init"], script)).trimEnd().split("\n");
  assertEquals(pid, "2");
  assertEquals(lines.filter((line) => line.includes("Z")), []);
  assertEquals(lines.length, 3, lines.join("\n")); // the header, init, ps
});

test("process 1 of --init shows nothing of the machine", async (account) => {
  const script =
    "tr -d '\\0' < /proc/1/cmdline; tr -d '\\0' < /proc/1/environ; ls /proc/1/cwd/ /proc/1/root/ /proc/1/fd";
  const shown = await inRoot(account, ["--init", "--clear-env", "--privileged"], script);
  const [cmdline, ...rest] = shown.split("\n");
  assertMatch(cmdline!, /^init\/proc\/1\/cwd\/:$/);
  assert(!shown.includes("PATH="), shown);
  assertEquals(rest.filter((name) => name === "busybox" || name === "lib"), []);
  assertEquals(rest.filter((name) => name === "root").length, 2, shown);
  assertEquals(rest[rest.indexOf("/proc/1/fd:") + 1], "", shown);
});

test("processes are seen and killed from outside, not the other way round", async (account) => {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  const mark = "54321.5";
  await using child = spawn(denspaceRun("--rootfs", root, "--", "sleep", mark), { as: account });
  const inside = await until("the program runs", () => processWith(`sleep\0${mark}\0`));
  Deno.kill(inside, "SIGKILL");
  assertEquals((await child.status).signal, "SIGKILL");
  const script = `kill -9 ${Deno.pid} 2>&1; echo $?`;
  assertMatch(await inRoot(account, [], script), /No such process\n1\n$/);
});

test("mounts do not leak, and the host's /proc is whole afterwards", async (account) => {
  const mounts = (): string => Deno.readTextFileSync("/proc/self/mountinfo");
  const before = mounts();
  const seen = await inRoot(account, ["--tmpfs", "/tmp"], "cat /proc/self/mountinfo");
  assertEquals(mounts(), before);
  assertEquals(Deno.readTextFileSync("/proc/self/comm").length > 1, true);
  // Nothing of the host is mounted inside but the root, and devices.
  const points = seen.trimEnd().split("\n").map((line) => line.split(" "));
  for (const [, , , , path, , ...rest] of points) {
    if (rest.includes("ext4")) assertEquals(path, "/", seen);
  }
  assertEquals(points.filter(([, , , , path]) => path === "/").length, 1, seen);
});

test("root inside is an ordinary user outside", async (account) => {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  const userns = account === "root"
    ? ["--map-users", "0:100000:1000", "--map-groups", "0:100000:1000"]
    : [];
  const mark = "54322.5";
  const script = `id -u; exec sleep ${mark}`;
  await using child = spawn(denspaceRun("--rootfs", root, ...userns, "--", "sh", "-c", script), {
    as: account,
  });
  const pid = await until("the program runs", () => processWith(`sleep\0${mark}\0`));
  const [, uid] = /^Uid:\t(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))!;
  assertEquals(uid, account === "root" ? "100000" : "1000");
  Deno.kill(pid, "SIGKILL");
  const { stdout } = await child.output();
  assertEquals(new TextDecoder().decode(stdout), "0\n");
});

test("System V queues are unseen, both ways", async (account) => {
  const made = await output(["ipcmk", "-Q"], { as: account });
  const [, id] = /: (\d+)/.exec(made.stdout) ?? [];
  try {
    const { stdout, stderr } = await run([
      "--",
      "sh",
      "-c",
      "ipcs -q; ipcmk -Q >/dev/null; ipcs -q",
    ], {
      as: account,
    });
    const counts = stdout.match(/^0x/gm)?.length ?? 0;
    assertEquals(counts, 1, stdout + stderr); // its own, after it has made one
    const { stdout: outside } = await output(["ipcs", "-q"], { as: account });
    assertStringIncludes(outside, ` ${id} `);
    assertEquals(outside.match(/^0x/gm)?.length, 1, outside);
  } finally {
    await output(["ipcrm", "-q", id!], { as: account });
  }
});

test("only a loopback interface is there, and it is up", async (account) => {
  const lines = await inRoot(
    account,
    ["--cap-add", "net_raw"],
    "ip -o addr; ping -c 1 -w 5 127.0.0.1 >/dev/null && echo up",
  );
  assertMatch(lines, /^1: lo +inet 127\.0\.0\.1/);
  assertEquals(
    lines.split("\n").filter((line) => /^\d+:/.test(line) && !line.startsWith("1:")),
    [],
  );
});

test("clocks are ahead", async (account) => {
  const [own] = Deno.readTextFileSync("/proc/uptime").split(" ");
  const [inside] = (await inRoot(account, ["--boottime", "1000000"], "cat /proc/uptime")).split(
    " ",
  );
  const ahead = Number(inside) - Number(own);
  assert(ahead > 999_900 && ahead < 1_001_000, `${ahead}`);
});

test("an exit status is passed on", async (account) => {
  const { code } = await run(["--", "sh", "-c", "exit 42"], { as: account });
  assertEquals(code, 42);
});

test("a program that is not there is status 127, one that can't be run 126", async (account) => {
  const none = await run(["--", "no-such-program"], { as: account });
  assertEquals(none.code, 127);
  assertMatch(none.stderr, /^denspace run: failed to execute no-such-program: No such file/m);
  assertEquals((await run(["--", "/etc"], { as: account })).code, 126);
});
