/**
 * The ids by which a network namespace knows others, see ip-netns(8).
 *
 * @module
 */
import { SyscallError } from "../../ffi/errno.ts";
import { optional } from "../../ffi/libc.ts";
import { getNamespaceId, namespaceIdIn } from "../../ffi/netlink.ts";
import {
  AF_NETLINK,
  NETLINK_ROUTE,
  NETNSA_NSID_NOT_ASSIGNED,
  recv,
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

function ask(fd: number, namespace: number): number | "unassigned" | undefined {
  const answer = new Uint8Array(256);
  return optional(() => {
    send(fd, getNamespaceId(namespace).bytes);
    const id = namespaceIdIn(answer.subarray(0, recv(fd, answer)));
    if (id === undefined || id < NETNSA_NSID_NOT_ASSIGNED) return undefined;
    return id === NETNSA_NSID_NOT_ASSIGNED ? "unassigned" : id;
  });
}
