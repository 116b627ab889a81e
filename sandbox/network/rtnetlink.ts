/**
 * Telling the kernel of interfaces, see rtnetlink(7): one message, one answer.
 *
 * @module
 */
import { SIOCGIFINDEX } from "../../ffi/constants/if.ts";
import { NETLINK_ROUTE } from "../../ffi/constants/netlink.ts";
import { AF_NETLINK, SOCK_CLOEXEC, SOCK_RAW } from "../../ffi/constants/socket.ts";
import { encode } from "../../ffi/bytes.ts";
import type { Message } from "../../ffi/netlink.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import type { Cell, Note, Operand } from "../../ffi/plan/step.ts";

/** Opens a socket to the network namespace in which the process is now. */
export function openRtnetlink(p: Builder): Cell {
  return p.call("socket", [AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE], {
    why: "by which the kernel is told of interfaces",
    message: "cannot open a netlink socket",
  });
}

/** What there is to say of a message. */
export interface Telling extends Pick<Note, "why" | "needs"> {
  /** What is said when the kernel refuses it. */
  readonly message: string;
  /** An errno that does not matter. */
  readonly unless?: number;
}

/** Sends a message, and fails with the errno that the kernel answers. */
export function tell(
  p: Builder,
  socket: Cell,
  { bytes, late }: Message,
  { unless, why, ...note }: Telling,
): void {
  let data: Operand = bytes;
  if (late.length > 0) {
    data = { addressOf: p.cell("message", bytes.length, bytes) };
    for (const [offset, cell] of late) p.control("store32", [data, offset, cell]);
  }
  p.call("sendto", [socket, data, bytes.length, 0, 0, 0], { ...(why && { why }), ...note });
  const answer = p.cell("answer", 128);
  p.call("recvfrom", [socket, { addressOf: answer }, answer.size, 0, 0, 0], {
    why: "whether it is done",
    ...note,
  });
  // struct nlmsgerr behind the header: 0 or -errno, of 32 bits
  const error = p.control("load32", [{ addressOf: answer }, 16]);
  const done = p.label();
  p.branch("equal", error, 0, done);
  const errno = p.control("sub", [2 ** 32, error]);
  if (unless !== undefined) p.branch("equal", errno, unless, done);
  p.control("raise", [errno], note);
  p.place(done);
}

/** The index of an interface, by which messages name it. */
export function interfaceIndex(p: Builder, socket: Cell, name: string, message: string): Cell {
  const request = p.cell("struct ifreq", 40, encode(name));
  p.call("ioctl", [socket, SIOCGIFINDEX, { addressOf: request }], {
    why: `the number of ${name}`,
    message,
  });
  return p.control("load32", [{ addressOf: request }, 16]);
}
