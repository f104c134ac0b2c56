/** NICs, addresses and routes, in two messages to the kernel: everything but routes, then the routes. */

import { linkLocalOf } from '../lib/ip.ts'
import { addressAdd } from '../netlink/address.ts'
import { dumpLinks } from '../netlink/dump.ts'
import { IFF_LOOPBACK, type Link, linkChange } from '../netlink/link.ts'
import type { Request } from '../netlink/message.ts'
import { routeAdd } from '../netlink/route.ts'
import { closeSession, openSession, type Session, transact } from '../netlink/session.ts'
import { type AnnounceStep, describeRoute, type NetworkStep, type NicStep } from '../plan/step.ts'
import { stat, uptime } from '../sys/linux.ts'
import { debug } from './console.ts'
import { readText, writeValue } from './files.ts'
import { loadModules } from './modules.ts'
import { LINKS, waitFor } from './wait.ts'

/** How long a link may take until it carries traffic, in milliseconds. Virtual ones need a few. */
const CARRIER_PATIENCE = 1000

/** How long a NIC that is not there yet is waited for, in milliseconds. A network is no reason not to start. */
const NIC_PATIENCE = 5000

/** The links that were brought up: what their announcement wants to know. */
const configured = new Map<string, { readonly index: number; readonly mac: string | undefined }>()

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
  const hasIpv6 = typeof stat('/proc/sys/net/ipv6') !== 'number'
  if (hasIpv6 && nics.length > 0) writeValue('/proc/sys/net/ipv6/conf/all/ndisc_notify', '1')
  for (const nic of nics) {
    const link = links.find(({ name }) => name === nic.name)
    if (link === undefined) continue
    requests.push(...linkRequests(link, nic, hasIpv6))
    configured.set(nic.name, { index: link.index, mac: link.mac })
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
    () => missing.map(({ name }) => name).join(', '),
  )
  return { links, missing }
}

/**
 * Addresses first: when the link goes up, the kernel announces those that it has (arp_notify, ndisc_notify). Where
 * addresses are given, routers are not asked for more, and the link-local address is ours as well: the kernel's own
 * would be held back for a second or more by duplicate address detection, and with it what is sent to fe80:: gateways.
 */
function linkRequests({ index, mac, name }: Link, { addresses }: NicStep, hasIpv6: boolean): Request[] {
  const isStatic = addresses.length > 0
  const ownLinkLocal = isStatic && hasIpv6 && mac !== undefined
  if (hasIpv6) writeValue(`/proc/sys/net/ipv6/conf/${name}/${isStatic ? 'accept_ra' : 'accept_dad'}`, '0')
  const requests = [
    linkChange({ index, nic: name, arpNotify: true, ...(ownLinkLocal && { linkLocal: false }) }),
  ]
  for (const cidr of addresses) requests.push(addressAdd({ index, nic: name, cidr }))
  if (ownLinkLocal) requests.push(addressAdd({ index, nic: name, cidr: linkLocalOf(mac) }))
  requests.push(linkChange({ index, nic: name, up: true }))
  return requests
}

/**
 * Waits until the links carry traffic, which the kernel finds out some milliseconds after they went up, and then has the
 * kernel announce their addresses: gratuitous ARP (RFC 5227) and unsolicited neighbour advertisement (RFC 4861, 7.2.6).
 * It does so when a link goes up as well, but what is sent without a carrier is lost. Setting the Ethernet address that a
 * link has makes it do it once more (inetdev_event and ndisc_netdev_event, NETDEV_CHANGEADDR).
 * @returns which links have no carrier, in words
 */
export function announce({ nics }: AnnounceStep): string[] {
  const there = nics.filter((name) => configured.has(name))
  let waiting = there
  waitFor(
    () => {
      waiting = waiting.filter((name) => readText(`/sys/class/net/${name}/carrier`) !== '1\n')
      return waiting.length === 0 ? true : undefined
    },
    uptime() + CARRIER_PATIENCE,
    () => `a carrier on ${waiting.join(', ')}`,
    LINKS,
  )
  const requests: Request[] = []
  for (const name of there) {
    const link = configured.get(name)
    if (link !== undefined && !waiting.includes(name)) requests.push(linkChange({ ...link, nic: name }))
  }
  const session = openSession()
  // A NIC that refuses has announced itself when it went up, or nobody can make it.
  for (const error of transact(session, requests)) if (error !== undefined) debug(() => error.message)
  closeSession(session)
  return waiting.map((name) => `${name} has no carrier: is it connected on the host?`)
}
