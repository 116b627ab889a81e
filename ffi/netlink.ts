/**
 * Messages of rtnetlink(7), by which the kernel is told of interfaces and their
 * addresses, routes and rates: as bytes to send on a netlink(7) socket.
 *
 *     nlmsghdr     u32 length, u16 type, u16 flags, u32 sequence number, u32 port
 *     fixed part   that of the type
 *     attributes   u16 length, u16 type, value, each at a multiple of 4
 *
 * @module
 */
import { encode } from "./bytes.ts";
import { IFF_UP } from "./constants/if.ts";
import {
  ETH_P_ALL,
  IFA_ADDRESS,
  IFA_F_NODAD,
  IFA_LOCAL,
  IFLA_GROUP,
  IFLA_IFNAME,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_LINKINFO,
  IFLA_MASTER,
  IFLA_NET_NS_FD,
  IFLA_NET_NS_PID,
  NETNSA_FD,
  NETNSA_NSID,
  NLA_F_NESTED,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTA_DST,
  RTA_GATEWAY,
  RTA_OIF,
  RTM_DELLINK,
  RTM_GETNSID,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNSID,
  RTM_NEWQDISC,
  RTM_NEWROUTE,
  RTM_NEWTFILTER,
  RTN_UNICAST,
  RTPROT_STATIC,
  TC_ACT_STOLEN,
  TC_H_INGRESS,
  TC_H_ROOT,
  TC_LINKLAYER_ETHERNET,
  TC_U32_TERMINAL,
  TCA_ACT_KIND,
  TCA_ACT_OPTIONS,
  TCA_EGRESS_REDIR,
  TCA_KIND,
  TCA_MIRRED_PARMS,
  TCA_OPTIONS,
  TCA_TBF_BURST,
  TCA_TBF_PARMS,
  TCA_TBF_RATE64,
  TCA_U32_ACT,
  TCA_U32_SEL,
  VETH_INFO_PEER,
} from "./constants/netlink.ts";
import { AF_INET, AF_INET6 } from "./constants/socket.ts";
import type { Cell } from "./plan/step.ts";

/** A number of 32 bits: known now, or held by a cell of a plan when the message is sent. */
export type Late = number | Cell;

/** A message as bytes. */
export interface Message {
  /** The bytes; zeros where a cell's number belongs. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The offsets of numbers that cells hold, 4 bytes each. */
  readonly late: readonly (readonly [offset: number, cell: Cell])[];
}

/** An address, and how many bits of it the network has. */
export interface Prefix {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  /** How many bits. */
  readonly bits: number;
}

/** The value of an attribute: a string, bytes, a number of 32 bits, or attributes. */
type Value = string | Uint8Array | Late | Parts;
/** Attributes, with the fixed part that may come before them. */
interface Parts {
  readonly fixed?: readonly Field[];
  readonly attributes?: readonly Attribute[];
}
type Attribute = readonly [type: number, value: Value];
/** A field of a fixed part: how many bytes it has, and what it holds. */
type Field = readonly [size: 1 | 2 | 4 | 8, value: number | bigint | Cell];

const HEADER = 16;

/** A message that changes something; the kernel answers it with an error or with 0. */
function message(type: number, flags: number, parts: Parts): Message {
  return request(type, NLM_F_ACK | flags, parts);
}

/** A message; what the kernel answers depends on its type. */
function request(type: number, flags: number, parts: Parts): Message {
  const view = new DataView(new ArrayBuffer(1024));
  const late: [number, Cell][] = [];

  const field = (at: number, [size, value]: Field): number => {
    if (typeof value === "object") late.push([at, value]);
    else if (size === 8) view.setBigUint64(at, BigInt(value), true);
    else if (size === 4) view.setUint32(at, Number(value), true);
    else if (size === 2) view.setUint16(at, Number(value), true);
    else view.setUint8(at, Number(value));
    return at + size;
  };
  const value = (at: number, given: Value): number => {
    if (typeof given === "string") return bytes(at, encode(`${given}\0`));
    if (given instanceof Uint8Array) return bytes(at, given);
    if (typeof given === "number" || "size" in given) return field(at, [4, given]);
    return both(at, given);
  };
  const bytes = (at: number, given: Uint8Array): number => {
    new Uint8Array(view.buffer).set(given, at);
    return at + given.length;
  };
  const both = (start: number, { fixed = [], attributes = [] }: Parts): number => {
    let at = aligned(fixed.reduce(field, start));
    for (const [type, given] of attributes) {
      const end = value(at + 4, given);
      view.setUint16(at, end - at, true);
      view.setUint16(at + 2, type, true);
      at = aligned(end);
    }
    return at;
  };

  const size = both(HEADER, parts);
  view.setUint32(0, size, true);
  view.setUint16(4, type, true);
  view.setUint16(6, NLM_F_REQUEST | flags, true);
  return { bytes: new Uint8Array(view.buffer, 0, size).slice(), late };
}

