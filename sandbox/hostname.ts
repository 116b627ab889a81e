/**
 * The names that a UTS namespace has, see uts_namespaces(7).
 *
 * @module
 */
import { encode } from "../ffi/bytes.ts";
import type { Builder } from "../ffi/plan/builder.ts";

/** Names the host. */
export function nameHost(p: Builder, name: string): void {
  const bytes = encode(name);
  p.call("sethostname", [name, bytes.length], {
    why: "only this UTS namespace has this name",
    message: `cannot set the host name to '${name}'`,
  });
}

/** Names the NIS domain. */
export function nameDomain(p: Builder, name: string): void {
  const bytes = encode(name);
  p.call("setdomainname", [name, bytes.length], {
    why: "only this UTS namespace has this domain",
    message: `cannot set the domain name to '${name}'`,
  });
}
