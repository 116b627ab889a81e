import { EPERM } from "../ffi/constants/errno.ts";
import { PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP } from "../ffi/constants/prctl.ts";
import { CLONE_NEWUSER } from "../ffi/constants/sched.ts";
import { plan } from "../ffi/plan/builder.ts";
import { elf } from "../ffi/plan/elf.ts";
import { execvp } from "../ffi/plan/execvp.ts";
import { host } from "../ffi/plan/host.ts";
import { reporting } from "../ffi/plan/report.ts";
import { argument, environment } from "../ffi/plan/stack.ts";
import { assertEquals, fromFileUrl, join } from "../scripts/std.ts";

const main = fromFileUrl(new URL("../commands/main.ts", import.meta.url));
const reason = Deno.uid() !== 0
  ? " (ignored: not root)"
  : await works("/usr/bin/unshare", ["-m", "true"])
  ? ""
  : " (ignored: no unshare of util-linux that may make mount namespaces)";

async function works(command: string, args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args }).output()).success;
  } catch {
    return false;
  }
}

/**
 * What `unshare --user true` says where the kernel refuses it, a file of
 * /proc/sys/kernel being another one. A root directory that is not the root of
 * the mount namespace is what makes the kernel refuse; all of it goes with the
 * mount namespace.
 */
async function refusalWith(name: string, value: string): Promise<string> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.mkdir(join(directory, "sys"));
    await Deno.mkdir(join(directory, "root"));
    await Deno.writeTextFile(join(directory, "sys", name), value + "\n");
    const script = `set -e; cd "$1"
      mount --rbind / root
      mount --bind sys root/proc/sys/kernel
      shift; exec chroot root "$@"`;
    const { code, stderr } = await new Deno.Command("/usr/bin/unshare", {
      args: [
        ...["-m", "--propagation", "private", "sh", "-c", script, "sh", directory],
        ...[Deno.execPath(), "run", "--allow-ffi", main, "unshare", "--user", "true"],
      ],
    }).output();
    assertEquals(code, 1);
    return new TextDecoder().decode(stderr);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const CASES: Record<string, [value: string, hint: string]> = {
  apparmor_restrict_unprivileged_userns: [
    "1",
    "unshare: AppArmor restricts user namespaces to programs that have a profile for them; " +
    "root can end that: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0\n",
  ],
  unprivileged_userns_clone: [
    "0",
    "unshare: only root may make user namespaces here; " +
    "root can change that: sysctl -w kernel.unprivileged_userns_clone=1\n",
  ],
};

for (const [name, [value, hint]] of Object.entries(CASES)) {
  Deno.test({
    name: `a user namespace that is refused where kernel.${name} is ${value}: it says so${reason}`,
    ignore: reason !== "",
    async fn(): Promise<void> {
      const stderr = await refusalWith(name, value);
      assertEquals(stderr, `unshare: unshare failed: Operation not permitted\n${hint}`);
    },
  });
}

Deno.test({
  name: `a user namespace that is refused for another reason: nothing is guessed${reason}`,
  ignore: reason !== "",
  async fn(): Promise<void> {
    const stderr = await refusalWith("unprivileged_userns_clone", "1");
    assertEquals(stderr, "unshare: unshare failed: Operation not permitted\n");
  },
});

Deno.test({
  name: `no more user namespaces are allowed: it names the limit${reason}`,
  ignore: reason !== "",
  async fn(): Promise<void> {
    const { code, stderr } = await new Deno.Command("/usr/bin/unshare", {
      args: [
        ...["-Ur", "sh", "-c", 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"', "sh"],
        ...[Deno.execPath(), "run", "--allow-ffi", main, "unshare", "--user", "true"],
      ],
    }).output();
    assertEquals(code, 1);
    assertEquals(
      new TextDecoder().decode(stderr),
      "unshare: unshare failed: No space left on device\n" +
        "unshare: no more user namespaces are allowed; " +
        "root can allow more: sysctl -w user.max_user_namespaces=10000\n",
    );
  },
});

// A seccomp filter -------------------------------------------------------------

/**
 * A filter that answers EPERM to unshare(2) with `CLONE_NEWUSER`, as those of
 * container engines do, in the classic BPF of seccomp(2).
 */
function withoutUserNamespaces(): Uint8Array {
  const [LOAD_WORD, JUMP_IF_EQUAL, JUMP_IF_SET, RETURN] = [0x20, 0x15, 0x45, 0x06];
  const [ALLOW, ERRNO] = [0x7fff0000, 0x00050000];
  // where struct seccomp_data has the number of the call and its first argument
  const [NUMBER, ARGUMENT] = [0, 16];
  const program: [code: number, ifTrue: number, ifFalse: number, value: number][] = [
    [LOAD_WORD, 0, 0, NUMBER],
    [JUMP_IF_EQUAL, 0, 3, host().syscalls.unshare],
    [LOAD_WORD, 0, 0, ARGUMENT],
    [JUMP_IF_SET, 0, 1, CLONE_NEWUSER],
    [RETURN, 0, 0, ERRNO | EPERM],
    [RETURN, 0, 0, ALLOW],
  ];
  const bytes = new DataView(new ArrayBuffer(8 * program.length));
  program.forEach(([code, ifTrue, ifFalse, value], i) => {
    bytes.setUint16(8 * i, code, true);
    bytes.setUint8(8 * i + 2, ifTrue);
    bytes.setUint8(8 * i + 3, ifFalse);
    bytes.setUint32(8 * i + 4, value, true);
  });
  return new Uint8Array(bytes.buffer);
}

Deno.test("a user namespace that is refused under a seccomp filter: it is named", async () => {
  const SECCOMP_MODE_FILTER = 2;
  const filtered = plan("filtered", (p) => {
    const filter = withoutUserNamespaces();
    const program = p.cell("struct sock_fprog", 16, [filter.length / 8, filter]);
    p.call("prctl", [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]);
    p.call("prctl", [PR_SET_SECCOMP, SECCOMP_MODE_FILTER, { addressOf: program }, 0, 0]);
    execvp(p, Deno.execPath(), argument(p, 1), environment(p));
  });
  const file = await Deno.makeTempFile({ prefix: "denspace-" });
  const unshare = async (...options: string[]): Promise<string> => {
    const { code, stderr } = await new Deno.Command(file, {
      args: [Deno.execPath(), "run", "--allow-ffi", main, "unshare", ...options, "true"],
    }).output();
    return `${code} ${new TextDecoder().decode(stderr)}`;
  };
  try {
    await Deno.writeFile(file, elf(reporting(filtered), host()));
    await Deno.chmod(file, 0o755);
    assertEquals(await unshare(), "0 ");
    assertEquals(
      await unshare("--user"),
      "1 unshare: unshare failed: Operation not permitted\n" +
        "unshare: a seccomp filter, as containers have one, may refuse user namespaces; " +
        "run the container with another: --security-opt seccomp=unconfined\n",
    );
  } finally {
    await Deno.remove(file);
  }
});
