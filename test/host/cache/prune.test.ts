import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { CachedRoot } from '../../../src/host/cache/cache.ts'
import { rootsToRemove, totalOf } from '../../../src/host/cache/prune.ts'

const root = (name: string, bytes: number, ...users: readonly number[]): CachedRoot => ({
  name,
  directory: `/cache/${name}`,
  archive: undefined,
  stamp: undefined,
  bytes,
  lastUsed: new Date(0),
  users,
})

const names = (roots: readonly CachedRoot[]): string[] => roots.map(({ name }) => name)
const all = (): boolean => true

test('the longest unused go first, and only until little enough is left', () => {
  const roots = [root('a', 10), root('b', 20), root('c', 30)]
  expect(names(rootsToRemove(roots, { mayGo: all, keep: 50 }))).toEqual(['a'])
  expect(names(rootsToRemove(roots, { mayGo: all, keep: 49 }))).toEqual(['a', 'b'])
  expect(names(rootsToRemove(roots, { mayGo: all, keep: 60 }))).toEqual([])
  expect(names(rootsToRemove(roots, { mayGo: all, keep: 0 }))).toEqual(['a', 'b', 'c'])
})

test('what is in use stays, and counts', () => {
  const roots = [root('a', 10, 1), root('b', 20), root('c', 30)]
  expect(names(rootsToRemove(roots, { mayGo: all, keep: 35 }))).toEqual(['b', 'c'])
})

test('only what may go goes', () => {
  const roots = [root('a', 10), root('b', 20)]
  expect(names(rootsToRemove(roots, { mayGo: ({ name }) => name === 'b', keep: 0 }))).toEqual(['b'])
})

test('whatever the cache, no more goes than has to, and nothing that may not', () => {
  const cached = fc.record({ bytes: fc.nat(100), inUse: fc.boolean(), mayGo: fc.boolean() })
  fc.assert(
    fc.property(fc.array(cached), fc.nat(1000), (specs, keep) => {
      const roots = specs.map(({ bytes, inUse }, at) => root(String(at), bytes, ...(inUse ? [1] : [])))
      const mayGo = ({ name }: CachedRoot): boolean => specs[Number(name)]?.mayGo === true
      const removed = rootsToRemove(roots, { mayGo, keep })
      expect(removed.every((each) => mayGo(each) && each.users.length === 0)).toBe(true)
      const left = totalOf(roots) - totalOf(removed)
      const couldGo = roots.filter(
        (each) => mayGo(each) && each.users.length === 0 && !removed.includes(each),
      )
      if (left > keep) expect(couldGo).toEqual([])
      const last = removed.at(-1)
      if (last !== undefined) expect(left + last.bytes).toBeGreaterThan(keep)
    }),
  )
})
