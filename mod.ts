/**
 * Linux namespaces for Deno: programs in namespaces, this process in them, and
 * the system calls for both. What unshare(1), nsenter(1) and container runtimes
 * do, with no binary on the host. It needs Linux, glibc, and `--allow-ffi`.
 *
 * **A program** is started by {@linkcode spawn} as by `Deno.Command`, in
 * namespaces of its own or of others, with an identity, a root, limits and
 * rights of its own (with `--allow-run`):
 *
 * ```ts
 * import { spawnSync } from "@denspace/denspace";
 *
 * const { stdout } = spawnSync({
 *   command: "sh",
 *   args: ["-c", "echo process $$ of $(hostname), user $(id -u)"],
 *   namespaces: { user: true, pid: true, uts: true },
 *   uidMap: "root",
 *   hostname: "inside",
 * });
 * console.log(new TextDecoder().decode(stdout)); // process 1 of inside, user 0
 * ```
 *
 * **A plan** is what is done for it, as data: {@linkcode plan} makes one, of
 * options or by hand; {@linkcode explain} says what it would do here,
 * {@linkcode emit} makes an executable of it, {@linkcode clone} starts it most
 * quickly, {@linkcode exec} becomes it.
 *
 * **A container** is a plan, too: {@linkcode containerPlan} makes it, of a
 * configuration as the OCI runtime specification has it.
 *
 * **A namespace** is a value, from {@linkcode openNamespace} and
 * {@linkcode namespacesOf}. {@linkcode withNamespace} runs a function in it,
 * {@linkcode namespaceWorker} a thread. Then this is what sees it:
 *
 * | inside `withNamespace`, or after `unshare` or `setns`               | sees                        |
 * | ------------------------------------------------------------------- | --------------------------- |
 * | every function of this library                                      | what was entered            |
 * | `Deno.readTextFileSync` and all that ends in `Sync`, `Deno.hostname` | what was entered           |
 * | `Deno.Command`, `spawn`                                             | what was entered            |
 * | `Deno.listen` and `Deno.connect` by address, `Deno.networkInterfaces` | what was entered          |
 * | a `Worker` that is made there, and all that it does                 | what was entered            |
 * | `Deno.readTextFile` and others of files that return a promise, `import()` | either, mostly the old ones |
 * | names of hosts                                                      | either, mostly the old ones |
 * | a `Worker` that was there before                                    | the old ones                |
 *
 * **The system calls** stand under the names of their manual pages. They are
 * synchronous, and act on the calling thread, since that is what a namespace
 * belongs to. What fails throws a {@linkcode SyscallError}.
 *
 * ```ts
 * import { readlink } from "@denspace/denspace";
 *
 * for (const name of ["mnt", "net", "pid", "user", "uts"]) {
 *   console.log(readlink(`/proc/thread-self/ns/${name}`));
 * }
 * ```
 *
 * @module
 */
export * from "./ffi/capability.ts";
export * from "./ffi/close_range.ts";
export * from "./ffi/constants/errno.ts";
export * from "./ffi/dirent.ts";
export * from "./ffi/errno.ts";
export * from "./ffi/fcntl.ts";
export * from "./ffi/file.ts";
export * from "./ffi/ioctl.ts";
export * from "./ffi/mman.ts";
export * from "./ffi/mount.ts";
export * from "./ffi/pidfd.ts";
export type { Architecture } from "./ffi/plan/arch.ts";
export { type Arguments, type Builder, type Condition, type Operands } from "./ffi/plan/builder.ts";
export { type Child, clone, type CloneOptions } from "./ffi/plan/clone.ts";
export { exec } from "./ffi/plan/exec.ts";
export { execvp, shell } from "./ffi/plan/execvp.ts";
export { emit } from "./ffi/plan/file.ts";
export { argument, environment, variable } from "./ffi/plan/stack.ts";
export { type Kind, SIGNATURES, type Signatures } from "./ffi/plan/signatures.ts";
export {
  type CallName,
  type Cell,
  CONTROL,
  type ControlName,
  type Initial,
  type Label,
  type Need,
  type Note,
  type Operand,
  type Plan,
  type Step,
  type Successor,
} from "./ffi/plan/step.ts";
export * from "./ffi/prctl.ts";
export * from "./ffi/pwd.ts";
export * from "./ffi/resource.ts";
export { setns, unshare } from "./ffi/sched.ts";
export * from "./ffi/constants/sched.ts";
export * from "./ffi/signal.ts";
export * from "./ffi/socket.ts";
export * from "./ffi/stat.ts";
export * from "./ffi/unistd.ts";
export * from "./ffi/wait.ts";
export * from "./ffi/xattr.ts";
export type { NamespaceKind } from "./sandbox/listing/kinds.ts";
export type { NamespaceMount } from "./sandbox/listing/mounts.ts";
export {
  type Listing,
  listNamespaces,
  type Namespace as ListedNamespace,
  type Query as ListingQuery,
} from "./sandbox/listing/namespaces.ts";
export type { Process as ListedProcess } from "./sandbox/listing/processes.ts";
export {
  explain,
  predict,
  type PredictedCall,
  type Prediction,
  type Privilege,
} from "./sandbox/explain.ts";
export { namespaceWorker, withNamespace } from "./sandbox/inside.ts";
export {
  type Namespace,
  type Namespaces,
  namespacesOf,
  type NamespaceSource,
  openNamespace,
  unpin,
} from "./sandbox/namespace.ts";
export { type NamespaceName, NAMESPACES } from "./sandbox/namespaces.ts";
export { type IdRange } from "./sandbox/idranges.ts";
export type { Descriptors } from "./sandbox/inherit.ts";
export type { Propagation } from "./sandbox/mounts.ts";
export type { Capabilities } from "./sandbox/privileges.ts";
export type { ResourceLimit } from "./sandbox/rlimits.ts";
export type { Landlock, LandlockScope } from "./sandbox/landlock.ts";
export type {
  ArchitectureFamily,
  Condition as ProfileCondition,
  Profile,
  ProfileRule,
  Seccomp,
  SeccompRule,
} from "./sandbox/seccomp/profile.ts";
export type { ArgumentTest, Comparison } from "./ffi/seccomp.ts";
export type { Usage } from "./sandbox/cgroup/usage.ts";
export { type ContainerOptions, containerPlan } from "./sandbox/container.ts";
export { ConfigError } from "./sandbox/container/supported.ts";
export type {
  Config as ContainerConfig,
  Device as ContainerDevice,
  Hook as ContainerHook,
  Hooks as ContainerHooks,
  IdMapping as ContainerIdMapping,
  IntelRdt as ContainerIntelRdt,
  Linux as ContainerLinux,
  Mount as ContainerMount,
  Namespace as ContainerNamespace,
  NamespaceType as ContainerNamespaceType,
  Process as ContainerProcess,
  Resources,
  Rlimit as ContainerRlimit,
  Root as ContainerRoot,
  Scheduler as ContainerScheduler,
  ThrottleDevice,
  TimeOffset as ContainerTimeOffset,
  User as ContainerUser,
  WeightDevice,
} from "./sandbox/container/oci.ts";
export {
  plan,
  type Process,
  type ProcessOutput,
  type ProcessStatus,
  spawn,
  spawnSync,
} from "./sandbox/spawn.ts";
export type {
  IdMap,
  Mount,
  NamespaceChoice,
  Network,
  PlanOptions,
  ProgramOptions,
  SpawnOptions,
  Stdio,
  StreamOptions,
  Text,
} from "./sandbox/spawn/options.ts";
