/** System calls that programs rely on: each is made in a container, with a visible effect. */

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { booted } from '../lib/boot.ts'
import { guestProgram } from '../lib/files.ts'

const SOURCE = new URL('../guest/features.c', import.meta.url)

/** The names in its table. */
const FEATURES = [...readFileSync(SOURCE, 'utf8').matchAll(/^\t\{"([\w-]+)", \w+\},$/gm)].map(
  ([, name]) => name,
)

describe('a container', () => {
  const boot = booted(async () => ({
    files: { features: { copy: await guestProgram(SOURCE) } },
    init: '/features',
  }))

  test('has a feature to try', () => {
    expect(FEATURES).toEqual(expect.arrayContaining(['io_uring', 'landlock', 'checkpoint']))
    expect(boot().container?.code).toBe(0)
  })

  test.each(FEATURES)('has %s', (name) => {
    const said = boot().console.match(new RegExp(`^feature: ${name}[ :].*?(?=\\r*$)`, 'm'))
    expect(said?.[0]).toBe(`feature: ${name} ok`)
  })
})
