/** IP and MAC addresses: between the text of seeds and command lines, and the bytes of netlink. */

import { type Bytes, u16be, u32be } from './bytes.ts'
import { hex } from './text.ts'

/** An address in network byte order: 4 bytes for IPv4, 16 for IPv6. */
export type Ip = Bytes

/** An address with a prefix length: 0 to 32, or to 128. */
export interface Cidr {
  readonly address: Ip
  readonly prefix: number
}

export type Family = 4 | 6

export const isIpv6 = (ip: Ip): boolean => ip.length === 16

export const familyOf = (ip: Ip): Family => (ip.length === 16 ? 6 : 4)

/** 169.254.0.0/16 (RFC 3927) or fe80::/10 (RFC 4291, 2.4): reachable on its own link only. */
export function isLinkLocal(ip: Ip): boolean {
  const start = u16be(ip, 0)
  return isIpv6(ip) ? (start & 0xffc0) === 0xfe80 : start === 0xa9fe
}

export function sameIp(a: Ip, b: Ip): boolean {
  return covers({ address: a, prefix: a.length * 8 }, b)
}

/**
 * An IPv4 address of four decimal numbers, or an IPv6 address by RFC 4291 (2.2: `::`, and IPv4 at the end). Leading zeros
 * are refused, since C libraries read such numbers as octal and people as decimal; so are zones (`%eth0`), which none of
 * our inputs has.
 */
export function parseIp(text: string): Ip | undefined {
  if (text.includes(':')) return parseIpv6(text)
  const ip = new Uint8Array(4)
  return readIpv4(text, ip, 0) ? ip : undefined
}

/** Without a prefix length it is a network of one address: `10.0.0.1` is `10.0.0.1/32`. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/')
  const address = parseIp(slash < 0 ? text : text.slice(0, slash))
  if (address === undefined) return undefined
  const longest = address.length * 8
  const prefix = slash < 0 ? longest : canonical(text.slice(slash + 1))
  return prefix <= longest ? { address, prefix } : undefined
}

/** RFC 5952: lower case, no leading zeros, the longest run of zeros (the first of equals) as `::`. */
export function formatIp(ip: Ip): string {
  return isIpv6(ip) ? formatIpv6(ip) : formatIpv4(ip, 0)
}

export const formatCidr = ({ address, prefix }: Cidr): string => `${formatIp(address)}/${prefix}`

/** The address's network: its host bits cleared. */
export function network({ address, prefix }: Cidr): Cidr {
  const cleared = new Uint8Array(address)
  for (let i = 0, left = prefix; i < cleared.length; i++, left -= 8) {
    if (left < 8) cleared[i] = left <= 0 ? 0 : (cleared[i] ?? 0) & (0xff00 >> left)
  }
  return { address: cleared, prefix }
}

/** Whether the address is in the network; never for the other family. */
export function covers({ address, prefix }: Cidr, ip: Ip): boolean {
  if (address.length !== ip.length) return false
  const whole = prefix >> 3
  for (let i = 0; i < whole; i++) if (address[i] !== ip[i]) return false
  const rest = prefix & 7
  return rest === 0 || (((address[whole] ?? 0) ^ (ip[whole] ?? 0)) & (0xff00 >> rest) & 0xff) === 0
}

/** A Map key, different for different addresses of one family; not for people. */
export function ipKey(ip: Ip): string {
  // Signed, since the engine formats 32-bit integers fifty times faster than larger numbers.
  let key = `${u32be(ip, 0) | 0}`
  for (let at = 4; at < ip.length; at += 4) key += ` ${u32be(ip, at) | 0}`
  return key
}

/** An Ethernet address as the kernel writes it, `52:54:00:12:34:56`, in either case, with `:` or `-`. */
export function parseMac(text: string): string | undefined {
  if (text.length !== 17) return undefined
  let isPlain = true
  for (let i = 0; i < 17; i++) {
    const char = text.charCodeAt(i)
    const isSeparator = char === COLON || char === HYPHEN
    if (i % 3 === 2 ? !isSeparator : hexDigit(char) < 0) return undefined
    if (char === HYPHEN || (char >= UPPER_A && char <= UPPER_F)) isPlain = false
  }
  return isPlain ? text : text.toLowerCase().replaceAll('-', ':')
}

/** @param mac as returned by `parseMac` */
export function macBytes(mac: string): Bytes {
  const bytes = new Uint8Array(6)
  for (let i = 0; i < 6; i++)
    bytes[i] = hexDigit(mac.charCodeAt(i * 3)) * 16 + hexDigit(mac.charCodeAt(i * 3 + 1))
  return bytes
}

