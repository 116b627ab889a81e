/**
 * How an executable ends when a step fails: it says
 * `<program>: <message>: <text of the errno>` and exits.
 *
 * @module
 */
import { encode } from "../bytes.ts";
import { ENOSYS, ERROR_TEXTS } from "../constants/errno.ts";
import { plan } from "./builder.ts";
import { AT } from "./layout.ts";
import { type Cell, ERRNO, FAILED, type Operand, type Plan } from "./step.ts";

const STDERR = 2;
const TEXT_MAX = 4096;

/** The plan with a failure that reports the failed step and exits. */
export function reporting(base: Plan): Plan {
  const whole = plan(base.name, (p) => {
    const iov = p.cell("iov", 4 * 16);
    const part = (index: number, address: Operand, length: Operand): void => {
      p.control("store64", [{ addressOf: iov }, 16 * index, address]);
      p.control("store64", [{ addressOf: iov }, 16 * index + 8, length]);
    };
    const field = (of: Cell, index: number): Cell => p.control("load64", [of, 8 * index]);
    const string = (index: number, address: Cell): void => {
      const text = p.cell("text", TEXT_MAX);
      const length = p.control("copy", [{ addressOf: text }, address, 0, TEXT_MAX]);
      part(index, { addressOf: text }, length);
    };
    /** A string at an address, if there is one. */
    const possible = (index: number, address: Cell): void => {
      const none = p.label();
      p.branch("equal", address, 0, none);
      string(index, address);
      p.place(none);
    };
    /** A string that a cell of the plan points to, if the message has such a cell. */
    const pointed = (index: number, cell: Cell): void => {
      const none = p.label();
      p.branch("equal", cell, 0, none);
      possible(index, field(cell, 0));
      p.place(none);
    };

    const message = field(FAILED, AT.message / 8);
    part(0, field(message, 0), field(message, 1));
    pointed(1, field(message, 2));
    pointed(3, field(message, 3));
    p.when("equal", ERRNO, field(message, 5), () => possible(3, field(message, 6)), () => {
      p.when("equal", ERRNO, ENOSYS, () => possible(3, field(message, 7)));
    });

    // The line of the errno, counted off from the first.
    const line = p.control("add", [encode(LINES), 0]);
    const count = p.control("add", [ERRNO, 0]);
    const known = p.label();
    p.branch("less", count, ERROR_TEXTS.length, known);
    p.set(count, ERROR_TEXTS.length);
    p.place(known);
    const [again, found] = [p.here(), p.label()];
    const size = p.control("copy", [
      { addressOf: p.cell("line", TEXT_MAX) },
      line,
      "\n".charCodeAt(0),
      TEXT_MAX,
    ]);
    p.branch("equal", count, 0, found);
    p.control("add", [line, size], { result: line });
    p.control("add", [line, 1], { result: line });
    p.control("sub", [count, 1], { result: count, next: again });
    p.place(found);
    part(2, line, p.control("add", [size, 1]));

    const exit = p.label();
    p.call("writev", [STDERR, { addressOf: iov }, 4], { why: "say what failed", fail: exit });
    p.place(exit);
    p.call("exit_group", [field(message, 4)], { why: "the status of a failure" });
  }, base);
  return { ...whole, failure: base.steps.length };
}

/** `: text` for each errno, and one for all above. */
const LINES = `: ${ERROR_TEXTS.join("\n: ")}\n: Unknown error\n`;
