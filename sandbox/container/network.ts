/**
 * The network of a container, of which the OCI runtime specification says nothing:
 * its annotations as an interface.
 *
 * @module
 */
import { parseAddress, parsePrefix } from "../network/address.ts";
import { type Nat, parsePublished, type Published } from "../network/nat.ts";
import type { Pasta } from "../network/pasta.ts";
import { parseRate } from "../network/rate.ts";
import { endsOf, type Veth } from "../network/veth.ts";
import {
  NETWORK,
  NETWORK_ADDRESSES,
  NETWORK_BRIDGE,
  NETWORK_GATEWAYS,
  NETWORK_NAT,
  NETWORK_OUTSIDE,
  NETWORK_PUBLISH,
  NETWORK_RATE,
} from "./annotations.ts";

/**
 * The interfaces that annotations describe; nothing if they describe none.
 *
 * @param id what the end outside is named after, at most 12 bytes
 * @throws {RangeError} when something in them is wrong
 */
export function vethOf(
  annotations: Readonly<Record<string, string>>,
  id: string,
): Veth | undefined {
  if (annotations[NETWORK] !== "veth") return undefined;
  const list = (name: string): string[] => annotations[name]?.split(",") ?? [];
  const rate = annotations[NETWORK_RATE];
  return {
    ...endsOf(id),
    addresses: list(NETWORK_ADDRESSES).map(parsePrefix),
    outside: list(NETWORK_OUTSIDE).map(parsePrefix),
    gateways: list(NETWORK_GATEWAYS).map(parseAddress),
    bridge: annotations[NETWORK_BRIDGE],
    rate: rate === undefined ? undefined : parseRate(rate),
  };
}

/** Where pasta(1) is. */
const PASTA = ["/usr/bin/pasta", "/usr/local/bin/pasta", "/bin/pasta"];

/**
 * What pasta is to do, if annotations ask for it.
 *
 * @throws {RangeError} when there is no such program
 */
export function pastaOf(
  annotations: Readonly<Record<string, string>>,
  exists: (path: string) => boolean,
): Pasta | undefined {
  if (annotations[NETWORK] !== "pasta") return undefined;
  const file = PASTA.find(exists);
  if (file === undefined) {
    throw new RangeError("--net pasta needs pasta(1), which is not here: apt install passt");
  }
  const published = publishedOf(annotations);
  return { file, published };
}

/** Where nft(8) is, on all machines that have it. */
const NFT = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft", "/usr/local/sbin/nft"];

/** The file of nft, if there is one. */
export function findNft(exists: (path: string) => boolean): string | undefined {
  return NFT.find(exists);
}

/**
 * The rules for packets that annotations describe; nothing if they describe none.
 *
 * @throws {RangeError} when there can't be any
 */
export function natOf(
  annotations: Readonly<Record<string, string>>,
  veth: Veth | undefined,
  exists: (path: string) => boolean,
): Nat | undefined {
  if (annotations[NETWORK] === "pasta") return undefined;
  const published = publishedOf(annotations);
  const masquerade = annotations[NETWORK_NAT] === "true";
  if (published.length === 0 && !masquerade) return undefined;
  const address = veth?.addresses.find(({ address }) => address.length === 4)?.address;
  if (!veth || !address) {
    throw new RangeError("ports and NAT need an interface with an IPv4 address");
  }
  const nft = findNft(exists);
  if (nft === undefined) {
    throw new RangeError("ports and NAT need nft(8), which is not here: apt install nftables");
  }
  return {
    nft,
    table: `denspace_${veth.name}`,
    address,
    link: veth.bridge ?? veth.name,
    masquerade,
    published,
  };
}

function publishedOf({ [NETWORK_PUBLISH]: ports }: Readonly<Record<string, string>>): Published[] {
  return ports === undefined ? [] : parsePublished(ports);
}
