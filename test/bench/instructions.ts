/**
 * Counts PID 1's user-space instructions, from its own execve to the entrypoint's, with callgrind.
 *
 * It runs on this machine's kernel in namespaces (test/kernel/enter.sh), with two NICs, their addresses and routes. There is
 * no virtual machine, so the count is exact and a budget can hold every change to it (test/kernel/budget.test.ts).
 * `node test/bench/instructions.ts [FOLDER]` prints the counts without and with a seed, and leaves callgrind's files for
 * callgrind_annotate(1) in FOLDER.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensurePackages } from '../../build/debian/system.ts'
import { buildLean } from '../../build/lean/lean.ts'
import { command } from '../../build/progress.ts'
import { privateFolder } from '../../src/host/lib/guard.ts'
import { needProgram } from '../../src/host/lib/programs.ts'
import { seedImage } from '../../src/host/seed/seed-image.ts'
import { ours, startInit } from '../kernel/pid1.ts'

/** Where Debian 12 and 13 install Valgrind's tools. */
const VALGRIND = ['/usr/libexec/valgrind', '/usr/lib/x86_64-linux-gnu/valgrind']
const CALLGRIND = 'callgrind-amd64-linux'

const CALLGRIND_OPTIONS = [
  '--tool=callgrind',
  '--callgrind-out-file=/sys/class/counts/part',
  // PID 1's last child is the entrypoint.
  '--dump-before=host_spawn',
  // The pipes of Valgrind's debugger would be files in /tmp that PID 1 deletes.
  '--vgdb=no',
]

const NETWORK = [
  'host=bench net_eth0=10.0.2.15/24;fec0::15/64 net_eth1=192.168.77.5/24;fd77::5/64 net_dns=10.0.2.3',
  'net_r4=default,10.0.2.2;10.9.0.0/16,192.168.77.1 net_r6=default,fec0::2;200::/7,fd77::1',
].join(' ')

export interface Counted {
  readonly instructions: number
  /** Callgrind's files by name: up to the first child, from there to the second, and so on to the entrypoint. */
  readonly parts: ReadonlyMap<string, string>
}

const SEED = new URL('../fixtures/seeds/private-mycelium/', import.meta.url)

/**
 * Writes the seed's files and the beginning of the disk that holds them, up to its label. The seed's own mounts are left
 * out, because the disk that they name may exist on this machine.
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

/** Runs `init` under callgrind and returns the files that callgrind has written by the time the entrypoint runs. */
async function runCounted(folder: string, init: string, withSeed: boolean): Promise<Map<string, string>> {
  const seed = join(folder, 'seed')
  if (withSeed) writeSeed(seed)
  const counter = VALGRIND.map((each) => join(each, CALLGRIND)).find(existsSync)
  const running = await startInit(ours(withSeed ? '' : NETWORK, init), folder, ['/tell'], {
    COUNTER: counter ?? needProgram(CALLGRIND, 'valgrind'),
    COUNTER_OPTIONS: CALLGRIND_OPTIONS.join(' '),
    ...(withSeed ? { SEED: seed } : {}),
  })
  await running.says(/^\[end\]/m)
  // Valgrind does not know reboot(2), so PID 1 would never end by itself.
  running.signal('SIGKILL')
  const { output } = await running.ended
  const sections = output.replaceAll('\r', '').split(/^\[(part\.\w+|end)\]\n/m)
  const parts = new Map<string, string>()
  for (let i = 1; i + 1 < sections.length - 1; i += 2) parts.set(sections[i] ?? '', sections[i + 1] ?? '')
  if (parts.size === 0) throw new Error(`callgrind wrote nothing:\n${output}`)
  return parts
}

/** @param withSeed boots from a seed, as on a zos host, instead of with a network on the command line */
export async function countInstructions(withSeed = false): Promise<Counted> {
  const { path: folder, remove } = privateFolder()
  try {
    const init = join(folder, 'init')
    await buildLean({ out: init, counted: true })
    const parts = await runCounted(folder, init, withSeed)
    const sums = [...parts.values()].map((text) => Number(/^summary: (\d+)/m.exec(text)?.[1]))
    if (sums.some(Number.isNaN)) throw new Error(`callgrind gave no sum:\n${[...parts.values()].join('')}`)
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
