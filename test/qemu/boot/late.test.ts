/** Devices that appear after PID 1 has started: it waits for them, and wakes up when they appear. */

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Machine } from '../../../src/host/machine/machine.ts'
import { type Boot, booted } from '../lib/boot.ts'
import { makeExt4, probeProgram, writeTree } from '../lib/files.ts'
import { ofNodeBuild } from '../lib/kernel.ts'

/** In milliseconds; by then PID 1 is waiting, though Node takes a second to get there. */
const LATE = ofNodeBuild ? 4000 : 1500

/** Plugs a device in after PID 1 has been waiting for a while. */
function late(plug: (machine: Machine) => Promise<void>): (machine: Machine) => Promise<void> {
  return async (machine) => {
    await machine.console.waitFor('Run /init as init process')
    await sleep(LATE)
    await plug(machine)
  }
}

/** From the kernel's line about a new PCI device to the entrypoint, by the guest's clock, in seconds. */
function woken({ console: text }: Boot): number {
  const plugged = /^\[ *(\d+\.\d+)\] pci .*\[1af4:/gm
  const times = [...text.matchAll(plugged)].map((found) => Number(found[1]))
  const started = Number(/probe: started (\d+\.\d+)/.exec(text)?.[1])
  return started - Math.max(...times)
}

const SOON = ofNodeBuild ? 3 : 1

describe('a virtiofs root that comes late', () => {
  const boot = booted((folder) => {
    const directory = join(folder, 'root')
    return {
      root: 'none',
      cmdline: 'root=vroot rootfstype=virtiofs',
      during: late((machine) => machine.addShare({ tag: 'vroot', directory })),
    }
  })

  test('is mounted as soon as it is there', () => {
    expect(boot().container?.code).toBe(0)
    expect(woken(boot())).toBeLessThan(SOON)
  })
})

describe('a root disk that comes late', () => {
  const boot = booted(async (folder) => {
    const file = await makeExt4(join(folder, 'root.ext4'), { probe: { copy: await probeProgram() } })
    return { root: 'none', cmdline: 'root=LABEL=late', during: late((machine) => machine.addDisk({ file })) }
  })

  test('is no root without its label, and a clear error in the end', () => {
    expect(boot().console).toMatch(/zmachine: .*late/)
    expect(boot().container?.code).toBe(125)
  })
})

describe('a disk, a share and a NIC that come late', () => {
  const boot = booted(async (folder) => {
    const file = await makeExt4(join(folder, 'late.ext4'), { 'd.txt': 'disk' })
    writeTree(join(folder, 'share'), { 's.txt': 'share' })
    return {
      cmdline: 'vda=/data qsfs_share=/share net_eth0=10.3.3.3/24;fd33::3/64 net_r4=default,10.3.3.1',
      probe: 'report , cat /data/d.txt /share/s.txt'.split(' '),
      during: late(async (machine) => {
        await machine.addDisk({ file })
        await machine.addShare({ tag: 'share', directory: join(folder, 'share') })
        await machine.addNic({ mac: '52:54:00:00:33:33' })
      }),
    }
  })

  test('are waited for, and used', () => {
    expect(boot().container?.code).toBe(0)
    expect(boot().console).toContain('cat /data/d.txt: disk')
    expect(boot().console).toContain('cat /share/s.txt: share')
    const { addresses, routes } = boot().report()
    expect(addresses).toContainEqual({ nic: 'eth0', address: '10.3.3.3/24', state: 'usable' })
    expect(addresses).toContainEqual({ nic: 'eth0', address: 'fd33::3/64', state: 'usable' })
    expect(routes).toContainEqual(expect.objectContaining({ destination: '0.0.0.0/0', gateway: '10.3.3.1' }))
    expect(woken(boot())).toBeLessThan(2 * SOON)
  })
})
