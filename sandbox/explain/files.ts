/**
 * What system calls on files would come to on this host.
 *
 * @module
 */
import { ENOENT } from "../../ffi/constants/errno.ts";
import { CAP_DAC_OVERRIDE } from "../../ffi/constants/capability.ts";
import {
  AT_FDCWD as HERE,
  O_ACCMODE,
  O_CREAT,
  O_PATH,
  S_IFMT,
  S_IFREG,
} from "../../ffi/constants/fcntl.ts";
import { optional } from "../../ffi/libc.ts";
import { assuming, opened, processOf } from "../../ffi/plan/assume.ts";
import type { Answer, Call } from "../../ffi/plan/walk.ts";
import { pidfdOpen } from "../../ffi/pidfd.ts";
import { fstat, major, minor, type Stat, statx } from "../../ffi/stat.ts";
import { close, read } from "../../ffi/unistd.ts";
import { withFile } from "./host.ts";
import { executable, type Found, type Looker, lookUp, readable } from "./lookup.ts";
import { DONE, failed, type Predict } from "./predict.ts";
import { capable, descriptor, inside, type Open, type State } from "./state.ts";

const AT_FDCWD = BigInt(HERE);

/** Who looks for files; nobody if it is not known where. */
function looker(state: State): Looker | undefined {
  const { uid, gid, groups, root, directory, user, host } = state;
  if (root === undefined || directory === undefined) return undefined;
  const overrides = user === host.own && capable(state, CAP_DAC_OVERRIDE, user);
  return { uid, gid, groups, overrides, root, directory };
}

/** What a path leads to; nothing if that can't be known now. */
function look(state: State, path: string): Found | undefined {
  const from = looker(state);
  if (!from || state.mounts.some((mount) => path === mount || path.startsWith(`${mount}/`))) {
    return undefined;
  }
  // A process that is only foretold
  const [, pid] = /^\/proc\/(\d+)\//.exec(path) ?? [];
  if (pid !== undefined && processOf(state, Number(pid))) return undefined;
  return lookUp(path, from);
}

/** What becomes of calls on files. */
export const FILES: Readonly<Partial<Record<string, Predict>>> = {
  openat: ({ process: { state, memory } }, directory, at, flags) => {
    const given = memory.text(at!);
    const path = pathFrom(state, directory!, given);
    if (path === undefined) {
      return openMade(state, directory!, given, (Number(flags) & O_CREAT) !== 0) ??
        { result: opened(state, { path: given }) };
    }
    const found = look(state, path);
    if (!found) return { result: opened(state, { path }) };
    if ("errno" in found) return failed(found.errno);
    const reads = (Number(flags) & (O_ACCMODE | O_PATH)) === 0;
    const errno = reads ? readable(path, looker(state)!) : 0;
    if (errno !== 0) return failed(errno);
    return { result: opened(state, { path, real: found.path } as Open) };
  },
  read: ({ process: { state, memory } }, fd, buffer, size) => {
    const open = descriptor(state, fd!) as Open;
    const { real } = open;
    if (real === "/dev/zero") {
      for (let i = 0n; i < size!; i++) memory.store(buffer! + i, 1, { value: 0n });
      return { result: Number(size) };
    }
    if (real === undefined || ((statOf(open)?.mode ?? 0) & S_IFMT) !== S_IFREG) return undefined;
    const bytes = new Uint8Array(Math.min(Number(size), 4096));
    const length = optional(() => withFile(real, (fd) => read(fd, bytes))) ?? 0;
    bytes.subarray(0, length).forEach((byte, i) =>
      memory.store(buffer! + BigInt(i), 1, { value: BigInt(byte) })
    );
    return { result: length };
  },
  mkdirat: ({ process: { state, memory } }, directory, at) => {
    const given = memory.text(at!);
    const path = pathFrom(state, directory!, given);
    // What is in it then is not known, as with a mount.
    if (path !== undefined) state.mounts = [...state.mounts, path];
    make(state, directory!, given);
    return DONE;
  },
  mount: ({ process: { state, memory } }, _source, target) => {
    const path = memory.text(target!);
    const found = look(state, path);
    if (found && "errno" in found) return failed(found.errno);
    if (path !== "/") state.mounts = [...state.mounts, path];
    return DONE;
  },
  chroot: ({ process: { state, memory } }, at) => {
    const found = look(state, memory.text(at!));
    if (found && "errno" in found) return failed(found.errno);
    state.root = found && (found.path === "/" ? "" : found.path);
    state.mounts = [];
    return DONE;
  },
  chdir: ({ process: { state, memory } }, at) => {
    const found = look(state, memory.text(at!));
    if (found && "errno" in found) return failed(found.errno);
    state.directory = found && (found.path === "/" ? "" : found.path);
    return DONE;
  },
  fchdir: ({ process: { state } }, fd) => {
    const { real } = descriptor(state, fd!) as Open;
    state.directory = real === "/" ? "" : real;
    return DONE;
  },
  execve: ({ name, args, process, step }, at, argv) => {
    const { state, memory } = process;
    const path = memory.text(at!);
    const from = looker(state);
    if (from) {
      const errno = executable(path, from);
      if (errno !== 0) return failed(errno);
    }
    const [, kind] = /\/new([ug]id)map$/.exec(path) as [string, "uid" | "gid"] | null ?? [];
    if (kind) mapBy(state, kind, strings(memory, argv!));
    return assuming({ name, args, process, step }) as Answer<State>;
  },
  statx: ({ process: { state, memory } }, fd, at, _flags, _mask, buffer) => {
    const given = memory.text(at!);
    const path = given === "" ? undefined : pathFrom(state, fd!, given);
    const looked = path === undefined ? undefined : look(state, path);
    if (looked && "errno" in looked) return failed(looked.errno);
    const found = looked?.stat ??
      (given === "" ? statOf(descriptor(state, fd!) as Open) : undefined);
    if (!found) return undefined;
    const { user } = state;
    // struct statx
    const put = (offset: bigint, size: number, value: number | bigint): void =>
      memory.store(buffer! + offset, size, { value: BigInt(value) });
    put(20n, 4, inside(user, "uid", found.uid));
    put(24n, 4, inside(user, "gid", found.gid));
    put(28n, 2, found.mode);
    put(32n, 8, found.ino);
    put(40n, 8, found.size);
    put(128n, 4, major(found.rdev));
    put(132n, 4, minor(found.rdev));
    put(136n, 4, major(found.dev));
    put(140n, 4, minor(found.dev));
    return DONE;
  },
  open_tree: ({ process: { state, memory } }, directory, at) => {
    const given = memory.text(at!);
    const path = pathFrom(state, directory!, given);
    const found = path === undefined ? undefined : look(state, path);
    if (found && "errno" in found) return failed(found.errno);
    return { result: opened(state, { path: given, ...(found && { real: found.path }) } as Open) };
  },
  fsopen: ({ process: { state, memory } }, type) => ({
    result: opened(state, { fileSystem: memory.text(type!) } as Open),
  }),
  fsmount: ({ process: { state } }, fd) => {
    const { fileSystem } = descriptor(state, fd!) as Open;
    // Another one of these has what the one here has.
    const real = { proc: "/proc", sysfs: "/sys" }[fileSystem ?? ""];
    const made = fileSystem === "tmpfs" ? { made: new Set(["/."]), within: "" } : {};
    return { result: opened(state, { ...made, ...(real && { real }) } as Open) };
  },
  openat2: ({ process: { state, memory } }, directory, at) => {
    const given = memory.text(at!);
    const path = pathFrom(state, directory!, given);
    // Where a directory leads that is open does not change with the root.
    const isOpen = BigInt.asIntN(64, directory!) !== AT_FDCWD && !given.startsWith("/");
    const from = isOpen ? { ...state, root: "", directory: "" } : state;
    const found = path === undefined ? undefined : look(from, path);
    if (found && "errno" in found) return failed(found.errno);
    if (found) return { result: opened(state, { path: given, real: found.path } as Open) };
    return openMade(state, directory!, given, false) ?? { result: opened(state) };
  },
  symlinkat: ({ process: { state, memory } }, _target, directory, at) => {
    make(state, directory!, memory.text(at!));
    return DONE;
  },
  pivot_root: ({ process: { state } }) => {
    state.root = state.directory = undefined;
    return DONE;
  },
};

