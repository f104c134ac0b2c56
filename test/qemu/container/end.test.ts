/** How a container ends. */

import { describe, expect, test } from 'vitest'
import { run } from '../../../build/command.ts'
import { needProgram } from '../../../src/host/lib/programs.ts'
import type { Machine } from '../../../src/host/machine/machine.ts'
import { booted } from '../lib/boot.ts'
import { makeExt4, readExt4 } from '../lib/files.ts'

describe.each([
  ['poweroff', 'zmachine.on_exit=poweroff', 'powerdown'],
  ['reboot', 'zmachine.on_exit=reboot', 'reset'],
  ['halt', 'zmachine.on_exit=halt', 'halt'],
])('on_exit=%s', (_, cmdline, reason) => {
  const boot = booted({ cmdline, probe: ['exit', '9'] })

  test('does so after the last line', () => {
    expect(boot().container).toMatchObject({ code: 9, signal: 'none', reason: 'exit' })
    expect(boot().exit.reason).toBe(reason)
  })
})

/** What a zos host shows of the log. */
const SHOWN = 2048

describe.each([
  ['that is missing', 'init=/nosuch zmachine.timeline', /fatal: entrypoint '\/nosuch': ENOENT/, 'code=127'],
  [
    'whose disks have nowhere to go',
    `zmachine.timeline ${Array.from('abcdefghijklmnopqrstuvwxyz', (letter) => `vd${letter}=/`).join(' ')}`,
    /fatal: \/dev\/vda has no usable mount target/,
    'code=125',
  ],
])('an entrypoint %s', (_, cmdline, reason, code) => {
  const boot = booted({ init: null, cmdline, files: { 'sbin/init': { link: '/probe' } } })

  test('leaves the reason and the last line where a host shows them', () => {
    const end = boot().console.slice(-SHOWN)
    expect(end).toMatch(reason)
    expect(end).toContain(`zmachine: exited ${code} signal=none reason=failed`)
  })
})

describe('on_exit=restart', () => {
  const boot = booted({
    cmdline: 'zmachine.on_exit=restart',
    probe: ['append', '/runs', 'x', ',', 'exit', '1'],
    during: async (machine) => {
      let runs = 0
      for await (const line of machine.console.lines()) {
        if (line.includes('probe: started') && ++runs === 3) break
      }
      machine.kill()
    },
  })

  test('starts the entrypoint again', () => {
    expect(boot().file('runs')?.length).toBeGreaterThanOrEqual(2)
    expect(boot().exit.reason).toBe('quit')
  })
})

describe('an entrypoint that a signal ends', () => {
  const boot = booted({ probe: ['raise', '11'] })

  test('has 128+N for its code, and the signal’s name', () => {
    expect(boot().container?.code).toBe(139)
    expect(boot().container?.signal).toMatch(/SEGV/)
    expect(JSON.parse(boot().file('.zmachine/exit.json') ?? '{}')).toMatchObject({ code: 139 })
  })
})

describe('the power button', () => {
  const press = { timeout: 30, during: pressAfter('probe: ready for signals') }

  describe('with an entrypoint that ends on TERM', () => {
    const boot = booted({ ...press, probe: 'deaf , signals 1 , exit 7'.split(' ') })

    test('sends TERM, waits for the end, and switches off', () => {
      expect(boot().console).toContain('probe: signal 15 from 1')
      expect(boot().container?.code).toBe(7)
      expect(boot().exit.reason).toBe('powerdown')
    })
  })

  describe('with an entrypoint that is deaf', () => {
    const boot = booted({ ...press, cmdline: 'zmachine.grace=1', probe: ['signals', '9'] })

    test('kills it after the grace', () => {
      expect(boot().console).toContain('probe: signal 15 from 1')
      expect(boot().container?.code).toBe(137)
      expect(boot().container?.signal).toMatch(/KILL/)
      expect(boot().exit.reason).toBe('powerdown')
    })
  })
})

describe.each([
  ['TERM', 15],
  ['PWR', 30],
])('SIG%s to PID 1', (_, signal) => {
  const boot = booted({ probe: `block , kill 1 ${signal} , signals 1 , exit 8`.split(' ') })

  test('is a stop', () => {
    expect(boot().console).toContain('probe: signal 15 from 1')
    expect(boot().container?.code).toBe(8)
    expect(boot().exit.reason).toBe('powerdown')
  })
})

describe('a thousand orphans that end at once', () => {
  const boot = booted({ memoryMB: 512, probe: 'orphans 1000 , orphans 1000 , exit 0'.split(' ') })

  test('are all reaped', () => {
    expect(boot().console.match(/probe: orphans left 0, zombies 0/g)).toHaveLength(2)
    expect(boot().container?.code).toBe(0)
  })
})

describe('a disk that the container wrote to', () => {
  const boot = booted(async (folder) => {
    const disk = await makeExt4(`${folder}/data.ext4`, {})
    return { disks: [{ file: disk }], cmdline: 'vda=/data', probe: ['write', '/data/x', 'kept'] }
  })

  test('is unmounted', async () => {
    const disk = boot().root.replace(/root$/, 'data.ext4')
    expect(await readExt4(disk, '/x')).toBe('kept')
    const header = (await run(needProgram('dumpe2fs', 'e2fsprogs'), ['-h', disk])).toString()
    expect(header).toMatch(/Filesystem state: +clean/)
    expect(header).not.toContain('needs_recovery')
  })
})

/** Presses the power button once the console has the text. */
function pressAfter(text: string) {
  return async (machine: Machine): Promise<void> => {
    await machine.console.waitFor(text)
    await machine.powerdown()
  }
}

describe('a hand-over that fails', () => {
  const boot = booted({ cmdline: 'zmachine.mode=exec zmachine.user=1000:1000 zmachine.cwd=/nowhere' })

  test('is told, and the machine still goes down as it was asked to', () => {
    expect(boot().console).toContain('zmachine: fatal: chdir /nowhere: ENOENT')
    expect(boot().container).toMatchObject({ code: 125, reason: 'failed' })
    expect(boot().exit.reason).toBe('powerdown')
    expect(JSON.parse(boot().file('.zmachine/exit.json') ?? '')).toMatchObject({ code: 125 })
  })
})
