import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { decodeDatagram, encodeDatagram } from '../../src/dhcp/datagram.ts'
import type { Bytes } from '../../src/lib/bytes.ts'
import { bytesOf, hexOf, ip } from '../netlink/hex.ts'
import { DNSMASQ_ACK, UDHCPC_DISCOVER } from './captured.ts'

/** One of our datagrams as if a server had sent it: swapping the ports changes no checksum. */
function answer(payload: Bytes): Bytes {
  const bytes = encodeDatagram(ip('10.0.0.1'), ip('255.255.255.255'), payload)
  bytes.set([0, 67, 0, 68], 20)
  return bytes
}

const decoded = (bytes: Bytes): string | undefined => {
  const payload = decodeDatagram(bytes, bytes.length)
  return payload && hexOf(bytes.subarray(payload.start, payload.end))
}

describe('encodeDatagram', () => {
  it('writes both headers and checksums as another client does', () => {
    const datagram = encodeDatagram(ip('0.0.0.0'), ip('255.255.255.255'), UDHCPC_DISCOVER.subarray(28))
    expect(hexOf(datagram)).toBe(hexOf(UDHCPC_DISCOVER))
  })

  it('writes a checksum of 0 as ffff, since 0 means that there is none', () => {
    const from = ip('0.0.0.0')
    // 0xffff minus the rest: 17, twice the length (8 and the payload's 2), and the ports.
    const word = 0xffff - (17 + 2 * 10 + 67 + 68)
    const bytes = encodeDatagram(from, from, Uint8Array.of(word >> 8, word & 0xff))
    expect(hexOf(bytes.subarray(26, 28))).toBe('ffff')
    bytes.set([0, 67, 0, 68], 20)
    expect(decoded(bytes)).toBe(word.toString(16))
  })
})

describe('decodeDatagram', () => {
  it('accepts what a server on the same host has sent, whose checksum is unfinished', () => {
    expect(decoded(DNSMASQ_ACK)).toBe(hexOf(DNSMASQ_ACK.subarray(28)))
  })

  it('finds the payload of any datagram', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 700 }), fc.nat(60), (payload, padding) => {
        const bytes = new Uint8Array([...answer(new Uint8Array(payload)), ...new Uint8Array(padding)])
        expect(decoded(bytes)).toBe(hexOf(new Uint8Array(payload)))
      }),
    )
  })

  it('finds it after IPv4 options', () => {
    const plain = answer(bytesOf('01020304'))
    const bytes = new Uint8Array([...plain.subarray(0, 20), 1, 1, 1, 1, ...plain.subarray(20)])
    bytes[0] = 0x46
    bytes[3] = bytes.length
    // The checksum changes by what was added: one more header word, four bytes of length, and the options.
    const sum = ((plain[10] ?? 0) << 8) + (plain[11] ?? 0) - 0x100 - 4 - 0x202
    bytes.set([sum >> 8, sum & 0xff], 10)
    expect(decoded(bytes)).toBe('01020304')
  })

  it('accepts a checksum of 0, and one of the pseudo-header only, as a server on the same host leaves it', () => {
    const bytes = answer(bytesOf('01020304'))
    bytes.set([0, 0], 26)
    expect(decoded(bytes)).toBe('01020304')
    const pseudo = 0x0a00 + 0x0001 + 0xffff + 17 + 12
    const folded = (pseudo & 0xffff) + (pseudo >> 16)
    bytes.set([folded >> 8, folded & 0xff], 26)
    expect(decoded(bytes)).toBe('01020304')
  })

  test.each([
    ['is IPv6', 0, 0x65],
    ['has too short a header', 0, 0x44],
    ['has a header longer than it is', 0, 0x4f],
    ['is longer than what came', 3, 0xff],
    ['has no room for UDP', 3, 27],
    ['has more fragments', 6, 0x20],
    ['is a later fragment', 7, 1],
    ['is TCP', 9, 6],
    ['has another port', 23, 69],
    ['has a UDP length below its header', 25, 7],
    ['has a UDP length beyond its end', 25, 13],
    ['has a changed byte', 28, 9],
  ])('rejects one that %s', (_, at, value) => {
    const bytes = answer(bytesOf('01020304'))
    bytes[at] = value
    if (at < 20) {
      // So that it is not rejected for its checksum.
      bytes.set([0, 0], 10)
      let sum = 0
      for (let i = 0; i < 20; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)
      sum = ~((sum & 0xffff) + (sum >> 16))
      bytes.set([(sum >> 8) & 0xff, sum & 0xff], 10)
    }
    expect(decoded(bytes)).toBeUndefined()
  })

  it('rejects a wrong header checksum', () => {
    const bytes = answer(bytesOf('01020304'))
    bytes[8] = 63
    expect(decoded(bytes)).toBeUndefined()
  })

  it('finds a payload inside any bytes, or none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(200), (bytes, length) => {
        const payload = decodeDatagram(new Uint8Array(bytes), length)
        if (payload !== undefined) expect(payload.end).toBeLessThanOrEqual(Math.min(length, bytes.length))
      }),
    )
  })
})
