/** `npm run bench`: compares what the lean build and other PID 1s cost, and writes the tables of docs/performance.md. */

import { readFile, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildAll, buildNode } from '../../build/build.ts'
import { BuildError, run } from '../../build/command.ts'
import { ensurePackages, type Purpose } from '../../build/debian/system.ts'
import { PRODUCTS, ROOT } from '../../build/paths.ts'
import { command, note } from '../../build/progress.ts'
import { privateFolder } from '../../src/host/lib/guard.ts'
import { chooseAccel, needProgram } from '../../src/host/lib/programs.ts'
import { bootPicture, bootTable, measureBoots, TURNS } from './boot.ts'
import { compareBuilds } from './builds.ts'
import { compareCalls, describeDifference } from './calls.ts'
import type { Bench } from './container.ts'
import { deviceTable, measureExits, stageTable } from './exits.ts'
import { growthPicture, growthTable, measureGrowth } from './growth.ts'
import { imageTable } from './images.ts'
import { replaceMarked } from './statistics.ts'
import { compareSupervision } from './supervise.ts'

const ROUNDS = 7
const PAGE = 'docs/performance.md'

interface Options {
  readonly rounds: number
  /** When, where and how it was measured, for the reader. */
  readonly circumstances: string
}

/** A benchmark that can be run by itself, with the marked places of a page and the pictures that it writes. */
interface Part {
  readonly about: string
  readonly needs: readonly Purpose[]
  /** Default docs/performance.md. */
  readonly page?: string
  readonly measure: (bench: Bench, options: Options) => Promise<Written>
}

interface Written {
  /** By marker. */
  readonly tables: Readonly<Record<string, string>>
  /** By file name. */
  readonly pictures: Readonly<Record<string, string>>
}

const PARTS: Readonly<Record<string, Part>> = {
  calls: {
    about: 'whether the C program still makes the system calls that the lean build makes',
    needs: ['build', 'run', 'test'],
    measure: async (bench) => {
      for (const one of await compareCalls(bench)) {
        const difference = describeDifference(one)
        if (difference !== '') throw new BuildError(difference, 'Bring test/bench/floor.c up to date.')
        note(`${one.container}: the same ${one.ours.length} calls`)
      }
      return { tables: {}, pictures: {} }
    },
  },
  boot: {
    about: 'time, instructions and memory up to the entrypoint, compared with other PID 1s',
    needs: ['build', 'run', 'test', 'images'],
    measure: async (bench, { rounds, circumstances }) => {
      const results = await measureBoots(bench, rounds)
      const how = `\n\n${circumstances}; ${rounds} boots each, ${TURNS * rounds} of the first two.`
      return {
        tables: {
          'boot by the command line': bootTable(results.plain) + how,
          'boot by a seed': bootTable(results.seeded) + how,
        },
        pictures: { 'performance-boot.svg': bootPicture(results) },
      }
    },
  },
  growth: {
    about: 'the cost of one more route, variable, disk or NIC',
    needs: ['build', 'run', 'test'],
    measure: async (bench, { rounds, circumstances }) => {
      // Most of it counts instructions, which are exact.
      const boots = Math.ceil(rounds / 3)
      const results = await measureGrowth(bench, boots)
      return {
        tables: { growth: `${growthTable(results)}\n\n${circumstances}; ${boots} boots each.` },
        pictures: { 'performance-growth.svg': growthPicture(results) },
      }
    },
  },
  builds: {
    about: 'the lean build and the node build side by side, for docs/builds.md',
    needs: ['build', 'run', 'test'],
    page: 'docs/builds.md',
    measure: async (bench, { rounds, circumstances }) => ({
      tables: { builds: `${await compareBuilds(bench, rounds)}\n\n${circumstances}; ${rounds} boots each.` },
      pictures: {},
    }),
  },
  exits: {
    about: 'how often a boot reaches an emulated device, which is what it costs with KVM',
    needs: ['build', 'run', 'test'],
    measure: async ({ folder }, { circumstances }) => {
      const all = await measureExits(folder)
      const [first] = all
      for (const each of all) console.log(`\n${each.machine.name}\n\n${stageTable(each)}`)
      return {
        tables: {
          exits: `${deviceTable(all)}\n\n${circumstances}.`,
          'exits by stage': first === undefined ? '' : stageTable(first),
        },
        pictures: {},
      }
    },
  },
  supervise: {
    about:
      'orphans, signals, memory and idling, compared with tini, dumb-init, catatonit and busybox, for docs/supervision.md',
    needs: ['build', 'run', 'test'],
    page: 'docs/supervision.md',
    measure: async (bench, { rounds }) => ({
      tables: await compareSupervision(bench, Math.ceil(rounds / 3)),
      pictures: {},
    }),
  },
  images: {
    about: 'sizes of files',
    needs: ['build', 'run', 'test', 'images'],
    measure: async (bench) => ({ tables: { images: await imageTable(bench) }, pictures: {} }),
  },
}

