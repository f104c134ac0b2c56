/**
 * Counts the instructions of PID 1 in user space, from its execve to the entrypoint's, by callgrind: exactly, on this
 * machine's kernel, in namespaces (test/kernel/enter.sh), with two NICs, their addresses and routes. No virtual machine,
 * so that each change can be held to it (test/kernel/budget.test.ts). `node test/bench/instructions.ts [FOLDER]` prints the
 * number, and leaves what callgrind_annotate(1) reads in FOLDER.
 */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildLean } from '../../build/lean.ts'
import { command } from '../../build/progress.ts'
import { ensurePackages } from '../../build/system.ts'
import { privateFolder } from '../../src/launcher/guard.ts'
import { needProgram } from '../../src/launcher/programs.ts'
import { ours, startInit } from '../kernel/pid1.ts'

/** Debian has it in one place or the other. */
const CALLGRIND = ['/usr/libexec/valgrind', '/usr/lib/x86_64-linux-gnu/valgrind'].map((folder) =>
  join(folder, 'callgrind-amd64-linux'),
)

const NETWORK = [
  'host=bench net_eth0=10.0.2.15/24;fec0::15/64 net_eth1=192.168.77.5/24;fd77::5/64 net_dns=10.0.2.3',
  'net_r4=default,10.0.2.2;10.9.0.0/16,192.168.77.1 net_r6=default,fec0::2;200::/7,fd77::1',
].join(' ')

export interface Counted {
  readonly instructions: number
  /** As callgrind writes them, by name: up to the first child, up to the second, …; the last is the entrypoint. */
  readonly parts: ReadonlyMap<string, string>
}

export async function countInstructions(): Promise<Counted> {
  const { path: folder, remove } = privateFolder()
  try {
    const callgrind = CALLGRIND.find((file) => existsSync(file)) ?? needProgram('callgrind', 'valgrind')
    const init = join(folder, 'init')
    await buildLean({ out: init, counted: true })
    const running = await startInit(ours(NETWORK, init), folder, ['/tell'], {
      CALLGRIND: callgrind,
    })
    await running.says(/^\[end\]/m)
    // The end of the machine is a call that callgrind does not know, so that PID 1 would wait for it for ever.
    running.signal('SIGKILL')
    const { output } = await running.ended
    const sections = output.replaceAll('\r', '').split(/^\[(part\.\d+|end)\]\n/m)
    const parts = new Map<string, string>()
    for (let i = 1; i + 1 < sections.length - 1; i += 2) parts.set(sections[i] ?? '', sections[i + 1] ?? '')
    const sums = [...parts.values()].map((text) => Number(/^summary: (\d+)/m.exec(text)?.[1]))
    if (sums.length === 0 || sums.some(Number.isNaN)) throw new Error(`callgrind did not tell:\n${output}`)
    return { instructions: sums.reduce((sum, one) => sum + one), parts }
  } finally {
    remove()
  }
}

if (import.meta.main) {
  await command(async () => {
    await ensurePackages(['build', 'test'])
    const [, , folder] = process.argv
    const { instructions, parts } = await countInstructions()
    if (folder !== undefined) {
      mkdirSync(folder, { recursive: true })
      for (const [name, text] of parts) writeFileSync(join(folder, name), text)
    }
    console.log(`${instructions} instructions from PID 1 to the entrypoint`)
  })
}
