/** The tables that bench/kernel.ts writes into docs/kernel.md, out of files and measurements. */

import { stat } from 'node:fs/promises'
import type { Group } from '../../build/kernel/kernel-config.ts'
import type { VariantFiles } from './kernel-variants.ts'
import { count, spread, table } from './statistics.ts'

/** What booting a kernel takes. */
export interface Cost {
  /** MemAvailable, in KiB. */
  readonly available: number
  /** In millions, from the start of the kernel's clock to init. */
  readonly instructions: number
  /** In milliseconds, one for each round. */
  readonly times: readonly number[]
}

/** By the file that was booted. Kernels that did not reach init are missing. */
export type Costs = ReadonlyMap<string, Cost>

/** A kernel with a row in the table of kernels. */
export interface Rival extends VariantFiles {
  readonly name: string
}

/** A kernel of the groups up to this row's. */
export interface Rung {
  readonly groups: readonly Group[]
  /** undefined: not compiled. */
  readonly files: VariantFiles | undefined
}

/** What each group adds to those before it; the first row is what the smallest kernel takes. */
export async function groupTable(ladder: readonly Rung[], costs: Costs): Promise<string> {
  const rows = ladder.map(async ({ groups, files }, index) => {
    const before = ladder[index - 1]
    const own = groups.slice(before?.groups.length ?? 0)
    return [
      own.map(({ name }) => `\`${name}\``).join(', '),
      before === undefined ? 'without which nothing starts, or nothing of it is seen' : (own[0]?.why ?? ''),
      ...(before === undefined ? await whole(files, costs) : await difference(files, before.files, costs)),
    ]
  })
  return table(
    ['group', 'what for', 'bzImage, KB', 'ELF, KB', 'memory, KiB', 'instructions, M', 'time, ms'],
    await Promise.all(rows),
  )
}

const NOT_COMPILED = ['not compiled', '', '', '', '']

async function whole(files: VariantFiles | undefined, costs: Costs): Promise<string[]> {
  if (files === undefined) return NOT_COMPILED
  const cost = costs.get(files.elf)
  const sizes = [count((await bytes(files.bzImage)) / 1000), count((await bytes(files.elf)) / 1000)]
  if (cost === undefined) return [...sizes, 'does not start', '', '']
  return [...sizes, `${count(cost.available)} left`, count(cost.instructions), spread(cost.times)]
}

async function difference(
  ours: VariantFiles | undefined,
  rest: VariantFiles | undefined,
  costs: Costs,
): Promise<string[]> {
  if (ours === undefined || rest === undefined) return NOT_COMPILED
  const sizes = [await kilobytes(ours.bzImage, rest.bzImage), await kilobytes(ours.elf, rest.elf)]
  const [all, less] = [costs.get(ours.elf), costs.get(rest.elf)]
  if (all === undefined || less === undefined) return [...sizes, 'does not start', '', '']
  return [
    ...sizes,
    count(less.available - all.available),
    count(all.instructions - less.instructions),
    // Compared within a round, so that other load is in both.
    spread(all.times.map((time, round) => time - (less.times[round] ?? Number.NaN))),
  ]
}

/** @param reported further rows, of figures that others measured */
export async function kernelTable(
  kernels: readonly Rival[],
  costs: Costs,
  reported: readonly (readonly string[])[],
): Promise<string> {
  const rows = kernels.map(async ({ name, elf, bzImage }) => {
    const [direct, packed] = [costs.get(elf), costs.get(bzImage)]
    const { available = Number.NaN, instructions = Number.NaN } = direct ?? packed ?? {}
    return [
      name,
      count(await bytes(bzImage)),
      count(await bytes(elf)),
      count(available),
      count(instructions),
      direct === undefined ? 'not started' : spread(direct.times),
      packed === undefined ? 'not started' : spread(packed.times),
    ]
  })
  return table(
    [
      ...['kernel', 'bzImage, bytes', 'ELF, bytes', 'MemAvailable, KiB', 'instructions, M'],
      ...['time from the ELF, ms', 'time from the bzImage, ms'],
    ],
    [...(await Promise.all(rows)), ...reported],
  )
}

const bytes = async (file: string): Promise<number> => (await stat(file)).size

/** KB are 1000 bytes, as everywhere. */
const kilobytes = async (larger: string, smaller: string): Promise<string> =>
  count(((await bytes(larger)) - (await bytes(smaller))) / 1000)
