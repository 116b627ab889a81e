/**
 * Networks of containers: in network namespaces that stand for the host, each of
 * its own, so that nothing of the machine's is touched.
 */
import { emit, geteuid, type Plan, plan } from "../mod.ts";
import { CLONE_NEWNET } from "../ffi/constants/sched.ts";
import {
  linkUp,
  type Message,
  newAddress,
  newLink,
  newTbf,
  newVeth,
  type Rate,
} from "../ffi/netlink.ts";
import { execvp } from "../ffi/plan/execvp.ts";
import { argument, environment } from "../ffi/plan/stack.ts";
import type { Cell } from "../ffi/plan/step.ts";
import { forkHelper } from "../sandbox/helper.ts";
import { raiseLoopback } from "../sandbox/loopback.ts";
import { formatAddress, parseAddress, parsePrefix } from "../sandbox/network/address.ts";
import { parseRate } from "../sandbox/network/rate.ts";
import { interfaceIndex, openRtnetlink, tell } from "../sandbox/network/rtnetlink.ts";
import { linksOf, makeVeth, removeLinks, setUpVeth, type Veth } from "../sandbox/network/veth.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "../scripts/std.ts";

const TIMEOUT = 60_000;
const scratch = Deno.makeTempDirSync({ prefix: "denspace-network-" });
Deno.test.afterAll(() => Deno.removeSync(scratch, { recursive: true }));

// Text and bytes -------------------------------------------------------------

Deno.test("addresses are read and written as inet_pton and inet_ntop do", () => {
  const same = ["10.0.0.1", "255.255.255.255", "::", "::1", "fd00::2", "1:2:3:4:5:6:7:8"];
  for (const text of same) assertEquals(formatAddress(parseAddress(text)), text);
  const others = {
    "0:0:0:0:0:0:0:0": "::",
    "FD00:0:0:0:0:0:0:2": "fd00::2",
    "1:0:0:2:0:0:0:3": "1:0:0:2::3",
    "1:2::": "1:2::",
    "1:2:3:4:5:6:7:0": "1:2:3:4:5:6:7:0",
    "::ffff:10.1.2.3": "::ffff:a01:203",
  };
  for (const [text, canonical] of Object.entries(others)) {
    assertEquals(formatAddress(parseAddress(text)), canonical);
  }
  for (
    const wrong of ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", ":::", "1:2", "::1::", "g::"]
  ) {
    assertThrows(() => parseAddress(wrong), RangeError, wrong);
  }
});

Deno.test("a prefix is an address with the bits of its network", () => {
  assertEquals(parsePrefix("10.0.0.2/24"), { address: new Uint8Array([10, 0, 0, 2]), bits: 24 });
  assertEquals(parsePrefix("fd00::2/64").bits, 64);
  for (const wrong of ["10.0.0.2", "10.0.0.2/", "10.0.0.2/33", "::/129", "10.0.0.2/-1", "/24"]) {
    assertThrows(() => parsePrefix(wrong), RangeError);
  }
});

Deno.test("a rate is in bits or bytes, with a burst of 5 milliseconds unless it is given", () => {
  const rates: Record<string, Partial<Rate>> = {
    "10mbit": { rate: 1_250_000, burst: 16384, limit: 16384 + 62_500 },
    "10mbit:64k": { rate: 1_250_000, burst: 65536 },
    "1.5Mbps": { rate: 1_500_000 },
    "1kibit": { rate: 128 },
    "100gbit": { rate: 12_500_000_000, burst: 62_500_000 },
    "8bit:2000b": { rate: 1, burst: 2000 },
  };
  for (const [text, expected] of Object.entries(rates)) {
    const rate = parseRate(text);
    assertEquals({ ...rate, ...expected }, rate, text);
  }
  for (const wrong of ["", "10", "mbit", "-1mbit", "1mbit:", "1mbit:1", "0.1bit", "1mbit:9g"]) {
    assertThrows(() => parseRate(wrong), RangeError);
  }
});

/** The 32-bit words of a message, in base 16. */
function words({ bytes }: Message): string {
  const view = new DataView(bytes.buffer);
  const list = Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true));
  return list.map((word) => word.toString(16)).join(" ");
}

Deno.test("messages are laid out as rtnetlink(7) has them", () => {
  // length, type and flags, sequence, port; ifinfomsg: family, index, flags, change
  assertEquals(words(linkUp(7)), "20 50010 0 0 0 7 1 1");
  assertEquals(
    words(newLink("b", "bridge")),
    "38 6050010 0 0 0 0 0 0 30006 62 120010 1000b 64697262 6567",
  );
  assertEquals(
    words(newAddress(3, parsePrefix("10.0.0.2/24"))),
    "28 6050014 0 0 21802 3 20008 200000a 10008 200000a",
  );
  assertEquals(
    words(newVeth("a", { name: "b", namespace: { pid: 5 } })),
    "60 6050010 0 0 0 0 0 0 30006 61 120038 10009 68746576 0 20028 80010024 0 0 0 0 30006 62 130008 5",
  );
  const { bytes } = newTbf(2, { rate: 2 ** 33, burst: 9, limit: 8 });
  assertEquals(new DataView(bytes.buffer, bytes.length - 8).getBigUint64(0, true), 2n ** 33n);
});

