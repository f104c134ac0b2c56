/** Sources of the root: block devices by name, label and UUID, read-only ones, 9p; and a missing one. */

import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { booted } from '../lib/boot.ts'
import { makeExt4, probeProgram, readExt4, type Tree, writeTree } from '../lib/files.ts'

const UUID = '0d1e2f30-1111-4222-8333-0123456789ab'

const probe = async (): Promise<Tree> => ({ probe: { copy: await probeProgram() } })
const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex')

describe.each([
  ['the device’s name', '/dev/vdb'],
  ['a label', 'LABEL=tree'],
  ['a UUID', `UUID=${UUID}`],
])('an ext4 root by %s', (_, source) => {
  let disk = ''
  const boot = booted(async (folder) => {
    disk = await makeExt4(join(folder, 'root.ext4'), await probe(), { label: 'tree', uuid: UUID })
    const other = await makeExt4(join(folder, 'other.ext4'), {}, { label: 'other' })
    return {
      root: 'none',
      disks: [{ file: other }, { file: disk }],
      nics: [{ backend: { kind: 'hub', hub: 0 } }],
      cmdline: `root=${source} net_eth0=10.1.1.3/32 net_r4=default,172.16.9.1`,
      probe: ['report', ',', 'report', '-'],
    }
  })

  test('is mounted writable, with its type found', () => {
    const root = boot()
      .report()
      .mounts.find(({ target }) => target === '/')
    expect(root).toMatchObject({ type: 'ext4', options: expect.arrayContaining(['rw']) })
    expect(boot().container?.code).toBe(0)
  })

  test('is whole after the boot, and holds the exit code', async () => {
    expect(JSON.parse(await readExt4(disk, '/.zmachine/exit.json'))).toMatchObject({ code: 0 })
    expect(await readExt4(disk, '/report')).toContain('end=end')
  })

  test('reaches a gateway that the interface’s prefix does not cover', () => {
    expect(boot().report().routes).toContainEqual({
      nic: 'eth0',
      destination: '0.0.0.0/0',
      gateway: '172.16.9.1',
      metric: 0,
    })
  })
})

describe('a read-only root with all directories', () => {
  let disk = ''
  let before = ''
  const directory = { directory: true } as const
  const boot = booted(async (folder) => {
    const etc = { 'etc/hosts': 'old', 'etc/hostname': 'old', 'etc/resolv.conf': 'old' }
    const folders = { proc: directory, sys: directory, dev: directory, run: directory, tmp: directory }
    disk = await makeExt4(join(folder, 'root.ext4'), { ...(await probe()), ...etc, ...folders })
    before = sha256(disk)
    return {
      root: 'none',
      disks: [{ file: disk, readOnly: true }],
      nics: [{ backend: { kind: 'hub', hub: 0 } }],
      cmdline: 'root=/dev/vda rootfstype=ext4 ro host=fixed net_eth0=10.1.1.3/24 net_dns=10.1.1.1',
      probe: 'report - , write /etc/more text , exit 4'.split(' '),
    }
  })

  test('stays read-only and untouched', () => {
    expect(boot().console).toContain('probe: write /etc/more: Read-only file system')
    expect(boot().container?.code).toBe(4)
    expect(sha256(disk)).toBe(before)
  })

  test('has its files of /etc bound over from memory', () => {
    const { files, mounts } = boot().report()
    expect(files.get('/etc/hostname')?.content).toBe('fixed\n')
    expect(files.get('/etc/resolv.conf')?.content).toContain('nameserver 10.1.1.1')
    expect(files.get('/etc/hosts')?.content).toContain('fixed')
    const targets = mounts.map(({ target }) => target)
    expect(targets).toEqual(expect.arrayContaining(['/etc/hostname', '/etc/hosts', '/etc/resolv.conf']))
  })
})

