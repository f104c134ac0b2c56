import fc from 'fast-check'
import { expect, it, test } from 'vitest'
import { jsonString } from '../../src/lib/json.ts'
import { anyBytes, utf8 } from '../bytes.ts'

it.each([
  ['plain', '"plain"'],
  ['say "hi" \\ there', '"say \\"hi\\" \\\\ there"'],
  ['a\tb\r\n\b\f', '"a\\tb\\r\\n\\b\\f"'],
  ['\0\x1b[31m\x7f', '"\\u0000\\u001b[31m\x7f"'],
  [utf8('é \u{1f600} \u0085'), `"${utf8('é \u{1f600} \u0085')}"`],
  ['\xff\xc3', '"\\ufffd\\ufffd"'],
  ['', '""'],
])('%j becomes %j', (text, json) => {
  expect(jsonString(text)).toBe(json)
})

test('any text comes back as UTF-8 decodes it', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
      (text) => {
        const json = Buffer.from(jsonString(utf8(text)), 'latin1').toString('utf8')
        expect(JSON.parse(json)).toBe(text)
      },
    ),
  )
})

test('any bytes become valid JSON', () => {
  fc.assert(
    fc.property(anyBytes(), (bytes) => {
      const json = Buffer.from(jsonString(bytes), 'latin1')
      expect(() => JSON.parse(json.toString('utf8'))).not.toThrow()
    }),
  )
})
