import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { endOutput, newOutput, takeOutput } from '../../../src/boot/log/entries.ts'
import { utf8 } from '../../bytes.ts'

const TIME = '2026-11-28T01:02:03.000000000Z'

interface Entry {
  readonly log: string
  readonly stream: string
  readonly time: string
}

const parse = (text: string): Entry[] =>
  Buffer.from(text, 'latin1')
    .toString('utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Entry)

describe('output', () => {
  it('is an entry a line, as Docker’s json-file driver writes it', () => {
    const { text, count } = takeOutput(newOutput(), 'stdout', utf8('one\r\n"zwei" é\n'), TIME)
    expect(text).toBe(
      utf8(
        `{"log":"one\\r\\n","stream":"stdout","time":"${TIME}"}\n{"log":"\\"zwei\\" é\\n","stream":"stdout","time":"${TIME}"}\n`,
      ),
    )
    expect(count).toBe(2)
  })

  it('waits for the end of a line, of each stream by itself', () => {
    const output = newOutput()
    expect(takeOutput(output, 'stdout', 'on', TIME).text).toBe('')
    expect(takeOutput(output, 'stderr', 'err', TIME).text).toBe('')
    expect(parse(takeOutput(output, 'stdout', 'e\ntw', TIME).text)).toEqual([
      { log: 'one\n', stream: 'stdout', time: TIME },
    ])
    expect(parse(endOutput(output, TIME).text)).toEqual([
      { log: 'tw', stream: 'stdout', time: TIME },
      { log: 'err', stream: 'stderr', time: TIME },
    ])
    expect(endOutput(output, TIME)).toEqual({ text: '', count: 0 })
  })

  it('is cut after 16 KB without an end of line', () => {
    const output = newOutput()
    const entries = parse(takeOutput(output, 'stdout', 'x'.repeat(40_000), TIME).text)
    expect(entries.map(({ log }) => log.length)).toEqual([16_384, 16_384])
    expect(parse(endOutput(output, TIME).text).map(({ log }) => log.length)).toEqual([40_000 - 32_768])
  })

  it('keeps its last 2 KB for the exit record', () => {
    const output = newOutput()
    takeOutput(output, 'stdout', 'a'.repeat(3000), TIME)
    takeOutput(output, 'stderr', 'the end\n', TIME)
    expect(output.tail).toBe(`${'a'.repeat(2040)}the end\n`)
  })
})

test('however output is read in pieces, nothing of it is lost and nothing is doubled', () => {
  const piece = fc.tuple(
    fc.constantFrom('stdout' as const, 'stderr' as const),
    fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 30 }),
  )
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const output = newOutput()
      let text = ''
      for (const [stream, part] of pieces) text += takeOutput(output, stream, part, TIME).text
      const entries = parse(text + endOutput(output, TIME).text)
      for (const stream of ['stdout', 'stderr']) {
        const written = pieces.filter(([to]) => to === stream).map(([, part]) => part)
        const logged = entries.filter((entry) => entry.stream === stream).map(({ log }) => log)
        expect(logged.join('')).toBe(written.join(''))
        expect(logged.slice(0, -1).every((log) => log.endsWith('\n'))).toBe(true)
      }
    }),
  )
})
