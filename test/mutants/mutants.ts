/**
 * `npm run mutants`: makes small changes to the code that has effects, one at a time, and counts how many of them the unit
 * tests and the tests in namespaces notice. docs/mutants.md has the result, and why the survivors survive.
 */

import { spawn } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { BuildError, run } from '../../build/command.ts'
import { ensurePackages } from '../../build/debian/system.ts'
import { ROOT } from '../../build/paths.ts'
import { command, note } from '../../build/progress.ts'
import { privateFolder } from '../../src/host/lib/guard.ts'
import { table } from '../bench/statistics.ts'
import type { Case, Verdict } from './judge.ts'
import { draw, type Mutation, mutationsOf } from './mutations.ts'
import { distances, reader } from './reach.ts'

const SEED = 14
const COUNT = 100

/** Code that makes system calls, starts programs or writes files. */
const EFFECTS = [
  'src/boot/',
  'src/dhcp/dhcp.ts',
  'src/dhcp/socket.ts',
  'src/host/machine/',
  'src/main.ts',
  'src/netlink/dump.ts',
  'src/netlink/monitor.ts',
  'src/netlink/session.ts',
  'src/netlink/socket.ts',
  'src/supervise/',
  'src/sys/',
]

/** What is pure among it: tables that are compared with the kernel's headers, and states. */
const PURE = [
  'src/boot/io/stop.ts',
  'src/supervise/outcome.ts',
  'src/supervise/state.ts',
  'src/sys/errno.ts',
  'src/sys/flags.ts',
]

/** The projects of vitest.config.ts that judge. The budget counts instructions, and would notice what changes nothing else. */
const UNIT = /^test\/(?!kernel\/|qemu\/|faults\/|images\/).*\.test\.ts$/
const KERNEL = /^test\/kernel\/(?!budget\.).*\.test\.ts$/

/** What boots the lean binary imports this. */
const BOOTS = 'test/kernel/pid1.ts'

const UNSHARE = ['--pid', '--fork', '--kill-child', '--mount', '--uts', '--ipc', '--net']

/** A mutant may wait for ever. On a busy computer the tests alone take minutes. */
const PATIENCE = 900_000

const RESULTS = join(ROOT, 'dist/mutants.jsonl')

const HELP = `npm run mutants [-- OPTIONS] [FILE...]

Changes one thing at a time in code that has effects, runs the unit tests and the tests in namespaces that reach it, and
prints which changes no test notices. Needs root. A hundred take an hour or two on two cores.

  --seed N     which changes are drawn; default ${SEED}
  --count N    how many that compile; default ${COUNT}
  --jobs N     how many at a time; default 1
  --resume     keeps the verdicts of the last run but the survivors', which are judged again
  --unchecked  does not try first which tests pass without a change
  --list       prints what would be drawn, and runs nothing
  --help       this text

FILE is a file or folder of src/: only changes there are drawn.
`

interface Options {
  readonly seed: number
  readonly count: number
  readonly jobs: number
  /** Runs the tests without a change first. */
  readonly control: boolean
  readonly resume: boolean
  readonly only: readonly string[]
}

interface Judged {
  readonly mutation: Mutation
  readonly verdict: Verdict
}

const read = reader(ROOT)

