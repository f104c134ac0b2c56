/** NICs, addresses and routes, in two messages to the kernel: everything but routes, then the routes. */

import { addressAdd } from '../netlink/address.ts'
import { dumpLinks } from '../netlink/dump.ts'
import { IFF_LOOPBACK, type Link, linkChange } from '../netlink/link.ts'
import type { Request } from '../netlink/message.ts'
import { routeAdd } from '../netlink/route.ts'
import { closeSession, openSession, type Session, transact } from '../netlink/session.ts'
import { describeRoute, type NetworkStep, type NicStep } from '../plan/step.ts'
import { uptime } from '../sys/linux.ts'
import { writeValue } from './files.ts'
import { loadModules } from './modules.ts'
import { waitFor } from './wait.ts'

/** How long a NIC that is not there yet is waited for, in milliseconds. A network is no reason not to start. */
const NIC_PATIENCE = 5000

/** @returns what could not be done, in words; everything else was done */
export function configureNetwork(step: NetworkStep): string[] {
  if (step.nics.length > 0) loadModules('virtio_net')
  const session = openSession()
  try {
    return configure(session, step)
  } finally {
    closeSession(session)
  }
}

function configure(session: Session, { nics, routes }: NetworkStep): string[] {
  const problems: string[] = []
  const { links, missing } = findLinks(session, nics)
  for (const { name } of missing) {
    const there = links
      .filter(({ flags }) => (flags & IFF_LOOPBACK) === 0)
      .map((link) => `${link.name} (${link.mac})`)
    problems.push(
      `${name}: no such NIC after ${NIC_PATIENCE / 1000} s; ${there.length === 0 ? 'there is none at all' : `there are ${there.join(', ')}`}`,
    )
  }

  const requests: Request[] = []
  const indexes = new Map<string, number>()
  for (const link of links) {
    if ((link.flags & IFF_LOOPBACK) !== 0)
      requests.push(linkChange({ index: link.index, nic: link.name, up: true }))
    indexes.set(link.name, link.index)
  }
  for (const { name, addresses } of nics) {
    const index = indexes.get(name)
    if (index === undefined) continue
    settle(name, addresses.length > 0)
    // Addresses first: when the link goes up, the kernel announces those that it has (arp_notify, ndisc_notify).
    requests.push(linkChange({ index, nic: name, arpNotify: true }))
    for (const cidr of addresses) requests.push(addressAdd({ index, nic: name, cidr }))
    requests.push(linkChange({ index, nic: name, up: true }))
  }
  tell(session, requests, problems)

  const routeRequests: Request[] = []
  for (const route of routes) {
    const index = indexes.get(route.nic)
    if (index === undefined) problems.push(`route ${describeRoute(route)}: skipped, there is no ${route.nic}`)
    else routeRequests.push(routeAdd({ ...route, index }))
  }
  tell(session, routeRequests, problems)
  return problems
}

function tell(session: Session, requests: readonly Request[], problems: string[]): void {
  for (const error of transact(session, requests)) if (error !== undefined) problems.push(error.message)
}

/** All links once each wanted one is there, or what there is after NIC_PATIENCE. */
function findLinks(session: Session, nics: readonly NicStep[]): { links: Link[]; missing: NicStep[] } {
  let links: Link[] = []
  let missing: NicStep[] = []
  waitFor(
    () => {
      links = dumpLinks(session)
      missing = nics.filter(({ name }) => !links.some((link) => link.name === name))
      return missing.length === 0 ? true : undefined
    },
    uptime() + NIC_PATIENCE,
    nics.map(({ name }) => name).join(', '),
  )
  return { links, missing }
}

/**
 * Before the link goes up: no duplicate address detection, which would hold IPv6 addresses back for a second or more;
 * announce IPv6 addresses; and where addresses are given, take none from routers. Best effort: without IPv6 in the
 * kernel there is nothing to settle.
 */
function settle(name: string, isStatic: boolean): void {
  const conf = `/proc/sys/net/ipv6/conf/${name}`
  if (writeValue(`${conf}/accept_dad`, '0') < 0) return
  writeValue(`${conf}/ndisc_notify`, '1')
  if (!isStatic) return
  writeValue(`${conf}/accept_ra`, '0')
  writeValue(`${conf}/autoconf`, '0')
}
