/** File servers of the host that die, and directories that go away below them. */

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Machine } from '../../src/host/machine/machine.ts'
import { type BootOptions, booted } from '../qemu/lib/boot.ts'
import { makeExt4, readExt4, writeTree } from '../qemu/lib/files.ts'
import { makeSeed } from '../qemu/lib/images.ts'
import { end, ext4State, HOLD, press, record, said, scripted } from './faults.ts'

const DEAD = 'does not answer: its server on the host has died'

/** Kills servers once the console has a text, and then does the rest. */
function killAfter(
  text: string,
  tags: readonly string[],
  rest: (machine: Machine) => Promise<void> = async () => {},
): (machine: Machine) => Promise<void> {
  return async (machine) => {
    await machine.console.waitFor(text)
    for (const tag of tags) machine.killShare(tag)
    await rest(machine)
  }
}

describe('the root’s server that dies while the kernel starts', () => {
  // The watchdog's minute: with icount the guest's clock jumps over it.
  const boot = booted({
    cmdline: 'rootdelay=2',
    qemuArgs: ['-icount', 'shift=1,sleep=off'],
    during: killAfter('Linux version', ['vroot']),
  })

  test('is told, and the machine goes down by its policy', () => {
    expect(said(boot())).toContainEqual(
      expect.stringMatching(/^fatal: no answer for 60 s from the root vroot$/),
    )
    expect(end(boot())).toBe('code=125 signal=none reason=failed powerdown')
  })
})

describe('the root’s server that dies while PID 1 waits for a share', () => {
  const boot = booted({
    // Ticks, so that its clock jumps in small steps: there is time to kill.
    cmdline: 'rootdelay=300 qsfs_late=/late zmachine.on_exit=reboot nohz=off',
    qemuArgs: ['-icount', 'shift=1,sleep=off'],
    during: killAfter("waiting for the share 'late'", ['vroot']),
  })

  test('keeps PID 1 from the share’s target, which is told, and the machine goes down', () => {
    expect(said(boot())).toContainEqual(
      expect.stringMatching(/^fatal: no answer for 60 s from late on \/late$/),
    )
    expect(end(boot())).toBe('code=125 signal=none reason=failed reset')
  })
})

describe('the root’s server that dies below a container', () => {
  const boot = booted(async (folder) => ({
    ...scripted(`echo kept > /data/x; ${HOLD}`),
    disks: [{ file: await makeExt4(join(folder, 'data'), {}) }],
    cmdline: 'vda=/data zmachine.grace=1',
    during: killAfter('script: holds', ['vroot'], (machine) => machine.powerdown()),
  }))

  test('is told at the stop, which goes on without it', () => {
    expect(said(boot())).toContain(`warning: the root ${DEAD}`)
    // The shell hangs in its last close, of the script: not even KILL ends that.
    expect(end(boot())).toBe('code=137 signal=SIGKILL reason=stop powerdown')
  })

  test('keeps nothing from the disks', async () =>
    expect(await readExt4(boot().root.replace(/root$/, 'data'), '/x')).toBe('kept\n'))
})

describe('the root’s server that dies below a log file', () => {
  const boot = booted({
    ...scripted(HOLD),
    cmdline: 'zmachine.log_file zmachine.grace=1',
    during: killAfter('script: holds', ['vroot'], (machine) => machine.powerdown()),
  })

  test('is told at the stop, which writes no more to it', () => {
    expect(said(boot())).toContain(`warning: the root ${DEAD}`)
    expect(end(boot())).toBe('code=137 signal=SIGKILL reason=stop powerdown')
  })
})

