/**
 * environ(7): the environment of this process, as the C library has it.
 *
 * @module
 */
import { textAt } from "./bytes.ts";
import { address } from "./libc.ts";

/** `char **environ` itself, once it is known where it lies. */
let variable: BigUint64Array | undefined;

/** What it led to when it was last looked at. */
let known: { at: bigint; addresses: BigUint64Array } = { at: 0n, addresses: new BigUint64Array() };

/**
 * The addresses of the variables, and the zero behind them. They are looked at,
 * not copied: the next change of the environment may change them.
 */
export function environment(): BigUint64Array {
  variable ??= words(address("environ"), 1);
  const at = variable[0]!;
  if (at === 0n) return new BigUint64Array(1); // as clearenv(3) leaves it
  if (at !== known.at || known.addresses.indexOf(0n) !== known.addresses.length - 1) {
    known = { at, addresses: addressesAt(Deno.UnsafePointer.create(at)!) };
  }
  return known.addresses;
}

/** An array of addresses, up to a zero. */
function addressesAt(pointer: Deno.PointerObject): BigUint64Array {
  for (let size = 64;; size *= 2) {
    const array = words(pointer, size);
    const end = array.indexOf(0n);
    if (end !== -1) return array.subarray(0, end + 1);
  }
}

function words(pointer: Deno.PointerObject, length: number): BigUint64Array {
  return new BigUint64Array(Deno.UnsafePointerView.getArrayBuffer(pointer, 8 * length));
}

/** The variables, in their order. */
export function ownEnvironment(): string[] {
  const addresses = environment().subarray(0, -1);
  return Array.from(addresses, (address) => textAt(Deno.UnsafePointer.create(address)!));
}
