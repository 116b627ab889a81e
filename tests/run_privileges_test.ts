/** What a program in a container may do: capabilities, filters, Landlock. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../scripts/std.ts";
import { type Account, makeRoot, output, run, scratch, test } from "./container.ts";
import { find } from "./processes.ts";

/** The usual capabilities, and CAP_NET_ADMIN. */
const [USUAL, NET_ADMIN] = [0x800405fbn, 1n << 12n];
const NONE = 0n;

/** What /proc/self/status says of privileges. */
interface Privileges {
  Inh: bigint;
  Prm: bigint;
  Eff: bigint;
  Bnd: bigint;
  Amb: bigint;
  noNewPrivileges: string;
  filters: string;
}

const SHOW = "cat /proc/self/status";

/** Runs a script in a container with a root of its own. */
async function inRoot(
  account: Account,
  options: readonly string[],
  script: string,
): Promise<{ code: number; stdout: string; stderr: string }> {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  const { code, stdout, stderr } = await run(
    ["--rootfs", root, ...options, "--", "sh", "-c", script],
    { as: account },
  );
  return { code, stdout, stderr };
}

async function privileges(account: Account, ...options: string[]): Promise<Privileges> {
  const { code, stdout, stderr } = await inRoot(account, options, SHOW);
  assertEquals([code, stderr], [0, ""]);
  return read(stdout);
}

function read(status: string): Privileges {
  const field = (name: string): string => new RegExp(`^${name}:\\t(.*)$`, "m").exec(status)![1]!;
  const set = (name: string): bigint => BigInt(`0x${field(`Cap${name}`)}`);
  return {
    Inh: set("Inh"),
    Prm: set("Prm"),
    Eff: set("Eff"),
    Bnd: set("Bnd"),
    Amb: set("Amb"),
    noNewPrivileges: field("NoNewPrivs"),
    filters: field("Seccomp"),
  };
}

/** All that this process could give, and an ordinary user in a namespace of his own. */
const everything = (account: Account): bigint =>
  account === "root" ? read(Deno.readTextFileSync("/proc/self/status")).Prm : (1n << 41n) - 1n;

const CONFINED = { noNewPrivileges: "1", filters: "2" };

test("root has the usual capabilities, none is inherited, and nothing gives more", async (account) => {
  assertEquals(await privileges(account), {
    Inh: NONE,
    Prm: USUAL,
    Eff: USUAL,
    Bnd: USUAL,
    Amb: NONE,
    ...CONFINED,
  });
});

test("capabilities are added and dropped", async (account) => {
  const { Eff, Bnd } = await privileges(account, "--cap-add", "net_admin", "--cap-drop=CAP_KILL");
  assertEquals([Eff, Bnd], Array(2).fill(USUAL & ~(1n << 5n) | NET_ADMIN));
  const few = await privileges(account, "--cap-drop", "all", "--cap-add", "CAP_NET_ADMIN");
  assertEquals([few.Eff, few.Bnd], [NET_ADMIN, NET_ADMIN]);
  const none = await privileges(account, "--cap-drop", "ALL");
  assertEquals([none.Eff, none.Prm, none.Bnd], [NONE, NONE, NONE]);
  const most = await privileges(account, "--cap-add=all", "--cap-drop=net_admin");
  assertEquals(most.Eff, everything(account) & ~NET_ADMIN);
});

test("another user has none, but for those that are asked for, which are ambient", async () => {
  assertEquals(await privileges("root", "--user", "1000"), {
    Inh: NONE,
    Prm: NONE,
    Eff: NONE,
    Bnd: USUAL,
    Amb: NONE,
    ...CONFINED,
  });
  assertEquals(await privileges("root", "--user", "1000", "--cap-add", "net_admin"), {
    Inh: NET_ADMIN,
    Prm: NET_ADMIN,
    Eff: NET_ADMIN,
    Bnd: USUAL | NET_ADMIN,
    Amb: NET_ADMIN,
    ...CONFINED,
  });
}, ["root"]);

