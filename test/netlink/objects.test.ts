/** Compares requests and answers (links, addresses, routes, acknowledgements) with captured bytes. */

import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import type { Bytes } from '../../src/lib/bytes.ts'
import { formatCidr, formatIp } from '../../src/lib/ip.ts'
import { decodeAcknowledgement } from '../../src/netlink/acknowledgement.ts'
import { addressAdd } from '../../src/netlink/address.ts'
import { linkChange } from '../../src/netlink/link.ts'
import { nextMessage, type Walk, walk } from '../../src/netlink/message.ts'
import { routeAdd } from '../../src/netlink/route.ts'
import { parseUevent } from '../../src/netlink/uevent.ts'
import { ANSWERS, REQUESTS } from './captured.ts'
import { bytesOf, cidr, hexOf, ip } from './hex.ts'
import { decodeAddress, decodeLink, decodeRoute } from './lists.ts'

function decodeAll<T>(bytes: Bytes, decode: (message: Walk) => T | undefined): T[] {
  const found: T[] = []
  const messages = walk(bytes, bytes.length)
  while (nextMessage(messages)) {
    const item = decode(messages)
    if (item !== undefined) found.push(item)
  }
  return found
}

const links = (bytes: Bytes) => decodeAll(bytes, ({ start, end }) => decodeLink(bytes, start, end))
const addresses = (bytes: Bytes) => decodeAll(bytes, ({ start, end }) => decodeAddress(bytes, start, end))
const routes = (bytes: Bytes) => decodeAll(bytes, ({ start, end }) => decodeRoute(bytes, start, end))
const acknowledgements = (bytes: Bytes) => decodeAll(bytes, decodeAcknowledgement)

describe('requests are as iproute2 sends them', () => {
  test.each([
    ['ip addr replace 10.1.1.3/24 brd + dev eth0', addressAdd({ index: 3, cidr: cidr('10.1.1.3/24') })],
    ['ip -6 addr replace fd00::3/64 dev eth0 nodad', addressAdd({ index: 3, cidr: cidr('fd00::3/64') })],
    [
      'ip route replace default via 10.1.1.1 dev eth0 proto static metric 5 onlink',
      routeAdd({
        family: 4,
        destination: undefined,
        gateway: ip('10.1.1.1'),
        index: 3,
        metric: 5,
        onLink: true,
      }),
    ],
    [
      'ip -6 route replace 200::/7 via fd00::1 dev eth0 proto static',
      routeAdd({ family: 6, destination: cidr('200::/7'), gateway: ip('fd00::1'), index: 3 }),
    ],
    [
      'ip route replace 10.7.0.0/16 dev eth0 proto static',
      routeAdd({ family: 4, destination: cidr('10.7.9.9/16'), index: 3 }),
    ],
    ['ip link set eth0 addrgenmode none', linkChange({ index: 3, linkLocal: false })],
    ['ip link set eth0 down', linkChange({ index: 3, up: false })],
  ] as const)('%s', (command, { message }) => {
    expect(hexOf(message)).toBe(hexOf(REQUESTS[command]))
  })

  it('changes name, MTU and arp_notify of a link and brings it up in one message', () => {
    const { message } = linkChange({ index: 2, up: true, mtu: 1400, name: 'wan0', arpNotify: true })
    expect(hexOf(message)).toBe(
      hexOf(
        bytesOf(`48000000 1300 0100 00000000 00000000  00000000 02000000 01000000 01000000
          0800 0400 78050000  0900 0300 77616e3000000000
          1400 1a80 1000 0280 0c00 0180 0800 1600 01000000`),
      ),
    )
  })

  test.each([
    ['10.1.1.3/24', '0a0101ff'],
    ['10.1.1.3/20', '0a010fff'],
    ['10.1.1.3/8', '0affffff'],
    ['10.1.1.3/30', '0a010103'],
    ['10.1.1.3/0', 'ffffffff'],
  ])('addressAdd broadcasts from %s to %s', (address, broadcast) => {
    expect(hexOf(addressAdd({ index: 1, cidr: cidr(address) }).message).slice(-16)).toBe(
      `08000400${broadcast}`,
    )
  })

  test.each(['10.1.1.3/31', '10.1.1.3/32', 'fd00::1/64'])(
    'addressAdd gives %s no broadcast address',
    (address) => {
      expect(hexOf(addressAdd({ index: 1, cidr: cidr(address) }).message)).not.toContain('08000400')
    },
  )

  it('appends a route on request, and tolerates an existing one', () => {
    const request = routeAdd({ family: 4, destination: undefined, gateway: ip('10.0.0.1'), append: true })
    expect(hexOf(request.message).slice(12, 16)).toBe('010c')
    expect(request.tolerated).toBe(17)
  })

  test.each([
    [addressAdd({ index: 3, cidr: cidr('10.1.1.3/24') }), 'add address 10.1.1.3/24 to link 3'],
    [addressAdd({ index: 3, cidr: cidr('fd00::3/64'), nic: 'eth0' }), 'add address fd00::3/64 to eth0'],
    [
      routeAdd({ family: 6, destination: undefined, gateway: ip('fe80::1'), index: 3, nic: 'eth0' }),
      'add route default via fe80::1 dev eth0',
    ],
    [
      routeAdd({ family: 4, destination: cidr('10.2.0.0/16'), index: 3, metric: 7, onLink: true }),
      'add route 10.2.0.0/16 dev link 3 metric 7 onlink',
    ],
    [
      routeAdd({ family: 4, destination: undefined, gateway: ip('10.0.0.1') }),
      'add route default via 10.0.0.1',
    ],
    [linkChange({ index: 3, up: true }), 'set link 3 up'],
    [
      linkChange({
        index: 3,
        nic: 'eth0',
        up: false,
        mtu: 1400,
        name: 'wan',
        arpNotify: true,
        linkLocal: false,
      }),
      'set eth0 down mtu 1400 name wan arp_notify 1 addrgenmode none',
    ],
  ])('%# says what it does: %s', (request, text) => {
    expect(request.describe()).toBe(text)
  })
})

