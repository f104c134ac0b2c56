import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { leaseOf } from '../../src/dhcp/lease.ts'
import { ACK, BOOTREQUEST, decodeMessage, encodeMessage, type Message } from '../../src/dhcp/packet.ts'
import type { Bytes } from '../../src/lib/bytes.ts'
import { bytesOf, cidr, hexOf, ip } from '../netlink/hex.ts'
import { DNSMASQ_ACK, UDHCPC_DISCOVER } from './captured.ts'
import { MAC, reply } from './server.ts'

const decode = (bytes: Bytes): Message | undefined => decodeMessage(bytes, 0, bytes.length)
const optionsOf = (bytes: Bytes): Record<number, string> | undefined => {
  const message = decode(bytes)
  return message && Object.fromEntries([...message.options].map(([code, value]) => [code, hexOf(value)]))
}

/** A message with these bytes in its options field, in `file` and in `sname`. */
function withFields(options: string, file = '', sname = ''): Bytes {
  const field = bytesOf(options)
  const bytes = new Uint8Array(240 + field.length)
  bytes.set(encodeMessage(reply(ACK)).subarray(0, 240))
  bytes.set(bytesOf(sname), 44)
  bytes.set(bytesOf(file), 108)
  bytes.set(field, 240)
  return bytes
}

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((value) => new Uint8Array(value))

const messages: fc.Arbitrary<Message> = fc.record({
  op: fc.constantFrom(1, 2),
  xid: fc.nat(0xffffffff),
  secs: fc.nat(0xffff),
  broadcast: fc.boolean(),
  ciaddr: bytes(4),
  yiaddr: bytes(4),
  chaddr: bytes(6),
  options: fc
    .uniqueArray(
      fc.tuple(
        fc.integer({ min: 1, max: 254 }).filter((code) => code !== 52),
        fc.uint8Array({ maxLength: 600 }).map((value) => new Uint8Array(value)),
      ),
      { selector: ([code]) => code, maxLength: 8 },
    )
    .map((options) => new Map(options)),
})

describe('encodeMessage', () => {
  it('writes the fields of RFC 2131, figure 1, and at least the 300 bytes of BOOTP', () => {
    const message = encodeMessage({
      op: BOOTREQUEST,
      xid: 0xdeadbeef,
      secs: 0x102,
      broadcast: true,
      ciaddr: ip('1.2.3.4'),
      yiaddr: ip('0.0.0.0'),
      chaddr: MAC,
      options: new Map([[53, Uint8Array.of(1)]]),
    })
    expect(message).toHaveLength(300)
    expect(hexOf(message.subarray(0, 44))).toBe(
      hexOf(
        bytesOf(
          '01010600 deadbeef 0102 8000 01020304 00000000 00000000 00000000 02000000770200000000000000000000',
        ),
      ),
    )
    expect(hexOf(message.subarray(236, 244))).toBe('63825363350101ff')
  })

  it('writes what decodeMessage reads, long options too', () => {
    fc.assert(
      fc.property(messages, (message) => {
        expect(decode(encodeMessage(message))).toEqual(message)
      }),
    )
  })
})

describe('decodeMessage', () => {
  it('reads what a client and a server have sent', () => {
    const discover = decode(UDHCPC_DISCOVER.subarray(28))
    expect(discover).toMatchObject({ op: BOOTREQUEST, xid: 0x6cc8fa42, chaddr: MAC, yiaddr: ip('0.0.0.0') })
    expect(discover?.options.get(12)).toEqual(bytesOf('626f78'))
    const acknowledged = decode(DNSMASQ_ACK.subarray(28))
    if (acknowledged === undefined) throw new Error('not read')
    const lease = leaseOf(acknowledged)
    expect(lease).toEqual({
      address: cidr('10.77.0.30/24'),
      routers: [],
      nameServers: [ip('10.77.0.53'), ip('9.9.9.9')],
      searchDomains: ['eng.example.org', 'example.org'],
      hostname: 'box',
      routes: [
        { destination: undefined, gateway: ip('10.77.0.1') },
        { destination: cidr('172.16.0.0/12'), gateway: ip('10.77.0.2') },
      ],
      serverId: ip('10.77.0.1'),
      seconds: 300,
    })
  })

  it('joins split options (RFC 3396), also from file and then sname (option 52)', () => {
    expect(optionsOf(withFields('350105 340103 0302 0a00 ff', '03010000 ff', '0c0161 0301 02 ff'))).toEqual({
      53: '05',
      52: '03',
      3: '0a000002',
      12: '61',
    })
    expect(optionsOf(withFields('340101 0301 0a ff', '0301 00 ff', '0301 02 ff'))?.[3]).toBe('0a00')
    expect(optionsOf(withFields('340102 0301 0a ff', '0301 00 ff', '0301 02 ff'))?.[3]).toBe('0a02')
    expect(optionsOf(withFields('0301 0a ff', '0301 00 ff'))?.[3]).toBe('0a')
  })

  it('skips padding, and needs no end', () => {
    expect(optionsOf(withFields('00 00 350105 00'))).toEqual({ 53: '05' })
    expect(optionsOf(withFields('ff 350105'))).toEqual({})
    expect(optionsOf(withFields(''))).toEqual({})
  })

  test.each(['35', '3502 05', '350105 0c', '350105 0cff'])(
    'takes no message that ends within an option: %s',
    (field) => {
      expect(decode(withFields(field))).toBeUndefined()
    },
  )

  it('rejects a message whose overloaded field ends within an option', () => {
    expect(decode(withFields('340101', `${'00'.repeat(127)}0c`))).toBeUndefined()
    expect(decode(withFields('340102', '', `${'00'.repeat(62)}0c02`))).toBeUndefined()
  })

  test.each([
    ['Ethernet', 1, 6],
    ['addresses of six bytes', 2, 8],
    ['DHCP', 236, 0],
  ])('rejects a message that is not of %s', (_, at, value) => {
    const message = encodeMessage(reply(ACK))
    message[at] = value
    expect(decode(message)).toBeUndefined()
  })

  it('reads a changed message as another one, or rejects it', () => {
    const change = fc.tuple(fc.nat(700), fc.nat(255))
    fc.assert(
      fc.property(messages, fc.array(change, { maxLength: 20 }), fc.nat(700), (message, changes, length) => {
        const bytes = encodeMessage(message)
        for (const [at, value] of changes) bytes[at < 300 ? at : at - 60] = value
        const read = decodeMessage(bytes, 0, length)
        if (read === undefined) return
        let size = 0
        for (const value of read.options.values()) size += value.length
        expect(size).toBeLessThan(Math.min(length, bytes.length))
        leaseOf(read)
      }),
      { numRuns: 2000 },
    )
  })
})