function aligned(at: number): number {
  return (at + 3) & ~3;
}

const NEW = NLM_F_CREATE | NLM_F_EXCL;

/** `struct ifinfomsg`. */
function ifinfo(index: Late, flags = 0): Field[] {
  // family, padding, type; then which flags change
  return [[2, 0], [2, 0], [4, index], [4, flags], [4, flags]];
}

function linkInfo(kind: string, data?: Parts): Attribute {
  return [IFLA_LINKINFO, {
    attributes: [
      [IFLA_INFO_KIND, kind],
      ...(data ? [[IFLA_INFO_DATA, data] as const] : []),
    ],
  }];
}

/** A network namespace: that of an open file, or that of a process. */
export type NetworkNamespace = { readonly fd: Late } | { readonly pid: Late };

/**
 * Makes a pair of interfaces, each of which receives what the other one sends.
 *
 * See veth(4).
 *
 * @param name the name of the one that stays in this namespace
 * @param peer the name of the other one, and the namespace it is put in
 * @param group the group of the one that stays
 */
export function newVeth(
  name: string,
  peer: { readonly name: string; readonly namespace?: NetworkNamespace },
  group = 0,
): Message {
  const { namespace } = peer;
  const where: Attribute[] = namespace === undefined
    ? []
    : "fd" in namespace
    ? [[IFLA_NET_NS_FD, namespace.fd]]
    : [[IFLA_NET_NS_PID, namespace.pid]];
  const other: Parts = { fixed: ifinfo(0), attributes: [[IFLA_IFNAME, peer.name], ...where] };
  return message(RTM_NEWLINK, NEW, {
    fixed: ifinfo(0),
    attributes: [
      [IFLA_IFNAME, name],
      [IFLA_GROUP, group],
      linkInfo("veth", { attributes: [[VETH_INFO_PEER | NLA_F_NESTED, other]] }),
    ],
  });
}

/** Makes an interface of a kind that needs no more than a name, such as `bridge` or `ifb`. */
export function newLink(name: string, kind: string, group = 0): Message {
  return message(RTM_NEWLINK, NEW, {
    fixed: ifinfo(0),
    attributes: [[IFLA_IFNAME, name], [IFLA_GROUP, group], linkInfo(kind)],
  });
}

/** Brings an interface up. */
export function linkUp(index: Late): Message {
  return message(RTM_NEWLINK, 0, { fixed: ifinfo(index, IFF_UP) });
}

/** Makes an interface a port of a bridge. */
export function linkMaster(index: Late, bridge: Late): Message {
  return message(RTM_NEWLINK, 0, {
    fixed: ifinfo(index),
    attributes: [[IFLA_MASTER, bridge]],
  });
}

/** Removes all interfaces of a group at once, which takes as long as to remove one. */
export function deleteGroup(group: number): Message {
  return message(RTM_DELLINK, 0, { fixed: ifinfo(0), attributes: [[IFLA_GROUP, group]] });
}

/** Gives an interface an address, which it may have already. */
export function newAddress(index: Late, { address, bits }: Prefix): Message {
  // family, bits, flags (an IPv6 address is used at once), scope, index
  return message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, {
    fixed: [[1, familyOf(address)], [1, bits], [1, IFA_F_NODAD], [1, RT_SCOPE_UNIVERSE], [
      4,
      index,
    ]],
    attributes: [[IFA_LOCAL, address], [IFA_ADDRESS, address]],
  });
}

/** Adds a route by a gateway, to a network or to all that has no other one. */
export function newRoute(gateway: Uint8Array, to?: Prefix, through?: Late): Message {
  const bits = to?.bits ?? 0;
  return message(RTM_NEWROUTE, NEW, {
    // family, bits of destination and source, type of service, table, protocol, scope, type, flags
    fixed: [
      ...[familyOf(gateway), bits, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_UNIVERSE]
        .map((value) => [1, value] as const),
      [1, RTN_UNICAST],
      [4, 0],
    ],
    attributes: [
      ...(to && bits > 0 ? [[RTA_DST, to.address] as const] : []),
      [RTA_GATEWAY, gateway],
      ...(through === undefined ? [] : [[RTA_OIF, through] as const]),
    ],
  });
}

