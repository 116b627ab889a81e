/**
 * The root of a container, with all that is mounted in it.
 *
 * @module
 */
import { AT_FDCWD, O_CLOEXEC, O_PATH } from "../../ffi/constants/fcntl.ts";
import { MOUNT_ATTR_RDONLY, MS_PRIVATE } from "../../ffi/constants/mount.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import type { Cell } from "../../ffi/plan/step.ts";
import { EPERM } from "../../ffi/constants/errno.ts";
import { copyMount, openInRoot, setAttributes } from "../mount_api.ts";
import { pivotRoot } from "../root.ts";
import { copyDevices, type Devices, fillDev, mustBeDevice } from "./dev.ts";
import { isLayer, type Layer } from "./layers.ts";
import { makeReadonly, mask } from "./masks.ts";
import { PROPAGATIONS } from "./mount_options.ts";
import {
  attachMount,
  copySource,
  isLateReadonly,
  makeMount,
  type MountSpec,
  type Places,
  places,
} from "./mounts.ts";
import { attachLayer, makeLayers, openLayers, withinLayers } from "./overlay.ts";
import type { Container } from "./resolve.ts";
import { bindConsole } from "./terminal.ts";

/** What is copied of the machine before the ids change. */
export interface Sources {
  /** The root, if it is a directory as it is. */
  readonly root: Cell | undefined;
  /** What is bound. */
  readonly binds: ReadonlyMap<MountSpec, Cell>;
}

/** Copies what the container gets of the machine: whoever runs it may reach that. */
export function copyRoot(
  p: Builder,
  { config, layers, mounts }: Container,
  idmapped: ReadonlyMap<MountSpec, Cell>,
): Sources {
  const binds = mounts.filter((mount): mount is MountSpec =>
    "source" in mount && "bind" in mount.source && !idmapped.has(mount)
  );
  return {
    root: layers ? undefined : copyRootDirectory(p, config.root!),
    binds: new Map([...idmapped, ...binds.map((spec) => [spec, copySource(p, spec)] as const)]),
  };
}

function copyRootDirectory(
  p: Builder,
  { path, readonly }: NonNullable<Container["config"]["root"]>,
): Cell {
  const message = `cannot mount the root ${path}`;
  const root = copyMount(p, AT_FDCWD, path, {}, { why: "the root, as it is", message });
  const set = readonly ? MOUNT_ATTR_RDONLY : 0;
  setAttributes(p, root, { set, propagation: MS_PRIVATE, recursive: true }, {
    why: "what is mounted there is not seen outside",
    message,
  });
  return root;
}

/** A root that can be changed to. */
export interface Root {
  /** Its mount. */
  readonly mount: Cell;
  /** The mounts in it, in the order in which they are attached. */
  readonly mounts: readonly { readonly mount: MountSpec | Layer; readonly fd: Cell }[];
  /** What is attached in a new /dev. */
  readonly devices: Devices;
  /** Where the container's terminal is, if it has one. */
  readonly devpts: Cell | undefined;
}

/** What is made before all else, since the supervisor keeps something of it. */
export interface Kept {
  /** The directory of the layers. */
  readonly layers?: Cell | undefined;
  /** The mount of the devpts, if the container has a terminal. */
  readonly devpts?: Cell | undefined;
}

/** Makes what the supervisor keeps something of. */
export function makeKept(p: Builder, { layers, keep, mounts, process }: Container): Kept {
  const devpts = mounts.find(isDevpts) as MountSpec;
  return {
    layers: layers && openLayers(p, keep),
    devpts: process.terminal ? makeMount(p, devpts) : undefined,
  };
}

