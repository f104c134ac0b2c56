/** Inputs that once reached something new, and the real ones. `npm run fuzz` finds more. */

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { readCorpus } from './corpus.ts'
import { mutate } from './mutate.ts'
import { createRandom } from './random.ts'
import { TARGETS } from './targets.ts'

const FOLDER = join(import.meta.dirname, 'corpus')

describe('each decoder does what it promises', () => {
  test.each(TARGETS.map((target) => [target.name, target] as const))('%s', (name, { seeds, run }) => {
    const inputs = [...seeds, ...readCorpus(name)]
    expect(inputs.length).toBeGreaterThan(0)
    for (const input of inputs) expect(() => run(input)).not.toThrow()
  })
})

describe('the corpus', () => {
  it('has a folder for each target and no other', () => {
    expect(readdirSync(FOLDER).sort()).toEqual(TARGETS.map(({ name }) => name).sort())
  })

  it('stays small', () => {
    const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    const size = files.reduce((sum, file) => sum + statSync(join(FOLDER, file)).size, 0)
    expect(size).toBeLessThan(300_000 + 4096 * TARGETS.length)
  })
})

test('the same seed makes the same inputs', () => {
  const inputs = (seed: number): string[] => {
    const random = createRandom(seed)
    const corpus = [Uint8Array.of(1, 2, 3, 4), Uint8Array.of(5, 6)]
    const material = { random, corpus, tokens: [Uint8Array.of(9)], most: 64 }
    return Array.from({ length: 50 }, () =>
      Buffer.from(mutate(random.pick([Uint8Array.of(7), ...corpus]), material)).toString('hex'),
    )
  }
  expect(inputs(3)).toEqual(inputs(3))
  expect(inputs(3)).not.toEqual(inputs(4))
})
