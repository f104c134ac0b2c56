/** `npm run bench -- supervise`: runs our PID 1 and the usual ones of containers through the same checks in namespaces. */

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { note } from '../../build/progress.ts'
import { busyboxInit, type Init, other, ours } from '../kernel/pid1.ts'
import { rows } from '../kernel/supervision.ts'
import type { Bench } from './container.ts'
import { spread, table } from './statistics.ts'
import { costs } from './supervise-costs.ts'

const INITS: readonly Init[] = [
  ours(),
  other('tini', ['tini', '--']),
  other('tini -g', ['tini', '-g', '--']),
  other('dumb-init', ['dumb-init', '--']),
  other('catatonit', ['catatonit', '--']),
]

const ALL_CODES = Array.from({ length: 256 }, (_, code) => code)

/** A package's version: `0.19.0-1`. */
const versionOf = (name: string): string =>
  execFileSync('dpkg-query', ['-W', '-f', `\${Version}`, name], { encoding: 'utf8' })

async function compareBehaviour(folder: string): Promise<string[][]> {
  const table: string[][] = [['', ...INITS.map(({ name }) => name)]]
  for (const row of rows({ codes: ALL_CODES, early: 24 })) {
    const line = [row.name]
    for (const init of INITS) line.push(await row.run(init, folder))
    note(line.join(' | '))
    table.push(line)
  }
  return table
}

/** Measures in turn, so that other load affects all alike, and gives each figure's median and range. */
async function measureCosts(folder: string, rounds: number): Promise<string> {
  const inits = [...INITS, busyboxInit]
  const found = inits.map((): Map<string, number[]> => new Map())
  for (let round = 1; round <= rounds; round++) {
    for (const [at, init] of inits.entries()) {
      note(`costs: round ${round} of ${rounds}: ${init.name}`)
      for (const [name, figure] of await costs(init, join(folder, `costs-${round}-${at}`)))
        found[at]?.set(name, [...(found[at]?.get(name) ?? []), ...(figure === undefined ? [] : [figure])])
    }
  }
  const names = [...(found[0]?.keys() ?? [])]
  const cell = (figures: readonly number[] = []): string => (figures.length === 0 ? '–' : spread(figures))
  const lines = names.map((name) => [name, ...found.map((figures) => cell(figures.get(name)))])
  return table(['', ...inits.map(({ name }) => name)], lines)
}

/** Both tables of docs/supervision.md by their markers. Needs root and Debian's tini, dumb-init, catatonit and busybox-static. */
export async function compareSupervision({ folder }: Bench, rounds: number): Promise<Record<string, string>> {
  const [head = [], ...lines] = await compareBehaviour(folder)
  const versions = ['tini', 'dumb-init', 'catatonit', 'busybox-static'].map(
    (name) => `${name} ${versionOf(name)}`,
  )
  const kernel = execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim()
  const measured = `${versions.join(', ')}, on Linux ${kernel}; rounds: ${rounds}.`
  return {
    supervise: table(head, lines),
    costs: `${await measureCosts(folder, rounds)}\n\n${measured}`,
  }
}
