/** What the tests of faults share: entrypoints that are scripts, and how a machine came to its end. */

import { run } from '../../build/command.ts'
import { needProgram } from '../../src/host/lib/programs.ts'
import type { Machine } from '../../src/host/machine/machine.ts'
import type { Boot, BootOptions } from '../qemu/lib/boot.ts'
import { guestProgram, type Tree } from '../qemu/lib/files.ts'

/** Does what a shell can't (guest/fault.c). */
export const fault = await guestProgram(new URL('guest/fault.c', import.meta.url))

/** For a script's end: stays until it is stopped, and says so once nothing more has to be read. TERM ends it at once. */
export const HOLD = 'sleep 1000 & usleep 200000; echo script: holds; wait'

/** A boot whose entrypoint is a script of busybox’ shell, which finds busybox’ commands and `/fault`. */
export function scripted(script: string, files: Tree = {}): BootOptions {
  return { init: '/script', files: { ...scriptFiles(script), ...files } }
}

export function scriptFiles(script: string): Tree {
  const commands = [...new Set(script.match(/\b[a-z]+\b/g))].filter((word) => COMMANDS.includes(word))
  return {
    busybox: { copy: needProgram('busybox', 'busybox-static') },
    fault: { copy: fault },
    script: { text: `#!/busybox sh\n${script}\n`, mode: 0o755 },
    ...Object.fromEntries(commands.map((name) => [`bin/${name}`, { link: '/busybox' }])),
  }
}

const COMMANDS =
  'cat chmod cp date dd hostname kill ls losetup ln mkdir mount mv rm sleep sync umount usleep yes'.split(' ')

/** The machine's end, in one value to compare: its last line, and what came of the machine. */
export function end({ container, exit }: Boot): string {
  const { code, signal, reason } = container ?? { code: '?', signal: '?', reason: '?' }
  return `code=${code} signal=${signal} reason=${reason} ${exit.reason}`
}

/** Whether an ext4 image was unmounted, in the words of its own superblock. */
export async function ext4State(image: string): Promise<string> {
  const header = (await run(needProgram('dumpe2fs', 'e2fsprogs'), ['-h', image])).toString()
  const recovery = header.includes('needs_recovery') ? ', to be recovered' : ''
  return `${/Filesystem state: +(.*)/.exec(header)?.[1]}${recovery}`
}

/** The exit record that PID 1 left in the root. */
export function record(boot: Boot): unknown {
  const text = boot.file('.zmachine/exit.json')
  return text === undefined ? undefined : JSON.parse(text)
}

/** Presses the power button once the console has the text. */
export function pressAfter(text: string | RegExp): (machine: Machine) => Promise<void> {
  return async (machine) => {
    await machine.console.waitFor(text)
    await machine.powerdown()
  }
}

/** Presses it when the script holds. */
export const press = pressAfter('script: holds')

/** What PID 1 said, line by line, without `zmachine: `. */
export const said = ({ console: text }: Boot): string[] => linesOf(text, 'zmachine: ')

/** What the script said. */
export const told = ({ console: text }: Boot): string[] => linesOf(text, 'script: ')

const linesOf = (text: string, prefix: string): string[] =>
  text.split(/\r*\n/).flatMap((line) => {
    const at = line.indexOf(prefix)
    return at < 0 ? [] : [line.slice(at + prefix.length).trimEnd()]
  })
