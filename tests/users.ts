/**
 * Users with ids that newuidmap(1) and newgidmap(1) let them have, without a
 * change to this machine: their files are mounted over those in /etc, in a mount
 * namespace that ends with the test.
 *
 * @module
 */
import { type Fixture, words } from "./differential.ts";

/** The users of the tests; alice is the harness's ordinary user. */
export const ETC: Fixture[] = [
  { path: "etc" },
  {
    path: "etc/passwd",
    text: `root:x:0:0::/:/bin/sh
alice:x:1000:1000::/:/bin/sh
bob:x:1001:1000::/:/bin/sh
carol:x:1002:1000::/:/bin/sh
dave:x:1003:1000::/:/bin/sh
erin:x:1004:1000::/:/bin/sh
frank:x:1005:1000::/:/bin/sh
7000:x:77:1000::/:/bin/sh
`,
  },
  {
    path: "etc/group",
    text: `root:x:0:
alice:x:1000:
staff:x:50:
8000:x:88:
`,
  },
  {
    path: "etc/subuid",
    text: `# comment
nobody:5:5
alice:100000:1000
alice:300000:10
1001:200000:500
carol:150000:0
dave:x:10
erin
frank: 180000 :12
root:400000:600
`,
  },
  {
    path: "etc/subgid",
    text: `staff:7:7
alice:110000:2000
1001:210000:400
bob:1:1
dave:160000:10x
erin:170000
frank:190000:12:13
0:500000:700
`,
  },
];

/** Runs what follows it in a mount namespace in which /etc has these files. */
export function inEtc(...then: string[]): string[] {
  const script = `for file in passwd group subuid subgid
    do mount --bind {tmp}/etc/$file /etc/$file || exit; done
    exec "$@"`;
  return ["{unshare}", "-m", "--propagation", "private", "sh", "-c", script, "sh", ...then];
}

/** The same without any file in /etc but those of users and groups. */
export function inBareEtc(...then: string[]): string[] {
  const script = `mount -t tmpfs none {tmp}/mnt && cp {tmp}/etc/passwd {tmp}/etc/group {tmp}/mnt &&
    mount --bind {tmp}/mnt /etc && exec "$@"`;
  return ["{unshare}", "-m", "--propagation", "private", "sh", "-c", script, "sh", ...then];
}

/** Becomes a user without privileges. */
export function as(uid: number): string[] {
  return words(`setpriv --reuid ${uid} --regid 1000 --clear-groups env DENO_DIR={tmp}/deno-user`);
}