const filesBelow = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`)
    .sort()

const isBelow = (file: string, places: readonly string[]): boolean =>
  places.some((place) => file === place || file.startsWith(place.replace(/\/?$/, '/')))

function drawn({ seed, only }: Options): Mutation[] {
  const files = filesBelow('src').filter(
    (file) => isBelow(file, EFFECTS) && !PURE.includes(file) && (only.length === 0 || isBelow(file, only)),
  )
  return draw(
    files.flatMap((file) => mutationsOf(file, read(file) ?? '')),
    seed,
  )
}

interface TestFile {
  readonly file: string
  readonly kind: 'unit' | 'kernel' | 'boots'
  /** By file: how many imports away. */
  readonly reaches: ReadonlyMap<string, number>
}

function testFiles(): TestFile[] {
  return filesBelow('test')
    .filter((file) => UNIT.test(file) || KERNEL.test(file))
    .map((file) => {
      const reaches = distances(file, read)
      const kind = UNIT.test(file) ? 'unit' : reaches.has(BOOTS) ? 'boots' : 'kernel'
      return { file, kind, reaches }
    })
}

/** A test that imports a file by more steps than this is a test of something else. */
const NEAR = 2

/** How far a test is from a file. The lean binary is made of all but the host's command. */
function distanceOf({ kind, reaches }: TestFile, file: string): number {
  if (kind === 'boots') return file.startsWith('src/host/') ? Number.POSITIVE_INFINITY : 0
  return reaches.get(file) ?? Number.POSITIVE_INFINITY
}

/** The tests that a change in one of these files is judged by, the nearest first. */
function testsOf(files: readonly string[], tests: readonly TestFile[]): Omit<Case, 'mutation'> {
  const near = tests
    .map((test) => ({ ...test, distance: Math.min(...files.map((file) => distanceOf(test, file))) }))
    .filter(({ distance }) => distance <= NEAR)
    .toSorted((a, b) => a.distance - b.distance)
  const of = (kind: TestFile['kind']): string[] =>
    near.filter((each) => each.kind === kind).map((each) => each.file)
  return { unit: of('unit'), kernel: of('kernel'), boots: of('boots') }
}

/** All that git would take, and nothing else; packages are used from where they are. */
async function copyTree(folder: string): Promise<string> {
  const copy = join(folder, 'copy')
  const listed = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'])
  for (const name of listed.toString().split('\0')) {
    if (name === '' || !existsSync(join(ROOT, name))) continue
    cpSync(join(ROOT, name), join(copy, name), { verbatimSymlinks: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  for (const product of ['dist/lean', 'dist/flist']) {
    if (existsSync(join(ROOT, product))) cpSync(join(ROOT, product), join(copy, product), { recursive: true })
  }
  return copy
}

/** In the sandbox. One that does not come to an end is noticed: so would a person who waits for it. */
async function judge(sandbox: string, copy: string, one: Case): Promise<Verdict> {
  const script = join(ROOT, 'test/mutants/sandbox.sh')
  const args = [...UNSHARE, 'sh', script, sandbox, copy, process.execPath, 'test/mutants/judge.ts']
  const child = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.end(JSON.stringify(one))
  const { promise, resolve, reject } = Promise.withResolvers<Verdict>()
  let output = ''
  let words = ''
  child.stdout.on('data', (bytes: Buffer) => {
    output += bytes
  })
  child.stderr.on('data', (bytes: Buffer) => {
    words += bytes
  })
  let late = false
  const timer = setTimeout(
    () => {
      late = true
      child.kill('SIGKILL')
    },
    one.mutation === undefined ? PATIENCE * 4 : PATIENCE,
  )
  child.on('error', reject)
  child.on('close', () => {
    clearTimeout(timer)
    const last = output.trimEnd().split('\n').at(-1) ?? ''
    if (last.startsWith('{')) resolve(JSON.parse(last) as Verdict)
    else if (late) resolve({ is: 'noticed', by: 'it does not come to an end', failed: [] })
    else if (one.mutation !== undefined && words === '')
      resolve({ is: 'noticed', by: 'it ended the tests', failed: [] })
    else reject(new BuildError(`the sandbox failed: ${words.trimEnd()}`))
  })
  return promise
}

/** What the last run found, by the mutation's id, but for survivors. */
function kept({ resume }: Options): Map<string, Verdict> {
  if (!resume || !existsSync(RESULTS)) return new Map()
  const lines = readFileSync(RESULTS, 'utf8').trimEnd().split('\n')
  const all = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as [string, Verdict])
  return new Map(all.filter(([, { is }]) => is !== 'survived'))
}

async function main(options: Options): Promise<void> {
  if (process.getuid?.() !== 0) throw new BuildError('mutants are run in namespaces, which needs root')
  await ensurePackages(['build', 'test'])
  const { path: folder, remove } = privateFolder()
  try {
    const sandbox = join(folder, 'sandbox')
    mkdirSync(sandbox)
    const copy = await copyTree(folder)
    const all = testFiles()
    const failing = options.control
      ? await failingTests(options, all, (each) => judge(sandbox, copy, each))
      : []
    const tests = all.filter(({ file }) => !failing.includes(file))
    const judged = await judgeAll(options, (mutation) =>
      judge(sandbox, copy, { mutation, ...testsOf([mutation.file], tests) }),
    )
    console.log(`\n${report(judged)}`)
  } finally {
    remove()
  }
}

/** Test files that fail without a change: they could notice nothing. */
async function failingTests(
  options: Options,
  tests: readonly TestFile[],
  judgeOne: (each: Case) => Promise<Verdict>,
): Promise<readonly string[]> {
  note('the tests without a change')
  const files = [...new Set(drawn(options).map(({ file }) => file))]
  const { failed } = await judgeOne({ mutation: undefined, ...testsOf(files, tests) })
  for (const file of failed) note(`left out, since it fails without a change: ${file}`)
  return failed
}

/** As many at a time as `jobs` says, until there are enough that compile. */
async function judgeAll(
  options: Options,
  judgeOne: (mutation: Mutation) => Promise<Verdict>,
): Promise<Judged[]> {
  const before = kept(options)
  const judged: Judged[] = []
  const left = drawn(options)
  const work = async (): Promise<void> => {
    while (judged.length < options.count) {
      const mutation = left.shift()
      if (mutation === undefined) return
      const verdict = before.get(mutation.id) ?? (await judgeOne(mutation))
      if (!before.has(mutation.id)) keep(mutation, verdict)
      if (verdict.is === 'invalid' || judged.length === options.count) continue
      judged.push({ mutation, verdict })
      const by = verdict.by === '' ? '' : ` (${verdict.by})`
      note(`${judged.length} ${verdict.is}: ${described(mutation)}${by}`)
    }
  }
  await Promise.all(Array.from({ length: options.jobs }, work))
  return judged
}

function keep({ id }: Mutation, verdict: Verdict): void {
  mkdirSync(dirname(RESULTS), { recursive: true })
  appendFileSync(RESULTS, `${JSON.stringify([id, verdict])}\n`)
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ')

const described = ({ file, line, operator, before, after }: Mutation): string =>
  `${file}:${line} ${operator}: \`${oneLine(before)}\` → \`${oneLine(after)}\``

