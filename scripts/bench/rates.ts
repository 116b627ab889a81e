/**
 * Whether rates are kept: what a container of ours gets of a disk, of a network and
 * of the processors when it takes all that it can, beside what it was granted.
 *
 * @module
 */
import { succeed } from "./contestant.ts";
import type { Disk } from "./disk.ts";
import { median } from "./measure.ts";
import type { Row } from "./tables.ts";

/** Where rates are measured. */
export interface Setting {
  /** Where what is read and written lies. */
  readonly directory: string;
  /** The root of the containers. */
  readonly root: string;
  /** What is in front of a command of ours. */
  readonly bundled: readonly string[];
  /** The disk of the directory. */
  readonly disk: Disk | undefined;
  /** Whether there can be interfaces, and limits of processors. */
  readonly privileged: boolean;
}

/** What is granted, in bytes a second: little, so that a second is soon over. */
const [OF_DISK, OF_NETWORK] = [8 * 2 ** 20, 50e6 / 8];
/** What is granted of one processor. */
const OF_PROCESSOR = 0.5;
/** In bytes. */
const MB = 1e6;
/** How long it is taken, in seconds. */
const SECONDS = 2;
const TIMES = 3;

/** A rate, and how what is taken is measured, in the same unit; undefined if it can't be here. */
interface Rate {
  readonly name: string;
  readonly unit: number;
  readonly granted: number;
  readonly take: (() => number | Promise<number>) | undefined;
}

/** The rates, as lines of a table. */
export async function keptRates(setting: Setting): Promise<Row[]> {
  const { disk, privileged } = setting;
  const ofDisks = (["wbps", "rbps"] as const).map((key): Rate => ({
    name: `--io-max ${key}, MB/s`,
    unit: MB,
    granted: OF_DISK,
    take: disk && (() => ofDisk(setting, disk, key)),
  }));
  const ofNetworks = (["out", "in"] as const).map((direction): Rate => ({
    name: `--net-rate, ${direction}, MB/s`,
    unit: MB,
    granted: OF_NETWORK,
    take: privileged ? () => ofNetwork(setting, direction) : undefined,
  }));
  const ofProcessors: Rate = {
    name: "--cpus",
    unit: 1,
    granted: OF_PROCESSOR,
    take: privileged ? () => ofProcessor(setting) : undefined,
  };
  const rows: Row[] = [];
  for (const { name, unit, granted, take } of [...ofDisks, ...ofNetworks, ofProcessors]) {
    const taken: number[] = [];
    for (let i = 0; take && i < TIMES; i++) taken.push(await take());
    const kept = take ? median(taken) : undefined;
    const ratio = kept && kept / granted;
    rows.push({
      rate: name,
      kept: kept && kept / unit,
      granted: granted / unit,
      ratio,
      // Of a network the headers of packets, some 5 %, are granted, too.
      ok: ratio && ratio > 0.9 && ratio < 1.1,
      missing: take ? undefined : "not here",
    });
  }
  return rows;
}

/** How many seconds of a processor a loop gets in a second. */
function ofProcessor(setting: Setting): number {
  const loop = `timeout ${SECONDS} sh -c "while :; do :; done"`;
  const { seconds, said } = timed(setting, ["--cpus", `${OF_PROCESSOR}`], `${loop}; times >&2`);
  // times(1p) has what children have used in its second line: user and system time.
  const used = [...said.at(-1)!.matchAll(/(\d+)m([\d.]+)s/g)]
    .reduce((sum, [, minutes, seconds]) => sum + 60 * Number(minutes) + Number(seconds), 0);
  return used / seconds;
}

/** Runs commands of a shell in a container: how long they take there, and what they say. */
function timed(
  { root, bundled }: Setting,
  options: readonly string[],
  commands: string,
): { seconds: number; said: string[] } {
  const now = (name: string): string => `read ${name} idle </proc/uptime`;
  const lines = succeed(
    ...bundled as [string],
    ...["run", "--rootfs", root, ...options, "--"],
    ...["sh", "-c", `${now("start")}; ${commands}; ${now("end")}; echo $start $end >&2`],
  ).trim().split("\n");
  const [start, end] = lines.at(-1)!.split(" ").map(Number);
  return { seconds: end! - start!, said: lines.slice(0, -1) };
}

/** The bytes a second that dd(1) reads from a file, or writes to it, past the page cache. */
function ofDisk(setting: Setting, { path }: Disk, key: "rbps" | "wbps"): number {
  const { directory } = setting;
  const [size, block] = [SECONDS * OF_DISK, 2 ** 20];
  const file = `${directory}/rate`;
  const dd = (input: string, output: string): string =>
    `dd if=${input} of=${output} bs=${block} count=${size / block}`;
  if (key === "rbps") {
    succeed("/bin/busybox", "sh", "-c", `${dd("/dev/zero", file)} conv=fsync`);
  }
  const program = key === "rbps"
    ? `${dd("/data/rate", "/dev/null")} iflag=direct`
    : `${dd("/dev/zero", "/data/rate")} oflag=direct`;
  const limited = ["-v", `${directory}:/data`, "--io-max", `${path}:${key}=${OF_DISK}`];
  const { seconds } = timed(setting, limited, program);
  Deno.removeSync(file);
  return size / seconds;
}

/** The bytes a second that come out of a container by its interface, or get into it. */
async function ofNetwork(
  { root, bundled }: Setting,
  direction: "in" | "out",
): Promise<number> {
  const size = SECONDS * OF_NETWORK;
  const [outside, inside, port] = ["10.213.0.1", "10.213.0.2/30", 7001];
  using listener = Deno.listen({ hostname: "0.0.0.0", port });
  const connect = `nc ${outside} ${port}`;
  const script = direction === "out"
    ? `head -c ${size} /dev/zero | ${connect}`
    : `${connect} | wc -c`;
  const [file, ...args] = [
    ...[...bundled, "run", "--rootfs", root, "--net", "veth", "--ip", inside],
    ...["--gateway", outside, "--net-rate", `${8 * OF_NETWORK}bit`, "--", "sh", "-c", script],
  ];
  const child = new Deno.Command(file!, { args, stdin: "null", stdout: "piped" }).spawn();
  const said = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const connection = await listener.accept();
  const start = performance.now();
  const received = direction === "out"
    ? await drain(connection)
    : (await send(connection, size), Number((await said.read()).value));
  const seconds = (performance.now() - start) / 1000;
  connection.close();
  await said.cancel();
  await child.status;
  if (received !== size) throw new Error(`${received} bytes of ${size} came ${direction}`);
  return size / seconds;
}

/** Sends so many bytes, and then the end. */
async function send(connection: Deno.TcpConn, size: number): Promise<void> {
  const buffer = new Uint8Array(2 ** 16);
  for (let left = size; left > 0;) {
    left -= await connection.write(buffer.subarray(0, Math.min(left, buffer.length)));
  }
  await connection.closeWrite();
}

/** Reads until nothing more comes; how many bytes there were. */
async function drain(connection: Deno.Conn): Promise<number> {
  const buffer = new Uint8Array(2 ** 16);
  for (let sum = 0;;) {
    const count = await connection.read(buffer);
    if (count === null) return sum;
    sum += count;
  }
}
