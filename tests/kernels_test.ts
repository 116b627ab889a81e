/**
 * Plans and tools on other kernels and on aarch64: the other tests, in virtual
 * machines. `scripts/vm/setup` prepares these, without it they are ignored.
 *
 * A guest takes half a second to start Deno, so a kernel gets a part of the
 * comparisons with the real tools, and another part than the other one.
 * `DENSPACE_KERNELS=all` runs all of them on both, which takes half an hour.
 *
 * Types are checked on the host, by the test task.
 *
 * @module
 */
import { assertEquals, assertMatch, fromFileUrl } from "../scripts/std.ts";
import { exists } from "./processes.ts";

const PROJECT = fromFileUrl(new URL("..", import.meta.url));
const RUN = fromFileUrl(new URL("../scripts/vm/run", import.meta.url));
const DIRECTORY = Deno.env.get("DENSPACE_VM_DIR") ?? "/var/tmp/denspace-vm";
const ALL = Deno.env.get("DENSPACE_KERNELS") === "all";
/** Above what all comparisons take, and what a busy host takes for a part of them. */
const TIMEOUT_SECONDS = ALL ? 7200 : 2700;

/** Test files, and which of their tests. */
interface Suite {
  /** What the test of the guest calls it. */
  name: string;
  files: readonly string[];
  /** What their names match. */
  filter?: RegExp;
  /** The part of comparisons, see the harness. */
  part?: string;
}

/** Without those of many runs, and of other versions of Deno. */
const END_TO_END: Suite = {
  name: "end to end",
  files: ["end_to_end_test.ts"],
  filter: /^[a-z]/,
};
/** Without the one that drowns a lone processor in signals. */
const CLONES: Suite = {
  name: "clones",
  files: ["clone_test.ts"],
  filter: /^clone|\ba child/,
};
/** What is said where something is missing or refused. */
const REFUSALS: Suite = {
  name: "refusals",
  files: ["needs_test.ts", "refusal_test.ts"],
};
/** Of version 2 of cgroups, which guests have alone. */
const LIMITS: Suite = {
  name: "limits",
  files: ["run_limits_test.ts"],
  filter: /^root: (a limit of (a disk|processes)|only|an ordinary|a container sees)/,
};

/** What the kernel is asked to deny; of Landlock what it has. */
const FILTERS: Suite = {
  name: "filters",
  files: ["landlock_test.ts", "seccomp_test.ts"],
  filter: /^(landlock|seccomp: (the default filter is in|nothing))/,
};

function comparisons(part: string): Suite {
  const files = ["unshare", "unshare_program", "nsenter", "nsenter_program", "maps", "persist"];
  return {
    name: ALL ? "all comparisons" : `comparisons, part ${part}`,
    files: files.map((name) => `differential_${name}_test.ts`),
    part: ALL ? "1/1" : part,
  };
}

/** A virtual machine, by the name that `scripts/vm/run` knows it by. */
interface Guest {
  name: string;
  /** How it names itself, by `uname -rm`. */
  kernel: RegExp;
  qemu: string;
  /** Where it has the root directory of this machine. */
  host: string;
  /** Deno, as it is called there. */
  deno: string;
  suites: Suite[];
}

const x86_64 = { qemu: "qemu-system-x86_64", host: "", deno: Deno.execPath() };

const GUESTS: Record<string, Guest> = {
  "Linux 6.12": {
    name: "6.12",
    kernel: /^6\.12\..*cloud.* x86_64$/,
    ...x86_64,
    suites: [REFUSALS, FILTERS, END_TO_END, LIMITS, comparisons("1/8")],
  },
  "Linux 6.1": {
    name: "6.1",
    kernel: /^6\.1\.0-.*cloud.* x86_64$/,
    ...x86_64,
    suites: [CLONES, REFUSALS, FILTERS, END_TO_END, comparisons("5/8")],
  },
  "aarch64": {
    name: "aarch64",
    kernel: /^6\.12\..* aarch64$/,
    qemu: "qemu-system-aarch64",
    host: "/host",
    deno: "deno",
    suites: [CLONES, REFUSALS, FILTERS, END_TO_END],
  },
};

