import { expect, it } from 'vitest'
import { configure, parseCommandLine } from '../../src/config/layers.ts'
import { parseSeed } from '../../src/config/seed.ts'
import { summarize } from '../../src/plan/summary.ts'
import { seedFile } from '../bytes.ts'

const of = (cmdline: string): string => summarize(configure([], [parseCommandLine(cmdline).layer], false))

it('names NICs with their addresses, name servers, mounts, and counts keys', () => {
  const { layers } = parseSeed(
    {
      networkConfig: seedFile('private-mycelium', 'network-config'),
      userData: seedFile('private-mycelium', 'user-data'),
    },
    'seed',
  )
  expect(summarize(configure([], layers, false))).toBe(
    'eth0 10.20.2.2/24 fd39:775a:4846:2::2/64, eth1 5d3:9c3b:4f2b:8b3e:ff0f:e2c8:1a12:3b4c/64; name servers 8.8.8.8, 1.1.1.1, 2001:4860:4860::8888; mounts /data, /mnt/shared; 1 SSH key',
  )
})

it('calls a NIC by the name that it gets, and says where the address comes from', () => {
  const { layers } = parseSeed(
    {
      networkConfig:
        'version: 2\nethernets:\n  a:\n    match: {macaddress: "02:00:00:00:00:01"}\n    set-name: lan0\n    dhcp4: true\n',
    },
    'seed',
  )
  expect(summarize(configure([], layers, false))).toBe('lan0 DHCP')
})

it('names no more than eight of a kind', () => {
  const disks = Array.from('abcdefghij', (letter) => `vd${letter}=/disks/${letter}`)
  expect(of(disks.join(' '))).toBe(
    'mounts /disks/a, /disks/b, /disks/c, /disks/d, /disks/e, /disks/f, /disks/g, /disks/h and 2 more',
  )
})

it('is empty where nothing was asked for', () => {
  expect(of('root=vroot init=/app')).toBe('')
})