/** Makes all mounts, while the machine can be seen. */
export function makeRoot(
  p: Builder,
  container: Container,
  { root, binds }: Sources,
  { layers: directory, devpts }: Kept,
): Root {
  const { layers, mounts, keep, inUserNamespace } = container;
  const devices = mounts.some(isDev) ? copyDevices(p) : new Map<string, Cell>();
  const made = new Map<MountSpec | Layer, Cell>(binds);
  for (const mount of mounts) {
    if (!("source" in mount && "type" in mount.source)) continue;
    made.set(mount, devpts && isDevpts(mount) ? devpts : makeMount(p, mount));
  }
  if (layers && directory) {
    const more = mounts.filter(isLayer).filter((layer) => !layers.layers.includes(layer));
    const all = { ...layers, layers: [...layers.layers, ...more] };
    withinLayers(p, directory, keep !== undefined, () => {
      for (const { layer, fd } of makeLayers(p, all, directory, inUserNamespace)) {
        made.set(layer, fd);
      }
    });
  }
  return {
    mount: root ?? made.get(layers!.layers[0]!)!,
    mounts: mounts.map((mount) => ({ mount, fd: made.get(mount)! })),
    devices,
    devpts,
  };
}

/** Changes to the root and attaches all mounts, when there is nothing else to attach them to. */
export function changeRoot(p: Builder, { config, layers }: Container, root: Root): void {
  const { maskedPaths = [], readonlyPaths = [], rootfsPropagation } = config.linux ?? {};
  const readonly = config.root?.readonly === true && !layers;
  pivotRoot(p, root.mount);
  if (readonly) allowMountPoints(p, root.mount);

  const at = places(root.mount);
  for (const { mount, fd } of root.mounts) {
    if (isLayer(mount)) {
      attachLayer(p, at, { layer: mount, fd });
      continue;
    }
    attachMount(p, at, { spec: mount, fd });
    if (isDev(mount)) fillDev(p, fd, root.devices);
    if (root.devpts === fd) bindConsole(p, at, fd);
  }
  for (const { mount, fd } of root.mounts) {
    if (isLayer(mount) || !isLateReadonly(mount)) continue;
    setAttributes(p, fd, { set: MOUNT_ATTR_RDONLY }, {
      why: "now that there are places for other mounts",
      message: `cannot make ${mount.destination} read-only`,
    });
  }
  makeReadonly(p, at, readonlyPaths);
  if (maskedPaths.length > 0) mask(p, at, maskedPaths, openDevnull(p, at, root.devices));
  const propagation = PROPAGATIONS[rootfsPropagation ?? ""] ?? 0;
  if (readonly || propagation !== 0) {
    setAttributes(p, root.mount, { set: readonly ? MOUNT_ATTR_RDONLY : 0, propagation }, {
      why: "now that all is there",
      message: "cannot make the root read-only",
    });
  }
}

/** Has mount points be made in a root that will be read-only. */
function allowMountPoints(p: Builder, root: Cell): void {
  setAttributes(p, root, { clear: MOUNT_ATTR_RDONLY }, {
    why: "what is missing to mount on is made",
    message: "cannot make mount points",
    accept: [EPERM], // it was read-only before
  });
}

function openDevnull(p: Builder, at: Places, devices: Devices): Cell {
  const own = devices.get("null");
  if (own) return own;
  const message = "cannot open /dev/null to mask files";
  const { root, path } = at.find("/dev/null");
  const fd = openInRoot(p, root, path, { message });
  mustBeDevice(p, fd, 1, 3, message);
  return fd;
}

/** Changes to the working directory: one in the root, not one that a link of /proc leads to. */
export function changeDirectory(p: Builder, path: string): void {
  const message = `cannot change to the directory ${path}`;
  const root = p.call("openat", [AT_FDCWD, "/", O_PATH | O_CLOEXEC, 0], { message });
  const fd = openInRoot(p, root, path, { message });
  p.call("fchdir", [fd], { message });
}

/** Whether a mount is a /dev that is to be filled. */
function isDev(mount: MountSpec | Layer): boolean {
  return "source" in mount && mount.destination === "/dev" && "type" in mount.source &&
    mount.source.type === "tmpfs";
}

/** Whether a mount is where terminals are. */
function isDevpts(mount: MountSpec | Layer): boolean {
  return "source" in mount && mount.destination === "/dev/pts" && "type" in mount.source &&
    mount.source.type === "devpts";
}