describe.each([
  ['writable', 'rw'],
  ['read-only', 'ro'],
])('a root that is one static program, %s', (_, access) => {
  let disk = ''
  let before = ''
  const boot = booted(async (folder) => {
    disk = await makeExt4(join(folder, 'root.ext4'), await probe())
    before = sha256(disk)
    return {
      root: 'none',
      disks: [{ file: disk, readOnly: access === 'ro' }],
      nics: [{ backend: { kind: 'hub', hub: 0 } }],
      cmdline: `root=/dev/vda ${access} host=alone net_eth0=10.1.1.3/24 net_dns=10.1.1.1`,
      probe: 'report - , exit 5'.split(' '),
    }
  })

  test('runs, and finds the directories and files that it lacks', () => {
    expect(boot().container?.code).toBe(5)
    const { mounts, files, hostname } = boot().report()
    const targets = mounts.map(({ target }) => target)
    expect(targets).toEqual(expect.arrayContaining(['/proc', '/sys', '/dev', '/dev/pts', '/dev/shm', '/run']))
    expect(hostname).toBe('alone')
    expect(files.get('/etc/hostname')?.content).toBe('alone\n')
    expect(files.get('/etc/resolv.conf')?.content).toContain('nameserver 10.1.1.1')
  })

  if (access === 'ro') test('is not written to', () => expect(sha256(disk)).toBe(before))
})

describe('a virtiofs root that is one static program', () => {
  const boot = booted({ cmdline: 'host=alone' })

  test('runs, and finds the directories that it lacks', () => {
    expect(boot().container?.code).toBe(0)
    const targets = boot()
      .report()
      .mounts.map(({ target }) => target)
    expect(targets).toEqual(expect.arrayContaining(['/proc', '/sys', '/dev', '/run']))
  })
})

describe('a virtiofs root asked for read-only', () => {
  const boot = booted({ cmdline: 'ro host=fixed', probe: 'report - , write /no text'.split(' ') })

  test('runs without a write to the host’s directory', () => {
    expect(boot().container).toBeDefined()
    expect(boot().report().hostname).toBe('fixed')
    expect(boot().file('no')).toBeUndefined()
    expect(boot().file('.zmachine/exit.json')).toBeUndefined()
    expect(boot().file('etc/hostname')).toBeUndefined()
  })
})

describe.each(['root=/dev/root rootfstype=virtiofs', 'root=/dev/root'])(
  'the root of an older host: %s',
  (cmdline) => {
    const boot = booted(async (folder) => {
      const directory = join(folder, 'older')
      mkdirSync(directory)
      writeTree(directory, await probe())
      return { root: 'none', shares: [{ tag: '/dev/root', directory }], cmdline, probe: ['report', '-'] }
    })

    test('is the share of this tag', () => {
      expect(boot().report().mounts).toContainEqual(
        expect.objectContaining({ target: '/', type: 'virtiofs' }),
      )
    })
  },
)

describe('a 9p root', () => {
  const boot = booted({ root: '9p' })

  test('is mounted by its tag', () => {
    expect(boot().report().mounts).toContainEqual(expect.objectContaining({ target: '/', type: '9p' }))
  })
})

describe('a root that is not there', () => {
  const boot = booted({
    root: 'none',
    cmdline: 'root=nosuchtag rootfstype=virtiofs rootdelay=2',
  })

  test('ends with an error that names it, within rootdelay', () => {
    expect(boot().console).toMatch(/zmachine: .*nosuchtag/)
    expect(boot().container?.code).toBe(125)
    expect(boot().exit.reason).toBe('powerdown')
    expect(boot().container?.uptime).toBeLessThan(20)
  })
})

describe('a root disk that is not there', () => {
  const boot = booted({ root: 'none', cmdline: 'root=LABEL=nowhere rootdelay=1' })

  test('ends with an error that names it', () => {
    expect(boot().console).toMatch(/zmachine: .*nowhere/)
    expect(boot().container?.code).toBe(125)
  })
})
