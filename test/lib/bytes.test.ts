import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import {
  i32,
  putU16,
  putU32,
  putWord64,
  u8,
  u16,
  u16be,
  u32,
  u32be,
  u64,
  word64,
} from '../../src/lib/bytes.ts'

const bytes = fc.uint8Array({ minLength: 12, maxLength: 12 }).map((array) => new Uint8Array(array))
const offset = fc.integer({ min: 0, max: 4 })
const view = (of: Uint8Array<ArrayBuffer>): DataView => new DataView(of.buffer)

describe('the readers', () => {
  it('agree with DataView at any offset', () => {
    fc.assert(
      fc.property(bytes, offset, (array, at) => {
        expect(u8(array, at)).toBe(view(array).getUint8(at))
        expect(u16(array, at)).toBe(view(array).getUint16(at, true))
        expect(u32(array, at)).toBe(view(array).getUint32(at, true))
        expect(i32(array, at)).toBe(view(array).getInt32(at, true))
        expect(u16be(array, at)).toBe(view(array).getUint16(at))
        expect(u32be(array, at)).toBe(view(array).getUint32(at))
        expect(u64(array, at)).toBe(Number(view(array).getBigUint64(at, true)))
      }),
    )
  })

  it('give 0 for what lies outside', () => {
    const one = new Uint8Array([0xff])
    expect([u8(one, 1), u16(one, 0), u32(one, 0), u64(one, 0), u32be(one, 0)]).toEqual([
      0, 0xff, 0xff, 0xff, 0xff000000,
    ])
  })
})

describe('the writers', () => {
  it('agree with DataView, and write no other byte', () => {
    fc.assert(
      fc.property(bytes, offset, fc.maxSafeInteger(), (array, at, value) => {
        for (const [put, set] of [
          [putU16, (data: DataView) => data.setUint16(at, value, true)],
          [putU32, (data: DataView) => data.setUint32(at, value, true)],
        ] as const) {
          const ours = new Uint8Array(array)
          const theirs = new Uint8Array(array)
          put(ours, at, value)
          set(view(theirs))
          expect(ours).toEqual(theirs)
        }
      }),
    )
  })
})

const LOW = 0xffff_ffff

test.each([
  [0, 0, 0],
  [1, 1, 0],
  [0x7fff_ffff, 0x7fff_ffff, 0],
  [0x8000_0000, 0x8000_0000, 0],
  [0xfee1_dead, 0xfee1_dead, 0],
  [0x1_0000_0005, 5, 1],
  [Number.MAX_SAFE_INTEGER, LOW, 0x1f_ffff],
  [-1, LOW, LOW],
  [-100, 0xffff_ff9c, LOW],
  [-0x7fff_ffff, 0x8000_0001, LOW],
  [-0x8000_0000, 0x8000_0000, LOW],
  [-0x8000_0001, 0x7fff_ffff, LOW],
  [-0x1_0000_0000, 0, LOW],
  [-0x1_0000_0001, LOW, LOW - 1],
])('%d is two words, the lower one first', (value, low, high) => {
  const words = new Uint32Array(3)
  putWord64(words, 1, value)
  expect([...words]).toEqual([0, low, high])
  if (value >= 0) expect([word64(words, 1), u64(new Uint8Array(words.buffer), 4)]).toEqual([value, value])
})

test('what lies outside is zero, and lost', () => {
  const words = new Uint32Array(1)
  putWord64(words, 1, 5)
  expect([...words, word64(words, 0), word64(words, 7)]).toEqual([0, 0, 0])
})
