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

/** A filter for one console, from its first byte on. */
export function createConsoleFilter(): ConsoleFilter {
  /** Whether the entrypoint may be running. */
  let started = false
  let atLineStart = true
  /** Too short to tell what it begins. */
  let undecided = ''
  /** A time of PID 1's, as far as it has come. */
  let time: string | undefined
  /** An exit line and the kernel's lines after it: left out if nothing else follows. */
  let ending = ''

  const beginnings = (): readonly string[] => {
    if (ending !== '') return atLineStart ? [EXIT, KERNELS] : []
    if (!atLineStart) return [EXIT]
    return started ? [EXIT] : [EXIT, TIME]
  }

  /** What the next byte lets pass: nothing, itself, or it and what was held for it. */
  const next = (byte: string): string => {
    if (time !== undefined) {
      time += byte
      if (byte !== '\n') return ''
      started = LAST_TIME.test(time)
      time = undefined
      return ''
    }
    if (ending !== '' && !atLineStart) {
      ending += byte
      atLineStart = byte === '\n'
      return ''
    }
    undecided += byte
    let passed = ''
    while (undecided !== '') {
      const known = beginnings()
      if (ending !== '' && (undecided === '\r' || undecided === '\n')) {
        // An empty line is nobody's.
        ending += undecided
        undecided = ''
      } else if (known.includes(undecided)) {
        if (undecided === TIME) {
          time = undecided
        } else {
          if (undecided === EXIT) passed += release()
          ending += undecided
          atLineStart = false
        }
        undecided = ''
      } else if (known.some((beginning) => beginning.startsWith(undecided))) {
        return passed
      } else {
        passed += release()
        // Not from its first byte on, but the next ones may be a beginning.
        atLineStart = undecided.startsWith('\n')
        passed += undecided.charAt(0)
        undecided = undecided.slice(1)
      }
    }
    return passed
  }

  /** The lines that were held were not the end. */
  const release = (): string => {
    const held = ending
    ending = ''
    return held
  }

  const flush = (): string => {
    const passed = release() + undecided
    undecided = ''
    if (passed !== '') atLineStart = passed.endsWith('\n')
    return passed
  }

  return {
    get holding() {
      return ending !== '' ? 'end' : undecided !== '' ? 'beginning' : 'nothing'
    },
    push(chunk) {
      let passed = ''
      for (const byte of chunk) passed += next(String.fromCharCode(byte))
      return toBytes(passed)
    },
    flush: () => toBytes(flush()),
    end() {
      if (undecided === '') ending = ''
      return toBytes(flush())
    },
  }
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
