/**
 * The containers that the benchmarks boot, and what is measured of a boot.
 *
 * Time is measured from the kernel's line `Run /init as init process` to a line that the entrypoint writes into the kernel's
 * log first of all, so both have the same clock. Memory is what the entrypoint then reads in /proc. A plugin for QEMU
 * (count.c) counts instructions in separate boots.
 */

import { readFileSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cached } from '../../build/cache.ts'
import { run } from '../../build/command.ts'
import { PRODUCTS } from '../../build/paths.ts'
import { note } from '../../build/progress.ts'
import { type Accel, chooseAccel, needProgram } from '../../src/host/lib/programs.ts'
import { boot } from '../../src/host/machine/machine.ts'
import type { Disk, Nic } from '../../src/host/machine/options.ts'
import { makeExt4, probeProgram, type Tree, writeTree } from '../qemu/lib/files.ts'
import { makeSeed, seedFixture } from '../qemu/lib/images.ts'
import { kilobytes, parseReport } from '../qemu/lib/report.ts'

/** What a host gives to a container, whichever PID 1 it has. */
export interface Container {
  readonly name: string
  readonly cmdline: string
  /** In the root, beside /probe. */
  readonly files: Tree
  readonly shares: readonly string[]
  readonly disks: readonly Disk[]
  readonly nics: readonly Nic[]
}

/** A candidate for PID 1. */
export interface Contender {
  readonly name: string
  readonly initramfs: string
  /** Default: ours. */
  readonly kernel?: string
  /** Default 256. */
  readonly memoryMB?: number
  /** More for the command line. */
  readonly cmdline?: string
  /** Its kernel runs programs (modprobe) before /init, so that a count of all instructions would begin with those. */
  readonly helpers?: boolean
}

/** Where to measure. */
export interface Bench {
  readonly folder: string
  readonly accel: Accel
}

export interface Sample {
  /** Milliseconds from `Run /init` to the entrypoint. */
  readonly time: number
  /** MemAvailable when the entrypoint begins. All memory is in KB. */
  readonly available: number
  /**
   * MemTotal less MemAvailable and less the free pages that the kernel keeps for each processor. These pages vary from 2 to
   * 6 MB and are not in MemAvailable, which alone would hide smaller differences.
   */
  readonly used: number
  /** PID 1's resident memory and its anonymous part; undefined where the entrypoint itself is PID 1. */
  readonly resident: number | undefined
  readonly anonymous: number | undefined
}

export const MEMORY_MB = 256

/** What every image has. Our PID 1 makes missing ones; others do not. */
const DIRECTORIES: Tree = Object.fromEntries(
  ['proc', 'sys', 'dev', 'run', 'etc', 'tmp'].map((name) => [name, { directory: true } as const]),
)

/** Two NICs with IPv4 and IPv6, routes, a name server, a disk, a share: all of it on the command line. */
export async function plainContainer(folder: string): Promise<Container> {
  return {
    name: 'plain',
    cmdline: [
      'init=/probe host=bench vda=/data qsfs_share=/mnt/share',
      'net_eth0=10.0.2.15/24;fec0::15/64 net_eth1=192.168.77.5/24;fd77::5/64 net_dns=10.0.2.3',
      'net_r4=default,10.0.2.2;10.9.0.0/16,192.168.77.1 net_r6=default,fec0::2;200::/7,fd77::1',
      '-- report',
    ].join(' '),
    files: {},
    shares: ['share'],
    disks: [{ file: await makeExt4(join(folder, 'plain.ext4'), {}) }],
    nics: [{ backend: { kind: 'user' } }, { backend: { kind: 'hub', hub: 0 } }],
  }
}

/**
 * The fixture private-mycelium: nearly the same, but from a seed. Its entrypoint is an init that would become PID 1; it is
 * supervised instead, so that the two containers can be compared.
 */
export async function seededContainer(folder: string): Promise<Container> {
  return {
    name: 'seeded',
    cmdline: 'zmachine.mode=supervise',
    files: { 'sbin/zinit': { copy: await markedProbe() }, 'probe.commands': 'report' },
    shares: ['shared'],
    disks: [
      { file: await makeExt4(join(folder, 'seeded.ext4'), {}) },
      await makeSeed(join(folder, 'seed'), seedFixture('private-mycelium')),
    ],
    nics: [
      { mac: '54:43:83:2b:2f:8f', backend: { kind: 'user' } },
      { mac: 'fe:1a:39:0c:77:21', backend: { kind: 'hub', hub: 0 } },
    ],
  }
}

const markedProbe = (): Promise<string> => probeProgram(['-DMARKED'])

/**
 * Boots a container once in a fresh root. If it does not reach its entrypoint, it is booted once more with a note, since one
 * failure in hundreds of boots should not cost all results. Rejects with the serial log if that fails too.
 */
