/** `denspace run`: what options come to, what a configuration may have, and what that makes of the program. */
import { assert, assertEquals, assertMatch, assertThrows } from "../scripts/std.ts";
import { parseMountOptions } from "../sandbox/container/mount_options.ts";
import { reachable } from "../sandbox/container/mount_table.ts";
import { layerName, layerPlace, machineLayers } from "../sandbox/container/layers.ts";
import { ConfigError, supportedConfig } from "../sandbox/container/supported.ts";
import type { Config } from "../sandbox/container/oci.ts";
import {
  denspaceRun,
  inRoot,
  makeRoot,
  output,
  run,
  scratch,
  spawn,
  test,
  USER,
} from "./container.ts";
import { processWith, until } from "./processes.ts";

const MINIMAL: Config = {
  ociVersion: "1.2.0",
  process: { cwd: "/", args: ["true"], user: { uid: 0, gid: 0 } },
  root: { path: "/root", readonly: true },
  linux: { namespaces: [{ type: "mount" }, { type: "pid" }, { type: "uts" }] },
};

Deno.test("a field that is not supported is an error that names it", () => {
  assertEquals(supportedConfig(MINIMAL), MINIMAL);
  const wrong: [object, RegExp][] = [
    [{ hooks: {} }, /^hooks is not supported yet$/],
    [{ windows: {} }, /^windows is not supported yet$/],
    [
      { process: { ...MINIMAL.process, ioPriority: {} } },
      /^process\.ioPriority is not supported yet$/,
    ],
    [{ linux: { ...MINIMAL.linux, intelRdt: {} } }, /^linux\.intelRdt is not supported yet$/],
    [{ mounts: [{ destination: "/x", type: "tmpfs", foo: 1 }] }, /^mounts\[0\]\.foo is not/],
    [{ mounts: [{ destination: "x" }] }, /^mounts\[0\]\.destination is no absolute path/],
    [{ mounts: [{ destination: "/a/../b" }] }, /^mounts\[0\]\.destination is no absolute path/],
    [{ mounts: [{ destination: "/" }] }, /^mounts\[0\]\.destination is the root$/],
    [{ mounts: [{ destination: "/x", options: ["remount"] }] }, /remount/],
    [{ root: undefined }, /root/],
    [{ ociVersion: "2.0.0" }, /^ociVersion is not 1\.x: 2\.0\.0$/],
    [{ process: { ...MINIMAL.process, args: [] } }, /^process\.args is empty$/],
    [
      { process: { ...MINIMAL.process, user: { uid: -1, gid: 0 } } },
      /^process\.user\.uid is not 0 to/,
    ],
    [
      { process: { ...MINIMAL.process, user: { uid: 2 ** 32 - 1, gid: 0 } } },
      /uid is not 0 to 4294967294/,
    ],
    [{ process: { ...MINIMAL.process, env: ["=x"] } }, /^process\.env\[0\] is no NAME=value: =x$/],
    [
      { annotations: { "denspace.other": "1" } },
      /^annotations\.denspace\.other is not supported yet$/,
    ],
    [{ linux: { namespaces: [{ type: "mount" }, { type: "mount" }] } }, /has mount twice/],
    [{ linux: { namespaces: [{ type: "pid" }] } }, /^root needs a new mount namespace/],
    [
      { linux: { namespaces: [{ type: "mount" }] }, hostname: "x" },
      /^hostname needs a UTS namespace/,
    ],
    [
      { linux: { ...MINIMAL.linux, uidMappings: [{ containerID: 0, hostID: 0, size: 1 }] } },
      /new user namespace/,
    ],
  ];
  for (const [change, message] of wrong) {
    const error = assertThrows(() => supportedConfig({ ...MINIMAL, ...change }), ConfigError);
    assertMatch((error as Error).message, message);
  }
  for (const value of [null, 1, "x", []]) assertThrows(() => supportedConfig(value), ConfigError);
});

Deno.test("options of mounts become attributes, propagation and data", () => {
  const { bind, own, all, propagation, data } = parseMountOptions(
    ["rbind", "ro", "nosuid", "rw", "rnoexec", "rslave", "size=1m", "mode=755", "newinstance"],
  );
  assertEquals({ bind, own, all }, {
    bind: "rbind",
    own: { set: 2, clear: 1 }, // MOUNT_ATTR_NOSUID; RDONLY
    all: { set: 8, clear: 0 }, // MOUNT_ATTR_NOEXEC
  });
  assertEquals(propagation, 0x8_4000); // MS_SLAVE | MS_REC
  assertEquals(data, [["size", "1m"], ["mode", "755"], ["newinstance"]]);
});

