/**
 * Measures how fast programs start in new namespaces, and what stays in memory
 * meanwhile, beside what does the same without Deno.
 *
 *     deno task bench [--rounds 40] [--json]
 *
 * All are started in turn, round by round, in another order each time: what
 * disturbs a machine meets all of them, and a ratio of medians holds where a
 * number of milliseconds does not.
 *
 * @module
 */
import { elf } from "../ffi/plan/elf.ts";
import { host } from "../ffi/plan/host.ts";
import { reporting } from "../ffi/plan/report.ts";
import type { Plan } from "../ffi/plan/step.ts";
import { nsenterPlan } from "../sandbox/nsenter.ts";
import { unsharePlan } from "../sandbox/unshare.ts";
import { fromFileUrl, parseArgs } from "./std.ts";

const WARM_UP = 3;

/** What is started, against what, and how far it may be from it. */
interface Contestant {
  /** What the table calls it. */
  readonly name: string;
  /** The command line; absent if it is not installed. */
  readonly argv: readonly string[] | undefined;
  /** The name of the one that it is compared with; absent for that one itself. */
  readonly reference?: string;
  /** How many times as long as the reference it may take. */
  readonly target?: number;
}

/** What a contestant came to. */
interface Result {
  readonly name: string;
  /** Milliseconds, or KiB. */
  readonly median: number | undefined;
  readonly min: number | undefined;
  /** How many times the reference that is. */
  readonly ratio: number | undefined;
  readonly target: number | undefined;
}

const UNSHARE = ["-Urpf", "--mount-proc"];
const NSENTER = ["--preserve-credentials", "-U", "-m", "-p"];
const UTIL_LINUX = { unshare: "/usr/bin/unshare", nsenter: "/usr/bin/nsenter" };

const PLANS: Readonly<Record<string, (target: number) => Plan>> = {
  unshare: () =>
    unsharePlan({
      name: "unshare",
      namespaces: new Set(["user", "pid", "mount"]),
      fork: true,
      mapUser: 0,
      mapGroup: 0,
      propagation: "private",
      mountProc: "/proc",
      program: { name: "true", index: 1 + UNSHARE.length },
    }),
};

// The contestants ------------------------------------------------------------

const project = fromFileUrl(new URL("..", import.meta.url));
const deno = Deno.execPath();
