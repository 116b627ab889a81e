/**
 * A world of namespaces for lsns(8): processes, mounts, descriptors and sockets in a
 * pid, mount and network namespace of their own, so that nothing else on the machine
 * is seen, and nothing in it changes while it is looked at.
 *
 * @module
 */
import { children, exists, read, until } from "./processes.ts";

/** How many processes called `sleep` are in it, without the zombie. */
const SLEEPERS = 13;

/** What the world consists of, by how its processes are called. */
const SCRIPT = `
deno=$1 holder=$2 directory=$3
exec </dev/null >"$directory/log" 2>&1
set -e
mount -t tmpfs none /run
mkdir /run/mounts /run/netns
cd /run/mounts
touch one two "three and"
unshare --net=one true
mount --bind one two
mount --bind one "three and"
touch user; unshare -Ur sleep 299 & user=$!
until test "$(readlink /proc/$user/ns/user)" != "$(readlink /proc/self/ns/user)"; do sleep 0.01; done
mount --bind /proc/$user/ns/user user
kill $user; wait $user || true

sleep 300 &
setpriv --reuid 1000 --regid 1000 --clear-groups sleep 301 &
setpriv --reuid 1000 --regid 1000 --clear-groups unshare -Ur sleep 302 &
unshare -n sleep 303 &
unshare -Urpf --mount-proc sleep 304 &
# The first of these user namespaces has no process.
unshare -Ur unshare -Un sh -c 'sleep 305 & exec sleep 306' &
unshare -u bash -c 'exec -a "$(printf "odd\\\\\\\\x41 \\t\\351 \\303\\251 \\346\\274\\242\\345\\255\\227 \\033[1m and \\"more")" sleep 307' &
bash -c 'exec -a "$(printf "long \\303\\251 \\346\\274\\242\\345\\255\\227 %0100d" 0)" sleep 308' &
# The child of this one is a zombie.
bash -c 'sleep 0.01 & exec sleep 309' &
# A namespace that only a descriptor holds.
unshare -u sleep 311 & uts=$!
until test "$(readlink /proc/$uts/ns/uts)" != "$(readlink /proc/self/ns/uts)"; do sleep 0.01; done
sleep 310 7</proc/$uts/ns/uts &
until test "$(readlink /proc/$!/exe)" = "$(readlink /proc/$uts/exe)"; do sleep 0.01; done
kill $uts; wait $uts || true
# A namespace that only a socket holds.
"$deno" run --quiet --allow-ffi "$holder" 312 &
# Namespaces that have ids.
ip netns add blue; ip netns set blue 7
ip netns add red; ip netns set red 8
ip netns exec blue sleep 313 &

until test $(pgrep -xc sleep) -ge ${SLEEPERS + 1}; do sleep 0.02; done
sleep 0.2
touch "$directory/ready"
sleep 3600 & wait
`;

const HOLDER = `
import {
  AF_INET, CLONE_NEWNET, execve, O_CLOEXEC, O_RDONLY, open, setns, SOCK_DGRAM, socket, unshare,
} from ${JSON.stringify(new URL("../mod.ts", import.meta.url).href)};
const home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
unshare(CLONE_NEWNET);
socket(AF_INET, SOCK_DGRAM, 0);
setns(home, CLONE_NEWNET);
execve("/usr/bin/sleep", ["sleep", Deno.args[0]!], []);
`;

/** A running world. */
export interface World {
  /** Its first process. */
  readonly pid: number;
  /** Ends it, and removes its files. */
  readonly end: () => Promise<void>;
}

/** Starts a world; its files are in a directory. */
export async function startWorld(directory: string): Promise<World> {
  Deno.writeTextFileSync(`${directory}/world.sh`, SCRIPT);
  Deno.writeTextFileSync(`${directory}/holder.ts`, HOLDER);
  const options = ["-pfmn", "--mount-proc", "--propagation", "private", "--kill-child"];
  const script = [`${directory}/world.sh`, Deno.execPath(), `${directory}/holder.ts`, directory];
  const child = new Deno.Command("unshare", {
    args: [...options, "bash", ...script],
    env: { LC_ALL: "C" },
    stdin: "null",
  }).spawn();
  const end = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.status;
    Deno.removeSync(directory, { recursive: true });
  };
  try {
    await until("the world is there", () => exists(`${directory}/ready`));
  } catch (error) {
    const log = read(`${directory}/log`);
    await end();
    throw new Error(`the world does not start: ${log}`, { cause: error });
  }
  return { pid: children(child.pid)[0]!, end };
}
