/**
 * The user's terminal, or a pipe in its place, at a container's serial console. In the guest that console is a terminal
 * in cooked mode (termios(3)) until a program changes it, so the two differ:
 *
 * - A terminal is switched to raw mode: the guest's own echoes, edits lines and makes signals of Ctrl-C.
 * - A pipe's bytes are data, as in `echo data | docker run -i`. Those that the guest's terminal would act on are quoted
 *   for it, long lines are handed on in parts, and the pipe's end becomes the end of the program's input.
 *
 * What a pipe can't have: the guest echoes what it sends, a program that sets another mode sees the quotes, and beyond
 * some 64 KB (`TTYB_DEFAULT_MEM_LIMIT`, drivers/tty/tty_buffer.c) the guest drops what its program has not read yet, as
 * a serial line can't tell a sender to wait. Large data belongs on a share or a disk.
 */

import type { Readable, Writable } from 'node:stream'

/** As `process.stdin` is; without `isTTY` it is a pipe or a file. */
export type TerminalInput = Readable & {
  readonly isTTY?: boolean
  readonly isRaw?: boolean
  setRawMode?(raw: boolean): unknown
}

/** As `process.stdout` is: it has a size and tells SIGWINCH as `resize` where it is a terminal. */
export type TerminalOutput = Writable & {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

export interface TerminalOptions {
  readonly stdin: TerminalInput
  readonly stdout: TerminalOutput
  /** Takes what is for the guest's serial line. */
  readonly write: (bytes: Uint8Array) => void
  /** Ctrl-] was typed three times within a second. The terminal stays attached until `detach`. */
  readonly onLeave: () => void
  /** The terminal's size, now and whenever it changes: a serial line has none, so the guest must be told. */
  readonly onResize?: (columns: number, rows: number) => void
}

export interface AttachedTerminal {
  /** Reads no more, and the terminal is as it was before. May be called again. */
  detach(): void
}

/**
 * Attaches at once. A terminal may be attached while the guest still boots; a pipe not before its entrypoint starts, as
 * what a UART receives before the kernel opens it is lost.
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
    // A terminal that nobody gave a size has 0 x 0.
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
      // Else it would keep this process alive.
      stdin.pause()
      stdout.off('resize', tellSize)
      guest.stop()
    },
  }
}

interface GuestInput {
  push(chunk: Uint8Array): void
  /** There will be no more. */
  end(): void
  /** Nothing is to be written any more. */
  stop(): void
}

/** Ctrl-], as telnet(1) has it. */
const LEAVE = 0x1d
const LEAVE_TIMES = 3
/** Milliseconds, from the first one on. */
const LEAVE_WITHIN = 1000

/**
 * Byte for byte. The first Ctrl-] are held back until it is plain that they are typed to the guest: something else
 * follows, or the second is over. With the last one they are gone, and so is what was typed right behind it.
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
    // A terminal that is gone ends nothing in the guest: its input is not at an end, nobody is there.
    end: () => {},
    stop: () => void take(),
  }
}

const LF = 0x0a
/** VEOF, Ctrl-D: hands on what there is of a line; where that is nothing, the program reads the end of its input. */
const EOF = 0x04
/** VLNEXT, Ctrl-V: the next byte is one like any other. */
const QUOTE = 0x16

/**
 * What a terminal of Linux acts on when it is new (`tty_std_termios`, `INIT_C_CC` in include/asm-generic/termios.h):
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

/** A line in cooked mode has room for 4095 bytes and its end (`N_TTY_BUF_SIZE`); what exceeds it is lost. */
const LONGEST = 4000

/** Data for a terminal in cooked mode, so that a program there reads what was written, and then its end. */
function pipedInput(write: (bytes: Uint8Array) => void): GuestInput {
  /** How much of a line the guest's terminal has, and its program does not. */
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
      // Within a line the first one only hands it on.
      write(Uint8Array.from(unfinished > 0 ? [EOF, EOF] : [EOF]))
    },
    stop: () => {},
  }
}
