/**
 * A terminal of a container's own: a pty of its own devpts. The supervisor, whose
 * terminal stays outside, passes on what is typed and shown. See pty(7), pts(4).
 *
 *     our terminal, raw <--> supervisor <--> ptmx | pts/0 <--> program
 *
 * @module
 */
import { EAGAIN, EINTR, EIO, EPIPE, ESRCH } from "../../ffi/constants/errno.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDWR,
  RESOLVE_NO_MAGICLINKS,
} from "../../ffi/constants/fcntl.ts";
import { SIGNALS } from "../../ffi/constants/signal.ts";
import {
  TCGETS,
  TCSETS,
  TIOCGPTPEER,
  TIOCGWINSZ,
  TIOCSCTTY,
  TIOCSPTLCK,
  TIOCSWINSZ,
} from "../../ffi/constants/termios.ts";
import type { Builder } from "../../ffi/plan/builder.ts";
import type { Cell, Label, Operand } from "../../ffi/plan/step.ts";
import { attach, copyMount, structure } from "../mount_api.ts";
import { mustBeDevice } from "./dev.ts";
import type { Places } from "./mounts.ts";
import type { Process } from "./oci.ts";

const MASTER = O_RDWR | O_NONBLOCK | O_CLOEXEC;
/** `struct open_how` for a path on which somebody inside may have put links. */
const MASTER_HERE = structure([MASTER, 0, RESOLVE_NO_MAGICLINKS]);

/** The group id that leaves the group alone. */
const SAME = 0xffff_ffff;

/**
 * Opens a new terminal of a devpts, or of the one that is mounted here; the
 * descriptor of whoever shows it.
 */
export function openTerminal(p: Builder, devpts: Cell | undefined, { consoleSize }: Process): Cell {
  const message = "cannot open a terminal";
  const master = devpts
    ? p.call("openat", [devpts, "ptmx", MASTER, 0], {
      why: "the first terminal of the container",
      message,
    })
    : p.call("openat2", [AT_FDCWD, "/dev/ptmx", MASTER_HERE, MASTER_HERE.length], {
      why: "a further terminal of those that there are",
      message: `${message}: /dev/ptmx`,
    });
  if (!devpts) mustBeDevice(p, master, 5, 2, message);
  p.call("ioctl", [master, TIOCSPTLCK, { addressOf: p.cell("unlocked") }], { message });
  if (consoleSize) {
    const size = new Uint8Array(
      new Uint16Array([consoleSize.height, consoleSize.width, 0, 0]).buffer,
    );
    p.call("ioctl", [master, TIOCSWINSZ, size], { message });
  } else {
    copySize(p, master);
  }
  return master;
}

/** Makes it the terminal of this process, in a session of its own; a descriptor. */
export function takeTerminal(p: Builder, master: Cell, { user }: Process): Cell {
  const message = "cannot take the terminal";
  // It is opened by the other end, whatever lies in /dev/pts.
  const slave = p.call("ioctl", [master, TIOCGPTPEER, O_RDWR | O_CLOEXEC], { message });
  p.call("fchownat", [slave, "", user.uid, SAME, AT_EMPTY_PATH], {
    why: "the program may open it by its name, too",
    message,
  });
  p.call("setsid", [], { why: "a session has one terminal", message });
  p.call("ioctl", [slave, TIOCSCTTY, 0], { why: "and this session this one", message });
  return slave;
}

/** Makes it the standard streams: from here on what fails is said there. */
export function useTerminal(p: Builder, slave: Cell): void {
  for (const fd of [0, 1, 2]) {
    p.call("dup3", [slave, fd, 0], { message: "cannot use the terminal" });
  }
}

/** Has /dev/console be the terminal. */
export function bindConsole(p: Builder, at: Places, devpts: Cell): void {
  const message = "cannot mount /dev/console";
  const console = copyMount(p, devpts, "0", { recursive: false }, {
    why: "the first terminal",
    message,
  });
  const place = at.open(p, "/dev/console", "file", message);
  attach(p, console, place, { why: "there is /dev/console", message });
}

/** How the supervisor shows a terminal. */
export interface Relay {
  /** Waits until there is a signal to read, and passes on what comes and goes meanwhile. */
  wait(signals: Cell): void;
  /** Does what a signal of our terminal, not of a process, asks for. */
  signal(signal: Cell, program: Cell): void;
  /** Shows what is left, and leaves our terminal as it was. */
  end(): void;
}

