import type { Bytes } from '../../src/lib/bytes.ts'
import { type Cidr, type Ip, parseCidr, parseIp } from '../../src/lib/ip.ts'

/** Bytes of a hex dump; white space is for the eye. */
export const bytesOf = (hex: string): Bytes => new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'))

export const hexOf = (bytes: Bytes): string => Buffer.from(bytes).toString('hex')

export function cidr(text: string): Cidr {
  const parsed = parseCidr(text)
  if (parsed === undefined) throw new Error(`not a CIDR: ${text}`)
  return parsed
}

export function ip(text: string): Ip {
  const parsed = parseIp(text)
  if (parsed === undefined) throw new Error(`not an address: ${text}`)
  return parsed
}
