/**
 * Makes packages of what `deno task bundle` and `deno task compile` have made:
 *
 *     deno task package deb [--output DIR] [--binary FILE]   dist/denspace, for dpkg
 *     deno task package npm [--output DIR] [--bundle FILE]   dist/denspace.js, for npx
 *
 * @module
 */
import { dirname, fromFileUrl, join, parseArgs, toFileUrl } from "./std.ts";
import project from "../deno.json" with { type: "json" };

/** What a person can read, without a stack. */
class PackageError extends Error {
  override readonly name = "PackageError";
}

/** A file of a package: its contents, or where they are. */
interface File {
  readonly path: string;
  readonly content: string | Uint8Array | URL;
  readonly mode?: number;
}

/** Where a package goes, and what goes into it. */
interface Made {
  readonly output: string;
  readonly binary: string;
  readonly bundle: string;
}

const HOMEPAGE = "https://jsr.io/@denspace/denspace";
const SUMMARY = "Linux namespaces: unshare, nsenter, lsns and containers";
/** Machines as dpkg calls them, by their number in elf(5). */
const DEBIAN: ReadonlyMap<number, string> = new Map([[62, "amd64"], [183, "arm64"]]);

const here = (path: string): URL => new URL(path, import.meta.url);

// Debian ---------------------------------------------------------------------

/** The profile is loaded where AppArmor is on; it is a file as others if not. */
const POSTINST = `#!/bin/sh
set -e
if [ "$1" = configure ] && aa-enabled --quiet 2>/dev/null; then
  apparmor_parser --replace --write-cache /etc/apparmor.d/denspace || true
fi
`;
const PRERM = `#!/bin/sh
set -e
if [ "$1" = remove ] && aa-enabled --quiet 2>/dev/null; then
  apparmor_parser --remove /etc/apparmor.d/denspace || true
fi
`;

/** Writes a package; its path. */
async function debianPackage({ output, binary }: Made): Promise<string> {
  const architecture = await debianArchitecture(binary);
  const files: File[] = [
    { path: "usr/bin/denspace", content: toFileUrl(binary), mode: 0o755 },
    { path: "etc/apparmor.d/denspace", content: here("package/apparmor") },
    { path: "usr/share/doc/denspace/copyright", content: here("../LICENSE") },
    { path: "usr/share/doc/denspace/README.md", content: here("../README.md") },
    ...await completions(binary),
    ...await manualPages(binary),
  ];
  const size = Math.ceil((await Deno.stat(binary)).size / 1024);
  const control: File[] = [
    {
      path: "DEBIAN/control",
      content: fields({
        Package: "denspace",
        Version: project.version,
        Architecture: architecture,
        Maintainer: "the denspace authors <denspace@localhost>",
        "Installed-Size": `${size}`,
        Depends: "libc6 (>= 2.31), libgcc-s1",
        Suggests: "uidmap, libseccomp2, nftables, passt",
        Section: "utils",
        Priority: "optional",
        Homepage: HOMEPAGE,
        Description: `${SUMMARY}\n A process in other namespaces, without a container engine.`,
      }),
    },
    { path: "DEBIAN/conffiles", content: "/etc/apparmor.d/denspace\n" },
    { path: "DEBIAN/postinst", content: POSTINST, mode: 0o755 },
    { path: "DEBIAN/prerm", content: PRERM, mode: 0o755 },
  ];
  const file = join(output, `denspace_${project.version}_${architecture}.deb`);
  await inTree([...control, ...files], async (tree) => {
    await run("dpkg-deb", ["--root-owner-group", "-Zzstd", "-z9", "--build", tree, file]);
  });
  return file;
}

async function debianArchitecture(binary: string): Promise<string> {
  try {
    using file = await Deno.open(binary);
    const header = new DataView(new ArrayBuffer(20));
    await file.read(new Uint8Array(header.buffer));
    return DEBIAN.get(header.getUint16(18, true))!;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new PackageError("there is no dist/denspace: `deno task compile` makes it");
  }
}

/** Where each shell looks for completions. */
const COMPLETIONS = {
  bash: "usr/share/bash-completion/completions/denspace",
  zsh: "usr/share/zsh/vendor-completions/_denspace",
  fish: "usr/share/fish/vendor_completions.d/denspace.fish",
};

async function completions(binary: string): Promise<File[]> {
  return await Promise.all(
    Object.entries(COMPLETIONS).map(async ([shell, path]) => ({
      path,
      content: await run(binary, ["completion", shell]),
    })),
  );
}

