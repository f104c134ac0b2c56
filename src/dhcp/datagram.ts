/**
 * The IPv4 and UDP headers around a DHCP message (RFC 791, 768): a client without an address has to write and read them
 * itself.
 */

import { type Bytes, u8, u16be } from '../lib/bytes.ts'
import type { Ip } from '../lib/ip.ts'

export const SERVER_PORT = 67
export const CLIENT_PORT = 68
const IP_HEADER = 20
const UDP_HEADER = 8
const UDP = 17

export function putU16be(bytes: Bytes, at: number, value: number): void {
  bytes[at] = value >> 8
  bytes[at + 1] = value
}

/** A complete IPv4 datagram from the client's port to the server's. Both addresses have 4 bytes. */
export function encodeDatagram(from: Ip, to: Ip, payload: Bytes): Bytes {
  const length = IP_HEADER + UDP_HEADER + payload.length
  const bytes = new Uint8Array(length)
  bytes[0] = 0x45
  putU16be(bytes, 2, length)
  bytes[8] = 64
  bytes[9] = UDP
  bytes.set(from, 12)
  bytes.set(to, 16)
  putU16be(bytes, 10, ~sum(bytes, 0, IP_HEADER, 0))
  putU16be(bytes, 20, CLIENT_PORT)
  putU16be(bytes, 22, SERVER_PORT)
  putU16be(bytes, 24, length - IP_HEADER)
  bytes.set(payload, IP_HEADER + UDP_HEADER)
  const checksum = ~sum(bytes, 12, length, UDP + length - IP_HEADER) & 0xffff
  // 0 means that there is no checksum; in ones' complement, 0xffff is the same number.
  putU16be(bytes, 26, checksum === 0 ? 0xffff : checksum)
  return bytes
}

export interface Payload {
  readonly start: number
  readonly end: number
}

/** Where the payload of a datagram to the client's port is; undefined if it is anything else, or damaged. */
export function decodeDatagram(bytes: Bytes, received: number): Payload | undefined {
  const limit = Math.min(received, bytes.length)
  const udp = (u8(bytes, 0) & 15) * 4
  // Anything beyond its length is Ethernet's padding.
  const end = u16be(bytes, 2)
  if (u8(bytes, 0) >> 4 !== 4 || udp < IP_HEADER || end > limit || end < udp + UDP_HEADER) return undefined
  // A fragment: neither the first, since more follow, nor a later one.
  if ((u16be(bytes, 6) & 0x3fff) !== 0 || u8(bytes, 9) !== UDP) return undefined
  if (sum(bytes, 0, udp, 0) !== 0xffff || u16be(bytes, udp + 2) !== CLIENT_PORT) return undefined
  const length = u16be(bytes, udp + 4)
  if (length < UDP_HEADER || length > end - udp) return undefined
  const checksum = u16be(bytes, udp + 6)
  const pseudoHeader = sum(bytes, 12, 20, UDP + length)
  // A server on the same host leaves the checksum to hardware that does not exist, so only the pseudo-header's arrives.
  const intact =
    checksum === 0 || checksum === pseudoHeader || sum(bytes, udp, udp + length, pseudoHeader) === 0xffff
  return intact ? { start: udp + UDP_HEADER, end: udp + length } : undefined
}

/** Adds the 16-bit words between two offsets to `total`, in ones' complement (RFC 1071); below 2^32 until it is folded. */
function sum(bytes: Bytes, start: number, end: number, total: number): number {
  for (let at = start; at < end; at += 2)
    total += ((bytes[at] ?? 0) << 8) | (at + 1 < end ? (bytes[at + 1] ?? 0) : 0)
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16)
  return total
}
