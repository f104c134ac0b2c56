/** Numbers that look random and are the same for the same seed: a run that found something can be made again. */

export interface Random {
  /** A whole number from 0 to less than `limit`. */
  below(limit: number): number
  /** One of a list that is not empty. */
  pick<T>(list: readonly [T, ...T[]]): T
  /** One of a list that may be empty. */
  maybe<T>(list: readonly T[]): T | undefined
}

/** Mulberry32: 32 bits of state are plenty for choices. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  const below = (limit: number): number => next() % Math.max(1, limit)
  return {
    below,
    pick: (list) => list[below(list.length)] ?? list[0],
    maybe: (list) => list[below(list.length)],
  }
}
