/**
 * What a program that is started has outside of it: cgroups, which count what it
 * uses, and interfaces. They are removed when it has ended.
 *
 * @module
 */
import { clone } from "../../ffi/plan/clone.ts";
import { plan } from "../../ffi/plan/builder.ts";
import type { Cgroup } from "../cgroup/layout.ts";
import { removeCgroups } from "../cgroup/steps.ts";
import { readUsage, type Usage } from "../cgroup/usage.ts";
import { holdState, ownNetwork, stateDirectory } from "../container/state.ts";
import { removeVeths, type Veth } from "../network/veth.ts";
import { geteuid } from "../../ffi/unistd.ts";

/** What there is outside. */
export interface Outside {
  /** What its processes have used. */
  usage(): Usage | undefined;
  /** Ends what is left of it, and removes it. */
  remove(): void;
}

/** What is to be removed when a program has ended; nothing if it has nothing outside. */
export function holdOutside(
  { id, cgroup, veth }: {
    readonly id: string;
    readonly cgroup: Cgroup | undefined;
    readonly veth: Veth | undefined;
  },
): Outside | undefined {
  if (!cgroup && !veth) return undefined;
  const cgroups = cgroup?.groups.map(({ path }) => path) ?? [];
  const links = veth ? [veth.name] : [];
  const directory = stateDirectory(geteuid());
  const left = { cgroups, links, network: ownNetwork() };
  // Were this process killed, gc would do it.
  const forget = directory === undefined ? undefined : holdState(`${directory}/${id}`, left);
  const removal = plan("spawn", (p) => {
    removeCgroups(p, cgroups);
    removeVeths(p, links);
    p.call("exit_group", [0]);
  });
  return {
    usage: () => cgroup && readUsage(cgroup.groups),
    remove: () => {
      clone(removal).wait();
      forget?.();
    },
  };
}
