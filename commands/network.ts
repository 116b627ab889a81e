/**
 * The network on a command line, as annotations of a configuration.
 *
 * @module
 */
import { decode } from "../ffi/bytes.ts";
import { readFile } from "../ffi/file.ts";
import { geteuid } from "../ffi/unistd.ts";
import {
  NETWORK,
  NETWORK_ADDRESSES,
  NETWORK_BRIDGE,
  NETWORK_GATEWAYS,
  NETWORK_NAT,
  NETWORK_OUTSIDE,
  NETWORK_PUBLISH,
  NETWORK_RATE,
} from "../sandbox/container/annotations.ts";
import { formatAddress, parsePrefix } from "../sandbox/network/address.ts";
import type { Wanted } from "./container_options.ts";
import { ArgumentError } from "./getopt.ts";

/**
 * The annotations.
 *
 * @throws {ArgumentError} when options contradict each other
 */
export function networkOf({ namespaces, network }: Wanted): Record<string, string> {
  const { ips, gateways, bridge, rate, nat, publish } = network;
  if (namespaces.net === "pasta") return pastaOf(network);
  if (namespaces.net !== "veth") {
    const option = ofVeth(network);
    if (option !== undefined) throw new ArgumentError(`--${option} needs --net veth`);
    if (publish.length > 0) throw new ArgumentError("--publish needs --net veth or pasta");
    return {};
  }
  if (geteuid() !== 0) {
    throw new ArgumentError(
      "--net veth makes an interface of the machine, which only root can do: --net pasta",
    );
  }
  if (bridge !== undefined && ips.length === 0) {
    throw new ArgumentError("--bridge needs an --ip in the network of the bridge");
  }
  if (bridge === undefined && ips.length > 0 && gateways.length === 0) {
    throw new ArgumentError("--ip needs a --gateway: the address of the end outside");
  }
  if ((nat || publish.length > 0) && readFile("/proc/sys/net/ipv4/ip_forward")[0] === 0x30) {
    throw new ArgumentError(
      `--${nat ? "nat" : "publish"} needs a machine that passes packets on: ` +
        "sysctl -w net.ipv4.ip_forward=1",
    );
  }
  const common = {
    [NETWORK]: "veth",
    ...(bridge !== undefined && { [NETWORK_BRIDGE]: bridge }),
    ...(rate !== undefined && { [NETWORK_RATE]: rate }),
    ...(nat && { [NETWORK_NAT]: "true" }),
    ...(publish.length > 0 && { [NETWORK_PUBLISH]: publish.join(",") }),
  };
  if (ips.length === 0) {
    const [outside, inside] = freePair();
    return {
      ...common,
      [NETWORK_ADDRESSES]: `${inside}/30`,
      [NETWORK_OUTSIDE]: `${outside}/30`,
      [NETWORK_GATEWAYS]: gateways.length > 0 ? gateways.join(",") : outside,
    };
  }
  return {
    ...common,
    [NETWORK_ADDRESSES]: ips.join(","),
    ...(gateways.length > 0 && { [NETWORK_GATEWAYS]: gateways.join(",") }),
    ...(bridge === undefined && { [NETWORK_OUTSIDE]: outsideOf(ips, gateways) }),
  };
}

/** The annotations for pasta(1), which does without privileges. */
function pastaOf(network: Wanted["network"]): Record<string, string> {
  if (geteuid() === 0) {
    throw new ArgumentError("--net pasta is for ordinary users: root has --net veth --nat");
  }
  const option = ofVeth(network);
  if (option !== undefined) throw new ArgumentError(`--${option} does not go with --net pasta`);
  const { publish } = network;
  return {
    [NETWORK]: "pasta",
    ...(publish.length > 0 && { [NETWORK_PUBLISH]: publish.join(",") }),
  };
}

/** The first option that is for a veth only, if one was given. */
function ofVeth({ ips, gateways, bridge, rate, nat }: Wanted["network"]): string | undefined {
  const given = { ip: ips[0], gateway: gateways[0], bridge, "net-rate": rate, nat };
  return Object.entries(given).find(([, value]) => value)?.[0];
}

/** The gateways are the addresses outside, each in the network of the address inside of its kind. */
function outsideOf(ips: readonly string[], gateways: readonly string[]): string {
  return gateways.map((gateway) => {
    const ip = ips.find((each) => each.includes(":") === gateway.includes(":"));
    if (ip === undefined) throw new ArgumentError(`--gateway ${gateway} needs an --ip of its kind`);
    return `${gateway}/${parsePrefix(ip).bits}`;
  }).join(",");
}

/** Two addresses of a network of 10.0.0.0/8 that no route of the machine leads to. */
function freePair(): [string, string] {
  // The columns of a line: interface, destination, gateway, flags, three numbers, mask
  const routes = decode(readFile("/proc/self/net/route")).trim().split("\n").slice(1)
    .map((line) => line.split("\t"))
    .map((fields) => [hex(fields[1]!), hex(fields[7]!)] as const);
  for (let tries = 0; tries < 1000; tries++) {
    const network = (10 << 24 | crypto.getRandomValues(new Uint32Array(1))[0]! & 0xff_fffc) >>> 0;
    const taken = routes.some(([destination, mask]) =>
      mask !== 0 && ((network ^ destination) & mask & 0xffff_fffc) === 0
    );
    if (!taken) return [text(network + 1), text(network + 2)];
  }
  throw new ArgumentError("no network of 10.0.0.0/8 is free: choose one by --ip and --gateway");
}

/** A word in base 16 of the machine's byte order, as an address. */
function hex(word: string): number {
  const value = parseInt(word, 16);
  return ((value & 0xff) << 24 | (value >> 8 & 0xff) << 16 | (value >> 16 & 0xff) << 8 |
    value >>> 24) >>> 0;
}

function text(address: number): string {
  return formatAddress(new Uint8Array([24, 16, 8, 0].map((shift) => address >>> shift & 0xff)));
}
