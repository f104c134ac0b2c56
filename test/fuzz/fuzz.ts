/** `npm run fuzz`: every decoder on inputs that Jazzer.js generates, guided by the code that they reach. See --help. */

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { cacheRoot } from '../../build/cache.ts'
import { BuildError, freshLog, run } from '../../build/command.ts'
import { esbuild } from '../../build/esbuild.ts'
import { ROOT } from '../../build/paths.ts'
import { command, note } from '../../build/progress.ts'
import { CORPUS, writeInputs } from './corpus.ts'
import { TARGETS, type Target } from './targets.ts'

const TEN_MINUTES = 600

const NAMES = TARGETS.map(({ name }) => name).join(', ')

const HELP = `npm run fuzz [-- SECONDS [TARGET]]      all decoders, or one; default ${TEN_MINUTES} seconds for all together
npm run fuzz -- replay TARGET FILE      one input, with the stack of what it breaks

Jazzer.js, which is installed the first time, needs glibc 2.38: Debian 13 or later.

Inputs that reach something new are kept in the cache, for the next run. Those that break a decoder are written to
test/fuzz/crashes; mend it and move the file to test/fuzz/corpus/TARGET, whose inputs the unit tests run.

Targets: ${NAMES}
`

const LONGEST = 1 << 16
/** A decoder that has not returned from one input by then never will. Seconds. */
const PATIENCE = 20

const JAZZER = join(import.meta.dirname, 'jazzer')
const CLI = join(JAZZER, 'node_modules/@jazzer.js/core/dist/cli.js')
const CRASHES = join(import.meta.dirname, 'crashes')
const BUNDLE = join(ROOT, 'dist/fuzz/fuzz-target.mjs')

async function installJazzer(): Promise<void> {
  if (existsSync(CLI)) return
  note('installing Jazzer.js')
  await run('npm', ['ci', '--ignore-scripts'], { cwd: JAZZER, log: freshLog('jazzer') })
}

/** Jazzer.js instruments JavaScript as it is loaded, and knows no types. */
async function bundleTarget(): Promise<void> {
  const { files } = await esbuild(
    join(import.meta.dirname, 'fuzz-target.ts'),
    '--format=esm',
    '--platform=node',
    '--sourcemap=inline',
    `--define:import.meta.dirname=${JSON.stringify(import.meta.dirname)}`,
  )
  mkdirSync(dirname(BUNDLE), { recursive: true })
  writeFileSync(BUNDLE, [...files.values()].join(''))
}

/** Returns the number of failures: Jazzer.js stops at the first one. */
async function fuzzTarget({ name, seeds, longest = LONGEST }: Target, seconds: number): Promise<number> {
  const found = join(cacheRoot(), 'fuzz', name)
  const real = join(ROOT, 'dist/fuzz/seeds', name)
  const crashes = join(CRASHES, name)
  for (const folder of [found, crashes]) mkdirSync(folder, { recursive: true })
  writeInputs(real, seeds)
  const before = new Set(readdirSync(crashes))
  const limits = [`-max_total_time=${Math.ceil(seconds)}`, `-max_len=${longest}`, `-timeout=${PATIENCE}`]
  const folders = [found, join(CORPUS, name), real].filter(existsSync)
  const options = [
    '--sync',
    '--includes',
    BUNDLE,
    '--',
    ...limits,
    `-artifact_prefix=${crashes}/`,
    ...folders,
  ]
  const code = await runJazzer(name, options)
  const files = readdirSync(crashes).filter((file) => !before.has(file))
  for (const file of files) {
    console.error(`${name}: npm run fuzz replay ${name} ${relative(process.cwd(), join(crashes, file))}`)
  }
  if (code !== 0 && files.length === 0)
    throw new BuildError(`${name}: Jazzer.js ended with exit code ${code}`)
  return files.length
}

function runJazzer(target: string, options: readonly string[]): Promise<number | null> {
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  const child = spawn(process.execPath, ['--disable-warning=DEP0205', CLI, BUNDLE, ...options], {
    cwd: ROOT,
    // No program that unpacks kernels: it would only be slow.
    env: { ...process.env, PATH: '', ZMACHINE_FUZZ_TARGET: target },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  child.on('error', reject)
  child.on('close', resolve)
  return promise
}

function replay(name: string | undefined, file: string | undefined): void {
  const target = TARGETS.find((each) => each.name === name)
  if (target === undefined || file === undefined)
    throw new BuildError('replay takes a target and a file', `Targets: ${NAMES}`)
  const began = performance.now()
  target.run(new Uint8Array(readFileSync(file)))
  console.log(`${name}: passes, in ${(performance.now() - began).toFixed(1)} ms`)
}

async function main([first, name, file]: readonly string[]): Promise<void> {
  if (first === 'replay') {
    replay(name, file)
    return
  }
  const wanted = TARGETS.filter((each) => name === undefined || each.name === name)
  const seconds = Number(first ?? TEN_MINUTES) / wanted.length
  if (wanted.length === 0) throw new BuildError(`${name}: no such target`, `It is one of: ${NAMES}`)
  if (!(seconds > 0)) throw new BuildError(`${first}: not a number of seconds`, 'npm run fuzz -- --help')
  checkGlibc()
  await installJazzer()
  await bundleTarget()
  let failures = 0
  for (const target of wanted) failures += await fuzzTarget(target, seconds)
  console.log(failures === 0 ? 'nothing broke' : `${failures} failures`)
  process.exitCode = failures === 0 ? 0 : 1
}

/** Jazzer.js' addon is compiled for it. */
function checkGlibc(): void {
  const version = glibcVersion()
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > 2 || (major === 2 && minor >= 38)) return
  throw new BuildError(
    `Jazzer.js needs glibc 2.38 or later, and this machine has ${version || 'none'}`,
    'Run it on Debian 13. The unit tests replay test/fuzz/corpus everywhere.',
  )
}

function glibcVersion(): string {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime ?? ''
}

await command(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean' } },
  })
  if (values.help) process.stdout.write(HELP)
  else await main(positionals)
})
