// Calls a plan as a function, and writes what its cells then hold:
//
//     call_plan FILE >CELLS
//
// The file has six words: the addresses and sizes of the code and of the cells, the
// function's address and its argument; then the code, and what the cells hold at the
// start. Ends with 1 when the function has not kept the registers that it has to keep.
#include <fcntl.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// int keeps(function, argument): 0 if it does
int keeps(uint64_t function, uint64_t argument);

#ifdef __x86_64__
__asm__(".intel_syntax noprefix\n"
	"keeps: push rbx; push rbp; push r12; push r13; push r14; push r15; push rsi\n"
	"mov rax, rdi; mov rdi, rsi\n"
	"mov rbp, rsp; mov ebx, 101; mov r12d, 102; mov r13d, 103; mov r14d, 104; mov r15d, 105\n"
	"call rax\n"
	"mov eax, 1\n"
	"cmp ebx, 101; jne 1f; cmp r12d, 102; jne 1f; cmp r13d, 103; jne 1f\n"
	"cmp r14d, 104; jne 1f; cmp r15d, 105; jne 1f; cmp rbp, rsp; jne 1f\n"
	"xor eax, eax\n"
	"1: mov rsp, rbp\n"
	"pop rsi; pop r15; pop r14; pop r13; pop r12; pop rbp; pop rbx; ret\n"
	".att_syntax");
#else
__asm__("keeps: stp x29, x30, [sp, -96]!; stp x19, x20, [sp, 16]; stp x21, x22, [sp, 32]\n"
	"stp x23, x24, [sp, 48]; stp x25, x26, [sp, 64]; stp x27, x28, [sp, 80]\n"
	"mov x9, x0; mov x0, x1; mov x29, sp\n"
	".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28\n mov x\\n, 100 + \\n\n .endr\n"
	"blr x9\n"
	"mov x0, 1\n"
	".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28\n cmp x\\n, 100 + \\n; b.ne 1f\n .endr\n"
	"mov x9, sp; cmp x9, x29; b.ne 1f\n"
	"mov x0, 0\n"
	"1: mov sp, x29\n"
	"ldp x27, x28, [sp, 80]; ldp x25, x26, [sp, 64]; ldp x23, x24, [sp, 48]\n"
	"ldp x21, x22, [sp, 32]; ldp x19, x20, [sp, 16]; ldp x29, x30, [sp], 96; ret");
#endif

static char *map(uint64_t address, uint64_t size)
{
	return mmap((void *)address, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

int main(int argc, char **argv)
{
	static char file[1 << 16];
	uint64_t *words = (uint64_t *)file;
	int fd = open(argv[argc - 1], O_RDONLY);
	ssize_t length = read(fd, file, sizeof file);
	if (length < 48)
		return 2;
	char *code = map(words[0], words[1]), *cells = map(words[2], words[3]);
	if (code != (char *)words[0] || cells != (char *)words[2])
		return 3;
	memcpy(code, file + 48, words[1]);
	memcpy(cells, file + 48 + words[1], length - 48 - words[1]);
	if (mprotect(code, words[1], PROT_READ | PROT_EXEC) < 0)
		return 4;
	__builtin___clear_cache(code, code + words[1]);
	if (keeps(words[4], words[5]) != 0)
		return 1;
	return write(1, cells, words[3]) == (ssize_t)words[3] ? 0 : 5;
}
