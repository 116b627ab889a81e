/**
 * How an executable ends when a step fails: it says
 * `<program>: <message>: <text of the errno>` and exits.
 *
 * @module
 */
import { ERROR_TEXTS } from "../constants/errno.ts";
import { plan } from "./builder.ts";
import { MESSAGE_OFFSET } from "./layout.ts";
import { type Cell, ERRNO, FAILED, type Operand, type Plan } from "./step.ts";

const STDERR = 2;

/** The plan with a failure that reports the failed step and exits. */
export function reporting(base: Plan): Plan {
  const whole = plan(base.name, (p) => {
    const iov = p.cell("iov", 3 * 16);
    const part = (index: number, address: Operand, length: Operand) => {
      p.control("store64", [{ addressOf: iov }, 16 * index, address]);
      p.control("store64", [{ addressOf: iov }, 16 * index + 8, length]);
    };
    const field = (of: Cell, offset: number) => p.control("load64", [of, offset]);

    const message = field(FAILED, MESSAGE_OFFSET);
    part(0, field(message, 0), field(message, 8));

    const subject = field(message, 16);
    const none = p.label();
    p.branch("equal", subject, 0, none);
    const text = field(subject, 0);
    const length = p.cell("length");
    const [again, end] = [p.here(), p.label()];
    p.branch("equal", p.control("load8", [text, length]), 0, end);
    p.control("add", [length, 1], { result: length, next: again });
    p.place(end);
    part(1, text, length);
    p.place(none);

    const { texts, offsets } = errorTexts();
    const number = p.control("add", [ERRNO, 0]);
    const known = p.label();
    p.branch("less", number, ERROR_TEXTS.length, known);
    p.control("add", [ERROR_TEXTS.length, 0], { result: number });
    p.place(known);
    const pair = p.control("load32", [
      offsets,
      p.control("shl", [number, 1]),
    ]);
    const from = p.control("and", [pair, 0xffff]);
    const to = p.control("shr", [pair, 16]);
    part(2, p.control("add", [texts, from]), p.control("sub", [to, from]));

    const exit = p.label();
    p.call("writev", [STDERR, { addressOf: iov }, 3], { fail: exit });
    p.place(exit);
    p.call("exit_group", [field(message, 24)]);
  }, base);
  return { ...whole, failure: base.steps.length };
}

/** Every text as `: text\n`, one behind the other, and where each begins (u16). */
function errorTexts(): { texts: Uint8Array; offsets: Uint8Array } {
  const lines = [...ERROR_TEXTS, "Unknown error"].map((text) => `: ${text}\n`);
  const offsets = new Uint16Array(lines.length + 1);
  let end = 0;
  lines.forEach((line, i) => offsets[i + 1] = end += line.length);
  return {
    texts: new TextEncoder().encode(lines.join("")),
    offsets: new Uint8Array(offsets.buffer),
  };
}
