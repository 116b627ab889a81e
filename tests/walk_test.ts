/** Walking a plan, beside the interpreters; and what is said of it. */
import { SIGNALS } from "../ffi/constants/signal.ts";
import { assuming, start } from "../ffi/plan/assume.ts";
import { plan } from "../ffi/plan/builder.ts";
import { host } from "../ffi/plan/host.ts";
import { reporting } from "../ffi/plan/report.ts";
import { argument, environment } from "../ffi/plan/stack.ts";
import { execvp } from "../ffi/plan/execvp.ts";
import type { Plan } from "../ffi/plan/step.ts";
import { type Memory, walk } from "../ffi/plan/walk.ts";
import { explain } from "../sandbox/explain.ts";
import { assertEquals, assertThrows } from "../scripts/std.ts";
import { OPERATIONS, type Outcome } from "./plan_vectors.ts";

/** Walks a plan; what it would write, and how it would end. */
function walked(program: Plan, args: readonly string[]): Outcome {
  const written: Record<number, number[]> = { 1: [], 2: [] };
  const state = start(program.name);
  const put = (memory: Memory, fd: bigint, at: bigint, size: bigint): void => {
    for (let i = 0n; i < size; i++) {
      written[Number(fd)]!.push(Number(memory.load(at + i, 1).value));
    }
  };
  walk(reporting(program), {
    argv: [program.name, ...args],
    environment: [],
    state,
    answer: (call) => {
      const { memory } = call.process;
      const [fd = 0n, at = 0n, size = 0n] = call.args.map(({ value }) => value);
      if (call.name === "write") put(memory, fd, at, size);
      for (let i = 0n; call.name === "writev" && i < size; i++) {
        const [base, length] = [0n, 8n].map((field) => memory.load(at + 16n * i + field, 8).value);
        put(memory, fd, base!, length!);
      }
      return assuming(call);
    },
  });
  const stderr = new TextDecoder("latin1").decode(new Uint8Array(written[2]!));
  return { code: Number(state.end), stdout: new Uint8Array(written[1]!), stderr };
}

for (const [name, vector] of Object.entries(OPERATIONS)) {
  Deno.test(`walked: ${name}`, () => vector({ arch: host(), via: [], run: walked }));
}

Deno.test("a plan that has no end is found out", () => {
  const endless = plan("endless", (p) => {
    const again = p.here();
    p.control("add", [0, 0]);
    p.jump(again);
  });
  assertThrows(() => void explain(endless), Error, "plan endless has no end");
});

Deno.test("explain shows processes, branches and what is known only at a run", () => {
  const program = plan("test", (p) => {
    const child = p.call("clone", [SIGNALS.SIGCHLD, 0, 0, 0, 0], { child: "worker" });
    p.when("equal", child, 0, () => {
      p.call("chdir", ["/"], { why: "a place of its own" });
      execvp(p, "true", argument(p, 1), environment(p));
    }, () => {
      const status = p.cell("status");
      p.call("wait4", [child, { addressOf: status }, 0, 0]);
      p.call("exit_group", [p.control("load8", [{ addressOf: status }, 1])]);
    });
  });
  assertEquals(
    explain(program, ["test", "true", "-f"], ["PATH=/bin"]),
    `test    clone(child_stack=NULL, flags=SIGCHLD) = <pid of worker>
          clone(2)
test    wait4(<pid of worker>, [<status of worker>], 0, NULL) = <pid of worker>
          go on when it has ended — wait(2)
worker  chdir("/") = 0
          a place of its own — chdir(2)
worker  execve("/bin/true", ["true", "-f"], [/* 1 vars */]) = 0
          run the program — execve(2)
test    exit_group(<status of worker>) = ?
          the work is done — exit_group(2)
`,
  );
});
