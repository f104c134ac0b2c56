/**
 * Counts the instructions of PID 1 in user space, from its execve to the entrypoint's, by callgrind: exactly, on this
 * machine's kernel, in namespaces (test/kernel/enter.sh), with two NICs, their addresses and routes. No virtual machine,
 * so that each change can be held to it (test/kernel/budget.test.ts). `node test/bench/instructions.ts [FOLDER]` prints it,
 * without a seed and with one, and leaves what callgrind_annotate(1) reads in FOLDER.
 */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensurePackages } from '../../build/debian/system.ts'
import { buildLean } from '../../build/lean/lean.ts'
import { command } from '../../build/progress.ts'
import { privateFolder } from '../../src/host/machine/guard.ts'
import { seedImage } from '../../src/host/seed/seed-image.ts'
import { ours, startInit } from '../kernel/pid1.ts'
import { callgrind } from './valgrind.ts'

const CALLGRIND = [
  '--tool=callgrind',
  '--callgrind-out-file=/sys/class/counts/part',
  // The last child is the entrypoint.
  '--dump-before=host_spawn',
]

const NETWORK = [
  'host=bench net_eth0=10.0.2.15/24;fec0::15/64 net_eth1=192.168.77.5/24;fd77::5/64 net_dns=10.0.2.3',
  'net_r4=default,10.0.2.2;10.9.0.0/16,192.168.77.1 net_r6=default,fec0::2;200::/7,fd77::1',
].join(' ')

export interface Counted {
  readonly instructions: number
  /** As callgrind writes them, by name: up to the first child, up to the second, …; the last is the entrypoint. */
  readonly parts: ReadonlyMap<string, string>
}

const SEED = new URL('../fixtures/seeds/private-mycelium/', import.meta.url)

/**
 * The seed's files, and the disk that holds them as far as its label goes. Without what it mounts: the disk that it names
 * may well be this machine's own.
 */
function writeSeed(folder: string): void {
  const files = Object.fromEntries(
    readdirSync(SEED).map((name) => [name, readFileSync(new URL(name, SEED), 'utf8')]),
  )
  files['user-data'] = (files['user-data'] ?? '').replace(/^mounts:\n(?:[ -].*\n)*/m, '')
  mkdirSync(folder)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  writeFileSync(join(folder, 'disk'), seedImage(files))
}

/**
 * Runs a build in namespaces, and in a program of Valgrind's kind.
 * @param folder where the build is, and what it needs may be
 * @param withSeed what a zos host gives, instead of a network on the command line
 * @returns the files `part.*` that it has written into /sys/class/counts by when the entrypoint runs
 */
export async function runCounted(
  folder: string,
  init: string,
  counter: string,
  options: readonly string[],
  withSeed: boolean,
): Promise<Map<string, string>> {
  const seed = join(folder, 'seed')
  if (withSeed) writeSeed(seed)
  const running = await startInit(ours(withSeed ? '' : NETWORK, init), folder, ['/tell'], {
    COUNTER: counter,
    // A debugger's pipes would be files in /tmp, for PID 1 to delete.
    COUNTER_OPTIONS: ['--vgdb=no', ...options].join(' '),
    ...(withSeed ? { SEED: seed } : {}),
  })
  await running.says(/^\[end\]/m)
  // The end of the machine is a call that Valgrind does not know, so that PID 1 would wait for it for ever.
  running.signal('SIGKILL')
  const { output } = await running.ended
  const sections = output.replaceAll('\r', '').split(/^\[(part\.\w+|end)\]\n/m)
  const parts = new Map<string, string>()
  for (let i = 1; i + 1 < sections.length - 1; i += 2) parts.set(sections[i] ?? '', sections[i + 1] ?? '')
  if (parts.size === 0) throw new Error(`nothing was told of PID 1:\n${output}`)
  return parts
}

/** @param withSeed see `runCounted` */
export async function countInstructions(withSeed = false): Promise<Counted> {
  const { path: folder, remove } = privateFolder()
  try {
    const init = join(folder, 'init')
    await buildLean({ out: init, counted: true })
    const parts = await runCounted(folder, init, callgrind(), CALLGRIND, withSeed)
    const sums = [...parts.values()].map((text) => Number(/^summary: (\d+)/m.exec(text)?.[1]))
    if (sums.some(Number.isNaN)) throw new Error(`callgrind told no sum:\n${[...parts.values()].join('')}`)
    return { instructions: sums.reduce((sum, one) => sum + one), parts }
  } finally {
    remove()
  }
}

if (import.meta.main) {
  await command(async () => {
    await ensurePackages(['build', 'test'])
    const [, , folder] = process.argv
    for (const withSeed of [false, true]) {
      const { instructions, parts } = await countInstructions(withSeed)
      const what = withSeed ? 'with-seed' : 'without-seed'
      console.log(`${what}: ${instructions} instructions from PID 1 to the entrypoint`)
      if (folder === undefined) continue
      mkdirSync(join(folder, what), { recursive: true })
      for (const [name, text] of parts) writeFileSync(join(folder, what, name), text)
    }
  })
}
