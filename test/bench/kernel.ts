/**
 * `npm run bench:kernel`: measures each group of initramfs/kernel.config and compares our kernel with others. Writes the
 * tables of docs/kernel.md.
 *
 * A group's cost is the difference between a kernel of the groups up to it and one of those before it, so that the rows
 * add up (kernel-variants.ts). They boot in turn to an init that prints the available memory and powers off (poweroff.c).
 * Time is from the processor's first instruction to QEMU's end. One more boot of each counts instructions: with -icount,
 * the guest's clock advances by a nanosecond for each instruction, waiting included (QEMU's docs/devel/tcg-icount.rst),
 * so that the clock that init reads is the same each time.
 */

import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildAll } from '../../build/build.ts'
import { cacheRoot } from '../../build/cache.ts'
import { BuildError, run } from '../../build/command.ts'
import { cpio } from '../../build/cpio.ts'
import { ensurePackages } from '../../build/debian/system.ts'
import { compress } from '../../build/initramfs.ts'
import { type BuiltKernel, buildKernel, CONFIG } from '../../build/kernel/kernel.ts'
import { fragmentOf, readGroups } from '../../build/kernel/kernel-config.ts'
import { PRODUCTS, ROOT } from '../../build/paths.ts'
import { command, note, step } from '../../build/progress.ts'
import { extractVmlinux } from '../../src/host/image/vmlinux.ts'
import { privateFolder } from '../../src/host/lib/guard.ts'
import { needProgram } from '../../src/host/lib/programs.ts'
import { boot } from '../../src/host/machine/machine.ts'
import { guestProgram } from '../qemu/lib/files.ts'
import { type Cost, type Costs, groupTable, kernelTable, type Rival, type Rung } from './kernel-tables.ts'
import { buildVariants, type Variant } from './kernel-variants.ts'
import { median, replaceMarked } from './statistics.ts'

const ROUNDS = 9
const MEMORY_MB = 256
const PAGE = join(ROOT, 'docs/kernel.md')

/**
 * The smallest kernel. With less, there are no 64 bits, no way to run PID 1, no console, no entry for a VMM, or no way to
 * power off.
 */
const SMALLEST = 5

/**
 * The configuration of the kernel that zos's containers boot: threefoldtech/cloud-container, the file `config` at commit
 * 586fae0074631fc39a6a9e2b30d8afe56173f459, made for Linux 5.12.9. It is not part of this project; put it there to get
 * its row in the table.
 */
const PUBLISHED = join(cacheRoot(), 'cloud-container.config')

/**
 * Without that file: reported figures, measured on 2026-11-23 in the same way (Linux 6.12 from the same source, 256 MB, no
 * KVM, time from the bzImage).
 */
const REPORTED = [
  '6.12 with the configuration of threefoldtech/cloud-container, as reported and not of this run',
  ...['12,700,000', '56,600,000', '138,988', '', '', '3,300'],
]

const HELP = `npm run bench:kernel [-- OPTIONS]

Compiles our kernel with more and more of its groups, boots all of them in turn, and writes the tables of docs/kernel.md.
The first run compiles for half an hour to an hour on two cores. Compiled kernels are kept even if the run is interrupted.

  --rounds N    boots of each kernel; default ${ROUNDS}
  --compiled    compiles nothing and measures the kernels that are there
  --help        this text

With a file ${PUBLISHED}
there is a row for the kernel of threefoldtech/cloud-container, which takes half an hour more.
`

interface Options {
  readonly rounds: number
  readonly mayCompile: boolean
}

interface Boot {
  /** MemAvailable, in KiB. */
  readonly available: number
  readonly milliseconds: number
  /** The kernel's own clock when init reads it, in milliseconds. */
  readonly uptime: number
}

/** An instruction takes 2^0 ns, and QEMU does not sleep while the guest waits. */
const COUNTED = ['-icount', 'shift=0,sleep=off']

/** Boots a kernel once; undefined if init printed nothing. */
async function bootOnce(
  initramfs: string,
  kernel: string,
  qemuArgs: readonly string[] = [],
): Promise<Boot | undefined> {
  const machine = await boot({
    kernel,
    initramfs,
    root: { kind: 'none' },
    memoryMB: MEMORY_MB,
    timeout: 120,
    qemuArgs,
  })
  const { console: text, duration } = await machine.exited
  const [, available, uptime] = /^init: available=(\d+) uptime=([\d.]+)/m.exec(text) ?? []
  if (available === undefined) return undefined
  return { available: Number(available), milliseconds: duration * 1000, uptime: Number(uptime) * 1000 }
}

/** Boots the kernels in turn. One that does not reach init in its first boot is left out. */
async function measure(initramfs: string, kernels: readonly string[], rounds: number): Promise<Costs> {
  const counts = new Map<string, number>()
  for (const [index, kernel] of kernels.entries()) {
    note(`counting instructions: ${index + 1} of ${kernels.length}`)
    // QEMU refuses an ELF without a PVH entry.
    const first = await bootOnce(initramfs, kernel, COUNTED).catch(() => undefined)
    if (first !== undefined) counts.set(kernel, first.uptime)
  }
  const boots = new Map<string, Boot[]>([...counts.keys()].map((kernel) => [kernel, []]))
  for (let round = 1; round <= rounds; round++) {
    note(`booting: round ${round} of ${rounds}`)
    for (const [kernel, before] of boots) {
      const one = await bootOnce(initramfs, kernel)
      // One boot in a few hundred fails on a busy computer. That should not cost hours of compiling.
      if (one === undefined) note(`${kernel}: did not reach init this time`)
      else before.push(one)
    }
  }
  const cost = (kernel: string, all: readonly Boot[]): Cost => ({
    available: median(all.map(({ available }) => available)),
    times: all.map(({ milliseconds }) => milliseconds),
    instructions: counts.get(kernel) ?? Number.NaN,
  })
  return new Map([...boots].map(([kernel, all]) => [kernel, cost(kernel, all)]))
}

