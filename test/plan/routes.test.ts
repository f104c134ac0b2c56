import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { parseKeys } from '../../src/config/keys.ts'
import type { RouteConfig } from '../../src/config/machine.ts'
import { merge } from '../../src/config/merge.ts'
import { planRoutes } from '../../src/plan/routes.ts'
import { describeRoute } from '../../src/plan/step.ts'
import { cidr, ip } from '../netlink/hex.ts'

const planned = (cmdline: string) => planRoutes(merge([parseKeys(cmdline).layer]))

/** The routes in words, `+` before one that stands beside another. */
function routes(cmdline: string): string[] {
  const { routes, problems } = planned(cmdline)
  expect(problems).toEqual([])
  return routes.map((route) => `${route.append ? '+ ' : ''}${describeRoute(route)}`)
}

const route = (more: Partial<RouteConfig>): RouteConfig => ({
  destination: undefined,
  family: 4,
  gateway: undefined,
  nic: undefined,
  metric: undefined,
  onLink: false,
  ...more,
})

describe('planRoutes', () => {
  it('sends a gateway through the NIC whose prefix covers it', () => {
    expect(
      routes('net_eth0=10.0.0.2/24 net_eth1=10.1.0.2/24 net_r4=default,10.1.0.1;10.9.0.0/16,10.0.0.1'),
    ).toEqual(['default via 10.1.0.1 dev eth1', '10.9.0.0/16 via 10.0.0.1 dev eth0'])
  })

  it('prefers the longest prefix, wherever it stands', () => {
    for (const nics of [
      'net_eth0=10.0.0.2/8 net_eth1=10.1.0.2/24',
      'net_eth1=10.1.0.2/24 net_eth0=10.0.0.2/8',
    ]) {
      expect(routes(`${nics} net_r4=default,10.1.0.1`)).toEqual(['default via 10.1.0.1 dev eth1'])
    }
  })

  it('sends each family through its own NIC', () => {
    expect(
      routes(
        'net_eth0=10.0.0.2/24 net_eth1=fd00::2/64 net_r4=default,10.0.0.1 net_r6=default,fd00::1;200::/7,fd00::9',
      ),
    ).toEqual([
      'default via 10.0.0.1 dev eth0',
      'default via fd00::1 dev eth1',
      '200::/7 via fd00::9 dev eth1',
    ])
  })

  it('takes a gateway that no prefix covers as on-link, at the first NIC of its family', () => {
    expect(routes('net_eth0=fd00::2/64 net_eth1=10.0.0.2/32 net_r4=default,10.0.0.1')).toEqual([
      'default via 10.0.0.1 dev eth1 onlink',
    ])
    expect(routes('net_eth0=10.0.0.2/24 net_eth1=fd00::2/128 net_r6=default,fd01::1')).toEqual([
      'default via fd01::1 dev eth1 onlink',
    ])
  })

  it('needs no help for a link-local IPv6 gateway', () => {
    expect(routes('net_eth0=10.0.0.2/24;fd00::2/64 net_r6=default,fe80::1')).toEqual([
      'default via fe80::1 dev eth0',
    ])
  })

  it('needs it for a link-local IPv4 gateway', () => {
    expect(routes('net_eth0=10.0.0.2/32 net_r4=default,169.254.1.1')).toEqual([
      'default via 169.254.1.1 dev eth0 onlink',
    ])
  })

  it('puts routes through a NIC first, since gateways may be behind them', () => {
    expect(routes('net_eth0=10.0.0.2/32 net_eth1= net_r4=default,10.9.0.1;10.9.0.1/32,eth1')).toEqual([
      '10.9.0.1/32 dev eth1',
      'default via 10.9.0.1 dev eth1',
    ])
  })

  it('takes a default route through a NIC, which covers no gateway', () => {
    expect(
      routes('net_eth0=10.0.0.2/24 net_eth1=10.1.0.2/24 net_r4=default,eth1;10.9.0.0/16,10.0.0.1'),
    ).toEqual(['default dev eth1', '10.9.0.0/16 via 10.0.0.1 dev eth0'])
  })

  it('asks for a route once that is given twice', () => {
    expect(routes('net_eth0=10.0.0.2/24 net_r4=default,10.0.0.1;default,10.0.0.1')).toEqual([
      'default via 10.0.0.1 dev eth0',
    ])
  })

  it('puts a second route to the same place beside the first, and not instead of it', () => {
    expect(routes('net_eth0=10.0.0.2/24 net_r4=default,10.0.0.1;default,10.0.0.9')).toEqual([
      'default via 10.0.0.1 dev eth0',
      '+ default via 10.0.0.9 dev eth0',
    ])
    expect(routes('net_eth0=10.0.0.2/24;fd00::2/64 net_r4=default,10.0.0.1 net_r6=default,fd00::1')).toEqual([
      'default via 10.0.0.1 dev eth0',
      'default via fd00::1 dev eth0',
    ])
  })

  it('keeps a NIC that is named, metrics and on-link as they are asked for', () => {
    const nics = [
      { name: 'eth0', addresses: [cidr('10.0.0.2/24')] },
      { name: 'eth1', addresses: [cidr('10.1.0.2/24')] },
    ]
    const config = {
      nics,
      routes: [
        route({ gateway: ip('10.0.0.1'), nic: 'eth1', metric: 50 }),
        route({ gateway: ip('10.1.0.1'), nic: 'eth1', onLink: true, metric: 60 }),
      ],
    }
    expect(planRoutes(config).routes.map(describeRoute)).toEqual([
      'default via 10.0.0.1 dev eth1 metric 50 onlink',
      'default via 10.1.0.1 dev eth1 metric 60 onlink',
    ])
    expect(planRoutes(config).routes.some(({ append }) => append)).toBe(false)
  })

  test.each([
    ['net_eth0=10.0.0.2/24 net_r6=default,fd00::1', 'fd00::1'],
    ['net_r4=default,10.0.0.1', '10.0.0.1'],
    ['net_eth0= net_r4=default,10.0.0.1', '10.0.0.1'],
  ])('tells of a route that has no NIC to go through: %s', (cmdline, gateway) => {
    const { routes, problems } = planned(cmdline)
    expect(routes).toEqual([])
    expect(problems).toEqual([expect.stringContaining(gateway)])
  })

  it('plans every route once or says why not, whatever is asked for', () => {
    const addresses = fc.subarray(['10.0.0.2/24', '10.1.0.2/32', 'fd00::2/64', 'fe80::2/64'].map(cidr))
    const nics = fc
      .array(addresses, { maxLength: 3 })
      .map((each) => each.map((addresses, index) => ({ name: `eth${index}`, addresses })))
    const gateway = fc.constantFrom(undefined, ...['10.0.0.1', '10.7.0.1', 'fd00::1', 'fe80::1'].map(ip))
    const anyRoute = fc
      .record({ gateway, nic: fc.constantFrom(undefined, 'eth0', 'eth9') })
      .map((parts) => route({ ...parts, family: parts.gateway?.length === 16 ? 6 : 4 }))
    fc.assert(
      fc.property(nics, fc.array(anyRoute, { maxLength: 6 }), (nics, wanted) => {
        const { routes, problems } = planRoutes({ nics, routes: wanted })
        expect(routes.length + problems.length).toBeLessThanOrEqual(wanted.length)
        expect(new Set(routes.map(describeRoute)).size).toBe(routes.length)
        const known = ['eth9', 'eth0', ...nics.map(({ name }) => name)]
        for (const { nic } of routes) expect(known).toContain(nic)
        const lastDirect = routes.findLastIndex(({ gateway }) => gateway === undefined)
        expect(routes.slice(0, lastDirect + 1).every(({ gateway }) => gateway === undefined)).toBe(true)
      }),
    )
  })
})