const HELP = `npm run bench [-- OPTIONS] [PART...]

Builds everything, boots the candidates in turn, and writes the tables and pictures of docs/performance.md.

${Object.entries(PARTS)
  .map(([name, { about }]) => `  ${name.padEnd(12)}${about}`)
  .join('\n')}

Without PART, all of them are run, which takes about a quarter of an hour.

  --rounds N    boots of each candidate; default ${ROUNDS}
  --quick       one boot each, and no file is written: for a look at a change
  --kvm         measures times with KVM where it is available; instructions are always counted without
  --help        this text

`

/** When and where the figures were measured. */
async function circumstances({ accel }: Bench): Promise<string> {
  const told = (await run(needProgram('qemu-system-x86_64', 'qemu-system-x86'), ['--version'])).toString()
  const qemu = /version ([\d.]+)/.exec(told)?.[1] ?? ''
  const manifest = JSON.parse(await readFile(PRODUCTS.flist.manifest, 'utf8')) as {
    kernel?: { release?: string }
  }
  const kernel = manifest.kernel?.release ?? ''
  const how = accel === 'kvm' ? 'with KVM' : 'without KVM'
  const processors = cpus()
  return `${new Date().toISOString().slice(0, 10)}: Linux ${kernel} in QEMU ${qemu} ${how}, on ${processors.length} processors (${processors[0]?.model ?? 'unknown'})`
}

async function write(name: string, { tables, pictures }: Written): Promise<void> {
  const file = join(ROOT, name)
  let page = await readFile(file, 'utf8')
  for (const [mark, text] of Object.entries(tables)) page = replaceMarked(page, mark, text)
  await writeFile(file, page)
  for (const [name, text] of Object.entries(pictures)) await writeFile(join(ROOT, 'docs', name), text)
}

async function main(names: readonly string[], rounds: number, kvm: boolean, keep: boolean): Promise<void> {
  const parts = (names.length === 0 ? Object.keys(PARTS) : names).map((name) => {
    const part = PARTS[name]
    if (part === undefined)
      throw new BuildError(`${name}: no such part`, `Use one of: ${Object.keys(PARTS).join(', ')}`)
    return part
  })
  await ensurePackages([...new Set(parts.flatMap(({ needs }) => needs))])
  await buildAll('flist')
  await buildNode()
  const { path: folder, remove } = privateFolder()
  try {
    const bench: Bench = { folder, accel: kvm ? chooseAccel('auto') : 'tcg' }
    const options = { rounds, circumstances: await circumstances(bench) }
    for (const part of parts) {
      const written = await part.measure(bench, options)
      for (const text of Object.values(written.tables)) console.log(`\n${text}\n`)
      if (!keep) continue
      await write(part.page ?? PAGE, written)
      note(`written to ${part.page ?? PAGE}`)
    }
  } finally {
    remove()
  }
}

await command(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      quick: { type: 'boolean' },
      kvm: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return
  }
  const quick = values.quick ?? false
  const rounds = Number(values.rounds ?? (quick ? 1 : ROUNDS))
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new BuildError(`--rounds ${values.rounds}: not a number of boots`)
  await main(positionals, rounds, values.kvm ?? false, !quick)
})
