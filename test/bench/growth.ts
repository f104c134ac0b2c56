/** `npm run bench -- growth`: what one more route, variable, disk or NIC costs the lean build. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { note } from '../../build/progress.ts'
import type { Disk } from '../../src/host/machine/options.ts'
import { makeExt4 } from '../qemu/lib/files.ts'
import { makeSeed } from '../qemu/lib/images.ts'
import { type Bench, bootOnce, type Container, countInstructions } from './container.ts'
import { panels } from './pictures.ts'
import { LEAN } from './rivals.ts'
import { count, median, type Point, straightLine, table } from './statistics.ts'

interface Series {
  readonly name: string
  /** One of them. */
  readonly one: string
  readonly counts: readonly number[]
  readonly seed: (count: number) => Seed
}

interface Seed {
  readonly network: string
  readonly user: string
  readonly zosrc: string
  readonly disks: number
  readonly nics: number
}

export interface Growth {
  readonly name: string
  readonly one: string
  readonly points: readonly {
    readonly count: number
    readonly times: readonly number[]
    readonly instructions: number
  }[]
}

const PLAIN: Seed = { network: '', user: '', zosrc: '', disks: 0, nics: 0 }

const SERIES: readonly Series[] = [
  {
    name: 'routes',
    one: 'route',
    counts: [1, 10, 100, 1000],
    seed: (count) => ({ ...PLAIN, nics: 1, network: nic(0, times(count, route)) }),
  },
  {
    name: 'variables',
    one: 'variable',
    counts: [1, 10, 100, 1000, 10_000],
    seed: (count) => ({
      ...PLAIN,
      zosrc: times(count, (at) => `export VARIABLE_${at}='the value of ${at}'\n`).join(''),
    }),
  },
  {
    name: 'disks',
    one: 'disk',
    // As many as fit on a PCI bus with the root and the seed.
    counts: [1, 5, 10, 15, 20, 26],
    seed: (count) => ({ ...PLAIN, disks: count, user: `mounts:\n${times(count, mount).join('')}` }),
  },
  {
    name: 'NICs',
    one: 'NIC',
    counts: [1, 2, 4, 6, 8],
    seed: (count) => ({ ...PLAIN, nics: count, network: times(count, (at) => nic(at, [])).join('') }),
  },
]

const times = (count: number, make: (at: number) => string): string[] =>
  Array.from({ length: count }, (_, at) => make(at))

const macOf = (at: number): string => `52:54:00:00:01:${at.toString(16).padStart(2, '0')}`

const route = (at: number): string =>
  `    - to: 10.${1 + (at >> 8)}.${at & 255}.0/24\n      via: 192.168.0.1\n`

const nic = (at: number, routes: readonly string[]): string =>
  `  eth${at}:\n    match:\n      macaddress: ${macOf(at)}\n    addresses:\n    - 192.168.${at}.2/24\n    - fd00:${at}::2/64\n` +
  (routes.length === 0 ? '' : `    routes:\n${routes.join('')}`)

const mount = (at: number): string =>
  `- - /dev/vd${String.fromCharCode(0x61 + at)}\n  - /data/${at}\n  - auto\n  - defaults\n  - "0"\n  - "0"\n`

/** A container that has this many of one thing and little else. */
async function containerOf(folder: string, { name, seed }: Series, count: number): Promise<Container> {
  const { network, user, zosrc, disks, nics } = seed(count)
  const files: Disk[] = []
  for (let at = 0; at < disks; at++) {
    const file = join(folder, `growth-${at}.ext4`)
    files.push({ file: existsSync(file) ? file : await makeExt4(file, {}, { megabytes: 4 }) })
  }
  const tree = {
    'meta-data': `instance-id: ${name}\n`,
    'network-config': network === '' ? 'version: 2\n' : `ethernets:\n${network}version: 2\n`,
    'user-data': `#cloud-config\n${user}`,
    zosrc: `init=/probe\nset -- 'report'\n${zosrc}`,
  }
  return {
    name,
    cmdline: '',
    files: {},
    shares: [],
    disks: [...files, await makeSeed(join(folder, `growth-${name}-${count}`), tree)],
    nics: Array.from({ length: nics }, (_, at) => ({ mac: macOf(at), backend: { kind: 'hub', hub: at } })),
  }
}

interface Run {
  readonly series: Series
  readonly count: number
  readonly container: Container
  readonly instructions: number
  readonly times: number[]
}

/** Boots all of them in turn, so that other load on the computer affects them alike. */
export async function measureGrowth(bench: Bench, rounds: number): Promise<Growth[]> {
  const runs: Run[] = []
  for (const series of SERIES) {
    for (const count of series.counts) {
      const container = await containerOf(bench.folder, series, count)
      note(`growth: counting instructions of ${count} ${count === 1 ? series.one : series.name}`)
      const { user: instructions } = await countInstructions(bench, LEAN, container)
      runs.push({ series, count, container, instructions, times: [] as number[] })
    }
  }
  for (let round = 1; round <= rounds; round++) {
    note(`growth: round ${round} of ${rounds}`)
    for (const { container, times } of runs) times.push((await bootOnce(bench, LEAN, container)).time)
  }
  return SERIES.map((series) => ({
    name: series.name,
    one: series.one,
    points: runs.filter((run) => run.series === series),
  }))
}

const timePoints = ({ points }: Growth): Point[] =>
  points.map((one) => ({ x: one.count, y: median(one.times) }))
const instructionPoints = ({ points }: Growth): Point[] =>
  points.map((one) => ({ x: one.count, y: one.instructions }))

/** What one more costs, and how far from a straight line the farthest point is. */
export function growthTable(all: readonly Growth[]): string {
  const rows = all.map((growth) => {
    const [first, last] = [growth.points[0], growth.points.at(-1)]
    const instructions = straightLine(instructionPoints(growth))
    const time = straightLine(timePoints(growth))
    return [
      `${growth.name}, ${count(first?.count ?? 0)} to ${count(last?.count ?? 0)}`,
      `${count(first?.instructions ?? 0, 3)} to ${count(last?.instructions ?? 0, 3)}`,
      count(instructions.slope * 1e6),
      `${count(instructions.bend * 100, 1)} %`,
      `${count(median(first?.times ?? []))} to ${count(median(last?.times ?? []))}`,
      count(time.slope, 3),
    ]
  })
  return table(
    ['', 'instructions, M', 'for one more', 'off a straight line', 'time, ms', 'for one more, ms'],
    rows,
  )
}

/** A panel each: instructions and time, with the straight line through them. */
export const growthPicture = (all: readonly Growth[]): string =>
  panels({
    title: 'What more of something costs',
    panels: all.map((growth) => ({
      name: growth.name,
      series: [
        {
          name: 'instructions, M',
          points: instructionPoints(growth),
          line: straightLine(instructionPoints(growth)),
        },
        { name: 'time, ms', points: timePoints(growth), line: straightLine(timePoints(growth)) },
      ],
    })),
  })
