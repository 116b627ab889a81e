/** Landlock: what was not granted is denied, by the kernel of this machine. */
import { EACCES, ENOSYS, EOPNOTSUPP } from "../ffi/constants/errno.ts";
import { plan } from "../ffi/plan/builder.ts";
import { execvp } from "../ffi/plan/execvp.ts";
import { host } from "../ffi/plan/host.ts";
import { argument, environment } from "../ffi/plan/stack.ts";
import { hasLibseccomp } from "../ffi/seccomp.ts";
import { syscall } from "../ffi/syscall.ts";
import { type Landlock, parseLandlock, requireLandlock, restrict } from "../sandbox/landlock.ts";
import { noNewPrivileges } from "../sandbox/privileges.ts";
import { compile } from "../sandbox/seccomp/compile.ts";
import { installFilter } from "../sandbox/seccomp/filter.ts";
import { assertEquals, assertThrows } from "../scripts/std.ts";
import { runPlan } from "./plan_vectors.ts";
import { exists } from "./processes.ts";

/** The version of the kernel's interface. */
function abi(): number {
  try {
    return syscall("landlock_create_ruleset", [null, 0, 1]);
  } catch {
    return 0;
  }
}

const have = abi();
const BUSYBOX = "/bin/busybox";

function test(name: string, needs: number, fn: (directory: string) => Promise<void>): void {
  const reason = have < needs
    ? `needs Landlock ${needs}, found ${have}`
    : exists(BUSYBOX)
    ? undefined
    : `needs ${BUSYBOX}`;
  Deno.test({
    name: `landlock: ${name}` + (reason ? ` (${reason})` : ""),
    ignore: reason !== undefined,
    fn: async () => {
      const directory = await Deno.makeTempDir({ prefix: "denspace-landlock-" });
      try {
        for (const name of ["ro", "rw", "no"]) {
          Deno.mkdirSync(`${directory}/${name}`);
          Deno.writeTextFileSync(`${directory}/${name}/file`, "text");
        }
        await fn(directory);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}

/** What a script says when it is granted that much. */
async function run(
  want: Landlock,
  script: string,
  options: Deno.CommandOptions = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const program = plan("test", (p) => {
    const abi = requireLandlock(p, want);
    noNewPrivileges(p);
    restrict(p, want, abi);
    execvp(p, BUSYBOX, argument(p, 1), environment(p));
  });
  const { stdout, ...rest } = await runPlan(
    { arch: host(), via: [] },
    program,
    ["sh", "-c", script],
    options,
  );
  return { ...rest, stdout: new TextDecoder().decode(stdout) };
}

test("files are read where that is granted, and written where that is", 3, async (directory) => {
  const want = { read: [BUSYBOX, `${directory}/ro`], write: [`${directory}/rw`] };
  // The shell says of each word whether it could be done.
  const attempts: [string, string][] = [
    [": <ro/file", "yes"],
    [": <rw/file", "yes"],
    [": <no/file", "no"],
    ["ls ro", "yes"],
    ["ls no", "no"],
    ["ls .", "no"],
    ["echo >>ro/file", "no"],
    ["echo >ro/new", "no"],
    ["truncate -s 0 ro/file", "no"],
    ["rm ro/file", "no"],
    ["mkdir ro/d", "no"],
    ["mv ro/file rw/moved", "no"],
    ["ln rw/file no/linked", "no"],
    ["echo >>rw/file", "yes"],
    ["truncate -s 0 rw/file", "yes"],
    ["mkdir rw/d", "yes"],
    ["ln -s file rw/d/l", "yes"],
    ["mkfifo rw/p", "yes"],
    ["mv rw/file rw/d/moved", "yes"],
    ["rm -r rw/d", "yes"],
    [`${BUSYBOX} true`, "yes"],
    ["/proc/self/exe true", "no"],
  ];
  const script = attempts.map(([command]) =>
    `if (${command}) >/dev/null 2>&1; then echo yes; else echo no; fi`
  ).join("\n");
  const allowed = { ...want, write: [...want.write, "/dev/null"] };
  const { code, stdout } = await run(allowed, script, { cwd: directory });
  assertEquals(code, 0);
  const answers = stdout.trimEnd().split("\n");
  assertEquals(
    attempts.map(([command], i) => [command, answers[i]]),
    attempts,
  );
  assertEquals(Deno.readTextFileSync(`${directory}/ro/file`), "text");
});

test("nothing but what is said is restricted", 6, async (directory) => {
  for (const want of [{ bind: [] }, { connect: [] }, { scopes: ["signal" as const] }]) {
    const { code } = await run(want, `echo >>no/file`, { cwd: directory });
    assertEquals(code, 0);
  }
});

test("a program that was not granted itself is not run", 3, async () => {
  const { code, stderr } = await run({ read: [] }, "true");
  assertEquals([code, stderr], [126, `test: failed to execute ${BUSYBOX}: Permission denied\n`]);
});

test("TCP ports are those that were granted", 4, async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [port, closed] = [listener, other].map(({ addr }) => (addr as Deno.NetAddr).port);
  try {
    const connect = (port: number): string => `nc -w 5 127.0.0.1 ${port} </dev/null; echo $?`;
    const accepted = listener.accept().then((connection) => connection.close());
    const { stdout } = await run(
      { connect: [port!] },
      `${connect(port!)}; ${connect(closed!)}`,
    );
    assertEquals(stdout, "0\n1\n");
    await accepted;
    const bind = await run({ bind: [closed!] }, `nc -l -p ${port} 2>&1; true`);
    assertEquals(bind.stdout, "nc: bind: Permission denied\n");
  } finally {
    listener.close();
    other.close();
  }
});

test("signals do not leave the scope", 6, async () => {
  const sleeper = new Deno.Command("sleep", { args: ["60"] }).spawn();
  try {
    const script = `kill -0 ${sleeper.pid} 2>&1; sleep 9 & kill $! && echo own`;
    const { stdout } = await run({ scopes: ["signal"] }, script);
    assertEquals(stdout, `sh: can't kill pid ${sleeper.pid}: Operation not permitted\nown\n`);
    assertEquals((await run({ connect: [] }, `kill -0 ${sleeper.pid}`)).code, 0);
  } finally {
    sleeper.kill("SIGKILL");
    await sleeper.status;
  }
});

test("a path that is not there is named", 3, async (directory) => {
  const { code, stderr } = await run({ read: [`${directory}/missing`] }, "true");
  assertEquals(
    [code, stderr],
    [1, `test: cannot grant ${directory}/missing: No such file or directory\n`],
  );
});

/** Runs with a kernel that answers the first call of Landlock with this errno. */
async function withErrno(errno: number, want: Landlock): Promise<string> {
  const filter = {
    program: compile({
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{
        names: ["landlock_create_ruleset"],
        action: "SCMP_ACT_ERRNO",
        errnoRet: errno,
      }],
    }, host().name),
    flags: 0,
  };
  const program = plan("test", (p) => {
    noNewPrivileges(p);
    installFilter(p, filter);
    requireLandlock(p, want);
    p.call("exit_group", [0]);
  });
  const { code, stderr } = await runPlan({ arch: host(), via: [] }, program);
  assertEquals(code, 1);
  return stderr;
}

Deno.test({
  name: "landlock: a kernel that has none, or an old one, is a clear error" +
    (hasLibseccomp() ? "" : " (needs libseccomp)"),
  ignore: !hasLibseccomp(),
  fn: async () => {
    assertEquals(
      await withErrno(ENOSYS, {}),
      "test: this kernel has no Landlock: Function not implemented\n" +
        "test: Landlock needs Linux 5.13 or later\n",
    );
    assertEquals(
      await withErrno(EOPNOTSUPP, {}),
      "test: Landlock is off on this machine: the kernel's parameter lsm= has to name it: " +
        "Operation not supported\n",
    );
    assertEquals(
      await withErrno(EACCES, {}),
      "test: this kernel has no Landlock: Permission denied\n",
    );
    const old = async (want: Landlock): Promise<string> => await withErrno(0, want);
    const said = (what: string): string =>
      `test: Landlock of this kernel is too old: ${what} or later: Operation not supported\n`;
    assertEquals(await old({ read: [] }), said("to restrict files needs Linux 6.2"));
    assertEquals(await old({ bind: [] }), said("to restrict TCP ports needs Linux 6.7"));
    assertEquals(
      await old({ scopes: [] }),
      said("to restrict signals and abstract sockets needs Linux 6.12"),
    );
  },
});

Deno.test("landlock: what is granted is read from words", () => {
  assertEquals(parseLandlock("ro:/usr,rw:/tmp,ro:/lib"), {
    read: ["/usr", "/lib"],
    write: ["/tmp"],
  });
  assertEquals(parseLandlock("bind:80,bind:8080,connect:none"), { bind: [80, 8080], connect: [] });
  assertEquals(parseLandlock("scope:signal,scope:abstract-unix-socket,rw:none"), {
    scopes: ["signal", "abstract-unix-socket"],
    write: [],
  });
  for (
    const [text, message] of [
      ["", "'' grants nothing: ro:, rw:, bind:, connect: or scope: do"],
      ["/usr", "'/usr' grants nothing"],
      ["rx:/usr", "'rx:/usr' grants nothing"],
      ["ro:usr", "'usr' is no absolute path"],
      ["bind:65536", "'65536' is no port"],
      ["connect:http", "'http' is no port"],
      ["scope:all", "there is no scope 'all'"],
    ] as const
  ) {
    assertThrows(() => parseLandlock(text), RangeError, message);
  }
});
