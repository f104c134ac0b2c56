/**
 * Keeps the container's output in a log file as well as on the console (`zmachine.log_file`). The container gets a terminal of its
 * own (pty(7)); what it writes there goes to the file and on to the console, for which it waits as it would without us. Where there
 * is no console its output comes through two pipes, and goes only to the file.
 */

import { bytesFrom } from '../../lib/bytes.ts'
import { jsonString } from '../../lib/json.ts'
import { rfc3339 } from '../../lib/rfc3339.ts'
import { describeErrno, EAGAIN } from '../../sys/errno.ts'
import {
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDWR,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  TCGETS,
  TCSETS,
  TIOCGPTN,
  TIOCGWINSZ,
  TIOCSPTLCK,
  TIOCSWINSZ,
} from '../../sys/flags.ts'
import { close, ioctl, open, type PollFd, pipe, poll, read, realTime, text, write } from '../../sys/linux.ts'
import type { Memory } from '../../sys/port.ts'
import { followLines, openConsoleTerminal, setLineEnd, useStreams, useTerminal, warn } from '../io/console.ts'
import { pauseWatchdog, SERVER_PATIENCE, watch } from '../io/watchdog.ts'
import { type Entries, endOutput, entry, newOutput, type Output, type Stream, takeOutput } from './entries.ts'
import { closeLogFile, LOG_FILE, type LogFile, openLogFile, writeEntries } from './log-file.ts'
import { endKey, makeRaw, TERMIOS_SIZE } from './termios.ts'

/** What the supervisor does with it. */
export interface Relay {
  /** Makes the standard streams that the next entrypoint inherits. */
  readonly openStreams: (owner: number | undefined) => void
  /** To be waited for now. */
  readonly fds: () => readonly PollFd[]
  /** Takes what is ready: descriptors with their events, of others as well. */
  readonly handle: (ready: readonly PollFd[]) => void
  /**
   * Takes what is left once nobody can write any more, and closes the file.
   * @param lastLine what PID 1 is about to say
   * @returns the end of the output as a JSON string, for the exit record
   */
  readonly finish: (lastLine: string) => string
}

/** As much is read at once, and is all that is held back for the console. In bytes. */
const CHUNK = 4096

/** How long a console that takes nothing may hold up the end, in milliseconds. */
const STALL = 1000

const NONE = new Uint8Array(0)

interface State {
  readonly file: LogFile
  readonly output: Output
  /** The real terminal; negative where there is none. */
  console: number
  /** Its settings before it was made raw. */
  readonly settings: Memory
  /** What the container writes to. */
  sources: readonly { readonly fd: number; readonly stream: Stream }[]
  /** Waits for the console. */
  outgoing: Memory
  /** Waits for the container. */
  incoming: Memory
}

/** @returns undefined where the root can't be written, which is a warning */
export function openRelay(limit: number): Relay | undefined {
  watchRoot()
  const file = openLogFile(limit)
  pauseWatchdog()
  if (typeof file === 'number') {
    warn(`${LOG_FILE}: ${describeErrno(file)}; the container's output goes to the console only`)
    return undefined
  }
  const { console, settings } = openConsole()
  const state: State = {
    file,
    output: newOutput(),
    console,
    settings,
    sources: [],
    outgoing: NONE,
    incoming: typedBefore(console, settings),
  }
  followLines((line) => {
    keepLine(state, line)
  })
  return {
    openStreams: (owner) => openStreams(state, owner),
    fds: () => watched(state),
    handle: (ready) => handle(state, ready),
    finish: (lastLine) => finish(state, lastLine),
  }
}

/** The terminal behind the console. */
function openConsole(): Pick<State, 'console' | 'settings'> {
  const settings = new Uint8Array(TERMIOS_SIZE)
  const fd = openConsoleTerminal(O_NONBLOCK | O_CLOEXEC)
  if (fd < 0) return { console: -1, settings }
  if (ioctl(fd, TCGETS, settings) < 0) {
    close(fd)
    return { console: -1, settings }
  }
  makeConsoleRaw({ console: fd, settings })
  return { console: fd, settings }
}

