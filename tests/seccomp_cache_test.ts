/** Compiled filters that are kept, and what there is without libseccomp. Each test is a process. */
import { hasLibseccomp } from "../ffi/seccomp.ts";
import { assert, assertEquals, assertStringIncludes } from "../scripts/std.ts";

const SANDBOX = new URL("../sandbox/seccomp/", import.meta.url).href;
const USER = { uid: 1000, gid: 1000 };
const reason = !hasLibseccomp() ? "needs libseccomp" : Deno.uid() !== 0 ? "needs root" : undefined;

function test(name: string, fn: (cache: string) => Promise<void>): void {
  Deno.test({
    name: `seccomp: ${name}` + (reason ? ` (${reason})` : ""),
    ignore: reason !== undefined,
    fn: async () => {
      const cache = await Deno.makeTempDir({ prefix: "denspace-cache-" });
      try {
        await fn(cache);
      } finally {
        await Deno.remove(cache, { recursive: true });
      }
    },
  });
}

const RULE = { names: ["read"], action: "SCMP_ACT_ALLOW" };
const FILTER = { defaultAction: "SCMP_ACT_LOG", syscalls: [RULE] };
/** A program that would let everything through. */
const LENIENT = new Uint8Array([6, 0, 0, 0, 0, 0, 0xff, 0x7f]);

/** What a process makes of filters, each the number of its instructions or an error. */
async function made(
  cache: string | undefined,
  filters: readonly unknown[],
  { via = [], ...options }: Deno.CommandOptions & { via?: string[] } = {},
): Promise<string[]> {
  const code = `
    import { host } from "${new URL("../ffi/plan/host.ts", import.meta.url)}";
    import { defaultSeccomp } from "${SANDBOX}default.ts";
    import { makeFilter } from "${SANDBOX}filter.ts";
    const where = { arch: host().name, kernel: "6.12" };
    for (const filter of ${JSON.stringify(filters)}) {
      try {
        const wanted = Array.isArray(filter) ? defaultSeccomp({ ...where, capabilities: filter }) : filter;
        console.log(makeFilter(wanted, where.arch).program.join());
      } catch (error) {
        console.log(error.name + ": " + error.message);
      }
    }`;
  const [command, ...args] = [...via, Deno.execPath(), "eval", "--no-config", code];
  const { code: status, stdout, stderr } = await new Deno.Command(command!, {
    args,
    clearEnv: true,
    env: {
      PATH: Deno.env.get("PATH")!,
      DENO_DIR: `${cache ?? "/tmp"}/deno`,
      ...(cache !== undefined && { XDG_CACHE_HOME: cache }),
    },
    ...options,
  }).output();
  assertEquals([status, new TextDecoder().decode(stderr)], [0, ""]);
  return new TextDecoder().decode(stdout).trimEnd().split("\n");
}

/** The one file in a cache. */
function fileOf(cache: string): string {
  const directory = `${cache}/denspace/seccomp`;
  const [file, ...more] = [...Deno.readDirSync(directory)];
  assert(file && more.length === 0, "there is one file");
  return `${directory}/${file.name}`;
}

/** Replaces the program in a file of the cache. */
function forge(file: string): void {
  const bytes = Deno.readFileSync(file);
  const head = bytes.subarray(0, bytes.indexOf(0x0a) + 1);
  Deno.writeFileSync(file, new Uint8Array([...head, ...LENIENT]));
}

test("a compiled filter is kept, for its user alone, and found again", async (cache) => {
  const [program] = await made(cache, [FILTER]);
  const file = fileOf(cache);
  const mode = (path: string): string => (Deno.statSync(path).mode! & 0o7777).toString(8);
  assertEquals([mode(`${cache}/denspace/seccomp`), mode(file)], ["700", "600"]);
  assertStringIncludes(Deno.readTextFileSync(file), "libseccomp 2.");
  assertEquals(await made(cache, [FILTER]), [program]);
  forge(file); // only to see that it is this file
  assertEquals(await made(cache, [FILTER]), [LENIENT.join()]);
});

