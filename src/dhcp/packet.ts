/** Encodes and decodes DHCP messages (RFC 2131, 2) and their options (RFC 2132, 2; long ones by RFC 3396). */

import { type Bytes, u8, u16be, u32be } from '../lib/bytes.ts'
import type { Ip } from '../lib/ip.ts'
import { putU16be } from './datagram.ts'

// RFC 2131, 2: op
export const BOOTREQUEST = 1
export const BOOTREPLY = 2

// RFC 2132, 9.6: what OPTION_TYPE says
export const DISCOVER = 1
export const OFFER = 2
export const REQUEST = 3
export const ACK = 5
export const NAK = 6

// RFC 2132, 3397 (search), 3442 (classless routes)
export const OPTION_MASK = 1
export const OPTION_ROUTERS = 3
export const OPTION_NAME_SERVERS = 6
export const OPTION_HOSTNAME = 12
export const OPTION_DOMAIN = 15
export const OPTION_MTU = 26
export const OPTION_REQUESTED = 50
export const OPTION_SECONDS = 51
const OPTION_OVERLOAD = 52
export const OPTION_TYPE = 53
export const OPTION_SERVER = 54
export const OPTION_PARAMETERS = 55
export const OPTION_LARGEST = 57
export const OPTION_T1 = 58
export const OPTION_T2 = 59
export const OPTION_CLIENT = 61
export const OPTION_SEARCH = 119
export const OPTION_ROUTES = 121
const PAD = 0
const END = 255

export const ETHERNET = 1
const ETH_ALEN = 6
const MAGIC = 0x63825363
const SNAME = 44
const FILE = 108
const COOKIE = 236
const OPTIONS = 240
/** RFC 1542, 2.1: relays discard messages that are shorter than BOOTP's. */
const SHORTEST = 300

export interface Message {
  readonly op: number
  readonly xid: number
  readonly secs: number
  /** Ask for answers by broadcast (RFC 2131, 4.1; 1542, 3.1.1). */
  readonly broadcast: boolean
  /** The client's current address, and the one that it is offered; 4 bytes each. */
  readonly ciaddr: Ip
  readonly yiaddr: Ip
  /** The client's Ethernet address: 6 bytes. */
  readonly chaddr: Bytes
  /** Whole options by their code. */
  readonly options: ReadonlyMap<number, Bytes>
}

/** The payload of the UDP datagram. Options keep the map's order; those longer than 255 bytes are split (RFC 3396). */
export function encodeMessage({ op, xid, secs, broadcast, ciaddr, yiaddr, chaddr, options }: Message): Bytes {
  const tail: number[] = []
  for (const [code, value] of options) {
    let at = 0
    do {
      const part = value.subarray(at, at + 255)
      tail.push(code, part.length, ...part)
      at += 255
    } while (at < value.length)
  }
  tail.push(END)
  const bytes = new Uint8Array(Math.max(SHORTEST, OPTIONS + tail.length))
  bytes[0] = op
  bytes[1] = ETHERNET
  bytes[2] = ETH_ALEN
  putU32be(bytes, 4, xid)
  putU16be(bytes, 8, secs)
  bytes[10] = broadcast ? 0x80 : 0
  bytes.set(ciaddr, 12)
  bytes.set(yiaddr, 16)
  bytes.set(chaddr, 28)
  putU32be(bytes, COOKIE, MAGIC)
  bytes.set(tail, OPTIONS)
  return bytes
}

function putU32be(bytes: Bytes, at: number, value: number): void {
  putU16be(bytes, at, value >> 16)
  putU16be(bytes, at + 2, value)
}

/**
 * Decodes the message between two offsets; undefined if it is not for Ethernet, or an option exceeds its field. Split
 * options are joined (RFC 3396), also across the fields that option 52 makes room for options (RFC 2132, 9.3).
 */
export function decodeMessage(bytes: Bytes, start: number, end: number): Message | undefined {
  const limit = Math.min(end, bytes.length)
  if (limit - start < OPTIONS || u32be(bytes, start + COOKIE) !== MAGIC) return undefined
  if (u8(bytes, start + 1) !== ETHERNET || u8(bytes, start + 2) !== ETH_ALEN) return undefined
  const options = new Map<number, Bytes>()
  if (!readOptions(options, bytes, start + OPTIONS, limit)) return undefined
  const overload = options.get(OPTION_OVERLOAD)?.[0] ?? 0
  if ((overload & 1) !== 0 && !readOptions(options, bytes, start + FILE, start + COOKIE)) return undefined
  if ((overload & 2) !== 0 && !readOptions(options, bytes, start + SNAME, start + FILE)) return undefined
  return {
    op: u8(bytes, start),
    xid: u32be(bytes, start + 4),
    secs: u16be(bytes, start + 8),
    broadcast: u8(bytes, start + 10) >= 0x80,
    ciaddr: bytes.slice(start + 12, start + 16),
    yiaddr: bytes.slice(start + 16, start + 20),
    chaddr: bytes.slice(start + 28, start + 28 + ETH_ALEN),
    options,
  }
}

/** False if an option is incomplete. A missing END is fine: nothing is lost. */
function readOptions(options: Map<number, Bytes>, bytes: Bytes, start: number, end: number): boolean {
  for (let at = start; at < end; ) {
    const code = u8(bytes, at++)
    if (code === END) return true
    if (code === PAD) continue
    const from = at + 1
    at = from + u8(bytes, at)
    if (from > end || at > end) return false
    const before = options.get(code)
    const part = bytes.slice(from, at)
    options.set(code, before === undefined ? part : Uint8Array.of(...before, ...part))
  }
  return true
}
