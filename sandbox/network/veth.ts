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
import { EEXIST, ENODEV, ENOENT, EOPNOTSUPP } from "../../ffi/constants/errno.ts";
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
import { O_CLOEXEC } from "../../ffi/constants/fcntl.ts";
import { SIGNALS } from "../../ffi/constants/signal.ts";
import { encode } from "../../ffi/bytes.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import type { Cell } from "../../ffi/plan/step.ts";
import { forkHelper, type Helper } from "../helper.ts";
import { interfaceIndex, openRtnetlink, tell } from "./rtnetlink.ts";

const ALL_DESCRIPTORS = 0xffff_ffff;

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
  const socket = openRtnetlink(p);
  tell(p, socket, newVeth(name, { name: peer, namespace: { pid: process } }, groupOf(name)), {
    why: `${peer} inside receives what ${name} sends, and the reverse`,
    message: `cannot make the interface ${name}`,
    needs: { errno: EOPNOTSUPP, text: "a pair of interfaces needs a kernel with CONFIG_VETH" },
  });
  const index = interfaceIndex(p, socket, name, `cannot find the interface ${name}`);
  if (bridge !== undefined) {
    const port = interfaceIndex(p, socket, bridge, `cannot find the bridge ${bridge}`);
    tell(p, socket, linkMaster(index, port), {
      why: `a port of ${bridge}`,
      message: `cannot make ${name} a port of ${bridge}`,
    });
  }
  for (const address of veth.outside) giveAddress(p, socket, index, name, address);
  if (rate) keepRate(p, socket, veth, index, rate);
  raise(p, socket, index, name);
  p.call("close", [socket]);
}

function keepRate(p: Builder, socket: Cell, veth: Veth, index: Cell, rate: Rate): void {
  const { name } = veth;
  const ifb = ifbOf(veth);
  const message = `cannot keep the rate of ${name}`;
  const needs = (option: string) => ({
    message,
    needs: { errno: EOPNOTSUPP, text: `a rate needs a kernel with ${option}` },
  });
  const tbf = { errno: ENOENT, text: "a rate needs a kernel with CONFIG_NET_SCH_TBF" };
  tell(p, socket, newTbf(index, rate), { why: "what goes in", message, needs: tbf });
  tell(p, socket, newLink(ifb, "ifb", groupOf(name)), {
    why: "sends what comes out, since a rate is one of sending",
    ...needs("CONFIG_IFB"),
  });
  const other = interfaceIndex(p, socket, ifb, message);
  tell(p, socket, newTbf(other, rate), { why: "what comes out", message });
  raise(p, socket, other, ifb);
  tell(p, socket, newIngress(index), { why: "what comes out is looked at", message });
  tell(p, socket, newRedirect(index, other), { why: `and is sent by ${ifb}`, message });
}

/** Inside: gives our end its addresses and routes. */
export function setUpVeth(p: Builder, { peer, addresses, gateways }: Veth): void {
  const socket = openRtnetlink(p);
  const index = interfaceIndex(p, socket, peer, `cannot find the interface ${peer}`);
  for (const address of addresses) giveAddress(p, socket, index, peer, address);
  raise(p, socket, index, peer);
  for (const gateway of gateways) {
    tell(p, socket, newRoute(gateway), {
      why: "the way to everywhere else",
      message: `cannot set the gateway of ${peer}`,
    });
  }
  p.call("close", [socket]);
}

/**
 * Outside: removes what is there of pairs, by the names of their ends.
 *
 *     this process                   a child
 *     pipe, clone -----------------> close all that it need not have
 *     read <------------------------
 *     RTM_DELLINK                    RTM_DELLINK
 *     go on: nothing is there        wait for nobody
 *                                    exit
 *
 * Interfaces are gone for everybody after a few milliseconds, but whom they were
 * removed for has to wait some 20 more, until no processor can be looking at
 * their memory. That can be a child for whom nobody waits. If it could not be
 * made, or was killed, this process removes them; what was removed before it
 * can't find, and it can't look before the removal is over.
 */
export function removeVeths(p: Builder, names: readonly string[]): void {
  if (names.length === 0) return;
  const messages = names.map((name) => deleteGroup(groupOf(name)));
  const socket = openRtnetlink(p);
  const fds = p.cell("pipe");
  p.call("pipe2", [{ addressOf: fds }, O_CLOEXEC], { message: "pipe failed" });
  const [input, output] = [0, 4].map((at) => p.control("load32", [{ addressOf: fds }, at]));
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
      p.call("close_range", [0, p.control("sub", [socket, 1]), 0], { why, fail: end });
      p.call("close_range", [p.control("add", [socket, 1]), ALL_DESCRIPTORS, 0], {
        why: "now the other one goes on",
        fail: end,
      });
      for (const { bytes } of messages) {
        p.call("sendto", [socket, bytes, bytes.length, 0, 0, 0], { fail: end });
      }
      p.place(end);
      p.call("exit_group", [0]);
    }));
  p.call("close", [output!], { why: "so that the other's end is seen" });
  p.call("read", [input!, { addressOf: p.cell("byte") }, 1], { why: "until it begins" });
  p.place(alone);
  for (const [i, name] of names.entries()) {
    tell(p, socket, messages[i]!, {
      why: "nobody is left to talk to",
      message: `cannot remove the interface ${name}`,
      unless: ENODEV,
    });
  }
  p.call("close", [socket]);
}

/** The group of the interfaces outside: a large number that comes of their name. */
function groupOf(name: string): number {
  let hash = 0x811c9dc5; // FNV-1a
  for (const byte of encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 2 | 0x4000_0000;
}

function giveAddress(p: Builder, socket: Cell, index: Cell, name: string, prefix: Prefix): void {
  tell(p, socket, newAddress(index, prefix), {
    message: `cannot give ${name} its address`,
    unless: EEXIST,
  });
}

function raise(p: Builder, socket: Cell, index: Cell, name: string): void {
  tell(p, socket, linkUp(index), { message: `cannot bring ${name} up` });
}
