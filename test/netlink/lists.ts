/** Lists the kernel's links, addresses and routes, to compare what PID 1 has set up with what was wanted. */

import { type Bytes, i32, putU32, u32 } from '../../src/lib/bytes.ts'
import type { Cidr, Family, Ip } from '../../src/lib/ip.ts'
import { decodeAcknowledgement } from '../../src/netlink/acknowledgement.ts'
import { IFA_ADDRESS, IFA_LOCAL, RTM_NEWADDR } from '../../src/netlink/address.ts'
import { IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, RTM_GETLINK } from '../../src/netlink/link.ts'
import {
  attributeEnd,
  attributeText,
  buildMessage,
  findAttributes,
  finishMessage,
  messageFlags,
  messageSequence,
  NLMSG_ERROR,
  nextMessage,
  putU32Attribute,
  type Request,
  walk,
} from '../../src/netlink/message.ts'
import { RTA_DST, RTA_GATEWAY, RTA_OIF, RTA_PRIORITY, RTM_NEWROUTE } from '../../src/netlink/route.ts'
import { receiveAnswer, type Session } from '../../src/netlink/session.ts'
import { must, SysError } from '../../src/sys/errno.ts'
import { AF_INET, AF_INET6 } from '../../src/sys/flags.ts'
import { send } from '../../src/sys/linux.ts'

export const NLM_F_DUMP_INTR = 0x10
export const NLM_F_DUMP = 0x300
export const NLMSG_DONE = 3
export const IFLA_OPERSTATE = 16
export const IFLA_EXT_MASK = 29
export const RTEXT_FILTER_SKIP_STATS = 8
export const IFLA_LINKINFO = 18
export const IFLA_INFO_KIND = 1
export const RTM_GETADDR = 22
export const IFA_FLAGS = 8
export const IFA_F_TENTATIVE = 0x40
export const RTM_GETROUTE = 26
export const RTA_TABLE = 15
export const RTM_NEWLINK = 16
export const RTM_DELLINK = 17

const IFINFOMSG_LEN = 16
const IFADDRMSG_LEN = 8
const RTMSG_LEN = 12

export interface Link {
  readonly index: number
  readonly name: string
  /** As `parseMac` writes it; undefined where the link has no Ethernet address. */
  readonly mac: string | undefined
  readonly mtu: number
  /** IFF_UP and its like. */
  readonly flags: number
  /** RFC 2863's ifOperStatus, as IF_OPER_UP (6) and IF_OPER_UNKNOWN (0). */
  readonly operstate: number
  /** `veth`, `bridge`; undefined for hardware. */
  readonly kind: string | undefined
}

export interface Address {
  readonly index: number
  readonly cidr: Cidr
  /** IFA_F_TENTATIVE and its like. */
  readonly flags: number
}

export interface Route {
  readonly family: Family
  /** undefined: default */
  readonly destination: Cidr | undefined
  readonly gateway: Ip | undefined
  /** The link that it goes through; undefined where it has several. */
  readonly index: number | undefined
  readonly metric: number
  readonly table: number
  readonly protocol: number
  readonly scope: number
  readonly type: number
  /** RTNH_F_ONLINK and its like. */
  readonly flags: number
}