/** By room, and the survivors one by one. */
function report(judged: readonly Judged[]): string {
  const roomOf = ({ file }: Mutation): string => dirname(file).replace(/^(src\/boot)\/.*/, '$1')
  const rooms = [...new Set(judged.map(({ mutation }) => roomOf(mutation)))].sort()
  const row = (name: string, of: readonly Judged[]): string[] => {
    const noticed = of.filter(({ verdict }) => verdict.is === 'noticed').length
    return [name, String(of.length), String(noticed)]
  }
  const rows = rooms.map((room) =>
    row(
      `\`${room}\``,
      judged.filter(({ mutation }) => roomOf(mutation) === room),
    ),
  )
  const survivors = judged.filter(({ verdict }) => verdict.is === 'survived')
  return [
    table(['', 'mutants', 'noticed'], [...rows, row('all', judged)]),
    '',
    ...survivors.map(({ mutation }) => `- ${described(mutation)}`),
  ].join('\n')
}

function list(options: Options): void {
  for (const mutation of drawn(options).slice(0, options.count)) console.log(described(mutation))
}

await command(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seed: { type: 'string' },
      count: { type: 'string' },
      jobs: { type: 'string' },
      resume: { type: 'boolean' },
      unchecked: { type: 'boolean' },
      list: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return
  }
  const numbers = { seed: values.seed ?? SEED, count: values.count ?? COUNT, jobs: values.jobs ?? 1 }
  const [seed = 0, count = 0, jobs = 0] = Object.entries(numbers).map(([name, value]) => {
    if (/^[1-9]\d*$/.test(String(value))) return Number(value)
    throw new BuildError(`--${name} ${value}: not a whole number above 0`)
  })
  const options: Options = {
    seed,
    count,
    jobs,
    control: !values.unchecked,
    resume: values.resume ?? false,
    only: positionals,
  }
  if (values.list) list(options)
  else await main(options)
})
