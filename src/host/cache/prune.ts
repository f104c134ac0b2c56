/** Which roots of the cache go. Pure. */

import type { CachedRoot } from './cache.ts'

export interface Rule {
  /** Which roots may go; those in use never do. */
  readonly mayGo: (root: CachedRoot) => boolean
  /** How much may stay, in bytes of the whole cache: as soon as it is that small, the others stay, too. */
  readonly keep: number
}

/** @param roots the longest unused first, in which order they go */
export function rootsToRemove(roots: readonly CachedRoot[], { mayGo, keep }: Rule): readonly CachedRoot[] {
  let left = totalOf(roots)
  return roots.filter((root) => {
    if (left <= keep || root.users.length > 0 || !mayGo(root)) return false
    left -= root.bytes
    return true
  })
}

export const totalOf = (roots: readonly CachedRoot[]): number =>
  roots.reduce((sum, { bytes }) => sum + bytes, 0)
