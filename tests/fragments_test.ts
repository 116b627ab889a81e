/** Parts of which plans for programs are made, each run for itself in a process of its own. */
import { close, emit, fcntl, geteuid, pipe2, type Plan, plan } from "../mod.ts";
import { CLONE_NEWNET, CLONE_NEWUTS } from "../ffi/constants/sched.ts";
import { F_SETFD, O_CLOEXEC } from "../ffi/fcntl.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import { execvp } from "../ffi/plan/execvp.ts";
import { environment } from "../ffi/plan/stack.ts";
import { changeGroup, changeUser, setGroups } from "../sandbox/credentials.ts";
import { nameDomain, nameHost } from "../sandbox/hostname.ts";
import { passDescriptors } from "../sandbox/inherit.ts";
import { raiseLoopback } from "../sandbox/loopback.ts";
import { boundCapabilities, noNewPrivileges, setCapabilities } from "../sandbox/privileges.ts";
import { limitResource } from "../sandbox/rlimits.ts";
import { assertEquals, assertMatch } from "../scripts/std.ts";

const scratch = Deno.makeTempDirSync({ prefix: "denspace-fragments-" });
Deno.test.afterAll(() => Deno.removeSync(scratch, { recursive: true }));

function rootTest(name: string, fn: () => void): void {
  const ignore = geteuid() !== 0;
  Deno.test({ name: ignore ? `${name}: needs root` : name, ignore, fn });
}

/** A plan that does something and then runs a shell script. */
function shell(script: string, write: (p: Builder) => void): Plan {
  return plan("test", (p) => {
    write(p);
    const argv = p.cell("argv", 40, [0, "sh", "-c", script, 0]);
    execvp(p, "sh", p.control("add", [{ addressOf: argv }, 8]), environment(p));
  });
}

/** What such a script prints, after a failure its message. */
function outputOf(script: string, write: (p: Builder) => void): string {
  const file = `${scratch}/test`;
  emit(shell(script, write), file);
  const { stdout, stderr } = new Deno.Command(file, { stdin: "null" }).outputSync();
  const [output, message] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return output! + message!;
}

rootTest("a host and its domain are named in a new UTS namespace", () => {
  const before = Deno.hostname();
  const output = outputOf("hostname; cat /proc/sys/kernel/domainname", (p) => {
    p.call("unshare", [CLONE_NEWUTS]);
    nameHost(p, "h\u00f6st");
    nameDomain(p, "example.org");
  });
  assertEquals([output, Deno.hostname()], ["h\u00f6st\nexample.org\n", before]);
});

rootTest("a name that is too long is refused, and which one is said", () => {
  const output = outputOf(":", (p) => {
    p.call("unshare", [CLONE_NEWUTS]);
    nameHost(p, "x".repeat(65));
  });
  assertMatch(output, /^test: cannot set the host name to 'x{65}': Invalid argument\n$/);
});

rootTest("the loopback interface of a new network namespace is up", () => {
  const output = outputOf("cat /sys/class/net/lo/flags 2>&1; ip -o link show lo", (p) => {
    p.call("unshare", [CLONE_NEWNET]);
    raiseLoopback(p);
  });
  assertMatch(output, /<LOOPBACK,UP,LOWER_UP>/);
});

const CAPABILITIES = `sed -n '/^Cap/s/.*:\\t0*//p' /proc/self/status | tr '\\n' ' '`;

rootTest("another user keeps the capabilities that it is given, and no others", () => {
  const names = ["CAP_NET_RAW", "CAP_KILL"] as const;
  const all = {
    bounding: names,
    effective: names,
    permitted: names,
    inheritable: names,
    ambient: names,
  };
  const output = outputOf(`id -u; id -g; id -G; ${CAPABILITIES}`, (p) => {
    boundCapabilities(p, all);
    setGroups(p, [7, 8]);
    changeGroup(p, 1000);
    changeUser(p, 1001);
    setCapabilities(p, all);
  });
  assertEquals(output, "1001\n1000\n1000 7 8\n2020 2020 2020 2020 2020 ");
});

rootTest("without any capabilities root has none, and can get none back", () => {
  const output = outputOf(`${CAPABILITIES}; chroot / true`, (p) => {
    boundCapabilities(p, {});
    setCapabilities(p, {});
  });
  assertMatch(output, /^ {5}chroot: .*Operation not permitted\n$/);
});

Deno.test("no_new_privs holds for the program", () => {
  const output = outputOf("grep NoNewPrivs /proc/self/status", noNewPrivileges);
  assertEquals(output, "NoNewPrivs:\t1\n");
});

Deno.test("limits hold for the program", () => {
  const output = outputOf("ulimit -Sn; ulimit -Hn; ulimit -c", (p) => {
    limitResource(p, { type: "RLIMIT_NOFILE", soft: 64, hard: 128n });
    limitResource(p, { type: "RLIMIT_CORE", soft: 0, hard: 0 });
  });
  assertEquals(output, "64\n128\n0\n");
});

Deno.test("descriptors are passed on, though one has the number that another gets", () => {
  const [a, b] = [pipe2(O_CLOEXEC), pipe2(O_CLOEXEC)];
  try {
    for (const fd of [...a, ...b]) fcntl(fd, F_SETFD, 0);
    const [first, second] = [a[1], b[1]];
    const links = `for fd in ${first} ${second}; do readlink /proc/self/fd/$fd; done`;
    const count = `ls /proc/self/fd | wc -l`; // with that of ls itself
    const straight = outputOf(
      `${links}; ${count}`,
      (p) => passDescriptors(p, { [first]: first, [second]: second }),
    );
    const crossed = outputOf(
      `${links}; ${count}`,
      (p) => passDescriptors(p, { [first]: second, [second]: first }),
    );
    const [one, two, ...rest] = straight.split("\n");
    assertEquals(rest, ["6", ""]);
    assertEquals(crossed, [two, one, "6", ""].join("\n"));
  } finally {
    [...a, ...b].forEach(close);
  }
});

Deno.test("no other descriptor is passed on", () => {
  const [reader, writer] = pipe2(0);
  try {
    assertEquals(outputOf("ls /proc/self/fd", (p) => passDescriptors(p, {})), "0\n1\n2\n3\n");
  } finally {
    close(reader);
    close(writer);
  }
});