/**
 * The link-local address that the kernel would give a link with this Ethernet address (RFC 4291, appendix A).
 * @param mac as returned by `parseMac`
 */
export function linkLocalOf(mac: string): Cidr {
  const bytes = macBytes(mac)
  const address = new Uint8Array(16)
  address[0] = 0xfe
  address[1] = 0x80
  address.set(bytes.subarray(0, 3), 8)
  address[8] = (bytes[0] ?? 0) ^ 2
  address[11] = 0xff
  address[12] = 0xfe
  address.set(bytes.subarray(3), 13)
  return { address, prefix: 64 }
}

const ZERO = 48
const NINE = 57
const COLON = 58
const HYPHEN = 45
const UPPER_A = 65
const UPPER_F = 70

/** A decimal integer without sign or leading zero; otherwise NaN. */
function canonical(text: string): number {
  const value = +text
  // Conversion allows signs, exponents, spaces and leading zeros; text that formats back to itself has none of them.
  return value >= 0 && (value | 0) === value && `${value}` === text ? value : Number.NaN
}

function hexDigit(char: number): number {
  if (char >= ZERO && char <= NINE) return char - ZERO
  const letter = char | 0x20
  return letter >= 97 && letter <= 102 ? letter - 87 : -1
}

// Both readers leave the work to split and number conversion: a native call costs as much as looking at one character
// in bytecode, and a boot parses some forty addresses.

/** Reads four decimal numbers. */
function readIpv4(text: string, into: Bytes, start: number): boolean {
  const numbers = text.split('.')
  if (numbers.length !== 4) return false
  for (let i = 0; i < 4; i++) {
    const value = canonical(numbers[i] ?? '')
    if (!(value <= 255)) return false
    into[start + i] = value
  }
  return true
}

function parseIpv6(text: string): Ip | undefined {
  const [head = '', tail, more] = text.split('::')
  if (more !== undefined) return undefined
  const ip = new Uint8Array(16)
  const headEnd = readGroups(head, tail === undefined, ip)
  if (tail === undefined) return headEnd === 16 ? ip : undefined
  const end = new Uint8Array(16)
  const tailEnd = readGroups(tail, true, end)
  // `::` stands for at least one group (RFC 5952, 4.2.2 wants at least two, but RFC 4291 allows one).
  if (headEnd < 0 || tailEnd < 0 || headEnd + tailEnd > 14) return undefined
  ip.set(end.subarray(0, tailEnd), 16 - tailEnd)
  return ip
}

/** Reads groups of up to four hexadecimal digits, and if `isLast`, IPv4 at the end. Returns the length in bytes, or -1. */
function readGroups(text: string, isLast: boolean, into: Bytes): number {
  if (text === '') return 0
  const groups = text.split(':')
  const count = groups.length
  if (count > 8) return -1
  let at = 0
  for (let i = 0; i < count; i++) {
    const group = groups[i] ?? ''
    if (group.length > 4 || group.length === 0) {
      return isLast && i === count - 1 && at <= 12 && readIpv4(group, into, at) ? at + 4 : -1
    }
    // One digit appended and divided off again, since conversion ignores trailing spaces.
    const value = +`0x${group}0` / 16
    if (!(value >= 0)) return -1
    into[at++] = value >> 8
    into[at++] = value
  }
  return at
}

const formatIpv4 = (ip: Ip, at: number): string => `${ip[at]}.${ip[at + 1]}.${ip[at + 2]}.${ip[at + 3]}`

function formatIpv6(ip: Ip): string {
  let best = -1
  let longest = 1
  for (let i = 0, run = 0; i < 8; i++) {
    run = u16be(ip, i * 2) === 0 ? run + 1 : 0
    if (run > longest) {
      longest = run
      best = i - run + 1
    }
  }
  // ::ffff:0:0/96 contains IPv4 addresses (RFC 5952, 5).
  if (best === 0 && longest === 5 && u16be(ip, 10) === 0xffff) return `::ffff:${formatIpv4(ip, 12)}`
  let text = ''
  for (let i = 0; i < 8; i++) {
    if (i === best) {
      text += '::'
      i += longest - 1
    } else {
      if (text !== '' && !text.endsWith(':')) text += ':'
      text += hex(u16be(ip, i * 2))
    }
  }
  return text
}
