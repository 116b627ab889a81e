/**
 * This process, or rather a thread of it, in other namespaces.
 *
 * A namespace belongs to a thread. What Deno does on the calling thread sees
 * the namespaces that were entered; what it gives to other threads, which are
 * there already, does not. mod.ts has a table of it.
 *
 * Not to be entered at all are user and time namespaces, since the kernel asks
 * for a process of one thread. A pid namespace holds for children only, and
 * takes from this process the right to make threads.
 *
 * @module
 */
import { EINVAL } from "../ffi/constants/errno.ts";
import { SyscallError } from "../ffi/errno.ts";
import { O_CLOEXEC, O_RDONLY, open } from "../ffi/fcntl.ts";
import { raw } from "../ffi/libc.ts";
import { CLONE_FS, setns, threadHint, unshare } from "../ffi/sched.ts";
import { fstat, statx } from "../ffi/stat.ts";
import { chroot, close, fchdir, write } from "../ffi/unistd.ts";
import type { Namespace } from "./namespace.ts";
import { type NamespaceName, NAMESPACES } from "./namespaces.ts";

/** What Deno, which has several threads, can't be in or can't go on in. */
const REFUSED: ReadonlySet<NamespaceName> = new Set(["user", "time", "pid"]);

/**
 * Runs a function in other namespaces, on this thread, and comes back.
 *
 * The function must be synchronous: what comes behind an `await` would run when
 * the thread is back. The old namespaces, root and working directory are there
 * again also when it throws. With a mount namespace, the working directory is
 * the root of that; and this thread has, from then on, a root and a working
 * directory of its own, which other threads do not share.
 *
 * If there is no way back, the process ends with status 1 and says why, since
 * it would go on in the wrong place.
 *
 * See setns(2).
 *
 * @param namespaces a namespace, or several of different kinds
 * @param fn what to do there
 * @returns what it returns
 * @throws {SyscallError} when a namespace can't be entered: EPERM; EINVAL for a
 *   user, time or pid namespace, which are for {@linkcode spawn}
 * @throws {TypeError} when the function is asynchronous
 *
 * @example
 * ```ts
 * import { gethostname, openNamespace, withNamespace } from "@denspace/denspace";
 *
 * function hostNameOf(pid: number): string {
 *   using uts = openNamespace({ pid, type: "uts" });
 *   return withNamespace(uts, gethostname);
 * }
 * ```
 */
export function withNamespace<T>(namespaces: Namespace | readonly Namespace[], fn: () => T): T {
  if (Object.prototype.toString.call(fn) === "[object AsyncFunction]") {
    throw new TypeError("fn must not be asynchronous: it would go on outside of the namespaces");
  }
  const wanted = inOrder("type" in namespaces ? [namespaces] : namespaces);
  const mount = wanted.some(({ type }) => type === "mount");
  const opened: number[] = [];
  const opens = (path: string): number => {
    const fd = open(path, O_RDONLY | O_CLOEXEC);
    opened.push(fd);
    return fd;
  };
  try {
    const [root, directory] = [opens("/"), opens(".")];
    const old = wanted.map(({ type }) => ({
      fd: opens(`/proc/thread-self/ns/${NAMESPACES[type].file}`),
      type,
    }));
    const entered: typeof old = [];
    const goBack = (): void => {
      // Threads that were made there share the root and working directory.
      if (mount) unshare(CLONE_FS);
      for (const { fd, type } of entered.reverse()) setns(fd, NAMESPACES[type].flag);
      if (mount || !isRoot(root)) {
        fchdir(root);
        chroot(".");
      }
      fchdir(directory);
    };
    try {
      if (mount) unshare(CLONE_FS);
      wanted.forEach(({ fd, type }, i) => {
        setns(fd, NAMESPACES[type].flag);
        entered.push(old[i]!);
      });
      const result = fn();
      if (typeof (result as { then?: unknown } | undefined)?.then === "function") {
        throw new TypeError("fn must not return a promise: it goes on outside of the namespaces");
      }
      return result;
    } finally {
      orEnd(goBack);
    }
  } finally {
    opened.forEach(close);
  }
}

/**
 * A Web Worker whose thread lives in other namespaces. All that it does, the
 * asynchronous as well, happens there.
 *
 * With a mount namespace its module must be found there, or be a `data:` or
 * `blob:` URL. See setns(2).
 *
 * @param namespaces a namespace, or several of different kinds
 * @param url its module
 * @param options options of the worker; it is always one of modules
 * @returns the worker; the caller terminates it
 * @throws {SyscallError} when a namespace can't be entered: EPERM; EINVAL for a
 *   user, time or pid namespace
 *
 * @example
 * ```ts
 * import { namespaceWorker, openNamespace } from "@denspace/denspace";
 *
 * function serveIn(pid: number): Worker {
 *   using network = openNamespace({ pid, type: "net" });
 *   return namespaceWorker(network, new URL("data:text/javascript,Deno.serve(() => new Response())"));
 * }
 * ```
 */
export function namespaceWorker(
  namespaces: Namespace | readonly Namespace[],
  url: string | URL,
  options: Omit<WorkerOptions, "type"> = {},
): Worker {
  return withNamespace(namespaces, () => new Worker(url, { ...options, type: "module" }));
}

/** The mount namespace last, since it changes what a path means. */
function inOrder(namespaces: readonly Namespace[]): Namespace[] {
  for (const { type } of namespaces) {
    if (!REFUSED.has(type)) continue;
    throw new SyscallError("setns", EINVAL, {
      step: `cannot enter a ${type} namespace`,
      hint: threadHint(),
    });
  }
  const isMount = ({ type }: Namespace): number => Number(type === "mount");
  return [...namespaces].sort((a, b) => isMount(a) - isMount(b));
}

function isRoot(fd: number): boolean {
  const [own, now] = [fstat(fd), statx("/")];
  return own.dev === now.dev && own.ino === now.ino;
}

/** Does what must not fail; ends the process, with the reason, if it does. */
function orEnd(action: () => void): void {
  try {
    action();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    write(2, `denspace: cannot return to the old namespaces: ${reason}\n`);
    raw("_exit", 1);
  }
}
