/**
 * sys/socket.h: sockets.
 *
 * @module
 */
import { flags as flagsOf, int } from "./arguments.ts";
import { call } from "./libc.ts";

export { NETLINK_ROUTE } from "./constants/netlink.ts";
export * from "./constants/socket.ts";

/**
 * Makes a socket, in the network namespace of the calling thread.
 *
 * Nothing is added to `type`: pass `SOCK_CLOEXEC` unless programs that this
 * process starts shall have the socket, too.
 *
 * See socket(2).
 *
 * @param domain `AF_NETLINK`, `AF_INET`, ...
 * @param type `SOCK_RAW`, `SOCK_DGRAM`, ... with `SOCK_CLOEXEC` and `SOCK_NONBLOCK`
 * @param protocol which one, `NETLINK_ROUTE` for example
 * @returns the descriptor; the caller closes it
 * @throws {SyscallError} when the kernel refuses it: EAFNOSUPPORT, EPERM
 * @throws {TypeError | RangeError} when a number does not fit its C type
 *
 * @example
 * ```ts
 * import { AF_NETLINK, close, NETLINK_ROUTE, SOCK_CLOEXEC, SOCK_RAW, socket } from "@denspace/denspace";
 *
 * close(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
 * ```
 */
export function socket(domain: number, type: number, protocol: number): number {
  return call("socket", [int("domain", domain), flagsOf("type", type), int("protocol", protocol)]);
}

/**
 * Sends a message on a socket.
 *
 * See send(2).
 *
 * @param fd the socket
 * @param data the message
 * @param flags `MSG_NOSIGNAL`, ... joined by `|`
 * @returns how many bytes were sent
 * @throws {SyscallError} when the kernel refuses it
 * @throws {TypeError | RangeError} when a number does not fit its C type
 *
 * @example
 * ```ts
 * import { send } from "@denspace/denspace";
 *
 * function greet(fd: number): void {
 *   send(fd, new TextEncoder().encode("hello"));
 * }
 * ```
 */
export function send(fd: number, data: Uint8Array<ArrayBuffer>, flags: number = 0): number {
  return call("send", [int("fd", fd), data, BigInt(data.length), flagsOf("flags", flags)]);
}

/**
 * Receives a message from a socket. Waits for one, unless the socket is non-blocking.
 *
 * See recv(2).
 *
 * @param fd the socket
 * @param buffer where the message goes
 * @param flags `MSG_PEEK`, ... joined by `|`
 * @returns how many bytes it has; 0 at the end of a stream
 * @throws {SyscallError} when the kernel refuses it
 * @throws {TypeError | RangeError} when a number does not fit its C type
 *
 * @example
 * ```ts
 * import { recv } from "@denspace/denspace";
 *
 * function receive(fd: number): Uint8Array {
 *   const buffer = new Uint8Array(4096);
 *   return buffer.subarray(0, recv(fd, buffer));
 * }
 * ```
 */
export function recv(fd: number, buffer: Uint8Array<ArrayBuffer>, flags: number = 0): number {
  return call("recv", [int("fd", fd), buffer, BigInt(buffer.length), flagsOf("flags", flags)]);
}
