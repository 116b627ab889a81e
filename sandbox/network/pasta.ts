/**
 * A network for whoever may not make interfaces of the machine: pasta(1), a program
 * that passes on what a container sends, by sockets of an ordinary user.
 *
 * It is told the id of the container's first process, which waits until it is
 * ready, and ends by itself when there is no such process any more.
 *
 * @module
 */
import { SIGNALS } from "../../ffi/constants/signal.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import type { Cell, Operand } from "../../ffi/plan/step.ts";
import { environment } from "../../ffi/plan/stack.ts";
import { exitUnlessDone, mustBeTold, pipe } from "../helper.ts";
import type { Published } from "./nat.ts";

/** What pasta is to do. */
export interface Pasta {
  /** Its file. */
  readonly file: string;
  /** The ports of the machine that lead inside. */
  readonly published: readonly Published[];
}

/** Pasta, before it runs. */
export interface Passing {
  /** Has pasta run for the network namespace of the program; comes back when there is a network. */
  run(program: Cell): void;
}

/** Forks the process that becomes pasta, outside. */
export function forkPasta(p: Builder, pasta: Pasta): Passing {
  const ends = pipe(p, "to tell pasta for whom");
  const program = p.cell("program");
  const child = p.call("clone", [SIGNALS.SIGCHLD, 0, 0, 0, 0], {
    why: "pass on what is sent, from outside",
    child: "pasta",
    message: "fork failed",
  });
  p.when("equal", child, 0, () =>
    p.apart(() => {
      mustBeTold(p, ends, "for whom", "there is nobody left", { into: program, size: 8 });
      become(p, pasta, program);
    }));
  return {
    run: (pid) => {
      p.set(program, pid);
      p.call("write", [ends[1], { addressOf: program }, 8], { why: "for whom" });
      exitUnlessDone(p, child);
    },
  };
}

function become(p: Builder, { file, published }: Pasta, program: Cell): void {
  const ports = (protocol: Published["protocol"]): string => {
    const list = published.filter((each) => each.protocol === protocol);
    return list.map(({ port, inside }) => `${port}:${inside}`).join(",") || "none";
  };
  const pid = p.cell("pid", 16);
  p.control("decimal", [program, { addressOf: pid }]);
  const args: Operand[] = [
    "pasta",
    ...["--quiet", "--config-net", "--no-map-gw"],
    ...["-t", ports("tcp"), "-u", ports("udp"), "-T", "none", "-U", "none"],
    { addressOf: pid },
    0,
  ];
  const argv = p.cell("argv", 8 * args.length, args);
  p.call("execve", [file, { addressOf: argv }, environment(p)], {
    why: "pasta goes on in the background",
    message: `cannot run ${file}`,
  });
}