const [STDIN, STDOUT] = [0, 1];
const SIZE = 4096;
const [POLLIN, POLLOUT] = [1, 4];
const END_OF_FILE = 4; // Ctrl-D
/** After how many nanoseconds it is seen whether the end of standard input was read. */
const END_AGAIN = 50_000_000;
const NONE = 0xffff_ffff; // what poll(2) does not look at

/** `struct termios` of the kernel: four words of flags, the line discipline, and characters. */
const TERMIOS = 64;
/** By offset, which flags a raw terminal has not, and which it has. */
const RAW = [
  [0, 0x5eb, 0], // c_iflag: BRKINT, ICRNL, IXON ...
  [4, 0x1, 0], // c_oflag: OPOST
  [8, 0x130, 0x30], // c_cflag: CSIZE and PARENB; CS8
  [12, 0x804b, 0], // c_lflag: ECHO, ICANON, ISIG, IEXTEN ...
] as const;
const [VTIME, VMIN] = [17 + 5, 17 + 6];

/** Makes our terminal, if standard input is one, pass on every key. */
export function relay(p: Builder, master: Cell): Relay {
  const saved = { addressOf: p.cell("struct termios", TERMIOS) };
  const isTerminal = p.cell("is a terminal");
  const plain = p.label();
  const slave = p.call("ioctl", [master, TIOCGPTPEER, O_RDWR | O_CLOEXEC], {
    why: "the program may close its terminal, and open it again",
    message: "cannot keep the terminal",
  });
  p.call("ioctl", [STDIN, TCGETS, saved], { why: "as it is, to be restored", fail: plain });
  p.set(isTerminal, 1);
  makeRaw(p, saved);
  p.place(plain);

  const polled: Operand = { addressOf: p.cell("struct pollfd [3]", 24) };
  const [input, output] = [p.cell("typed", SIZE), p.cell("shown", SIZE)];
  const [stdin, from, left] = [p.cell("stdin"), p.cell("from"), p.cell("left")];
  // How long to wait: for ever, as long as standard input has not ended.
  const [until, wait, now] = [
    p.cell("until"),
    p.cell("struct timespec", 16),
    p.cell("no time", 16),
  ];
  const revents = (index: number): Cell =>
    p.control("shr", [p.control("load32", [polled, 8 * index + 4]), 16]);

  /** Shows what there is, and goes on elsewhere if that is nothing. */
  const show = (nothing: Label): void => {
    const size = p.call("read", [master, { addressOf: output }, SIZE], {
      why: "what the program shows",
      accept: [EAGAIN, EIO],
      message: "cannot read the terminal",
    });
    p.control("less", [p.control("sub", [size, 1]), SIZE], { fail: nothing });
    const at = p.control("add", [{ addressOf: output }, 0]);
    const [again, done] = [p.here(), p.label()];
    const written = p.call("write", [STDOUT, at, size], {
      accept: [EPIPE, EIO], // nobody looks any more
      message: "cannot write to our terminal",
    });
    p.branch("less", SIZE, written, done);
    p.control("add", [at, written], { result: at });
    p.control("sub", [size, written], { result: size });
    p.control("equal", [size, 0], { fail: again });
    p.place(done);
  };

  /** Reads what is typed. */
  const read = (): void => {
    const [end, some] = [p.label(), p.label()];
    p.set(from, 0);
    p.call("read", [STDIN, { addressOf: input }, SIZE], {
      why: "what is typed",
      accept: [EAGAIN, EIO],
      message: "cannot read standard input",
      result: left,
    });
    p.branch("less", p.control("sub", [left, 1]), SIZE, some);
    p.branch("equal", left, -EAGAIN, end);
    p.set(stdin, NONE);
    p.control("add", [{ addressOf: wait }, 0], { result: until });
    p.place(end);
    p.set(left, 0);
    p.place(some);
  };

  /**
   * Types the end of standard input, of which a terminal knows only a key: whoever
   * reads finds it there, as at the end of a file, as often as he reads.
   */
  const typeEnd = (): void => {
    const unread = p.label();
    poll(p, polled, 0, slave, POLLIN);
    p.call("ppoll", [polled, 1, { addressOf: now }, 0, 0], {
      why: "whether all that was typed is read",
      message: "cannot look at the terminal",
    });
    p.control("equal", [revents(0), 0], { fail: unread });
    p.control("store8", [{ addressOf: input }, 0, END_OF_FILE]);
    p.set(from, 0);
    p.set(left, 1);
    p.place(unread);
  };

  /** Types it, as far as it is taken. */
  const type = (): void => {
    const end = p.label();
    p.branch("equal", left, 0, end);
    const at = p.control("add", [{ addressOf: input }, from]);
    const written = p.call("write", [master, at, left], {
      why: "for the program to read",
      accept: [EAGAIN, EIO],
      message: "cannot write to the terminal",
    });
    p.branch("less", SIZE, written, end);
    p.control("add", [from, written], { result: from });
    p.control("sub", [left, written], { result: left });
    p.place(end);
  };

  return {
    wait: (signals) => {
      const [again, done] = [p.here(), p.label()];
      // What was typed is passed on before more of it is read.
      p.when("equal", left, 0, () => {
        poll(p, polled, 0, stdin, POLLIN);
        poll(p, polled, 1, master, POLLIN);
      }, () => {
        poll(p, polled, 0, NONE, 0);
        poll(p, polled, 1, master, POLLIN | POLLOUT);
      });
      poll(p, polled, 2, signals, POLLIN);
      p.call("ppoll", [polled, 3, until, 0, 0], {
        why: "until there is something to pass on, or a signal",
        accept: [EINTR],
        message: "cannot wait for the terminal",
      });
      const nothing = p.label();
      show(nothing);
      p.place(nothing);
      p.when("equal", revents(0), 0, () => {}, read);
      type();
      p.control("equal", [revents(2), 0], { fail: done });
      p.branch("equal", until, 0, again);
      // What is left of the time stands there: see the notes of ppoll(2).
      p.control("equal", [p.control("load64", [{ addressOf: wait }, 8]), 0], { fail: again });
      p.control("store64", [{ addressOf: wait }, 8, END_AGAIN]);
      p.when("equal", left, 0, typeEnd);
      p.jump(again);
      p.place(done);
    },
    signal: (signal, program) => {
      p.when("equal", signal, SIGNALS.SIGWINCH, () => copySize(p, master));
      p.when(
        "equal",
        signal,
        SIGNALS.SIGHUP,
        () => p.call("kill", [program, signal], { why: "our terminal is gone", accept: [ESRCH] }),
      );
    },
    end: () => {
      const [again, nothing, end] = [p.here(), p.label(), p.label()];
      show(nothing);
      p.jump(again);
      p.place(nothing);
      p.branch("equal", isTerminal, 0, end);
      p.call("ioctl", [STDIN, TCSETS, saved], { why: "as it was", fail: end });
      p.place(end);
    },
  };
}

