/*
 * A program in seven new namespaces, again and again: what clone() of the library
 * does, in C and for nothing else. Prints the milliseconds that each one took.
 *
 *     cc -O2 -static -o loop loop.c && ./loop 20 /bin/true
 *
 * The system calls are those of the library, in the same order, less four that
 * nothing needs here: they undo what Deno and a change of ids do to a process
 * (prctl(2) twice, rt_sigaction(2) for SIGPIPE, prlimit(2)).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char uid_map[32], gid_map[32];
static sigset_t mask;

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		_exit(127);
	close(fd);
}

static __attribute__((noinline, noreturn)) void child(char **argv)
{
	sigprocmask(SIG_SETMASK, &mask, NULL);
	write_file("/proc/self/uid_map", uid_map);
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/gid_map", gid_map);
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		_exit(127);
	execv(argv[0], argv);
	_exit(127);
}

// As vfork(2), on our stack: the C library has no function for that, since the child
// would overwrite where it returns to.
static __attribute__((noinline)) pid_t start(unsigned long flags, char **argv)
{
	struct clone_args args = {
		.flags = flags | CLONE_VM | CLONE_VFORK | CLONE_CLEAR_SIGHAND,
		.exit_signal = SIGCHLD,
	};
#ifdef __x86_64__
	long pid = SYS_clone3;
	__asm__ volatile("syscall" : "+a"(pid) : "D"(&args), "S"(sizeof args)
			 : "rcx", "r11", "memory");
#else
	register long pid __asm__("x0") = (long)&args;
	register long size __asm__("x1") = sizeof args, number __asm__("x8") = SYS_clone3;
	__asm__ volatile("svc 0" : "+r"(pid) : "r"(size), "r"(number) : "memory");
#endif
	if (pid == 0)
		child(argv);
	return pid;
}

int main(int argc, char **argv)
{
	const unsigned long flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC |
			  CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWCGROUP;
	if (argc < 3)
		return 1;
	snprintf(uid_map, sizeof uid_map, "0 %u 1", geteuid());
	snprintf(gid_map, sizeof gid_map, "0 %u 1", getegid());
	for (int i = atoi(argv[1]); i > 0; i--) {
		struct timespec begin, end;
		sigset_t all;
		int status;
		usleep(5000); // as bench.ts rests between two runs
		clock_gettime(CLOCK_MONOTONIC, &begin);
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, &mask);
		pid_t pid = start(flags, argv + 2);
		sigprocmask(SIG_SETMASK, &mask, NULL);
		if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
			return 1;
		clock_gettime(CLOCK_MONOTONIC, &end);
		printf("%f\n", (end.tv_sec - begin.tv_sec) * 1e3 +
			       (end.tv_nsec - begin.tv_nsec) / 1e6);
	}
	return 0;
}
