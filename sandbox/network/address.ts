/**
 * Internet addresses as text and as bytes, see inet_pton(3).
 *
 * @module
 */
import type { Prefix } from "../../ffi/netlink.ts";

/**
 * The bytes of an address, 4 or 16.
 *
 * @throws {RangeError} when it is none
 */
export function parseAddress(text: string): Uint8Array {
  const bytes = text.includes(":") ? parseVersion6(text) : parseVersion4(text);
  if (!bytes) throw new RangeError(`'${text}' is not an internet address`);
  return new Uint8Array(bytes);
}

function parseVersion4(text: string): number[] | undefined {
  const parts = text.split(".");
  const valid = parts.length === 4 &&
    parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256);
  return valid ? parts.map(Number) : undefined;
}

function parseVersion6(text: string): number[] | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [first, second] = [halves[0]!, halves[1] ?? ""]
    .map((half) => half === "" ? [] : parseGroups(half.split(":")));
  if (!first || !second) return undefined;
  const gap = 16 - first.length - second.length;
  if (halves.length === 1 ? gap !== 0 : gap < 2) return undefined;
  return [...first, ...Array(gap).fill(0), ...second];
}

/** The bytes of groups of hexadecimal digits, of which the last may be an IPv4 address. */
function parseGroups(groups: string[]): number[] | undefined {
  const bytes: number[] = [];
  for (const [i, group] of groups.entries()) {
    if (/^[\da-f]{1,4}$/i.test(group)) {
      const value = parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    } else {
      const last = i === groups.length - 1 ? parseVersion4(group) : undefined;
      if (!last) return undefined;
      bytes.push(...last);
    }
  }
  return bytes;
}

/**
 * An address with how many bits of it the network has, as in `10.0.0.2/24`.
 *
 * @throws {RangeError} when it is none
 */
export function parsePrefix(text: string): Prefix {
  const [, address, bits] = /^([^/]*)\/(\d{1,3})$/.exec(text) ?? [];
  if (address === undefined) {
    throw new RangeError(
      `'${text}' is not an address with the bits of its network, as 10.0.0.2/24`,
    );
  }
  const bytes = parseAddress(address);
  if (Number(bits) > 8 * bytes.length) throw new RangeError(`'${text}' has too many bits`);
  return { address: bytes, bits: Number(bits) };
}

/** The text of an address. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(2 * i).toString(16)).join(":");
  const zeros = [...groups.matchAll(/(?<=^|:)0(:0)+(?=:|$)/g)].map(([match]) => match);
  const longest = zeros.sort((a, b) => b.length - a.length)[0];
  if (longest === undefined) return groups;
  const at = groups.search(new RegExp(`(?<=^|:)${longest}(?=:|$)`));
  return `${groups.slice(0, at).replace(/:$/, "")}::${
    groups.slice(at + longest.length).replace(/^:/, "")
  }`;
}
