/** What a lease asks of the kernel. */

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
 * The metric of a lease's routes, to which the link's index is added: a route that is configured wins over them, and those of several
 * NICs do not replace one another.
 */
const METRIC = 100

/**
 * The requests that put a lease into the kernel, in order. The same lease twice is as once.
 * @param lease undefined: the previous one was lost, and nothing stands instead of it
 * @param previous what the NIC had before: what of it is not in the new one is taken away. With its last address the kernel
 * takes away all IPv4 routes of a NIC
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

/** First of all, since the kernel takes an address's secondary ones away with it: the new one must not be among them. */
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

/** The same message with another type: the kernel looks for a route that has all that it says. */
function routeDelete(route: RouteAdd): Request {
  const { message, describe } = routeAdd(route)
  putU32(message, 4, RTM_DELROUTE | (NLM_F_REQUEST << 16))
  return { message, describe: () => describe().replace('add', 'delete'), tolerated: ESRCH }
}
