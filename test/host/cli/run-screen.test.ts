import { expect, test } from 'vitest'
import { stopPatience, withoutReturns } from '../../../src/host/cli/run-screen.ts'

test.each([
  ['', 20],
  ['quiet zmachine.grace=60', 70],
  ['zmachine.grace=60 zmachine.grace=1.5', 11.5],
  ['"zmachine.grace=3" x', 13],
  ['no.zmachine.grace=60', 20],
  ['zmachine.grace=long', 20],
])('a machine with %j has %d s to stop', (cmdline, seconds) => expect(stopPatience(cmdline)).toBe(seconds))

test('withoutReturns undoes ONLCR across chunks, and nothing else', () => {
  const written: number[] = []
  const output = withoutReturns((bytes) => void written.push(...bytes))
  for (const chunk of ['a\r', '\nb\r\r\n', 'c\r', 'd\r']) output.push(Buffer.from(chunk))
  output.end()
  expect(Buffer.from(written).toString()).toBe('a\nb\r\nc\rd\r')
})
