/** A kernel whose drivers are modules (Debian's cloud kernel): PID 1 loads each module when it is needed, and not before. */

import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { booted } from '../lib/boot.ts'
import { makeExt4, probeProgram, writeTree } from '../lib/files.ts'
import { DISK_TYPES, makeDisk, makeSeed } from '../lib/images.ts'
import { modularKernel } from '../lib/kernel.ts'

const TYPES = ['ext4', ...DISK_TYPES.map(({ type }) => type)]

const SEED = {
  'meta-data': 'local-hostname: modular\n',
  'network-config':
    'ethernets:\n  eth0:\n    match:\n      macaddress: "52:54:00:00:00:01"\n    addresses: [10.0.2.15/24, "fec0::15/64"]\n    gateway4: 10.0.2.2\nversion: 2\n',
  'user-data': `#cloud-config\nmounts:\n${TYPES.map(
    (type, at) => `- [/dev/vd${String.fromCharCode(0x61 + at)}, /disks/${type}, auto, defaults, "0", "0"]\n`,
  ).join('')}- [share, /mnt/share, virtiofs, defaults, "0", "0"]\n`,
  zosrc: "init='/probe'\nset -- report , deaf , signals 1 , exit 7\n",
}

describe('with every type of disk, a share, a NIC and an ISO seed', () => {
  const boot = booted(async (folder) => {
    const tree = join(folder, 'tree')
    writeTree(tree, { 'hello.txt': 'hello' })
    const disks = [{ file: await makeExt4(join(folder, 'ext4'), {}) }]
    for (const type of DISK_TYPES) disks.push({ file: await makeDisk(join(folder, type.type), type, tree) })
    return {
      ...modularKernel(),
      init: null,
      shares: [{ tag: 'share', directory: tree }],
      disks: [...disks, await makeSeed(join(folder, 'seed'), SEED, { kind: 'iso' })],
      nics: [{ backend: { kind: 'user' } }],
      during: async (machine) => {
        await machine.console.waitFor('probe: ready for signals')
        await machine.powerdown()
      },
    }
  })

  test.each(TYPES)('%s is mounted', (type) => {
    expect(boot().report().mounts).toContainEqual(expect.objectContaining({ target: `/disks/${type}`, type }))
  })

  test('the share, the NIC and the hostname are there', () => {
    const { mounts, addresses, hostname } = boot().report()
    expect(mounts).toContainEqual(expect.objectContaining({ target: '/mnt/share', type: 'virtiofs' }))
    expect(addresses).toContainEqual({ nic: 'eth0', address: '10.0.2.15/24', state: 'usable' })
    expect(hostname).toBe('modular')
  })

  test('the power button is heard', () => {
    expect(boot().container).toMatchObject({ code: 7, reason: 'stop' })
    expect(boot().exit.reason).toBe('powerdown')
  })
})

describe('with a read-only root that lacks directories, and a FAT seed', () => {
  const boot = booted(async (folder) => ({
    ...modularKernel(),
    root: 'none',
    init: null,
    disks: [
      {
        file: await makeExt4(join(folder, 'root'), { probe: { copy: await probeProgram() } }),
        readOnly: true,
      },
      await makeSeed(join(folder, 'seed'), { zosrc: "init='/probe'\nset -- report -\n" }),
    ],
    cmdline: 'root=/dev/vda ro',
  }))

  test('an overlay supplies them', () => {
    const { mounts } = boot().report()
    expect(mounts).toContainEqual(expect.objectContaining({ target: '/', type: 'overlay' }))
    expect(mounts).toContainEqual(expect.objectContaining({ target: '/proc', type: 'proc' }))
    expect(boot().container?.code).toBe(0)
  })
})
