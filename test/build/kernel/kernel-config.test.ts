import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { CONFIG } from '../../../build/kernel/kernel.ts'
import { fragmentOf, readConfig, readGroups, unmet } from '../../../build/kernel/kernel-config.ts'

const FRAGMENT = `# A comment before all groups.

## base: what any program needs
CONFIG_SMP=y
# CONFIG_MODULES is not set
CONFIG_NR_CPUS=64

## name-2: text: with a colon
# Why this one.
CONFIG_LOCALVERSION="-ours"
`

describe('readGroups', () => {
  test('gives each group with its reason and its settings, in order', () => {
    expect(readGroups(FRAGMENT)).toEqual([
      {
        name: 'base',
        why: 'what any program needs',
        settings: [
          { name: 'CONFIG_SMP', value: 'y' },
          { name: 'CONFIG_MODULES', value: undefined },
          { name: 'CONFIG_NR_CPUS', value: '64' },
        ],
      },
      {
        name: 'name-2',
        why: 'text: with a colon',
        settings: [{ name: 'CONFIG_LOCALVERSION', value: '"-ours"' }],
      },
    ])
  })

  test('takes nothing for no group', () => expect(readGroups('')).toEqual([]))

  test.each([
    ['a line that is neither', 'CONFIG_SMP', 'kernel.config:4: neither a setting nor a comment: CONFIG_SMP'],
    ['a setting that begins later', ' CONFIG_SMP=y', 'kernel.config:4: neither a setting'],
    ['a setting without a value', 'CONFIG_SMP=', 'kernel.config:4: neither a setting'],
    ['a setting that comes twice', 'CONFIG_A=y', 'kernel.config:4: set twice: CONFIG_A=y'],
    ['a setting that is also switched off', '# CONFIG_A is not set', 'kernel.config:4: set twice'],
  ])('refuses %s, and names its line', (_, line, message) => {
    expect(() => readGroups(`## one: why\nCONFIG_A=y\n\n${line}\n`)).toThrow(message)
  })

  test('refuses a setting before the first group', () => {
    expect(() => readGroups('# text\nCONFIG_A=y\n## one: why\n')).toThrow(
      'kernel.config:2: a setting before the first group: CONFIG_A=y',
    )
  })
})

describe('readConfig', () => {
  test('gives what is set, and nothing of what is not', () => {
    const config = '#\n# Automatically generated file\n#\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="a=b"\n'
    expect([...readConfig(config)]).toEqual([
      ['CONFIG_A', 'y'],
      ['CONFIG_C', '"a=b"'],
    ])
  })
})

describe('unmet', () => {
  const groups = readGroups(FRAGMENT)

  test('is empty where every line took effect', () => {
    expect(unmet(groups, 'CONFIG_SMP=y\nCONFIG_NR_CPUS=64\nCONFIG_LOCALVERSION="-ours"\n')).toEqual([])
  })

  test('names what did not, with what stands instead', () => {
    expect(unmet(groups, 'CONFIG_MODULES=y\nCONFIG_NR_CPUS=8\nCONFIG_LOCALVERSION="-ours"\n')).toEqual([
      'CONFIG_SMP: wanted y, is not set',
      'CONFIG_MODULES: wanted not set, is y',
      'CONFIG_NR_CPUS: wanted 64, is 8',
    ])
  })
})

describe('fragmentOf', () => {
  test('gives the settings of groups as a fragment that is read as the same', () => {
    const groups = readGroups(FRAGMENT)
    expect(fragmentOf(groups.slice(0, 1))).toBe(
      'CONFIG_SMP=y\n# CONFIG_MODULES is not set\nCONFIG_NR_CPUS=64\n',
    )
    expect(readGroups(`## all: again\n${fragmentOf(groups)}`).flatMap(({ settings }) => settings)).toEqual(
      groups.flatMap(({ settings }) => settings),
    )
  })
})

describe('initramfs/kernel.config', () => {
  const groups = readGroups(readFileSync(CONFIG, 'utf8'))

  test('has groups, each by a name of its own, with a reason and settings', () => {
    expect(groups.length).toBeGreaterThan(10)
    expect(new Set(groups.map(({ name }) => name)).size).toBe(groups.length)
    expect(groups.filter(({ why, settings }) => why.length < 10 || settings.length === 0)).toEqual([])
  })

  test('has nothing that is a module: the guest has none to load', () => {
    const settings = groups.flatMap((group) => group.settings)
    expect(settings.filter(({ value }) => value === 'm')).toEqual([])
  })
})
