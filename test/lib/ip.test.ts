import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import type { Bytes } from '../../src/lib/bytes.ts'
import {
  covers,
  formatCidr,
  formatIp,
  isIpv6,
  isLinkLocal,
  linkLocalOf,
  network,
  parseCidr,
  parseIp,
  parseMac,
  sameIp,
} from '../../src/lib/ip.ts'

function ip(text: string): Bytes {
  const parsed = parseIp(text)
  if (parsed === undefined) throw new Error(`not an address: ${text}`)
  return parsed
}

function cidr(text: string) {
  const parsed = parseCidr(text)
  if (parsed === undefined) throw new Error(`not a CIDR: ${text}`)
  return parsed
}

describe('parseIp and formatIp', () => {
  test.each([
    ['0.0.0.0', '0.0.0.0'],
    ['10.1.1.3', '10.1.1.3'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['FD39:775A:4846:1::3', 'fd39:775a:4846:1::3'],
    ['302:82a8:705:e5cf::8', '302:82a8:705:e5cf::8'],
    ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['1:2:3:4:5:6:0:0', '1:2:3:4:5:6::'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['::ffff:c000:201', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
    ['fe80::1', 'fe80::1'],
  ])('%s is %s', (text, formatted) => {
    expect(formatIp(ip(text))).toBe(formatted)
  })

  test.each([
    '',
    ' 10.0.0.1',
    '10.0.0.1 ',
    '10.0.0',
    '10.0.0.1.2',
    '10.0.0.256',
    '10.0.0.1000',
    '010.0.0.1',
    '10.0.0.00',
    '10.0.0.+1',
    '10.0.0.0x1',
    '10..0.1',
    '.10.0.1',
    '10.0.0.',
    '<nil>',
    'localhost',
    ':',
    ':::',
    ':1',
    ':1::',
    '::1:',
    '1::2:',
    '::1.2.3.4:',
    ':1.2.3.4',
    '1.2.3.4:1',
    '1:',
    '1::2::3',
    '1:::2',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '::1:2:3:4:5:6:7:8',
    '1:2:3:4::5:6:7:8',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::1.2.3',
    '::1.2.3.4:5',
    '::1.2.3.04',
    '1.2.3.4::',
    '::12345',
    '::g',
    '::-1',
    'fe80::1%eth0',
    '::/0',
    '[::1]',
  ])('refuses %j', (text) => {
    expect(parseIp(text)).toBeUndefined()
  })

  it('reads its own output', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(4, 16),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        (length, bytes) => {
          const address = new Uint8Array(bytes.slice(0, length))
          expect(parseIp(formatIp(address))).toEqual(address)
        },
      ),
    )
  })

  it('agrees with Node on what an address is', () => {
    const piece = fc.constantFrom(':', '::', '.', '0', '1', '255', '256', 'ffff', 'A', '10')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 18 }), (pieces) => {
        const text = pieces.join('')
        expect(parseIp(text)?.length ?? 0).toBe({ 0: 0, 4: 4, 6: 16 }[isIP(text)])
      }),
      { numRuns: 3000 },
    )
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        expect(parseIp(text)?.length ?? 0).toBe({ 0: 0, 4: 4, 6: 16 }[isIP(text)])
      }),
    )
  })
})

describe('parseCidr', () => {
  test.each([
    ['10.0.0.1/24', '10.0.0.1/24'],
    ['10.0.0.1', '10.0.0.1/32'],
    ['::1', '::1/128'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['200::/7', '200::/7'],
    ['fd00::1/128', 'fd00::1/128'],
  ])('%s is %s', (text, formatted) => {
    expect(formatCidr(cidr(text))).toBe(formatted)
  })

  test.each([
    '',
    '/24',
    '10.0.0.1/',
    '10.0.0.1/33',
    '::/129',
    '10.0.0.1/024',
    '10.0.0.1/-1',
    '10.0.0.1/24.5',
    '10.0.0.1/0.5',
    '10.0.0.1/1e1',
    '10.0.0.1/24/1',
    'default',
  ])('refuses %j', (text) => {
    expect(parseCidr(text)).toBeUndefined()
  })
})

describe('network', () => {
  test.each([
    ['10.1.2.3/24', '10.1.2.0/24'],
    ['10.1.255.3/17', '10.1.128.0/17'],
    ['10.1.2.3/32', '10.1.2.3/32'],
    ['10.1.2.3/0', '0.0.0.0/0'],
    ['302:82a8::8/7', '200::/7'],
    ['fd39:775a:4846:1::3/64', 'fd39:775a:4846:1::/64'],
  ])('%s lies in %s', (text, formatted) => {
    const from = cidr(text)
    expect(formatCidr(network(from))).toBe(formatted)
    expect(formatCidr(from)).toBe(text)
  })
})

describe('covers', () => {
  test.each([
    ['10.1.1.3/24', '10.1.1.255', true],
    ['10.1.1.3/24', '10.1.2.0', false],
    ['10.1.1.3/32', '10.1.1.3', true],
    ['10.1.1.3/32', '10.1.1.2', false],
    ['10.1.1.129/25', '10.1.1.127', false],
    ['0.0.0.0/0', '8.8.8.8', true],
    ['0.0.0.0/0', '::1', false],
    ['::/0', '8.8.8.8', false],
    ['200::/7', '3ff::1', true],
    ['200::/7', '400::1', false],
  ])('%s covers %s: %s', (net, address, expected) => {
    expect(covers(cidr(net), ip(address))).toBe(expected)
  })
})

describe('isLinkLocal, isIpv6, sameIp', () => {
  test.each([
    ['fe80::1', true],
    ['febf::1', true],
    ['fec0::1', false],
    ['169.254.1.1', true],
    ['169.253.1.1', false],
    ['10.0.0.1', false],
  ])('%s is link-local: %s', (text, expected) => {
    expect(isLinkLocal(ip(text))).toBe(expected)
  })

  it('tells families and addresses apart', () => {
    expect(isIpv6(ip('::1'))).toBe(true)
    expect(isIpv6(ip('1.1.1.1'))).toBe(false)
    expect(sameIp(ip('::1'), ip('0::1'))).toBe(true)
    expect(sameIp(ip('::1'), ip('::2'))).toBe(false)
    expect(sameIp(ip('0.0.0.0'), ip('::'))).toBe(false)
  })
})

describe('parseMac', () => {
  test.each([
    ['52:54:00:12:34:56', '52:54:00:12:34:56'],
    ['AA:BB:CC:DD:EE:FF', 'aa:bb:cc:dd:ee:ff'],
    ['aa-BB-cc-DD-ee-0F', 'aa:bb:cc:dd:ee:0f'],
  ])('%s is %s', (text, expected) => {
    expect(parseMac(text)).toBe(expected)
  })

  test.each([
    '',
    '52:54:00:12:34',
    '52:54:00:12:34:56:78',
    '5254:00:12:34:56:',
    '52:54:00:12:34:5g',
    '525400123456',
  ])('refuses %j', (text) => {
    expect(parseMac(text)).toBeUndefined()
  })
})

describe('linkLocalOf', () => {
  test.each([
    ['02:00:00:00:00:01', 'fe80::ff:fe00:1/64'],
    ['f2:8f:18:94:d4:9e', 'fe80::f08f:18ff:fe94:d49e/64'],
    ['52:54:00:12:34:56', 'fe80::5054:ff:fe12:3456/64'],
  ])('%s has %s, as the kernel gives it', (mac, expected) => {
    expect(formatCidr(linkLocalOf(mac))).toBe(expected)
  })
})
