/**
 * Measures how fast a program starts in new namespaces, with how many system
 * calls, what stays in memory meanwhile, and whether rates are kept, beside what
 * does the same without Deno.
 *
 *     deno task bench [--rounds 40] [--json] [--plot FILE.svg]
 *
 * The compiled program is `dist/denspace`, or made with the runtime that
 * DENORT_BIN names; without either it is left out.
 *
 * Everything is started in turn, round by round, each time in another order:
 * what disturbs the machine meets all of them, so the ratios hold where the
 * milliseconds do not. A ratio is one of medians, to the first line of a table;
 * `target` is what it may be. What was not measured says why not.
 *
 * @module
 */
import { CLONE_NEWNET, geteuid, unshare } from "../../mod.ts";
import { RUN } from "../bundle.ts";
import { parseArgs } from "../std.ts";
import { command, project } from "./contestant.ts";
import { containerGroups, containersMemory, makeRoot } from "./containers.ts";
import { diskOf } from "./disk.ts";
import { libraryGroups } from "./library.ts";
import { measure } from "./measure.ts";
import { keptRates } from "./rates.ts";
import { cleanUpPodman } from "./runtimes.ts";
import { drawn, memoryRow, type Row, table, timesOf } from "./tables.ts";
import { compileC, DENO, findCompiled, makeBundle, NSENTER, toolGroups, UNSHARE } from "./tools.ts";
import { memoryOf, startCrowd, startWaiter, type Waiter } from "./waiter.ts";

/** What a waiting process may have in memory, in KiB. */
const RESIDENT = 200;

async function main(args: string[]): Promise<void> {
  const { rounds, json, plot: picture } = parseArgs(args, {
    boolean: ["json"],
    string: ["rounds", "plot"],
    default: { rounds: "40" },
    unknown: (argument) => fail(`there is no ${argument}`),
  });
  if (!/^[1-9]\d*$/.test(String(rounds))) fail(`no number of rounds: ${rounds}`);
  if (picture === "") fail("--plot needs a file");
  const directory = Deno.makeTempDirSync({ prefix: "denspace-bench-" });
  const waiters: Waiter[] = [];
  const start = async (...argv: string[]): Promise<Waiter | undefined> => {
    const waiter = await startWaiter(directory, argv);
    if (waiter) waiters.unshift(waiter);
    return waiter;
  };
  try {
    const bundled = [Deno.execPath(), ...RUN, makeBundle(directory)];
    // What Deno keeps for the next start lies in databases that one process at a time
    // can write to: what else runs here must not be in the way.
    Deno.env.set("DENO_DIR", `${directory}/deno`);
    const sources = [Deno.execPath(), ...RUN, `${project}commands/main.ts`];
    const real = await start("/usr/bin/unshare", ...UNSHARE);
    const ours = (await start(...bundled, "unshare", ...UNSHARE))!;
    const nsenter = ["-t", `${ours.program}`, ...NSENTER];
    const entered = (await start(...bundled, "nsenter", ...nsenter))!;
    const compiled = await findCompiled(directory);
    const many = await startCrowd();
    waiters.unshift(many);
    const crowd = ["/usr/bin/nsenter", "-t", `${many.program}`, "-m", "-p"];
    const lines = { bundled, compiled, sources, nsenter, ours, entered, crowd };
    const root = makeRoot(`${directory}/container`);
    const disk = diskOf(directory);
    const privileged = geteuid() === 0;
    // From here on interfaces of containers are none of the machine's.
    if (privileged) unshare(CLONE_NEWNET);
    const groups = [
      ...toolGroups(directory, lines),
      ...libraryGroups(directory, compileC(directory, "loop")),
      ...containerGroups({
        directory,
        root,
        disk,
        empty: command("deno run empty.js", [...DENO, `${directory}/empty.js`]),
        bundled,
        sources: [Deno.execPath(), ...RUN, `${project}commands/all.ts`],
      }),
    ];
    const contestants = new Set(
      groups.flatMap(({ rows }) =>
        rows.flatMap(([contestant]) =>
          contestant.less ? [contestant, contestant.less] : [contestant]
        )
      ),
    );
    const times = await measure(contestants, Number(rounds));
    const tables: Record<string, Row[]> = Object.fromEntries(
      groups.map((group) => [group.title, timesOf(group, times, directory)]),
    );
    if (picture) Deno.writeTextFileSync(String(picture), drawn(tables, Number(rounds)));
    tables["memory beside the program while it runs"] = [
      memoryRow("unshare of util-linux", real && memoryOf(real)),
      memoryRow("unshare, ours", memoryOf(ours), RESIDENT),
      ...await containersMemory({ directory, root, bundled }, RESIDENT),
    ];
    tables["rates"] = await keptRates({ directory, root, bundled, disk, privileged });
    const { deno } = Deno.version;
    const said = { deno, linux: Deno.osRelease(), rounds: Number(rounds), tables };
    if (json) console.log(JSON.stringify(said, null, 2));
    else for (const [title, rows] of Object.entries(tables)) table(title, rows);
  } finally {
    for (const { stop } of waiters) await stop();
    await cleanUpPodman();
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Ends for what was asked. */
function fail(what: string): never {
  console.error(`bench: ${what}: deno task bench [--rounds 40] [--json] [--plot FILE.svg]`);
  Deno.exit(1);
}

await main(Deno.args);
