/**
 * The size of the terminal at the other end of a serial console, which a serial line can't transmit: `zmachine run` sends it
 * through a virtio-serial port of its own. A host without such a port costs one failed open.
 */

import { listNames, readText } from '../boot/io/files.ts'
import { u16 } from '../lib/bytes.ts'
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY, TIOCSWINSZ } from '../sys/flags.ts'
import { ioctl, open, read } from '../sys/linux.ts'

const PORTS = '/sys/class/virtio-ports'
const NAME = 'zmachine.window'

/** Two numbers of 16 bits, little-endian: columns, rows. */
const MESSAGE = 4

/** In place of the port's descriptor where the machine has none. */
export const NO_WINDOW = -1

/** The port as a descriptor to wait for. */
export function openWindowPort(): number {
  const port = (listNames(PORTS) ?? []).find((name) => readText(`${PORTS}/${name}/name`) === `${NAME}\n`)
  const fd = port === undefined ? NO_WINDOW : open(`/dev/${port}`, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
  return Math.max(fd, NO_WINDOW)
}

/** Gives the console the size from the port; the kernel then sends SIGWINCH (TIOCSWINSZ, ioctl_tty(2)). */
export function readWindowPort(fd: number): void {
  const bytes = new Uint8Array(MESSAGE * 64)
  const length = read(fd, bytes)
  // Only the last message counts.
  const last = length - MESSAGE
  if (last < 0 || length % MESSAGE !== 0) return
  // struct winsize: rows, columns, and the size in pixels, which is unknown.
  ioctl(0, TIOCSWINSZ, Uint32Array.of((u16(bytes, last) << 16) | u16(bytes, last + 2), 0))
}
