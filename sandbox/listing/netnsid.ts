/**
 * The ids by which a network namespace knows others, see ip-netns(8).
 *
 * @module
 */
import { NETNSA_NSID_NOT_ASSIGNED } from "../../ffi/constants/netlink.ts";
import { optional } from "../../ffi/libc.ts";
import { getNamespaceId, namespaceIdIn } from "../../ffi/netlink.ts";
import {
  AF_NETLINK,
  NETLINK_ROUTE,
  recv,
  send,
  SOCK_CLOEXEC,
  SOCK_RAW,
  socket,
} from "../../ffi/socket.ts";
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
  // Without one no namespace has an id.
  const fd = optional(() => socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
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