Deno.test("mounts that others hide are not seen", () => {
  const text = `1 0 8:1 / / rw - ext4 /dev/a rw
2 1 0:1 / /proc rw,nosuid - proc proc rw
3 1 0:2 / /a\\040b rw,nodev - tmpfs none rw
4 3 0:3 / /a\\040b rw - ext4 none rw
5 3 0:4 / /a\\040b/hidden rw - ext4 none rw
6 1 0:5 / /home/x rw - xfs none rw
7 1 0:6 / /home rw,noexec - xfs none rw
`;
  assertEquals(
    reachable(text).map(({ path, type, attributes }) => `${path} ${type} ${attributes}`),
    ["/ ext4 0", "/a b ext4 0", "/home xfs 8", "/proc proc 2"],
  );
});

Deno.test("a copy of the machine has an overlay for all that has no mount below", () => {
  const kinds: Record<string, string> = {
    "/": "directory",
    "/bin": "link",
    "/home": "directory",
    "/home/me": "directory",
    "/home/you": "directory",
    "/home/you/a": "directory",
    "/home/you/a/b": "directory",
    "/home/you/c": "directory",
    "/proc": "directory",
    "/tmp": "directory",
    "/usr": "directory",
    "/swap": "file",
  };
  const files = {
    stat: (path: string) =>
      kinds[path]
        ? { kind: kinds[path], mode: 0o755, uid: path === "/home/you/a" ? 1 : 0, gid: 0 }
        : undefined,
    list: (path: string) =>
      Object.keys(kinds).filter((each) =>
        each !== "/" && each.slice(0, each.lastIndexOf("/") || 1) === path
      )
        .map((each) => each.slice(each.lastIndexOf("/") + 1)),
    readlink: () => "usr/bin",
  };
  const mounts = [
    { path: "/", type: "ext4", attributes: 0 },
    { path: "/home/me", type: "ext4", attributes: 2 },
    { path: "/proc", type: "proc", attributes: 0 },
  ];
  const knows = ({ uid }: { uid: number }): boolean => uid === 0;
  const places = (split: boolean, directory: string): string[] =>
    machineLayers({ mounts, files, ...(split && { knows }) }, ["/proc", "/tmp"], directory).layers
      .map(({ place, required, attributes, kind }) =>
        `${place} ${kind} ${attributes}${required ? " required" : ""}`
      );
  assertEquals(places(false, "/home/me/x"), [
    "/ directory 0 required",
    "/home/me directory 2 required",
  ]);
  assertEquals(places(true, "/usr/lib"), [
    "/ directory 0 required",
    "/home/me directory 2",
    "/home/you directory 0",
    "/usr directory 0 required",
    "/swap file 0",
  ]);
  // What is below a directory of somebody else can be changed in a layer of its own only.
  assertEquals(places(true, "/home/you/a/b"), [
    "/ directory 0 required",
    "/home/me directory 2",
    "/home/you/a directory 0 required",
    "/home/you/c directory 0",
    "/usr directory 0",
    "/swap file 0",
  ]);
});

Deno.test("a layer's directory tells where it belongs", () => {
  for (const place of ["/", "/usr", "/home/me", "/%2F", "/a%b/c"]) {
    assertEquals(layerPlace(layerName(place)), place);
    assert(!layerName(place).includes("/"));
  }
});

