/** The interpreter for aarch64, on whatever this is: there, or under qemu-aarch64. */
import { CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS } from "../ffi/constants/sched.ts";
import { MS_PRIVATE, MS_REC } from "../ffi/constants/mount.ts";
import { type Builder, plan } from "../ffi/plan/builder.ts";
import { execvp } from "../ffi/plan/execvp.ts";
import { architectures, host } from "../ffi/plan/host.ts";
import { argument, environment } from "../ffi/plan/stack.ts";
import { assertEquals } from "../scripts/std.ts";
import { type Machine, OPERATIONS, runPlan, STEPS } from "./plan_vectors.ts";

const NATIVE: Machine = { arch: host(), via: [] };
const AARCH64: Machine = {
  arch: architectures.aarch64,
  via: host() === architectures.aarch64 ? [] : ["qemu-aarch64"],
};
