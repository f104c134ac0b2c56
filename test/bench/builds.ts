/** `npm run bench -- builds`: compares the two builds of PID 1, for docs/builds.md. */

import { stat } from 'node:fs/promises'
import { PRODUCTS } from '../../build/paths.ts'
import { note } from '../../build/progress.ts'
import {
  type Bench,
  bootOnce,
  type Container,
  type Contender,
  countInstructions,
  plainContainer,
  type Sample,
} from './container.ts'
import { LEAN, NODE } from './rivals.ts'
import { count, median, spread, table } from './statistics.ts'

/** The same for both, so that available memory can be compared. */
const MEMORY_MB = 512

interface Build {
  readonly contender: Contender
  readonly init: string
}

const BUILDS: readonly Build[] = [
  { contender: { ...LEAN, memoryMB: MEMORY_MB }, init: PRODUCTS.init },
  { contender: { ...NODE, memoryMB: MEMORY_MB }, init: PRODUCTS.node.init },
]

/** Steps of the search for the smallest guest, in MB. */
const STEP_MB = 4

export async function compareBuilds(bench: Bench, rounds: number): Promise<string> {
  const container = await plainContainer(bench.folder)
  const runs = BUILDS.map((build) => ({ ...build, samples: [] as Sample[] }))
  for (let round = 1; round <= rounds; round++) {
    note(`builds: round ${round} of ${rounds}`)
    for (const { contender, samples } of runs) samples.push(await bootOnce(bench, contender, container))
  }
  const columns: string[][] = []
  for (const { contender, init, samples } of runs) {
    note(`builds: ${contender.name}: instructions, and the smallest guest`)
    const middle = (pick: (one: Sample) => number | undefined): string =>
      count(median(samples.map((one) => pick(one) ?? Number.NaN)))
    columns.push([
      count((await stat(init)).size),
      count((await stat(contender.initramfs)).size),
      spread(samples.map(({ time }) => time)),
      count((await countInstructions(bench, contender, container)).user, 1),
      middle(({ resident }) => resident),
      middle(({ anonymous }) => anonymous),
      middle(({ used }) => used),
      middle(({ available }) => available),
      count(await smallestGuest(bench, contender, container)),
    ])
  }
  const names = [
    ...['PID 1, bytes', 'its initramfs, bytes', 'from `Run /init` to the entrypoint, ms'],
    ...['instructions in user space until then, M', 'PID 1, resident, KB', 'of it anonymous, KB'],
    ...['memory in use in the whole guest, KB', `MemAvailable of ${MEMORY_MB} MB, KB`],
    'smallest guest that boots this container, MB',
  ]
  const rows = names.map((name, row) => [name, ...columns.map((column) => column[row] ?? '')])
  return table(['', ...BUILDS.map(({ contender }) => contender.name)], rows)
}

/** Finds the smallest guest by halving. */
async function smallestGuest(bench: Bench, contender: Contender, container: Container): Promise<number> {
  let [low, high] = [0, MEMORY_MB]
  while (high - low > STEP_MB) {
    const memoryMB = Math.ceil((low + high) / 2 / STEP_MB) * STEP_MB
    const boots = await bootOnce(bench, { ...contender, memoryMB }, container).then(
      () => true,
      () => false,
    )
    if (boots) high = memoryMB
    else low = memoryMB
  }
  return high
}
