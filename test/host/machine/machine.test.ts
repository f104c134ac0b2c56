import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { findProgram } from '../../../src/host/lib/programs.ts'
import { boot } from '../../../src/host/machine/machine.ts'

const folder = mkdtempSync(join(tmpdir(), 'zmachine-test-'))
afterAll(() => rmSync(folder, { recursive: true }))

const withQemu = test.runIf(findProgram('qemu-system-x86_64') !== undefined)

withQemu(
  'a kernel that is not there is an error with QEMU’s words, what was run, and what to do',
  async () => {
    const error = await boot({ kernel: join(folder, 'none') }).catch((reason: unknown) => String(reason))
    expect(error).toMatch(/qemu-system-x86_64 failed\n.*could not open kernel file/)
    expect(error).toMatch(/run as: \S*qemu-system-x86_64 /)
    expect(error).toMatch(/what to do: /)
  },
)

withQemu('a directory that is not there is an error that names it', async () => {
  const root = { kind: 'virtiofs', directory: join(folder, 'nowhere') } as const
  await expect(boot({ kernel: 'none', root })).rejects.toThrow(join(folder, 'nowhere'))
})

withQemu('a virtiofsd that ends at once is the error, and not what QEMU says of it', async () => {
  const file = join(folder, 'file')
  writeFileSync(file, '')
  writeFileSync(idle.kernel, multiboot())
  const root = { kind: 'virtiofs', directory: file } as const
  await expect(boot({ ...idle, root })).rejects.toThrow(/^virtiofsd failed\n/)
})

const idle = { kernel: join(folder, 'idle') }

withQemu('a machine that does nothing ends by kill, by its timeout, and by QMP', async () => {
  writeFileSync(idle.kernel, multiboot())
  const killed = await boot(idle)
  killed.kill()
  expect((await killed.exited).reason).toBe('quit')

  const timed = await boot({ ...idle, timeout: 0.2 })
  expect((await timed.exited).reason).toBe('timeout')

  const quit = await boot(idle)
  expect(await quit.qmp('query-status')).toMatchObject({ status: 'running' })
  await expect(quit.qmp('nonsense')).rejects.toThrow(/QMP nonsense: .*nonsense/)
  await quit.qmp('quit')
  expect((await quit.exited).reason).toBe('quit')
  await expect(quit.qmp('query-status')).rejects.toThrow('the machine has ended')
})

withQemu('a machine whose disk is full, or whose log has no folder, goes on with a warning', async () => {
  const warnings: string[] = []
  const log = ['/dev/full', join(folder, 'none/a.log'), { file: join(folder, 'none/b.log'), keep: 10 }]
  writeFileSync(idle.kernel, multiboot(saying('hello', FOR_EVER)))
  const machine = await boot({ ...idle, log, warn: (text) => void warnings.push(text) })
  expect(await machine.console.waitFor('hello')).toBe('hello')
  expect(await machine.qmp('query-status')).toMatchObject({ status: 'running' })
  machine.kill()
  expect((await machine.exited).reason).toBe('quit')
  expect(warnings.sort()).toEqual([
    expect.stringMatching(/^the log \/dev\/full is incomplete: ENOSPC/),
    expect.stringMatching(/none\/a\.log is incomplete: ENOENT/),
    expect.stringMatching(/none\/b\.log is incomplete: ENOENT/),
  ])
})

/** What a kernel says and does decides; that a container prints the same does not. */
describe('a guest that says that it has halted', () => {
  const text = 'reboot: System halted'

  withQemu('and has, ends the machine', async () => {
    writeFileSync(idle.kernel, multiboot(saying(text, HALT)))
    const machine = await boot(idle)
    expect((await machine.exited).reason).toBe('halt')
  })

  withQemu('and goes on, is left alone', async () => {
    writeFileSync(idle.kernel, multiboot(saying(text, FOR_EVER)))
    const machine = await boot(idle)
    await machine.console.waitFor(text)
    await sleep(300)
    expect(await machine.qmp('query-status')).toMatchObject({ status: 'running' })
    machine.kill()
    expect((await machine.exited).reason).toBe('quit')
  })
})

/** cli; hlt; jmp back to hlt */
const HALT = [0xfa, 0xf4, 0xeb, 0xfd]

/** jmp to itself */
const FOR_EVER = [0xeb, 0xfe]

/** Code that writes a line to the first serial port, and goes on with more. */
function saying(text: string, then: readonly number[]): number[] {
  // mov dx, 0x3f8; then for each character: mov al, C; out dx, al
  const out = [...`${text}\n`].flatMap((char) => [0xb0, char.charCodeAt(0), 0xee])
  return [0x66, 0xba, 0xf8, 0x03, ...out, ...then]
}

/** The smallest kernel that QEMU takes (Multiboot Specification, section 3.1). */
function multiboot(code: readonly number[] = HALT): Buffer {
  const load = 0x100000
  const [magic, flags] = [0x1badb002, 0x10000]
  const end = load + 32 + code.length
  const words = [magic, flags, -(magic + flags) >>> 0, load, load, end, end, load + 32]
  const header = Buffer.alloc(32)
  words.forEach((word, at) => {
    header.writeUInt32LE(word, at * 4)
  })
  return Buffer.concat([header, Buffer.from(code)])
}