test("--privileged keeps everything, and hides nothing of /proc", async (account) => {
  const { Eff, Bnd, noNewPrivileges } = await privileges(account, "--privileged");
  assertEquals([Eff, Bnd], Array(2).fill(everything(account)));
  assertEquals(noNewPrivileges, "0");
  const masks = "grep -cE ' /proc/(kcore|keys|timer_list|sys|bus) ' /proc/self/mountinfo";
  assertEquals((await inRoot(account, ["--privileged"], masks)).stdout, "0\n");
  assert(Number((await inRoot(account, [], masks)).stdout) > 2);
});

test("what can't be had is said before anything is done", async (account) => {
  const cases: [string[], string][] = [
    [["--cap-add", "fly"], "no capability 'fly'"],
    [["--seccomp", "/missing"], "/missing: No such file or directory"],
    [["--seccomp", "/etc/passwd"], "/etc/passwd: is not JSON: "],
    [["--landlock", "ro:"], "annotations.denspace.landlock is wrong: '' is no absolute path"],
  ];
  for (const [options, message] of cases) {
    const { code, stderr, stdout } = await inRoot(account, options, "echo ran");
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(stderr, message);
  }
});

// Attacks ---------------------------------------------------------------------

test("a setuid program gains nothing", async () => {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  // A second copy: busybox itself gives up ids that it does not need.
  const source = `${directory.path}/id.c`;
  Deno.writeTextFileSync(
    source,
    `#include <unistd.h>
     #include <stdio.h>
     int main(void) { printf("%d %d\\n", getuid(), geteuid()); return 0; }`,
  );
  const compiled = await output(["cc", "-static", "-o", `${root}/bin/setuid`, source]);
  assertEquals([compiled.code, compiled.stderr], [0, ""]);
  Deno.chmodSync(`${root}/bin/setuid`, 0o4755);
  const ids = async (...options: string[]): Promise<string> =>
    (await run(["--rootfs", root, "--user", "1000", ...options, "--", "/bin/setuid"])).stdout;
  assertEquals(await ids(), "1000 1000\n");
  assertEquals(await ids("--privileged"), "1000 0\n");
}, ["root"]);

test("no namespace and no mount can be made", async (account) => {
  const script = ["-U", "-m", "-n", "-p", "-i", "-u", "-C", "-T"]
    .map((flag) => `unshare ${flag} true 2>&1`).join("\n");
  const { stdout } = await run(["--", "sh", "-c", `${script}; mount -t tmpfs none /mnt 2>&1`], {
    as: account,
  });
  const lines = stdout.trimEnd().split("\n");
  assertEquals(
    lines.filter((line) => line === "unshare: unshare failed: Operation not permitted").length,
    8,
    stdout,
  );
  assertMatch(
    lines.at(-2)! + lines.at(-1)!,
    /mount: .*(permission denied|not permitted|must be superuser)/,
  );
});

test("typing for others is refused even without a filter", async (account) => {
  const count = (status: string): number => Number(/^Seccomp_filters:\t(\d+)/m.exec(status)![1]);
  const outside = count(Deno.readTextFileSync("/proc/self/status"));
  const filters = async (...options: string[]): Promise<number> =>
    count((await inRoot(account, options, SHOW)).stdout) - outside;
  assertEquals(await filters(), 2);
  assertEquals(await filters("--seccomp", "unconfined"), 1);
});

// Filters ---------------------------------------------------------------------

test("a filter of one's own is in force, and one that is compiled is kept", async (account) => {
  using directory = scratch();
  const profile = `${directory.path}/profile.json`;
  const rules = [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errno: "EXDEV" }];
  const text = JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: rules });
  Deno.writeTextFileSync(profile, text);
  const root = makeRoot(`${directory.path}/root`);
  const cache = `${directory.path}/cache`;
  for (const kept of [false, true]) {
    if (kept) assertEquals([...Deno.readDirSync(`${cache}/denspace/seccomp`)].length, 1);
    const { stdout, stderr, code } = await run(
      ["--rootfs", root, "--seccomp", profile, "--tmpfs", "/t", "--", "mkdir", "/t/new"],
      { as: account, env: { XDG_CACHE_HOME: cache } },
    );
    assertEquals(
      [code, stdout, stderr],
      [1, "", "mkdir: can't create directory '/t/new': Invalid cross-device link\n"],
    );
  }
});

