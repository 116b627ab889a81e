// The plan interpreter for aarch64. Position independent. Its bytes stand in
// aarch64.ts; a test assembles this file and compares:
//
//   aarch64-linux-gnu-as aarch64.s -o x.o && aarch64-linux-gnu-objcopy -O binary x.o x.bin
//
// It has two ways in. An executable begins at the first byte, and has its table
// behind the last one. `call` is a C function, void call(const void *table), whose
// end is `return`.
//
// layout.ts describes what it walks: a header (the addresses of the context and
// of the first step), then the steps. Its state is three registers:
//
//   x19  the step that runs
//   x20  the context: the stack pointer at the start, then, after a failure,
//        the step that failed and its errno
//   sp   the stack as it was given, with three registers on it; nothing is pushed,
//        so a child that shares it, as after vfork(2), spoils nothing
//
// A system call preserves every register but x0.

// a step
.set OP, 0            // u32: system call number; with bit 31: a control operation
.set REFS, 4          // u8:  bit i: argument i is the address of the value
.set RESULT, 8        // u64: where the result goes
.set NEXT, 16         // u64: the step after success
.set FAIL, 24         // u64: the step after failure
.set ACCEPT, 32       // u64: bit n: errno n counts as success
.set ARGS, 48         // u64 each. (40 is the failure message, for other steps to load)

// the context
.set STACK, 0
.set FAILED, 8        // u64
.set ERRNO, 16        // u64, right behind it

.macro argument index
        ldr     x\index, [x19, ARGS + 8 * \index]
        tbz     w9, \index, 1f
        ldr     x\index, [x\index]
1:
.endm

start:
        adr     x0, header
call:
        mov     x9, sp
        stp     x19, x20, [sp, -32]!
        str     x30, [sp, 16]
        ldp     x20, x19, [x0]
        str     x9, [x20, STACK]

        // Loading more arguments than the step has is harmless: the words behind
        // it are readable and the kernel looks at no more than the call takes.
step:
        ldrb    w9, [x19, REFS]
        argument 0
        argument 1
        argument 2
        argument 3
        argument 4
        argument 5
        ldr     w8, [x19, OP]
        tbnz    w8, 31, control

        svc     0
        ldr     x9, [x19, RESULT]
        str     x0, [x9]
        cmn     x0, 4095                // no carry: not one of the last 4095 numbers
        b.cc    next
        neg     x1, x0
        cmp     x1, 63
        b.hi    failed
        ldr     x9, [x19, ACCEPT]
        lsr     x9, x9, x1
        tbnz    x9, 0, next
failed:                                 // with the errno in x1
        stp     x19, x1, [x20, FAILED]  // ERRNO as well
otherwise:
        ldr     x19, [x19, FAIL]
        b       step

done:
        ldr     x9, [x19, RESULT]
        str     x0, [x9]
next:
        ldr     x19, [x19, NEXT]
        b       step

control:
        and     w8, w8, 0xff
        adr     x9, operations
        ldrb    w10, [x9, x8]
        add     x9, x9, x10, lsl 2
        br      x9

        // The order is that of CONTROL in step.ts. An instruction has 4 bytes.
operations:
        .irp    name, add, sub, and, or, shl, shr, load8, load32, load64, store8, store32, store64, equal, less, find, copy, decimal, raise, return
        .byte   (op_\name - operations) / 4
        .endr
        .balign 4, 0

op_add: add     x0, x0, x1
        b       done
op_sub: sub     x0, x0, x1
        b       done
op_and: and     x0, x0, x1
        b       done
op_or:  orr     x0, x0, x1
        b       done
op_shl: lsl     x0, x0, x1
        b       done
op_shr: lsr     x0, x0, x1
        b       done

        // load address, offset
op_load8:
        ldrb    w0, [x0, x1]
        b       done
op_load32:
        ldr     w0, [x0, x1]
        b       done
op_load64:
        ldr     x0, [x0, x1]
        b       done

        // store address, offset, value
op_store8:
        strb    w2, [x0, x1]
        b       next
op_store32:
        str     w2, [x0, x1]
        b       next
op_store64:
        str     x2, [x0, x1]
        b       next

        // a condition that does not hold is no failure: it only branches
op_equal:
        cmp     x0, x1
        b.eq    next
        b       otherwise
op_less:
        cmp     x0, x1
        b.lo    next
        b       otherwise

        // find strings, word, mask: the first of a NULL-terminated array of strings
        // that begins with the word, as far as the mask goes; or 0
op_find:
        mov     x9, x0
1:      ldr     x0, [x9], 8
        cbz     x0, done
        ldr     x10, [x0]
        and     x10, x10, x2
        cmp     x10, x1
        b.ne    1b
        b       done

        // copy to, from, stop, limit: copies bytes up to a NUL, a stop or the limit;
        // the result is their number
op_copy:
        mov     x9, x0
        mov     x0, 0
1:      cmp     x0, x3
        b.eq    done
        ldrb    w10, [x1, x0]
        cbz     w10, done
        cmp     w10, w2
        b.eq    done
        strb    w10, [x9, x0]
        add     x0, x0, 1
        b       1b

        // decimal number, address: the result is the address behind the last digit
op_decimal:
        mov     x9, 10
        mov     x10, x0                 // counts digits, for where the last one goes
1:      add     x1, x1, 1
        udiv    x10, x10, x9
        cbnz    x10, 1b
        mov     x11, x1
2:      udiv    x10, x0, x9
        msub    x12, x10, x9, x0        // the remainder
        add     w12, w12, '0'
        strb    w12, [x11, -1]!
        mov     x0, x10
        cbnz    x0, 2b
        mov     x0, x1
        b       done

        // raise errno: fails as if this step had been a system call
op_raise:
        mov     x1, x0
        b       failed

op_return:
        ldr     x30, [sp, 16]
        ldp     x19, x20, [sp], 32
        ret

        .balign 8, 0
header:
