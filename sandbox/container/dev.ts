/**
 * /dev of a container: devices of the host, bound one by one, since nobody may
 * make any in a user namespace, and links.
 *
 * @module
 */
import { AT_FDCWD, S_IFCHR, S_IFMT } from "../../ffi/constants/fcntl.ts";
import { EINVAL } from "../../ffi/constants/errno.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import type { Cell } from "../../ffi/plan/step.ts";
import { stat } from "../descriptors.ts";
import { attach, copyMount, makeNewPlace } from "../mount_api.ts";

/** Devices, with their numbers. */
const DEVICES = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["random", 1, 8],
  ["urandom", 1, 9],
  ["tty", 5, 0],
] as const;

const LINKS = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
  ["core", "/proc/kcore"],
  ["ptmx", "pts/ptmx"],
] as const;

/** Devices of the host that have a descriptor each. */
export type Devices = ReadonlyMap<string, Cell>;

/** Copies the devices, while the host's can be seen. */
export function copyDevices(p: Builder): Devices {
  return new Map(DEVICES.map(([name, major, minor]) => {
    const path = `/dev/${name}`;
    const message = `cannot mount ${path}`;
    const fd = copyMount(p, AT_FDCWD, path, { recursive: false }, {
      why: "a device of the host",
      message,
    });
    mustBeDevice(p, fd, major, minor, message);
    return [name, fd];
  }));
}

/** Fails if an open file is not this character device, but what somebody put in its place. */
export function mustBeDevice(
  p: Builder,
  fd: Cell,
  major: number,
  minor: number,
  message: string,
): void {
  const is = stat(p, fd, ["mode", "rdevMajor", "rdevMinor"], {
    why: "is it what its name says?",
    message,
  });
  const [right, wrong] = [p.label(), p.label()];
  p.control("equal", [p.control("and", [is.mode, S_IFMT]), S_IFCHR], { fail: wrong });
  p.control("equal", [is.rdevMajor, major], { fail: wrong });
  p.branch("equal", is.rdevMinor, minor, right);
  p.place(wrong);
  p.control("raise", [EINVAL], { message: `${message}: it is not device ${major}:${minor}` });
  p.place(right);
}

/** Fills a new /dev. */
export function fillDev(p: Builder, dev: Cell, devices: Devices): void {
  for (const [name, device] of devices) {
    const message = `cannot mount /dev/${name}`;
    const place = makeNewPlace(p, dev, name, "file", message);
    attach(p, device, place, { why: `there is /dev/${name}`, message });
  }
  for (const [name, target] of LINKS) {
    p.call("symlinkat", [target, dev, name], { message: `cannot make /dev/${name}` });
  }
}
