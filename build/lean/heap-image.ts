/** Packs the baked heap for src/runtime/quickjs/image.c, which says why. Pure. */

const WORD = 8
const GROUP = 4
/** How many bytes of a word are stored, by its two bits. */
const SIZES = [0, 1, 4, 8] as const

export interface HeapImage {
  /** A byte for each four words, with two bits for each, then the words' bytes. */
  readonly bytes: Uint8Array
  readonly groups: number
}

export function packHeap(heap: Uint8Array): HeapImage {
  const groups = Math.ceil(heap.length / (WORD * GROUP))
  const whole = Buffer.alloc(groups * GROUP * WORD)
  whole.set(heap)
  const kinds = new Uint8Array(groups)
  const stored: Uint8Array[] = []
  for (let at = 0; at < whole.length; at += WORD) {
    const value = whole.readBigUInt64LE(at)
    const kind = SIZES.findIndex((size) => value < 1n << BigInt(8 * size))
    const group = Math.floor(at / (WORD * GROUP))
    kinds[group] = (kinds[group] ?? 0) | (kind << (2 * ((at / WORD) % GROUP)))
    stored.push(whole.subarray(at, at + (SIZES[kind] ?? WORD)))
  }
  // image.c reads eight bytes for each word, whatever its size.
  return { bytes: Buffer.concat([kinds, ...stored, new Uint8Array(WORD)]), groups }
}