// Networks -------------------------------------------------------------------

/** A network namespace that stands for the host. */
class Host implements AsyncDisposable {
  #holder = new Deno.Command("unshare", { args: ["--net", "sleep", "600"], stdin: "null" }).spawn();
  #containers: Deno.ChildProcess[] = [];

  static async make(setUp = ""): Promise<Host> {
    const host = new Host();
    const own = Deno.readLinkSync("/proc/self/ns/net");
    const namespace = () => Deno.readLinkSync(`/proc/${host.#holder.pid}/ns/net`);
    while (namespace() === own) await new Promise((resolve) => setTimeout(resolve, 5));
    await host.run("sh", "-c", `ip link set lo up; ${setUp}`);
    return host;
  }

  /** Runs a command here. */
  spawn(...command: string[]): Deno.ChildProcess {
    const args = ["-t", `${this.#holder.pid}`, "-n", ...command];
    const io = { stdin: "null", stdout: "piped", stderr: "piped" } as const;
    const child = new Deno.Command("nsenter", { args, ...io }).spawn();
    this.#containers.push(child);
    return child;
  }

  /** What a command says. */
  async run(...command: string[]): Promise<string> {
    return await said(this.spawn(...command));
  }

  /** The interfaces. */
  async links(): Promise<string[]> {
    const list: { ifname: string }[] = JSON.parse(await this.run("ip", "-json", "link"));
    return list.map(({ ifname }) => ifname);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [this.#holder, ...this.#containers]) {
      try {
        child.kill("SIGKILL");
      } catch {
        // it has ended
      }
      await child.status;
    }
  }
}

/** Waits for a process; what it said. */
async function said(child: Deno.ChildProcess): Promise<string> {
  const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT);
  const { stdout, stderr } = await child.output();
  clearTimeout(timer);
  const decoder = new TextDecoder();
  return decoder.decode(stdout) + decoder.decode(stderr);
}

let count = 0;

/** Emits a plan as an executable. */
function executable(program: Plan): string {
  const file = `${scratch}/${count++}`;
  emit(program, file);
  return file;
}

/** A program that runs its first argument as a script, in a network of its own. */
function container(veth: Veth): string {
  return executable(plan("test", (p) => {
    const self: Cell = p.call("getpid", []);
    const helper = forkHelper(p, "helper", "the end outside", () => makeVeth(p, veth, self));
    p.call("unshare", [CLONE_NEWNET]);
    raiseLoopback(p);
    helper.run();
    setUpVeth(p, veth);
    execvp(p, "bash", argument(p, 0), environment(p));
  }));
}

/** Starts a container that sleeps. */
async function started(host: Host, program: string): Promise<Deno.ChildProcess> {
  const child = host.spawn(program, "-c", "echo started; sleep 600");
  const reader = child.stdout.getReader();
  await reader.read();
  reader.releaseLock();
  return child;
}

/** A program that removes what is outside. */
function removal(veth: Veth): string {
  return executable(plan("test", (p) => {
    removeLinks(p, linksOf(veth));
    p.call("exit_group", [0]);
  }));
}

function veth(number: number, rest: Partial<Veth> = {}): Veth {
  const outside = rest.bridge === undefined ? [`10.77.${number}.1/24`, "fd77::1/64"] : [];
  const inside = rest.bridge === undefined ? `10.77.${number}.2/24` : `10.77.0.${number}/24`;
  return {
    name: `test${number}`,
    peer: "eth0",
    addresses: [inside, `fd77::${number + 1}/64`].map(parsePrefix),
    outside: outside.map(parsePrefix),
    gateways: rest.bridge === undefined ? [`10.77.${number}.1`].map(parseAddress) : [],
    ...rest,
  };
}

const why = geteuid() !== 0 ? "needs root" : undefined;

function networkTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: why ? `${name}: ${why}` : name, ignore: why !== undefined, fn });
}

/** Counts what is sent. */
const RECEIVE = `receive() { busybox nc -l -p $1 -e sh -c "wc -c >&3" 3>&1; }`;
/** Sends as many bytes to whoever listens, as soon as he does; waits until he has got it all. */
const SEND = `send() { until head -c $3 /dev/zero | busybox nc $1 $2; do sleep 0.05; done; }`;

networkTest("a container has an interface of its own, by which it reaches the host", async () => {
  await using host = await Host.make();
  const program = container(veth(1));
  const script = `ip -brief address; ip route
    for address in 10.77.1.1 fd77::1; do busybox ping -c 1 -W 20 $address; done`;
  const text = await host.run(program, "-c", script);
  assertMatch(text, /^lo +UNKNOWN +127.0.0.1\/8 ::1\/128/m);
  assertMatch(text, /^eth0@\S+ .*10\.77\.1\.2\/24 .*fd77::2\/64/m);
  assertMatch(text, /^default via 10\.77\.1\.1 dev eth0/m);
  assertEquals(text.match(/1 packets received/g)?.length, 2, text);
});

