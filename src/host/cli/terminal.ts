/**
 * Connects the user's terminal, or a pipe, to a container's serial console. In the guest the console is a terminal in
 * cooked mode (termios(3)) until a program changes it, so the two are handled differently:
 *
 * - A terminal is switched to raw mode: the guest's terminal echoes, edits lines and turns Ctrl-C into a signal.
 * - A pipe's bytes are data, as in `echo data | docker run -i`. Bytes that the guest's terminal would act on are quoted,
 *   long lines are passed in parts, and the pipe's end becomes the end of the program's input.
 *
 * Limits of a pipe: the guest echoes its input, a program that sets another mode sees the quotes, and the guest drops
 * input beyond some 64 KB that its program has not read (`TTYB_DEFAULT_MEM_LIMIT`, drivers/tty/tty_buffer.c), since a
 * serial line can't make the sender wait. Large data belongs on a share or a disk.
 */

import type { Readable, Writable } from 'node:stream'

/** As `process.stdin` is; without `isTTY` it is a pipe or a file. */
export type TerminalInput = Readable & {
  readonly isTTY?: boolean
  readonly isRaw?: boolean
  setRawMode?(raw: boolean): unknown
}

/** As `process.stdout` is; a terminal has a size and emits `resize`. */
export type TerminalOutput = Writable & {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

export interface TerminalOptions {
  readonly stdin: TerminalInput
  readonly stdout: TerminalOutput
  /** Writes to the guest's serial line. */
  readonly write: (bytes: Uint8Array) => void
  /** Ctrl-] was typed three times within a second. The terminal stays attached until `detach`. */
  readonly onLeave: () => void
  /** Gets the terminal's size, now and at each change: a serial line has none. */
  readonly onResize?: (columns: number, rows: number) => void
}

export interface AttachedTerminal {
  /** Stops reading and restores the terminal's mode. May be called again. */
  detach(): void
}

/**
 * Attaches at once. A terminal may be attached while the guest boots. A pipe must wait for the entrypoint, since what a
 * UART receives before the kernel opens it is lost.
 *
 * The terminal's mode is also restored when this process exits without `detach`; at SIGINT and SIGTERM Node does that
 * itself (`SignalExit`, src/node.cc), as long as nobody handles them.
 */
export function attachTerminal({
  stdin,
  stdout,
  write,
  onLeave,
  onResize,
}: TerminalOptions): AttachedTerminal {
  const isTerminal = stdin.isTTY === true
  const guest = isTerminal ? typedInput(write, onLeave) : pipedInput(write)
  const push = (chunk: Uint8Array | string): void => guest.push(Buffer.from(chunk))
  const wasRaw = stdin.isRaw === true
  const restore = (): void => {
    if (isTerminal) stdin.setRawMode?.(wasRaw)
  }
  const tellSize = (): void => {
    const { columns = 0, rows = 0 } = stdout
    // A terminal without a size reports 0 x 0.
    if (columns > 0 && rows > 0) onResize?.(columns, rows)
  }

  if (isTerminal) stdin.setRawMode?.(true)
  process.once('exit', restore)
  stdin.on('data', push)
  stdin.once('end', guest.end)
  // EISDIR, or EIO of a terminal that was hung up: nothing more comes.
  stdin.on('error', guest.end)
  stdin.resume()
  if (stdout.isTTY === true) {
    stdout.on('resize', tellSize)
    tellSize()
  }

  let attached = true
  return {
    detach() {
      if (!attached) return
      attached = false
      restore()
      process.off('exit', restore)
      stdin.off('data', push)
      stdin.off('end', guest.end)
      stdin.off('error', guest.end)
      // It would keep this process alive.
      stdin.pause()
      stdout.off('resize', tellSize)
      guest.stop()
    },
  }
}

interface GuestInput {
  push(chunk: Uint8Array): void
  /** No more input follows. */
  end(): void
  /** Writes nothing any more. */
  stop(): void
}

/** Ctrl-], as telnet(1) has it. */
const LEAVE = 0x1d
const LEAVE_TIMES = 3
/** Milliseconds, from the first one on. */
const LEAVE_WITHIN = 1000

/**
 * Passes bytes as they are. The first Ctrl-] are held back until they are known to be for the guest: another byte
 * follows, or the second is over. After the last one they are dropped, with what was typed right after it.
 */
function typedInput(write: (bytes: Uint8Array) => void, onLeave: () => void): GuestInput {
  let held = 0
  let timer: NodeJS.Timeout | undefined

  const take = (): number[] => {
    clearTimeout(timer)
    const keys = Array.from({ length: held }, () => LEAVE)
    held = 0
    return keys
  }
  const pass = (bytes: readonly number[]): void => {
    if (bytes.length > 0) write(Uint8Array.from(bytes))
  }

  return {
    push(chunk) {
      const passed: number[] = []
      for (const byte of chunk) {
        if (byte !== LEAVE) {
          if (held > 0) passed.push(...take())
          passed.push(byte)
        } else if (++held === 1) {
          timer = setTimeout(() => pass(take()), LEAVE_WITHIN)
        } else if (held === LEAVE_TIMES) {
          take()
          pass(passed)
          onLeave()
          return
        }
      }
      pass(passed)
    },
    // A terminal that is gone does not end the guest's input.
    end: () => {},
    stop: () => void take(),
  }
}

const LF = 0x0a
/** VEOF, Ctrl-D: passes an unfinished line to the program; on an empty line, it is the end of input. */
const EOF = 0x04
/** VLNEXT, Ctrl-V: takes the next byte literally. */
const QUOTE = 0x16

/**
 * The bytes that a new Linux terminal acts on (`tty_std_termios`, `INIT_C_CC` in include/asm-generic/termios.h):
 * INTR, EOF, CR for ICRNL, START, REPRINT, STOP, KILL, LNEXT, WERASE, SUSP, QUIT, ERASE.
 */
const ACTED_ON: ReadonlySet<number> = new Set([
  0x03,
  EOF,
  0x0d,
  0x11,
  0x12,
  0x13,
  0x15,
  QUOTE,
  0x17,
  0x1a,
  0x1c,
  0x7f,
])

/** A line in cooked mode holds 4095 bytes and its end (`N_TTY_BUF_SIZE`); the rest is lost. */
const LONGEST = 4000

/** Quotes data for a terminal in cooked mode, so that a program reads exactly it, and then the end. */
function pipedInput(write: (bytes: Uint8Array) => void): GuestInput {
  /** How many bytes of an unfinished line the guest's terminal holds. */
  let unfinished = 0
  let ended = false
  return {
    push(chunk) {
      const quoted: number[] = []
      for (const byte of chunk) {
        if (ACTED_ON.has(byte)) quoted.push(QUOTE)
        quoted.push(byte)
        unfinished = byte === LF ? 0 : unfinished + 1
        if (unfinished === LONGEST) {
          quoted.push(EOF)
          unfinished = 0
        }
      }
      write(Uint8Array.from(quoted))
    },
    end() {
      if (ended) return
      ended = true
      // Within a line the first one only passes the line.
      write(Uint8Array.from(unfinished > 0 ? [EOF, EOF] : [EOF]))
    },
    stop: () => {},
  }
}
