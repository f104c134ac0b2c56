/** Network interfaces: RTM_NEWLINK and its like (rtnetlink(7), linux/if_link.h). */

import { macBytes } from '../lib/ip.ts'
import { AF_INET, AF_INET6 } from '../sys/flags.ts'
import {
  beginNested,
  buildMessage,
  endNested,
  FAMILY_HEADER,
  finishMessage,
  putAttribute,
  putTextAttribute,
  putU8Attribute,
  putU32Attribute,
  type Request,
} from './message.ts'

export const RTM_GETLINK = 18
export const RTM_SETLINK = 19
/** The multicast group for changes of links (`openMonitor`). */
export const RTMGRP_LINK = 1
export const IFF_UP = 1
export const IFLA_ADDRESS = 1
export const IFLA_IFNAME = 3
export const IFLA_MTU = 4
export const IFLA_AF_SPEC = 26
export const IFLA_INET_CONF = 1
export const IPV4_DEVCONF_ARP_NOTIFY = 22
export const IFLA_INET6_ADDR_GEN_MODE = 8
export const IN6_ADDR_GEN_MODE_NONE = 1

/** struct ifinfomsg: family, type (u16 at 2), index (at 4), flags (at 8), which flags change (at 12). */
const IFINFOMSG_LEN = 16

export interface LinkChange {
  readonly index: number
  /** For error messages; default: the index. */
  readonly nic?: string
  readonly up?: boolean
  readonly mtu?: number | undefined
  /** A new name of at most 15 bytes. Before Linux 6.2, a link can be renamed only while it is down. */
  readonly name?: string | undefined
  /** The Ethernet address, as returned by `parseMac`. Setting the present one makes the kernel announce the link. */
  readonly mac?: string | undefined
  /** Whether the kernel announces its IPv4 addresses (gratuitous ARP) when the link goes up. */
  readonly arpNotify?: boolean
  /** Whether the kernel gives the link an fe80:: address; set it only if the kernel has IPv6. */
  readonly linkLocal?: boolean
}

/** One link, by its index. */
export function linkGet(index: number): Request {
  const builder = buildMessage(RTM_GETLINK, 0, IFINFOMSG_LEN / 4)
  builder.words[FAMILY_HEADER + 1] = index
  return { message: finishMessage(builder), describe: () => `ask for link ${index}` }
}

/**
 * One RTM_SETLINK. Older kernels bring the link up before they apply the rest of the message: send `up` as a separate
 * request, after the addresses.
 */
export function linkChange(change: LinkChange): Request {
  const { index, up, mtu, name, mac, arpNotify, linkLocal } = change
  const builder = buildMessage(RTM_SETLINK, 0, IFINFOMSG_LEN / 4)
  const { words } = builder
  words[FAMILY_HEADER + 1] = index
  if (up !== undefined) {
    words[FAMILY_HEADER + 2] = up ? IFF_UP : 0
    words[FAMILY_HEADER + 3] = IFF_UP
  }
  if (mtu !== undefined) putU32Attribute(builder, IFLA_MTU, mtu)
  if (name !== undefined) putTextAttribute(builder, IFLA_IFNAME, name)
  if (mac !== undefined) putAttribute(builder, IFLA_ADDRESS, macBytes(mac))
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
      putU8Attribute(builder, IFLA_INET6_ADDR_GEN_MODE, linkLocal ? 0 : IN6_ADDR_GEN_MODE_NONE)
      endNested(builder, inet6)
    }
    endNested(builder, families)
  }
  return { message: finishMessage(builder), describe: () => describeChange(change) }
}

function describeChange({ index, nic, up, mtu, name, mac, arpNotify, linkLocal }: LinkChange): string {
  let text = `set ${nic ?? `link ${index}`}`
  if (up !== undefined) text += up ? ' up' : ' down'
  if (mtu !== undefined) text += ` mtu ${mtu}`
  if (name !== undefined) text += ` name ${name}`
  if (mac !== undefined) text += ` address ${mac}`
  if (arpNotify !== undefined) text += ` arp_notify ${arpNotify ? 1 : 0}`
  if (linkLocal !== undefined) text += ` addrgenmode ${linkLocal ? 'eui64' : 'none'}`
  return text
}
