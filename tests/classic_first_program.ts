/** The classic first program with namespaces: a shell that has a host name of its own. */
import { argument, clone, CLONE_NEWUSER, CLONE_NEWUTS, environment, execvp, plan } from "../mod.ts";

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
  flags: CLONE_NEWUSER | CLONE_NEWUTS,
  argv: ["bash", ...Deno.args],
});
wait();
console.log("quit");
