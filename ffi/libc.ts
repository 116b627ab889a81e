/**
 * The C library: the functions in use, and the one way to call them. (at.ts, which
 * makes thousands of calls, has a few of them compiled.)
 *
 * @module
 */
import { type FailureDetails, SyscallError } from "./errno.ts";

/** The functions in use, each with its C declaration. */
const functions = {
  // int unshare(int flags);
  unshare: { parameters: ["i32"], result: "i32" },
  // int setns(int fd, int nstype);
  setns: { parameters: ["i32", "i32"], result: "i32" },

  // int mount(const char *source, const char *target, const char *filesystemtype,
  //           unsigned long mountflags, const void *data);
  mount: {
    parameters: ["buffer", "buffer", "buffer", "usize", "buffer"],
    result: "i32",
  },
  // int umount2(const char *target, int flags);
  umount2: { parameters: ["buffer", "i32"], result: "i32" },

  // int sethostname(const char *name, size_t len);
  sethostname: { parameters: ["buffer", "usize"], result: "i32" },
  // int setdomainname(const char *name, size_t len);
  setdomainname: { parameters: ["buffer", "usize"], result: "i32" },
  // int gethostname(char *name, size_t len);
  gethostname: { parameters: ["buffer", "usize"], result: "i32" },
  // int chroot(const char *path);
  chroot: { parameters: ["buffer"], result: "i32" },
  // int chdir(const char *path);
  chdir: { parameters: ["buffer"], result: "i32" },
  // int fchdir(int fd);
  fchdir: { parameters: ["i32"], result: "i32" },
  // ssize_t read(int fd, void *buf, size_t count);
  read: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  // ssize_t write(int fd, const void *buf, size_t count);
  write: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  // int close(int fd);
  close: { parameters: ["i32"], result: "i32" },
  // int dup3(int oldfd, int newfd, int flags);
  dup3: { parameters: ["i32", "i32", "i32"], result: "i32" },
  // int pipe2(int pipefd[2], int flags);
  pipe2: { parameters: ["buffer", "i32"], result: "i32" },
  // int rename(const char *oldpath, const char *newpath);
  rename: { parameters: ["buffer", "buffer"], result: "i32" },
  // int symlink(const char *target, const char *linkpath);
  symlink: { parameters: ["buffer", "buffer"], result: "i32" },
  // int unlink(const char *path);
  unlink: { parameters: ["buffer"], result: "i32" },
  // ssize_t readlink(const char *path, char *buf, size_t bufsiz);
  readlink: { parameters: ["buffer", "buffer", "usize"], result: "i32" },
  // pid_t getpid(void);
  getpid: { parameters: [], result: "i32" },
  // pid_t getppid(void);
  getppid: { parameters: [], result: "i32" },
  // uid_t getuid(void);
  getuid: { parameters: [], result: "u32" },
  // uid_t geteuid(void);
  geteuid: { parameters: [], result: "u32" },
  // gid_t getgid(void);
  getgid: { parameters: [], result: "u32" },
  // gid_t getegid(void);
  getegid: { parameters: [], result: "u32" },
  // void _exit(int status);
  _exit: { parameters: ["i32"], result: "void" },
  // int execve(const char *path, char *const argv[], char *const envp[]);
  execve: { parameters: ["buffer", "buffer", "buffer"], result: "i32" },
  // int fexecve(int fd, char *const argv[], char *const envp[]);
  fexecve: { parameters: ["i32", "buffer", "pointer"], result: "i32" },

  // int fcntl(int fd, int op, ... /* arg */ );
  fcntl: { parameters: ["i32", "i32", "usize"], result: "i32" },
  // int open(const char *path, int flags, ... /* mode_t mode */);
  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },

  // int ioctl(int fd, unsigned long request, ...);
  ioctl: { parameters: ["i32", "usize", "buffer"], result: "i32" },
  // int isatty(int fd);
  isatty: { parameters: ["i32"], result: "i32" },
  // int socket(int domain, int type, int protocol);
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  // ssize_t send(int sockfd, const void *buf, size_t len, int flags);
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
  // ssize_t recv(int sockfd, void *buf, size_t len, int flags);
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },

  // void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
  mmap: {
    parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"],
    result: "pointer",
  },
  // int mprotect(void *addr, size_t size, int prot);
  mprotect: { parameters: ["pointer", "usize", "i32"], result: "i32" },
  // int munmap(void *addr, size_t length);
  munmap: { parameters: ["pointer", "usize"], result: "i32" },
  // int memfd_create(const char *name, unsigned int flags);
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },

  // int prctl(int op, ... /* unsigned long arg2 ... arg5 */);
  prctl: {
    parameters: ["i32", "usize", "usize", "usize", "usize"],
    result: "i32",
  },
  // int prlimit(pid_t pid, int resource, const struct rlimit *new_limit,
  //             struct rlimit *old_limit);
  prlimit: { parameters: ["i32", "i32", "buffer", "buffer"], result: "i32" },

  // int kill(pid_t pid, int sig);
  kill: { parameters: ["i32", "i32"], result: "i32" },
  // int sigaction(int signum, const struct sigaction *act, struct sigaction *oldact);
  sigaction: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  // int sigprocmask(int how, const sigset_t *set, sigset_t *oldset);
  sigprocmask: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  // int waitid(idtype_t idtype, id_t id, siginfo_t *infop, int options);
  waitid: { parameters: ["i32", "u32", "buffer", "i32"], result: "i32" },

  // int statx(int dirfd, const char *path, int flags, unsigned int mask,
  //           struct statx *statxbuf);
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  // struct passwd *getpwnam(const char *name);
  getpwnam: { parameters: ["buffer"], result: "pointer" },
  // struct passwd *getpwuid(uid_t uid);
  getpwuid: { parameters: ["u32"], result: "pointer" },
  // struct group *getgrnam(const char *name);
  getgrnam: { parameters: ["buffer"], result: "pointer" },

  // locale_t newlocale(int category_mask, const char *locale, locale_t base);
  newlocale: { parameters: ["i32", "buffer", "pointer"], result: "pointer" },
  // locale_t uselocale(locale_t newloc);
  uselocale: { parameters: ["pointer"], result: "pointer" },
  // char *nl_langinfo(nl_item item);
  nl_langinfo: { parameters: ["i32"], result: "pointer" },
  // size_t mbrtowc(wchar_t *pwc, const char *s, size_t n, mbstate_t *ps);
  mbrtowc: { parameters: ["buffer", "buffer", "usize", "buffer"], result: "i32" },
  // int iswprint(wint_t wc);
  iswprint: { parameters: ["u32"], result: "i32" },
  // int wcwidth(wchar_t c);
  wcwidth: { parameters: ["u32"], result: "i32" },
  // int regcomp(regex_t *preg, const char *regex, int cflags);
  regcomp: { parameters: ["buffer", "buffer", "i32"], result: "i32" },
  // int regexec(const regex_t *preg, const char *string, size_t nmatch,
  //             regmatch_t pmatch[], int eflags);
  regexec: { parameters: ["buffer", "buffer", "usize", "buffer", "i32"], result: "i32" },
  // size_t regerror(int errcode, const regex_t *preg, char *errbuf, size_t errbuf_size);
  regerror: { parameters: ["i32", "buffer", "buffer", "usize"], result: "i32" },

  // long syscall(long number, ...): for what libc lacks
  syscall: {
    parameters: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"],
    result: "i32",
  },
  // int *__errno_location(void);
  __errno_location: { parameters: [], result: "pointer" },
} as const satisfies Record<string, Deno.ForeignFunction>;

type Functions = typeof functions;
/** The name of a function in use. */
export type FunctionName = keyof Functions;
/** The arguments of a function. */
export type ArgumentsOf<N extends FunctionName> = Loose<
  Deno.ToNativeParameterTypes<Functions[N]["parameters"]>
>;
/** Deno's types ask for a bigint where a number will do. */
type Loose<T> = { [K in keyof T]: T[K] extends bigint ? number | bigint : T[K] };
type ResultOf<N extends FunctionName> = Deno.FromNativeResultType<Functions[N]["result"]>;
type Call = (...args: unknown[]) => unknown;

const calls: Partial<Record<FunctionName, Call>> = {};

// Looked up by dlsym(3) when they are first called. A function that Deno opens
// by name is compiled there and then, at 0.15 ms each; a command needs few.
const { symbols } = Deno.dlopen("libc.so.6", { dlsym: { type: "pointer" } });
const dlsym = new Deno.UnsafeFnPointer(symbols.dlsym as Deno.PointerObject<never>, {
  parameters: ["pointer", "buffer"], // void *handle, const char *symbol
  result: "pointer",
});

/** Where the C library has a function or a variable. */
export function address(name: string): Deno.PointerObject<never> {
  const found = dlsym.call(null, new TextEncoder().encode(name + "\0"));
  if (found) return found as Deno.PointerObject<never>;
  throw new Error(`the C library has no ${name}()`);
}

const errnoLocation = new Deno.UnsafeFnPointer(
  address("__errno_location"),
  functions.__errno_location,
);
/**
 * What errno is, as memory: it belongs to a thread, and so does a module. V8 may
 * compile something, or collect garbage, wherever a function is called or returned
 * from, and then makes system calls that set errno; only what is read in the next
 * expression after a call is what the call has left.
 */
export const errnoNow: Int32Array = new Int32Array(
  Deno.UnsafePointerView.getArrayBuffer(errnoLocation.call()!, 4),
);
let last = 0;

/** Calls a function whose errors, if it has any, are the caller's business. */
export function raw<N extends FunctionName>(name: N, ...args: ArgumentsOf<N>): ResultOf<N> {
  let call = calls[name];
  if (!call) {
    const definition: Deno.ForeignFunction = functions[name];
    const pointer = new Deno.UnsafeFnPointer(address(name), definition);
    calls[name] = call = pointer.call.bind(pointer) as Call;
  }
  const result = call(...args);
  last = errnoNow[0]!;
  return result as ResultOf<N>;
}

/** What errno was after the last call of {@linkcode raw}; it means something if that has failed. */
export function errno(): number {
  return last;
}

/** The functions whose -1 is an error. */
type Fallible = {
  [N in FunctionName]: Functions[N]["result"] extends "i32" ? N : never;
}[FunctionName];

/**
 * Calls a function that returns -1 and sets errno when it fails.
 *
 * Always synchronous, on the calling thread: that is the one whose namespaces
 * the kernel looks at.
 *
 * @throws {SyscallError} when it fails
 */
export function call<N extends Fallible>(
  name: N,
  args: ArgumentsOf<N>,
  details?: FailureDetails,
): number {
  const result = raw(name, ...args) as number;
  if (result === -1) throw new SyscallError(name, errno(), details);
  return result;
}

/** What can be found out, or nothing where the kernel does not let us. */
export function optional<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

/** What is found out; where the kernel does not let us, the error says this of it. */
export function described<T>(details: FailureDetails, find: () => T): T {
  try {
    return find();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new SyscallError(error.syscall, error.errno, details);
  }
}

/** The environment as this process was given it: a `char **`. */
export function environ(): Deno.PointerValue {
  return new Deno.UnsafePointerView(address("environ")).getPointer();
}
