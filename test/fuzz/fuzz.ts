/** `npm run fuzz`: every decoder on inputs that nobody thought of, led by which lines they reach; --help tells the rest. */

import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { BuildError } from '../../build/command.ts'
import { command } from '../../build/progress.ts'
import type { Bytes } from '../../src/lib/bytes.ts'
import { writeCrash } from './corpus.ts'
import { TARGETS } from './targets.ts'
import { LONGEST, type Report, SHARED_HEADER, type Task } from './worker.ts'

// What is compiled into its caller is not counted any more.
setFlagsFromString('--no-opt')
setFlagsFromString('--no-maglev')

const TEN_MINUTES = 600

const NAMES = TARGETS.map((each) => each.name).join(', ')

const HELP = `npm run fuzz [-- SECONDS [TARGET [SEED]]]     all decoders, or one; default ${TEN_MINUTES} seconds for all together
npm run fuzz -- replay TARGET FILE            one input, with the stack of what it breaks

The same seed makes the same inputs, as many as there is time for. What reached something new is put into
test/fuzz/corpus, which the unit tests run; what broke a decoder into test/fuzz/crashes, as small as it could be made.

Targets: ${NAMES}
`

/** A decoder that has not come back from one input in this time never will. Milliseconds. */
const HANGS = 20_000

/** The number of failures. */
function fuzzTarget(target: string, seconds: number, seed: number): Promise<number> {
  const shared = new SharedArrayBuffer(SHARED_HEADER + LONGEST)
  const count = new Int32Array(shared, 0, 2)
  const task: Task = { target, milliseconds: seconds * 1000, seed, shared }
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: task })
  let crashes = 0
  let seen = -1
  const crash = (input: Bytes, message: string): void => {
    crashes++
    const file = relative(process.cwd(), writeCrash(target, input))
    console.error(
      `${target}: ${message}\n  ${input.length} bytes in ${file}; npm run fuzz replay ${target} ${file}`,
    )
  }
  const watch = setInterval(() => {
    const current = Atomics.load(count, 0)
    if (current === seen && current > 0) {
      crash(Uint8Array.from(new Uint8Array(shared, SHARED_HEADER, count[1])), 'does not come back')
      void worker.terminate()
    }
    seen = current
  }, HANGS)
  return new Promise((resolve, reject) => {
    worker.on('message', (report: Report) => {
      if (report.is === 'crash') crash(report.input, report.message)
      else show(target, report)
    })
    worker.on('error', reject)
    worker.on('exit', () => {
      clearInterval(watch)
      resolve(crashes)
    })
  })
}

function show(target: string, report: Extract<Report, { is: 'progress' | 'done' }>): void {
  const { is, inputs, characters, corpus, slowest } = report
  const numbers = `${inputs} inputs, ${characters} characters of source reached, corpus ${corpus}, slowest ${slowest.toFixed(0)} ms`
  if (is === 'done') console.log(`${target}: ${numbers}`)
  else if (process.stdout.isTTY) process.stdout.write(`${target}: ${numbers}   \r`)
}

function replay(name: string | undefined, file: string | undefined): void {
  const target = TARGETS.find((each) => each.name === name)
  if (target === undefined || file === undefined)
    throw new Error(`targets: ${TARGETS.map((each) => each.name).join(', ')}`)
  const began = performance.now()
  target.run(new Uint8Array(readFileSync(file)))
  console.log(`${name}: nothing breaks, in ${(performance.now() - began).toFixed(1)} ms`)
}

async function main([first, name, last]: readonly string[]): Promise<void> {
  if (first === 'replay') {
    replay(name, last)
    return
  }
  const wanted = TARGETS.filter((each) => name === undefined || each.name === name)
  const seconds = Number(first ?? TEN_MINUTES) / wanted.length
  if (wanted.length === 0) throw new BuildError(`${name}: no such target`, `It is one of: ${NAMES}`)
  if (!(seconds > 0)) throw new BuildError(`${first}: not a number of seconds`, 'npm run fuzz -- --help')
  let crashes = 0
  for (const target of wanted) crashes += await fuzzTarget(target.name, seconds, Number(last ?? 1))
  console.log(crashes === 0 ? 'nothing broke' : `${crashes} failures`)
  process.exitCode = crashes === 0 ? 0 : 1
}

await command(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean' } },
  })
  if (values.help) process.stdout.write(HELP)
  else await main(positionals)
})