describe('the kernel’s answers', () => {
  it('decodeLink reads a link', () => {
    expect(links(ANSWERS.link)).toEqual([
      {
        index: 3,
        name: 'eth0',
        mac: '02:00:00:00:00:01',
        mtu: 1500,
        flags: 0x11043,
        operstate: 6,
        kind: 'veth',
      },
    ])
  })

  it('decodeAddress reads addresses of both families', () => {
    expect(addresses(ANSWERS.addresses).map((a) => [a.index, formatCidr(a.cidr), a.flags])).toEqual([
      [3, '10.1.1.3/24', 0x80],
      [2, 'fe80::f08f:18ff:fe94:d49e/64', 0xc0],
      [3, 'fd00::3/64', 0x82],
    ])
  })

  it('decodeAddress takes the local address of a point-to-point link', () => {
    const bytes = bytesOf(
      '28000000 1400 0200 00000000 00000000 02208000 03000000 0800 0100 0a000002 0800 0200 0a000001',
    )
    expect(addresses(bytes).map(({ cidr }) => formatCidr(cidr))).toEqual(['10.0.0.1/32'])
  })

  it('decodeRoute reads routes of both families', () => {
    expect(
      routes(ANSWERS.routes).map((r) => ({
        ...r,
        destination: r.destination && formatCidr(r.destination),
        gateway: r.gateway && formatIp(r.gateway),
      })),
    ).toEqual([
      {
        family: 4,
        destination: undefined,
        gateway: '10.1.1.1',
        index: 3,
        metric: 7,
        table: 254,
        protocol: 4,
        scope: 0,
        type: 1,
        flags: 4,
      },
      {
        family: 4,
        destination: '10.1.1.0/24',
        gateway: undefined,
        index: 3,
        metric: 0,
        table: 254,
        protocol: 2,
        scope: 253,
        type: 1,
        flags: 0,
      },
      {
        family: 6,
        destination: '200::/7',
        gateway: 'fd00::1',
        index: 3,
        metric: 1024,
        table: 254,
        protocol: 4,
        scope: 0,
        type: 1,
        flags: 0,
      },
    ])
  })

  it('decodeAcknowledgement reads the number and the text', () => {
    expect(acknowledgements(ANSWERS.refusal)).toEqual([{ error: -101, text: 'Nexthop has invalid gateway' }])
    expect(acknowledgements(ANSWERS.acknowledgement)).toEqual([{ error: 0, text: '' }])
  })

  it('decodeAcknowledgement skips the request that a kernel without NETLINK_CAP_ACK sends back', () => {
    const bytes = bytesOf(`
      38000000 0200 0002 09000000 b93a9bb9  9bffffff 18000000 1800 0105 09000000 00000000  0800010041000000
      0c00 0100 4f68206e6f000000`)
    expect(acknowledgements(bytes)).toEqual([{ error: -101, text: 'Oh no' }])
  })

  it('decodeAcknowledgement ignores half an answer', () => {
    expect(acknowledgements(bytesOf('12000000 0200 0000 09000000 b93a9bb9 9bff'))).toEqual([])
  })
})