/**
 * What was typed before the console was raw. The kernel keeps an end of input (Ctrl-D) there as a zero, which only the
 * mode that it was typed in reads as an end (n_tty.c): the container's terminal gets the key again.
 */
function typedBefore(console: number, settings: Memory): Memory {
  const memory = new Uint8Array(CHUNK)
  const length = console < 0 ? 0 : read(console, memory)
  if (length <= 0) return NONE
  return memory.slice(0, length).map((byte) => (byte === 0 ? endKey(settings) : byte))
}

/** Makes the console raw: what the container's own terminal has done must not be done twice. */
function makeConsoleRaw({ console, settings }: Pick<State, 'console' | 'settings'>): void {
  ioctl(console, TCSETS, makeRaw(settings))
  setLineEnd('\r\n')
}

function restoreConsole({ console, settings }: State): void {
  ioctl(console, TCSETS, settings)
  setLineEnd('\n')
}

/** Some session of the container's had taken the console's terminal, and its end has hung that up (vhangup(2)). */
function reopenConsole(state: State): void {
  close(state.console)
  state.console = openConsoleTerminal(O_NONBLOCK | O_CLOEXEC)
  if (state.console < 0) state.outgoing = NONE
  else if (state.sources.length > 0) makeConsoleRaw(state)
}

function openStreams(state: State, owner: number | undefined): void {
  takeRest(state)
  // The next session's first line is no continuation of the last one's.
  keep(state, endOutput(state.output, now()))
  if (state.sources.length > 0) state.incoming = NONE
  for (const { fd } of state.sources) {
    // The terminal may have got another size meanwhile, which the next one inherits from the console.
    copySize(fd, state.console)
    close(fd)
  }
  state.sources = state.console < 0 ? openPipes() : openPty(state, owner)
}

/** @returns none where the kernel refuses; then the container writes to nobody */
function openPipes(): State['sources'] {
  const input = open('/dev/null', O_RDWR)
  const output = pipe(O_CLOEXEC)
  const errors = pipe(O_CLOEXEC)
  if (typeof output === 'number' || typeof errors === 'number') {
    useStreams([input])
    return []
  }
  useStreams([input, output[1], errors[1]])
  return [
    { fd: output[0], stream: 'stdout' },
    { fd: errors[0], stream: 'stderr' },
  ]
}

