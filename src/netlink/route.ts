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
/** The administrator's. Routing daemons throw RTPROT_BOOT away when they start, and leave this alone. */
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
  /** The link; where it is left out the kernel finds it by the gateway. */
  readonly index?: number | undefined
  /** For the error text; the index where it is left out. */
  readonly nic?: string | undefined
  /** Lower wins; where it is left out, 0 with IPv4 and 1024 with IPv6. */
  readonly metric?: number | undefined
  /** The gateway is on the link although no prefix says so. */
  readonly onLink?: boolean
  /** Beside a route of the same destination and metric, not instead of it. */
  readonly append?: boolean
}

/** Adds a route, or replaces the one of the same destination and metric: once or twice, the result is the same. */
export function routeAdd(route: RouteAdd): Request {
  const { family, destination, gateway, index, metric, onLink, append } = route
  const flags = NLM_F_CREATE | (append === true ? NLM_F_APPEND : NLM_F_REPLACE)
  const builder = buildMessage(RTM_NEWROUTE, flags, RTMSG_LEN / 4)
  const { words } = builder
  words[FAMILY_HEADER] = (family === 6 ? AF_INET6 : AF_INET) | ((destination?.prefix ?? 0) << 8)
  // IPv4 has no next hop to ask for on a route without gateway; IPv6 ignores the scope.
  const scope = gateway === undefined ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE
  words[FAMILY_HEADER + 1] = RT_TABLE_MAIN | (RTPROT_STATIC << 8) | (scope << 16) | (RTN_UNICAST << 24)
  if (onLink === true) words[FAMILY_HEADER + 2] = RTNH_F_ONLINK
  // The kernel refuses an IPv4 destination with a host's bits set.
  if (destination !== undefined) putAttribute(builder, RTA_DST, network(destination).address)
  if (gateway !== undefined) putAttribute(builder, RTA_GATEWAY, gateway)
  if (index !== undefined) putU32Attribute(builder, RTA_OIF, index)
  if (metric !== undefined) putU32Attribute(builder, RTA_PRIORITY, metric)
  const request: Request = {
    message: finishMessage(builder),
    describe: () => `add route ${describeRoute(route)}`,
  }
  // A route that is there already can't be appended once more.
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