networkTest("interfaces, ports and routes of a container are its own", async () => {
  await using host = await Host.make("ip route add 10.99.0.0/16 dev lo");
  const program = container(veth(1));
  const script = `ip -brief link; ip route
    busybox nc -l -p 7777 </dev/null & sleep 0.2; busybox netstat -ltn; kill %1`;
  const listener = host.spawn("busybox", "nc", "-l", "-p", "7777");
  const text = await host.run(program, "-c", script);
  assertMatch(text, /:7777 .*LISTEN/);
  assert(!text.includes("10.99") && !text.includes("test1"), text);
  listener.kill();
  await said(listener);
});

networkTest("two containers on a bridge talk, a third on another one can't", async () => {
  await using host = await Host.make(
    "for each in a b; do ip link add br$each type bridge && ip link set br$each up; done",
  );
  const [one, two, three] = [
    container(veth(1, { bridge: "bra" })),
    container(veth(2, { bridge: "bra" })),
    container(veth(3, { bridge: "brb" })),
  ] as const;
  const running = await Promise.all([one, two].map((program) => started(host, program)));
  const [second, third] = await Promise.all([
    host.run(two, "-c", "true"),
    host.run(three, "-c", "busybox ping -c 1 -W 1 10.77.0.2; busybox ping -c 1 -W 1 10.77.0.1"),
  ]);
  assertMatch(second, /cannot make the interface test2: File exists/);
  assertEquals(third.match(/ 0 packets received/g)?.length, 2, third);
  const fourth = container(veth(4, { bridge: "bra" }));
  const script = "for i in 1 2; do busybox ping -c 1 -W 20 10.77.0.$i; done";
  const text = await host.run(fourth, "-c", script);
  assertEquals(text.match(/ 1 packets received/g)?.length, 2, text);
  for (const each of running) each.kill();
});

networkTest("a bridge that is not there is named, and no interface stays", async () => {
  await using host = await Host.make();
  const program = container(veth(1, { bridge: "nowhere" }));
  const text = await host.run(program, "-c", "true");
  assertEquals(text, "test: cannot find the bridge nowhere: No such device\n");
});

networkTest("a rate is kept in both directions, whatever the container does", async () => {
  await using host = await Host.make();
  const want = veth(1, { rate: parseRate("4mbit") });
  const [size, least] = [500_000, 700]; // in one second, as bytes, and milliseconds
  const changes = "tc qdisc del dev eth0 root; tc qdisc replace dev eth0 root pfifo_fast; true";
  // Sends, then receives, and says the number of milliseconds of both.
  const script = `${SEND}; ${RECEIVE}
    exec 2>/dev/null; ${changes}
    now() { echo $((\${EPOCHREALTIME/./} / 1000)); }
    busybox ping -c 1 -W 20 10.77.1.1 >/dev/null
    start=$(now); send 10.77.1.1 7001 ${size}; middle=$(now)
    receive 7002; echo $((middle - start))`;
  const listener = host.spawn("sh", "-c", `${RECEIVE}; receive 7001`);
  const program = host.spawn(container(want), "-c", script);
  assertEquals(await said(listener), `${size}\n`);
  const start = performance.now();
  await host.run("sh", "-c", `${SEND}\nsend 10.77.1.2 7002 ${size}`);
  const received = performance.now() - start;
  const [bytes, sent] = (await said(program)).split("\n").map(Number);
  assertEquals(bytes, size);
  assert(sent! > least, `sent in ${sent} ms`);
  assert(received > least, `received in ${received} ms`);
  assertEquals(await host.run(removal(want)), "");
  assertEquals(await host.links(), ["lo"]);
});

networkTest("what is outside is removed, also while the container runs, and once", async () => {
  await using host = await Host.make();
  const want = veth(1, { rate: parseRate("1gbit") });
  const program = await started(host, container(want));
  assertEquals(await host.links(), ["lo", "test1", "test1i"]);
  const remove = removal(want);
  assertEquals([await host.run(remove), await host.run(remove)], ["", ""]);
  assertEquals(await host.links(), ["lo"]);
  program.kill();
  await said(program);
});

networkTest("an interface is told of by a plan, and what the kernel refuses is said", async () => {
  await using host = await Host.make();
  const file = executable(plan("test", (p) => {
    const socket = openRtnetlink(p);
    for (const text of ["cannot make it", "cannot make it again"]) {
      tell(p, socket, newLink("bridge0", "bridge"), { message: text });
    }
    interfaceIndex(p, socket, "x", "");
    p.call("exit_group", [0]);
  }));
  assertEquals(await host.run(file), "test: cannot make it again: File exists\n");
  assertEquals(await host.links(), ["lo", "bridge0"]);
});
