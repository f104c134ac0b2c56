/** `set-name`, with virtual Ethernet in a network namespace (see `namespace.ts`). */

import { beforeAll, beforeEach, expect, it } from 'vitest'
import { readText } from '../../src/boot/io/files.ts'
import { NO_MODULES } from '../../src/boot/io/modules.ts'
import { configureNetwork } from '../../src/boot/steps/network.ts'
import { listNics } from '../../src/boot/steps/nics.ts'
import { closeSession, openSession, transact } from '../../src/netlink/session.ts'
import type { NicStep } from '../../src/plan/step.ts'
import { must } from '../../src/sys/errno.ts'
import { mount } from '../../src/sys/linux.ts'
import { cidr } from '../netlink/hex.ts'
import { enterMountNamespace, enterNetworkNamespace } from './namespace.ts'
import { vethAdd } from './veth.ts'

beforeAll(enterMountNamespace)

/** A namespace with eth0, eth1 and eth2, whose MACs end like their names. */
beforeEach(() => {
  enterNetworkNamespace()
  // The one that is there shows the links of the namespace that it was mounted in.
  must(mount('sysfs', '/sys', 'sysfs', 0), () => 'mount sysfs on /sys')
  const session = openSession()
  const requests = NAMES.map((name, end) => vethAdd(name, `peer${end}`, [2, 0, 0, 0, 7, end]))
  expect(transact(session, requests)).toEqual([undefined, undefined, undefined])
  closeSession(session)
})

const NAMES = ['eth0', 'eth1', 'eth2']
const mac = (end: number): string => `02:00:00:00:07:0${end}`

/** What the kernel calls the NIC. */
const nameOf = (end: number): string | undefined => listNics().find((nic) => nic.mac === mac(end))?.name

const nic = (end: number, setName: string | undefined): NicStep => ({
  kind: 'nic',
  name: `nic${end}`,
  mac: mac(end),
  setName,
  mtu: undefined,
  dhcp4: false,
  addresses: [cidr(`10.7.0.${end + 1}/24`)],
})

const configure = (...nics: NicStep[]): string[] =>
  configureNetwork({ kind: 'network', nics, routes: [] }, new Map(), NO_MODULES)
const acceptsRa = (name: string): string | undefined =>
  readText(`/proc/sys/net/ipv6/conf/${name}/accept_ra`)?.trim()

it('renames, also to names that are free only then', () => {
  expect(configure(nic(0, 'eth1'), nic(1, 'eth2'), nic(2, 'eth0'))).toEqual([])
  expect([0, 1, 2].map((end) => nameOf(end))).toEqual(['eth1', 'eth2', 'eth0'])
})

it('leaves a name to the NIC that has it, and configures ours by the name that it keeps', () => {
  const before = acceptsRa('eth1')
  expect(configure(nic(0, 'eth1'))).toEqual(['set eth0 name eth1: another NIC has this name; it stays eth0'])
  expect([0, 1].map((end) => nameOf(end))).toEqual(['eth0', 'eth1'])
  expect([acceptsRa('eth0'), acceptsRa('eth1')]).toEqual(['0', before])
  expect(before).not.toBe('0')
})

it('leaves it also where that NIC was to be renamed and can’t be', () => {
  expect(configure(nic(0, 'eth1'), nic(1, 'eth2'))).toEqual([
    'set eth1 name eth2: another NIC has this name; it stays eth1',
    'set eth0 name eth1: another NIC has this name; it stays eth0',
  ])
  expect([0, 1, 2].map((end) => nameOf(end))).toEqual(NAMES)
})

it('gives a name that two are to have to the first', () => {
  expect(configure(nic(0, 'lan0'), nic(1, 'lan0'))).toEqual([
    'set eth1 name lan0: another NIC has this name; it stays eth1',
  ])
  expect([0, 1].map((end) => nameOf(end))).toEqual(['lan0', 'eth1'])
})

it('goes back to the name that was, where the kernel refuses', () => {
  // Never valid as a name: the plan does not let it through, but others may refuse as well.
  const [problem, ...more] = configure(nic(0, 'a/b'))
  expect(problem).toMatch(/^set eth0 name a\/b: EINVAL/)
  expect([more, nameOf(0), acceptsRa('eth0')]).toEqual([[], 'eth0', '0'])
})
