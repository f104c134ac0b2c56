import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
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

/** The smallest kernel that QEMU takes (Multiboot Specification, section 3.1): it halts. */
function multiboot(): Buffer {
  const load = 0x100000
  const [magic, flags] = [0x1badb002, 0x10000]
  const words = [magic, flags, -(magic + flags) >>> 0, load, load, load + 64, load + 64, load + 32]
  const image = Buffer.alloc(64)
  words.forEach((word, at) => {
    image.writeUInt32LE(word, at * 4)
  })
  // cli; hlt; jmp back to hlt
  Buffer.from([0xfa, 0xf4, 0xeb, 0xfd]).copy(image, 32)
  return image
}
