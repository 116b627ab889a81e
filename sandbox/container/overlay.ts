/**
 * Overlays for the layers of a root, and the directory that keeps what is changed.
 *
 * @module
 */
import { EEXIST } from "../../ffi/constants/errno.ts";
import { AT_FDCWD, O_CLOEXEC, O_CREAT, O_PATH } from "../../ffi/constants/fcntl.ts";
import {
  MNT_DETACH,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
} from "../../ffi/constants/mount.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import type { Cell } from "../../ffi/plan/step.ts";
import { attach, copyMount, makeFilesystem, setAttributes } from "../mount_api.ts";
import { type Layer, layerName, type Layers, overlayOptions, type Owner } from "./layers.ts";
import type { Places } from "./mounts.ts";

/** What the lower directory of the root is called, if it is made. */
export const SKELETON = "%skeleton";

/** Opens the directory where layers are kept: one that is there, or memory of this container. */
export function openLayers(p: Builder, directory: string | undefined): Cell {
  if (directory !== undefined) {
    return p.call("openat", [AT_FDCWD, directory, O_PATH | O_CLOEXEC, 0], {
      why: "what is changed is kept there",
      message: `cannot keep changes in ${directory}`,
    });
  }
  return makeFilesystem(p, "tmpfs", [["mode", "755"]], MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, {
    why: "what is changed goes there, and is gone with the container",
    message: "cannot make memory for changes",
  });
}

/** Does something with the layers' directory as working directory, from which overlays find their layers. */
export function withinLayers(p: Builder, layers: Cell, attached: boolean, work: () => void): void {
  const message = "cannot enter the directory for changes";
  if (!attached) {
    p.call("move_mount", [layers, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH], {
      why: "an overlay takes no layer that is not attached",
      message,
    });
  }
  p.call("fchdir", [layers], { message });
  work();
  if (!attached) {
    p.call("umount2", [".", MNT_DETACH], {
      why: "the overlays have their layers; nobody else has",
      message: "cannot detach the directory for changes",
    });
  }
  p.call("chdir", ["/"]);
}

/** A layer that has a descriptor: of its overlay, or of what stands for it. */
export interface MadeLayer {
  /** The layer. */
  readonly layer: Layer;
  /** Its descriptor; less than 0 if there can't be any mount of it. */
  readonly fd: Cell;
}

/** Makes the overlays. */
export function makeLayers(
  p: Builder,
  { layers, skeleton }: Layers,
  layersFd: Cell,
  inUserNamespace: boolean,
): MadeLayer[] {
  if (skeleton) {
    makeDirectory(p, layersFd, SKELETON, { mode: 0o755 });
    for (const { path, kind, target, mode = 0o755 } of skeleton) {
      const name = `${SKELETON}${path}`;
      if (kind === "directory") makeDirectory(p, layersFd, name, { mode });
      else if (kind === "link") makeLink(p, layersFd, name, target!);
      else makeFile(p, layersFd, name);
    }
  }
  return layers.map((layer) => ({
    layer,
    fd: layer.kind === "directory"
      ? makeOverlay(p, layer, layersFd, inUserNamespace)
      : readonlyCopy(p, layer, inUserNamespace),
  }));
}

function makeOverlay(p: Builder, layer: Layer, layersFd: Cell, inUserNamespace: boolean): Cell {
  const { place, lower = SKELETON, owner, attributes, required } = layer;
  const name = layerName(place);
  const message = `cannot mount an overlay on ${place}`;
  makeDirectory(p, layersFd, name, { mode: 0o700 });
  makeDirectory(p, layersFd, `${name}/work`, { mode: 0o700 });
  makeDirectory(p, layersFd, `${name}/upper`, inUserNamespace ? { mode: owner.mode } : owner);
  const refused = p.label();
  const options = overlayOptions(name, lower, inUserNamespace);
  const fd = makeFilesystem(p, "overlay", options, attributes | MOUNT_ATTR_NODEV, {
    why: `changes to ${place} go to a layer of their own`,
    message,
    ...(!required && { fail: refused }),
  });
  if (required) return fd;
  const [made, mount] = [p.label(), p.cell(`layer ${place}`)];
  p.set(mount, fd, made);
  p.place(refused);
  p.set(mount, readonlyCopy(p, layer, inUserNamespace));
  p.place(made);
  return mount;
}

/** Copies what can't be overlaid. If even that can't be done, there is nothing of it inside. */
function readonlyCopy(p: Builder, { lower, place }: Layer, inUserNamespace: boolean): Cell {
  const end = p.label();
  // In a user namespace mounts can't be taken off what they lie on.
  const fd = copyMount(p, AT_FDCWD, lower!, { recursive: inUserNamespace }, {
    why: `${place} can be read, but not changed`,
    fail: end,
  });
  setAttributes(p, fd, { set: MOUNT_ATTR_RDONLY, recursive: true }, {
    message: `cannot make ${place} read-only`,
  });
  p.place(end);
  return fd;
}

/** Attaches a layer within the root. */
export function attachLayer(p: Builder, at: Places, { layer, fd }: MadeLayer): void {
  const { place, kind } = layer;
  const [there, end] = [p.label(), p.label()];
  p.branch("less", fd, 0x8000_0000, there);
  p.jump(end);
  p.place(there);
  const message = `cannot mount on ${place}`;
  const target = at.open(p, place, kind, message);
  attach(p, fd, target, { why: `there is ${place}`, message });
  p.call("close", [target]);
  p.place(end);
  at.add(place, fd);
}

function makeDirectory(
  p: Builder,
  parent: Cell,
  name: string,
  { mode, uid, gid }: Partial<Owner>,
): void {
  const message = `cannot make ${name} in the directory for changes`;
  p.call("mkdirat", [parent, name, mode! & 0o7777], { message, accept: [EEXIST] });
  if (uid === undefined) return;
  p.call("fchownat", [parent, name, uid, gid!, 0], {
    why: "the directory inside is owned as the one outside is",
    message,
  });
}

function makeLink(p: Builder, parent: Cell, name: string, target: string): void {
  p.call("symlinkat", [target, parent, name], {
    message: `cannot make ${name} in the directory for changes`,
    accept: [EEXIST],
  });
}

function makeFile(p: Builder, parent: Cell, name: string): void {
  const fd = p.call("openat", [parent, name, O_CREAT | O_CLOEXEC, 0o644], {
    why: "a place to mount a file on",
    message: `cannot make ${name} in the directory for changes`,
  });
  p.call("close", [fd]);
}