/** A terminal with the console's settings and size. Without a devpts it is the console itself. */
function openPty(state: State, owner: number | undefined): State['sources'] {
  const { console, settings } = state
  const master = open('/dev/ptmx', O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
  const number = new Uint32Array(1)
  ioctl(master, TIOCSPTLCK, new Uint32Array(1))
  ioctl(master, TIOCGPTN, number)
  const terminal = master < 0 ? master : open(`/dev/pts/${number[0]}`, O_RDWR | O_NOCTTY)
  if (terminal < 0) {
    warn(`${LOG_FILE}: no terminal of its own for the container: ${describeErrno(terminal)}`)
    if (master >= 0) close(master)
    restoreConsole(state)
    useTerminal(openConsoleTerminal(0), owner)
    return []
  }
  ioctl(terminal, TCSETS, settings)
  copySize(console, terminal)
  useTerminal(terminal, owner)
  makeConsoleRaw(state)
  return [{ fd: master, stream: 'stdout' }]
}

/** A struct winsize; a pipe has none. */
function copySize(from: number, to: number): void {
  const size = new Uint32Array(2)
  if (ioctl(from, TIOCGWINSZ, size) >= 0) ioctl(to, TIOCSWINSZ, size)
}

function watched({ console, sources, outgoing, incoming }: State): readonly PollFd[] {
  const fds: PollFd[] = []
  // What can't go on to the console is left where it is, so that the container waits.
  if (outgoing.length === 0) for (const { fd } of sources) fds.push({ fd, events: POLLIN })
  // Without a source the container has the console itself, and its input.
  if (console < 0 || (sources.length === 0 && outgoing.length === 0)) return fds
  const events = (outgoing.length > 0 ? POLLOUT : 0) | (incoming.length === 0 ? POLLIN : 0)
  fds.push({ fd: console, events })
  const master = sources[0]?.fd
  if (incoming.length > 0 && master !== undefined) fds.push({ fd: master, events: POLLOUT })
  return fds
}

function handle(state: State, ready: readonly PollFd[]): void {
  for (const { fd, events } of ready) {
    const source = state.sources.find((each) => each.fd === fd)
    if (source !== undefined) {
      if ((events & POLLOUT) !== 0) state.incoming = sendOn(fd, state.incoming)
      else if (!takeSource(state, fd, source.stream)) forget(state, fd)
    } else if (fd === state.console && (events & (POLLHUP | POLLERR)) !== 0) {
      reopenConsole(state)
    } else if (fd === state.console) {
      if ((events & POLLOUT) !== 0) state.outgoing = sendOn(fd, state.outgoing)
      if ((events & POLLIN) !== 0) takeInput(state)
    }
  }
}

/** Reads once what the container has written. @returns false where nothing can come any more */
function takeSource(state: State, fd: number, stream: Stream): boolean {
  const memory = new Uint8Array(CHUNK)
  const length = read(fd, memory)
  if (length <= 0) return length === -EAGAIN
  keep(state, takeOutput(state.output, stream, text(memory, 0, length), now()))
  if (state.console >= 0) state.outgoing = sendOn(state.console, memory.slice(0, length))
  return true
}

/** A terminal whose session has ended would be ready for ever. */
function forget(state: State, fd: number): void {
  close(fd)
  state.sources = state.sources.filter((source) => source.fd !== fd)
}

/** What is typed goes to the container; with nobody there it is lost, as on any terminal. */
function takeInput(state: State): void {
  const memory = new Uint8Array(CHUNK)
  const length = read(state.console, memory)
  const master = state.sources[0]?.fd
  if (length > 0 && master !== undefined) state.incoming = sendOn(master, memory.slice(0, length))
}

/** @returns what is still to be sent; nothing where nobody takes it any more */
function sendOn(fd: number, memory: Memory): Memory {
  const sent = write(fd, memory)
  if (sent === memory.length) return NONE
  return sent >= 0 ? bytesFrom(memory, sent) : sent === -EAGAIN ? memory : NONE
}

/** All that is there, as long as the console takes it. */
function takeRest(state: State): void {
  for (;;) {
    if (state.outgoing.length > 0) {
      const ready = poll([{ fd: state.console, events: POLLOUT }], STALL)
      if (typeof ready === 'number' || ready[0] === 0) state.outgoing = NONE
      else state.outgoing = sendOn(state.console, state.outgoing)
      continue
    }
    const fds = state.sources.map(({ fd }) => ({ fd, events: POLLIN }))
    const ready = poll(fds, 0)
    if (typeof ready === 'number' || ready.every((events) => events === 0)) return
    handle(
      state,
      fds.map(({ fd }, at) => ({ fd, events: ready[at] ?? 0 })).filter(({ events }) => events !== 0),
    )
  }
}

function finish(state: State, lastLine: string): string {
  takeRest(state)
  keep(state, endOutput(state.output, now()))
  keepLine(state, `zmachine: ${lastLine}\n`)
  followLines(undefined)
  for (const { fd } of state.sources) close(fd)
  state.sources = []
  closeLogFile(state.file)
  if (state.console >= 0) {
    restoreConsole(state)
    close(state.console)
  }
  return jsonString(state.output.tail)
}

/** A line of PID 1's own. */
const keepLine = (state: State, line: string): void =>
  keep(state, { text: entry(line, 'stderr', now()), count: 1 })

/** The root's server may have died. */
function keep({ file }: State, entries: Entries): void {
  if (entries.count === 0) return
  watchRoot()
  writeEntries(file, entries, now())
  pauseWatchdog()
}

const watchRoot = (): void => watch('the root, for the log file', SERVER_PATIENCE)

function now(): string {
  const { seconds, nanoseconds } = realTime()
  return rfc3339(seconds, nanoseconds)
}
