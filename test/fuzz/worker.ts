/**
 * Fuzzes one target in a thread of its own, so that `fuzz.ts` can end it where a decoder does not come back: before each
 * input, its bytes and a count go into shared memory.
 */

import { readFileSync } from 'node:fs'
import { join as joinPath } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parentPort, workerData } from 'node:worker_threads'
import type { Bytes } from '../../src/lib/bytes.ts'
import { readCorpus, writeCorpus } from './corpus.ts'
import { type Coverage, coversAll, type Stretches, startCoverage } from './coverage.ts'
import { join, type Material, mutate, stretch } from './mutate.ts'
import { createRandom } from './random.ts'
import type { Target } from './targets.ts'

export interface Task {
  readonly target: string
  readonly milliseconds: number
  readonly seed: number
  /** A count of inputs, the length of the one at hand, then its bytes. */
  readonly shared: SharedArrayBuffer
}

export type Report =
  | {
      readonly is: 'progress' | 'done'
      readonly inputs: number
      readonly characters: number
      readonly corpus: number
      readonly slowest: number
    }
  | { readonly is: 'crash'; readonly input: Bytes; readonly message: string; readonly stack: string }

export const SHARED_HEADER = 8
/** Of a stretched input, for whoever takes more than linear time. */
export const LONGEST = 1 << 16

/** Coverage is looked at once for so many inputs, and for each of them only where they brought something new. */
const BATCH = 32
/** One input in so many is stretched. */
const STRETCHED = 1024
/** An input of at most LONGEST bytes takes no longer, on a computer that does much else. Milliseconds. */
const PATIENCE = 1000
/** How many pieces are tried to be left out of an input before it is kept, and of one that fails. */
const SHRINKS = 48
const CRASH_SHRINKS = 3000
/** So many different failures are enough. */
const MOST_CRASHES = 8

const SRC = joinPath(import.meta.dirname, '../../src')

interface Fuzzing {
  readonly target: Target
  readonly coverage: Coverage
  readonly material: Material & { readonly corpus: Bytes[] }
  readonly count: Int32Array
  readonly shared: Uint8Array
  readonly crashes: Set<string>
  inputs: number
  slowest: number
}

const tell = (report: Report): unknown => parentPort?.postMessage(report)

/** Words in quotes of the target's sources. */
function tokensOf({ sources }: Target): Bytes[] {
  const words = sources.flatMap((path) =>
    [...readFileSync(joinPath(SRC, path), 'utf8').matchAll(/'([^'\n]{1,24})'/g)].map(([, word = '']) => word),
  )
  return [...new Set(words)].map(
    (word) => new Uint8Array(Buffer.from(word.replaceAll('\\n', '\n'), 'latin1')),
  )
}

