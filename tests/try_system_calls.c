// Says what a filter of system calls that is in force answers, without a single
// call being made:
//
//     try_system_calls 64|32:FIRST-LAST|NUMBER[,ARGUMENT...] ...
//
// Prints `64|32 NUMBER ERRNO` for each call, or `64|32 NUMBER killed`; 0 stands
// for a call that the filter lets through.
//
// A second filter has the kernel ask this program about each call with a mark
// in its last argument, and the program answers with an error. The kernel does
// what the stricter filter says: where the first one denies, nobody is asked.
// 32-bit calls are made from 64-bit code, as anybody can on x86-64.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARK 0x5eccu
#define PASSED 4000 // no errno of the kernel

static void die(const char *what) {
  perror(what);
  exit(2);
}

static int listen_for_calls(void) {
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MARK, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = { sizeof code / sizeof *code, code };
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) die("PR_SET_NO_NEW_PRIVS");
  int fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (fd < 0) die("seccomp");
  return fd;
}

// Answers until the child has ended; its status.
static int answer_calls(int listener, pid_t child) {
  for (int status;;) {
    struct seccomp_notif call;
    struct seccomp_notif_resp response;
    struct pollfd poll_listener = { listener, POLLIN, 0 };
    poll(&poll_listener, 1, 20);
    if (!(poll_listener.revents & POLLIN)) {
      // An older kernel does not tell that nobody is left whom the filter is for.
      if (waitpid(child, &status, WNOHANG) == child) return status;
      continue;
    }
    memset(&call, 0, sizeof call);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call)) continue;
    memset(&response, 0, sizeof response);
    response.id = call.id;
    response.error = -PASSED;
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) && errno != ENOENT) die("NOTIF_SEND");
  }
}

static long call64(long number, const long *a) {
#ifdef __x86_64__
  long result;
  register long d __asm__("r10") = a[3], e __asm__("r8") = a[4], f __asm__("r9") = MARK;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(d), "r"(e), "r"(f)
                   : "rcx", "r11", "memory");
  return result;
#else
  register long n __asm__("x8") = number, x0 __asm__("x0") = a[0], x1 __asm__("x1") = a[1],
    x2 __asm__("x2") = a[2], x3 __asm__("x3") = a[3], x4 __asm__("x4") = a[4],
    x5 __asm__("x5") = MARK;
  __asm__ volatile("svc 0"
                   : "+r"(x0)
                   : "r"(n), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return x0;
#endif
}

static long call32(long number, const long *a) {
#ifdef __x86_64__
  long result;
  __asm__ volatile("push %%rbp; mov %[mark], %%ebp; int $0x80; pop %%rbp"
                   : "=a"(result)
                   : "a"(number), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4]),
                     [mark] "i"(MARK)
                   : "r8", "r9", "r10", "r11", "memory");
  return result;
#else
  (void)number, (void)a;
  return -ENOSYS;
#endif
}

// Tries a range of calls in a child; if one of them kills it, says so.
static void try(const char *spec) {
  char *rest;
  int bits = strtol(spec, &rest, 10);
  unsigned long first = strtoul(rest + 1, &rest, 0), last = first;
  long args[5] = { 0 };
  if (*rest == '-') last = strtoul(rest + 1, &rest, 0);
  for (int i = 0; *rest == ',' && i < 5; i++) args[i] = strtoul(rest + 1, &rest, 0);

  for (unsigned long number = first; number <= last; number++) {
    int listening[2], done[2], status;
    if (pipe(listening) || pipe(done)) die("pipe");
    // The descriptors are shared, so that the listener is ours, too.
    pid_t child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (child < 0) die("clone");
    if (child == 0) {
      int listener = listen_for_calls();
      if (write(listening[1], &listener, sizeof listener) != sizeof listener) _exit(2);
      for (; number <= last; number++) {
        if (write(done[1], &number, sizeof number) != sizeof number) _exit(2);
        long result = bits == 32 ? call32(number, args) : call64(number, args);
        dprintf(1, "%d %ld %ld\n", bits, number, result == -PASSED ? 0 : -result);
      }
      _exit(0);
    }
    int listener;
    if (read(listening[0], &listener, sizeof listener) != sizeof listener) die("read");
    status = answer_calls(listener, child);
    // How far it came.
    close(done[1]);
    while (read(done[0], &number, sizeof number) == sizeof number) {}
    close(done[0]), close(listening[0]), close(listening[1]), close(listener);
    if (!WIFSIGNALED(status)) break;
    dprintf(1, "%d %ld killed\n", bits, number);
  }
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) try(argv[i]);
  return 0;
}
