/** What becomes of resolv.conf with a lease that ends: in namespaces, without a server. */

import { readFileSync, writeFileSync } from 'node:fs'
import { beforeAll, beforeEach, expect, it } from 'vitest'
import { handleLeases, type Leases } from '../../src/boot/steps/leases.ts'
import type { Lease } from '../../src/dhcp/lease.ts'
import type { Ip } from '../../src/lib/ip.ts'
import { must } from '../../src/sys/errno.ts'
import { mount } from '../../src/sys/linux.ts'
import { cidr, ip } from '../netlink/hex.ts'
import { enterMountNamespace, enterNetworkNamespace } from './namespace.ts'

const FILE = '/etc/resolv.conf'

beforeAll(() => {
  enterMountNamespace()
  enterNetworkNamespace()
  must(mount('tmpfs', '/etc', 'tmpfs', 0), () => 'mount tmpfs on /etc')
})

beforeEach(() => writeFileSync(FILE, 'nameserver 10.77.0.53\nnameserver 10.78.0.53\n'))

const lease = (nameServer: string): Lease => ({
  address: cidr('10.77.0.40/24'),
  routers: [],
  nameServers: [ip(nameServer)],
  searchDomains: [],
  routes: [],
  serverId: ip('10.77.0.1'),
  seconds: 60,
})

/** One NIC a name server. The lease of the first has ended at 1000 ms; there is no socket, so nothing is sent. */
const leases = (configured: readonly Ip[], ...nameServers: string[]): Leases => ({
  step: {
    kind: 'dhcp',
    stage: 'ask',
    nics: [],
    dns: { servers: configured, search: [] },
    hostname: 'h',
    routes: [],
  },
  nics: new Map(),
  clients: nameServers.map((nameServer, at) => {
    const end = at === 0 ? 1000 : 1_000_000
    const binding = { lease: lease(nameServer), key: '', renewAt: end, rebindAt: end, expireAt: end }
    const state = {
      phase: { is: 'bound', binding },
      deadline: end,
      random: 1,
      xid: 1,
      secs: 0,
      broadcast: false,
      since: 0,
      sentAt: 0,
      tries: 0,
    } as const
    const mac = new Uint8Array(6)
    return {
      dhcp: { nic: `eth${at}`, index: 900 + at, fd: -1, mac, hostname: undefined, state, peer: mac },
      lease: binding.lease,
    }
  }),
  wroteNameServers: true,
})

it.each([
  ['the configured ones stay', [ip('9.9.9.9')], ['10.77.0.53'], 'nameserver 9.9.9.9\n'],
  ['those of other leases stay', [], ['10.77.0.53', '10.78.0.53'], 'nameserver 10.78.0.53\n'],
  ['none is left', [], ['10.77.0.53'], ''],
] as const)('the name servers of a lost lease go: %s', (_, configured, nameServers, expected) => {
  handleLeases(leases(configured, ...nameServers), 2000)
  expect(readFileSync(FILE, 'latin1')).toBe(expected)
})

it('an image’s own file stays as long as no lease has said anything', () => {
  handleLeases({ ...leases([], '10.77.0.53'), wroteNameServers: false }, 2000)
  expect(readFileSync(FILE, 'latin1')).toContain('10.78.0.53')
})
