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
