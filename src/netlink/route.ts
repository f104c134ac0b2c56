/** Routes of the main table: RTM_NEWROUTE and its like (rtnetlink(7), linux/rtnetlink.h). */

import { type Cidr, type Family, formatCidr, formatIp, type Ip, network } from '../lib/ip.ts'
import { EEXIST } from '../sys/errno.ts'
import { AF_INET, AF_INET6 } from '../sys/flags.ts'
import {
  buildMessage,
  FAMILY_HEADER,
  finishMessage,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  putAttribute,
  putU32Attribute,
  type Request,
} from './message.ts'

export const RTM_NEWROUTE = 24
export const RTA_DST = 1
export const RTA_OIF = 4
export const RTA_GATEWAY = 5
export const RTA_PRIORITY = 6
export const RT_TABLE_MAIN = 254
/** Set by the administrator. Routing daemons remove RTPROT_BOOT when they start, and leave this alone. */
export const RTPROT_STATIC = 4
export const RT_SCOPE_UNIVERSE = 0
export const RT_SCOPE_LINK = 253
export const RTN_UNICAST = 1
export const RTNH_F_ONLINK = 4

/** struct rtmsg: family, lengths of destination and source, tos, table, protocol, scope, type (u8 each), flags (at 8). */
const RTMSG_LEN = 12

export interface RouteAdd {
  readonly family: Family
  /** undefined: default */
  readonly destination: Cidr | undefined
  readonly gateway?: Ip | undefined
  /** The link; by default the kernel finds it by the gateway. */
  readonly index?: number | undefined
  /** For error messages; default: the index. */
  readonly nic?: string | undefined
  /** The lowest wins; default: 0 for IPv4, 1024 for IPv6. */
  readonly metric?: number | undefined
  /** The gateway is on the link, though no prefix covers it. */
  readonly onLink?: boolean
  /** Adds to a route of the same destination and metric, instead of replacing it. */
  readonly append?: boolean
}

/** Adds a route, or replaces the one of the same destination and metric. Idempotent. */
export function routeAdd(route: RouteAdd): Request {
  const { family, destination, gateway, index, metric, onLink, append } = route
  const flags = NLM_F_CREATE | (append === true ? NLM_F_APPEND : NLM_F_REPLACE)
  const builder = buildMessage(RTM_NEWROUTE, flags, RTMSG_LEN / 4)
  const { words } = builder
  words[FAMILY_HEADER] = (family === 6 ? AF_INET6 : AF_INET) | ((destination?.prefix ?? 0) << 8)
  // An IPv4 route without a gateway reaches only its link; IPv6 ignores the scope.
  const scope = gateway === undefined ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE
  words[FAMILY_HEADER + 1] = RT_TABLE_MAIN | (RTPROT_STATIC << 8) | (scope << 16) | (RTN_UNICAST << 24)
  if (onLink === true) words[FAMILY_HEADER + 2] = RTNH_F_ONLINK
  // The kernel rejects an IPv4 destination with host bits set.
  if (destination !== undefined) putAttribute(builder, RTA_DST, network(destination).address)
  if (gateway !== undefined) putAttribute(builder, RTA_GATEWAY, gateway)
  if (index !== undefined) putU32Attribute(builder, RTA_OIF, index)
  if (metric !== undefined) putU32Attribute(builder, RTA_PRIORITY, metric)
  const request: Request = {
    message: finishMessage(builder),
    describe: () => `add route ${describeRoute(route)}`,
  }
  // A route that exists can't be appended again.
  return append === true ? { ...request, tolerated: EEXIST } : request
}

/** As ip-route(8) prints it. */
function describeRoute({ destination, gateway, index, nic, metric, onLink }: RouteAdd): string {
  let text = destination === undefined ? 'default' : formatCidr(destination)
  if (gateway !== undefined) text += ` via ${formatIp(gateway)}`
  if (nic !== undefined || index !== undefined) text += ` dev ${nic ?? `link ${index}`}`
  if (metric !== undefined) text += ` metric ${metric}`
  if (onLink === true) text += ' onlink'
  return text
}
