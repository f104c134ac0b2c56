import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest'
import { createConsoleFilter, filterOutput } from '../../../src/host/cli/console-filter.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const text = (...chunks: readonly Uint8Array[]): string => Buffer.concat(chunks).toString('latin1')

/** What passes of a whole console. */
function filtered(...chunks: readonly string[]): string {
  const filter = createConsoleFilter()
  return text(...chunks.map((chunk) => filter.push(bytes(chunk))), filter.end())
}

const EXIT = 'zmachine: exited code=0 signal=none reason=exit uptime=3.081'
const STEP = 'zmachine: timeline 12.3 ms mount /data (ext4)'
const LAST_STEP = 'zmachine: timeline 0.1 ms free the initramfs'

test.each<[what: string, console: string, passed: string]>([
  ['lines of programs', 'one\r\ntwo\r\n', 'one\r\ntwo\r\n'],
  ['the exit line', `one\r\n${EXIT}\r\n`, 'one\r\n'],
  ['the exit line without its end', `one\r\n${EXIT}`, 'one\r\n'],
  ['the exit line behind a line without its end', `foo${EXIT}\r\n`, 'foo'],
  ['behind what looked like one', `zzmachine: zmachine: e${EXIT}\r\n`, 'zzmachine: zmachine: e'],
  ['behind half of one', `zmach\n${EXIT}\r\n`, 'zmach\n'],
  ['behind a carriage return', `50 %\r${EXIT}\r\n`, '50 %\r'],
  ['the timeline', `${STEP}\r\n${LAST_STEP}\r\nafter\r\n`, 'after\r\n'],
  ['a timeline with more than one carriage return', `${STEP}\r\r\n${LAST_STEP}\r\r\nafter`, 'after'],
  ['a name in UTF-8', 'zmachine: timeline 0.1 ms hostname zo\xc3\xab\r\n', ''],
  ['what PID 1 says to people', 'zmachine: warning: eth0\r\n', 'zmachine: warning: eth0\r\n'],
  ['a beginning that is none', 'zmachine: exitedzmachine: x\n', 'zmachine: exitedzmachine: x\n'],
  ['a beginning at the end', 'one\nzmachine: ex', 'one\nzmachine: ex'],
  ['the kernel’s last words', `[ 1.5] a\r\n${EXIT}\r\n[    1.57] reboot: Power down\r\n`, '[ 1.5] a\r\n'],
  ['bytes that are no text', '\0\xff\x1b[2J\r\n', '\0\xff\x1b[2J\r\n'],
])('%s', (_, console, passed) => {
  expect(filtered(console)).toBe(passed)
  expect(filtered(...console)).toBe(passed)
})

describe('a container that prints PID 1’s words', () => {
  test.each<[what: string, console: string]>([
    ['an exit line that it goes on after', `${EXIT}\r\nmore\r\n`],
    ['the end of a restart', `${EXIT}; restarting in 1 s\r\n[ 2.0] a\r\nmore`],
    ['an exit line, and what looks like the kernel’s', `say ${EXIT}\r\n[  OK  ] Reached\r\n\r\nmore`],
    ['an exit line and half of another', `${EXIT}\r\nzmachine: ex`],
    ['a timeline', `${STEP}\r\n${LAST_STEP}\r\n`],
  ])('loses nothing: %s', (_, said) => {
    const before = `${STEP}\r\n${LAST_STEP}\r\n`
    expect(filtered(`${before}${said}`)).toBe(said)
    expect(filtered(...before, ...said)).toBe(said)
  })

  test('loses nothing before PID 1’s own line', () => {
    expect(filtered(`${EXIT}\r\n${EXIT.replace('=0', '=3')}\r\n[ 2.0] reboot: Power down\r\n`)).toBe(
      `${EXIT}\r\n`,
    )
  })
})

/** Made of pieces that meet in a way that matters. */
const streams = fc
  .array(
    fc.constantFrom(
      'zmachine: exited code=',
      'zmachine: timeline ',
      ' ms free the initramfs',
      'zmachine: ',
      '[',
      'z',
      'e',
      '\r',
      '\n',
      '\r\n',
      'ë',
    ),
    { maxLength: 30 },
  )
  .map((pieces) => pieces.join(''))

