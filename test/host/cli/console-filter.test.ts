import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest'
import {
  type ConsoleFilterOptions,
  createConsoleFilter,
  filterOutput,
} from '../../../src/host/cli/console-filter.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const text = (...chunks: readonly Uint8Array[]): string => Buffer.concat(chunks).toString('latin1')

/** What passes of a whole stream, and what was kept aside. */
function filtered(chunks: readonly string[], options?: ConsoleFilterOptions) {
  const filter = createConsoleFilter(options)
  const passed = chunks.map((chunk) => filter.push(bytes(chunk)))
  return { passed: text(...passed, filter.end()), lines: filter.lines }
}

const EXIT = 'zmachine: exited code=0 signal=none reason=exit uptime=3.081'
const STEP = 'zmachine: timeline 12.3 ms mount /data (ext4)'

test.each<[what: string, console: string, passed: string, lines: readonly string[]]>([
  ['lines of programs', 'one\r\ntwo\r\n', 'one\r\ntwo\r\n', []],
  ['the exit line', `one\r\n${EXIT}\r\n`, 'one\r\n', [EXIT]],
  ['the timeline', `${STEP}\r\n${STEP}\r\nafter\r\n`, 'after\r\n', [STEP, STEP]],
  ['a line with more than one carriage return', `${STEP}\r\r\nafter`, 'after', [STEP]],
  [
    'a name in UTF-8',
    'zmachine: timeline 0.1 ms hostname zo\xc3\xab\r\n',
    '',
    ['zmachine: timeline 0.1 ms hostname zoë'],
  ],
  ['an exit line at the end without its end', `one\r\n${EXIT}`, 'one\r\n', [EXIT]],
  ['what PID 1 says to people', 'zmachine: warning: eth0\r\n', 'zmachine: warning: eth0\r\n', []],
  ['a beginning that is none', 'zmachine: exitedzmachine: x\n', 'zmachine: exitedzmachine: x\n', []],
  ['a beginning at the end', 'one\nzmachine: ex', 'one\nzmachine: ex', []],
  ['the words within a line', `say ${EXIT}\r\n`, `say ${EXIT}\r\n`, []],
  ['a beginning after half of one', `zmach\n${EXIT}\r\n`, 'zmach\n', [EXIT]],
  ['a carriage return alone, which begins no line', `50 %\r${EXIT}\r\n`, `50 %\r${EXIT}\r\n`, []],
  [
    'the kernel’s last words',
    `[ 1.5] a\r\n${EXIT}\r\n[    1.57] reboot: Power down\r\n`,
    '[ 1.5] a\r\n',
    [EXIT, '[    1.57] reboot: Power down'],
  ],
  [
    'what follows the end of one that starts again',
    `${EXIT}; restarting in 1 s\r\n[ 2.0] a\r\n`,
    '[ 2.0] a\r\n',
    [`${EXIT}; restarting in 1 s`],
  ],
  ['bytes that are no text', '\0\xff\x1b[2J\r\n', '\0\xff\x1b[2J\r\n', []],
])('%s', (_, console, passed, lines) => {
  expect(filtered([console])).toEqual({ passed, lines })
  expect(filtered([...console])).toEqual({ passed, lines })
})

describe('unfinishedLines', () => {
  const options = { unfinishedLines: true }

  test.each([
    ['the exit line behind a line without its end', `foo${EXIT}\r\n`, 'foo', [EXIT]],
    ['behind what looked like one', `zzmachine: zmachine: e${EXIT}\r\n`, 'zzmachine: zmachine: e', [EXIT]],
    ['what comes after it is at the start of a line', `foo${EXIT}\r\n${STEP}\r\n`, 'foo', [EXIT, STEP]],
    ['not the timeline, which is told before any program runs', `foo${STEP}\r\n`, `foo${STEP}\r\n`, []],
  ])('%s', (_, console, passed, lines) => {
    expect(filtered([console], options)).toEqual({ passed, lines })
  })
})

/** Made of pieces that meet in a way that matters. */
const streams = fc
  .array(
    fc.constantFrom(
      'zmachine: exited code=',
      'zmachine: timeline ',
      'zmachine: ',
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
    fc.property(
      streams,
      fc.array(fc.nat(), { maxLength: 10 }),
      fc.boolean(),
      (stream, places, unfinishedLines) => {
        const chunks = cut(stream, places)
        expect(chunks.join('')).toBe(stream)
        expect(filtered(chunks, { unfinishedLines })).toEqual(filtered([stream], { unfinishedLines }))
      },
    ),
  )
})

test('what passes is what came, without the lines for programs', () => {
  fc.assert(
    fc.property(streams, (stream) => {
      const lines = stream.split(/(?<=\n)/)
      const forPrograms = lines.filter((line) => /^zmachine: (?:exited code=|timeline )/.test(line))
      expect(filtered([stream]).passed).toBe(lines.filter((line) => !forPrograms.includes(line)).join(''))
      expect(filtered([stream]).lines.length).toBe(forPrograms.length)
    }),
  )
})

test('with a flush after each chunk it is still whole lines that are missing, and only those', () => {
  fc.assert(
    fc.property(streams, fc.array(fc.nat(), { maxLength: 10 }), (stream, places) => {
      const filter = createConsoleFilter()
      const passed = cut(stream, places).flatMap((chunk) => [filter.push(bytes(chunk)), filter.flush()])
      const shown = text(...passed, filter.end()).split(/(?<=\n)/)
      const missing = stream
        .split(/(?<=\n)/)
        .filter((line) => line !== shown[0] || shown.shift() === undefined)
      expect(shown.join('')).toBe('')
      expect(missing.filter((line) => !/^zmachine: (?:exited code=|timeline )/.test(line))).toEqual([])
    }),
  )
})

describe('flush', () => {
  it('gives what is held back, and passes the rest of that line', () => {
    const filter = createConsoleFilter()
    expect(text(filter.push(bytes('\r\nzmachine: ')))).toBe('\r\n')
    expect([filter.holding, text(filter.flush()), filter.holding]).toEqual([true, 'zmachine: ', false])
    expect(text(filter.push(bytes(`exited code=1\r\n${EXIT}\r\n`)))).toBe('exited code=1\r\n')
    expect(filter.lines).toEqual([EXIT])
  })

  it('does not end a line that is being taken out', () => {
    const filter = createConsoleFilter()
    const passed = [
      filter.push(bytes(EXIT.slice(0, 30))),
      filter.flush(),
      filter.push(bytes(`${EXIT.slice(30)}\r\n`)),
    ]
    expect([text(...passed), filter.lines]).toEqual(['', [EXIT]])
  })

  it('of nothing leaves the start of a line', () => {
    const filter = createConsoleFilter()
    expect(text(filter.flush(), filter.push(bytes(`${EXIT}\n`)))).toBe('')
  })
})

describe('filterOutput', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  function start() {
    const written: string[] = []
    const filter = createConsoleFilter()
    const output = filterOutput(filter, (chunk) => void written.push(text(chunk)))
    return { written, filter, push: (chunk: string) => output.push(bytes(chunk)), end: output.end }
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
    const { written, filter, push } = start()
    for (const byte of `${EXIT}\r\n`) {
      push(byte)
      vi.advanceTimersByTime(40)
    }
    expect([written, filter.lines]).toEqual([[], [EXIT]])
  })

  it('passes what is held at the end, at once and once', () => {
    const { written, push, end } = start()
    push('zm')
    end()
    vi.advanceTimersByTime(1000)
    expect(written).toEqual(['zm'])
    expect(vi.getTimerCount()).toBe(0)
  })
})