test("--print-config and --config are the only road: one gives what the other runs", async (account) => {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  const options = [
    "--rootfs",
    root,
    "--hostname",
    "web",
    "-e",
    "A=b\udc80".replace("\udc80", "c"),
    "--umask",
    "27",
  ];
  const script = ["sh", "-c", "hostname; echo $A; umask"];
  const printed = await run([...options, "--print-config", "--", ...script], { as: account });
  assertEquals(printed.code, 0, printed.stderr);
  const config: Config = JSON.parse(printed.stdout);
  assertEquals(config.process!.args, script);
  assertEquals(config.hostname, "web");
  Deno.writeTextFileSync(`${directory.path}/config.json`, printed.stdout);
  for (const file of [directory.path, `${directory.path}/config.json`]) {
    const { stdout, stderr } = await run(["--config", file], { as: account });
    assertEquals(stdout, "web\nbc\n0027\n", stderr);
  }
  // Paths of a bundle are relative to it.
  Deno.writeTextFileSync(
    `${directory.path}/config.json`,
    JSON.stringify({ ...config, root: { path: "root", readonly: true } }),
  );
  assertEquals(
    (await run(["--config", directory.path], { as: account })).stdout,
    "web\nbc\n0027\n",
  );
  const both = await run(["--config", directory.path, "--hostname", "x"], { as: account });
  assertEquals(both.code, 1);
  assertMatch(both.stderr, /--config says all: it goes with no --hostname/);
});