/** What went wrong with an input, in the words of the error; undefined: nothing. */
function failureOf(fuzzing: Fuzzing, input: Bytes): Error | undefined {
  const { count, shared } = fuzzing
  shared.set(input.length > LONGEST ? input.subarray(0, LONGEST) : input)
  count[1] = input.length
  Atomics.add(count, 0, 1)
  fuzzing.inputs++
  const began = performance.now()
  try {
    fuzzing.target.run(input)
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
  const took = performance.now() - began
  fuzzing.slowest = Math.max(fuzzing.slowest, took)
  return took > PATIENCE
    ? new Error(`took ${(took / 1000).toFixed(1)} s for ${input.length} bytes`)
    : undefined
}

/** Failures are the same where they break the same property, or come from the same line of ours. */
const kindOf = (error: Error): string =>
  error.name === 'Broken'
    ? (error.message.split(':')[0] ?? '').replaceAll(/\d+/g, 'N')
    : ((error.stack ?? '').split('\n').find((line) => line.includes('/src/')) ?? error.message)

function run(fuzzing: Fuzzing, input: Bytes): boolean {
  const error = failureOf(fuzzing, input)
  if (error === undefined) return true
  const kind = kindOf(error)
  if (fuzzing.crashes.has(kind)) return false
  fuzzing.crashes.add(kind)
  const smallest = shrink(fuzzing, input, CRASH_SHRINKS, (candidate) => {
    const again = failureOf(fuzzing, candidate)
    return again !== undefined && kindOf(again) === kind
  })
  const { message, stack = '' } = failureOf(fuzzing, smallest) ?? error
  tell({ is: 'crash', input: smallest, message, stack })
  return false
}

/** The input with as many pieces left out as it stays good without, large ones first. */
function shrink(
  { material: { random } }: Fuzzing,
  input: Bytes,
  tries: number,
  isGood: (input: Bytes) => boolean,
): Bytes {
  let best = input
  let size = Math.ceil(input.length / 2)
  for (let left = tries; left > 0 && best.length > 1; left--) {
    const from = random.below(best.length - size + 1)
    const candidate = join(best.subarray(0, from), best.subarray(from + size))
    if (isGood(candidate)) best = candidate
    else if (left % 4 === 0) size = Math.max(1, size >> 1)
    size = Math.min(size, best.length - 1)
  }
  return best
}

/** Runs one input by itself. @returns what ran for it and for none before */
function fresh({ coverage }: Fuzzing, act: () => boolean): Stretches {
  coverage.take()
  const isGood = act()
  const ran = coverage.take()
  return isGood ? coverage.add(ran) : []
}

function keep(fuzzing: Fuzzing, input: Bytes): void {
  const { coverage, material } = fuzzing
  const added = fresh(fuzzing, () => run(fuzzing, input))
  if (added.length === 0) return
  const smaller = shrink(fuzzing, input, SHRINKS, (candidate) => {
    coverage.take()
    return run(fuzzing, candidate) && coversAll(coverage.take(), added)
  })
  material.corpus.push(smaller)
}

function fuzzBatch(fuzzing: Fuzzing): void {
  const { coverage, material } = fuzzing
  const { random, corpus } = material
  coverage.take()
  const batch: Bytes[] = []
  for (let left = BATCH; left > 0; left--) {
    const old = random.maybe(corpus) ?? new Uint8Array(0)
    const input = mutate(old, material)
    if (run(fuzzing, input)) batch.push(input)
  }
  if (coverage.isNew(coverage.take())) for (const input of batch) keep(fuzzing, input)
  if (random.below(STRETCHED / BATCH) === 0)
    run(fuzzing, stretch(random.maybe(corpus) ?? EMPTY, material, fuzzing.target.longest ?? LONGEST))
}

const EMPTY: Bytes = new Uint8Array(0)

/** Of all inputs, the smallest first, those that add something to the real ones. */
function minimise(fuzzing: Fuzzing): Bytes[] {
  const { coverage, target, material } = fuzzing
  coverage.clear()
  for (const seed of target.seeds) fresh(fuzzing, () => run(fuzzing, seed))
  const found = material.corpus.slice(target.seeds.length).sort((a, b) => a.length - b.length)
  return found.filter((input) => fresh(fuzzing, () => run(fuzzing, input)).length > 0)
}

function progress(is: 'progress' | 'done', fuzzing: Fuzzing, characters: number): void {
  const { inputs, slowest, material } = fuzzing
  tell({ is, inputs, characters, corpus: material.corpus.length, slowest })
}

async function fuzz({ target: name, milliseconds, seed, shared }: Task): Promise<void> {
  // No program that unpacks kernels: they would only be slow.
  process.env['PATH'] = ''
  let watched: ReadonlySet<string> = new Set()
  const coverage = startCoverage((url) => watched.has(url))
  // Behind the start of the coverage, see there.
  const { TARGETS } = await import('./targets.ts')
  const target = TARGETS.find((each) => each.name === name)
  if (target === undefined) throw new Error(`no target ${name}`)
  watched = new Set(target.sources.map((path) => pathToFileURL(joinPath(SRC, path)).href))
  const fuzzing: Fuzzing = {
    target,
    coverage,
    material: {
      random: createRandom(seed),
      corpus: [...target.seeds],
      tokens: tokensOf(target),
      most: target.most ?? 2048,
    },
    count: new Int32Array(shared, 0, 2),
    shared: new Uint8Array(shared, SHARED_HEADER),
    crashes: new Set(),
    inputs: 0,
    slowest: 0,
  }
  for (const input of target.seeds) fresh(fuzzing, () => run(fuzzing, input))
  for (const input of readCorpus(name)) {
    if (fresh(fuzzing, () => run(fuzzing, input)).length > 0) fuzzing.material.corpus.push(input)
  }
  const end = performance.now() + milliseconds
  let shown = performance.now()
  while (performance.now() < end && fuzzing.crashes.size < MOST_CRASHES) {
    fuzzBatch(fuzzing)
    if (performance.now() - shown < 5000) continue
    shown = performance.now()
    progress('progress', fuzzing, coverage.size)
  }
  const characters = coverage.size
  const kept = minimise(fuzzing)
  fuzzing.material.corpus.splice(target.seeds.length, Number.POSITIVE_INFINITY, ...kept)
  writeCorpus(name, kept)
  progress('done', fuzzing, characters)
}

if (parentPort !== null) await fuzz(workerData as Task)