/** All links, without their counters, which would be most of the answer. */
function linkDump(): Request {
  const builder = buildMessage(RTM_GETLINK, NLM_F_DUMP, IFINFOMSG_LEN / 4)
  putU32Attribute(builder, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
  return { message: finishMessage(builder), describe: () => 'list links' }
}

/** The payload of an RTM_NEWLINK or RTM_DELLINK message; undefined where it is too short. */
export function decodeLink(bytes: Bytes, start: number, end: number): Link | undefined {
  if (end - start < IFINFOMSG_LEN) return undefined
  const at = findAttributes(bytes, start + IFINFOMSG_LEN, end)
  const info = at[IFLA_LINKINFO] ?? 0
  const kind = info === 0 ? 0 : (findAttributes(bytes, info, attributeEnd(bytes, info))[IFLA_INFO_KIND] ?? 0)
  return {
    index: i32(bytes, start + 4),
    name: attributeText(bytes, at[IFLA_IFNAME] ?? 0),
    mac: formatMac(bytes, at[IFLA_ADDRESS] ?? 0),
    mtu: attributeNumber(bytes, at[IFLA_MTU] ?? 0),
    flags: u32(bytes, start + 8),
    operstate: attributeNumber(bytes, at[IFLA_OPERSTATE] ?? 0),
    kind: kind === 0 ? undefined : attributeText(bytes, kind),
  }
}

const ETH_ALEN = 6
const DIGITS = '0123456789abcdef'

function formatMac(bytes: Bytes, at: number): string | undefined {
  if (at === 0 || attributeEnd(bytes, at) - at !== ETH_ALEN) return undefined
  let text = ''
  for (let i = at; i < at + ETH_ALEN; i++) {
    const byte = bytes[i] ?? 0
    if (i > at) text += ':'
    text += (DIGITS[byte >> 4] ?? '') + (DIGITS[byte & 15] ?? '')
  }
  return text
}

/** All addresses of all links. */
function addressDump(): Request {
  const builder = buildMessage(RTM_GETADDR, NLM_F_DUMP, IFADDRMSG_LEN / 4)
  return { message: finishMessage(builder), describe: () => 'list addresses' }
}

/** The payload of an RTM_NEWADDR message; undefined where it is too short or holds no address. */
export function decodeAddress(bytes: Bytes, start: number, end: number): Address | undefined {
  if (end - start < IFADDRMSG_LEN) return undefined
  const header = u32(bytes, start)
  const at = findAttributes(bytes, start + IFADDRMSG_LEN, end)
  const flags = at[IFA_FLAGS] ?? 0
  // On a point-to-point link IFA_ADDRESS is the peer's, and IFA_LOCAL ours.
  const address = attributeBytes(bytes, at[IFA_LOCAL] || at[IFA_ADDRESS] || 0)
  if (address === undefined || address.length !== ((header & 0xff) === AF_INET6 ? 16 : 4)) return undefined
  return {
    index: u32(bytes, start + 4),
    cidr: { address, prefix: (header >> 8) & 0xff },
    flags: flags === 0 ? (header >> 16) & 0xff : attributeNumber(bytes, flags),
  }
}

/** All routes of all tables, of both families. */
function routeDump(): Request {
  const builder = buildMessage(RTM_GETROUTE, NLM_F_DUMP, RTMSG_LEN / 4)
  return { message: finishMessage(builder), describe: () => 'list routes' }
}

/** The payload of an RTM_NEWROUTE message; undefined where it is too short or of another family than IPv4 and IPv6. */
export function decodeRoute(bytes: Bytes, start: number, end: number): Route | undefined {
  if (end - start < RTMSG_LEN) return undefined
  const header = u32(bytes, start)
  const kind = u32(bytes, start + 4)
  const family = header & 0xff
  if (family !== AF_INET && family !== AF_INET6) return undefined
  const at = findAttributes(bytes, start + RTMSG_LEN, end)
  const address = attributeBytes(bytes, at[RTA_DST] ?? 0)
  const link = at[RTA_OIF] ?? 0
  const table = at[RTA_TABLE] ?? 0
  return {
    family: family === AF_INET6 ? 6 : 4,
    destination: address === undefined ? undefined : { address, prefix: (header >> 8) & 0xff },
    gateway: attributeBytes(bytes, at[RTA_GATEWAY] ?? 0),
    index: link === 0 ? undefined : attributeNumber(bytes, link),
    metric: attributeNumber(bytes, at[RTA_PRIORITY] ?? 0),
    // The header's has but one byte for it.
    table: table === 0 ? kind & 0xff : attributeNumber(bytes, table),
    protocol: (kind >> 8) & 0xff,
    scope: (kind >> 16) & 0xff,
    type: kind >>> 24,
    flags: u32(bytes, start + 8),
  }
}

/** A list that changed while it was read is read again, so many times at most. */
const DUMP_ATTEMPTS = 3

/** All that one dump request lists. Throws a SysError. */
function dump<T>(
  session: Session,
  request: Request,
  type: number,
  decode: (bytes: Bytes, start: number, end: number) => T | undefined,
): T[] {
  for (let attempt = 1; ; attempt++) {
    const sequence = ++session.sequence
    putU32(request.message, 8, sequence)
    must(send(session.fd, request.message), request.describe)
    const listed: T[] = []
    let interrupted = false
    for (let done = false; !done; ) {
      const length = must(receiveAnswer(session), request.describe)
      const messages = walk(session.buffer, length)
      while (!done && nextMessage(messages)) {
        if (messageSequence(messages) !== sequence) continue
        if ((messageFlags(messages) & NLM_F_DUMP_INTR) !== 0) interrupted = true
        if (messages.type === NLMSG_DONE) {
          // Its payload is the number of an error that came in the middle.
          if (messages.end - messages.start >= 4) must(i32(messages.bytes, messages.start), request.describe)
          done = true
        } else if (messages.type === NLMSG_ERROR) {
          const { error, text } = decodeAcknowledgement(messages) ?? { error: 0, text: '' }
          if (error < 0) throw new SysError(request.describe(), error, text)
          done = true
        } else if (messages.type === type) {
          const item = decode(messages.bytes, messages.start, messages.end)
          if (item !== undefined) listed.push(item)
        }
      }
    }
    if (!interrupted || attempt === DUMP_ATTEMPTS) return listed
  }
}

/** All links of this network namespace. Throws a SysError. */
export const dumpLinks = (session: Session): Link[] => dump(session, linkDump(), RTM_NEWLINK, decodeLink)

/** All addresses of all links. Throws a SysError. */
export const dumpAddresses = (session: Session): Address[] =>
  dump(session, addressDump(), RTM_NEWADDR, decodeAddress)

/** All routes of all tables, of both families. Throws a SysError. */
export const dumpRoutes = (session: Session): Route[] => dump(session, routeDump(), RTM_NEWROUTE, decodeRoute)

/** A payload of one to four bytes as a number; 0 where it is empty, or `at` is 0. */
export function attributeNumber(bytes: Bytes, at: number): number {
  if (at === 0) return 0
  let value = 0
  for (let i = Math.min(attributeEnd(bytes, at), at + 4) - 1; i >= at; i--)
    value = value * 256 + (bytes[i] ?? 0)
  return value
}

/** A copy of the payload; undefined where `at` is 0. */
export function attributeBytes(bytes: Bytes, at: number): Bytes | undefined {
  return at === 0 ? undefined : bytes.slice(at, attributeEnd(bytes, at))
}
