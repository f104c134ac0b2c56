/** The lean engine's methods that are in TypeScript, beside those of the engine that runs this. */

import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import {
  arrayMethods,
  mathMethods,
  stringMethods,
  typedArrayFunctions,
} from '../../src/runtime/quickjs/methods.ts'

type Method = (this: unknown, ...args: unknown[]) => unknown

/** What a call gives, and what the array is afterwards. */
function outcome(method: Method | undefined, list: readonly unknown[], args: readonly unknown[]): unknown[] {
  const copy = [...list]
  return [method?.apply(copy, [...args]), copy]
}

const ours: Readonly<Record<string, unknown>> = arrayMethods
const native = Array.prototype as unknown as Readonly<Record<string, unknown>>

const values = fc.array(
  fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom('a', 'b', '', undefined, null)),
)
const index = fc.integer({ min: -9, max: 9 })
const isShort = (one: unknown): boolean => `${one}`.length === 1
const pairOf = (one: unknown, at: number): unknown[] => (at % 2 === 0 ? [one, at] : [])

/** Arguments for each method, from an element that may be there and two indexes. */
const ARGUMENTS: Readonly<
  Record<keyof typeof arrayMethods, (one: unknown, from: number, to: number) => unknown[]>
> = {
  at: (_, from) => [from],
  every: () => [isShort],
  some: () => [isShort],
  forEach: () => [isShort],
  map: () => [(one: unknown, at: number, all: readonly unknown[]) => [one, at, all.length]],
  flatMap: () => [pairOf],
  filter: () => [isShort],
  find: () => [isShort],
  findIndex: () => [isShort],
  indexOf: (one, from) => [one, from],
  includes: (one, from) => [one, from],
  join: (one) => (one === undefined ? [] : [`${one}`]),
  slice: (_, from, to) => (to === 9 ? [from] : [from, to]),
  reverse: () => [],
  sort: (one) => (one === 'a' ? [] : [(a: unknown, b: unknown) => `${a}`.length - `${b}`.length]),
}

describe('arrays', () => {
  test.each(Object.entries(ARGUMENTS))('%s is what it is elsewhere', (name, argumentsOf) => {
    fc.assert(
      fc.property(
        values,
        fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom('a', undefined)),
        index,
        index,
        (some, one, from, to) => {
          // undefined is sorted to the end by every engine but this one, which compares it like others.
          const list = name === 'sort' ? some.filter((each) => each !== undefined) : some
          const args = argumentsOf(one, from, to)
          expect(outcome(ours[name] as Method, list, args)).toEqual(
            outcome(native[name] as Method, list, args),
          )
        },
      ),
    )
  })

  it('sorts what is equal in the order in which it came, however much it is', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ key: fc.nat(5), place: fc.nat() }), { maxLength: 200 }), (list) => {
        const byKey = (a: { key: number }, b: { key: number }): number => a.key - b.key
        expect(arrayMethods.sort.call([...list], byKey as (a: unknown, b: unknown) => number)).toEqual(
          [...list].sort(byKey),
        )
      }),
    )
  })
})

describe('numbers and text', () => {
  it('has the least and the greatest, of none as well', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer(), fc.constant(Number.POSITIVE_INFINITY)), { maxLength: 5 }),
        (all) => {
          expect([mathMethods.min(...all), mathMethods.max(...all)]).toEqual([
            Math.min(...all),
            Math.max(...all),
          ])
        },
      ),
    )
  })

  it('knows what text ends with', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 4 })
    fc.assert(
      fc.property(text, text, (one, end) => {
        expect(stringMethods.endsWith.call(one, end)).toBe(one.endsWith(end))
      }),
    )
  })

  it.each([Uint8Array, Uint16Array, Uint32Array])('makes typed arrays of numbers', (kind) => {
    const numbers = [0, 1, 255, 256, 65_536, -1, 2 ** 32 - 1]
    expect(typedArrayFunctions.of.call(kind as Uint8ArrayConstructor, ...numbers)).toEqual(
      kind.of(...numbers),
    )
  })
})