/** The page of denspace, and one of each command. */
async function manualPages(binary: string): Promise<File[]> {
  const overview = await run(binary, ["help"]);
  const commands = [...overview.matchAll(/^ ([a-z]+) {2,}/gm)].map(([, name]) => name!);
  const page = async (title: string, ...command: string[]): Promise<File> => ({
    path: `usr/share/man/man1/${title}.1.gz`,
    content: await compressed(await run(binary, ["man", ...command])),
  });
  return await Promise.all([
    page("denspace"),
    ...commands.map((name) => page(`denspace-${name}`, name)),
  ]);
}

async function compressed(text: string): Promise<Uint8Array> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function fields(values: Record<string, string>): string {
  return Object.entries(values).map(([name, value]) => `${name}: ${value}\n`).join("");
}

// npm ------------------------------------------------------------------------

/** Writes a package; its path. */
async function npmPackage({ output, bundle }: Made): Promise<string> {
  const manifest = {
    name: project.name,
    version: project.version,
    description: SUMMARY,
    license: project.license,
    homepage: HOMEPAGE,
    os: ["linux"],
    cpu: ["x64", "arm64"],
    bin: { denspace: "npm.sh" },
    dependencies: { deno: "2.9.6" },
  };
  const files: File[] = [
    { path: "package.json", content: JSON.stringify(manifest, null, 2) + "\n" },
    { path: "npm.sh", content: here("package/npm.sh"), mode: 0o755 },
    { path: "denspace.js", content: toFileUrl(bundle), mode: 0o755 },
    ...chunks(new URL("chunks/", toFileUrl(bundle))),
    { path: "README.md", content: here("../README.md") },
    { path: "LICENSE", content: here("../LICENSE") },
  ];
  let file = "";
  await inTree(files, async (tree) => {
    const packed = await run("npm", ["pack", "--json", "--pack-destination", output, tree]);
    file = join(output, JSON.parse(packed)[0].filename.replace("@", "").replace("/", "-"));
  });
  return file;
}

/** What the entry of the bundle loads. */
function chunks(directory: URL): File[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => ({
      path: `chunks/${name}`,
      content: new URL(name, directory),
    }));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new PackageError("there is no bundle: `deno task bundle` makes it");
  }
}

// Helpers --------------------------------------------------------------------

/** Puts files into a directory that is there while `use` runs. */
async function inTree(files: readonly File[], use: (tree: string) => Promise<void>): Promise<void> {
  const tree = await Deno.makeTempDir({ prefix: "denspace-package-" });
  try {
    await Deno.chmod(tree, 0o755);
    for (const { path, content, mode = 0o644 } of files) {
      const file = join(tree, path);
      await Deno.mkdir(dirname(file), { recursive: true });
      if (content instanceof URL) await copy(content, file);
      else if (typeof content === "string") await Deno.writeTextFile(file, content);
      else await Deno.writeFile(file, content);
      await Deno.chmod(file, mode);
    }
    await use(tree);
  } finally {
    await Deno.remove(tree, { recursive: true });
  }
}

async function copy(from: URL, to: string): Promise<void> {
  try {
    await Deno.copyFile(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new PackageError(`there is no ${fromFileUrl(from)}: \`deno task bundle\` makes it`);
  }
}

/** Runs a program to its end; what it says. */
async function run(command: string, args: string[]): Promise<string> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(command, { args, stdin: "null" })
      .output();
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    if (!success) throw new PackageError(`${command} failed: ${text(stderr).trim()}`);
    return text(stdout);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new PackageError(`there is no ${command}`);
  }
}

if (import.meta.main) {
  try {
    const dist = (name: string): string => fromFileUrl(here(`../dist/${name}`));
    const { _: [kind, more], ...given } = parseArgs(Deno.args, {
      string: ["output", "binary", "bundle"],
      default: { output: dist(""), binary: dist("denspace"), bundle: dist("denspace.js") },
      unknown: (argument) => {
        if (argument.startsWith("-")) throw new PackageError(`there is no ${argument}`);
        return true;
      },
    });
    const make = { deb: debianPackage, npm: npmPackage }[String(kind)];
    if (!make || more !== undefined) throw new PackageError("name what to make: deb or npm");
    const [output, binary, bundle] = [given.output, given.binary, given.bundle].map(String);
    await Deno.mkdir(output!, { recursive: true });
    console.log(await make({ output: output!, binary: binary!, bundle: bundle! }));
  } catch (error) {
    if (!(error instanceof PackageError)) throw error;
    console.error(`package: ${error.message}`);
    Deno.exit(1);
  }
}
