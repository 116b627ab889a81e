/** `denspace run`: a root that is a copy, what is changed in it, and what is kept. */
import { assert, assertEquals, assertMatch, join } from "../scripts/std.ts";
import {
  type Account,
  denspaceRun,
  makeRoot,
  output,
  run,
  scratch,
  spawn,
  test,
  USER,
} from "./container.ts";
import { exists, processWith, until } from "./processes.ts";

/** Prints a line for each file below some directories: type, permissions, size, link and path. */
const LIST = `find "$@" -path /proc -prune -o -path /sys -prune -o -path /dev -prune -o \
  -printf '%y %m %s %T@ %l %p\\n' 2>/dev/null`;

/** The files below some directories by path, each with what it is. */
function files(list: string): Map<string, string> {
  return new Map(
    list.split("\n").filter((line) => line !== "").map((line) => {
      const at = line.indexOf(" /");
      return [line.slice(at + 1), line.slice(0, at)];
    }),
  );
}

/** What find(1) says has changed, as docker diff would say it: directories count when something in them does. */
function compared(before: Map<string, string>, after: Map<string, string>): string[] {
  const lines: string[] = [];
  for (const [path, was] of before) {
    const is = after.get(path);
    const parent = path.slice(0, path.lastIndexOf("/"));
    if (is === undefined) {
      if (parent === "" || after.has(parent)) lines.push(`D ${path}`);
    } else if (is !== was) {
      lines.push(`C ${path}`);
    }
  }
  for (const path of after.keys()) if (!before.has(path)) lines.push(`A ${path}`);
  // A directory in which a file's contents were changed has not changed for find.
  const paths = lines.map((line) => line.slice(2));
  for (const path of paths) {
    for (let up = parentOf(path); up !== ""; up = parentOf(up)) {
      if (before.has(up) && after.has(up) && !paths.includes(up)) {
        lines.push(`C ${up}`);
        paths.push(up);
      }
    }
  }
  return lines.filter((line) => line !== "C /").sort((a, b) => a.slice(2) < b.slice(2) ? -1 : 1);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** A tree to change, and what changes it. */
function makeTree(path: string): void {
  for (const name of ["a/b/c", "d", "e", "f", "g"]) {
    Deno.mkdirSync(join(path, name), { recursive: true });
  }
  for (
    const name of [
      "one",
      "two",
      "a/one",
      "a/b/two",
      "a/b/c/three",
      "d/x",
      "d/y",
      "e/x",
      "f/x",
      "g/h",
    ]
  ) {
    Deno.writeTextFileSync(join(path, name), `${name}\n`);
  }
  Deno.symlinkSync("one", join(path, "link"));
}

const CHANGE = `:
  echo more >> one; rm two; touch a/b/c/new; rm -r d; mkdir d; echo y > d/y; rm -r e
  chmod 700 f; rm g/h; mkdir g/h; echo 1 > g/h/1; ln -sf a link; mv a/one a/two; echo 'a b' > 'a/ö x'
  mkdir new; touch new/file; ln new/file new/link; rm -r f; echo f > f`;

/** Gives a directory to the ordinary user. */
async function giveAway(path: string, account: Account): Promise<void> {
  if (account === "user" && Deno.uid() === 0) {
    await output(["chown", "-R", `${USER}:${USER}`, path]);
  }
}

test("--diff of a root says what find(1) finds", async (account) => {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  makeTree(`${root}/home`);
  for (const name of ["proc", "sys", "dev"]) Deno.mkdirSync(join(root, name));
  await giveAway(root, account);
  const before = files(
    (await output(["sh", "-c", LIST, "sh", `${root}/`])).stdout.replaceAll(root, ""),
  );
  const lists = `${directory.path}/keep`;
  Deno.mkdirSync(lists);
  await giveAway(lists, account);
  const kept = await run([
    "--rootfs",
    root,
    "--keep",
    lists,
    "--diff",
    "--",
    "sh",
    "-c",
    `cd /home; ${CHANGE}`,
  ], {
    as: account,
  });
  assertEquals({ stderr: kept.stderr, code: kept.code }, { stderr: "", code: 0 });
  const merged = await output([
    ...[
      "unshare",
      ...(account === "root" ? [] : ["-Ur"]),
      "-m",
      "--propagation",
      "private",
      "sh",
      "-c",
    ],
    `mount -t overlay none -o lowerdir=$1,upperdir=$2/upper,workdir=$2/work${
      account === "root" ? "" : ",userxattr"
    } $1 && set -- $1/ && ${LIST}`,
    ...["sh", root, `${lists}/%2F`],
  ], { as: account });
  const after = files(merged.stdout.replaceAll(root, ""));
  assert(after.size > 20, merged.stderr);
  assertEquals(kept.stdout.trimEnd().split("\n"), compared(before, after));
  // Afterwards the same is said of what was kept.
  const { stdout } = await output(
    [Deno.execPath(), "run", "--allow-ffi", "commands/main.ts", "diff", "--rootfs", root, lists],
    { as: account },
  );
  assertEquals(stdout, kept.stdout);
  assertEquals(Deno.readTextFileSync(`${root}/home/two`), "two\n");
});

test("--diff without --keep says the same, and nothing stays", async (account) => {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  makeTree(`${root}/home`);
  await giveAway(root, account);
  const options = ["--rootfs", root, "--diff", "--", "sh", "-c", `cd /home; ${CHANGE}`];
  const { stdout, stderr, code } = await run(options, { as: account });
  assertEquals({ stderr, code }, { stderr: "", code: 0 });
  assertMatch(stdout, /^C \/home\/f\n/m);
  assertMatch(stdout, /^D \/home\/e\n/m);
  assertMatch(stdout, /^A \/home\/a\/ö x\n/m);
  assertEquals(Deno.readTextFileSync(`${root}/home/two`), "two\n");
});

test("a copy of the machine can be changed, and nothing stays", async (account) => {
  using directory = scratch();
  makeTree(directory.path);
  await giveAway(directory.path, account);
  const { stdout, stderr, code } = await run(
    ["--diff", "--", "sh", "-c", `${CHANGE}; touch /new-in-root; pwd >&2`],
    { as: account, cwd: directory.path },
  );
  assertEquals(code, 0, stderr);
  assertEquals(stderr, `${directory.path}\n`);
  assertMatch(stdout, /^A \/new-in-root\n/m);
  assertMatch(stdout, new RegExp(`^D ${directory.path}/two\n`, "m"));
  assertMatch(stdout, new RegExp(`^A ${directory.path}/new/file\n`, "m"));
  assertEquals(Deno.readTextFileSync(`${directory.path}/two`), "two\n");
  assertEquals(exists("/new-in-root"), false);
});

test("a working directory within those of others can be changed", async () => {
  const place = Deno.makeTempDirSync({ dir: "/srv", prefix: "denspace-" });
  const directory = `${place}/theirs/mine`;
  try {
    Deno.mkdirSync(directory, { recursive: true });
    for (const path of [place, `${place}/theirs`]) Deno.chmodSync(path, 0o755);
    Deno.chownSync(directory, USER, USER);
    const { stdout, stderr } = await run(["--", "sh", "-c", "echo new > file; cat file"], {
      as: "user",
      cwd: directory,
    });
    assertEquals({ stdout, stderr }, { stdout: "new\n", stderr: "" });
    assertEquals(exists(`${directory}/file`), false);
  } finally {
    Deno.removeSync(place, { recursive: true });
  }
}, ["root"]);

test("what --keep has kept is there the next time", async (account) => {
  using directory = scratch();
  Deno.mkdirSync(`${directory.path}/keep`);
  Deno.mkdirSync(`${directory.path}/work`);
  await giveAway(directory.path, account);
  const options = { as: account, cwd: `${directory.path}/work` };
  const keep = ["--keep", `${directory.path}/keep`];
  const first = await run([...keep, "--", "sh", "-c", "echo kept > file"], options);
  assertEquals(first.code, 0, first.stderr);
  const second = await run([...keep, "--", "cat", "file"], options);
  assertEquals(second.stdout, "kept\n", second.stderr);
  assertEquals(exists(`${directory.path}/work/file`), false);
});

test("the directory that keeps changes is empty inside, and all else can be looked at", async (account) => {
  using directory = scratch();
  const root = makeRoot(`${directory.path}/root`);
  for (const name of ["keep", "root/keep"]) {
    Deno.mkdirSync(`${directory.path}/${name}`);
  }
  await giveAway(directory.path, account);
  const look = 'find . -xdev >/dev/null && [ -d keep ] && [ -z "$(ls -A keep)" ] && ' +
    "touch file && ! touch keep/file";
  const ways = [
    { options: ["--keep", "keep"], cwd: directory.path },
    { options: ["--rootfs", root, "--keep", `${root}/keep`], cwd: root },
  ];
  for (const { options, cwd } of ways) {
    // Layers that are there already are not to be seen either.
    for (const _ of ["first", "second"]) {
      const { stderr, code } = await run([...options, "--", "sh", "-c", look], {
        as: account,
        cwd,
      });
      assertMatch(stderr, /^touch: [^\n]*: Read-only file system\n$/);
      assertEquals(code, 0);
    }
    assert(exists(`${cwd}/keep/%2F/upper`));
  }
  const within = await run(["--keep", ".", "--", "true"], {
    as: account,
    cwd: `${directory.path}/keep`,
  });
  assertEquals(within.code, 1);
  assertMatch(within.stderr, /^denspace run: process\.cwd \S+\/keep is in \S+\/keep, where /);
  // What is not below the root is not to be seen anyway.
  const beside = await run(["--rootfs", root, "--keep", "keep", "--", "true"], {
    as: account,
    cwd: directory.path,
  });
  assertEquals(beside, { code: 0, signal: null, stdout: "", stderr: "" });
});

test("a directory with other files in it keeps no changes", async (account) => {
  using directory = scratch();
  const keep = `${directory.path}/keep`;
  Deno.mkdirSync(`${keep}/other`, { recursive: true });
  await giveAway(directory.path, account);
  const options = { as: account, cwd: directory.path };
  for (const how of [["--", "true"], ["--rootfs", directory.path, "--", "true"]]) {
    const { stderr, code } = await run(["--keep", keep, ...how], options);
    assertMatch(stderr, /^denspace run: \S+layers is to be an empty directory, .*: \S+\/keep\n$/);
    assertEquals(code, 1);
  }
  assertEquals([...Deno.readDirSync(keep)].map(({ name }) => name), ["other"]);
  const { stderr, code } = await output(denspaceRun().with(-1, "diff").concat(keep));
  assertMatch(stderr, /^denspace diff: \S+\/keep is no directory in which run --keep has kept/);
  assertEquals(code, 1);
});

test("a directory that can't keep changes is said to be that", async () => {
  using directory = scratch();
  const script = `cd "$1" && mount -t tmpfs none . && cd "$1" && mkdir lower upper work merged &&
    mount -t overlay none -o lowerdir=lower,upperdir=upper,workdir=work merged &&
    mkdir merged/keep && shift && exec "$@"`;
  const keep = denspaceRun("--keep", `${directory.path}/merged/keep`, "--", "true");
  const { stderr, code } = await output(
    ["unshare", "-m", "sh", "-c", script, "sh", directory.path, ...keep],
    { cwd: "/" },
  );
  assertEquals(code, 1);
  assertMatch(stderr, /Invalid argument\ndenspace run: changes can't be kept on another overlay, /);
}, ["root"]);

test("the working directory may be on a mount of its own", async (account) => {
  using directory = scratch();
  // The mount lies where nothing else of a container does.
  const script =
    `mount -t tmpfs none "$1" && mkdir "$1/work" && echo old > "$1/work/old" && chmod -R a+rwX "$1" &&
    chown -R ${USER}:${USER} "$1" && cd "$1/work" && shift && "$@"; status=$?; ls; exit $status`;
  const place = `/mnt/denspace-${crypto.randomUUID()}`;
  if (Deno.uid() !== 0) return;
  Deno.mkdirSync(place, { recursive: true });
  try {
    const as = account === "root"
      ? []
      : ["setpriv", "--reuid", `${USER}`, "--regid", `${USER}`, "--clear-groups"];
    const { stdout, stderr, code } = await output([
      ...["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", place],
      ...as,
      ...[
        Deno.execPath(),
        "run",
        "--allow-ffi",
        join(Deno.cwd(), "commands/main.ts"),
        "run",
        "--diff",
        "--",
      ],
      ...["sh", "-c", "cat old; rm old; echo new > new; findmnt -no FSTYPE -T ."],
    ], { env: { DENO_DIR: `${directory.path}/cache-${account}` } });
    assertEquals({ stderr, code }, { stderr: "", code: 0 });
    assertEquals(
      stdout,
      `old\noverlay\nC ${place}\nC ${place}/work\nA ${place}/work/new\nD ${place}/work/old\nold\n`,
    );
  } finally {
    Deno.removeSync(place);
  }
});

test("who can't change files of the working directory is told why", async () => {
  using directory = scratch();
  Deno.writeTextFileSync(`${directory.path}/file`, "");
  Deno.chmodSync(`${directory.path}/file`, 0o666);
  const { stdout, stderr } = await run(["--", "sh", "-c", "exec 2>&1; echo x > file"], {
    as: "user",
    cwd: directory.path,
  });
  assertMatch(stdout, /Value too large for defined data type/);
  assertMatch(
    stderr,
    /^denspace run: files of user 0 and group 0, .* can't be changed .* only users 1000 and groups 1000 are known inside; --userns=auto .*\n$/,
  );
}, ["root"]);

test("SIGKILL of denspace leaves no layer, and no process", async (account) => {
  using directory = scratch();
  const mark = "54323.5";
  await using child = spawn(denspaceRun("--", "sh", "-c", `echo x > /usr/gone; sleep ${mark}`), {
    as: account,
    cwd: directory.path,
  });
  await until("the program runs", () => processWith(`sleep\0${mark}\0`));
  const before = Deno.readTextFileSync("/proc/self/mountinfo");
  Deno.kill(child.pid, "SIGKILL");
  await child.status;
  await until("the program is gone", () => processWith(`sleep\0${mark}\0`) === undefined);
  assertEquals(Deno.readTextFileSync("/proc/self/mountinfo"), before);
});
