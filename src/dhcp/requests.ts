/** The netlink requests that apply a lease. */

import { putU32 } from '../lib/bytes.ts'
import { covers, sameIp } from '../lib/ip.ts'
import { addressAdd, addressDelete } from '../netlink/address.ts'
import { linkChange } from '../netlink/link.ts'
import { NLM_F_REQUEST, type Request } from '../netlink/message.ts'
import { type RouteAdd, routeAdd } from '../netlink/route.ts'
import { ESRCH } from '../sys/errno.ts'
import type { Lease, LeaseRoute } from './lease.ts'

export const RTM_DELROUTE = 25

/**
 * The metric of a lease's routes, to which the link's index is added: configured routes win, and the routes of several
 * NICs do not replace one another.
 */
const METRIC = 100

/**
 * The requests that apply a lease, in order. Idempotent.
 * @param lease undefined: the previous one was lost without a new one
 * @param previous what the NIC had before: whatever the new one lacks is removed. With a NIC's last address the kernel
 * removes all its IPv4 routes
 */
export function leaseRequests(
  index: number,
  nic: string,
  lease: Lease | undefined,
  previous?: Lease,
): Request[] {
  const requests: Request[] = []
  if (previous !== undefined) requests.push(...removals(index, nic, lease, previous))
  if (lease === undefined) return requests
  if (lease.mtu !== undefined && lease.mtu !== previous?.mtu)
    requests.push(linkChange({ index, nic, mtu: lease.mtu }))
  requests.push(addressAdd({ index, nic, cidr: lease.address }))
  for (const route of lease.routes) requests.push(routeAdd(routeOf(index, nic, lease, route)))
  return requests
}

/** First of all, since the kernel deletes an address's secondary ones with it: the new one must not be among them. */
function removals(index: number, nic: string, lease: Lease | undefined, previous: Lease): Request[] {
  const requests: Request[] = []
  for (const route of previous.routes) {
    if (lease === undefined || !lease.routes.some((other) => sameDestination(other, route)))
      requests.push(routeDelete(routeOf(index, nic, previous, route)))
  }
  const { address, prefix } = previous.address
  if (lease === undefined || lease.address.prefix !== prefix || !sameIp(lease.address.address, address))
    requests.push(addressDelete({ index, nic, cidr: previous.address }))
  return requests
}

function sameDestination({ destination: a }: LeaseRoute, { destination: b }: LeaseRoute): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.prefix === b.prefix && sameIp(a.address, b.address)
}

function routeOf(
  index: number,
  nic: string,
  { address }: Lease,
  { destination, gateway }: LeaseRoute,
): RouteAdd {
  const onLink = gateway !== undefined && !covers(address, gateway)
  return { family: 4, destination, gateway, index, nic, metric: METRIC + index, onLink }
}

/** The same message with another type: the kernel deletes a route that matches all of it. */
function routeDelete(route: RouteAdd): Request {
  const { message, describe } = routeAdd(route)
  putU32(message, 4, RTM_DELROUTE | (NLM_F_REQUEST << 16))
  return { message, describe: () => describe().replace('add', 'delete'), tolerated: ESRCH }
}
