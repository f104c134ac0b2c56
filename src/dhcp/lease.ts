/** Reads a lease from a server's answer; each option is checked, since it comes from the network. */

import { type Bytes, u8, u16be, u32be } from '../lib/bytes.ts'
import type { Cidr, Ip } from '../lib/ip.ts'
import { hostnameProblem } from '../lib/names.ts'
import {
  type Message,
  OPTION_DOMAIN,
  OPTION_HOSTNAME,
  OPTION_MASK,
  OPTION_MTU,
  OPTION_NAME_SERVERS,
  OPTION_ROUTERS,
  OPTION_ROUTES,
  OPTION_SEARCH,
  OPTION_SECONDS,
  OPTION_SERVER,
} from './packet.ts'

export interface LeaseRoute {
  /** undefined: default */
  readonly destination: Cidr | undefined
  /** undefined: on-link (0.0.0.0 in RFC 3442) */
  readonly gateway: Ip | undefined
}

export interface Lease {
  readonly address: Cidr
  /** The first is preferred. None if the server sends classless routes, which replace them (RFC 3442). */
  readonly routers: readonly Ip[]
  readonly nameServers: readonly Ip[]
  readonly searchDomains: readonly string[]
  readonly mtu?: number
  readonly hostname?: string
  /** All routes to add: the default route through the first router, or the classless ones. */
  readonly routes: readonly LeaseRoute[]
  readonly serverId: Ip
  /** From the request on; Infinity if it does not end. */
  readonly seconds: number
}

/** Every IPv4 host accepts datagrams of this size (RFC 791, 3.1): a smaller MTU (RFC 2132, 5.1 allows 68) is a mistake or an attack. */
const SMALLEST_MTU = 576
/** RFC 2131, 3.3 */
const FOREVER = 0xffffffff

/** The options that make up a lease. RFC 3442: classless routes must come before routers. */
export const LEASE_OPTIONS: readonly number[] = [
  OPTION_MASK,
  OPTION_ROUTES,
  OPTION_ROUTERS,
  OPTION_NAME_SERVERS,
  OPTION_HOSTNAME,
  OPTION_DOMAIN,
  OPTION_MTU,
  OPTION_SEARCH,
]

/** The lease in an ACK or OFFER; undefined if it has no usable address, no server or no lease time. */
export function leaseOf({ yiaddr, options }: Message): Lease | undefined {
  const serverId = addresses(options.get(OPTION_SERVER))[0]
  const seconds = options.get(OPTION_SECONDS) ?? NOTHING
  const time = seconds.length < 4 ? 0 : u32be(seconds, 0)
  if (!isHost(yiaddr) || serverId === undefined || time === 0) return undefined

  const given = classlessRoutes(options.get(OPTION_ROUTES) ?? NOTHING)
  const routers = given.length > 0 ? [] : addresses(options.get(OPTION_ROUTERS))
  const width = options.get(OPTION_MTU) ?? NOTHING
  const mtu = width.length < 2 ? 0 : u16be(width, 0)
  const hostname = text(options.get(OPTION_HOSTNAME) ?? NOTHING)
  const searched = searchDomains(options.get(OPTION_SEARCH) ?? NOTHING)
  return {
    address: { address: yiaddr, prefix: prefixOf(options.get(OPTION_MASK), yiaddr) },
    routers,
    nameServers: addresses(options.get(OPTION_NAME_SERVERS)),
    // By the RFC, option 15 is one name; some servers send several.
    searchDomains:
      searched.length > 0
        ? searched
        : text(options.get(OPTION_DOMAIN) ?? NOTHING)
            .split(' ')
            .filter(isDomain),
    ...(mtu >= SMALLEST_MTU && { mtu }),
    ...(hostnameProblem(hostname) === undefined && { hostname }),
    routes:
      given.length > 0 ? given : routers.slice(0, 1).map((gateway) => ({ destination: undefined, gateway })),
    serverId,
    seconds: time === FOREVER ? Number.POSITIVE_INFINITY : time,
  }
}

const NOTHING: Bytes = new Uint8Array(0)

/** Not 0.0.0.0/8, loopback, multicast or 255.255.255.255 (RFC 6890). */
function isHost(ip: Ip): boolean {
  const first = u8(ip, 0)
  return first !== 0 && first !== 127 && first < 224
}

/** An option's addresses, without those that no host can have; a remainder at the end is ignored. */
function addresses(option: Bytes = NOTHING): Ip[] {
  const found: Ip[] = []
  for (let at = 0; at + 4 <= option.length; at += 4) {
    const ip = option.slice(at, at + 4)
    if (isHost(ip)) found.push(ip)
  }
  return found
}

/** Without a valid mask, the address's class decides (RFC 791, 3.2), as in every client of that time. */
function prefixOf(mask: Bytes | undefined, address: Ip): number {
  if (mask !== undefined && mask.length >= 4) {
    const hosts = ~u32be(mask, 0) >>> 0
    // The host bits are the lowest ones: adding one carries through all of them.
    if (hosts < 0xffffffff && (hosts & (hosts + 1)) === 0) return Math.clz32(hosts)
  }
  const first = u8(address, 0)
  return first < 128 ? 8 : first < 192 ? 16 : 24
}

/** RFC 3442: prefix length, the significant bytes of the network, router. No routes if one is damaged. */
function classlessRoutes(option: Bytes): LeaseRoute[] {
  const routes: LeaseRoute[] = []
  for (let at = 0; at < option.length; ) {
    const prefix = u8(option, at++)
    const bytes = (prefix + 7) >> 3
    if (prefix > 32 || at + bytes + 4 > option.length) return []
    const address = new Uint8Array(4)
    address.set(option.subarray(at, at + bytes))
    at += bytes
    const gateway = option.slice(at, at + 4)
    at += 4
    routes.push({
      destination: prefix === 0 ? undefined : { address, prefix },
      gateway: u32be(gateway, 0) === 0 ? undefined : gateway,
    })
  }
  return routes
}

/** Up to a NUL, which servers should not send and clients must expect (RFC 2132, 2). */
function text(option: Bytes): string {
  let text = ''
  for (const byte of option) {
    if (byte === 0) break
    text += String.fromCharCode(byte)
  }
  return text
}

/** Labels must be valid hostnames, since the names go into a file that programs parse; a name has at most 253 characters. */
const isDomain = (name: string): boolean =>
  name.length <= 253 &&
  name.split('.').every((label) => label.length < 64 && hostnameProblem(label) === undefined)

/** No name has more labels (RFC 1035, 3.1): this ends loops of pointers. */
const MOST_LABELS = 128

/**
 * RFC 3397: names in DNS encoding (RFC 1035, 4.1.4), with pointers into the option itself. Stops at the first damaged
 * name, and leaves out those that are not valid hostnames.
 */
function searchDomains(option: Bytes): string[] {
  const found: string[] = []
  let at = 0
  while (at < option.length) {
    const labels: string[] = []
    /** Where the next name starts, once a pointer has been followed. */
    let next = -1
    let length = u8(option, at++)
    for (let steps = 0; length !== 0; steps++) {
      if (steps === MOST_LABELS) return found
      if (length >= 0xc0) {
        if (next < 0) next = at + 1
        at = ((length & 0x3f) << 8) | u8(option, at)
      } else {
        labels.push(text(option.subarray(at, at + length)))
        at += length
      }
      if (at >= option.length) return found
      length = u8(option, at++)
    }
    if (next >= 0) at = next
    const name = labels.join('.')
    if (isDomain(name)) found.push(name)
  }
  return found
}
