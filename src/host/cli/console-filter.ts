/**
 * Between a container's serial console and the user's terminal: takes out what PID 1 writes for programs, which is its
 * timeline before the entrypoint starts and its exit line at the very end, and passes everything else byte for byte.
 * A container may print the same words: they are passed. Text here is byte strings (see `byte-text.ts`).
 */

import { toBytes } from '../lib/byte-text.ts'

/** One of PID 1's times, and the last of them, after which the entrypoint starts (`zmachine.timeline`). */
const TIME = 'zmachine: timeline '
const LAST_TIME = / ms free the initramfs\s*$/

/** How PID 1's last line begins (`supervise/outcome.ts`). */
const EXIT = 'zmachine: exited code='

/** The kernel's own last words (`[    1.57] reboot: Power down`) come at any log level, after PID 1's last line. */
const KERNELS = '['

/** Milliseconds: long for a serial line between two bytes of one write, too short for people to notice. */
const BEGINNING_PATIENCE = 50

/** Longer than a machine takes from PID 1's last line to its end. Milliseconds. */
const END_PATIENCE = 5000

export interface ConsoleFilter {
  /** What may be shown of everything so far; less than came while it is undecided what the last of it is. */
  push(chunk: Uint8Array): Uint8Array
  /** What was held back, which is then passed, whatever it turns out to be. */
  flush(): Uint8Array
  /** What is left to show at the end of the console. */
  end(): Uint8Array
  /** What is held back: perhaps the beginning of a line for programs, or perhaps the end of the console. */
  readonly holding: 'nothing' | 'beginning' | 'end'
}

interface State {
  /** Whether the entrypoint may be running. */
  started: boolean
  atLineStart: boolean
  /** Too short to tell what it begins. */
  undecided: string
  /** A time of PID 1's, as far as it has come. */
  time: string | undefined
  /** An exit line and the kernel's lines after it: left out if nothing else follows. */
  ending: string
}

/** A filter for one console, from its first byte on. */
export function createConsoleFilter(): ConsoleFilter {
  const state: State = { started: false, atLineStart: true, undecided: '', time: undefined, ending: '' }
  return {
    get holding() {
      return state.ending !== '' ? 'end' : state.undecided !== '' ? 'beginning' : 'nothing'
    },
    push(chunk) {
      let passed = ''
      for (const byte of chunk) passed += take(state, String.fromCharCode(byte))
      return toBytes(passed)
    },
    flush: () => toBytes(flush(state)),
    end() {
      if (state.undecided === '') state.ending = ''
      return toBytes(flush(state))
    },
  }
}

/** What a byte lets pass: nothing, itself, or it and what was held for it. */
function take(state: State, byte: string): string {
  if (state.time !== undefined) {
    takeTime(state, state.time + byte)
    return ''
  }
  if (state.ending !== '' && !state.atLineStart) {
    state.ending += byte
    state.atLineStart = byte === '\n'
    return ''
  }
  state.undecided += byte
  let passed = ''
  while (state.undecided !== '') {
    const decided = decide(state)
    if (decided === undefined) break
    passed += decided
  }
  return passed
}

function takeTime(state: State, time: string): void {
  const isWhole = time.endsWith('\n')
  state.time = isWhole ? undefined : time
  if (isWhole) state.started = LAST_TIME.test(time)
}

/** Decides about the start of `undecided`, and gives what passes; undefined if more must come. */
function decide(state: State): string | undefined {
  const { undecided } = state
  const beginnings = beginningsOf(state)
  if (state.ending !== '' && (undecided === '\r' || undecided === '\n')) {
    // Nobody writes an empty line.
    state.ending += undecided
    state.undecided = ''
    return ''
  }
  if (beginnings.includes(undecided)) {
    state.undecided = ''
    if (undecided === TIME) {
      state.time = undecided
      return ''
    }
    // What was held is not the end where another exit line follows.
    const passed = undecided === EXIT ? release(state) : ''
    state.ending += undecided
    state.atLineStart = false
    return passed
  }
  if (beginnings.some((beginning) => beginning.startsWith(undecided))) return undefined
  const passed = release(state) + undecided.charAt(0)
  // Its first byte begins nothing, but the next ones may.
  state.atLineStart = passed.endsWith('\n')
  state.undecided = undecided.slice(1)
  return passed
}

/** What may begin here and is not the container's. */
function beginningsOf({ ending, atLineStart, started }: State): readonly string[] {
  if (ending !== '') return atLineStart ? [EXIT, KERNELS] : []
  return atLineStart && !started ? [EXIT, TIME] : [EXIT]
}

/** The lines that were held, which are not the end. */
function release(state: State): string {
  const held = state.ending
  state.ending = ''
  return held
}

function flush(state: State): string {
  const passed = release(state) + state.undecided
  state.undecided = ''
  if (passed !== '') state.atLineStart = passed.endsWith('\n')
  return passed
}

export interface FilteredOutput {
  push(chunk: Uint8Array): void
  /** The console has ended: everything is passed, and no timer is left. */
  end(): void
}

/**
 * The filter with its timer: what is held back goes to `write` once nothing came for a while, so that a typed `z` is
 * echoed. Each byte begins the wait anew, as PID 1's own lines may be slow, but never have a pause in them.
 */
export function filterOutput(filter: ConsoleFilter, write: (bytes: Uint8Array) => void): FilteredOutput {
  let timer: NodeJS.Timeout | undefined
  const pass = (bytes: Uint8Array): void => {
    if (bytes.length > 0) write(bytes)
  }
  return {
    push(chunk) {
      clearTimeout(timer)
      pass(filter.push(chunk))
      if (filter.holding === 'nothing') return
      const patience = filter.holding === 'end' ? END_PATIENCE : BEGINNING_PATIENCE
      timer = setTimeout(() => pass(filter.flush()), patience)
    },
    end() {
      clearTimeout(timer)
      pass(filter.end())
    },
  }
}
