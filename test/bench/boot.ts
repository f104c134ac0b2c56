/** `npm run bench -- boot`: measures each PID 1 from `Run /init` to the entrypoint's first instruction. */

import { note } from '../../build/progress.ts'
import {
  type Bench,
  bootOnce,
  type Container,
  type Contender,
  countInstructions,
  type Instructions,
  MEMORY_MB,
  plainContainer,
  type Sample,
  seededContainer,
} from './container.ts'
import { bars } from './pictures.ts'
import { ashScript, debianInitramfs, floor, LEAN, NODE } from './rivals.ts'
import { count, median, spread, table } from './statistics.ts'

/** What was measured of one contender in one container. */
export interface Result {
  readonly name: string
  readonly memoryMB: number
  readonly samples: readonly Sample[]
  readonly instructions: Instructions
}

export interface BootResults {
  readonly plain: readonly Result[]
  readonly seeded: readonly Result[]
}

/** How often the first two are booted in a round: they differ by only a few times as much as two boots of one do. */
export const TURNS = 3

/** Boots all contenders in turn, so that other load on the computer affects them alike. The C program comes first. */
export async function measureBoots(bench: Bench, rounds: number): Promise<BootResults> {
  const { folder } = bench
  const others = [NODE, await ashScript(folder)]
  const plain = await plainContainer(folder)
  const seeded = await seededContainer(folder)
  // Debian's initramfs reads no seed and ignores most of the command line.
  const lists = [
    {
      container: plain,
      contenders: [await floor(folder, false), LEAN, ...others, await debianInitramfs(folder)],
    },
    { container: seeded, contenders: [await floor(folder, true), LEAN, ...others] },
  ]
  const runs = lists.flatMap(({ container, contenders }) =>
    contenders.map((contender, place) => ({
      container,
      contender,
      turns: place < 2 ? TURNS : 1,
      samples: [] as Sample[],
    })),
  )
  for (let round = 1; round <= rounds; round++) {
    note(`boot: round ${round} of ${rounds}`)
    for (let turn = 0; turn < TURNS; turn++)
      for (const { container, contender, turns, samples } of runs)
        if (turn < turns) samples.push(await bootOnce(bench, contender, container))
  }
  note('boot: counting instructions')
  const results = async (wanted: Container): Promise<Result[]> => {
    const found: Result[] = []
    for (const { container, contender, samples } of runs) {
      if (container !== wanted) continue
      const instructions = await countInstructions(bench, contender, container)
      found.push(resultOf(contender, samples, instructions))
    }
    return found
  }
  return { plain: await results(plain), seeded: await results(seeded) }
}

const resultOf = (
  { name, memoryMB }: Contender,
  samples: readonly Sample[],
  instructions: Instructions,
): Result => ({
  name,
  memoryMB: memoryMB ?? MEMORY_MB,
  samples,
  instructions,
})

const HEAD = [
  ...[
    '',
    'time, ms',
    '× C program',
    'instructions, M',
    'with the kernel’s, M',
    '× C program',
    'memory in use, KB',
  ],
  ...['MemAvailable, KB', 'PID 1 resident, KB', 'anonymous, KB'],
]

/** A row for each. Times are compared with the first one's. */
export function bootTable(results: readonly Result[]): string {
  const [first] = results
  // Compared within a turn, so that other load is in both.
  const factors = ({ samples }: Result): number[] =>
    samples.map(({ time }, at) => {
      const turns = (first?.samples.length ?? 0) / samples.length
      return time / (first?.samples[at * turns]?.time ?? Number.NaN)
    })
  const rows = results.map((result) => {
    const { name, memoryMB, samples, instructions } = result
    const middle = (pick: (one: Sample) => number | undefined): string => {
      const values = samples.map(pick).filter((value) => value !== undefined)
      return values.length === 0 ? '' : count(median(values))
    }
    return [
      memoryMB === MEMORY_MB ? name : `${name}, in ${memoryMB} MB`,
      spread(samples.map(({ time }) => time)),
      spread(factors(result), 2),
      count(instructions.user, 3),
      instructions.all === undefined ? '' : count(instructions.all, 1),
      instructions.all === undefined
        ? ''
        : count(instructions.all / (first?.instructions.all ?? Number.NaN), 2),
      middle(({ used }) => used),
      middle(({ available }) => available),
      middle(({ resident }) => resident),
      middle(({ anonymous }) => anonymous),
    ]
  })
  return table(HEAD, rows)
}

/** The times in both containers as bars. */
export const bootPicture = ({ plain, seeded }: BootResults): string =>
  bars({
    title: 'From the kernel’s “Run /init” to the entrypoint’s first instruction',
    unit: 'ms',
    groups: [
      { name: 'by the command line', rows: plain },
      { name: 'by a seed', rows: seeded },
    ].map(({ name, rows }) => ({
      name,
      bars: rows.map((result) => {
        const times = result.samples.map(({ time }) => time)
        return {
          name: result.name,
          value: median(times),
          low: Math.min(...times),
          high: Math.max(...times),
          ours: result.name.endsWith(' build'),
        }
      }),
    })),
  })
