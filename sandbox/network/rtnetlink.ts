/**
 * Telling the kernel of interfaces, see rtnetlink(7).
 *
 * @module
 */
import { SIOCGIFINDEX } from "../../ffi/constants/if.ts";
import { NETLINK_ROUTE, NLM_F_ACK } from "../../ffi/constants/netlink.ts";
import { AF_NETLINK, SOCK_CLOEXEC, SOCK_RAW } from "../../ffi/constants/socket.ts";
import { encode } from "../../ffi/bytes.ts";
import type { Message } from "../../ffi/netlink.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import type { Cell, Note, Operand } from "../../ffi/plan/step.ts";

/** Opens a socket to the network namespace in which the process is now. */
export function openRtnetlink(
  p: Builder,
  message: string = "cannot open a netlink socket",
): Cell {
  return p.call("socket", [AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE], {
    why: "by which the kernel is told of interfaces",
    message,
  });
}

/** A message, and what there is to say of it. */
export interface Request extends Pick<Note, "why" | "needs"> {
  /** What the kernel is told. */
  readonly told: Message;
  /** What is said when it refuses that. */
  readonly message: string;
}

/**
 * Sends messages, all at once, and fails with the errno that the kernel answers to
 * the first one that it refuses.
 *
 * It answers what it refuses, and what asks for an answer, in their order. Only
 * the last one asks: if the first answer is a good one, it is the only one.
 *
 * @param unless an errno that does not matter, if there is one message
 */
export function tell(
  p: Builder,
  socket: Cell,
  requests: readonly Request[],
  unless?: number,
): void {
  const { bytes, late } = joined(requests.map(({ told }) => told));
  const why = requests.flatMap(({ why }) => why ?? []).join("; ");
  const { message } = requests[0]!;
  let data: Operand = bytes;
  if (late.length > 0) {
    data = { addressOf: p.cell("messages", bytes.length, bytes) };
    for (const [offset, cell] of late) p.control("store32", [data, offset, cell]);
  }
  p.call("sendto", [socket, data, bytes.length, 0, 0, 0], { ...(why && { why }), message });
  const answer = p.cell("answer", 128);
  p.call("recvfrom", [socket, { addressOf: answer }, answer.size, 0, 0, 0], {
    why: "whether it is done",
    message,
  });
  // struct nlmsgerr behind the header: 0 or -errno, of 32 bits; then the header of the message
  const error = p.control("load32", [{ addressOf: answer }, 16]);
  const done = p.label();
  p.branch("equal", error, 0, done);
  const errno = p.control("sub", [2 ** 32, error]);
  if (unless !== undefined) p.branch("equal", errno, unless, done);
  const number = p.control("load32", [{ addressOf: answer }, 20 + SEQUENCE]);
  requests.forEach(({ message, needs }, i) => {
    const refused = (): Cell => p.control("raise", [errno], { message, ...(needs && { needs }) });
    if (i === requests.length - 1) refused();
    else p.when("equal", number, i, refused);
  });
  p.place(done);
}

/** Where a message has its flags, and its number. */
const [FLAGS, SEQUENCE] = [6, 8];

/** Messages one behind the other, numbered, of which the last one asks for an answer. */
function joined(messages: readonly Message[]): Message {
  const sizes = messages.map(({ bytes }) => (bytes.length + 3) & ~3);
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  const late: Message["late"][number][] = [];
  let at = 0;
  messages.forEach((message, i) => {
    bytes.set(message.bytes, at);
    view.setUint32(at + SEQUENCE, i, true);
    if (i < messages.length - 1) {
      view.setUint16(at + FLAGS, view.getUint16(at + FLAGS, true) & ~NLM_F_ACK, true);
    }
    for (const [offset, cell] of message.late) late.push([at + offset, cell]);
    at += sizes[i]!;
  });
  return { bytes, late };
}

/** The index of an interface, by which messages name it. */
export function interfaceIndex(
  p: Builder,
  socket: Cell,
  name: string,
  message: string = `cannot find the interface ${name}`,
): Cell {
  const request = p.cell("struct ifreq", 40, encode(name));
  p.call("ioctl", [socket, SIOCGIFINDEX, { addressOf: request }], {
    why: `the number of ${name}`,
    message,
  });
  return p.control("load32", [{ addressOf: request }, 16]);
}
