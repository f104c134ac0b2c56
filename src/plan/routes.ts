/** Finds the NIC of each route as the kernel would, and marks gateways as on-link if the kernel would refuse them. Pure. */

import type { MachineConfig, NicConfig } from '../config/machine.ts'
import { routeKey } from '../config/merge.ts'
import { type Cidr, covers, formatIp, type Ip, ipKey, isIpv6, isLinkLocal } from '../lib/ip.ts'
import type { PlannedRoute } from './step.ts'

export interface PlannedRoutes {
  readonly routes: readonly PlannedRoute[]
  /** Routes without a NIC, in words. */
  readonly problems: readonly string[]
}

interface Reach {
  readonly nic: string
  readonly prefix: Cidr
}

/**
 * A gateway's NIC is the one whose prefix (an address' or a device route's) covers it, the longest first. A gateway
 * that none covers is taken as on-link at the first NIC with an address of its family, which is what hosts with
 * /32 and link-local gateways mean. Routes through a device come first: gateways may depend on them.
 */
export function planRoutes(config: Pick<MachineConfig, 'nics' | 'routes'>): PlannedRoutes {
  const reach: Reach[] = []
  for (const { name, addresses } of config.nics) {
    for (const prefix of addresses) reach.push({ nic: name, prefix })
  }
  for (const { nic, gateway, destination } of config.routes) {
    if (nic !== undefined && gateway === undefined && destination !== undefined)
      reach.push({ nic, prefix: destination })
  }

  const problems: string[] = []
  const seen = new Set<string>()
  const direct: PlannedRoute[] = []
  const indirect: PlannedRoute[] = []
  for (const route of config.routes) {
    const { destination, family, gateway, metric } = route
    const covering = gateway === undefined ? undefined : longest(reach, gateway, route.nic)
    const nic =
      covering ?? route.nic ?? (gateway === undefined ? undefined : firstOfFamily(config.nics, gateway))
    if (nic === undefined) {
      problems.push(
        gateway === undefined
          ? 'a route has neither a gateway nor a NIC'
          : `no NIC has an IPv${family} address, so ${formatIp(gateway)} can't be reached`,
      )
      continue
    }
    // The kernel identifies routes by destination and metric.
    const key = routeKey(route)
    const whole = gateway === undefined ? `${key} ${nic}` : `${key} ${nic} ${ipKey(gateway)}`
    if (seen.has(whole)) continue
    const append = seen.has(key)
    seen.add(whole)
    seen.add(key)
    const onLink =
      gateway !== undefined && (route.onLink || (covering === undefined && !isNeighbour(gateway)))
    const planned = { destination, family, gateway, nic, metric, onLink, append }
    if (gateway === undefined) direct.push(planned)
    else indirect.push(planned)
  }
  return { routes: [...direct, ...indirect], problems }
}

const firstOfFamily = (nics: readonly NicConfig[], ip: Ip): string | undefined =>
  nics.find(({ addresses }) => addresses.some(({ address }) => address.length === ip.length))?.name

/** IPv6 knows that link-local neighbours are on the link. */
const isNeighbour = (ip: Ip): boolean => isIpv6(ip) && isLinkLocal(ip)

/** The NIC whose prefix covers the gateway, the longest prefix first; fe80::/10 is on every link and decides nothing. */
function longest(reach: readonly Reach[], gateway: Ip, nic: string | undefined): string | undefined {
  let best: Reach | undefined
  for (const candidate of reach) {
    if (nic !== undefined && candidate.nic !== nic) continue
    if (!covers(candidate.prefix, gateway)) continue
    if (best === undefined || candidate.prefix.prefix > best.prefix.prefix) best = candidate
  }
  return best?.nic
}