/** The init for all of them, which needs nothing but a console. */
async function makeInitramfs(folder: string): Promise<string> {
  const data = await readFile(await guestProgram(new URL('poweroff.c', import.meta.url)))
  const archive = cpio([
    { path: 'init', type: 'file', mode: 0o755, data },
    { path: 'dev', type: 'directory', mode: 0o755 },
    { path: 'dev/console', type: 'character', mode: 0o600, major: 5, minor: 1 },
  ])
  const file = join(folder, 'initramfs')
  await writeFile(file, compress(archive))
  return file
}

/** Kernels of the first groups, from the smallest to ours. The largest is compiled first, as each begins with the one before. */
async function ladderOf(built: BuiltKernel, mayCompile: boolean): Promise<Rung[]> {
  const groups = readGroups(await readFile(CONFIG, 'utf8'))
  const counts = Array.from({ length: groups.length - SMALLEST }, (_, index) => groups.length - 1 - index)
  const variant = (count: number): Variant => ({
    name: `up to ${groups[count - 1]?.name}`,
    over: 'nothing',
    settings: fragmentOf(groups.slice(0, count)),
  })
  const files = await buildVariants(built, counts.map(variant), mayCompile)
  const smaller = counts.map((count, index) => ({ groups: groups.slice(0, count), files: files[index] }))
  return [...smaller.reverse(), { groups, files: built }]
}

/** Debian's cloud kernel, which comes as a bzImage only. */
async function debianKernel(folder: string): Promise<Rival> {
  await buildAll('debian-cloud')
  const { kernel, manifest } = PRODUCTS.debianCloud
  const elf = join(folder, 'debian')
  await writeFile(elf, extractVmlinux(await readFile(kernel), kernel))
  const { release } = JSON.parse(await readFile(manifest, 'utf8')) as { readonly release: string }
  return { name: `Debian's ${release}, without its modules`, elf, bzImage: kernel }
}

/** The published configuration, with the version's own answers to what is new since. */
async function publishedKernel(built: BuiltKernel, mayCompile: boolean): Promise<Rival[]> {
  if (!existsSync(PUBLISHED)) {
    note(`threefoldtech/cloud-container: as reported, since there is no ${PUBLISHED}`)
    return []
  }
  const version = built.release.replace(/-.*/, '')
  const name = `${version} with the configuration of threefoldtech/cloud-container`
  const settings = await readFile(PUBLISHED, 'utf8')
  const [files] = await buildVariants(built, [{ name, over: 'defaults', settings }], mayCompile)
  return files === undefined ? [] : [{ name, ...files }]
}

/** When, where and how the figures were measured. */
async function circumstances({ release, compiler }: BuiltKernel, rounds: number): Promise<string> {
  const told = (await run(needProgram('qemu-system-x86_64', 'qemu-system-x86'), ['--version'])).toString()
  const qemu = /version ([\d.]+)/.exec(told)?.[1] ?? ''
  const machine = `QEMU ${qemu} without KVM, ${MEMORY_MB} MB, ${cpus()[0]?.model ?? 'unknown processor'}`
  return `${new Date().toISOString().slice(0, 10)}: ${release}, ${compiler}; ${machine}; ${rounds} boots each.`
}

async function main({ rounds, mayCompile }: Options): Promise<void> {
  const { path: folder, remove } = privateFolder()
  try {
    const built = await step('our kernel', buildKernel)
    const ladder = await ladderOf(built, mayCompile)
    const rivals = [
      { name: `ours, ${built.release}`, elf: built.elf, bzImage: built.bzImage },
      await debianKernel(folder),
      ...(await publishedKernel(built, mayCompile)),
    ]
    const kernels = [
      ...rivals.flatMap(({ elf, bzImage }) => [elf, bzImage]),
      ...ladder.flatMap(({ files }) => (files === undefined || files === built ? [] : files.elf)),
    ]
    const costs = await measure(await makeInitramfs(folder), kernels, rounds)

    const how = await circumstances(built, rounds)
    const groups = `${await groupTable(ladder, costs)}\n\n${how}`
    const reported = existsSync(PUBLISHED) ? [] : [REPORTED]
    const others = `${await kernelTable(rivals, costs, reported)}\n\n${how}`
    const page = await readFile(PAGE, 'utf8')
    await writeFile(PAGE, replaceMarked(replaceMarked(page, 'kernel groups', groups), 'kernels', others))
    console.log(`\n${others}\n\n${groups}\n\nWritten to docs/kernel.md.`)
  } finally {
    remove()
  }
}

await command(async () => {
  const { values } = parseArgs({
    options: { rounds: { type: 'string' }, compiled: { type: 'boolean' }, help: { type: 'boolean' } },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return
  }
  const rounds = Number(values.rounds ?? ROUNDS)
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new BuildError(`--rounds ${values.rounds}: not a number of boots`)
  }
  await ensurePackages(['build', 'run'])
  await main({ rounds, mayCompile: !values.compiled })
})
