/**
 * Removing what dead containers have left.
 *
 * @module
 */
import { readdir } from "../../ffi/dirent.ts";
import { optional } from "../../ffi/libc.ts";
import { plan } from "../../ffi/plan/builder.ts";
import type { Plan } from "../../ffi/plan/step.ts";
import { encode } from "../../ffi/bytes.ts";
import { removeCgroups } from "../cgroup/steps.ts";
import { removeNat } from "../network/nat.ts";
import { removeVeths } from "../network/veth.ts";
import { nameProcess } from "../program.ts";
import { findNft } from "./network.ts";
import { type Dead, exists, forgetState } from "./state.ts";

/**
 * The plan that removes what dead containers have left, and says of which.
 *
 * @param network the inode of the network namespace in which it is to run
 */
export function gcPlan(name: string, dead: readonly Dead[], network: number): Plan {
  return plan(name, (p) => {
    nameProcess(p, "denspace");
    for (const { name: container, file, left } of dead) {
      // Who is in it may have made others in it.
      removeCgroups(p, left.cgroups.flatMap(withThoseBelow));
      const here = left.network === network;
      if (here) removeVeths(p, left.links);
      const nft = here && left.table !== undefined ? findNft(exists) : undefined;
      if (nft !== undefined) removeNat(p, nft, left.table!);
      if (here || left.links.length === 0) forgetState(p, file);
      const text = here || left.links.length === 0
        ? `${container}\n`
        : `${container}: its interfaces are those of another network namespace\n`;
      p.call("write", [1, text, encode(text).length], { message: "cannot write" });
    }
    p.call("exit_group", [0]);
  });
}

/** A cgroup, and all below it, each before those that are in it. */
function withThoseBelow(directory: string): string[] {
  return [directory, ...subdirectories(directory).flatMap(withThoseBelow)];
}

function subdirectories(directory: string): string[] {
  const names = (path: string): string[] => optional(() => readdir(path)) ?? [];
  return names(directory).map((name) => `${directory}/${name}`)
    .filter((path) => names(path).length > 0);
}
