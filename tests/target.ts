/**
 * A process to look at and to enter.
 *
 * @module
 */

const TIMEOUT = 120_000;

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
  for (const end = Date.now() + TIMEOUT; Date.now() < end;) {
    const file = `/proc/${child.pid}/task/${child.pid}/children`;
    const pid = Number(Deno.readTextFileSync(file));
    if (pid > 0 && Deno.readTextFileSync(`/proc/${pid}/comm`) === "sleep\n") {
      return { pid, [Symbol.asyncDispose]: dispose };
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await dispose();
  throw new Error("the target does not start");
}