describe('three shares, each with a fault', () => {
  const boot = booted(async (folder) => {
    for (const tag of ['early', 'busy', 'gone']) mkdirSync(join(folder, tag))
    writeTree(join(folder, 'gone'), { 'below/file': 'text' })
    return {
      ...scripted(`
        while :; do echo more >> /busy/file; done &
        cd /gone/below
        ${HOLD}`),
      disks: [{ file: await makeExt4(join(folder, 'data'), {}) }],
      shares: ['early', 'busy', 'gone'].map((tag) => ({ tag, directory: join(folder, tag) })),
      cmdline: 'vda=/data qsfs_early=/early qsfs_busy=/busy qsfs_gone=/gone zmachine.grace=1',
      during: async (machine) => {
        await machine.console.waitFor('Linux version')
        machine.killShare('early')
        await machine.console.waitFor('script: holds')
        machine.killShare('busy')
        rmSync(join(folder, 'gone'), { recursive: true })
        await machine.powerdown()
      },
    } satisfies BootOptions
  })

  test('one whose server died before its mount is left alone at the end', () =>
    expect(said(boot())).toContain(`warning: '/early' ${DEAD}`))

  test('one whose server died below a writer is left alone', () =>
    expect(said(boot())).toContain(`warning: '/busy' ${DEAD}`))

  test('one whose directory was removed is unmounted without a word', () =>
    expect(said(boot()).filter((line) => line.includes('/gone') && !line.startsWith('mounts '))).toEqual([]))

  test('do not keep the machine from its end, nor from its record', () => {
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
    expect(record(boot())).toMatchObject({ code: 143, reason: 'stop' })
  })
})

describe('a disk that is mounted below a share whose server dies', () => {
  const boot = booted(async (folder) => {
    mkdirSync(join(folder, 'share', 'disk'), { recursive: true })
    return {
      ...scripted(`echo kept > /share/disk/x; ${HOLD}`),
      disks: [{ file: await makeExt4(join(folder, 'data'), {}) }],
      shares: [{ tag: 'share', directory: join(folder, 'share') }],
      cmdline: 'qsfs_share=/share vda=/share/disk zmachine.grace=1',
      during: killAfter('script: holds', ['share'], (machine) => machine.powerdown()),
    } satisfies BootOptions
  })

  test('keeps PID 1 from nothing: it goes down within a minute', () => {
    expect(said(boot())).toContain(`warning: '/share' ${DEAD}`)
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
    expect(boot().container?.uptime).toBeLessThan(90)
  })

  test('is written out and unmounted with the share', async () =>
    expect(await ext4State(boot().root.replace(/root$/, 'data'))).toBe('clean'))
})

describe('the root’s directory that is removed', () => {
  const boot = booted((folder) => ({
    ...scripted(HOLD),
    cmdline: 'zmachine.grace=1',
    during: async (machine) => {
      await machine.console.waitFor('script: holds')
      rmSync(join(folder, 'root'), { recursive: true })
      await machine.powerdown()
    },
  }))

  test('does not keep a stop from its end; there is no place for a record', () => {
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
    expect(record(boot())).toBeUndefined()
    expect(said(boot()).filter((line) => line.startsWith('internal'))).toEqual([])
  })
})

describe('shares that the machine does not have', () => {
  const boot = booted(async (folder) => {
    mkdirSync(join(folder, 'photos'))
    const user = '#cloud-config\nmounts:\n- [first, /1, virtiofs, nofail]\n- [second, /2, virtiofs, nofail]\n'
    return {
      ...scripted(HOLD),
      shares: [{ tag: 'photos', directory: join(folder, 'photos') }],
      disks: [await makeSeed(join(folder, 'seed'), { 'user-data': user })],
      cmdline: 'rootdelay=1',
      during: press,
    }
  })

  test.each([
    ['first', '/1'],
    ['second', '/2'],
  ])('are told each, with the tags that there are: %s', (tag, target) =>
    expect(boot().console).toMatch(
      new RegExp(
        `zmachine: warning: mount '${tag}' on ${target}, tried as virtiofs: EINVAL \\(invalid argument\\): no share has this tag; tags found: ('vroot', 'photos'|'photos', 'vroot')`,
      ),
    ),
  )

  test('are waited for together, not one after the other', () => {
    expect(boot().container?.uptime).toBeLessThan(30)
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
  })
})
