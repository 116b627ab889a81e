/**
 * Measures how fast a program starts in new namespaces, with how many system
 * calls, and what stays in memory meanwhile, beside what does the same without
 * Deno.
 *
 *     deno task bench [--rounds 40] [--json] [--plot FILE.svg]
 *
 * The compiled program is `dist/denspace`, or made with the runtime that
 * DENORT_BIN names; without either it is left out.
 *
 * Everything is started in turn, round by round, each time in another order:
 * what disturbs the machine meets all of them, so the ratios hold where the
 * milliseconds do not.
 *
 * @module
 */
import { RUN } from "../bundle.ts";
import { parseArgs } from "../std.ts";
import { command, project } from "./contestant.ts";
import { containerGroups } from "./containers.ts";
import { libraryGroups } from "./library.ts";
import { measure } from "./measure.ts";
import { drawn, memoryOf, type Row, table, timesOf } from "./tables.ts";
import { compileC, DENO, findCompiled, makeBundle, NSENTER, toolGroups, UNSHARE } from "./tools.ts";
import { startCrowd, startWaiter, type Waiter } from "./waiter.ts";

/** What a waiting process may have in memory, in KiB. */
const RESIDENT = 200;

async function main(args: string[]): Promise<void> {
  const { rounds, json, plot: picture } = parseArgs(args, {
    boolean: ["json"],
    string: ["plot"],
    default: { rounds: 40 },
  });
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
    const waiting = `${directory}/waiting`;
    const contained = await start(...bundled, "run", "-v", `${waiting}:${waiting}`, "--", "true");
    const nsenter = ["-t", `${ours.program}`, ...NSENTER];
    const entered = (await start(...bundled, "nsenter", ...nsenter))!;
    const compiled = await findCompiled(directory);
    const many = await startCrowd();
    waiters.unshift(many);
    const crowd = ["/usr/bin/nsenter", "-t", `${many.program}`, "-m", "-p"];
    const lines = { bundled, compiled, sources, nsenter, ours, entered, crowd };
    const groups = [
      ...toolGroups(directory, lines),
      ...libraryGroups(directory, compileC(directory, "loop")),
      ...containerGroups({
        directory,
        empty: command("deno run empty.js", [...DENO, `${directory}/empty.js`]),
        bundled,
        sources: [Deno.execPath(), ...RUN, `${project}commands/all.ts`],
      }),
    ];
    const contestants = new Set(
      groups.flatMap(({ rows }) =>
        rows.flatMap(([contestant, , less]) => less ? [contestant, less] : [contestant])
      ),
    );
    const times = await measure(contestants, Number(rounds));
    const tables: Record<string, Row[]> = Object.fromEntries(
      groups.map((group) => [group.title, timesOf(group, times, directory)]),
    );
    if (picture) Deno.writeTextFileSync(String(picture), drawn(tables, Number(rounds)));
    tables["memory while the program runs"] = [
      memoryOf("unshare of util-linux", real),
      memoryOf("unshare, ours", ours, RESIDENT),
      memoryOf("denspace run", contained, RESIDENT),
    ];
    if (json) console.log(JSON.stringify({ rounds, tables }, null, 2));
    else for (const [title, rows] of Object.entries(tables)) table(title, rows);
  } finally {
    for (const { stop } of waiters) await stop();
    Deno.removeSync(directory, { recursive: true });
  }
}

await main(Deno.args);
