/**
 * `npm run bench:supervise [-- ROUNDS [costs]]`: our PID 1 and those that containers have otherwise, put to the same rows in namespaces
 * on this kernel, and what each costs, in so many rounds; or the costs alone. Writes the tables of docs/supervision.md between its markers.
 *
 * Needs root, and Debian's tini, dumb-init, catatonit and busybox-static.
 */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../../build/paths.ts'
import { busyboxInit, type Init, other, ours } from '../kernel/pid1.ts'
import { rows } from '../kernel/supervision.ts'
import { costs } from './supervise-costs.ts'

const PAGE = join(ROOT, 'docs/supervision.md')
const END = '<!-- end -->'

const INITS: readonly Init[] = [
  ours(),
  other('tini', ['tini', '--']),
  other('tini -g', ['tini', '-g', '--']),
  other('dumb-init', ['dumb-init', '--']),
  other('catatonit', ['catatonit', '--']),
]

const ALL_CODES = Array.from({ length: 256 }, (_, code) => code)

/** `0.19.0-1`; what dpkg knows of a package. */
const versionOf = (name: string): string =>
  execFileSync('dpkg-query', ['-W', '-f', `\${Version}`, name], { encoding: 'utf8' })

async function behaviour(folder: string): Promise<string[][]> {
  const table: string[][] = [['', ...INITS.map(({ name }) => name)]]
  for (const row of rows({ codes: ALL_CODES, early: 24 })) {
    const line = [row.name]
    for (const init of INITS) line.push(await row.run(init, folder))
    console.log(line.join(' | '))
    table.push(line)
  }
  return table
}

/** In turn, so that what else the computer does hits all alike: each figure's median, and from what to what it was. */
async function measure(folder: string, rounds: number): Promise<string[][]> {
  const inits = [...INITS, busyboxInit]
  const found = inits.map((): Map<string, number[]> => new Map())
  for (let round = 0; round < rounds; round++) {
    for (const [at, init] of inits.entries()) {
      const place = join(folder, `costs-${round}-${at}`)
      for (const [name, figure] of await costs(init, place)) {
        console.log(`${round} ${init.name} | ${name} | ${figure ?? '–'}`)
        if (figure !== undefined) found[at]?.set(name, [...(found[at]?.get(name) ?? []), figure])
      }
    }
  }
  const names = [...(found[0]?.keys() ?? [])]
  return [
    ['', ...inits.map(({ name }) => name)],
    ...names.map((name) => [name, ...found.map((figures) => spread(figures.get(name) ?? []))]),
  ]
}

function spread(figures: readonly number[]): string {
  const sorted = figures.toSorted((a, b) => a - b).map((figure) => Math.round(figure).toLocaleString('en'))
  const [least, median, most] = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)]
  if (least === undefined) return '–'
  return least === most ? least : `${median} (${least} to ${most})`
}

function markdown([head = [], ...lines]: readonly string[][]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`
  return line(head) + line(head.map(() => '---')) + lines.map(line).join('')
}

/** Between the markers of this name. */
function writeTable(name: string, text: string): void {
  const page = readFileSync(PAGE, 'utf8')
  const begin = `<!-- ${name} -->\n`
  const from = page.indexOf(begin) + begin.length
  const to = page.indexOf(END, from)
  if (from < begin.length || to < 0) throw new Error(`${PAGE} has no markers for ${name}`)
  writeFileSync(PAGE, page.slice(0, from) + text + page.slice(to))
}

const [rounds = '5', part] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'zmachine-bench-'))
if (part !== 'costs') writeTable('supervise', markdown(await behaviour(folder)))
const versions = ['tini', 'dumb-init', 'catatonit', 'busybox-static'].map(
  (name) => `${name} ${versionOf(name)}`,
)
const kernel = execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim()
const measured = `${versions.join(', ')}, on Linux ${kernel}; rounds: ${rounds}.`
writeTable('costs', `${markdown(await measure(folder, Number(rounds)))}\n${measured}\n`)
rmSync(folder, { recursive: true })