/** Why a guest can't be run here, or nothing. */
function obstacle({ name, qemu }: Guest): string | undefined {
  if (Deno.build.arch !== "x86_64" || Deno.uid() !== 0) return "needs root on x86-64";
  const needed = [`/usr/bin/${qemu}`, "/usr/libexec/virtiofsd", `${DIRECTORY}/linux-${name}`];
  const missing = needed.find((path) => !exists(path));
  return missing && `needs ${missing}: see scripts/vm/setup`;
}

/** Tells what executables for each architecture are like that are written here. */
function sums(deno: string): string {
  return ["x86_64", "aarch64"].map((arch) =>
    `'${deno}' run --allow-ffi commands/main.ts emit --arch ${arch} -o /tmp/emitted-$$ ` +
    `unshare -Urpf --mount-proc ps && sha256sum < /tmp/emitted-$$ && rm /tmp/emitted-$$`
  ).join(" && ");
}

/**
 * What a guest does: it writes executables, and runs `deno test` for each suite,
 * to the first that fails.
 */
async function script({ host, deno, suites }: Guest): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  const lines = [
    "uname -rm",
    "export NO_COLOR=1 DENO_DIR=/var/deno",
    `mkdir -p "$DENO_DIR" && cp -r '${host}${npmCache}' "$DENO_DIR/npm"`,
    sums(deno),
    ...suites.map(({ files, filter, part = "1/1" }) => {
      const paths = files.map((file) => `tests/${file}`).join(" ");
      const names = filter ? `--filter '/${filter.source}/' ` : "";
      return `DENSPACE_PART=${part} '${deno}' test -A --no-check ${names}${paths}`;
    }),
  ];
  return lines.join(" &&\n");
}

/** Starts a guest; what it says. */
async function run(guest: Guest): Promise<Deno.CommandOutput> {
  return await new Deno.Command(RUN, {
    args: [guest.name, "sh", "-c", `exec 2>&1\n${await script(guest)}`],
    cwd: PROJECT,
    env: { VM_TIMEOUT: `${TIMEOUT_SECONDS}`, VM_CPUS: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: end.signal,
  }).output();
}

/** Ends all guests. */
const end = new AbortController();
addEventListener("unload", () => end.abort());

// All are started at once, since each has one processor only.
const outputs = new Map<Guest, Promise<Deno.CommandOutput>>();
Deno.test.beforeAll(() => {
  for (const guest of Object.values(GUESTS)) {
    if (!obstacle(guest)) outputs.set(guest, run(guest));
  }
});

for (const [what, guest] of Object.entries(GUESTS)) {
  const reason = obstacle(guest);
  const parts = guest.suites.map(({ name }) => name).join(", ");
  Deno.test({
    name: `${what} passes the tests: ${parts}${reason ? ` (${reason})` : ""}`,
    ignore: reason !== undefined,
    // The guest was started before.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn(): Promise<void> {
      const { code, stdout, stderr } = await outputs.get(guest)!;
      const [kernel, x86_64, aarch64, ...lines] = new TextDecoder().decode(stdout).split("\n");
      const log = lines.filter((line) => !/ \.\.\. (ok|ignored) \(.*\)$/.test(line)).join("\n");
      const text = indent(`\n${log}\n${new TextDecoder().decode(stderr)}`);
      assertMatch(kernel!, guest.kernel, text);
      assertEquals(code, 0, text);
      const here = new Deno.Command("sh", { args: ["-c", sums(Deno.execPath())], cwd: PROJECT });
      assertEquals(
        `${x86_64}\n${aarch64}\n`,
        new TextDecoder().decode((await here.output()).stdout),
        "an executable depends on where it is written",
      );
      // That a filter no longer matches anything must not go unnoticed.
      const passed = [...log.matchAll(/^ok \| ([1-9]\d*) passed/gm)];
      assertEquals(passed.length, guest.suites.length, text);
    },
  });
}

/** So that nobody takes the lines of a test within a test for those of the outer one. */
function indent(text: string): string {
  return text.replace(/^/gm, "    ");
}
