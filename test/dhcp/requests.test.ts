import { describe, expect, it } from 'vitest'
import type { Lease, LeaseRoute } from '../../src/dhcp/lease.ts'
import { leaseRequests } from '../../src/dhcp/requests.ts'
import { addressDelete } from '../../src/netlink/address.ts'
import { bytesOf, cidr, hexOf, ip } from '../netlink/hex.ts'

function route(destination: string, gateway: string): LeaseRoute {
  return {
    destination: destination === 'default' ? undefined : cidr(destination),
    gateway: gateway === 'direct' ? undefined : ip(gateway),
  }
}

const lease = (address: string, routes: readonly LeaseRoute[], mtu?: number): Lease => ({
  address: cidr(address),
  routers: [],
  nameServers: [],
  searchDomains: [],
  routes,
  serverId: ip('10.0.0.1'),
  seconds: 60,
  ...(mtu !== undefined && { mtu }),
})

const said = (lease: Lease | undefined, previous?: Lease): string[] =>
  leaseRequests(3, 'eth0', lease, previous).map(({ describe }) => describe())

const FIRST = lease(
  '10.0.0.7/24',
  [route('default', '10.0.0.1'), route('10.0.9.9/32', 'direct'), route('10.1.0.0/16', '10.9.0.1')],
  1400,
)

describe('leaseRequests', () => {
  it('set MTU, address, routes; a gateway that no prefix covers is on-link', () => {
    expect(said(FIRST)).toEqual([
      'set eth0 mtu 1400',
      'add address 10.0.0.7/24 to eth0',
      'add route default via 10.0.0.1 dev eth0 metric 103',
      'add route 10.0.9.9/32 dev eth0 metric 103',
      'add route 10.1.0.0/16 via 10.9.0.1 dev eth0 metric 103 onlink',
    ])
  })

  it('first remove what the new lease lacks', () => {
    expect(said(lease('10.0.0.8/24', [route('default', '10.0.0.2')], 1400), FIRST)).toEqual([
      'delete route 10.0.9.9/32 dev eth0 metric 103',
      'delete route 10.1.0.0/16 via 10.9.0.1 dev eth0 metric 103 onlink',
      'delete address 10.0.0.7/24 from eth0',
      'add address 10.0.0.8/24 to eth0',
      'add route default via 10.0.0.2 dev eth0 metric 103',
    ])
  })

  it('leave an unchanged address alone, but not one whose prefix changes', () => {
    expect(
      said(lease('10.0.0.7/24', FIRST.routes), FIRST).filter((text) => text.startsWith('delete')),
    ).toEqual([])
    expect(said(lease('10.0.0.7/16', FIRST.routes), FIRST)[0]).toBe('delete address 10.0.0.7/24 from eth0')
  })

  it('of a lost lease remove everything', () => {
    expect(said(undefined, FIRST)).toEqual([
      'delete route default via 10.0.0.1 dev eth0 metric 103',
      'delete route 10.0.9.9/32 dev eth0 metric 103',
      'delete route 10.1.0.0/16 via 10.9.0.1 dev eth0 metric 103 onlink',
      'delete address 10.0.0.7/24 from eth0',
    ])
    expect(said(undefined)).toEqual([])
  })

  it('tolerate what is already gone', () => {
    const tolerated = leaseRequests(3, 'eth0', undefined, FIRST).map((request) => request.tolerated)
    // ESRCH, and EADDRNOTAVAIL.
    expect(tolerated).toEqual([3, 3, 3, 99])
  })
})

it('addressDelete is as iproute2 sends it', () => {
  // ip addr del 10.1.1.3/24 dev eth0, without NLM_F_ACK.
  expect(hexOf(addressDelete({ index: 3, cidr: cidr('10.1.1.3/24') }).message)).toBe(
    hexOf(
      bytesOf(
        `28000000 1500 0100 00000000 00000000  02180000 03000000
        0800 0200 0a010103  0800 0100 0a010103`,
      ),
    ),
  )
  expect(addressDelete({ index: 3, cidr: cidr('fd00::3/64') }).describe()).toBe(
    'delete address fd00::3/64 from link 3',
  )
})
