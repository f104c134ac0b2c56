/** A NIC's carrier and what is announced with it, with virtual Ethernet in a network namespace (see `namespace.ts`). */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { beforeAll, describe, expect, it } from 'vitest'
import { readText } from '../../src/boot/io/files.ts'
import { NO_MODULES } from '../../src/boot/io/modules.ts'
import { announce, configureNetwork, type Nics } from '../../src/boot/steps/network.ts'
import { linkChange } from '../../src/netlink/link.ts'
import { closeSession, openSession, transact } from '../../src/netlink/session.ts'
import { must } from '../../src/sys/errno.ts'
import { mount, uptime } from '../../src/sys/linux.ts'
import { cidr } from '../netlink/hex.ts'
import { enterMountNamespace, enterNetworkNamespace } from './namespace.ts'
import { vethAdd } from './veth.ts'

beforeAll(() => {
  enterMountNamespace()
  enterNetworkNamespace()
  // The one that is there shows the links of the namespace that it was mounted in.
  must(mount('sysfs', '/sys', 'sysfs', 0), () => 'mount sysfs on /sys')
})

const nics: Nics = new Map()

/** A NIC with an address, at whose other end nobody is yet. */
function unconnected(name: string, peer: string): void {
  const session = openSession()
  const problems = transact(session, [vethAdd(name, peer, [2, 0, 0, 0, 9, 1])])
  closeSession(session)
  expect(problems).toEqual([undefined])
  const nic = { kind: 'nic', name, mac: undefined, setName: undefined, mtu: undefined, dhcp4: false } as const
  const addresses = [cidr('10.9.9.2/24')]
  expect(
    configureNetwork({ kind: 'network', nics: [{ ...nic, addresses }], routes: [] }, nics, NO_MODULES),
  ).toEqual([])
}

describe('announce', () => {
  it('says which NIC has no carrier, after a second', () => {
    unconnected('alone0', 'alone1')
    const start = uptime()
    expect(announce({ kind: 'announce', nics: ['alone0'] }, nics)).toEqual([
      'alone0 has no carrier: is it connected on the host?',
    ])
    expect(uptime() - start).toBeGreaterThanOrEqual(1000)
    expect(uptime() - start).toBeLessThan(1400)
  })

  it('waits for a carrier that comes late, and goes on soon after it', async () => {
    unconnected('late0', 'late1')
    const child = spawn('sh', ['-ec', 'sleep 0.2; ip link set late1 up'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const start = uptime()
    expect(announce({ kind: 'announce', nics: ['late0'] }, nics)).toEqual([])
    const took = uptime() - start
    expect(took).toBeGreaterThanOrEqual(150)
    expect(took).toBeLessThan(900)
    if (child.exitCode === null) await once(child, 'close')
  })

  it('asks for a carrier that is there once', () => {
    unconnected('there0', 'there1')
    const session = openSession()
    const index = Number(readText('/sys/class/net/there1/ifindex'))
    expect(transact(session, [linkChange({ index, up: true })])).toEqual([undefined])
    closeSession(session)
    const start = uptime()
    expect(announce({ kind: 'announce', nics: ['there0'] }, nics)).toEqual([])
    expect(uptime() - start).toBeLessThan(100)
  })
})
