/** Network interfaces: RTM_NEWLINK and its like (rtnetlink(7), linux/if_link.h). */

import { type Bytes, i32, u32 } from '../lib/bytes.ts'
import { AF_INET, AF_INET6 } from '../sys/flags.ts'
import {
  attributeNumber,
  attributeText,
  beginNested,
  buildMessage,
  endNested,
  finishMessage,
  NLM_F_DUMP,
  nested,
  nextAttribute,
  putTextAttribute,
  putU32Attribute,
  putWord,
  type Request,
  walk,
} from './message.ts'

export const RTM_NEWLINK = 16
export const RTM_DELLINK = 17
export const RTM_GETLINK = 18
export const RTM_SETLINK = 19
/** The multicast group of a session's `openMonitor` that tells of links. */
export const RTMGRP_LINK = 1
export const IFF_UP = 1
export const IFF_LOOPBACK = 8
export const IFLA_ADDRESS = 1
export const IFLA_IFNAME = 3
export const IFLA_MTU = 4
export const IFLA_OPERSTATE = 16
export const IFLA_LINKINFO = 18
export const IFLA_AF_SPEC = 26
export const IFLA_EXT_MASK = 29
export const IFLA_INFO_KIND = 1
export const IFLA_INET_CONF = 1
export const IPV4_DEVCONF_ARP_NOTIFY = 22
export const IFLA_INET6_ADDR_GEN_MODE = 8
export const IN6_ADDR_GEN_MODE_NONE = 1
export const RTEXT_FILTER_SKIP_STATS = 8

/** struct ifinfomsg: family, type (u16 at 2), index (at 4), flags (at 8), which flags change (at 12). */
const IFINFOMSG_LEN = 16

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

export interface LinkChange {
  readonly index: number
  /** For the error text; the index where it is left out. */
  readonly nic?: string
  readonly up?: boolean
  readonly mtu?: number | undefined
  /** A new name, of at most 15 bytes. The kernel takes it only while the link is down (before Linux 6.2). */
  readonly name?: string | undefined
  /** Whether the kernel announces its IPv4 addresses (gratuitous ARP) when the link goes up. */
  readonly arpNotify?: boolean
  /** Whether the kernel gives the link an fe80:: address of its own; only where the kernel has IPv6. */
  readonly linkLocal?: boolean
}

/** All links, without their counters, which would be most of the answer. */
export function linkDump(): Request {
  const builder = buildMessage(RTM_GETLINK, NLM_F_DUMP)
  putIfinfomsg(builder, 0, 0, 0)
  putU32Attribute(builder, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
  return { message: finishMessage(builder), describe: () => 'list links' }
}

/**
 * One RTM_SETLINK. Within one message older kernels bring the link up before they apply what else it asks for:
 * send `up` as a request of its own, behind the addresses.
 */
export function linkChange(change: LinkChange): Request {
  const { index, up, mtu, name, arpNotify, linkLocal } = change
  const builder = buildMessage(RTM_SETLINK, 0)
  putIfinfomsg(builder, index, up === true ? IFF_UP : 0, up === undefined ? 0 : IFF_UP)
  if (mtu !== undefined) putU32Attribute(builder, IFLA_MTU, mtu)
  if (name !== undefined) putTextAttribute(builder, IFLA_IFNAME, name)
  if (arpNotify !== undefined || linkLocal !== undefined) {
    const families = beginNested(builder, IFLA_AF_SPEC)
    if (arpNotify !== undefined) {
      const inet = beginNested(builder, AF_INET)
      const conf = beginNested(builder, IFLA_INET_CONF)
      putU32Attribute(builder, IPV4_DEVCONF_ARP_NOTIFY, arpNotify ? 1 : 0)
      endNested(builder, conf)
      endNested(builder, inet)
    }
    if (linkLocal !== undefined) {
      const inet6 = beginNested(builder, AF_INET6)
      // A u8: its attribute is five bytes long, and the padding is the word's rest.
      putWord(builder, 5 | (IFLA_INET6_ADDR_GEN_MODE << 16))
      putWord(builder, linkLocal ? 0 : IN6_ADDR_GEN_MODE_NONE)
      endNested(builder, inet6)
    }
    endNested(builder, families)
  }
  return { message: finishMessage(builder), describe: () => describeChange(change) }
}

function describeChange({ index, nic, up, mtu, name, arpNotify, linkLocal }: LinkChange): string {
  let text = `set ${nic ?? `link ${index}`}`
  if (up !== undefined) text += up ? ' up' : ' down'
  if (mtu !== undefined) text += ` mtu ${mtu}`
  if (name !== undefined) text += ` name ${name}`
  if (arpNotify !== undefined) text += ` arp_notify ${arpNotify ? 1 : 0}`
  if (linkLocal !== undefined) text += ` addrgenmode ${linkLocal ? 'eui64' : 'none'}`
  return text
}

function putIfinfomsg(
  builder: ReturnType<typeof buildMessage>,
  index: number,
  flags: number,
  mask: number,
): void {
  putWord(builder, 0)
  putWord(builder, index)
  putWord(builder, flags)
  putWord(builder, mask)
}

/** The payload of an RTM_NEWLINK or RTM_DELLINK message; undefined where it is too short. */
export function decodeLink(bytes: Bytes, start: number, end: number): Link | undefined {
  if (end - start < IFINFOMSG_LEN) return undefined
  let name = ''
  let mac: string | undefined
  let mtu = 0
  let operstate = 0
  let kind: string | undefined
  const attributes = walk(bytes, start + IFINFOMSG_LEN, end)
  while (nextAttribute(attributes)) {
    switch (attributes.type) {
      case IFLA_IFNAME:
        name = attributeText(attributes)
        break
      case IFLA_ADDRESS:
        mac = formatMac(bytes, attributes.start, attributes.end)
        break
      case IFLA_MTU:
        mtu = attributeNumber(attributes)
        break
      case IFLA_OPERSTATE:
        operstate = attributeNumber(attributes)
        break
      case IFLA_LINKINFO: {
        const info = nested(attributes)
        while (nextAttribute(info)) if (info.type === IFLA_INFO_KIND) kind = attributeText(info)
      }
    }
  }
  return { index: i32(bytes, start + 4), name, mac, mtu, flags: u32(bytes, start + 8), operstate, kind }
}

const ETH_ALEN = 6

function formatMac(bytes: Bytes, start: number, end: number): string | undefined {
  if (end - start !== ETH_ALEN) return undefined
  let text = ''
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0
    text += `${at === start ? '' : ':'}${byte < 16 ? '0' : ''}${byte.toString(16)}`
  }
  return text
}
