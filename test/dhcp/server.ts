/** What a server writes, for tests. */

import { BOOTREPLY, type Message } from '../../src/dhcp/packet.ts'
import type { Bytes } from '../../src/lib/bytes.ts'
import { bytesOf, ip } from '../netlink/hex.ts'

export const MAC = bytesOf('020000007702')

/** Options as `code: hex`, in the order of their codes. */
export type Options = Readonly<Record<number, string>>

/** A lease of an hour by 10.0.0.1: mask, router, name server. */
export const USUAL: Options = { 1: 'ffffff00', 3: '0a000001', 6: '0a000035', 51: '00000e10', 54: '0a000001' }

/** A DHCP message of this type; an option that is '' is left out. */
export function reply(type: number, options: Options = USUAL, more: Partial<Message> = {}): Message {
  const values: [number, Bytes][] = [[53, Uint8Array.of(type)]]
  for (const [code, hex] of Object.entries(options)) if (hex !== '') values.push([Number(code), bytesOf(hex)])
  return {
    op: BOOTREPLY,
    xid: 0,
    secs: 0,
    broadcast: false,
    ciaddr: ip('0.0.0.0'),
    yiaddr: ip('10.0.0.7'),
    chaddr: MAC,
    options: new Map(values),
    ...more,
  }
}
