/**
 * The loopback interface, the only one that a new network namespace has, and
 * down, see network_namespaces(7) and netdevice(7).
 *
 * @module
 */
import { IFF_UP, SIOCSIFFLAGS } from "../ffi/constants/if.ts";
import { AF_INET, SOCK_CLOEXEC, SOCK_DGRAM } from "../ffi/constants/socket.ts";
import type { Builder } from "../ffi/plan/builder.ts";

/** Brings the loopback interface up. */
export function raiseLoopback(p: Builder): void {
  const message = "cannot bring up the loopback interface";
  // struct ifreq: name, flags at 16
  const request = new DataView(new ArrayBuffer(40));
  request.setUint16(0, "l".charCodeAt(0) | "o".charCodeAt(0) << 8, true);
  request.setUint16(16, IFF_UP, true);
  const socket = p.call("socket", [AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0], {
    why: "any socket will do to ask for interfaces",
    message,
  });
  p.call("ioctl", [socket, SIOCSIFFLAGS, new Uint8Array(request.buffer)], {
    why: "lo is up: 127.0.0.1 and ::1 answer",
    message,
  });
  p.call("close", [socket]);
}
