/** The documentation against the code: what it names must be there. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DEFAULT_SETTINGS, merge } from '../src/config/merge.ts'
import { SETTING_VARIABLES } from '../src/config/variables.ts'
import { ROOT as ROOT_USER } from '../src/supervise/workload.ts'
import { KEY_NAMES } from './config/key-names.ts'

const ROOT = join(import.meta.dirname, '..')

const pages = [...markdownIn('.'), ...markdownIn('docs')]

function markdownIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => normalize(join(folder, name)))
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

/** The page without its fenced blocks, in which `#` is no heading and `](` no link. */
const prose = (page: string): string => read(page).replaceAll(/^```.*?^```$/gms, '')

const codes = (text: string): string[] => [...text.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)

/** The rows of the contract's tables below a heading, up to the next heading of its level: cells without the header's. */
function tableBelow(heading: string): string[][] {
  const [, section = ''] = prose('docs/protocol.md').split(`\n${heading}\n`)
  return (section.split(/\n##? /)[0] ?? '')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

const allRows = tableBelow('## Kernel command line')

const keyRows = allRows.filter(([name = '']) => !name.startsWith('`ZMACHINE_'))

/** The third column of a key's row. */
function documentedDefault(key: string): string {
  const row = keyRows.find(([names = '']) => codes(names).includes(key))
  return codes(row?.[2] ?? '')[0] ?? row?.[2] ?? 'no such row'
}

describe('the table of the kernel command line', () => {
  it('has every key that is understood, each once, and no other', () => {
    const documented = keyRows.flatMap(([names = '']) => codes(names))
    expect(documented.sort()).toEqual([...KEY_NAMES].sort())
  })

  it('has the defaults of all settings', () => {
    const shown = (name: string, value: unknown): string => {
      if (typeof value === 'boolean') return value ? 'on' : 'off'
      if (value === undefined) return name === 'user' ? (ROOT_USER.name ?? '') : 'none'
      return String(value)
    }
    const expected = Object.entries(DEFAULT_SETTINGS).map(([name, value]) => {
      const key = `zmachine.${name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`
      return [key, shown(name, value)]
    })
    expect(expected.map(([key = '']) => [key, documentedDefault(key)])).toEqual(expected)
  })

  it('has the defaults of the root and of the entrypoint', () => {
    const { root, init } = merge([])
    expect(documentedDefault('root')).toBe(root.source)
    expect(documentedDefault('rootdelay')).toBe(String(root.delay))
    expect(documentedDefault('ro')).toBe(root.readOnly ? 'ro' : 'rw')
    expect(documentedDefault('init')).toBe(init)
  })
})

it('has every variable that is a setting, with its key', () => {
  const documented = allRows.filter(([name = '']) => name.startsWith('`ZMACHINE_'))
  const expected = Array.from(SETTING_VARIABLES, ([name, key]) => [`\`${name}\``, `\`zmachine.${key}\``])
  expect(documented.sort()).toEqual(expected.sort())
})

/** As GitHub makes them: lower case, without punctuation, a hyphen for each blank. */
const anchorOf = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-')

function anchorsOf(page: string): string[] {
  return [...prose(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading))
}

/** Targets of `[text](target)` and of images, without those that lead to other hosts. */
function linksOf(page: string): string[] {
  return [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
}

describe.each(pages)('%s', (page) => {
  it('links to files and headings that there are', () => {
    const dead = linksOf(page).filter((link) => {
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? page : normalize(join(dirname(page), path))
      if (!existsSync(join(ROOT, target))) return true
      return anchor !== undefined && !anchorsOf(target).includes(anchor)
    })
    expect(dead).toEqual([])
  })

  it('names npm scripts that there are', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const named = [...read(page).matchAll(/npm (?:run (?:-s )?([\w:-]+)|(start|test)\b)/g)].map(
      ([, script, short]) => script ?? short ?? '',
    )
    expect(named.filter((script) => !Object.hasOwn(scripts, script))).toEqual([])
  })

  it('names files that there are', () => {
    // dist/ is there after a build only.
    const isPath = (text: string): boolean =>
      /^(?:\.ci|\.vscode|build|docs|initramfs|src|test)\/[\w./-]*$/.test(text) ||
      /^tsconfig[\w.]*$/.test(text)
    // In the shell's blocks as well: what follows there must be there.
    const named = [...codes(prose(page)), ...read(page).split(/[\s`()]+/)].filter(isPath)
    expect([...new Set(named)].filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  })

  it('tells nothing that is still to be filled in', () => {
    expect(read(page)).not.toMatch(/TODO|FIXME|XXX|@@/)
  })
})
