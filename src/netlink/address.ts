/** Addresses of interfaces: RTM_NEWADDR and its like (rtnetlink(7), linux/if_addr.h). */

import type { Bytes } from '../lib/bytes.ts'
import { type Cidr, formatCidr, isIpv6 } from '../lib/ip.ts'
import { AF_INET, AF_INET6 } from '../sys/flags.ts'
import {
  buildMessage,
  FAMILY_HEADER,
  finishMessage,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  putAttribute,
  type Request,
} from './message.ts'

export const RTM_NEWADDR = 20
export const RTM_DELADDR = 21
export const IFA_ADDRESS = 1
export const IFA_LOCAL = 2
export const IFA_BROADCAST = 4
export const IFA_F_NODAD = 0x02

const EADDRNOTAVAIL = 99

/** struct ifaddrmsg: family, prefix length, flags, scope (u8 each), index (at 4). */
const IFADDRMSG_LEN = 8

export interface AddressAdd {
  readonly index: number
  readonly cidr: Cidr
  /** For error messages; default: the index. */
  readonly nic?: string
}

/**
 * Adds an address, unless it is there already. IPv6: without duplicate address detection (RFC 4862, 5.4 allows that), so
 * that it is usable at once, even if it is added before the link goes up.
 */
export function addressAdd({ index, cidr, nic }: AddressAdd): Request {
  const { address, prefix } = cidr
  const ipv6 = isIpv6(address)
  const builder = buildMessage(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, IFADDRMSG_LEN / 4)
  const { words } = builder
  words[FAMILY_HEADER] = (ipv6 ? AF_INET6 | (IFA_F_NODAD << 16) : AF_INET) | (prefix << 8)
  words[FAMILY_HEADER + 1] = index
  putAttribute(builder, IFA_LOCAL, address)
  putAttribute(builder, IFA_ADDRESS, address)
  // RFC 3021: a network of two addresses has no broadcast address.
  if (!ipv6 && prefix < 31) putAttribute(builder, IFA_BROADCAST, broadcast(cidr))
  return {
    message: finishMessage(builder),
    describe: () => `add address ${formatCidr(cidr)} to ${nic ?? `link ${index}`}`,
  }
}

/** Deletes an address, and with it the route to its network. It is not an error if there is no such address. */
export function addressDelete({ index, cidr, nic }: AddressAdd): Request {
  const { address, prefix } = cidr
  const builder = buildMessage(RTM_DELADDR, 0, IFADDRMSG_LEN / 4)
  const { words } = builder
  words[FAMILY_HEADER] = (isIpv6(address) ? AF_INET6 : AF_INET) | (prefix << 8)
  words[FAMILY_HEADER + 1] = index
  putAttribute(builder, IFA_LOCAL, address)
  // With it, the kernel matches the prefix as well.
  putAttribute(builder, IFA_ADDRESS, address)
  return {
    message: finishMessage(builder),
    describe: () => `delete address ${formatCidr(cidr)} from ${nic ?? `link ${index}`}`,
    tolerated: EADDRNOTAVAIL,
  }
}

function broadcast({ address, prefix }: Cidr): Bytes {
  const all = new Uint8Array(address)
  for (let i = prefix >> 3; i < 4; i++)
    all[i] = (all[i] ?? 0) | (i === prefix >> 3 ? 0xff >> (prefix & 7) : 0xff)
  return all
}
