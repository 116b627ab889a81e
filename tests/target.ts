/**
 * A process to look at and to enter.
 *
 * @module
 */
import { children, comm, until } from "./processes.ts";

/** Starts a process in namespaces of its own. */
export async function startTarget(): Promise<{ pid: number } & AsyncDisposable> {
  const child = new Deno.Command("unshare", {
    args: ["-UrmuinpCf", "--kill-child", "sleep", "300"],
    stdin: "null",
    stdout: "null",
  }).spawn();
  const dispose = async (): Promise<void> => {
    try {
      child.kill("SIGKILL");
    } catch {
      // it has ended
    }
    await child.status;
  };
  try {
    const isTarget = (pid: number): boolean => comm(pid) === "sleep";
    const pid = await until("the target runs", () => children(child.pid).find(isTarget));
    return { pid, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