test("volumes are mounted, read-only with all below if that is asked for", async (account) => {
  using directory = scratch();
  Deno.mkdirSync(`${directory.path}/data`);
  Deno.writeTextFileSync(`${directory.path}/data/file`, "data\n");
  await output(["chmod", "-R", "a+rwX", directory.path]);
  const volume = `${directory.path}/data`;
  const script =
    "cat /a/file; cat /b/c; (echo x > /b/c) 2>/dev/null || echo refused; echo new > /a/new";
  const out = await inRoot(account, ["-v", `${volume}:/a`, "-v", `${volume}/file:/b/c:ro`], script);
  assertEquals(out, "data\ndata\nrefused\n");
  assertEquals(Deno.readTextFileSync(`${volume}/new`), "new\n");
  const mounted = await inRoot(account, [
    ...["--mount", `type=bind,src=${volume},dst=/m,readonly,nosuid,nodev`],
    ...["--mount", "type=tmpfs,dst=/t,size=1m,mode=700"],
    ...["--tmpfs", "/u:size=2m,ro"],
    ...["--mount", "type=proc,dst=/p"],
  ], "cat /m/file; mount | grep -e ' /[mtup] '; ls /p/1/comm");
  assertMatch(mounted, /^data\n/);
  assertMatch(mounted, / \/m type \S+ \(ro,nosuid,nodev,/);
  assertMatch(mounted, / \/t type tmpfs \(rw,nosuid,nodev,relatime,size=1024k,mode=700/);
  assertMatch(mounted, / \/u type tmpfs \(ro,nosuid,nodev,relatime,size=2048k/);
  assertMatch(mounted, /\/p\/1\/comm\n$/);
  const both = await run(["-v", `${volume}:/x:ro,rw`, "--", "true"], { as: account });
  assertEquals(both.stderr, "denspace run: what is mounted on /x can't be both ro and rw\n");
  const none = await run(["-v", `${directory.path}/none:/x`, "--", "true"], { as: account });
  assertMatch(none.stderr, /^denspace run: open \S+none: No such file or directory\n$/);
});

test("what a mount of the machine may not do stays so in a copy of it", async (account) => {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  const data = `${directory.path}/data`;
  Deno.mkdirSync(data);
  const script = `mount -t tmpfs -o ro,nosuid,nodev,noexec none "$0" && exec "$@"`;
  const as = account === "root"
    ? []
    : ["setpriv", "--reuid", `${USER}`, "--regid", `${USER}`, "--clear-groups"];
  const { stdout, stderr } = await output([
    ...["unshare", "-m", "--propagation", "private", "sh", "-c", script, data, ...as],
    ...[
      "env",
      `DENO_DIR=${directory.path}/cache`,
      ...denspaceRun("--rootfs", root, "-v", `${data}:/data`),
    ],
    ...["--", "sh", "-c", "mount | grep ' /data '"],
  ]);
  assertMatch(stdout, / \/data type tmpfs \(ro,nosuid,nodev,noexec,/, stderr);
}, Deno.uid() === 0 ? ["root", "user"] : []);

test("a root is read-only, and with --writable it is not", async (account) => {
  assertMatch(await inRoot(account, [], "(echo x > /new) 2>&1; ls /"), /Read-only file system/);
  assertMatch(await inRoot(account, ["--writable"], "echo x > /new; ls /"), /^new$/m);
});

test("/dev has what a program expects", async (account) => {
  const script =
    `for name in null zero full random urandom tty; do [ -c /dev/$name ] || echo no $name; done
    echo x > /dev/null; head -c 3 /dev/zero | wc -c; echo err >&2; cat
    for name in ptmx pts/ptmx shm mqueue fd stdin stdout core; do [ -e /dev/$name ] || [ -L /dev/$name ] || echo no $name; done
    touch /dev/shm/x; mount | grep -c mqueue`;
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  const { stdout, stderr } = await run(["--rootfs", root, "--", "sh", "-c", script], {
    as: account,
    stdin: "in\n",
  });
  assertEquals(stdout, "3\nin\n1\n");
  assertEquals(stderr, "err\n");
});

test("users and groups are those of the root", async () => {
  assertEquals(
    await inRoot("root", ["--user", "web"], "id; echo $HOME"),
    "uid=33(web) gid=34(web) groups=77(extra)\n/srv/web\n",
  );
  assertEquals(
    await inRoot(
      "root",
      ["--user", "web:extra", "--group-add", "5", "--group-add", "web"],
      "id -u; id -g; id -G",
    ),
    "33\n77\n77 5 34\n",
  );
  const none = await run(["--user", "nobody-here", "--", "true"], { as: "root" });
  assertMatch(none.stderr, /no user 'nobody-here' in /);
}, ["root"]);

test("an ordinary user's program may have any one id", async () => {
  assertEquals(await inRoot("user", ["--user", "web"], "id -u; id -g"), "33\n34\n");
}, ["user"]);

test("environment, limits and working directory are as asked for", async (account) => {
  using directory = scratch();
  Deno.writeTextFileSync(`${directory.path}/env`, "# comment\nFROM_FILE=1\nOURS\n\n");
  const root = makeRoot(`${directory.path}/root`);
  const { stdout, stderr } = await run([
    ...[
      "--rootfs",
      root,
      "--clear-env",
      "--env-file",
      `${directory.path}/env`,
      "-e",
      "SET=a=b",
      "-e",
      "OTHER",
    ],
    ...["--ulimit", "nofile=6:8", "--ulimit", "core=0", "--umask", "077", "-w", "/etc"],
    ...["--", "sh", "-c", "env | sort; ulimit -n; ulimit -Hn; umask; pwd"],
  ], { as: account, env: { OURS: "2", OTHER: "3", SECRET: "4" } });
  const lines = stdout.split("\n");
  for (const line of ["FROM_FILE=1", "OURS=2", "OTHER=3", "SET=a=b", "6", "8", "0077", "/etc"]) {
    assert(lines.includes(line), `${line}: ${stdout}${stderr}`);
  }
  assert(!stdout.includes("SECRET"), stdout);
});

test("namespaces can be the machine's, or another process's by pid or file", async (account) => {
  const mark = account === "root" ? "54327.5" : "54327.25";
  const kinds = ["pid", "net", "ipc", "uts", "cgroup", "time"];
  const links = (pid: string): string[] =>
    kinds.map((kind) => Deno.readLinkSync(`/proc/${pid}/ns/${kind}`));
  const script = `for kind in ${kinds.join(" ")}; do readlink /proc/self/ns/$kind; done`;
  const hosts = [
    "--pid",
    "host",
    "--net",
    "host",
    "--ipc",
    "host",
    "--uts",
    "host",
    "--cgroupns",
    "host",
    "--time",
    "host",
  ];
  const shared = await run([...hosts, "--", "sh", "-c", script], { as: account });
  assertEquals(shared.stdout.trimEnd().split("\n"), links("self"), shared.stderr);
  const own = await run(["--", "sh", "-c", script], { as: account });
  for (const link of links("self")) assert(!own.stdout.includes(link), own.stdout);

  await using child = spawn(denspaceRun("--", "sleep", mark), { as: account });
  const pid = `${await until("the program runs", () => processWith(`sleep\0${mark}\0`))}`;
  try {
    const user = account === "root" ? [] : ["--userns", pid];
    const joined = await run([
      ...user,
      ...[
        "--pid",
        pid,
        "--net",
        pid,
        "--ipc",
        pid,
        "--uts",
        `/proc/${pid}/ns/uts`,
        "--cgroupns",
        pid,
        "--time",
        pid,
      ],
      ...["--", "sh", "-c", script],
    ], { as: account });
    assertEquals(joined.stdout.trimEnd().split("\n"), links(pid), joined.stderr);
  } finally {
    child.kill("SIGKILL");
  }
});

test("ranges of ids come from /etc/subuid through newuidmap", async () => {
  using directory = scratch();
  const files = {
    passwd: "root:x:0:0::/:/bin/sh\nalice:x:1000:1000::/:/bin/sh\n",
    subuid: "alice:200000:5000\n",
    subgid: "alice:300000:6000\n",
  };
  for (const [name, text] of Object.entries(files)) {
    Deno.writeTextFileSync(`${directory.path}/${name}`, text);
  }
  const script =
    `for file in passwd subuid subgid; do mount --bind "$0/$file" /etc/$file || exit; done
    exec setpriv --reuid ${USER} --regid ${USER} --clear-groups env DENO_DIR="$0/cache" "$@"`;
  const root = makeRoot(`${directory.path}/root`);
  await output(["chown", "-R", `${USER}:${USER}`, root]);
  const { stdout, stderr } = await output([
    ...["unshare", "-m", "--propagation", "private", "sh", "-c", script, directory.path],
    ...denspaceRun("--userns", "auto", "--user", "33:34", "--group-add", "7", "--rootfs", root),
    ...[
      "--",
      "sh",
      "-c",
      "cat /proc/self/uid_map /proc/self/gid_map; id -u; id -G; ls -ld / | cut -d' ' -f5-",
    ],
  ]);
  const lines = stdout.trimEnd().split("\n").map((line) =>
    line.trim().split(/ +/).slice(0, 3).join(" ")
  );
  assertEquals(lines.slice(0, 6), [
    "0 1000 1",
    "1 200000 5000",
    "0 1000 1",
    "1 300000 6000",
    "33",
    "34 7",
  ], stderr);
  assertMatch(lines[6]!, /^root root/);

  // In a copy of the machine the program is who owns our files.
  const copy = await output([
    ...["unshare", "-m", "--propagation", "private", "sh", "-c", script, directory.path],
    ...["sh", "-c", 'cd "$0" && exec "$@"', root, ...denspaceRun("--userns", "auto", "--")],
    ...["sh", "-c", "id -u; touch file && chown 5 file && stat -c %u . file"],
  ]);
  assertEquals([copy.stdout, copy.stderr], ["0\n0\n5\n", ""]);
}, ["root"]);

test("a mount can have the ids of the container", async () => {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  Deno.mkdirSync(`${directory.path}/data`);
  Deno.writeTextFileSync(`${directory.path}/data/file`, "data\n");
  const maps = ["--map-users", "0:100000:1000", "--map-groups", "0:100000:1000"];
  const script = "stat -c '%u %g' /plain/file /mapped/file; echo x > /mapped/new";
  const { stdout, stderr } = await run([
    ...["--rootfs", root, ...maps, "-v", `${directory.path}/data:/plain`],
    ...["-v", `${directory.path}/data:/mapped:idmap`, "--", "sh", "-c", script],
  ], { as: "root" });
  assertEquals(stdout, "65534 65534\n0 0\n", stderr);
  assertEquals(Deno.statSync(`${directory.path}/data/new`).uid, 0);
  const none = await run(["-v", `${directory.path}/data:/x:idmap`, "--", "true"], { as: "root" });
  assertMatch(none.stderr, /has idmap, but there are no ids/);
}, ["root"]);

test("what can't be is one clear line, before anything is done", async (account) => {
  const wrong: [options: string[], said: RegExp][] = [
    [["--rootfs", "/etc/passwd"], /^denspace run: open \/etc\/passwd: Not a directory\n$/],
    [["--keep", "/etc/passwd"], /^denspace run: open \/etc\/passwd: Not a directory\n$/],
    [["--user", "nobody-at-all"], /^denspace run: no user 'nobody-at-all' in \/etc\/passwd\n$/],
    [["--timeout", "1s"], /^denspace run: \S+timeout is no number of seconds: 1s\n$/],
    [["--ulimit", "nofile=9:5"], /^denspace run: \S+ has a soft RLIMIT_NOFILE above the hard one/],
    [["--hostname", "x".repeat(65)], /^denspace run: hostname is longer than 64 bytes: x+\n$/],
  ];
  for (const [options, said] of wrong) {
    const { code, stderr } = await run([...options, "--", "true"], { as: account });
    assertMatch(stderr, said);
    assertEquals(code, 1);
  }
});

test("a user or group that is not known inside is an error", async (account) => {
  const maps = ["--map-users", "0:100000:10", "--map-groups", "0:100000:20"];
  for (
    const [user, said] of [
      ["10:0", "process.user.uid is 10, which linux.uidMappings do not have"],
      ["0:20", "process.user.gid is 20, which linux.gidMappings do not have"],
    ] as const
  ) {
    const { code, stderr } = await run([...maps, "--user", user, "--", "true"], { as: account });
    assertEquals([code, stderr], [1, `denspace run: ${said}\n`]);
  }
});

test("a file that is to be mounted on a directory is said to be that", async (account) => {
  const { code, stderr } = await run(["-v", "/etc/passwd:/usr", "--", "true"], { as: account });
  assertMatch(
    stderr,
    /^denspace run: cannot mount \/etc\/passwd on \/usr: Invalid argument\n.*: a directory is mounted on a directory/,
  );
  assertEquals(code, 1);
});

test("cgroups of the machine are seen where the namespace is the machine's", async (account) => {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  const args = ["--rootfs", root, "--cgroupns", "host", "--print-config", "--"];
  const script = "ls /sys/fs/cgroup; mkdir /sys/fs/cgroup/x";
  const { stdout: printed } = await run([...args, "sh", "-c", script], { as: account });
  const config = JSON.parse(printed);
  config.mounts.push({
    destination: "/sys/fs/cgroup",
    type: "cgroup",
    source: "cgroup",
    options: ["nosuid", "noexec", "nodev", "relatime", "ro"],
  });
  Deno.writeTextFileSync(`${directory.path}/config.json`, JSON.stringify(config));
  const { stdout, stderr } = await run(["--config", directory.path], { as: account });
  assert(stdout !== "", stderr);
  assertMatch(stderr, /^mkdir: [^\n]*: Read-only file system\n$/);
});

test("memory on the working directory is empty", async (account) => {
  using directory = scratch();
  Deno.writeTextFileSync(`${directory.path}/file`, "");
  await output(["chmod", "-R", "a+rX", directory.path]);
  const { stdout, stderr } = await run(
    ["--tmpfs", directory.path, "--", "sh", "-c", "pwd; ls -A; ls -A ."],
    { as: account, cwd: directory.path },
  );
  assertEquals([stdout, stderr], [`${directory.path}\n`, ""]);
});

test("a file that is no namespace of the kind that is asked for is named", async (account) => {
  for (const file of ["/etc/passwd", "/proc/self/ns/uts"]) {
    const { code, stderr } = await run(["--net", file, "--", "true"], { as: account });
    assertEquals(
      stderr,
      `denspace run: cannot enter ${file} as a net namespace: Invalid argument\n`,
    );
    assertEquals(code, 1);
  }
});

test("it runs in a user namespace of one id", async (account) => {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  for (const options of [[], ["--rootfs", root]]) {
    const command = ["unshare", "-Ur", ...denspaceRun(...options, "--", "echo", "ran")];
    const { stdout, stderr } = await output(command, { as: account });
    assertEquals([stdout, stderr], ["ran\n", ""]);
  }
});

test("where parts of /proc are hidden it is said why there can't be another", async (account) => {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  const hide = 'mount -t tmpfs none /proc/fs && exec unshare -Urm "$@"';
  const command = denspaceRun("--rootfs", root, "--", "true");
  const { code, stderr } = await output(["unshare", "-Urm", "sh", "-c", hide, "sh", ...command], {
    as: account,
  });
  assertMatch(
    stderr,
    /^denspace run: cannot mount proc on \/proc: Operation not permitted\n.* only where nothing of the old one is hidden/,
  );
  assertEquals(code, 1);
});

test("what comes later says so", async (account) => {
  for (const options of [["--name", "x"], ["-d"]]) {
    const { code, stderr } = await run([...options, "--", "true"], { as: account });
    assertEquals(code, 1);
    assertMatch(stderr, /is not supported yet: containers that outlive their terminal/);
  }
  for (const name of ["ps", "kill"]) {
    const { code, stderr } = await output([...denspaceRun().slice(0, -1), name], { as: account });
    assertEquals(code, 1);
    assertMatch(stderr, /^denspace: \w+ is not supported yet: containers that outlive [^\n]*\n$/);
  }
});