describe('any bytes', () => {
  const everything = Object.values(ANSWERS)

  it('truncated anywhere, throw nothing', () => {
    for (const whole of everything) {
      for (let length = 0; length <= whole.length; length++) {
        const bytes = whole.slice(0, length)
        for (const read of [links, addresses, routes, acknowledgements]) read(bytes)
        // Also if the header lies about the length.
        decodeLink(bytes, 16, whole.length)
        decodeAddress(bytes, 16, whole.length)
        decodeRoute(bytes, 16, whole.length)
      }
    }
  })

  it('with bytes changed, throw nothing and loop nowhere', () => {
    const changes = fc.array(fc.tuple(fc.nat(500), fc.nat(255)), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(fc.constantFrom(...everything), changes, (whole, list) => {
        const bytes = whole.slice()
        for (const [at, value] of list) bytes[at % bytes.length] = value
        for (const read of [links, addresses, routes, acknowledgements]) read(bytes)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('parseUevent', () => {
  it('reads the kernel’s own event', () => {
    expect(
      parseUevent(
        'add@/devices/pci0000:00/0000:00:04.0/virtio2/block/vda\0ACTION=add\0DEVPATH=/devices/pci0000:00/0000:00:04.0/virtio2/block/vda\0SUBSYSTEM=block\0MAJOR=254\0MINOR=0\0DEVNAME=vda\0DEVTYPE=disk\0SEQNUM=900\0',
      ),
    ).toEqual({
      action: 'add',
      devpath: '/devices/pci0000:00/0000:00:04.0/virtio2/block/vda',
      subsystem: 'block',
      devname: 'vda',
      interface: '',
    })
    expect(
      parseUevent(
        'remove@/devices/virtual/net/eth1\0ACTION=remove\0SUBSYSTEM=net\0INTERFACE=eth1\0IFINDEX=5',
      ),
    ).toEqual({
      action: 'remove',
      devpath: '/devices/virtual/net/eth1',
      subsystem: 'net',
      devname: '',
      interface: 'eth1',
    })
  })

  test.each(['', 'libudev\0\xfe\xed\xca\xfe', '@/devices\0', 'add', 'add\0@', 'add@/devices/x'])(
    'ignores %j',
    (text) => {
      expect(parseUevent(text)).toBeUndefined()
    },
  )

  it('never throws', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('\0', '@', '=', 'add', 'SUBSYSTEM=', 'x')), (parts) => {
        parseUevent(parts.join(''))
      }),
    )
  })
})
