/**
 * sys/ioctl.h: requests to what a descriptor stands for.
 *
 * @module
 */
import { int, uint } from "./arguments.ts";
import { syscall } from "./syscall.ts";

export * from "./constants/if.ts";
export * from "./constants/nsfs.ts";

/**
 * Makes a request to a device, a socket or a namespace.
 *
 * What the argument and the result are is decided by the request.
 *
 * See ioctl(2) and, for namespaces, ioctl_ns(2).
 *
 * @param fd the descriptor
 * @param request `NS_GET_USERNS`, `SIOCGIFFLAGS`, ...
 * @param argument a number, or bytes that the kernel reads or writes
 * @returns what the request returns: a descriptor for `NS_GET_USERNS`, mostly 0
 * @throws {SyscallError} when the kernel refuses it: EBADF, EINVAL, ENOTTY, EPERM
 * @throws {TypeError | RangeError} when a number does not fit its C type
 *
 * @example
 * ```ts
 * import { CLONE_NEWUTS, close, ioctl, NS_GET_NSTYPE, O_RDONLY, open } from "@denspace/denspace";
 *
 * const fd = open("/proc/thread-self/ns/uts", O_RDONLY);
 * console.log(ioctl(fd, NS_GET_NSTYPE) === CLONE_NEWUTS); // true
 * close(fd);
 * ```
 */
export function ioctl(
  fd: number,
  request: number,
  argument: number | Uint8Array<ArrayBuffer> = 0,
): number {
  const last = typeof argument === "number" ? uint("argument", argument) : argument;
  return syscall("ioctl", [int("fd", fd), uint("request", request), last]);
}