/** `struct pollfd`: a descriptor, what is asked for, and what has come. */
function poll(p: Builder, list: Operand, index: number, fd: Operand, events: number): void {
  p.control("store32", [list, 8 * index, fd]);
  p.control("store32", [list, 8 * index + 4, events]);
}

/** Has our terminal pass on every key, and change nothing that is shown. See cfmakeraw(3). */
function makeRaw(p: Builder, saved: Operand): void {
  const raw = { addressOf: p.cell("struct termios", TERMIOS) };
  for (let at = 0; at < TERMIOS; at += 8) {
    p.control("store64", [raw, at, p.control("load64", [saved, at])]);
  }
  for (const [at, clear, set] of RAW) {
    const kept = p.control("and", [p.control("load32", [saved, at]), 0xffff_ffff - clear]);
    p.control("store32", [raw, at, p.control("or", [kept, set])]);
  }
  p.control("store8", [raw, VTIME, 0]);
  p.control("store8", [raw, VMIN, 1]);
  p.call("ioctl", [STDIN, TCSETS, raw], {
    why: "keys such as Ctrl-C are for the program",
    message: "cannot change our terminal",
  });
}

/** Gives a terminal the size of ours, if we have one. */
function copySize(p: Builder, master: Cell): void {
  const size = { addressOf: p.cell("struct winsize", 8) };
  const end = p.label();
  p.call("ioctl", [STDIN, TIOCGWINSZ, size], { why: "how large our terminal is", fail: end });
  p.call("ioctl", [master, TIOCSWINSZ, size], { why: "as large as ours", fail: end });
  p.place(end);
}
