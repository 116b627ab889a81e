/**
 * A plan as a function of this thread.
 *
 * The interpreter lies in executable memory once, and is given the plan to walk,
 * which is data like any other.
 *
 * @module
 */
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE } from "../constants/mman.ts";
import { clearCache } from "../libgcc.ts";
import { mmap, mprotect } from "../mman.ts";
import type { Architecture } from "./arch.ts";
import { host } from "./host.ts";
import { layout } from "./layout.ts";
import type { Cell, Plan } from "./step.ts";

/** A plan that can be called. */
export interface Callable {
  /** The address of each step, by which a failure names it. */
  readonly steps: readonly number[];
  /** Gives the cells what they hold at the start. */
  reset(): void;
  /** Walks the plan to its `return`, while this memory stays where it is. */
  call(memory: Uint8Array<ArrayBuffer>): void;
  /** What a cell holds. */
  read(cell: Cell): bigint;
  /** Sets what a cell holds. */
  write(cell: Cell, value: bigint): void;
}

/** Makes a function of a plan, which lies in memory as long as this is kept. */
export function callable(plan: Plan): Callable {
  const arch = { ...host(), interpreter: new Uint8Array() };
  const { code, cells, data, steps } = place(plan, arch);
  walker ??= makeWalker(host());
  const walk = walker.call.bind(walker);
  return {
    steps,
    reset: () => {
      cells.fill(0n);
      cells.set(data);
    },
    call: (memory) => walk(code, memory),
    read: ({ offset }) => cells[offset / 8]!,
    write: ({ offset }, value) => void (cells[offset / 8] = value),
  };
}

/** Lays a plan out for where it lies: its cells, then what is only read. */
function place(plan: Plan, arch: Architecture): {
  code: Uint8Array<ArrayBuffer>;
  cells: BigInt64Array;
  data: BigInt64Array;
  steps: readonly number[];
} {
  // How large it gets is known afterwards.
  for (let size = plan.dataSize + 4096 + plan.steps.length * 96;; size *= 2) {
    const memory = new Uint8Array(size);
    const address = Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory)));
    const { code, data, steps } = layout(plan, arch, address + plan.dataSize, address, () => false);
    if (plan.dataSize + code.length > size) continue;
    memory.set(code, plan.dataSize);
    return {
      code: memory.subarray(plan.dataSize),
      cells: new BigInt64Array(memory.buffer, 0, plan.dataSize / 8),
      data: new BigInt64Array(data.buffer, data.byteOffset, data.length / 8),
      steps,
    };
  }
}

type Walker = Deno.UnsafeFnPointer<
  // void walk(const void *plan, const void *memory);
  { readonly parameters: readonly ["buffer", "buffer"]; readonly result: "void" }
>;

/** The interpreter, once it has been needed; a thread keeps it. */
let walker: Walker | undefined;

function makeWalker({ interpreter, call }: Architecture): Walker {
  const { length } = interpreter;
  const memory = mmap(length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(memory, length)).set(interpreter);
  mprotect(memory, length, PROT_READ | PROT_EXEC);
  clearCache(memory, length);
  const start = Deno.UnsafePointer.offset(memory, call) as Deno.PointerObject<never>;
  const definition = { parameters: ["buffer", "buffer"], result: "void" } as const;
  return new Deno.UnsafeFnPointer(start, definition) as Walker;
}
