/**
 * Makes one change and runs the tests that reach it, in the sandbox (mutants.ts). Takes a `Case` as JSON on its standard
 * input, and prints a `Verdict` as JSON.
 */

import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { apply, type Mutation } from './mutations.ts'

export interface Case {
  /** Undefined: the source as it is, as a control. */
  readonly mutation: Mutation | undefined
  /** Test files by the project of vitest.config.ts that they belong to. */
  readonly unit: readonly string[]
  readonly kernel: readonly string[]
  /** Those of test/kernel that boot the lean binary, which is built for them. */
  readonly boots: readonly string[]
}

export interface Verdict {
  readonly is: 'noticed' | 'survived' | 'invalid'
  /** Who noticed it, or what the compiler said. */
  readonly by: string
  /** Test files that failed. */
  readonly failed: readonly string[]
}

const RESULTS = '/tmp/results.json'

/** What vitest's reporter `json` writes. */
interface Results {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

function runs(
  program: string,
  ...args: readonly string[]
): { readonly ok: boolean; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28 })
  return { ok: status === 0, output: `${stdout}${stderr}` }
}

const NODE_MODULES = 'node_modules/.bin'

function compiles(): string | undefined {
  for (const project of ['tsconfig.lean.json', 'tsconfig.json']) {
    const { ok, output } = runs(`${NODE_MODULES}/tsc`, '-p', project)
    if (!ok) return output.split('\n')[0] ?? ''
  }
  return undefined
}

/** The files that fail, and the first test that does. */
function vitest(
  project: string,
  files: readonly string[],
  bail: boolean,
): { readonly failed: readonly string[]; readonly by: string } {
  if (files.length === 0) return { failed: [], by: '' }
  const args = [
    'run',
    '--project',
    project,
    '--testTimeout=60000',
    '--reporter=json',
    `--outputFile=${RESULTS}`,
  ]
  writeFileSync(RESULTS, '')
  const { ok } = runs(`${NODE_MODULES}/vitest`, ...args, ...(bail ? ['--bail=1'] : []), ...files)
  if (ok) return { failed: [], by: '' }
  const text = readFileSync(RESULTS, 'utf8')
  if (text === '') return { failed: files, by: `${project}: vitest itself ended` }
  const { testResults } = JSON.parse(text) as Results
  const failed = testResults.filter(({ status }) => status === 'failed')
  const first = failed[0]
  const name = first?.assertionResults.find(({ status }) => status === 'failed')?.fullName ?? 'its beginning'
  const relative = (file: string): string => file.slice(process.cwd().length + 1)
  return {
    failed: failed.map((each) => relative(each.name)),
    by: `${relative(first?.name ?? '')}: ${name}`,
  }
}

function buildLean(): boolean {
  const code = "const { buildLean } = await import('./build/lean/lean.ts'); await buildLean()"
  return runs(process.execPath, '--input-type=module', '-e', code).ok
}

function judge({ mutation, unit, kernel, boots }: Case): Verdict {
  if (mutation !== undefined) {
    writeFileSync(mutation.file, apply(readFileSync(mutation.file, 'utf8'), mutation))
    const complaint = compiles()
    if (complaint !== undefined) return { is: 'invalid', by: complaint, failed: [] }
  }
  const bail = mutation !== undefined
  const failed: string[] = []
  let by = ''
  const stages = [
    ['unit', unit],
    ['kernel', kernel],
    ['kernel', boots],
  ] as const
  for (const [project, files] of stages) {
    if (files === boots && files.length > 0 && !buildLean())
      return { is: 'noticed', by: 'the build of the lean binary', failed: boots }
    const result = vitest(project, files, bail)
    failed.push(...result.failed)
    if (by === '') by = result.by
    if (bail && failed.length > 0) break
  }
  return { is: failed.length > 0 ? 'noticed' : 'survived', by, failed }
}

const { is, by, failed } = judge(JSON.parse(readFileSync(0, 'utf8')) as Case)
process.stdout.write(`\n${JSON.stringify({ is, by, failed })}\n`)
