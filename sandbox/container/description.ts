/**
 * What a running container tells of itself: its supervisor keeps a description in
 * memory that nobody can change, and whoever starts a further program in the
 * container finds it there.
 *
 *     supervisor                               exec
 *     memfd_create, write, seal
 *     ...                                      /proc/PID/fd/N -> /memfd:denspace-container
 *                                              read
 *
 * The container itself never has that descriptor.
 *
 * @module
 */
import { decode, encode } from "../../ffi/bytes.ts";
import { EINVAL } from "../../ffi/constants/errno.ts";
import { readdir } from "../../ffi/dirent.ts";
import { F_ADD_SEALS, F_GET_SEALS, fcntl, O_CLOEXEC, O_RDONLY, open } from "../../ffi/fcntl.ts";
import { readFile } from "../../ffi/file.ts";
import { optional } from "../../ffi/libc.ts";
import { MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_NOEXEC_SEAL } from "../../ffi/mman.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import { SEALS } from "../../ffi/plan/image.ts";
import { type Cell, ERRNO } from "../../ffi/plan/step.ts";
import { close, readlink } from "../../ffi/unistd.ts";
import type { NamespaceName } from "../namespaces.ts";
import type { Filter } from "../seccomp/filter.ts";
import type { Process } from "./oci.ts";
import type { Container } from "./resolve.ts";

/** What a container tells. */
export interface Description {
  /** The program that it was started with. */
  readonly process: Process;
  /** The namespaces that it does not share with who started it. */
  readonly namespaces: readonly NamespaceName[];
  /** What concerns a further program, too. */
  readonly annotations: Readonly<Record<string, string>>;
  /** The filter of system calls. */
  readonly filter: Filter | undefined;
}

const NAME = "denspace-container";

/** Puts the description of a container into sealed memory; its descriptor. */
export function holdDescription(
  p: Builder,
  { process, made: own, joined, config: { annotations = {} } }: Container,
  filter: Filter | undefined,
): Cell {
  // A line of JSON, then the filter's program.
  const head = encode(
    JSON.stringify({
      process,
      namespaces: [...own, ...joined.keys()],
      annotations,
      ...(filter && { filter: { flags: filter.flags, size: filter.program.length } }),
    }) + "\n",
  );
  const message = "cannot keep the description of the container";
  const fd = p.cell("description");
  const [refused, old, made] = [p.label(), p.label(), p.label()];
  p.call("memfd_create", [NAME, MFD_CLOEXEC | MFD_NOEXEC_SEAL], {
    why: "what the container is, for who starts a further program in it",
    result: fd,
    next: made,
    fail: refused,
  });
  p.place(refused);
  p.branch("equal", ERRNO, EINVAL, old);
  p.control("raise", [ERRNO], { message });
  p.place(old);
  p.call("memfd_create", [NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING], {
    why: "before Linux 6.3 there is no such flag",
    message,
    result: fd,
  });
  p.place(made);
  const write = (bytes: Uint8Array, why: string): void => {
    p.call("write", [fd, bytes, bytes.length], { why, message });
  };
  write(head, "the program that it was started with, and its namespaces");
  if (filter) write(filter.program, "its filter of system calls");
  p.call("fcntl", [fd, F_ADD_SEALS, SEALS], {
    why: "nobody can change it any more",
    message: "cannot seal the description of the container",
  });
  return fd;
}

/**
 * The description that a process keeps, if it is a container's supervisor.
 *
 * @throws {SyscallError} when we may not look at the process
 */
export function findDescription(pid: number): Description | undefined {
  const directory = `/proc/${pid}/fd`;
  for (const name of readdir(directory)) {
    const path = `${directory}/${name}`;
    if (optional(() => readlink(path)) !== `/memfd:${NAME} (deleted)`) continue;
    const fd = open(path, O_RDONLY | O_CLOEXEC);
    try {
      if ((fcntl(fd, F_GET_SEALS) & SEALS) === SEALS) return parse(readFile(`/proc/self/fd/${fd}`));
    } finally {
      close(fd);
    }
  }
  return undefined;
}

function parse(bytes: Uint8Array): Description | undefined {
  const end = bytes.indexOf("\n".charCodeAt(0));
  const { filter, ...rest } = JSON.parse(decode(bytes.subarray(0, end)));
  const program = bytes.subarray(end + 1);
  if (program.length !== (filter?.size ?? 0)) return undefined;
  return { ...rest, filter: filter && { flags: filter.flags, program } };
}
