/** `denspace emit`: programs that do what a command would do, where there is no Deno. */
import { assert, assertEquals, assertStringIncludes, fromFileUrl } from "../scripts/std.ts";
import { find } from "./processes.ts";

const MAIN = fromFileUrl(new URL("../commands/main.ts", import.meta.url));
const scratch = Deno.makeTempDirSync({ prefix: "denspace-emit-" });
Deno.chmodSync(scratch, 0o755);
Deno.test.afterAll(() => Deno.removeSync(scratch, { recursive: true }));

interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

function output(command: string[], options: Deno.CommandOptions = {}): Output {
  const { code, stdout, stderr } = new Deno.Command(command[0]!, {
    args: command.slice(1),
    stdin: "null",
    ...options,
  }).outputSync();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

function denspace(...args: string[]): Output {
  return output([Deno.execPath(), "run", "--quiet", "--allow-ffi", MAIN, ...args]);
}

let boxes = 0;

/** Emits a command line; the program's path. */
function box(...args: string[]): string {
  const path = `${scratch}/box${boxes++}`;
  assertEquals(denspace("emit", "-o", path, ...args), { code: 0, stdout: "", stderr: "" });
  return path;
}

const user = output([find("unshare") ?? "false", "-Ur", "true"]).code === 0
  ? undefined
  : "user namespaces";
const root = Deno.uid() === 0 ? undefined : "root";

/** A test that is ignored, with the reason in its name, if something is missing. */
function testWith(missing: string | undefined, name: string, fn: () => void): void {
  Deno.test({ name: name + (missing ? ` (needs ${missing})` : ""), ignore: !!missing, fn });
}

testWith(
  root ?? user ?? (find("busybox") ? undefined : "busybox"),
  "a box needs nothing but a kernel",
  () => {
    const directory = `${scratch}/root`;
    Deno.mkdirSync(directory);
    const line = ["busybox", "sh", "-c", 'echo $$ "$@"; ls /; ls /old /bin', "sh"];
    const path = box("unshare", "-Urpf", "--mount-proc", ...line);
    // No chroot(2): whoever is in one may make no user namespace.
    const script = `set -e; cd "$1"; PATH=/bin
      busybox() { "$busybox" "$@"; }; busybox=$2
      busybox mount -t tmpfs tmpfs .; cd "$1"
      busybox mkdir bin proc old; busybox cp "$2" bin/busybox; busybox cp "$3" box
      busybox pivot_root . old; busybox=/bin/busybox
      busybox mount -t proc proc /proc; busybox umount -l /old; cd /; exec /box a "b c"`;
    const run = [
      find("unshare")!,
      "-m",
      "sh",
      "-c",
      script,
      "sh",
      directory,
      find("busybox")!,
      path,
    ];
    assertEquals(output(run), {
      code: 0,
      stdout: "1 a b c\nbin\nbox\nold\nproc\n/bin:\nbusybox\n\n/old:\n",
      stderr: "",
    });
  },
);

testWith(user, "a box is a few KB, and the same for the same command line", () => {
  const line = ["unshare", "-Urpf", "--mount-proc", "sh"];
  const [one, other] = [box(...line), box(...line)].map((path) => Deno.readFileSync(path));
  assertEquals(one, other);
  assert(one!.length < 24_000, `${one!.length} bytes`);
});

Deno.test("the arguments of a box are added to those of its program", () => {
  const path = box("unshare", "-f", "printf", "<%s>", "a", "");
  assertEquals(output([path]).stdout, "<a><>");
  assertEquals(output([path, "b c", "", "ü"]).stdout, "<a><><b c><><ü>");
  const many = Array.from({ length: 5000 }, (_, i) => `${i}`);
  assertEquals(output([path, ...many]).stdout, `<a><>${many.map((each) => `<${each}>`).join("")}`);
});

Deno.test("the arguments of a box without a program are those of the shell", () => {
  const path = box("unshare", "--fork");
  const options = { env: { SHELL: "/bin/sh" } };
  const script = 'echo "$0 $*"';
  assertEquals(output([path, "-c", script], options).stdout, "-sh \n");
  assertEquals(output([path, "-c", script, "x", "y z"], options).stdout, "x y z\n");
});

Deno.test("environment, SHELL, PATH and working directory are those of the run", () => {
  const bin = `${scratch}/bin`;
  Deno.mkdirSync(bin);
  Deno.writeTextFileSync(`${bin}/only-here`, '#!/bin/sh\necho "$PWD $VARIABLE $0"\n', {
    mode: 0o755,
  });
  const options = { cwd: bin, clearEnv: true, env: { PATH: bin, VARIABLE: "x" } };
  assertEquals(output([box("unshare", "only-here")], options), {
    code: 0,
    stdout: `${bin} x ${bin}/only-here\n`,
    stderr: "",
  });
  assertEquals(output([box("unshare", "./only-here")], options).stdout, `${bin} x ./only-here\n`);
  const shell = { ...options, env: { SHELL: `${bin}/only-here` } };
  assertEquals(output([box("unshare")], shell).stdout, `${bin}  ${bin}/only-here\n`);
});

Deno.test("the variables that stay are those of the run", () => {
  const names = "VARIABLE,NO,VARIABLE8,VARIABLE_OF_MANY_LETTERS,A";
  const path = box("unshare", `--whitelist-env=${names}`, find("env")!);
  const env = {
    VARIABLE: "1",
    VARIABL: "no",
    VARIABLE8: "=",
    VARIABLE88: "no",
    VARIABLE_OF_MANY_LETTERS: "3",
    VARIABLE_OF_MANY_LETTER: "no",
    A: "",
    B: "no",
  };
  const { stdout } = output([path], { clearEnv: true, env });
  assertEquals(stdout.split("\n").sort(), [
    "",
    "A=",
    "VARIABLE8==",
    "VARIABLE=1",
    "VARIABLE_OF_MANY_LETTERS=3",
  ]);
  assertEquals(output([box("unshare", "--clear-env", find("env")!)]).stdout, "");
});

testWith(
  root ?? user ?? (find("setpriv") ? undefined : "setpriv"),
  "ids are those of the run",
  () => {
    const path = box(
      "unshare",
      "--map-user=7",
      "--map-group=8",
      "sh",
      "-c",
      "id -u; cat /proc/self/?id_map",
    );
    for (const id of ["1000", "1234"]) {
      const { stdout, stderr } = output([
        find("setpriv")!,
        ...["--reuid", id, "--regid", id, "--clear-groups", path],
      ]);
      assertEquals([stdout.replaceAll(/ +/g, " "), stderr], [`7\n 8 ${id} 1\n 7 ${id} 1\n`, ""]);
    }
  },
);

testWith(root ?? user, "a map of ranges leaves room for the id of the run", () => {
  const cat = ["sh", "-c", "cat /proc/self/?id_map"];
  const path = box("unshare", "-r", "--map-users=1:7:9", "--map-groups=1:7:9", ...cat);
  const lines = (path: string, ...via: string[]): string[] => {
    const { stdout, stderr } = output([...via, path]);
    return (stdout + stderr).trim().split("\n").map((line) => line.trim().replaceAll(/ +/g, " "));
  };
  assertEquals(lines(path), ["0 0 1", "1 7 9", "0 0 1", "1 7 9"]);
  const current = box("unshare", "-c", "--map-users=1:7:9", "--map-groups=1:7:9", ...cat);
  assertEquals(lines(current), ["0 0 1", "1 7 9", "0 0 1", "1 7 9"]);
  assertEquals(lines(box("unshare", "-r", "--map-users=0:0:9", ...cat)), [
    "unshare: your own id is mapped twice: 1:0:8: Invalid argument",
  ]);
});

testWith(root, "namespaces are entered by their files", () => {
  const file = `${scratch}/uts`;
  Deno.writeTextFileSync(file, "");
  const enter = box("nsenter", `--uts=${file}`, "uname", "-n");
  const make = box("unshare", `--uts=${file}`, "hostname", "box");
  const script = `"$1" && "$2" && uname -n`;
  const { stdout, stderr } = output([
    ...[find("unshare")!, "-m", "sh", "-c", script, "sh", make, enter],
  ]);
  assertEquals([stdout, stderr], [`box\n${Deno.hostname()}\n`, ""]);
});

Deno.test("what holds only here and now is refused, with the reason", () => {
  for (
    const [line, reason] of [
      ["unshare --map-auto id", "/etc/subuid"],
      ["unshare --map-users=subids id", "/etc/subuid"],
      ["unshare --map-groups=auto id", "/etc/subgid"],
      ["unshare --map-users=all id", "/proc/self/uid_map"],
      ["unshare --map-user=root id", "names of this host"],
      ["unshare --map-group=root id", "names of this host"],
      ["nsenter -t 1 -a id", "process 1"],
      ["nsenter --pid 1 id", "process 1"],
    ] as const
  ) {
    const { code, stdout, stderr } = denspace("emit", "-o", `${scratch}/no`, ...line.split(" "));
    assertEquals([code, stdout], [1, ""], line);
    assertStringIncludes(stderr, "can't be emitted: ");
    assertStringIncludes(stderr, reason);
    assertEquals(stderr.split("\n").length, 2, stderr);
  }
  assertEquals([...Deno.readDirSync(scratch)].filter(({ name }) => name.startsWith("no")), []);
});

Deno.test("a wrong command line is said to be one", () => {
  for (
    const [args, message] of [
      [[], "denspace emit: option '--output' is missing\n"],
      [["-o", "x"], "denspace emit: no command given\n"],
      [["-o", "x", "link", "/tmp"], "denspace emit: 'link' is no command that runs a plan\n"],
      [["-o", "x", "unshar"], "denspace emit: no command 'unshar': is it 'unshare'?\n"],
      [["-o", "x", "unshare", "--no"], "unshare: unrecognized option '--no'\n"],
      [["-o", "/no/x", "unshare", "id"], "denspace emit: open /no/x: No such file or directory\n"],
      [["--arch", "x"], "denspace emit: no architecture 'x': there are x86_64 and aarch64\n"],
    ] as const
  ) {
    const { code, stdout, stderr } = denspace("emit", ...args);
    assertEquals([code, stdout], [1, ""], args.join(" "));
    assertEquals(stderr.slice(0, message.length), message);
  }
});

Deno.test("--arch says for which machine", () => {
  for (const [arch, machine] of [["x86_64", 62], ["aarch64", 183]] as const) {
    const bytes = Deno.readFileSync(box("--arch", arch, "unshare", "true"));
    assertEquals(bytes[18], machine);
  }
});

testWith(
  find("qemu-aarch64") ? undefined : "qemu-aarch64",
  "a box for aarch64 runs on aarch64",
  () => {
    const path = box("--arch=aarch64", "unshare", "-f", "printf", "<%s>", "a");
    assertEquals(output([find("qemu-aarch64")!, path, "b"]), {
      code: 0,
      stdout: "<a><b>",
      stderr: "",
    });
  },
);