const cut = (stream: string, places: readonly number[]): string[] => {
  const ends = [...new Set(places.map((place) => place % (stream.length + 1)))].sort((a, b) => a - b)
  return [...ends, stream.length].map((end, index) => stream.slice(ends[index - 1] ?? 0, end))
}

test('any split into chunks gives the same', () => {
  fc.assert(
    fc.property(streams, fc.array(fc.nat(), { maxLength: 10 }), (stream, places) => {
      const chunks = cut(stream, places)
      expect(chunks.join('')).toBe(stream)
      expect(filtered(...chunks)).toBe(filtered(stream))
    }),
  )
})

test('once the entrypoint runs, what passes is what came, but for the end', () => {
  fc.assert(
    fc.property(streams, (stream) => {
      const passed = filtered(`${LAST_STEP}\n${stream}`)
      const left = stream.slice(passed.length)
      expect(stream.startsWith(passed)).toBe(true)
      expect(left).toMatch(/^(zmachine: exited code=[^\n]*\n?(\[[^\n]*(\n|$)|[\r\n])*)?$/)
    }),
  )
})

describe('flush', () => {
  it('gives what is held back, and passes the rest of that line', () => {
    const filter = createConsoleFilter()
    expect(text(filter.push(bytes('\r\nzmachine: ')))).toBe('\r\n')
    expect([filter.holding, text(filter.flush()), filter.holding]).toEqual([
      'beginning',
      'zmachine: ',
      'nothing',
    ])
    expect(text(filter.push(bytes(`exited code=1\r\n${EXIT}\r\n`)), filter.end())).toBe('exited code=1\r\n')
  })

  it('gives an exit line that the console goes on after', () => {
    const filter = createConsoleFilter()
    expect(text(filter.push(bytes(`${EXIT}\r\n`)))).toBe('')
    expect([filter.holding, text(filter.flush())]).toEqual(['end', `${EXIT}\r\n`])
    expect(text(filter.push(bytes(`${EXIT}\r\n`)), filter.end())).toBe('')
  })

  it('does not end a time that is being taken out', () => {
    const filter = createConsoleFilter()
    const passed = [
      filter.push(bytes(STEP.slice(0, 30))),
      filter.flush(),
      filter.push(bytes(`${STEP.slice(30)}\r\n`)),
    ]
    expect(text(...passed)).toBe('')
  })

  it('of nothing leaves the start of a line', () => {
    const filter = createConsoleFilter()
    expect(text(filter.flush(), filter.push(bytes(`${STEP}\n`)))).toBe('')
  })
})

describe('filterOutput', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  function start() {
    const written: string[] = []
    const output = filterOutput(createConsoleFilter(), (chunk) => void written.push(text(chunk)))
    return { written, push: (chunk: string) => output.push(bytes(chunk)), end: output.end }
  }

  it('echoes a typed z after 50 ms', () => {
    const { written, push } = start()
    push('z')
    vi.advanceTimersByTime(49)
    expect(written).toEqual([])
    vi.advanceTimersByTime(1)
    expect(written).toEqual(['z'])
  })

  it('waits for a line that comes slowly, byte by byte', () => {
    const { written, push, end } = start()
    for (const byte of `${EXIT}\r\n`) {
      push(byte)
      vi.advanceTimersByTime(40)
    }
    end()
    expect(written).toEqual([])
  })

  it('shows an exit line of a container’s that says nothing more, after 5 s', () => {
    const { written, push } = start()
    push(`${EXIT}\r\n`)
    vi.advanceTimersByTime(4999)
    expect(written).toEqual([])
    vi.advanceTimersByTime(1)
    expect(written).toEqual([`${EXIT}\r\n`])
  })

  it('passes what is held at the end, at once and once', () => {
    const { written, push, end } = start()
    push('zm')
    end()
    vi.advanceTimersByTime(10_000)
    expect(written).toEqual(['zm'])
    expect(vi.getTimerCount()).toBe(0)
  })
})
