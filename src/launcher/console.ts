/** A machine's console: text as it comes, kept whole, given out in lines to any number of readers. */

export interface Console {
  /** Everything so far. */
  text(): string
  /** Each line without its end, from the first one on; ends with the machine. */
  lines(): AsyncIterable<string>
  /** The first line that has the pattern, also one that came before; undefined where the machine ends without it. */
  waitFor(pattern: RegExp | string): Promise<string | undefined>
}

export interface ConsoleWriter extends Console {
  push(chunk: Uint8Array): void
  end(): void
}

/** An empty console. */
export function createConsole(): ConsoleWriter {
  const decoder = new TextDecoder()
  const complete: string[] = []
  let text = ''
  let rest = ''
  let ended = false
  let wake: () => void = () => {}
  let changed = new Promise<void>((resolve) => {
    wake = resolve
  })

  const notify = (): void => {
    const woken = wake
    changed = new Promise<void>((resolve) => {
      wake = resolve
    })
    woken()
  }

  const append = (decoded: string): void => {
    text += decoded
    const pieces = (rest + decoded).split('\n')
    rest = pieces.pop() ?? ''
    complete.push(...pieces.map(withoutReturn))
    notify()
  }

  async function* lines(): AsyncGenerator<string> {
    for (let next = 0; ; ) {
      const line = complete[next]
      if (line !== undefined) {
        next++
        yield line
      } else if (ended) {
        return
      } else {
        await changed
      }
    }
  }

  return {
    text: () => text,
    lines,
    async waitFor(pattern) {
      for await (const line of lines()) {
        if (typeof pattern === 'string' ? line.includes(pattern) : pattern.test(line)) return line
      }
      return undefined
    },
    push: (chunk) => append(decoder.decode(chunk, { stream: true })),
    end: () => {
      if (ended) return
      append(decoder.decode())
      if (rest !== '') complete.push(withoutReturn(rest))
      ended = true
      notify()
    },
  }
}

/** A terminal line ends with \r\n, and a kernel that writes through a terminal may send more than one \r. */
const withoutReturn = (line: string): string => line.replace(/\r+$/, '')
