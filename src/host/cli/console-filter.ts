/**
 * Between a container's serial console and the user's terminal: takes out what PID 1 says for programs and passes
 * everything else byte for byte. Text here is byte strings (see `byte-text.ts`).
 */

import { fromByteText, toBytes } from '../lib/byte-text.ts'

/** How PID 1's last line begins (`supervise/outcome.ts`), and the one before each restart. */
const EXIT = 'zmachine: exited code='

/** What begins a line that is for programs; the second are zmachine.timeline's (`run/steps.ts`). */
const BEGINNINGS = [EXIT, 'zmachine: timeline ']

/** The kernel's own last words (`[    1.57] reboot: Power down`) come at any log level, after PID 1's last line. */
const AFTER_EXIT = [...BEGINNINGS, '[']

/** Milliseconds: long for a serial line between two bytes of one write, too short for people to notice. */
const PATIENCE = 50

export interface ConsoleFilterOptions {
  /**
   * Takes the exit line also out of a line that a program left without its end, as `printf foo` does:
   * `foozmachine: exited code=0 …` becomes `foo`. A program that prints these words itself loses the rest of its line.
   */
  readonly unfinishedLines?: boolean
}

export interface ConsoleFilter {
  /** What may be shown of everything so far; less than came where a line's begin is still undecided. */
  push(chunk: Uint8Array): Uint8Array
  /** What was held back. The line that it belongs to is then passed, whatever it turns out to be. */
  flush(): Uint8Array
  /** The same at the end of the stream, where a line may have no end. */
  end(): Uint8Array
  /** Whether `flush` would give anything. */
  readonly holding: boolean
  /** The lines that were taken out, without their ends. */
  readonly lines: readonly string[]
}

/** A filter for one console, from its first byte on. */
export function createConsoleFilter({ unfinishedLines = false }: ConsoleFilterOptions = {}): ConsoleFilter {
  const lines: string[] = []
  let held = ''
  let atLineStart = true
  let dropped: string | undefined
  let beginningsOfLines = BEGINNINGS

  const keep = (line: string): void => {
    lines.push(withoutEnd(line))
    if (line.startsWith(EXIT)) beginningsOfLines = line.includes('; restarting') ? BEGINNINGS : AFTER_EXIT
    dropped = undefined
    atLineStart = true
  }

  /** What the next byte lets pass: nothing, itself, or it and what was held for it. */
  const next = (byte: string): string => {
    if (dropped !== undefined) {
      dropped += byte
      if (byte === '\n') keep(dropped)
      return ''
    }
    held += byte
    let passed = ''
    while (held !== '') {
      const beginnings = atLineStart ? beginningsOfLines : unfinishedLines ? [EXIT] : []
      if (beginnings.includes(held)) {
        dropped = held
        held = ''
      } else if (beginnings.some((beginning) => beginning.startsWith(held))) {
        return passed
      } else {
        // Not from its first byte on, but the next ones may be a begin.
        atLineStart = held.startsWith('\n')
        passed += held.charAt(0)
        held = held.slice(1)
      }
    }
    return passed
  }

  const flush = (): string => {
    const passed = held
    held = ''
    if (passed !== '') atLineStart = false
    return passed
  }

  return {
    lines,
    get holding() {
      return held !== ''
    },
    push(chunk) {
      let passed = ''
      for (const byte of chunk) passed += next(String.fromCharCode(byte))
      return toBytes(passed)
    },
    flush: () => toBytes(flush()),
    end() {
      if (dropped !== undefined) keep(dropped)
      return toBytes(flush())
    },
  }
}

const withoutEnd = (line: string): string => {
  const text = line.replace(/[\r\n]+$/, '')
  return fromByteText(text) ?? text
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
      if (filter.holding) timer = setTimeout(() => pass(filter.flush()), PATIENCE)
    },
    end() {
      clearTimeout(timer)
      pass(filter.end())
    },
  }
}
