import { expect, test } from 'vitest'
import { createConsole } from '../../src/launcher/console.ts'

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
