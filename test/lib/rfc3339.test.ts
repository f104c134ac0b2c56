import fc from 'fast-check'
import { expect, it, test } from 'vitest'
import { rfc3339 } from '../../src/lib/rfc3339.ts'

it.each([
  [0, 0, '1970-01-01T00:00:00.000000000Z'],
  [951_782_399, 999_999_999, '2000-02-28T23:59:59.999999999Z'],
  [951_868_800, 42, '2000-03-01T00:00:00.000000042Z'],
  [1_709_164_800, 1_000_000, '2024-02-29T00:00:00.001000000Z'],
  [4_107_542_400, 0, '2100-03-01T00:00:00.000000000Z'],
])('%d s and %d ns are %s', (seconds, nanoseconds, text) => {
  expect(rfc3339(seconds, nanoseconds)).toBe(text)
})

test('agrees with Date', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 20_000_000_000 }), (seconds) => {
      expect(rfc3339(seconds, 0)).toBe(new Date(seconds * 1000).toISOString().replace('.000Z', '.000000000Z'))
    }),
  )
})
