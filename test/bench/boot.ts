/**
 * `npm run bench [BOOTS]`: what our PID 1 costs beside floor.c, which makes the same calls with its answers written in.
 *
 * Both boot the same container (two NICs with IPv4 and IPv6, routes, one disk, one share) in turn, BOOTS times each.
 * Time is from the kernel's line `Run /init as init process` to the probe's first instruction, which the probe marks
 * by a line of its own in the kernel's log: one clock, two lines. Memory is what the probe sees at that moment.
 * Instructions in user space are counted exactly, by a plugin for QEMU (count.c), in one more boot each.
 *
 * The kernel is the tests' (Debian's, or ZMACHINE_KERNEL and ZMACHINE_INITRAMFS).
 */

import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cached } from '../../build/cache.ts'
import { run } from '../../build/command.ts'
import { cpio } from '../../build/cpio.ts'
import { compress, join as joinImages } from '../../build/initramfs.ts'
import { command } from '../../build/progress.ts'
import { ensurePackages } from '../../build/system.ts'
import { privateFolder } from '../../src/launcher/guard.ts'
import { boot } from '../../src/launcher/machine.ts'
import { needProgram } from '../../src/launcher/programs.ts'
import { guestProgram, makeExt4, probeProgram, writeTree } from '../boot/files.ts'
import { testKernel } from '../boot/kernel.ts'
import { kilobytes, parseReport } from '../boot/report.ts'

const BOOTS = 9

const CMDLINE = [
  'printk.time=1 zmachine.on_exit=poweroff init=/probe host=bench vda=/data qsfs_share=/mnt/share',
  'net_eth0=10.0.2.15/24;fec0::15/64 net_eth1=192.168.77.5/24;fd77::5/64 net_dns=10.0.2.3',
  'net_r4=default,10.0.2.2;10.9.0.0/16,192.168.77.1 net_r6=default,fec0::2;200::/7,fd77::1',
  '-- first , report',
].join(' ')

interface Sample {
  /** Milliseconds from `Run /init` to the entrypoint. */
  readonly time: number
  /** MemAvailable at the entrypoint, in KB. */
  readonly available: number
  /** PID 1's resident memory and its anonymous part, in KB. */
  readonly resident: number
  readonly anonymous: number
}

interface Bench {
  readonly folder: string
  readonly kernel: string
  readonly disk: string
}

/** Boots an initramfs once in a fresh root. */
async function sample(bench: Bench, initramfs: string, qemuArgs: readonly string[] = []): Promise<Sample> {
  const root = join(bench.folder, 'root')
  rmSync(root, { recursive: true, force: true })
  writeTree(root, { probe: { copy: await probeProgram() } })
  const machine = await boot({
    kernel: bench.kernel,
    initramfs,
    cmdline: CMDLINE,
    root: { kind: 'virtiofs', directory: root },
    shares: [{ tag: 'share', directory: bench.folder }],
    disks: [{ file: bench.disk }],
    nics: [{ backend: { kind: 'user' } }, { backend: { kind: 'hub', hub: 0 } }],
    timeout: 60,
    qemuArgs,
  })
  const { console: text, reason } = await machine.exited
  const began = logTime(text, 'Run /init as init process')
  const reached = logTime(text, 'probe: first instruction')
  if (began === undefined || reached === undefined) throw new Error(`no entrypoint (${reason}):\n${text}`)
  const { meminfo, pid1Status } = parseReport(readFileSync(join(root, 'report'), 'latin1'))
  return {
    time: (reached - began) * 1000,
    available: meminfo.get('MemAvailable') ?? Number.NaN,
    resident: kilobytes(pid1Status, 'VmRSS'),
    anonymous: kilobytes(pid1Status, 'RssAnon'),
  }
}

/** The time of a line in the kernel's log, in seconds. */
function logTime(text: string, words: string): number | undefined {
  const found = new RegExp(`^\\[ *(\\d+\\.\\d+)\\] ${words}`, 'm').exec(text)
  return found === null ? undefined : Number(found[1])
}

/** Instructions in user space from PID 1's first to the entrypoint's. */
async function countInstructions(bench: Bench, initramfs: string): Promise<number> {
  const source = fileURLToPath(new URL('count.c', import.meta.url))
  const options = ['-shared', '-fPIC', '-O2', '-Wall', '-Wextra', '-Werror', '-fvisibility=hidden']
  const made = await cached('bench-count', [readFileSync(source), options.join(' ')], async (fresh) => {
    await run(needProgram('gcc', 'gcc'), [...options, '-o', join(fresh, 'count.so'), source])
  })
  const out = join(bench.folder, 'count')
  await sample(bench, initramfs, ['-plugin', `${made}/count.so,out=${out}`])
  const [count, end] = readFileSync(out, 'utf8').trim().split(' ')
  if (end !== 'entrypoint') throw new Error('the counted boot did not reach the entrypoint')
  return Number(count)
}

/** The same initramfs with floor.c for its /init: a second archive, which the kernel unpacks over the first. */
async function floorInitramfs(folder: string, ours: string): Promise<string> {
  const floor = readFileSync(await guestProgram(new URL('floor.c', import.meta.url)))
  const over = compress(cpio([{ path: 'init', type: 'file', mode: 0o755, data: floor }]))
  const file = join(folder, 'floor.img')
  writeFileSync(file, joinImages(readFileSync(ours), over))
  return file
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

async function main(boots: number): Promise<void> {
  const { path: folder, remove } = privateFolder()
  try {
    const { kernel, initramfs: ours } = testKernel()
    const floor = await floorInitramfs(folder, ours)
    const bench: Bench = { folder, kernel, disk: await makeExt4(join(folder, 'disk.ext4'), {}) }
    const samples: { floor: Sample[]; ours: Sample[] } = { floor: [], ours: [] }
    for (let round = 0; round < boots; round++) {
      samples.floor.push(await sample(bench, floor))
      samples.ours.push(await sample(bench, ours))
    }
    const instructions = {
      floor: await countInstructions(bench, floor),
      ours: await countInstructions(bench, ours),
    }
    const row = (name: string, unit: string, pick: (one: Sample) => number, digits = 0): void =>
      print(name, median(samples.floor.map(pick)), median(samples.ours.map(pick)), unit, digits)
    console.log(`\nmedians of ${boots} boots each${' '.repeat(18)}floor        ours    ours/floor`)
    row('Run /init to the entrypoint', 'ms', ({ time }) => time, 1)
    print('instructions in user space', instructions.floor / 1e6, instructions.ours / 1e6, 'M', 3)
    row('MemAvailable at the entrypoint', 'KB', ({ available }) => available)
    row('PID 1, resident', 'KB', ({ resident }) => resident)
    row('PID 1, anonymous', 'KB', ({ anonymous }) => anonymous)
  } finally {
    remove()
  }
}

function print(name: string, floor: number, ours: number, unit: string, digits: number): void {
  const cells = [floor, ours].map((value) => value.toFixed(digits).padStart(12)).join('')
  console.log(`  ${name.padEnd(34)}${cells} ${unit.padEnd(3)}${(ours / floor).toFixed(2).padStart(8)}`)
}

await command(async () => {
  await ensurePackages(['build', 'run', 'demo'])
  await main(Number(process.argv[2] ?? BOOTS))
})
