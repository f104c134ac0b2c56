import { expect, test } from 'vitest'
import { createConsole } from '../../../src/host/console/console.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

async function collect(lines: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = []
  for await (const line of lines) found.push(line)
  return found
}

test('lines come whole, to readers from before and after', async () => {
  const console = createConsole()
  const early = collect(console.lines())
  console.push(encode('one\r\r\nt'))
  await Promise.resolve()
  console.push(encode('wo\r\nthree'))
  console.end()
  expect(await early).toEqual(['one', 'two', 'three'])
  expect(await collect(console.lines())).toEqual(['one', 'two', 'three'])
  expect(console.text()).toBe('one\r\r\ntwo\r\nthree')
})

test('a character in two chunks stays one', async () => {
  const console = createConsole()
  const [first, second] = encode('ë')
  console.push(Uint8Array.of(first ?? 0))
  console.push(Uint8Array.of(second ?? 0))
  console.end()
  expect(console.text()).toBe('ë')
})

test('waitFor gives the line, or undefined at the end', async () => {
  const console = createConsole()
  console.push(encode('a 1\nb 2\n'))
  expect(await console.waitFor(/\d/)).toBe('a 1')
  const never = console.waitFor('c')
  console.end()
  expect(await never).toBeUndefined()
})

test('of a long log the newest is kept, and a late reader gets whole lines of it', async () => {
  const console = createConsole(1000)
  for (let line = 0; line < 10_000; line++) console.push(encode(`line ${line}\n`))
  console.push(encode('x'.repeat(5000)))
  console.end()
  expect(console.text().length).toBeLessThanOrEqual(1250)
  const lines = await collect(console.lines())
  expect(lines.length).toBeLessThan(200)
  expect(lines.slice(0, -1).every((line) => /^line \d+$/.test(line))).toBe(true)
  expect(lines.at(-1)).toMatch(/^x+$/)
})

test('a reader that is awake misses nothing, however much there is', async () => {
  const console = createConsole(1000)
  const read = collect(console.lines())
  for (let line = 0; line < 1000; line++) {
    console.push(encode(`line ${line}\n`))
    if (line % 10 === 9) await new Promise(setImmediate)
  }
  console.end()
  expect(await read).toHaveLength(1000)
})

test('bytes go to a listener as they come', () => {
  const console = createConsole()
  const got: number[] = []
  console.onBytes((chunk) => got.push(...chunk))
  console.push(Uint8Array.of(0xff, 0))
  console.push(Uint8Array.of(0x80))
  expect(got).toEqual([0xff, 0, 0x80])
})
