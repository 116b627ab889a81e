/*
 * unshare -Urpf --mount-proc, in C and for nothing else: the system calls of its
 * plan, in the same order. bench.ts measures the plan against it.
 *
 *     cc -O2 -static -o unshare unshare.c && ./unshare true
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what, int status)
{
	fprintf(stderr, "unshare-c: %s: %s\n", what, strerror(errno));
	_exit(status);
}

static void check(const char *what, int result)
{
	if (result < 0)
		fail(what, 1);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	check(path, fd);
	check(path, write(fd, text, strlen(text)));
	close(fd);
}

static void map_root(const char *path, unsigned outside)
{
	char line[32];
	snprintf(line, sizeof line, "0 %u 1", outside);
	write_file(path, line);
}

static void wait_for(pid_t child)
{
	int status;
	pid_t pid;
	do
		pid = waitpid(child, &status, 0);
	while (pid < 0 && errno == EINTR);
	check("waitpid", pid);
	if (WIFSIGNALED(status))
		kill(getpid(), WTERMSIG(status));
	_exit(WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
	sigset_t interrupts, before;

	if (argc < 2)
		return 1;
	prctl(PR_SET_NAME, "unshare-c");
	uid_t uid = geteuid();
	gid_t gid = getegid();
	signal(SIGCHLD, SIG_DFL);
	check("unshare", unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS));

	sigemptyset(&interrupts);
	sigaddset(&interrupts, SIGINT);
	sigaddset(&interrupts, SIGTERM);
	sigprocmask(SIG_BLOCK, &interrupts, &before);
	pid_t child = fork();
	check("fork", child);
	if (child)
		wait_for(child);
	sigprocmask(SIG_SETMASK, &before, NULL);

	map_root("/proc/self/uid_map", uid);
	write_file("/proc/self/setgroups", "deny");
	map_root("/proc/self/gid_map", gid);
	check("propagation", mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	check("proc", mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL));
	execvp(argv[1], argv + 1);
	fail(argv[1], errno == ENOENT ? 127 : 126);
}
