/**
 * A network of a container's own: a pair of interfaces, see veth(4), of which one
 * end is in the container's network namespace and the other one outside, alone or
 * as a port of a bridge.
 *
 *     outside                          inside
 *     [bridge -] NAME <--------------> eth0
 *                  sends: tbf
 *                  receives -> NAMEi, which sends: tbf
 *
 * A rate is kept outside in both directions, where nobody inside can change it.
 * An interface can only bound what it sends; what it receives is therefore sent
 * by another one, an ifb.
 *
 * @module
 */
import { ENODEV, ENOENT, EOPNOTSUPP } from "../../ffi/constants/errno.ts";
import {
  deleteGroup,
  type Late,
  linkMaster,
  linkUp,
  newAddress,
  newIngress,
  newLink,
  newRedirect,
  newRoute,
  newTbf,
  newVeth,
  type Prefix,
  type Rate,
} from "../../ffi/netlink.ts";
import { SIGNALS } from "../../ffi/constants/signal.ts";
import { encode } from "../../ffi/bytes.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import type { Cell } from "../../ffi/plan/step.ts";
import { ALL_DESCRIPTORS } from "../descriptors.ts";
import { awaitOther, forkHelper, type Helper, pipe } from "../helper.ts";
import { pause } from "../pause.ts";
import { interfaceIndex, openRtnetlink, type Request, tell } from "./rtnetlink.ts";

/** Nanoseconds: what a process that runs needs for its next system call, and some. */
const HEAD_START = 500_000;

/** A pair of interfaces. */
export interface Veth {
  /** The name of the end outside, at most 14 bytes. */
  readonly name: string;
  /** The name of the end inside. */
  readonly peer: string;
  /** The addresses inside. */
  readonly addresses: readonly Prefix[];
  /** The addresses outside; with a bridge none. */
  readonly outside: readonly Prefix[];
  /** Where all that is not for the network itself is sent, one for each kind of address. */
  readonly gateways: readonly Uint8Array[];
  /** The bridge that the end outside is a port of. */
  readonly bridge?: string | undefined;
  /** How much can be sent in each direction. */
  readonly rate?: Rate | undefined;
}

/** What the ends are called, for a container with this id of at most 12 bytes. */
export function endsOf(id: string): Pick<Veth, "name" | "peer"> {
  return { name: `ve${id}`, peer: "eth0" };
}

/** The interface that sends what the end outside receives. */
function ifbOf({ name }: Veth): string {
  return `${name}i`;
}

/** Forks a helper that makes the pair, when this process is in its own network namespace. */
export function forkVeth(p: Builder, veth: Veth): Helper {
  const process = p.call("getpid", []);
  const why = "make the interfaces from the old network namespace";
  return forkHelper(p, "network", why, () => makeVeth(p, veth, process));
}

/** Outside: makes the pair; the other end goes into the network namespace of a process. */
export function makeVeth(p: Builder, veth: Veth, process: Late): void {
  const { name, peer, bridge, rate } = veth;
  const ifb = ifbOf(veth);
  const socket = openRtnetlink(p);
  tell(p, socket, [
    {
      told: newVeth(name, { name: peer, namespace: { pid: process } }, groupOf(name)),
      why: `${peer} inside receives what ${name} sends, and the reverse`,
      message: `cannot make the interface ${name}`,
      needs: { errno: EOPNOTSUPP, text: "a pair of interfaces needs a kernel with CONFIG_VETH" },
    },
    ...rate
      ? [{
        told: newLink(ifb, "ifb", groupOf(name)),
        why: `${ifb} sends what comes out, since a rate is one of sending`,
        message: `cannot keep the rate of ${name}`,
        needs: { errno: EOPNOTSUPP, text: "a rate needs a kernel with CONFIG_IFB" },
      }]
      : [],
  ]);
  const index = interfaceIndex(p, socket, name);
  const port = bridge === undefined
    ? undefined
    : interfaceIndex(p, socket, bridge, `cannot find the bridge ${bridge}`);
  tell(p, socket, [
    ...port === undefined ? [] : [{
      told: linkMaster(index, port),
      why: `a port of ${bridge}`,
      message: `cannot make ${name} a port of ${bridge}`,
    }],
    ...veth.outside.map((address) => giving(index, name, address)),
    ...rate ? keepingRate(name, index, interfaceIndex(p, socket, ifb), ifb, rate) : [],
    raising(index, name),
  ]);
}

