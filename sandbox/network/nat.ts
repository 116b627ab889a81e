/**
 * Ports of the machine that lead into a container, and packets of the container
 * that leave under an address of the machine: rules of nft(8), in a table of the
 * container's own.
 *
 * @module
 */
import { EINVAL } from "../../ffi/constants/errno.ts";
import { SIGNALS } from "../../ffi/constants/signal.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import { awaitEnd } from "../helper.ts";
import { formatAddress } from "./address.ts";

/** A port of the machine that leads into a container. */
export interface Published {
  /** The protocol. */
  readonly protocol: "tcp" | "udp";
  /** The port of the machine. */
  readonly port: number;
  /** The port inside. */
  readonly inside: number;
}

/** The rules of a container. */
export interface Nat {
  /** The file of nft. */
  readonly nft: string;
  /** The name of the table. */
  readonly table: string;
  /** The address inside, of 4 bytes. */
  readonly address: Uint8Array;
  /** The interface, or the bridge, by which the machine reaches it. */
  readonly link: string;
  /** Whether it can reach all that the machine can reach. */
  readonly masquerade: boolean;
  /** The ports. */
  readonly published: readonly Published[];
}

/**
 * Ports as `8080:80` or `53:53/udp`, joined by commas.
 *
 * @throws {RangeError} when they are none, or one of the machine is to lead to two
 */
export function parsePublished(text: string): Published[] {
  const published = text.split(",").map(parsePort);
  const of = published.map(({ port, protocol }) => `${port}/${protocol}`);
  const twice = of.find((port, i) => of.indexOf(port) !== i);
  if (twice !== undefined) throw new RangeError(`port ${twice} is published twice`);
  return published;
}

function parsePort(text: string): Published {
  const [, port, inside, protocol = "tcp"] = /^(\d{1,5}):(\d{1,5})(?:\/(tcp|udp))?$/.exec(text) ??
    [];
  const [from, to] = [Number(port), Number(inside)];
  if (port === undefined || !isPort(from) || !isPort(to)) {
    throw new RangeError(`'${text}' is no HOST:CONTAINER of ports, as 8080:80 or 53:53/udp`);
  }
  return { port: from, inside: to, protocol: protocol as Published["protocol"] };
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65535;
}

/** What nft is told. */
function natRules({ table, address, link, masquerade, published }: Nat): string {
  const to = formatAddress(address);
  const lead = published.map(({ protocol, port, inside }) =>
    `fib daddr type local ip daddr != 127.0.0.0/8 ${protocol} dport ${port} dnat to ${to}:${inside};`
  ).join(" ");
  const chain = (name: string, hook: string, priority: number, rules: string): string =>
    `chain ${name} { type nat hook ${hook} priority ${priority}; ${rules} }`;
  const chains = [
    ...(published.length > 0
      ? [
        chain("prerouting", "prerouting", -100, lead),
        chain("output", "output", -100, lead),
      ]
      : []),
    ...(masquerade
      ? [
        chain(
          "postrouting",
          "postrouting",
          100,
          `ip saddr ${to} oifname != "${link}" masquerade;`,
        ),
      ]
      : []),
  ];
  return `table ip ${table} {\n${chains.join("\n")}\n}`;
}

/** Makes the table. */
export function makeNat(p: Builder, nat: Nat): void {
  runNft(
    p,
    nat.nft,
    natRules(nat),
    "where packets of the container go",
    "nft has not made the rules",
  );
}

/** Removes a table, if it is there. */
export function removeNat(p: Builder, nft: string, table: string): void {
  const rules = `add table ip ${table}; delete table ip ${table}`;
  runNft(p, nft, rules, "no packets come from there any more", "nft has not removed the rules");
}

function runNft(p: Builder, nft: string, rules: string, why: string, message: string): void {
  const child = p.call("clone", [SIGNALS.SIGCHLD, 0, 0, 0, 0], { why, child: "nft", message });
  p.when("equal", child, 0, () =>
    p.apart(() => {
      p.call("execve", [nft, { list: [nft, rules] }, { list: [] }], {
        why: "nft tells the kernel",
        message: `cannot run ${nft}`,
      });
      p.call("exit_group", [1]);
    }));
  const done = p.label();
  p.branch("equal", awaitEnd(p, child, { message }), 0, done);
  p.control("raise", [EINVAL], { message });
  p.place(done);
}
