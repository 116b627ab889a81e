/** `denspace run`: attacks that other runtimes had to learn of, and none of them works. */
import { assert, assertEquals, assertMatch, join } from "../scripts/std.ts";
import {
  type Account,
  denspaceRun,
  makeRoot,
  output,
  type Result,
  run,
  type Running,
  scratch,
  spawn,
  test,
  USER,
} from "./container.ts";
import { processWith, until } from "./processes.ts";

/** A root that an attacker has prepared, beside a file of the host. */
interface Prepared extends Disposable {
  readonly root: string;
  /** A file outside of the root. */
  readonly secret: string;
  run(options: readonly string[], script: string, running?: Running): Promise<Result>;
}

function prepare(
  account: Account,
  change: (root: string, outside: string) => void = () => {},
): Prepared {
  const directory = scratch();
  const outside = `${directory.path}/outside`;
  const root = makeRoot(`${directory.path}/root`);
  Deno.mkdirSync(outside);
  Deno.writeTextFileSync(`${outside}/secret`, "secret\n");
  change(root, outside);
  if (Deno.uid() === 0) {
    new Deno.Command("chown", { args: ["-R", `${USER}`, directory.path] }).outputSync();
  }
  return {
    root,
    secret: `${outside}/secret`,
    run: (options, script, running = {}) =>
      run(["--rootfs", root, ...options, "--", "sh", "-c", script], { as: account, ...running }),
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

test("a link in the root does not lead a mount outside", async (account) => {
  using it = prepare(account, (root, outside) => {
    Deno.symlinkSync(outside, `${root}/data`);
    Deno.symlinkSync("../../../../../../../../../../../etc", `${root}/up`);
  });
  const mounts = Deno.readTextFileSync("/proc/self/mountinfo");
  const { code, stderr, stdout } = await it.run(
    ["--writable", "--tmpfs", "/data", "--tmpfs", "/up/new"],
    "echo x > /data/secret; mount | grep -c tmpfs.*new",
  );
  // The links lead to places in the root, which are made, or not found.
  assert(code === 0 || /cannot mount/.test(stderr), stderr + stdout);
  assertEquals(Deno.readTextFileSync(it.secret), "secret\n");
  assertEquals(Deno.readTextFileSync("/proc/self/mountinfo"), mounts);
});

test("a link in place of /dev, /proc or /sys does not lead a mount outside", async (account) => {
  using it = prepare(account, (root, outside) => {
    for (const name of ["dev", "proc", "sys"]) Deno.symlinkSync(outside, `${root}/${name}`);
  });
  await it.run(["--writable"], "true");
  assertEquals([...Deno.readDirSync(join(it.secret, ".."))].map(({ name }) => name), ["secret"]);
});

test("a link of /proc as working directory is refused", async (account) => {
  using it = prepare(account);
  for (
    const directory of ["/proc/self/fd/0", "/proc/self/fd/3", "/proc/1/cwd", "/proc/self/root"]
  ) {
    const { code, stderr } = await it.run(["--workdir", directory], "pwd");
    assertEquals(code, 1, directory);
    assertMatch(stderr, /^denspace run: cannot change to the directory \/proc\//);
  }
});

test("a link in the root to a working directory outside leads inside", async (account) => {
  using it = prepare(account, (root, outside) => Deno.symlinkSync(outside, `${root}/work`));
  const { code, stderr } = await it.run(["--workdir", "/work"], "cat secret");
  assertEquals(code, 1);
  assertMatch(stderr, /cannot change to the directory \/work: No such file or directory/);
});

test("no descriptor of ours, or of whoever started us, is passed on", async (account) => {
  using it = prepare(account);
  const command = denspaceRun("--rootfs", it.root, "--", "ls", "/proc/self/fd");
  const { stdout, stderr } = await output(
    ["bash", "-c", 'exec 7</etc/passwd 11</; exec "$@"', "bash", ...command],
    { as: account },
  );
  assertEquals(stdout, "0\n1\n2\n3\n", stderr); // ls has the directory open
});

test("no process inside has a directory of the host", async (account) => {
  using it = prepare(account);
  const script = "for p in /proc/[0-9]*; do ls $p/cwd/ $p/root/; done; cat /proc/1/mountinfo";
  // Process 1 may have capabilities that the program has not: then it can't even look.
  const { stdout } = await it.run(["--init"], script, { cwd: "/usr" });
  assert(!/^(lib|share|usr)$/m.test(stdout), stdout);
  assertMatch(stdout, / \/proc /);
});

test("the program that is process 1 of --init can't be changed", async (account) => {
  using it = prepare(account);
  const { stdout } = await it.run(
    ["--init"],
    "(echo x > /proc/1/exe) 2>&1; (echo x > /proc/self/exe) 2>&1; dd if=/dev/zero of=/proc/1/exe 2>&1; echo $?",
  );
  assertMatch(stdout, /(Text file busy|Permission denied|Operation not permitted|Read-only)/);
  assertMatch(stdout, /\n1\n$/);
});

test("a root's own /dev/null is not what masks files", async (account) => {
  using it = prepare(account, (root) => {
    Deno.mkdirSync(`${root}/dev`);
    Deno.writeTextFileSync(`${root}/dev/null`, "attack\n");
  });
  const { stdout, stderr } = await it.run([], "cat /proc/keys /proc/timer_list; ls -l /dev/null");
  assertMatch(stdout, /^crw-rw-rw- .* 1, +3 .*\/dev\/null\n$/, stderr);
});

test("/dev/null is checked where the root has its own /dev", async (account) => {
  using it = prepare(account, (root) => {
    Deno.mkdirSync(`${root}/own`);
    Deno.writeTextFileSync(`${root}/own/null`, "attack\n");
  });
  const { code, stderr } = await it.run(["-v", `${it.root}/own:/dev`], "cat /proc/keys");
  assertEquals(code, 1);
  assertMatch(stderr, /cannot open \/dev\/null to mask files: it is not device 1:3/);
});

test("what is masked can't be read, what is read-only not be written", async (account) => {
  using it = prepare(account);
  const script = `cat /proc/keys /proc/kcore /proc/timer_list /proc/interrupts; ls /sys/firmware
    for path in /proc/sys/kernel/domainname /proc/sysrq-trigger /proc/irq/x /sys/x /sys/fs/cgroup/x; do
      (echo x > $path) 2>/dev/null && echo "wrote $path"
    done; true`;
  const { stdout, stderr } = await it.run([], script);
  assertEquals(stdout, "", stderr);
});

test("the masks can't be taken off", async (account) => {
  using it = prepare(account);
  const userns = account === "root"
    ? ["--map-users", "0:0:4294967294", "--map-groups", "0:0:4294967294"]
    : [];
  const script = `unshare -Ur true 2>/dev/null; umount /proc/keys 2>&1; umount -l /proc/sys 2>&1
    (echo x > /proc/sys/kernel/domainname) 2>&1; cat /proc/keys`;
  const { stdout } = await it.run(userns, script);
  // Root of the container may unmount what it has; what the machine has stays closed to it.
  assert(!/^[0-9a-f]{8} /m.test(stdout) || account === "root", stdout);
});

test("a file to bind is what it was when it was looked up", async (account) => {
  using it = prepare(account);
  Deno.writeTextFileSync(`${it.root}/../mine`, "mine\n");
  const { stdout, stderr } = await it.run(
    ["-v", `${it.root}/../mine:/mine:ro`],
    "cat /mine; (echo x > /mine) 2>&1",
  );
  assertMatch(stdout, /^mine\n.*Read-only file system\n$/, stderr);
});

test("the terminal of who starts it is not typed into", async (account) => {
  using it = prepare(account);
  const c = `${it.root}/../typing.c`;
  Deno.writeTextFileSync(
    c,
    `
    #include <sys/ioctl.h>
    #include <unistd.h>
    #include <errno.h>
    #include <stdio.h>
    int main(void) {
      char c = 'x';
      unsigned long requests[] = { TIOCSTI, 0x541c, (1ul << 32) | TIOCSTI };
      for (int i = 0; i < 3; i++) printf("%d ", ioctl(0, requests[i], &c) < 0 ? errno : 0);
    }`,
  );
  const compiled = await output(["gcc", "-static", "-o", `${it.root}/bin/typing`, c]);
  assertEquals(compiled.code, 0, compiled.stderr);
  const { stdout } = await it.run([], "typing");
  assertEquals(stdout, "1 1 1 "); // EPERM
});

test("a service of the machine is not reached by its socket in a copy of the machine", async (account) => {
  using directory = scratch();
  using _listener = Deno.listen({ transport: "unix", path: `${directory.path}/socket` });
  Deno.chmodSync(directory.path, 0o777);
  Deno.chmodSync(`${directory.path}/socket`, 0o777);
  const client = `use IO::Socket::UNIX; print IO::Socket::UNIX->new("socket") ? "connected" : $!`;
  const connect = ["perl", "-e", client];
  const outside = new Deno.Command(connect[0]!, { args: connect.slice(1), cwd: directory.path });
  assertEquals(new TextDecoder().decode(outside.outputSync().stdout), "connected");
  const { stdout } = await run(["--", ...connect], { as: account, cwd: directory.path });
  assertEquals(stdout, "Connection refused");
});

test("no program gains rights: no_new_privs is set", async (account) => {
  using it = prepare(account);
  const { stdout } = await it.run([], "grep NoNewPrivs /proc/self/status");
  assertEquals(stdout, "NoNewPrivs:\t1\n");
});

test("a user can't drop a group to get at files that are closed to it", async () => {
  using it = prepare("user");
  const { stdout } = await it.run([], "cat /proc/self/setgroups");
  assertEquals(stdout, "deny\n");
}, ["user"]);

test("ids of 2^31 and above are ids", async () => {
  using it = prepare("root");
  const id = 2 ** 31 + 5;
  const { stdout, stderr } = await it.run(["--user", `${id}:${id}`], "id -u; id -g");
  assertEquals(stdout, `${id}\n${id}\n`, stderr);
  for (const wrong of ["4294967295", "4294967296", "-1", "0x5", "1 ", "+1"]) {
    assertEquals((await it.run([`--user=${wrong}`], "true")).code, 1, wrong);
  }
}, ["root"]);

test("who kills denspace kills what it runs, also when that changes its ids", async (account) => {
  using it = prepare(account);
  const mark = account === "root" ? "54324.5" : "54324.25";
  const options = account === "root" ? ["--user", "33:34"] : [];
  await using child = spawn(denspaceRun("--rootfs", it.root, ...options, "--", "sleep", mark), {
    as: account,
  });
  await until("the program runs", () => processWith(`sleep\0${mark}\0`));
  child.kill("SIGKILL");
  await until("the program is gone", () => processWith(`sleep\0${mark}\0`) === undefined);
});

test("an environment with a NUL, or a name without a value, does not get in", async (account) => {
  using it = prepare(account);
  assertEquals((await it.run(["-e", "=x"], "true")).code, 1);
  const { stdout } = await it.run(
    ["--clear-env", "-e", "A=1", "-e", "A=2", "-e", "NOT_SET"],
    "env",
  );
  assertMatch(stdout, /^A=2$/m);
  assert(!/NOT_SET/.test(stdout));
});
