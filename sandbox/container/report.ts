/**
 * What the supervisor says at the end: it runs a program of ours that looks at the
 * layers, when the container's processes are gone.
 *
 * @module
 */
import { encode } from "../../ffi/bytes.ts";
import { EPERM } from "../../ffi/constants/errno.ts";
import { CLONE_NEWUSER } from "../../ffi/constants/sched.ts";
import { SIGNALS } from "../../ffi/constants/signal.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import { environment } from "../../ffi/plan/stack.ts";
import type { Cell } from "../../ffi/plan/step.ts";
import { changeGroup, changeUser, dropGroups } from "../credentials.ts";
import { awaitEnd } from "../helper.ts";
import { restoreMask } from "../waiter.ts";

/** The descriptor that the program finds the layers at. */
const LAYERS_FD = 3;

/** What there is to report. */
export interface Report {
  /** The name with which messages begin. */
  readonly name: string;
  /** The program and its first arguments. */
  readonly command: readonly string[];
  /** The directory whose copy the root was. */
  readonly root: string;
  /** A descriptor of the layers. */
  readonly layers: Cell;
  /** A descriptor of the user namespace by whose ids they are owned, if not by ours. */
  readonly userns: Cell | undefined;
  /** The signal mask that the program is to have. */
  readonly mask: Cell;
}

/** Says what was changed, and goes on, whether that could be said or not. */
export function reportChanges(
  p: Builder,
  { name, command, root, layers, userns, mask }: Report,
): void {
  const args = [...command, "diff", "--rootfs", root, `/proc/self/fd/${LAYERS_FD}`];
  const envp = environment(p);
  const message = "cannot say what was changed";
  const child = p.call("clone", [SIGNALS.SIGCHLD, 0, 0, 0, 0], {
    why: "say what was changed",
    child: "report",
    message,
  });
  p.when("equal", child, 0, () =>
    p.apart(() => {
      if (userns) {
        p.call("setns", [userns, CLONE_NEWUSER], { why: "who may read what is there", message });
        dropGroups(p, { accept: [EPERM] });
        changeGroup(p, 0);
        changeUser(p, 0);
      }
      p.call("dup3", [layers, LAYERS_FD, 0], { message });
      restoreMask(p, mask);
      p.call("execve", [args[0]!, { list: args }, envp], { why: "look at the layers", message });
      p.call("exit_group", [0]);
    }));
  const end = p.label();
  p.branch("equal", awaitEnd(p, child, { message }), 0, end);
  const line = encode(`${name}: ${message}\n`);
  p.call("write", [2, line, line.length], { fail: end });
  p.place(end);
}