function keepingRate(name: string, index: Cell, other: Cell, ifb: string, rate: Rate): Request[] {
  const message = `cannot keep the rate of ${name}`;
  const needs = { errno: ENOENT, text: "a rate needs a kernel with CONFIG_NET_SCH_TBF" };
  return [
    { told: newTbf(index, rate), why: "the rate of what goes in", message, needs },
    { told: newTbf(other, rate), why: "and of what comes out", message },
    raising(other, ifb),
    { told: newIngress(index), why: "what comes out is looked at", message },
    { told: newRedirect(index, other), why: `and is sent by ${ifb}`, message },
  ];
}

/** Inside: gives our end its addresses and routes. */
export function setUpVeth(p: Builder, { peer, addresses, gateways }: Veth): void {
  const socket = openRtnetlink(p);
  const index = interfaceIndex(p, socket, peer);
  tell(p, socket, [
    ...addresses.map((address) => giving(index, peer, address)),
    raising(index, peer),
    ...gateways.map((gateway) => ({
      told: newRoute(gateway),
      why: "the way to everywhere else",
      message: `cannot set the gateway of ${peer}`,
    })),
  ]);
}

/**
 * Outside: removes what is there of pairs, by the names of their ends.
 *
 *     this process                   a child
 *     pipe, clone -----------------> close all that it need not have
 *     read <------------------------
 *     ppoll, for half a millisecond  RTM_DELLINK
 *     RTM_DELLINK
 *     go on: nothing is there        wait for nobody
 *                                    exit
 *
 * Interfaces are gone for everybody after a few milliseconds, but whom they were
 * removed for has to wait some 20 more, until no processor can be looking at
 * their memory. That can be a child for whom nobody waits but process 1. If it
 * could not be made, or was killed, this process removes them; what was removed
 * before it can't find, and it can't look before the removal is over.
 *
 * The kernel would remove a pair by itself with the namespace of its other end,
 * but only some time later, and not while anybody holds that.
 */
export function removeVeths(p: Builder, names: readonly string[]): void {
  if (names.length === 0) return;
  const requests = names.map((name): Request => ({
    told: deleteGroup(groupOf(name)),
    why: "nobody is left to talk to",
    message: `cannot remove the interface ${name}`,
  }));
  const socket = openRtnetlink(p, requests[0]!.message);
  const ends = pipe(p, "to see when it begins");
  const alone = p.label();
  const child = p.call("clone", [SIGNALS.SIGCHLD, 0, 0, 0, 0], {
    why: "wait until the kernel has freed the interfaces",
    child: "removal",
    fail: alone,
  });
  p.when("equal", child, 0, () =>
    p.apart(() => {
      const end = p.label();
      const why = "whoever waits for their end need not wait for this process";
      p.call("chdir", ["/"], { why: "nor does it keep a directory", fail: end });
      p.call("close_range", [0, p.control("sub", [socket, 1]), 0], { why, fail: end });
      p.call("close_range", [p.control("add", [socket, 1]), ALL_DESCRIPTORS, 0], {
        why: "now the other one goes on",
        fail: end,
      });
      for (const { told: { bytes } } of requests) {
        p.call("sendto", [socket, bytes, bytes.length, 0, 0, 0], { why: "remove them", fail: end });
      }
      p.place(end);
      p.call("exit_group", [0]);
    }));
  awaitOther(p, ends, "until it begins");
  // Whichever of the two comes second finds nothing, and does not wait.
  pause(p, HEAD_START, { why: "so that it comes first", fail: alone });
  p.place(alone);
  for (const request of requests) tell(p, socket, [request], ENODEV);
}

/** The group of the interfaces outside: a large number that comes of their name. */
function groupOf(name: string): number {
  let hash = 0x811c9dc5; // FNV-1a
  for (const byte of encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 2 | 0x4000_0000;
}

function giving(index: Cell, name: string, address: Prefix): Request {
  return {
    told: newAddress(index, address),
    why: `an address of ${name}`,
    message: `cannot give ${name} its address`,
  };
}

function raising(index: Cell, name: string): Request {
  return {
    told: linkUp(index),
    why: `${name} is up`,
    message: `cannot bring ${name} up`,
  };
}
