/**
 * What a mount of type `cgroup` comes to: the hierarchies of the machine, as this
 * cgroup namespace shows them. See cgroups(7).
 *
 * @module
 */
import { decode } from "../../ffi/bytes.ts";
import { readFile } from "../../ffi/file.ts";
import type { Mount } from "./oci.ts";

/** The attributes among the options of a mount. */
function attributes({ options = [] }: Mount): string[] {
  return options.filter((option) =>
    ["nosuid", "nodev", "noexec", "relatime", "ro"].includes(option)
  );
}

/** What stands for one of type `cgroup` where the cgroup namespace is the machine's, and the user namespace is not. */
export function boundCgroups(mount: Mount): Mount {
  const all = attributes(mount).map((option) => option === "ro" ? "rro" : option);
  return {
    destination: mount.destination,
    type: "bind",
    source: "/sys/fs/cgroup",
    options: ["rbind", "rprivate", ...all],
  };
}

/**
 * The mounts for one of type `cgroup`.
 *
 * Where there is only version 2 it is one mount. Where there is version 1 each
 * hierarchy has a directory in a tmpfs, and version 2 has `unified`.
 */
export function cgroupMounts(
  mount: Mount,
  hierarchies: string = decode(readFile("/proc/self/cgroup")),
): Mount[] {
  const { destination, options = [] } = mount;
  const lines = hierarchies.split("\n").filter((line) => line !== "").map((line) => {
    // id:controllers:path
    const [id, controllers] = line.split(":") as [string, string];
    return { unified: id === "0", controllers };
  });
  const old = lines.filter(({ unified, controllers }) => !unified && controllers !== "");
  const version2 = (at: string): Mount => ({
    destination: at,
    type: "cgroup2",
    source: "cgroup2",
    options,
  });
  if (old.length === 0) return [version2(destination)];
  return [
    {
      destination,
      type: "tmpfs",
      source: "tmpfs",
      options: [...attributes(mount), "mode=755"],
    },
    ...old.map(({ controllers }): Mount => ({
      destination: `${destination}/${controllers.replace(/^name=/, "")}`,
      type: "cgroup",
      source: "cgroup",
      options: [...options, ...controllers.split(/,(?!name=)/)],
    })),
    ...lines.some(({ unified }) => unified) ? [version2(`${destination}/unified`)] : [],
  ];
}
