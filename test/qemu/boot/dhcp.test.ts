/** Tests `dhcp4: true` with the server of QEMU's user network, which offers no router since the network is isolated. */

import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { booted } from '../lib/boot.ts'
import { makeSeed } from '../lib/images.ts'

const NETWORK = `version: 2
ethernets:
  eth0:
    match: {macaddress: "52:54:00:00:00:01"}
    dhcp4: true
  eth1:
    match: {macaddress: "52:54:00:00:00:02"}
    addresses: [10.77.0.2/24, "fd77::2/64"]
    gateway4: 10.77.0.1
    nameservers: {addresses: [10.77.0.53]}
`

describe('a NIC with dhcp4 beside one with addresses', () => {
  const boot = booted(async (folder) => ({
    disks: [await makeSeed(join(folder, 'seed'), { 'network-config': NETWORK })],
    nics: [{ backend: { kind: 'user' } }, { backend: { kind: 'hub', hub: 0 } }],
  }))

  test('has the address of its lease when the entrypoint starts', () =>
    expect(boot().report().addresses).toContainEqual({
      nic: 'eth0',
      address: '10.0.2.15/24',
      state: 'usable',
    }))

  test('leaves the other as the seed has it', () => {
    const { addresses, routes, files, tentative } = boot().report()
    for (const address of ['10.77.0.2/24', 'fd77::2/64'])
      expect(addresses).toContainEqual({ nic: 'eth1', address, state: 'usable' })
    expect(routes).toContainEqual(
      expect.objectContaining({ nic: 'eth1', destination: '0.0.0.0/0', gateway: '10.77.0.1' }),
    )
    expect(files.get('/etc/resolv.conf')?.content).toContain('nameserver 10.77.0.53')
    expect(tentative).toEqual([])
  })

  test('is all right: no warning', () => expect(boot().console).not.toContain('zmachine: warning'))
})

describe('a NIC with dhcp4 where no server answers', () => {
  const boot = booted(async (folder) => ({
    disks: [await makeSeed(join(folder, 'seed'), { 'network-config': NETWORK })],
    nics: [{ backend: { kind: 'hub', hub: 0 } }, { backend: { kind: 'hub', hub: 1 } }],
  }))

  test('is told, and the entrypoint starts with the other NIC', () => {
    expect(boot().container?.code).toBe(0)
    expect(boot().console).toMatch(/zmachine: warning: .*eth0.*DHCP/)
    expect(boot().report().addresses).toContainEqual({
      nic: 'eth1',
      address: '10.77.0.2/24',
      state: 'usable',
    })
    expect(boot().report().started).toBeLessThan(20)
  })
})
