/**
 * Containers, as the OCI runtime specification describes them.
 *
 * @module
 */
import type { Plan } from "../ffi/plan/step.ts";
import type { Config } from "./container/oci.ts";
import { planContainer } from "./container/plan.ts";
import { supportedConfig } from "./container/supported.ts";

/** How the plan of a container is made. */
export interface ContainerOptions {
  /** The name with which its messages begin; `denspace` if absent. */
  readonly name?: string | undefined;
}

/**
 * The plan of a container: what `denspace run` runs, to be started by `spawn`,
 * executed, emitted or explained. (`clone`, which would stop this thread until the
 * container ends, refuses it.)
 *
 * The configuration is all there is. Where it says nothing, nothing keeps the program
 * inside: no namespace is made, no system call is filtered, and root keeps all its
 * capabilities. `denspace run --print-config` writes one that has it all. Paths of the
 * machine are absolute. What is not supported is an error, not left out. These
 * annotations say what the specification has no words for:
 *
 * | annotation                 | value                                                         |
 * | -------------------------- | ------------------------------------------------------------- |
 * | `denspace.layers`          | where changes of the root are kept: a directory, or `tmpfs`   |
 * | `denspace.init`            | `true` for a process 1 that only reaps processes              |
 * | `denspace.timeout`         | after how many seconds all of it is killed                    |
 * | `denspace.die-with-parent` | `true` for it to end with whoever starts it                   |
 * | `denspace.landlock`        | what Landlock grants, as `ro:/usr,rw:/tmp`                    |
 * | `denspace.network` ...     | an interface, as `denspace run --net veth --print-config` has |
 *
 * The program is a child of the process that the plan becomes. That one passes
 * signals on to it, ends as it does, and removes what the container had outside;
 * when it is killed, so is the container. The plan holds what the machine is like
 * when it is made, and a container with `resources` has the name of its cgroup in
 * it: several at once take a plan each.
 *
 * See https://github.com/opencontainers/runtime-spec/blob/main/config.md,
 * https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md,
 * namespaces(7), pivot_root(2).
 *
 * @param config what it is
 * @param options how the plan is made
 * @returns the plan
 * @throws {ConfigError} when the configuration can't be run; it names the field
 * @throws {RangeError} when this machine lacks what it asks for
 * @throws {SyscallError} when something outside that it names can't be looked at
 *
 * @example
 * ```ts
 * import { containerPlan, getegid, geteuid, spawnSync } from "@denspace/denspace";
 *
 * // A copy of this machine, in which the program is root, and whose changes vanish.
 * const plan = containerPlan({
 *   ociVersion: "1.2.0",
 *   process: {
 *     cwd: "/",
 *     args: ["sh", "-c", "echo process $$ of $(hostname), user $(id -u); rm -f /etc/passwd"],
 *     env: ["PATH=/usr/bin:/bin"],
 *     user: { uid: 0, gid: 0 },
 *   },
 *   root: { path: "/" },
 *   hostname: "inside",
 *   mounts: [{ destination: "/proc", type: "proc" }],
 *   annotations: { "denspace.layers": "tmpfs" },
 *   linux: {
 *     namespaces: [{ type: "user" }, { type: "mount" }, { type: "pid" }, { type: "uts" }],
 *     uidMappings: [{ containerID: 0, hostID: geteuid(), size: 1 }],
 *     gidMappings: [{ containerID: 0, hostID: getegid(), size: 1 }],
 *   },
 * });
 * const { stdout } = spawnSync(plan);
 * console.log(new TextDecoder().decode(stdout)); // process 1 of inside, user 0
 * ```
 */
export function containerPlan(config: Config, { name }: ContainerOptions = {}): Plan {
  return planContainer(supportedConfig(config), { name });
}
