# The plan interpreter for x86-64. Position independent. Its bytes stand in
# x86_64.ts; a test assembles this file and compares:
#
#   as --64 x86_64.s -o x.o && objcopy -O binary x.o x.bin
#
# It has two ways in. An executable begins at the first byte, and has its table
# behind the last one. `call` is a C function, void call(const void *table), whose
# end is `return`.
#
# layout.ts describes what it walks: a header (the addresses of the context and
# of the first step), then the steps. Its state is three registers:
#
#   rbx  the step that runs
#   r12  the context: the stack pointer at the start, then, after a failure,
#        the step that failed and its errno
#   rsp  the stack as it was given, with two registers on it; only `decimal`
#        pushes, so a child that shares it, as after vfork(2), spoils nothing
#
# A system call preserves every register but rax, rcx and r11.

.intel_syntax noprefix

# a step
.set OP, 0            # u32: system call number; with bit 31: a control operation
.set REFS, 4          # u8:  bit i: argument i is the address of the value
.set RESULT, 8        # u64: where the result goes
.set NEXT, 16         # u64: the step after success
.set FAIL, 24         # u64: the step after failure
.set ACCEPT, 32       # u64: bit n: errno n counts as success
.set ARGS, 48         # u64 each. (40 is the failure message, for other steps to load)

# the context
.set STACK, 0
.set FAILED, 8
.set ERRNO, 16

.macro argument index, register
        mov     \register, [rbx + ARGS + 8 * \index]
        shr     ecx, 1
        jnc     1f
        mov     \register, [\register]
1:
.endm

start:
        lea     rdi, [rip + header]
call:
        mov     rax, rsp
        push    rbx
        push    r12
        mov     r12, [rdi]
        mov     rbx, [rdi + 8]
        mov     [r12 + STACK], rax

        # Loading more arguments than the step has is harmless: the words behind
        # it are readable and the kernel looks at no more than the call takes.
step:
        movzx   ecx, byte ptr [rbx + REFS]
        argument 0, rdi
        argument 1, rsi
        argument 2, rdx
        argument 3, r10
        argument 4, r8
        argument 5, r9
        mov     eax, [rbx + OP]
        test    eax, eax
        js      control

        syscall
        mov     rcx, [rbx + RESULT]
        mov     [rcx], rax
        cmp     rax, -4095
        jb      next
        mov     rcx, rax
        neg     rcx
        cmp     ecx, 63
        ja      failed
        bt      [rbx + ACCEPT], rcx
        jc      next
failed:                                 # with the errno in rcx
        mov     [r12 + FAILED], rbx
        mov     [r12 + ERRNO], rcx
otherwise:
        mov     rbx, [rbx + FAIL]
        jmp     step

done:
        mov     rcx, [rbx + RESULT]
        mov     [rcx], rax
next:
        mov     rbx, [rbx + NEXT]
        jmp     step

control:
        movzx   eax, al
        lea     rcx, [rip + operations]
        movzx   eax, byte ptr [rcx + rax]
        add     rcx, rax
        jmp     rcx

        # The order is that of CONTROL in step.ts. No offset may be above 255, so the
        # longest one comes last.
operations:
        .irp    name, add, sub, and, or, shl, shr, load8, load32, load64, store8, store32, store64, equal, less, find, copy, decimal, raise, return
        .byte   op_\name - operations
        .endr

op_add: lea     rax, [rdi + rsi]
        jmp     done
op_sub: mov     rax, rdi
        sub     rax, rsi
        jmp     done
op_and: mov     rax, rdi
        and     rax, rsi
        jmp     done
op_or:  mov     rax, rdi
        or      rax, rsi
        jmp     done
op_shl: mov     rax, rdi
        mov     ecx, esi
        shl     rax, cl
        jmp     done
op_shr: mov     rax, rdi
        mov     ecx, esi
        shr     rax, cl
        jmp     done

        # load address, offset
op_load8:
        movzx   eax, byte ptr [rdi + rsi]
        jmp     done
op_load32:
        mov     eax, [rdi + rsi]
        jmp     done
op_load64:
        mov     rax, [rdi + rsi]
        jmp     done

        # store address, offset, value
op_store8:
        mov     [rdi + rsi], dl
        jmp     next
op_store32:
        mov     [rdi + rsi], edx
        jmp     next
op_store64:
        mov     [rdi + rsi], rdx
        jmp     next

        # a condition that does not hold is no failure: it only branches
op_equal:
        cmp     rdi, rsi
        je      next
        jmp     otherwise
op_less:
        cmp     rdi, rsi
        jb      next
        jmp     otherwise

        # find strings, word, mask: the first of a NULL-terminated array of strings
        # that begins with the word, as far as the mask goes; or 0
op_find:
        mov     rax, [rdi]
        test    rax, rax
        jz      done
        mov     rcx, [rax]
        and     rcx, rdx
        cmp     rcx, rsi
        je      done
        add     rdi, 8
        jmp     op_find

        # copy to, from, stop, limit: copies bytes up to a NUL, a stop or the limit;
        # the result is their number
op_copy:
        xor     eax, eax
1:      cmp     rax, r10
        je      done
        movzx   ecx, byte ptr [rsi + rax]
        test    ecx, ecx
        jz      done
        cmp     ecx, edx
        je      done
        mov     [rdi + rax], cl
        inc     rax
        jmp     1b

        # raise errno: fails as if this step had been a system call
op_raise:
        mov     rcx, rdi
        jmp     failed

op_return:
        pop     r12
        pop     rbx
        ret

        # decimal number, address: the result is the address behind the last digit
op_decimal:
        mov     rax, rdi
        mov     r8d, 10
        mov     r9, rsp
1:      xor     edx, edx
        div     r8
        add     edx, '0'
        push    rdx
        test    rax, rax
        jnz     1b
2:      pop     rax
        mov     [rsi], al
        inc     rsi
        cmp     rsp, r9
        jne     2b
        mov     rax, rsi
        jmp     done

        .balign 8, 0
header:
