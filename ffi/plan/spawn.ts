/**
 * Running a plan as a program that Deno starts, with its pipes.
 *
 *     this process                          the program
 *     pipe2
 *     Deno.Command(/proc/self/fd/ELF) ----> opens the pipe, /proc/PID/fd/READER
 *     ppoll: pipe, pidfd  <---------------- a record of zeros
 *     close our writing end
 *     read                                  the plan's steps
 *          <------------------------------- after a failure a record of it, and exit
 *          <------------------------------- the process id of a successor
 *     end of file  <----------------------- execve closes the pipe
 *
 * The program opens the pipe, instead of inheriting it, so that no program that
 * another thread starts meanwhile can hold it open.
 *
 * @module
 */
import { decode } from "../bytes.ts";
import { EACCES, EINTR } from "../constants/errno.ts";
import { AT_FDCWD, FD_CLOEXEC, O_CLOEXEC, O_WRONLY } from "../constants/fcntl.ts";
import { P_PID, WEXITED, WNOWAIT } from "../constants/wait.ts";
import { environment, ownEnvironment } from "../environ.ts";
import { SyscallError } from "../errno.ts";
import { F_GETFD, F_SETFD, fcntl } from "../fcntl.ts";
import { described } from "../libc.ts";
import { pidfdOpen } from "../pidfd.ts";
import { syscall } from "../syscall.ts";
import { close, getpid, pipe2, read } from "../unistd.ts";
import { waitid, type WaitResult } from "../wait.ts";
import { plan } from "./builder.ts";
import { executable } from "./elf.ts";
import { failureOf } from "./failure.ts";
import { host } from "./host.ts";
import { fileImage, memoryImage } from "./image.ts";
import { AT } from "./layout.ts";
import { lowerFileLimit } from "./limit.ts";
import { ERRNO, FAILED, type Operand, type Plan, STACK, type Step } from "./step.ts";
import { withSibling } from "./successor.ts";

/** How a program is started. */
export interface StartOptions {
  /** Its standard input. */
  readonly stdin: "piped" | "inherit" | "null";
  /** Its standard output. */
  readonly stdout: "piped" | "inherit" | "null";
  /** Its standard error. */
  readonly stderr: "piped" | "inherit" | "null";
  /** The arguments that the plan finds. */
  readonly argv: readonly string[];
  /** Descriptors that the plan finds open, though they are close-on-exec here. */
  readonly inherited: readonly number[];
}

/** A program that has started. */
export interface Started {
  /** Its pipes, and its end, unless it has a successor. */
  readonly child: Deno.ChildProcess;
  /** The process that runs the program. */
  readonly pid: number;
  /** A descriptor of it. */
  readonly pidfd: number;
  /** Whether that is a child of ours that Deno does not know. */
  readonly succeeded: boolean;
}

/** The end of a program, and what it has printed. */
export interface Finished {
  /** What Deno has seen. */
  readonly output: Deno.CommandOutput;
  /** The end of a successor. */
  readonly result?: WaitResult;
}

// A record: the step that failed, its errno, two texts. The step 0 says that a
// successor has started, or nothing yet, and not the errno but a process id.
const [SUBJECT, HINT, RECORD] = [16, 16 + 512, 16 + 512 + 1024];
const [SUBJECT_FIELD, HINT_FIELD] = [2, 3];

/**
 * Starts a plan, and returns when it has replaced itself by a program.
 *
 * @throws {SyscallError} when a step of the plan fails
 */
export function start(program: Plan, options: StartOptions): Started {
  const channel = new Channel(program, options);
  let child: Deno.ChildProcess | undefined;
  let pidfd = -1;
  try {
    channel.launch(options.inherited, (file) => {
      child = command(file, options).spawn();
    });
    pidfd = pidfdOpen(child!.pid);
    if (!channel.awaitFirst(pidfd)) throw channel.neverOpened(child!.pid);
    channel.closeWriter();
    const { successor, failure } = channel.records();
    if (failure) {
      if (successor) waitid(P_PID, successor, WEXITED);
      throw failure;
    }
    if (!successor) return { child: child!, pid: child!.pid, pidfd, succeeded: false };
    close(pidfd);
    pidfd = pidfdOpen(successor);
    return { child: child!, pid: successor, pidfd, succeeded: true };
  } catch (error) {
    if (pidfd !== -1) close(pidfd);
    if (child) drop(child, options);
    throw error;
  } finally {
    channel.close();
  }
}

/**
 * Runs a plan to its end, and that of the program that it becomes.
 *
 * @throws {SyscallError} when a step of the plan fails
 */
export function startSync(program: Plan, options: StartOptions): Finished {
  const channel = new Channel(program, options);
  try {
    let output!: Deno.CommandOutput;
    channel.launch(options.inherited, (file) => {
      output = command(file, options).outputSync();
    });
    channel.closeWriter();
    const { successor, failure, opened } = channel.records();
    const result = successor ? waitid(P_PID, successor, WEXITED)! : undefined;
    if (failure) throw failure;
    if (!opened) throw unreachable(output.code);
    return { output, ...(result && { result }) };
  } finally {
    channel.close();
  }
}

/** The command that is an executable. The environment lies in there, and nowhere else. */
function command(file: string, { stdin, stdout, stderr }: StartOptions): Deno.Command {
  return new Deno.Command(file, { stdin, stdout, stderr, clearEnv: true });
}

/** Lets go of a program that has not started. */
function drop(child: Deno.ChildProcess, { stdin, stdout, stderr }: StartOptions): void {
  const ignore = (): void => {};
  if (stdin === "piped") child.stdin.close().catch(ignore);
  if (stdout === "piped") child.stdout.cancel().catch(ignore);
  if (stderr === "piped") child.stderr.cancel().catch(ignore);
  child.status.catch(ignore);
}

function unreachable(errno: number): SyscallError {
  return new SyscallError("openat", errno, {
    step: `cannot open /proc/${getpid()}/fd in the new process`,
    hint: "it is needed to report failures: /proc must be mounted, and this process dumpable",
  });
}

/** The pipe from a plan to us, and the executable that has its other end. */
class Channel {
  readonly #image: Image;
  readonly #reader: number;
  #writer: number;

  constructor(program: Plan, { argv }: StartOptions) {
    [this.#reader, this.#writer] = pipe2(O_CLOEXEC);
    try {
      this.#image = imageOf(program, this.#reader, argv);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Gives the executable a path and has it started. */
  launch(inherited: readonly number[], run: (file: string) => void): void {
    const change = inherited.filter((fd) =>
      described({ step: `cannot pass descriptor ${fd} on` }, () => fcntl(fd, F_GETFD)) & FD_CLOEXEC
    );
    const runFile = (fd: number): void => {
      try {
        for (const each of change) fcntl(each, F_SETFD, 0);
        run(`/proc/self/fd/${fd}`);
      } catch (error) {
        if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
        throw new SyscallError("execve", EACCES, { step: this.#image.plan.name });
      } finally {
        for (const each of change) fcntl(each, F_SETFD, FD_CLOEXEC);
      }
    };
    const { file, plan: { name } } = this.#image;
    try {
      const fd = memoryImage(name, file);
      try {
        runFile(fd);
      } finally {
        close(fd);
      }
    } catch (error) {
      // vm.memfd_noexec, or a security module, refuses to run memory
      if (!(error instanceof SyscallError && error.errno === EACCES)) throw error;
      fileImage(name, file, runFile);
    }
  }

  /** Waits until the program has opened the pipe; `false` if it has ended before. */
  awaitFirst(pidfd: number): boolean {
    const POLLIN = 1;
    const fds = new Int32Array([this.#reader, POLLIN, pidfd, POLLIN]);
    for (;;) {
      try {
        syscall("ppoll", [new Uint8Array(fds.buffer), 2, 0, 0, 8]);
        return (fds[1]! >> 16 & POLLIN) !== 0;
      } catch (error) {
        if (!(error instanceof SyscallError && error.errno === EINTR)) throw error;
      }
    }
  }

  /** The error of a program that has ended without opening the pipe. */
  neverOpened(pid: number): SyscallError {
    const { code, status } = waitid(P_PID, pid, WEXITED | WNOWAIT)!;
    return code === "exited" ? unreachable(status) : new SyscallError("execve", EINTR, {
      step: `the new process was killed by signal ${status} before it could start`,
    });
  }

  /** What the program has to tell, up to its end or its start as another program. */
  records(): { opened: boolean; successor: number; failure: SyscallError | undefined } {
    let [opened, successor, failure] = [false, 0, undefined as SyscallError | undefined];
    const record = new Uint8Array(RECORD);
    const view = new DataView(record.buffer);
    const text = (at: number): string => decode(record.subarray(at, record.indexOf(0, at)));
    while (this.#fill(record)) {
      opened = true;
      const [step, number] = [view.getBigUint64(0, true), Number(view.getBigUint64(8, true))];
      if (step === 0n) successor ||= number;
      else {
        failure ??= failureOf(this.#image.plan, {
          step: this.#image.steps.indexOf(Number(step)),
          errno: number,
          subject: text(SUBJECT),
          hint: text(HINT),
        });
      }
    }
    return { opened, successor, failure };
  }

  #fill(buffer: Uint8Array): boolean {
    for (let at = 0; at < buffer.length;) {
      const count = readThroughSignals(this.#reader, buffer.subarray(at));
      if (count === 0) return false;
      at += count;
    }
    return true;
  }

  closeWriter(): void {
    if (this.#writer === -1) return;
    close(this.#writer);
    this.#writer = -1;
  }

  close(): void {
    this.closeWriter();
    close(this.#reader);
  }
}

function readThroughSignals(fd: number, buffer: Uint8Array): number {
  for (;;) {
    try {
      return read(fd, buffer);
    } catch (error) {
      if (!(error instanceof SyscallError && error.errno === EINTR)) throw error;
    }
  }
}

/** A plan as an executable. */
interface Image {
  readonly plan: Plan;
  readonly file: Uint8Array;
  /** The address of each step. */
  readonly steps: readonly number[];
}

/** The last image of a plan, and what else it was made of. */
const images = new WeakMap<Plan, { readonly key: string; readonly image: Image }>();

/** The executable of a plan; it is made once for one that is started again and again. */
function imageOf(program: Plan, reader: number, argv: readonly string[]): Image {
  // The C library never changes the text of a variable: another one has another address.
  const key = [reader, argv.length, ...argv, environment()].join("\0");
  const known = images.get(program);
  if (known?.key === key) return known.image;
  const stack = [argv.length, ...argv, 0, ...ownEnvironment(), 0];
  const whole = reporting(program, reader, stack);
  const image = { plan: whole, ...executable(whole, host(), endsInText) };
  images.set(program, { key, image });
  return image;
}

/** Whether the message of a step ends in a text that only the run knows; we know the rest. */
function endsInText({ note }: Step): boolean {
  return note.subject !== undefined || note.hint !== undefined;
}

/** The plan with what opens the pipe before it, and what tells of a failure behind it. */
function reporting(
  base: Plan,
  reader: number,
  stack: readonly Operand[],
): Plan {
  let failure!: number;
  let end!: number;
  const whole = plan(base.name, (p) => {
    const lost = p.label();
    const channel = p.call("openat", [
      AT_FDCWD,
      `/proc/${getpid()}/fd/${reader}`,
      O_WRONLY | O_CLOEXEC,
      0,
    ], { fail: lost });
    const record = p.cell("record", RECORD);
    const send = (): void => {
      p.call("write", [channel, { addressOf: record }, RECORD], { fail: lost });
    };
    send();
    if (base.channel) p.set(base.channel, channel);
    lowerFileLimit(p);
    const words = p.cell("stack", 8 * stack.length, stack);
    p.control("add", [{ addressOf: words }, 0], { result: STACK, next: { at: base.start } });

    if (base.successor) {
      end = p.here().at!;
      p.control("store64", [{ addressOf: record }, 8, base.successor.pid]);
      p.control("store64", [{ addressOf: record }, 0, 0]);
      send();
      p.call("exit_group", [0]);
    }

    failure = p.here().at!;
    p.control("store64", [{ addressOf: record }, 0, FAILED]);
    p.control("store64", [{ addressOf: record }, 8, ERRNO]);
    const message = p.control("load64", [FAILED, AT.message]);
    const silent = p.label();
    p.branch("equal", message, 0, silent);
    const text = (field: number, at: number, size: number): void => {
      const none = p.label();
      const cell = p.control("load64", [message, 8 * field]);
      p.branch("equal", cell, 0, none);
      const address = p.control("load64", [cell, 0]);
      p.branch("equal", address, 0, none);
      p.control("copy", [{ addressOf: record, offset: at }, address, 0, size - 1]);
      p.place(none);
    };
    text(SUBJECT_FIELD, SUBJECT, HINT - SUBJECT);
    text(HINT_FIELD, HINT, RECORD - HINT);
    p.place(silent);
    send();
    p.call("exit_group", [127]);
    p.place(lost);
    p.call("exit_group", [ERRNO]);
  }, base);
  return withSibling({ ...whole, start: base.steps.length, failure }, end);
}