/** Opens what lies in a file system that was empty; nothing is said of others. */
function openMade(
  state: State,
  directory: bigint,
  path: string,
  creates: boolean,
): Answer<State> | undefined {
  const { made, within } = descriptor(state, directory) as Open;
  if (!made) return undefined;
  const name = path === "." ? within || "/." : `${within}/${path}`;
  if (creates) made.add(name);
  else if (!made.has(name)) return failed(ENOENT);
  return { result: opened(state, { made, within: name } as Open) };
}

/** Puts something into a file system that was empty. */
function make(state: State, directory: bigint, path: string): void {
  const { made, within } = descriptor(state, directory) as Open;
  made?.add(`${within}/${path}`);
}

/** A path that starts at a directory that is open, if it is known where that is. */
function pathFrom(state: State, directory: bigint, path: string): string | undefined {
  if (path.startsWith("/") || BigInt.asIntN(64, directory) === AT_FDCWD) return path;
  const { real } = descriptor(state, directory) as Open;
  return real === undefined ? undefined : `${real}/${path}`;
}

/** What newuidmap(1) and newgidmap(1) do. */
function mapBy(state: State, kind: "uid" | "gid", [, pid, ...numbers]: readonly string[]): void {
  const target = processOf(state, Number(pid)) as State | undefined;
  if (!target?.user.parent) return;
  const ranges = Array.from(
    { length: Math.floor(numbers.length / 3) },
    (_, i) => numbers.slice(3 * i, 3 * i + 3).map(Number) as unknown as [number, number, number],
  );
  target.user.maps[kind] = ranges;
}

function strings(memory: Call<State>["process"]["memory"], array: bigint): string[] {
  const found: string[] = [];
  for (let at = array;; at += 8n) {
    const pointer = memory.load(at, 8).value;
    if (pointer === 0n) return found;
    found.push(memory.text(pointer));
  }
}

/** What an open file is. */
export function statOf({ real, pid }: Open): Stat | undefined {
  if (real !== undefined) return optional(() => statx(real));
  if (pid === undefined) return undefined;
  return optional(() => {
    const fd = pidfdOpen(pid);
    try {
      return fstat(fd);
    } finally {
      close(fd);
    }
  });
}
