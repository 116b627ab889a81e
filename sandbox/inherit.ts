/**
 * Which descriptors a program gets.
 *
 * @module
 */
import { CLOSE_RANGE_CLOEXEC } from "../ffi/constants/close_range.ts";
import { F_DUPFD_CLOEXEC } from "../ffi/constants/fcntl.ts";
import type { Builder } from "../ffi/plan/builder.ts";
import { ALL_DESCRIPTORS } from "./descriptors.ts";
import { NEEDS } from "./kernel.ts";

/** For each descriptor that the program gets, the one that it is here. */
export type Descriptors = Readonly<Record<number, number>>;

/**
 * Has the program get these descriptors, 0, 1 and 2, and no others. Nothing
 * that opens a descriptor for the program may come behind it.
 */
export function passDescriptors(p: Builder, descriptors: Descriptors): void {
  const wanted = Object.entries(descriptors).map(([to, from]) => [Number(to), from] as const);
  // First out of the way of each other: one may have the number that another gets.
  const above = Math.max(2, ...wanted.map(([to]) => to)) + 1;
  const copies = wanted.map(([to, from]) => ({
    to,
    copy: p.call("fcntl", [from, F_DUPFD_CLOEXEC, above], {
      why: `descriptor ${from} becomes ${to}`,
      message: `cannot pass descriptor ${from} on`,
    }),
  }));
  p.call("close_range", [3, ALL_DESCRIPTORS, CLOSE_RANGE_CLOEXEC], {
    why: "the program gets no descriptor by accident",
    message: "cannot mark descriptors close-on-exec",
    needs: NEEDS.closeOnExec,
  });
  for (const { to, copy } of copies) {
    p.call("dup3", [copy, to, 0], { message: `cannot pass descriptor ${to} on` });
  }
}
