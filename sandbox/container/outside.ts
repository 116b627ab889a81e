/**
 * What a container has outside of it: cgroups with its limits, and an interface of
 * the machine. It is there before the container is, and removed when that ends.
 *
 * @module
 */
import type { Builder } from "../../ffi/plan/builder.ts";
import type { Cell } from "../../ffi/plan/step.ts";
import { cgroupSteps } from "../cgroup/steps.ts";
import { makeNat, removeNat } from "../network/nat.ts";
import { removeVeths } from "../network/veth.ts";
import { routine } from "../routine.ts";
import type { Container } from "./resolve.ts";
import { forgetState, noteState, ownNetwork } from "./state.ts";

/** What a plan does outside of a container. */
export interface Outside {
  /**
   * Makes it, goes on with `body`, which does not come back, and removes it if
   * something in that fails.
   */
  around(body: () => void): void;
  /** Has this process, and those that it starts, keep to the limits. */
  enter(): void;
  /** Says which limits were reached. */
  report(): void;
  /** Ends what is left of the container, and removes it. */
  remove(): void;
}

/**
 * What is outside of a container, in a plan.
 *
 * @param name with which messages begin
 * @param slot a descriptor that may be replaced
 */
export function outsideSteps(
  p: Builder,
  name: string,
  { cgroup, veth, nat, state }: Container,
  slot: Cell,
): Outside {
  if (!cgroup && !veth) {
    const nothing = (): void => {};
    return { around: (body) => body(), enter: nothing, report: nothing, remove: nothing };
  }
  const limits = cgroup && cgroupSteps(p, cgroup);
  const cgroups = cgroup?.groups.flatMap(({ path, aside }) => aside ? [path, aside] : [path]) ?? [];
  const links = veth ? [veth.name] : [];
  const removal = routine(p, () => {
    limits?.remove();
    removeVeths(p, links);
    if (nat) removeNat(p, nat.nft, nat.table);
    if (state !== undefined) forgetState(p, state);
  });
  return {
    around: (body) => {
      p.guard(() => {
        if (state !== undefined) {
          noteState(p, state, { cgroups, links, table: nat?.table, network: ownNetwork() }, slot);
        }
        limits?.make();
        if (nat) makeNat(p, nat);
        body();
      }, removal.run);
      removal.write();
    },
    enter: () => limits?.enter(),
    report: () => limits?.report(name),
    remove: removal.run,
  };
}
