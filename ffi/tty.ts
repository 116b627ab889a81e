/**
 * Terminals, see ioctl_tty(2).
 *
 * @module
 */
import { TIOCGWINSZ } from "./constants/termios.ts";
import { raw } from "./libc.ts";

/**
 * How many columns a terminal has: 0 if it does not say so, `undefined` if the
 * descriptor is no terminal.
 *
 * See isatty(3), ioctl_tty(2).
 */
export function terminalColumns(fd: number): number | undefined {
  if (raw("isatty", fd) === 0) return undefined;
  const size = new Uint16Array(4); // struct winsize: rows, columns, pixels
  return raw("ioctl", fd, TIOCGWINSZ, size) === 0 ? size[1]! : 0;
}