export async function bootOnce(
  bench: Bench,
  contender: Contender,
  container: Container,
  qemuArgs: readonly string[] = [],
): Promise<Sample> {
  return await attempt(bench, contender, container, qemuArgs).catch((error: unknown) => {
    const told = error instanceof Error ? error.message : String(error)
    const why = /^\[[ \d.]+\] .*(?:failed|panic).*$/m.exec(told)?.[0] ?? told.slice(0, told.indexOf('\n'))
    note(`${contender.name} did not reach the entrypoint; trying once more: ${why}`)
    return attempt(bench, contender, container, qemuArgs)
  })
}

async function attempt(
  { folder, accel }: Bench,
  contender: Contender,
  container: Container,
  qemuArgs: readonly string[],
): Promise<Sample> {
  const root = join(folder, 'root')
  rmSync(root, { recursive: true, force: true })
  writeTree(root, { ...DIRECTORIES, probe: { copy: await markedProbe() }, ...container.files })
  const share = join(folder, 'shared')
  writeTree(share, { file: 'from the host' })
  const machine = await boot({
    kernel: contender.kernel ?? PRODUCTS.flist.kernel,
    initramfs: contender.initramfs,
    cmdline: ['printk.time=1 zmachine.on_exit=poweroff', contender.cmdline, container.cmdline].join(' '),
    root: { kind: 'virtiofs', directory: root },
    shares: container.shares.map((tag) => ({ tag, directory: share })),
    disks: container.disks,
    nics: container.nics,
    memoryMB: contender.memoryMB ?? MEMORY_MB,
    timeout: 120,
    accel: chooseAccel(accel),
    qemuArgs,
  })
  const { console: text, reason } = await machine.exited
  const began = logTime(text, 'Run /\\S+ as init process')
  const reached = logTime(text, 'probe: first instruction')
  if (began === undefined || reached === undefined)
    throw new Error(`${contender.name} does not reach the entrypoint (${reason}):\n${text}`)
  const { pid, meminfo, kept, pid1Status } = parseReport(readFileSync(join(root, 'report'), 'latin1'))
  const available = meminfo.get('MemAvailable') ?? Number.NaN
  return {
    time: (reached - began) * 1000,
    available,
    used: (meminfo.get('MemTotal') ?? Number.NaN) - available - kept,
    resident: pid === 1 ? undefined : kilobytes(pid1Status, 'VmRSS'),
    anonymous: pid === 1 ? undefined : kilobytes(pid1Status, 'RssAnon'),
  }
}

/** The time of the first line in the kernel's log that matches, in seconds. */
function logTime(text: string, pattern: string): number | undefined {
  const found = new RegExp(`^\\[ *(\\d+\\.\\d+)\\] ${pattern}`, 'm').exec(text)
  return found === null ? undefined : Number(found[1])
}

/** In millions, from PID 1's first instruction to the entrypoint's. */
export interface Instructions {
  readonly user: number
  /** With the kernel's; undefined where PID 1's beginning can't be seen. */
  readonly all: number | undefined
}

/** Waiting for a device or a carrier takes more or fewer turns by chance, so the least of this many boots counts. */
const COUNTS = 2

export async function countInstructions(
  bench: Bench,
  contender: Contender,
  container: Container,
): Promise<Instructions> {
  const out = join(bench.folder, 'count')
  const plugin = `${await countPlugin()},out=${out}`
  const counts: { readonly user: number; readonly all: number }[] = []
  for (let boots = 0; boots < COUNTS; boots++) {
    // A plugin sees only what QEMU's own emulator runs.
    await bootOnce({ ...bench, accel: 'tcg' }, contender, container, ['-plugin', plugin])
    const [user = '', all = '', end] = (await readFile(out, 'utf8')).trim().split(' ')
    if (end !== 'entrypoint')
      throw new Error(`${contender.name}: the counted boot did not reach the entrypoint`)
    counts.push({ user: Number(user) / 1e6, all: Number(all) / 1e6 })
  }
  return {
    user: Math.min(...counts.map(({ user }) => user)),
    all: contender.helpers === true ? undefined : Math.min(...counts.map(({ all }) => all)),
  }
}

async function countPlugin(): Promise<string> {
  const source = fileURLToPath(new URL('count.c', import.meta.url))
  const options = ['-shared', '-fPIC', '-O2', '-Wall', '-Wextra', '-Werror', '-fvisibility=hidden']
  const made = await cached('bench-count', [await readFile(source), options.join(' ')], async (fresh) => {
    await run(needProgram('gcc', 'gcc'), [...options, '-o', join(fresh, 'count.so'), source])
  })
  return join(made, 'count.so')
}
