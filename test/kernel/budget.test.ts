/**
 * What PID 1 may cost: at most its limits, and at most 3 % more than test/bench/budget.json records. A change that costs more
 * for a good reason records the new number there, and gives the reason in its commit; so does one that costs less.
 *
 * The numbers are those of one compiler. With another one they are not compared, and the tests' names say so.
 */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { codename } from '../../build/debian/system.ts'
import { baseImage } from '../../build/initramfs.ts'
import { buildLean } from '../../build/lean/lean.ts'
import { PRODUCTS } from '../../build/paths.ts'
import budget from '../bench/budget.json' with { type: 'json' }
import { countInstructions } from '../bench/instructions.ts'

const SLACK = 1.03
const LIMITS = {
  instructions: { 'without a seed': 4_500_000, 'with a seed': 6_500_000 },
  bytes: { 'dist/lean/init': 520_000, 'the initramfs': 250_000 },
} as const

const compiler = `gcc ${execFileSync('gcc', ['-dumpversion'], { encoding: 'utf8' }).trim()}`
const isKnown = compiler === budget.compiler
const note = isKnown ? '' : ` (not compared: this is ${compiler}, the budget is for ${budget.compiler})`

function hold(what: string, found: number, recorded: number, limit: number): void {
  const advice = `${what}: ${found}, recorded ${recorded}, limit ${limit}. Where it goes: node test/bench/instructions.ts FOLDER. Worth it? Then record it in test/bench/budget.json.`
  expect(found, advice).toBeLessThanOrEqual(Math.min(limit, Math.floor(recorded * SLACK)))
}

it('is compared on Debian 12, whose compiler it is for', async () => {
  if ((await codename()) === 'bookworm') expect(compiler).toBe(budget.compiler)
})

describe.skipIf(!isKnown)(`instructions from PID 1 to the entrypoint${note}`, () => {
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

describe.skipIf(!isKnown)(`bytes${note}`, () => {
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
