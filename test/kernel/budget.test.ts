/**
 * What PID 1 may cost: no more than its limits, and no more than 3 % above what test/bench/budget.json has. Who makes it
 * dearer for a reason writes the new number there, with the reason in the commit; who makes it cheaper does as well.
 */

import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { baseImage } from '../../build/initramfs.ts'
import { buildLean } from '../../build/lean/lean.ts'
import { PRODUCTS } from '../../build/paths.ts'
import budget from '../bench/budget.json' with { type: 'json' }
import { countInstructions } from '../bench/instructions.ts'

const SLACK = 1.03
/** A container's host starts thousands of them. */
const LIMITS = {
  instructions: { 'without a seed': 5_000_000, 'with a seed': 9_000_000 },
  bytes: { 'dist/lean/init': 520_000, 'the initramfs': 260_000 },
} as const

function hold(what: string, found: number, recorded: number, limit: number): void {
  const advice = `${what}: ${found}, recorded ${recorded}, limit ${limit}. Where it goes: npm run bench -- profile. Worth it? Then write it into test/bench/budget.json.`
  expect(found, advice).toBeLessThanOrEqual(Math.min(limit, Math.floor(recorded * SLACK)))
}

describe('instructions from PID 1 to the entrypoint', () => {
  test.each([
    ['without a seed', false],
    ['with a seed', true],
  ] as const)(
    '%s',
    async (name, withSeed) => {
      const { instructions } = await countInstructions(withSeed)
      hold(`instructions ${name}`, instructions, budget.instructions[name], LIMITS.instructions[name])
    },
    240_000,
  )
})

describe('bytes', () => {
  test('dist/lean/init', () => {
    const name = 'dist/lean/init'
    hold(name, statSync(PRODUCTS.init).size, budget.bytes[name], LIMITS.bytes[name])
  })

  test('the initramfs', async () => {
    const name = 'the initramfs'
    hold(name, (await baseImage()).length, budget.bytes[name], LIMITS.bytes[name])
  })
})

it('is the same bytes each time, whatever the environment of the build', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'zmachine-budget-'))
  process.env['ZMACHINE_TEST_PADDING'] = 'x'.repeat(12_345)
  try {
    await buildLean({ out: join(folder, 'init') })
    expect(readFileSync(join(folder, 'init')).equals(readFileSync(PRODUCTS.init))).toBe(true)
  } finally {
    delete process.env['ZMACHINE_TEST_PADDING']
    rmSync(folder, { recursive: true })
  }
}, 240_000)