test("a configuration with a filter and capabilities is run as it is printed", async (account) => {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  const options = ["--rootfs", root, "--cap-add", "net_admin", "--landlock", "ro:/,rw:/tmp"];
  const printed = await run([...options, "--print-config", "--", "sh", "-c", SHOW], {
    as: account,
  });
  assertEquals([printed.code, printed.stderr], [0, ""]);
  const { process, linux, annotations } = JSON.parse(printed.stdout);
  assert(process.capabilities.bounding.includes("CAP_NET_ADMIN"));
  assertEquals(linux.seccomp.defaultErrnoRet, 38);
  assertEquals(annotations["denspace.landlock"], "ro:/,rw:/tmp");
  const file = `${directory.path}/config.json`;
  Deno.writeTextFileSync(file, printed.stdout);
  const { code, stdout, stderr } = await run(["--config", file], { as: account });
  assertEquals([code, stderr], [0, ""]);
  assertEquals(read(stdout).Eff, USUAL | NET_ADMIN);

  linux.seccomp.syscalls[0].action = "SCMP_ACT_NOTIFY";
  Deno.writeTextFileSync(file, JSON.stringify({ ...JSON.parse(printed.stdout), linux }));
  const refused = await run(["--config", file], { as: account });
  assertEquals([refused.code, refused.stderr], [
    1,
    "denspace run: linux.seccomp.syscalls[0].action: SCMP_ACT_NOTIFY is not supported\n",
  ]);
});

test("capabilities that are ambient but not inheritable are not granted, and that is said", async (account) => {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  const args = ["--rootfs", root, "--print-config", "--", "sh", "-c", SHOW];
  const { stdout: printed } = await run(args, { as: account });
  const config = JSON.parse(printed);
  // As the example of runc spec has them.
  const names = ["CAP_KILL"];
  config.process.capabilities = {
    bounding: names,
    effective: names,
    permitted: names,
    ambient: names,
  };
  Deno.writeTextFileSync(`${directory.path}/config.json`, JSON.stringify(config));
  const { code, stdout, stderr } = await run(["--config", directory.path], { as: account });
  assertEquals(
    stderr,
    "denspace run: no ambient CAP_KILL: what is ambient has to be inheritable, too\n",
  );
  assertEquals([code, read(stdout).Amb], [0, 0n]);
});

// Landlock --------------------------------------------------------------------

test("Landlock denies what was not granted", async (account) => {
  const script = "cat </etc/passwd; echo >/tmp/new && echo wrote; ls /etc; echo >/root/new";
  const options = [
    "--landlock",
    "ro:/bin,rw:/tmp,rw:/dev/null",
    "--tmpfs",
    "/tmp",
    "--tmpfs",
    "/root",
  ];
  const { stdout, stderr } = await inRoot(account, options, script);
  assertEquals(stdout, "wrote\n");
  assertEquals(
    stderr,
    "sh: can't open /etc/passwd: Permission denied\n" +
      "ls: can't open '/etc': Permission denied\n" +
      "sh: can't create /root/new: Permission denied\n",
  );
});

test("Landlock is of use without any namespace", async (account) => {
  using directory = scratch();
  const busybox = find("busybox")!;
  const script = `id -u; echo >new && echo wrote; cat </etc/passwd; readlink /proc/self/ns/user`;
  const { code, stdout, stderr } = await run(
    [
      "--no-namespaces",
      "--landlock",
      `ro:${busybox},rw:${directory.path},ro:/proc`,
      "--landlock",
      "connect:none",
      "--",
      busybox,
      "sh",
      "-c",
      script,
    ],
    { as: account, cwd: directory.path },
  );
  assertEquals(stderr, "sh: can't open /etc/passwd: Permission denied\n");
  assertEquals(code, 0);
  const uid = account === "root" ? 0 : 1000;
  assertEquals(stdout, `${uid}\nwrote\n${Deno.readLinkSync("/proc/self/ns/user")}\n`);
});
