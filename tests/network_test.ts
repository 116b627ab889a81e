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
import { EEXIST } from "../ffi/constants/errno.ts";
import { interfaceIndex, openRtnetlink, tell } from "../sandbox/network/rtnetlink.ts";
import { makeVeth, removeVeths, setUpVeth, type Veth } from "../sandbox/network/veth.ts";
import { isControl, type Step } from "../ffi/plan/step.ts";
import { planContainer } from "../sandbox/container/plan.ts";
import { supportedConfig } from "../sandbox/container/supported.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "../scripts/std.ts";
import { denspaceRun, makeRoot, output, scratch as scratchDirectory } from "./container.ts";
import { find } from "./processes.ts";

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
    "40 6050010 0 0 0 0 0 0 30006 62 1b0008 0 120010 1000b 64697262 6567",
  );
  assertEquals(
    words(newAddress(3, parsePrefix("10.0.0.2/24"))),
    "28 5050014 0 0 21802 3 20008 200000a 10008 200000a",
  );
  assertEquals(
    words(newVeth("a", { name: "b", namespace: { pid: 5 } })),
    "68 6050010 0 0 0 0 0 0 30006 61 1b0008 0 120038 10009 68746576 0 20028 80010024 0 0 0 0 30006 62 130008 5",
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

  /** A process that is here. */
  get pid(): number {
    return this.#holder.pid;
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
function started(host: Host, program: string): Promise<Deno.ChildProcess> {
  return heard(host.spawn(program, "-c", "echo started; sleep 600"));
}

/** Waits for the first words of a process. */
async function heard(child: Deno.ChildProcess): Promise<Deno.ChildProcess> {
  const reader = child.stdout.getReader();
  await reader.read();
  reader.releaseLock();
  return child;
}

/** A program that removes what is outside. */
function removal(veth: Veth): string {
  return executable(plan("test", (p) => {
    removeVeths(p, [veth.name]);
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

networkTest("what was removed is gone at once, and its names can be used again", async () => {
  await using host = await Host.make();
  const want = veth(1, { rate: parseRate("1gbit") });
  const script = `for i in 1 2 3 4 5; do
    ${container(want)} -c : && ${removal(want)} &&
      ip link add test1 type veth peer name test1i && ip link delete test1 || exit
    done; ip -brief link`;
  assertMatch(await host.run("sh", "-c", script), /^lo .*\n$/);
});

networkTest(
  "if who waits for the removal is killed before it begins, it is done all the same",
  async () => {
    await using host = await Host.make();
    const want = veth(1, { rate: parseRate("1gbit") });
    const program = await started(host, container(want));
    const kill =
      "strace -qq -f -o /dev/null -e trace=close_range -e inject=close_range:signal=KILL";
    assertEquals(await host.run(...kill.split(" "), removal(want)), "");
    assertEquals(await host.links(), ["lo"]);
    program.kill();
    await said(program);
  },
);

networkTest("an interface is told of by a plan, and what the kernel refuses is said", async () => {
  await using host = await Host.make();
  const file = executable(plan("test", (p) => {
    const socket = openRtnetlink(p);
    const link = (name: string, message: string) => ({ told: newLink(name, "bridge"), message });
    tell(p, socket, [link("bridge0", "cannot make it"), link("bridge1", "nor another one")]);
    tell(p, socket, [link("bridge0", "it is there")], EEXIST);
    tell(p, socket, [
      link("bridge2", "cannot make a third one"),
      link("bridge1", "cannot make it again"),
      link("bridge3", "cannot make a fourth one"),
    ]);
    p.call("exit_group", [0]);
  }));
  assertEquals(await host.run(file), "test: cannot make it again: File exists\n");
  const none = executable(plan("test", (p) => {
    interfaceIndex(p, openRtnetlink(p), "x");
    p.call("exit_group", [0]);
  }));
  assertEquals(await host.run(none), "test: cannot find the interface x: No such device\n");
});

// denspace run ----------------------------------------------------------------

const place = scratchDirectory();
Deno.test.afterAll(() => place[Symbol.dispose]());
const root = makeRoot(`${place.path}/root`);

/** `denspace run` with a network of its own. */
function run(...args: string[]): string[] {
  return denspaceRun("--rootfs", root, "--net", "veth", ...args);
}

/** Whatever a container may have left. */
async function left(host: Host): Promise<unknown> {
  return [await host.links(), await host.run("nft", "list", "ruleset")];
}
const NOTHING = [["lo"], ""];
const PASTA = geteuid() === 0 && find("pasta") !== undefined;

networkTest("run has an interface to the machine, which is gone with the container", async () => {
  await using host = await Host.make();
  const text = await host.run(...run("--", "sh", "-c", "ip -o addr; ip route"));
  assertMatch(text, /^2: eth0 +inet 10\.\d+\.\d+\.\d+\/30 /m);
  assertMatch(text, /^default via 10\./m);
  assertEquals(await left(host), NOTHING);
  const own = await host.run(
    ...run("--ip", "10.9.0.2/24", "--ip", "fd09::2/64", "--gateway", "10.9.0.1"),
    ...["--", "sh", "-c", "ip -o addr; ip route"],
  );
  assertMatch(own, / inet 10\.9\.0\.2\/24 /);
  assertMatch(own, / inet6 fd09::2\/64 /);
  assertMatch(own, /^default via 10\.9\.0\.1 /m);
  assertEquals(await left(host), NOTHING);
});

networkTest("run keeps a rate that a container with NET_ADMIN can't remove", async () => {
  await using host = await Host.make();
  const script = `${SEND}
    ip route; nft flush ruleset; ip link del eth0i
    for qdisc in root ingress; do tc qdisc del dev eth0 $qdisc; done
    send $(ip route | sed -n 's/default via \\([0-9.]*\\) .*/\\1/p') 7001 500000
    cut -d ' ' -f 1 /proc/uptime`;
  const listener = host.spawn("sh", "-c", `${RECEIVE}; receive 7001`);
  const args = [
    "--net",
    "veth",
    "--net-rate",
    "4mbit",
    "--cap-add",
    "net_admin",
    "--tmpfs",
    "/tmp",
  ];
  const start = performance.now();
  const child = host.spawn(...denspaceRun(...args, "--", "bash", "-c", `(${script}) 2>/dev/null`));
  assertEquals(await said(listener), "500000\n");
  await said(child);
  assert(performance.now() - start > 700);
  assertEquals(await left(host), NOTHING);
});

networkTest("ports of the machine lead inside, and what leaves has an address of it", async () => {
  await using host = await Host.make("echo 1 >/proc/sys/net/ipv4/ip_forward");
  await using other = await Host.make();
  await host.run("ip", "link", "add", "out", "type", "veth", "peer", "name", "far");
  await host.run("ip", "link", "set", "far", "netns", `${other.pid}`);
  await host.run("sh", "-c", "ip addr add 192.0.2.1/24 dev out; ip link set out up");
  await other.run("sh", "-c", "ip addr add 192.0.2.2/24 dev far; ip link set far up");
  const script =
    `nc -l -p 9000 -e echo inside; until nc 192.0.2.2 9001 </dev/null; do sleep 0.1; done`;
  const container = host.spawn(...run("-p", "8080:9000", "--nat", "--", "sh", "-c", script));
  const fetch = "until busybox nc 192.0.2.1 8080 </dev/null 2>/dev/null; do sleep 0.1; done";
  assertEquals(await other.run("sh", "-c", fetch), "inside\n");
  const outside = await other.run(
    "busybox",
    "nc",
    "-l",
    "-p",
    "9001",
    "-e",
    "busybox",
    "netstat",
    "-tn",
  );
  assertEquals(outside, "");
  assertMatch(await said(container), /192\.0\.2\.2:9001 +(::ffff:)?192\.0\.2\.1:\d+ /);
  assertEquals(await left(host), [["lo", "out"], ""]);
});

Deno.test({
  name: `an ordinary user has a network by pasta${PASTA ? "" : ": needs root and pasta"}`,
  ignore: !PASTA,
  fn: async () => {
    await using host = await Host.make();
    await using other = await Host.make();
    await host.run("ip", "link", "add", "out", "type", "veth", "peer", "name", "far");
    await host.run("ip", "link", "set", "far", "netns", `${other.pid}`);
    const up =
      "ip addr add 192.0.2.1/24 dev out; ip link set out up; ip route add default via 192.0.2.2";
    await host.run("sh", "-c", up);
    await other.run("sh", "-c", "ip addr add 192.0.2.2/24 dev far; ip link set far up");
    const cache = `${place.path}/cache`;
    Deno.mkdirSync(cache);
    Deno.chmodSync(cache, 0o777);
    const user = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"];
    const start = (...args: string[]): string[] => [
      ...["env", `DENO_DIR=${cache}`, ...user, ...denspaceRun("--rootfs", root)],
      ...["--net", "pasta", ...args],
    ];
    const listener = other.spawn("busybox", "nc", "-l", "-p", "9001", "-e", "echo", "outside");
    const script =
      "until nc 192.0.2.2 9001 </dev/null; do sleep 0.1; done; nc -l -p 9000 -e echo inside";
    const container = host.spawn(...start("-p", "8080:9000", "--", "sh", "-c", script));
    const fetch =
      "until busybox nc 127.0.0.1 8080 </dev/null 2>/dev/null | grep inside; do sleep 0.1; done";
    assertEquals(await host.run("timeout", "60", "sh", "-c", fetch), "inside\n");
    assertEquals(await said(container), "outside\n");
    await said(listener);
    const left = `ss -ltn | grep :8080`;
    await host.run("timeout", "60", "sh", "-c", `while ${left}; do sleep 0.1; done`);
    assertEquals(await host.run("sh", "-c", left), "");
    const refused = await host.run(...start("--bridge", "x", "--", "true"));
    assertMatch(refused, /^denspace run: --bridge does not go with --net pasta\n/);
  },
});

networkTest("what run can't do with a network is said in one line", async () => {
  await using host = await Host.make();
  const fails = async (args: string[], expected: RegExp): Promise<void> => {
    assertMatch(await host.run(...denspaceRun("--rootfs", root, ...args, "--", "true")), expected);
    assertEquals(await left(host), NOTHING);
  };
  const veth = ["--net", "veth"];
  await fails(["--net-rate", "1mbit"], /^denspace run: --net-rate needs --net veth\n/);
  await fails(
    [...veth, "--bridge", "x"],
    /^denspace run: --bridge needs an --ip in the network of/,
  );
  await fails(
    [...veth, "--bridge", "x", "--ip", "10.0.0.2/24"],
    /^denspace run: cannot find the bridge x: No such device\n$/,
  );
  await fails(
    [...veth, "--net-rate", "x"],
    /^denspace run: annotations\.denspace\.network\.rate is wrong: 'x' is not a rate/,
  );
  await fails([...veth, "-p", "80"], /needs a machine that passes packets on: sysctl/);
  await host.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward");
  await fails([...veth, "-p", "80"], /^denspace run: .*'80' is no HOST:CONTAINER of ports/);
  await fails(
    [...veth, "-p", "80:80", "-p", "81:80", "-p", "80:81"],
    /^denspace run: .* port 80\/tcp is published twice\n$/,
  );
});

networkTest("gc removes the interfaces and rules of a killed container", async () => {
  await using host = await Host.make("echo 1 >/proc/sys/net/ipv4/ip_forward");
  const args = run(
    "--net-rate",
    "1gbit",
    "-p",
    "8080:80",
    "--",
    "sh",
    "-c",
    "echo started; sleep 600",
  );
  const child = await heard(host.spawn(...args));
  child.kill("SIGKILL");
  await said(child);
  assert((await host.links()).length > 1);
  const elsewhere = await output([...denspaceRun().slice(0, -1), "gc"]);
  assertMatch(elsewhere.stdout, /: its interfaces are those of another network namespace$/m);
  await host.run(...denspaceRun().slice(0, -1), "gc");
  assertEquals(await left(host), NOTHING);
});

networkTest("whichever step of a network fails, nothing of it is left", async () => {
  await using host = await Host.make("echo 1 >/proc/sys/net/ipv4/ip_forward");
  const text = await host.run(
    ...run("--print-config", "--net-rate", "1gbit", "-p", "80:80", "--", "true"),
  );
  const program = planContainer(supportedConfig(JSON.parse(text)), { name: "test" });
  const names = ["network", "nft"];
  const from = program.steps.findIndex(({ note }) => note.child === names[1]);
  const wanted = /interface|netlink|nft|rate|address|gateway|bring|eth0/;
  for (const [i, step] of program.steps.entries()) {
    const { op, note } = step;
    if (i < from || isControl(op) && op !== "raise" || op === "exit_group") continue;
    // What nft does comes at some time, if nobody waits for it.
    if (op === "wait4" && note.message?.includes("nft")) continue;
    if (!wanted.test(`${note.message} ${note.why} ${note.child}`)) continue;
    const refused: Step = {
      ...step,
      op: "raise",
      args: [1],
      note: { ...note, message: note.message ?? op },
    };
    const text = await host.run(executable({ ...program, steps: program.steps.with(i, refused) }));
    const what = `step ${i}, ${op}: ${text}`;
    if (/^test: (cannot remove|nft has not removed)/m.test(text)) {
      await host.run(
        "sh",
        "-c",
        "nft flush ruleset; for i in $(ip -o link | sed -n 's/.*: \\(ve[0-9a-f]*i*\\)[@:].*/\\1/p'); do ip link del $i; done",
      );
    }
    // The kernel removes a pair some time after its namespace.
    for (let tries = 0; tries < 200 && (await host.links()).length > 1; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assertEquals(await left(host), NOTHING, what);
  }
});
