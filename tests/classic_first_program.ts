/** The classic first program with namespaces: a shell that has a host name of its own. */
import { CLONE_NEWUTS } from "../ffi/sched.ts";
import { plan } from "../ffi/plan/builder.ts";
import { clone } from "../ffi/plan/clone.ts";
import { execvp } from "../ffi/plan/execvp.ts";
import { argument, environment } from "../ffi/plan/stack.ts";

// What the child does, as data: no JavaScript runs in it.
const child = plan("child", (p) => {
  const text = "in child process!\n";
  p.call("write", [1, text, text.length]);
  p.call("sethostname", ["changed namespace", 12], {
    why: "only the new UTS namespace has this name",
    message: "cannot set the host name",
  });
  execvp(p, "bash", argument(p, 0), environment(p));
});

const { wait } = clone(child, {
  flags: CLONE_NEWUTS,
  argv: ["bash", ...Deno.args],
});
wait();
console.log("quit");
