/**
 * `npm run bench -- profile`: the instructions of PID 1 in user space, from its execve to the entrypoint's, by function of
 * JavaScript: exactly, in the namespaces of instructions.ts, by a tool for Valgrind (profile-tool.c).
 * `node test/bench/profile.ts [FOLDER]` prints the tables, and leaves stacks for a flame graph in FOLDER.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BuildError } from '../../build/command.ts'
import { ensurePackages } from '../../build/debian/system.ts'
import { command } from '../../build/progress.ts'
import { privateFolder } from '../../src/host/machine/guard.ts'
import {
  byFunction,
  type Call,
  type Cost,
  foldStacks,
  type Row,
  readCalls,
  stages,
  wholeCost,
} from './call-tree.ts'
import { countInstructions, runCounted } from './instructions.ts'
import { buildProfiled } from './profile-build.ts'
import { count, table } from './statistics.ts'
import { compileTool } from './valgrind.ts'

const TOOL = new URL('profile-tool.c', import.meta.url)
/** By how much it may differ from what callgrind counts; it tells each function that it reads, a few instructions each. */
const TOLERANCE = 0.005

/** How many of our functions are told, and how many of the engine's. */
const FUNCTIONS = 25
const METHODS = 15
/** How many callers are told by name. */
const CALLERS = 2
/** What of the stages is told by itself, as a part of all. */
const WORTH_TELLING = 0.004

/** What the table of stages looks into. */
const OPENED = new Set([
  'runtime/quickjs/entry.ts start',
  ...['main', 'run', 'prepare', 'timed', 'start'].map((name) => `main.ts ${name}`),
  ...['runSteps', 'runStep'].map((name) => `run/steps.ts ${name}`),
])
const isOpened = (name: string): boolean => OPENED.has(name) || name.startsWith('main.ts run › timed(')

export interface Profiles {
  readonly plain: Call
  readonly seeded: Call
}

export async function profile(): Promise<Profiles> {
  const { path: folder, remove } = privateFolder()
  try {
    const tool = await compileTool(TOOL)
    const { init, layout, names } = await buildProfiled(folder)
    const options = ['--tool=profile', '--out=/sys/class/counts/part.profile', `--layout=${layout}`]
    const run = async (withSeed: boolean): Promise<Call> => {
      const parts = await runCounted(folder, init, tool, options, withSeed)
      const top = readCalls([...parts.values()].join(''), names)
      await check(top, withSeed)
      return top
    }
    return { plain: await run(false), seeded: await run(true) }
  } finally {
    remove()
  }
}

/** Against callgrind, which knows nothing of JavaScript. */
async function check(top: Call, withSeed: boolean): Promise<void> {
  const { instructions } = await countInstructions(withSeed)
  const { count } = wholeCost(top)
  if (Math.abs(count / instructions - 1) > TOLERANCE)
    throw new BuildError(`the profile has ${count} instructions, and callgrind counts ${instructions}`)
}

/** For docs/performance.md, by marker. */
export const profileTables = ({ plain, seeded }: Profiles): Readonly<Record<string, string>> => ({
  'profile by stage': stageTable(plain, seeded),
  'profile by function': functionTable(byFunction(plain), byFunction(seeded), FUNCTIONS),
  'profile by method': functionTable(byFunction(plain, true), byFunction(seeded, true), METHODS),
  'profile by first use': firstUseTable(byFunction(plain, true)),
})

/** Empty where it is not called. */
const cell = (row: Row | undefined, pick: (row: Row) => number): string =>
  row === undefined ? '' : count(pick(row))

const pair = (plain: readonly Row[], seeded: readonly Row[]) => {
  const find = (rows: readonly Row[], wanted: string): Row | undefined =>
    rows.find(({ name }) => name === wanted)
  const names = [...new Set([...plain, ...seeded].map(({ name }) => name))]
  return names.map((name) => ({ name, plain: find(plain, name), seeded: find(seeded, name) }))
}

function functionTable(plain: readonly Row[], seeded: readonly Row[], most: number): string {
  const cost = (row: Row | undefined): number => row?.own.count ?? 0
  const rows = pair(plain, seeded)
    .sort((a, b) => cost(b.plain) + cost(b.seeded) - cost(a.plain) - cost(a.seeded))
    .slice(0, most)
  const columns = (row: Row | undefined): string[] => [
    cell(row, ({ own }) => own.count),
    cell(row, ({ whole }) => whole.count),
    cell(row, ({ calls }) => calls),
  ]
  return table(
    ['', 'own', 'and called', 'calls', 'seed: own', 'and called', 'calls'],
    rows.map(({ name, plain, seeded }) => [`\`${name}\``, ...columns(plain), ...columns(seeded)]),
  )
}

function firstUseTable(rows: readonly Row[]): string {
  const first = rows.toSorted((a, b) => b.own.fresh - a.own.fresh).slice(0, METHODS)
  return table(
    ['', 'different ones', 'instructions', 'calls', 'by'],
    first.map(({ name, own, calls, callers }) => [
      `\`${name}\``,
      ...[own.fresh, own.count, calls].map((value) => count(value)),
      callers.size > CALLERS
        ? `${callers.size} functions`
        : [...callers].map((name) => `\`${name}\``).join(', '),
    ]),
  )
}

function stageTable(plain: Call, seeded: Call): string {
  const all = [plain, seeded].map(wholeCost)
  const rows = pair(stages(plain, isOpened), stages(seeded, isOpened))
  const isTold = (row: (typeof rows)[number]): boolean =>
    [row.plain, row.seeded].some(
      (row, at) => row !== undefined && row.whole.count > WORTH_TELLING * (all[at]?.count ?? 0),
    )
  const columns = (costs: readonly Cost[]): string[] =>
    costs.length === 0 ? ['', ''] : [sumOf(costs, 'count'), sumOf(costs, 'fresh')]
  const line = (name: string, some: typeof rows): string[] => [
    name,
    ...columns(some.flatMap(({ plain }) => plain?.whole ?? [])),
    ...columns(some.flatMap(({ seeded }) => seeded?.whole ?? [])),
  ]
  const told = rows.filter(isTold)
  return table(
    ['', 'instructions', 'different ones', 'seed: instructions', 'different ones'],
    [
      ...told.map((row) => line(`\`${row.name}\``, [row])),
      line(
        'all others',
        rows.filter((row) => !isTold(row)),
      ),
      line('all', rows),
    ],
  )
}

const sumOf = (costs: readonly Cost[], key: keyof Cost): string =>
  count(costs.reduce((sum, cost) => sum + cost[key], 0))

if (import.meta.main) {
  await command(async () => {
    await ensurePackages(['build', 'test'])
    const [, , folder] = process.argv
    const profiles = await profile()
    for (const text of Object.values(profileTables(profiles))) console.log(`${text}\n`)
    if (folder === undefined) return
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'without-seed.folded'), foldStacks(profiles.plain))
    writeFileSync(join(folder, 'with-seed.folded'), foldStacks(profiles.seeded))
  })
}
