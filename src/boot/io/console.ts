/** The console: PID 1's log, the only one that zos hosts show. */

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

/** How long a stuck console may hold PID 1 up, in milliseconds; after that, lines are lost. */
const STALL = 1000

/** Milliseconds between two looks at what is left to send: no event reports the end. */
const DRAIN_STEP = 2

/** chown(2): leaves the group as it is. */
const KEEP = -1

let descriptor = 2
let level: LogLevel = 'info'
let stalled = false

/** The log's descriptor, for a child that writes to it. */
export const logDescriptor = (): number => descriptor

export const setLogLevel = (wanted: LogLevel): void => {
  level = wanted
}

/**
 * Opens the log, non-blocking, so that a stuck console can't block PID 1. It is /dev/console, not the terminal behind it:
 * that one is hung up when the entrypoint's session ends (vhangup(2)). Without a console, lines go to the kernel's log.
 */
export function openLog(): void {
  const flags = O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC
  const log = open('/dev/console', flags)
  const opened = log >= 0 ? log : open('/dev/kmsg', flags)
  if (opened >= 0) descriptor = opened
}

/**
 * Opens the console's real terminal as the standard streams that the entrypoint inherits; /dev/console itself can't be
 * a controlling terminal (tty_open_proc_set_tty). Needed before each start, as each end hangs it up.
 * @param owner the user who owns the terminal from now on and may open it as /dev/stdout or /dev/stderr; unchanged if left
 * out. /dev/console stays root's
 */
export function openTerminal(owner?: number): void {
  const terminal = openConsoleTerminal(0)
  if (terminal >= 0) useTerminal(terminal, owner)
  else useStreams([open('/dev/null', O_RDWR)])
}

/** A descriptor of the terminal behind /dev/console; negative where there is none. */
export function openConsoleTerminal(flags: number): number {
  const active = words(readText('/sys/class/tty/console/active') ?? '')
  // The last one is the terminal behind /dev/console.
  const name = active[active.length - 1]
  return name === undefined ? -1 : open(`/dev/${name}`, O_RDWR | O_NOCTTY | flags)
}

/** Makes a terminal the standard streams, and its owner's where one is given. */
export function useTerminal(terminal: number, owner: number | undefined): void {
  if (owner !== undefined) chown('', owner, KEEP, AT_EMPTY_PATH, terminal)
  useStreams([terminal])
}

/** Makes these the standard streams, and closes them; one for all three, or input, output and errors. */
export function useStreams(descriptors: readonly number[]): void {
  const [first = -1] = descriptors
  for (const fd of [0, 1, 2]) {
    const stream = descriptors[fd] ?? first
    if (stream >= 0 && fd !== stream) syscall(SYS_dup3, stream, fd, 0)
  }
  for (const fd of descriptors) if (fd > 2) close(fd)
}

/** Logs progress, unless zmachine.log=quiet. */
export function info(message: string): void {
  if (level !== 'quiet') line(message)
}

export const isDebug = (): boolean => level === 'debug'

/** Kernel messages on the console from now on: errors and worse. All of them stay in the kernel's log. */
export function quietKernel(): void {
  if (!isDebug()) setConsoleLevel(4)
}

/** Logs details, if zmachine.log=debug. */
export function debug(message: () => string): void {
  if (isDebug()) line(message())
}

/** Logs that something was skipped or is not as requested. */
export function warn(message: string): void {
  warned++
  line(`warning: ${message}`)
}

let warned = 0

/** How many warnings there were. */
export const warnings = (): number => warned

/** Bytes that begin a terminal's command, or are one. Names from the host or the image may have them. */
const COMMANDS: readonly string[] = ['\x1b', '\x9b', '\x90', '\x9d', '\r', '\b', '\x0e']

/** Logs a message, at any log level. It may have several lines. */
export function line(message: string): void {
  for (const part of splitList(message, '\n')) logLine(`zmachine: ${harmless(part)}`)
}

/** The text, without terminal commands. */
export const harmless = (text: string): string =>
  COMMANDS.some((char) => text.includes(char)) ? visible(text) : text

/** Lines from before anybody followed them: at most as many as the log of an ordinary boot has. */
const KEPT_LINES = 200
const kept: string[] = []
let follower: ((text: string) => void) | undefined

/** Passes on each line from now on, and those from before; undefined ends that. */
export function followLines(to: ((text: string) => void) | undefined): void {
  follower = to
  if (to === undefined) return
  for (const text of kept) to(text)
  kept.length = 0
}

/** `\r\n` for a terminal that is raw and adds no `\r` itself. */
export function setLineEnd(end: '\n' | '\r\n'): void {
  lineEnd = end
}

let lineEnd = '\n'

function logLine(line: string): void {
  if (follower !== undefined) follower(`${line}\n`)
  else if (kept.length < KEPT_LINES) kept.push(`${line}\n`)
  writeLog(line + lineEnd)
}

function writeLog(text: string): void {
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
 * Waits until the terminal has sent everything, so that a reset cuts nothing off, but no longer than STALL: tcdrain(3)
 * would wait for ever if the host doesn't read.
 */
export function drainConsole(): void {
  const left = new Uint32Array(1)
  for (let waited = 0; waited < STALL; waited += DRAIN_STEP) {
    if (ioctl(descriptor, TIOCOUTQ, left) < 0 || left[0] === 0) return
    poll([], DRAIN_STEP)
  }
}