function familyOf(address: Uint8Array): number {
  return address.length === 4 ? AF_INET : AF_INET6;
}

/** `struct tcmsg`. */
function tcm(index: Late, handle: number, parent: number, info = 0): Field[] {
  return [[4, 0], [4, index], [4, handle], [4, parent], [4, info]];
}

/** Asks by which id our network namespace knows the one of an open file, see ip-netns(8). */
export function getNamespaceId(fd: Late): Message {
  // struct rtgenmsg: family, padded
  return request(RTM_GETNSID, 0, { fixed: [[4, 0]], attributes: [[NETNSA_FD, fd]] });
}

/** The id in an answer to that; nothing if it has none, and -1 if none is assigned. */
export function namespaceIdIn(answer: Uint8Array<ArrayBuffer>): number | undefined {
  const at = HEADER + 4;
  const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
  const isId = answer.length >= at + 8 && view.getUint16(4, true) === RTM_NEWNSID &&
    view.getUint16(at + 2, true) === NETNSA_NSID;
  return isId ? view.getInt32(at + 4, true) : undefined;
}

/** How much an interface sends. */
export interface Rate {
  /** Bytes a second. */
  readonly rate: number;
  /** How many bytes are sent at once when there was nothing to send before. */
  readonly burst: number;
  /** How many bytes wait; what comes on top of that is dropped. */
  readonly limit: number;
}

/** Bounds what an interface sends by a token bucket, see tc-tbf(8). */
export function newTbf(index: Late, { rate, burst, limit }: Rate): Message {
  // struct tc_ratespec, of a rate that may need 64 bits
  const most = 0xffff_ffff;
  const spec: Field[] = [
    ...[0, TC_LINKLAYER_ETHERNET].map((value) => [1, value] as const),
    ...[0, 0, 0].map((value) => [2, value] as const),
    [4, Math.min(rate, most)],
  ];
  const noPeak: Field[] = [[8, 0], [4, 0]];
  return message(RTM_NEWQDISC, NEW, {
    fixed: tcm(index, 0, TC_H_ROOT),
    attributes: [
      [TCA_KIND, "tbf"],
      [TCA_OPTIONS, {
        attributes: [
          [TCA_TBF_PARMS, { fixed: [...spec, ...noPeak, [4, limit], [4, 0], [4, 0]] }],
          [TCA_TBF_BURST, burst],
          ...(rate > most ? [[TCA_TBF_RATE64, { fixed: [[8, rate]] }] as const] : []),
        ],
      }],
    ],
  });
}

/** Lets filters see what an interface receives, see tc(8). */
export function newIngress(index: Late): Message {
  return message(RTM_NEWQDISC, NEW, {
    fixed: tcm(index, TC_H_INGRESS & 0xffff_0000, TC_H_INGRESS),
    attributes: [[TCA_KIND, "ingress"]],
  });
}

/** Has another interface send what an interface with such filters receives, see tc-mirred(8). */
export function newRedirect(index: Late, to: Late): Message {
  const protocol = (ETH_P_ALL & 0xff) << 8 | ETH_P_ALL >> 8; // in network byte order
  // struct tc_u32_sel with one key, whose mask lets everything match
  const everything: Field[] = [
    ...[TC_U32_TERMINAL, 0, 1, 0].map((value) => [1, value] as const),
    ...[0, 0, 0, 0].map((value) => [2, value] as const),
    [4, 0],
    ...[0, 0, 0, 0].map((value) => [4, value] as const),
  ];
  // struct tc_mirred: index, capabilities, action, two counts, what is done, where
  const redirect: Field[] = [
    ...[0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR].map((value) => [4, value] as const),
    [4, to],
  ];
  const action: Parts = {
    attributes: [
      [TCA_ACT_KIND, "mirred"],
      [TCA_ACT_OPTIONS, { attributes: [[TCA_MIRRED_PARMS, { fixed: redirect }]] }],
    ],
  };
  const priority = 1;
  return message(RTM_NEWTFILTER, NEW, {
    fixed: tcm(index, 0, TC_H_INGRESS & 0xffff_0000, priority << 16 | protocol),
    attributes: [
      [TCA_KIND, "u32"],
      [TCA_OPTIONS, {
        attributes: [
          [TCA_U32_SEL, { fixed: everything }],
          [TCA_U32_ACT, { attributes: [[1, action]] }],
        ],
      }],
    ],
  });
}
