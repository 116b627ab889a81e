/**
 * What a container has outside of it: cgroups with its limits, and an interface of
 * the machine. It is there before the container is, and removed when that ends.
 *
 * @module
 */
import type { Builder } from "../../ffi/plan/builder.ts";
import { cgroupSteps } from "../cgroup/steps.ts";
import { removeVeth } from "../network/veth.ts";
import type { Container } from "./resolve.ts";

/** What a plan does outside of a container. */
export interface Outside {
  /** Makes it, goes on with `body`, and removes it if something in that fails. */
  around(body: () => void): void;
  /** Has this process, and those that it starts, keep to the limits. */
  enter(): void;
  /** Says which limits were reached. */
  report(): void;
  /** Ends what is left of the container, and removes it. */
  remove(): void;
}

/** What is outside of a container, in a plan; messages begin with the name. */
export function outsideSteps(p: Builder, name: string, { cgroup, veth }: Container): Outside {
  const limits = cgroup && cgroupSteps(p, cgroup);
  const remove = (): void => {
    limits?.remove();
    if (veth) removeVeth(p, veth);
  };
  return {
    around: (body) => {
      if (!limits && !veth) return body();
      p.guard(() => {
        limits?.make();
        body();
      }, remove);
    },
    enter: () => limits?.enter(),
    report: () => limits?.report(name),
    remove,
  };
}
