/** A machine's console: keeps its newest text, and gives it to any number of readers, line by line. */

export interface Console {
  /** Everything so far, or the newest of it if there is more than is kept. */
  text(): string
  /** Calls the listener with each chunk from now on. */
  onBytes(listener: (chunk: Uint8Array) => void): void
  /** Every line from the first, without its end; ends with the machine. */
  lines(): AsyncIterable<string>
  /** The first line with the pattern, earlier ones included; undefined if the machine ends without it. */
  waitFor(pattern: RegExp | string): Promise<string | undefined>
}

export interface ConsoleWriter extends Console {
  push(chunk: Uint8Array): void
  end(): void
}

/** A container may print for years. */
const DEFAULT_LIMIT = 16 << 20

/** An empty console that keeps about so many characters. */
export function createConsole(limit = DEFAULT_LIMIT): ConsoleWriter {
  const decoder = new TextDecoder()
  const listeners: ((chunk: Uint8Array) => void)[] = []
  const { append, end, lines, text } = createLines(limit)
  let ended = false
  return {
    text,
    onBytes: (listener) => void listeners.push(listener),
    lines,
    async waitFor(pattern) {
      for await (const line of lines()) {
        if (typeof pattern === 'string' ? line.includes(pattern) : pattern.test(line)) return line
      }
      return undefined
    },
    push(chunk) {
      for (const listener of listeners) listener(chunk)
      append(decoder.decode(chunk, { stream: true }))
    },
    end() {
      if (ended) return
      ended = true
      append(decoder.decode())
      end()
    },
  }
}

/** Text as it comes, and its lines for readers that wait for more. */
function createLines(limit: number) {
  const complete: string[] = []
  const change = createChange()
  /** How many lines were dropped from the front of `complete`. */
  let dropped = 0
  let text = ''
  let rest = ''
  let ended = false

  const forget = (): void => {
    text = text.slice(-limit)
    rest = rest.slice(-limit)
    let kept = 0
    let first = complete.length
    while (first > 0 && kept <= limit) kept += (complete[--first]?.length ?? 0) + 1
    dropped += complete.splice(0, first).length
  }

  return {
    text: () => text,
    append(more: string): void {
      text += more
      const pieces = (rest + more).split('\n')
      rest = pieces.pop() ?? ''
      for (const piece of pieces) complete.push(withoutReturn(piece))
      // A line without an end is cut as well. Not at each chunk, since cutting copies.
      if (text.length > limit + limit / 4) forget()
      change.announce()
    },
    end(): void {
      if (rest !== '') complete.push(withoutReturn(rest))
      ended = true
      change.announce()
    },
    async *lines(): AsyncGenerator<string> {
      for (let next = 0; ; ) {
        next = Math.max(next, dropped)
        const line = complete[next - dropped]
        if (line !== undefined) {
          next++
          yield line
        } else if (ended) {
          return
        } else {
          await change.next()
        }
      }
    },
  }
}

/** Wakes everybody who waits. */
function createChange(): { next(): Promise<void>; announce(): void } {
  let wake: () => void = () => {}
  const renew = (): Promise<void> =>
    new Promise<void>((resolve) => {
      wake = resolve
    })
  let next = renew()
  return {
    next: () => next,
    announce() {
      const woken = wake
      next = renew()
      woken()
    },
  }
}

/** A terminal line ends with \r\n, and a kernel that writes through a terminal may send more than one \r. */
const withoutReturn = (line: string): string => line.replace(/\r+$/, '')
