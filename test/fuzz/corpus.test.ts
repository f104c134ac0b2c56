/** Real inputs, inputs that once reached something new, and long ones. `npm run fuzz` finds more. */

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import type { Bytes } from '../../src/lib/bytes.ts'
import { CORPUS, readCorpus } from './corpus.ts'
import { TARGETS } from './targets.ts'

const LONGEST = 1 << 16
/** What a quadratic decoder takes for LONGEST bytes is far more, and a linear one far less. Milliseconds. */
const PATIENCE = 2000

describe('each decoder keeps its promises', () => {
  test.each(TARGETS.map((target) => [target.name, target] as const))('%s', (name, { seeds, run }) => {
    const inputs = [...seeds, ...readCorpus(name)]
    expect(inputs.length).toBeGreaterThan(0)
    for (const input of inputs) expect(() => run(input)).not.toThrow()
  })
})

/** A piece of an input, repeated until the whole is `length` bytes long. */
function stretched(input: Bytes, from: number, to: number, length: number): Bytes {
  const times = Math.max(0, Math.floor((length - input.length) / (to - from)))
  const pieces = Array<Bytes>(times).fill(input.subarray(from, to))
  return new Uint8Array(Buffer.concat([input.subarray(0, from), ...pieces, input.subarray(from)]))
}

describe('each decoder takes linear time', () => {
  test.each(TARGETS.map((target) => [target.name, target] as const))('%s', (_, target) => {
    const { seeds, run, longest = LONGEST } = target
    for (const seed of seeds) {
      for (let from = 0; from < seed.length; from += Math.ceil(seed.length / 4)) {
        const input = stretched(seed, from, Math.min(seed.length, from + 16), longest)
        const began = performance.now()
        run(input)
        expect(performance.now() - began).toBeLessThan(PATIENCE)
      }
    }
  })
})

describe('the corpus', () => {
  it('has a folder for each target and no other', () => {
    expect(readdirSync(CORPUS).sort()).toEqual(TARGETS.map(({ name }) => name).sort())
  })

  it('stays small', () => {
    const files = readdirSync(CORPUS, { recursive: true, encoding: 'utf8' })
    const size = files.reduce((sum, file) => sum + statSync(join(CORPUS, file)).size, 0)
    expect(size).toBeLessThan(300_000 + 4096 * TARGETS.length)
  })
})
