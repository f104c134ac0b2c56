/** The checks of `npm run ok` and `npm test`, and how they are run. */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { ROOT } from './paths.ts'
import { heading, note } from './progress.ts'

interface Check {
  readonly title: string
  readonly program: string
  readonly args: readonly string[]
}

const project = (title: string, name: string): Check => ({
  title,
  program: 'vitest',
  args: ['run', '--project', name],
})

const types = (title: string, file: string): Check => ({ title, program: 'tsc', args: ['-p', file] })

/** By name, cheap ones first. Programs are those of node_modules/.bin, which npm puts into PATH. */
const CHECKS = {
  lint: { title: 'format and lint', program: 'biome', args: ['check'] },
  'types-lean': types('types of what is in the lean binary', 'tsconfig.lean.json'),
  types: types('types of everything else', 'tsconfig.json'),
  unit: project('unit tests', 'unit'),
  kernel: project('tests on this kernel', 'kernel'),
  boot: project('boots in QEMU', 'boot'),
  'boot-node': project('boots of the node build', 'boot-node'),
  faults: project('faults', 'faults'),
  /** Programs that nobody here wrote. */
  images: project('images', 'images'),
  /** Takes minutes: one of its tests is among the images. */
  docker: project('Docker inside', 'docker'),
} satisfies Record<string, Check>

export type CheckName = keyof typeof CHECKS

export const CHECK_NAMES: readonly string[] = Object.keys(CHECKS)

/** What `npm test` runs: the others have commands of their own. */
export const USUAL_CHECKS = CHECK_NAMES.filter((name) => name !== 'docker')

export const isCheckName = (name: string): name is CheckName => Object.hasOwn(CHECKS, name)

/**
 * Runs checks one after the other, prints which failed, and sets the exit code.
 * @param thorough whether nothing is skipped (test/programs.ts)
 */
export async function runChecks(names: readonly CheckName[], thorough: boolean): Promise<void> {
  const failed: string[] = []
  for (const name of names) if (!(await passes(CHECKS[name], thorough))) failed.push(name)
  heading('result')
  if (failed.length === 0) return note('everything passes')
  for (const name of failed) note(`failed: ${name}`)
  process.exitCode = 1
}

/** Runs a check with its output on ours; whether it passed. */
function passes({ title, program, args }: Check, thorough: boolean): Promise<boolean> {
  heading(title)
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const env = { ...process.env, ZMACHINE_THOROUGH: thorough ? '1' : '' }
  const child = spawn(program, args, { cwd: ROOT, env, stdio: ['ignore', 'inherit', 'inherit'] })
  child.on('error', (error) => {
    process.stdout.write(`${program} cannot be started: ${error.message}\nRun this by npm, after npm ci.\n`)
    resolve(false)
  })
  child.on('close', (code, signal) => {
    // Somebody pressed Ctrl-C: the rest is not wanted either.
    if (signal === 'SIGINT') process.exit(128 + constants.signals.SIGINT)
    resolve(code === 0)
  })
  return promise
}
