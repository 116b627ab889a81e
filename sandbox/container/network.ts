/**
 * The network of a container, of which the OCI runtime specification says nothing:
 * its annotations as an interface.
 *
 * @module
 */
import { parseAddress, parsePrefix } from "../network/address.ts";
import { parseRate } from "../network/rate.ts";
import type { Veth } from "../network/veth.ts";
import {
  NETWORK,
  NETWORK_ADDRESSES,
  NETWORK_BRIDGE,
  NETWORK_GATEWAYS,
  NETWORK_OUTSIDE,
  NETWORK_RATE,
} from "./annotations.ts";

/** The interface inside. */
const PEER = "eth0";

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
    name: `ve${id}`,
    peer: PEER,
    addresses: list(NETWORK_ADDRESSES).map(parsePrefix),
    outside: list(NETWORK_OUTSIDE).map(parsePrefix),
    gateways: list(NETWORK_GATEWAYS).map(parseAddress),
    bridge: annotations[NETWORK_BRIDGE],
    rate: rate === undefined ? undefined : parseRate(rate),
  };
}
