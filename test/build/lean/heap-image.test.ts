import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type HeapImage, packHeap } from '../../../build/lean/heap-image.ts'

/** As src/runtime/quickjs/image.c reads it. */
function unpack({ bytes, groups }: HeapImage): Uint8Array {
  const image = Buffer.from(bytes)
  const out = Buffer.alloc(groups * 32)
  let at = groups
  for (let word = 0; word < groups * 4; word++) {
    const kind = ((image[word >> 2] ?? 0) >> (2 * (word & 3))) & 3
    const mask = [0n, 0xffn, 0xffff_ffffn, 0xffff_ffff_ffff_ffffn][kind] ?? 0n
    out.writeBigUInt64LE(image.readBigUInt64LE(at) & mask, word * 8)
    at += [0, 1, 4, 8][kind] ?? 0
  }
  return out
}

const heapOf = (...words: bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(words).buffer)

describe('packHeap', () => {
  it('stores a word by as many bytes as it has', () => {
    const { bytes, groups } = packHeap(heapOf(0n, 0xffn, 0x1000_0000n, 1n << 32n))
    expect(groups).toBe(1)
    expect(bytes[0]).toBe(0b11_10_01_00)
    expect(bytes).toHaveLength(1 + 0 + 1 + 4 + 8 + 8)
  })

  it('fills the last group up with zeros', () => {
    expect([...packHeap(Uint8Array.of(7)).bytes.subarray(0, 2)]).toEqual([1, 7])
  })

  it('gives back what it got', () => {
    const word = fc.oneof(
      fc.constant(0n),
      fc.bigInt(0n, 0x1ffn),
      fc.bigInt(0n, 0xffff_ffffn),
      fc.bigInt(0n, (1n << 64n) - 1n),
    )
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const heap = heapOf(...words)
        expect(unpack(packHeap(heap)).subarray(0, heap.length)).toEqual(Buffer.from(heap))
      }),
    )
  })
})
