import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { type Lease, leaseOf } from '../../src/dhcp/lease.ts'
import { ACK } from '../../src/dhcp/packet.ts'
import { formatCidr, formatIp, type Ip } from '../../src/lib/ip.ts'
import { ip } from '../netlink/hex.ts'
import { type Options, reply, USUAL } from './server.ts'

const ips = (list: readonly Ip[]): string[] => list.map(formatIp)
const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex')

function lease(options: Options, address = '10.0.0.7'): Lease {
  const found = leaseOf(reply(ACK, { ...USUAL, ...options }, { yiaddr: ip(address) }))
  if (found === undefined) throw new Error('no lease')
  return found
}

const routes = (option: string): string[] =>
  lease({ 121: option }).routes.map(
    ({ destination, gateway }) =>
      `${destination === undefined ? 'default' : formatCidr(destination)} ${gateway === undefined ? 'direct' : formatIp(gateway)}`,
  )

describe('leaseOf', () => {
  it('reads what every server sends', () => {
    const { address, routers, nameServers, searchDomains, serverId, seconds, ...rest } = lease({})
    expect([formatCidr(address), formatIp(serverId), seconds]).toEqual(['10.0.0.7/24', '10.0.0.1', 3600])
    expect([ips(routers), ips(nameServers), searchDomains]).toEqual([['10.0.0.1'], ['10.0.0.53'], []])
    expect(rest).toEqual({ routes: [{ destination: undefined, gateway: ip('10.0.0.1') }] })
  })

  test.each([
    ['no server', { 54: '' }, '10.0.0.7'],
    ['no time', { 51: '' }, '10.0.0.7'],
    ['half a time', { 51: '0e10' }, '10.0.0.7'],
    ['no seconds at all', { 51: '00000000' }, '10.0.0.7'],
    ['a server that is none', { 54: 'ffffffff' }, '10.0.0.7'],
    ['no address', {}, '0.0.0.0'],
    ['a loopback address', {}, '127.0.0.1'],
    ['a multicast address', {}, '224.0.0.1'],
    ['the broadcast address', {}, '255.255.255.255'],
  ])('rejects a lease with %s', (_, options: Options, address) => {
    expect(leaseOf(reply(ACK, { ...USUAL, ...options }, { yiaddr: ip(address) }))).toBeUndefined()
  })

  it('of 0xffffffff seconds never ends', () => {
    expect(lease({ 51: 'ffffffff' }).seconds).toBe(Number.POSITIVE_INFINITY)
  })

  test.each([
    ['ffffff00', '10.0.0.7', 24],
    ['ffffffff', '10.0.0.7', 32],
    ['fffffffe', '10.0.0.7', 31],
    ['80000000', '10.0.0.7', 1],
    ['fffff000', '172.16.0.1', 20],
    ['00000000', '10.0.0.7', 8],
    ['ff00ff00', '172.16.0.1', 16],
    ['ffff', '192.168.0.1', 24],
    ['', '192.168.0.1', 24],
  ])('mask %s of %s: /%i', (mask, address, prefix) => {
    expect(lease({ 1: mask }, address).address.prefix).toBe(prefix)
  })

  it('takes the first router, and leaves out invalid addresses and a remainder', () => {
    const { routers, nameServers, routes } = lease({
      3: '0a0000020a000001',
      6: '00000000 09090909 ffffffff 0a',
    })
    expect(ips(routers)).toEqual(['10.0.0.2', '10.0.0.1'])
    expect(ips(nameServers)).toEqual(['9.9.9.9'])
    expect(routes).toEqual([{ destination: undefined, gateway: ip('10.0.0.2') }])
  })

  test.each([
    ['05dc', 1500],
    ['0240', 576],
    ['023f', undefined],
    ['0044', undefined],
    ['05', undefined],
    ['', undefined],
  ])('mtu %s is %s', (option, mtu) => {
    expect(lease({ 26: option }).mtu).toBe(mtu)
  })

  test.each([
    ['box', 'box'],
    ['box.example.org\0', 'box.example.org'],
    ['box\nroot:', undefined],
    ['$(reboot)', undefined],
    ['', undefined],
  ])('hostname %j is %j', (text, hostname) => {
    expect(lease({ 12: hex(text) }).hostname).toBe(hostname)
  })

  describe('with classless routes (RFC 3442)', () => {
    it('has those and no routers', () => {
      const option = '00 0a000001  08 0a 0a000002  11 0a1100 0a000003  20 0a000009 00000000'
      expect(routes(option)).toEqual([
        'default 10.0.0.1',
        '10.0.0.0/8 10.0.0.2',
        '10.17.0.0/17 10.0.0.3',
        '10.0.0.9/32 direct',
      ])
      expect(lease({ 121: option }).routers).toEqual([])
    })

    test.each(['21 0a000009 0a 0a000001', '18 0a0000', '00 0a0000', '00 0a000001 08', 'ff'])(
      'that are damaged (%s) has the routers',
      (option) => {
        expect(routes(option)).toEqual(['default 10.0.0.1'])
      },
    )
  })

  describe('search domains', () => {
    test.each([
      ['example.org', ['example.org']],
      ['example.org lab\0', ['example.org', 'lab']],
      ['example.org\nnameserver', []],
      ['lab\t', []],
      ['.', []],
      [`${'a'.repeat(64)}.org`, []],
      [`${'a.'.repeat(130)}org`, []],
    ])('of option 15, %j: %j', (text, domains) => {
      expect(lease({ 15: hex(text) }).searchDomains).toEqual(domains)
    })

    // RFC 3397, 2: eng.apple.com and marketing.apple.com
    const RFC = '03656e67 056170706c65 03636f6d 00  096d61726b6574696e67 c004'
    test.each([
      ['as in the RFC', RFC, ['eng.apple.com', 'marketing.apple.com']],
      ['before option 15', `${RFC} 00`, ['eng.apple.com', 'marketing.apple.com']],
      ['up to one without an end', `${RFC} 0378`, ['eng.apple.com', 'marketing.apple.com']],
      ['with a pointer that is cut off', '0161 c0', []],
      ['with a pointer beyond the end', '0161 c0ff', []],
      ['with a pointer at itself', 'c000', []],
      ['with a ring of pointers', 'c002 c000', []],
      ['with a name that never ends', '0161 c000', []],
      ['but not those with a new line in them', '03610a62 00 0162 00', ['b']],
    ])('of option 119 %s', (_, option, domains) => {
      expect(lease({ 119: option }).searchDomains).toEqual(domains)
      expect(lease({ 119: option, 15: hex('lab') }).searchDomains).toEqual(
        domains.length === 0 ? ['lab'] : domains,
      )
    })

    it('of any bytes are names, in bounded time', () => {
      // Short labels and pointers lead on.
      const part = fc.oneof(fc.constantFrom('0161', '00', 'c000', 'c002', 'c004', 'c101'), fc.constant('3f'))
      fc.assert(
        fc.property(fc.array(part, { maxLength: 500 }), (parts) => {
          for (const domain of lease({ 119: parts.join('') }).searchDomains)
            expect(domain).toMatch(/^[\w.-]{1,253}$/)
        }),
        { numRuns: 300 },
      )
    })
  })
})
