/**
 * `npm run bench:supervise`: our PID 1 and those that containers have otherwise, put to the same rows in namespaces on this
 * kernel, and to 100,000 orphans. Writes the table of docs/supervision.md between its markers.
 *
 * Needs root, and Debian's tini, dumb-init, catatonit and busybox-static.
 */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../../build/paths.ts'
import { type Init, other, ours, startInit } from '../kernel/pid1.ts'
import { rows } from '../kernel/supervision.ts'

const PAGE = join(ROOT, 'docs/supervision.md')
const BEGIN = '<!-- supervise -->\n'
const END = '<!-- end -->'

const ORPHANS = 100_000
const BATCH = 1000

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

interface Reaped {
  /** Until all were gone. */
  readonly seconds: number
  /** Of it, the processor's time of PID 1. */
  readonly milliseconds: number
}

/** A computer that does something else as well only ever makes it longer. */
const ROUNDS = 3

/** In turn, so that what else the computer does hits all alike; the least of each. */
async function reapAll(folder: string): Promise<readonly Reaped[]> {
  const rounds: Reaped[][] = []
  for (let round = 0; round < ROUNDS; round++) {
    const one: Reaped[] = []
    for (const init of INITS) one.push(await reap(init, join(folder, `orphans-${round}-${init.name}`)))
    rounds.push(one)
  }
  return INITS.map((_, at) => ({
    seconds: Math.min(...rounds.map((one) => one[at]?.seconds ?? Number.POSITIVE_INFINITY)),
    milliseconds: Math.min(...rounds.map((one) => one[at]?.milliseconds ?? Number.POSITIVE_INFINITY)),
  }))
}

async function reap(init: Init, place: string): Promise<Reaped> {
  const { orphans } = await init.programs()
  const running = await startInit(init, place, [orphans, String(ORPHANS), String(BATCH)])
  const [, seconds = ''] = await running.says(/orphans: \d+ in ([\d.]+) s/)
  // The first number is the time on a processor, in nanoseconds (Documentation/scheduler/sched-stats.rst).
  const [nanoseconds] = readFileSync(`/proc/${running.pid()}/schedstat`, 'latin1').split(' ')
  await running.ended
  return { seconds: Number(seconds), milliseconds: Number(nanoseconds) / 1e6 }
}

async function measure(folder: string): Promise<string[][]> {
  const table: string[][] = [['', ...INITS.map(({ name }) => name)]]
  for (const row of rows({ codes: ALL_CODES, early: 24 })) {
    const line = [row.name]
    for (const init of INITS) line.push(await row.run(init, folder))
    console.log(line.join(' | '))
    table.push(line)
  }
  const reaped = await reapAll(folder)
  const orphans = `${ORPHANS.toLocaleString('en')} orphans, in batches of ${BATCH}`
  table.push([`${orphans}: seconds`, ...reaped.map(({ seconds }) => seconds.toFixed(1))])
  table.push([
    'PID 1’s processor time of it: ms',
    ...reaped.map(({ milliseconds }) => milliseconds.toFixed(0)),
  ])
  return table
}

function markdown([head = [], ...lines]: readonly string[][]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`
  return line(head) + line(head.map(() => '---')) + lines.map(line).join('')
}

function writeTable(text: string): void {
  const page = readFileSync(PAGE, 'utf8')
  const from = page.indexOf(BEGIN) + BEGIN.length
  const to = page.indexOf(END, from)
  if (from < BEGIN.length || to < 0) throw new Error(`${PAGE} has no markers`)
  writeFileSync(PAGE, page.slice(0, from) + text + page.slice(to))
}

const folder = mkdtempSync(join(tmpdir(), 'zmachine-bench-'))
const table = await measure(folder)
rmSync(folder, { recursive: true })
const versions = ['tini', 'dumb-init', 'catatonit'].map((name) => `${name} ${versionOf(name)}`).join(', ')
writeTable(
  `${markdown(table)}\n${versions}, on Linux ${execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim()}.\n`,
)
