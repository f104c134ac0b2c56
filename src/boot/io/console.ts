/** The console: PID 1's log, the only one that a zos host shows today. */

import type { LogLevel } from '../../config/machine.ts'
import { bytesFrom } from '../../lib/bytes.ts'
import { splitList, visible, words } from '../../lib/text.ts'
import { EAGAIN } from '../../sys/errno.ts'
import {
  AT_EMPTY_PATH,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDWR,
  O_WRONLY,
  POLLOUT,
  TIOCOUTQ,
} from '../../sys/flags.ts'
import {
  chown,
  close,
  currentRuntime,
  ioctl,
  open,
  poll,
  SYS_dup3,
  setConsoleLevel,
  syscall,
  write,
} from '../../sys/linux.ts'
import { readText } from './files.ts'

/** How long a console that takes nothing may hold PID 1 up, in milliseconds; then lines are lost, not the container. */
const STALL = 1000

/** Milliseconds between two looks at what is left to send: nobody tells when it is nothing. */
const DRAIN_STEP = 2

/** chown(2): leaves the group as it is. */
const KEEP = -1

let descriptor = 2
let level: LogLevel = 'info'
let stalled = false

/** Where lines go, for a child that has something to say. */
export const logDescriptor = (): number => descriptor

export const setLogLevel = (wanted: LogLevel): void => {
  level = wanted
}

/**
 * Opens the log, non-blocking: a console that is stuck must not be able to stop PID 1. /dev/console and not the
 * terminal behind it, since that one is hung up when the entrypoint's session ends (vhangup(2)), and this one is not.
 * Without any console the kernel's own log takes the lines.
 */
export function openLog(): void {
  const flags = O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC
  const log = open('/dev/console', flags)
  const opened = log >= 0 ? log : open('/dev/kmsg', flags)
  if (opened >= 0) descriptor = opened
}

/**
 * Opens the console's real terminal as the standard streams that the entrypoint inherits; /dev/console itself can't be
 * a controlling terminal (tty_open_proc_set_tty). To be done before each start, as each end hangs it up.
 * @param owner who may open the terminal by its name from now on, /dev/stdout and /dev/stderr among its names; whoever may
 * now where it is left out. /dev/console stays root's
 */
export function openTerminal(owner?: number): void {
  const active = words(readText('/sys/class/tty/console/active') ?? '')
  // The kernel lists the one behind /dev/console last.
  const name = active[active.length - 1]
  const terminal = name === undefined ? -1 : open(`/dev/${name}`, O_RDWR | O_NOCTTY)
  if (terminal >= 0 && owner !== undefined) chown('', owner, KEEP, AT_EMPTY_PATH, terminal)
  const streams = terminal >= 0 ? terminal : open('/dev/null', O_RDWR)
  for (const fd of [0, 1, 2]) if (streams >= 0 && fd !== streams) syscall(SYS_dup3, streams, fd, 0)
  if (streams > 2) close(streams)
}

/** `zmachine: …`: progress, left out with zmachine.log=quiet. */
export function info(message: string): void {
  if (level !== 'quiet') line(message)
}

export const isDebug = (): boolean => level === 'debug'

/** Kernel messages on the console from now on: errors and worse. All of them stay in the kernel's log. */
export function quietKernel(): void {
  if (!isDebug()) setConsoleLevel(4)
}

/** Only with zmachine.log=debug. */
export function debug(message: () => string): void {
  if (isDebug()) line(message())
}

/** Something was skipped or is not as asked for; the boot goes on. */
export function warn(message: string): void {
  warned++
  line(`warning: ${message}`)
}

let warned = 0

/** How many warnings there were. */
export const warnings = (): number => warned

/** What a terminal takes for a command, or for the begin of one: names of a host's or an image's may hold it. */
const COMMANDS: readonly string[] = ['\x1b', '\x9b', '\x90', '\x9d', '\r', '\b', '\x0e']

/** One line, whatever the log level; several where the message has several. */
export function line(message: string): void {
  for (const part of splitList(message, '\n')) put(`zmachine: ${harmless(part)}\n`)
}

/** Text that no terminal takes for a command. */
export const harmless = (text: string): string =>
  COMMANDS.some((char) => text.includes(char)) ? visible(text) : text

function put(text: string): void {
  const memory = new Uint8Array(text.length)
  currentRuntime().putText(memory, 0, text)
  for (let sent = 0; sent < memory.length; ) {
    const result = write(descriptor, bytesFrom(memory, sent))
    if (result > 0) {
      sent += result
      stalled = false
    } else if (result === -EAGAIN && !stalled) {
      const ready = poll([{ fd: descriptor, events: POLLOUT }], STALL)
      stalled = typeof ready === 'number' || ready[0] === 0
    } else {
      return
    }
  }
}

/**
 * Waits until the terminal has sent what it was given, so that a reset cuts nothing off, but no longer than STALL:
 * tcdrain(3) would wait for ever for a host that does not read.
 */
export function drainConsole(): void {
  const left = new Uint32Array(1)
  for (let waited = 0; waited < STALL; waited += DRAIN_STEP) {
    if (ioctl(descriptor, TIOCOUTQ, left) < 0 || left[0] === 0) return
    poll([], DRAIN_STEP)
  }
}
