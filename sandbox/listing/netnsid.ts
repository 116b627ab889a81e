/**
 * The ids by which a network namespace knows others, see ip-netns(8).
 *
 * @module
 */
import { SyscallError } from "../../ffi/errno.ts";
import {
  AF_NETLINK,
  NETLINK_ROUTE,
  NETNSA_FD,
  NETNSA_NSID,
  NETNSA_NSID_NOT_ASSIGNED,
  NLM_F_REQUEST,
  recv,
  RTM_GETNSID,
  RTM_NEWNSID,
  send,
  SOCK_RAW,
  socket,
} from "../../ffi/socket.ts";
import { SOCK_CLOEXEC } from "../../ffi/ioctl.ts";
import { close } from "../../ffi/unistd.ts";

/**
 * Asks the kernel what our network namespace calls others. Free it with
 * {@linkcode Symbol.dispose}.
 */
export interface NetnsIds extends Disposable {
  /** The id of an open network namespace, or what there is instead of one. */
  idOf(fd: number): number | "unassigned" | undefined;
}

/** Opens a netlink(7) socket; every question is a message, and so is its answer. */
export function openNetnsIds(): NetnsIds {
  let fd: number | undefined;
  try {
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error; // Then no namespace has an id.
  }
  return {
    idOf: (namespace) => fd === undefined ? undefined : ask(fd, namespace),
    [Symbol.dispose]: () => fd !== undefined && close(fd),
  };
}

// What a message consists of:
//   nlmsghdr: length, type (16 bits), flags (16 bits), sequence number, port
const HEADER = 16;
//   rtgenmsg: family (8 bits), padded
const FAMILY = 4;
//   rtattr: length (16 bits), type (16 bits), then here one number
const ATTRIBUTE = 8;
const SIZE = HEADER + FAMILY + ATTRIBUTE;

function ask(fd: number, namespace: number): number | "unassigned" | undefined {
  const request = new DataView(new ArrayBuffer(SIZE));
  request.setUint32(0, SIZE, true);
  request.setUint16(4, RTM_GETNSID, true);
  request.setUint16(6, NLM_F_REQUEST, true);
  request.setUint16(HEADER + FAMILY, ATTRIBUTE, true);
  request.setUint16(HEADER + FAMILY + 2, NETNSA_FD, true);
  request.setInt32(HEADER + FAMILY + 4, namespace, true);
  const answer = new DataView(new ArrayBuffer(256));
  try {
    send(fd, new Uint8Array(request.buffer));
    if (recv(fd, new Uint8Array(answer.buffer)) < SIZE) return undefined;
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
  const isId = answer.getUint16(4, true) === RTM_NEWNSID &&
    answer.getUint16(HEADER + FAMILY + 2, true) === NETNSA_NSID;
  const id = answer.getInt32(HEADER + FAMILY + 4, true);
  if (!isId || id < NETNSA_NSID_NOT_ASSIGNED) return undefined;
  return id === NETNSA_NSID_NOT_ASSIGNED ? "unassigned" : id;
}