test("what was kept for another filter does not count, even under the same name", async (cache) => {
  const [program] = await made(cache, [FILTER]);
  const file = fileOf(cache);
  const text = Deno.readTextFileSync(file);
  for (
    const [from, to] of [["read", "open"], ["libseccomp 2", "libseccomp 1"], ["86_64", "86_65"]]
  ) {
    Deno.writeFileSync(file, new TextEncoder().encode(text.replace(from!, to!)));
    assertEquals(await made(cache, [FILTER]), [program], to);
  }
  Deno.writeFileSync(file, Deno.readFileSync(file).subarray(0, 20));
  assertEquals(await made(cache, [FILTER]), [program]);
});

test("a directory that others can change is ignored", async (cache) => {
  const [program] = await made(cache, [FILTER]);
  const directory = `${cache}/denspace/seccomp`;
  forge(fileOf(cache));
  assertEquals(await made(cache, [FILTER]), [LENIENT.join()]);
  for (const mode of [0o755, 0o770, 0o1700]) {
    Deno.chmodSync(directory, mode);
    assertEquals(await made(cache, [FILTER]), [program]);
  }
  Deno.chmodSync(directory, 0o700);
  Deno.chownSync(directory, USER.uid, USER.gid);
  assertEquals(await made(cache, [FILTER]), [program]);
  Deno.chownSync(directory, 0, 0);
  Deno.renameSync(directory, `${cache}/elsewhere`);
  Deno.symlinkSync(`${cache}/elsewhere`, directory);
  assertEquals(await made(cache, [FILTER]), [program]);
});

test("where nothing can be kept, filters are made all the same", async (cache) => {
  const [program] = await made(cache, [FILTER]);
  Deno.removeSync(`${cache}/denspace`, { recursive: true });
  Deno.writeTextFileSync(`${cache}/denspace`, "");
  assertEquals(await made(cache, [FILTER]), [program]);
  assertEquals(await made(undefined, [FILTER], { ...USER }), [program]);
  assertEquals(Deno.readTextFileSync(`${cache}/denspace`), "");
});

test("the default filter is not compiled, nor looked for", async (cache) => {
  const [plain, some] = await made(cache, [[], ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"]]);
  assertEquals(some, plain);
  assertEquals(
    [...Deno.readDirSync(cache)].map(({ name }) => name).filter((n) => n !== "deno"),
    [],
  );
});

test("without libseccomp there is the default filter, and else an error", async (cache) => {
  const script = `for each in /lib /lib64 /usr/lib /usr/lib64; do
      for file in $each/libseccomp.so.2 $each/*/libseccomp.so.2; do
        [ ! -e $file ] || mount --bind /dev/null $file
      done
    done
    exec "$@"`;
  const via = ["unshare", "-m", "sh", "-c", script, "sh"];
  const [plain, more, own] = await made(cache, [[], ["CAP_SYS_ADMIN"], FILTER], { via });
  assertEquals(plain, (await made(cache, [[]]))[0]);
  assertEquals(
    own,
    "RangeError: only the default seccomp filter, without further capabilities, can be had " +
      "without libseccomp.so.2; install it (Debian: libseccomp2)",
  );
  assertEquals(more, own);
});

test("a filter that is too large, or that libseccomp refuses, is an error", async (cache) => {
  const args = Array.from({ length: 2000 }, (_, i) => ({
    index: 0,
    op: "SCMP_CMP_EQ",
    value: i * 2 ** 33 + i,
  }));
  const large = { ...FILTER, syscalls: [{ ...RULE, args }] };
  const rule = { ...RULE, args: [{ index: 0, op: "SCMP_CMP_EQ", value: 1 }] };
  const twice = { ...FILTER, syscalls: [rule, { ...rule, action: "SCMP_ACT_ERRNO" }] };
  const unknown = { defaultAction: "SCMP_ACT_NOTIFY" };
  const errors = await made(cache, [large, twice, unknown]);
  assertEquals(
    errors[0]!.replace(/\d+ instructions/, "N instructions"),
    "RangeError: " +
      "the seccomp filter has N instructions; the kernel takes 4096",
  );
  assertEquals(
    errors[1],
    "RangeError: libseccomp refuses the filter: " +
      "seccomp rule for read: File exists",
  );
  assertEquals(errors[2], "RangeError: seccomp action 'SCMP_ACT_NOTIFY' is not supported");
});
