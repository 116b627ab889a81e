/**
 * Capabilities of a process, see capabilities(7).
 *
 * @module
 */
import { LINUX_CAPABILITY_VERSION_3 } from "../ffi/constants/capability.ts";
import { EINVAL } from "../ffi/constants/errno.ts";
import { PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE } from "../ffi/constants/prctl.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import type { Cell, Operand } from "../ffi/plan/step.ts";

/**
 * Has the program keep the capabilities that this process has, though it is not
 * root inside: they become inheritable, and then ambient.
 */
export function keepCapabilities(p: Builder): void {
  const header: Operand = { addressOf: p.cell("cap_user_header", 8, [LINUX_CAPABILITY_VERSION_3]) };
  // struct cap_user_data [2]: effective, permitted, inheritable, 32 bits each
  const data: Operand = { addressOf: p.cell("cap_user_data", 24) };
  p.call("capget", [header, data], {
    why: "the capabilities that there are to keep",
    message: "capget failed",
  });
  for (const half of [0, 12]) {
    p.control("store32", [data, half + 8, p.control("load32", [data, half + 4])]);
  }
  p.call("capset", [header, data], {
    why: "only what is inheritable can be ambient",
    message: "capset failed",
  });

  const high = p.control("shl", [p.control("load32", [data, 12]), 32]);
  const left = p.control("or", [p.control("load32", [data, 0]), high]);
  raiseAmbient(p, left, "prctl(PR_CAP_AMBIENT) failed");
}

/** Makes the capabilities of a set ambient. */
export function raiseAmbient(p: Builder, set: Operand, message: string): void {
  forEachCapability(
    p,
    set,
    (capability) =>
      p.call("prctl", [PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0], {
        why: "keep this capability when the program is executed",
        message,
        accept: [EINVAL], // above the last one that this kernel knows
      }),
  );
}

/** Does something for each capability of a set. */
export function forEachCapability(
  p: Builder,
  set: Operand,
  work: (capability: Cell) => void,
): void {
  const left = p.control("add", [set, 0]);
  const capability = p.control("add", [0, 0]);
  const [again, next, done] = [p.here(), p.label(), p.label()];
  p.branch("equal", left, 0, done);
  p.branch("equal", p.control("and", [left, 1]), 0, next);
  work(capability);
  p.place(next);
  p.control("shr", [left, 1], { result: left });
  p.control("add", [capability, 1], { result: capability, next: again });
  p.place(done);
}
