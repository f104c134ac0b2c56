/** NICs, addresses and routes, in two messages to the kernel: everything but routes, then the routes. */

import { linkLocalOf } from '../../lib/ip.ts'
import { addressAdd } from '../../netlink/address.ts'
import { linkChange, linkGet } from '../../netlink/link.ts'
import type { Request } from '../../netlink/message.ts'
import { routeAdd } from '../../netlink/route.ts'
import { closeSession, openSession, type Session, transact } from '../../netlink/session.ts'
import {
  type AnnounceStep,
  describeNic,
  describeRoute,
  type NetworkStep,
  type NicStep,
} from '../../plan/step.ts'
import { stat, uptime } from '../../sys/linux.ts'
import { debug } from '../io/console.ts'
import { writeValue } from '../io/files.ts'
import { loadModules } from '../io/modules.ts'
import { pollOrStop } from '../io/requests.ts'
import { waitFor } from '../io/wait.ts'
import { findNic, hasCarrier, listNics, type Nic } from './nics.ts'

/** How long a link may take until it carries traffic, in milliseconds. Virtual ones need a few. */
const CARRIER_PATIENCE = 1000

/** The first nap until a carrier is looked for again, in milliseconds; twice as long each time. */
const CARRIER_NAP = 1

/** How long a NIC that is not there yet is waited for, in milliseconds. A network is no reason not to start. */
const NIC_PATIENCE = 5000

/** The kernel's first link in every network namespace (LOOPBACK_IFINDEX). */
const LO_INDEX = 1

/** NICs by their configured names, each with the name that the kernel has for it now. */
export type Nics = Map<string, Nic>

/**
 * @param configured the NICs that are found are added to them
 * @returns what could not be done, in words; everything else was done
 */
export function configureNetwork(step: NetworkStep, configured: Nics): string[] {
  if (step.nics.length > 0) loadModules('virtio_net', 'af_packet')
  const session = openSession()
  try {
    return configure(session, step, configured)
  } finally {
    closeSession(session)
  }
}

function configure(session: Session, { nics, routes }: NetworkStep, configured: Nics): string[] {
  const problems = findNics(nics, configured)
  renameNics(session, nics, configured, problems)

  const requests = [linkChange({ index: LO_INDEX, nic: 'lo', up: true })]
  const hasIpv6 = typeof stat('/proc/sys/net/ipv6') !== 'number'
  for (const step of nics) {
    const nic = configured.get(step.name)
    if (nic !== undefined) addLinkRequests(requests, nic, step, hasIpv6)
  }
  tell(session, requests, problems)

  const routeRequests: Request[] = []
  for (const route of routes) {
    const nic = configured.get(route.nic) ?? findNic(route.nic)
    if (nic === undefined) problems.push(`route ${describeRoute(route)}: no NIC ${route.nic}; skipped`)
    else routeRequests.push(routeAdd({ ...route, nic: nic.name, index: nic.index }))
  }
  tell(session, routeRequests, problems)
  return problems
}

function tell(session: Session, requests: readonly Request[], problems: string[]): void {
  if (requests.length === 0) return
  for (const error of transact(session, requests)) if (error !== undefined) problems.push(error.message)
}

/** Finds them all, or after NIC_PATIENCE those that there are. @returns which are missing, in words */
function findNics(nics: readonly NicStep[], configured: Nics): string[] {
  let missing = nics
  waitFor(
    () => {
      // One that is known by its MAC is looked for among all; those are looked at once.
      const all = missing.some(({ mac }) => mac !== undefined) ? listNics() : []
      missing = missing.filter((step) => !isFound(step, all, configured))
      return missing.length === 0 ? true : undefined
    },
    uptime() + NIC_PATIENCE,
    () => missing.map(describeNic).join(', '),
  )
  if (missing.length === 0) return []
  const there = listNics().map(({ name, mac }) => `${name} (${mac})`)
  const listing = there.length === 0 ? 'the machine has no NICs' : `found ${there.join(', ')}`
  return missing.map(
    ({ name, mac }) =>
      `${name}: no NIC ${mac === undefined ? 'with this name' : `with the MAC ${mac}`} after ${NIC_PATIENCE / 1000} s; ${listing}`,
  )
}

function isFound({ name, mac }: NicStep, all: readonly Nic[], configured: Nics): boolean {
  const nic = mac === undefined ? findNic(name) : all.find((candidate) => candidate.mac === mac)
  if (nic !== undefined) configured.set(name, nic)
  return nic !== undefined
}

interface Rename {
  /** What the configuration calls it. */
  readonly name: string
  readonly nic: Nic
  readonly to: string
}

/**
 * `set-name`. A name may be one that another NIC has until it gets its own, so such NICs first go by one that nobody has.
 * Links are still down, as older kernels want it. A NIC that can't be renamed keeps the name that it has.
 */
function renameNics(session: Session, steps: readonly NicStep[], configured: Nics, problems: string[]): void {
  const wanted = steps.flatMap(({ name, setName }): Rename[] => {
    const nic = configured.get(name)
    return nic === undefined || setName === undefined || setName === nic.name
      ? []
      : [{ name, nic, to: setName }]
  })
  if (wanted.length === 0) return
  const renames = withoutTaken(wanted, problems)
  const aside = renames.filter(({ to }) => findNic(to) !== undefined)
  const requests = [
    ...aside.map(({ nic }) => linkChange({ index: nic.index, nic: nic.name, name: `zm${nic.index}` })),
    ...renames.map(({ nic, to }) => linkChange({ index: nic.index, nic: nic.name, name: to })),
  ]
  tell(session, requests, problems)
  for (const { name, nic, to } of renames) {
    const isRenamed = findNic(to)?.index === nic.index
    // The kernel has refused, which has been told: back from the name that nobody has.
    if (!isRenamed) transact(session, [linkChange({ index: nic.index, name: nic.name })])
    const now = isRenamed ? to : listNics().find(({ index }) => index === nic.index)?.name
    configured.set(name, { ...nic, name: now ?? nic.name })
  }
}

/** Without those whose name belongs to a NIC that keeps it: one that is not renamed, or is not renamed either. */
function withoutTaken(wanted: readonly Rename[], problems: string[]): readonly Rename[] {
  const isTaken = ({ to }: Rename, at: number): boolean => {
    const holder = findNic(to)
    const isKept = holder !== undefined && !wanted.some(({ nic }) => nic.index === holder.index)
    return isKept || wanted.findIndex((other) => other.to === to) < at
  }
  const taken = wanted.filter(isTaken)
  for (const { nic, to } of taken)
    problems.push(`set ${nic.name} name ${to}: another NIC has this name; it stays ${nic.name}`)
  return taken.length === 0
    ? wanted
    : withoutTaken(
        wanted.filter((rename) => !taken.includes(rename)),
        problems,
      )
}

/**
 * Addresses first: when the link goes up, the kernel announces those that it has (arp_notify, ndisc_notify). Where
 * addresses are given, routers are not asked for more, and the link-local address is ours as well: the kernel's own
 * would be held back for a second or more by duplicate address detection, and with it what is sent to fe80:: gateways.
 */
function addLinkRequests(
  requests: Request[],
  { index, mac, name }: Nic,
  step: NicStep,
  hasIpv6: boolean,
): void {
  const { addresses, mtu } = step
  const isStatic = addresses.length > 0
  const ownLinkLocal = isStatic && hasIpv6 && mac.length === 17
  if (hasIpv6) {
    // Not for `all`: the loopback would announce its own address, of which the kernel complains.
    writeValue(`/proc/sys/net/ipv6/conf/${name}/ndisc_notify`, '1')
    writeValue(`/proc/sys/net/ipv6/conf/${name}/${isStatic ? 'accept_ra' : 'accept_dad'}`, '0')
  }
  requests.push(
    linkChange({ index, nic: name, mtu, arpNotify: true, ...(ownLinkLocal && { linkLocal: false }) }),
  )
  for (const cidr of addresses) requests.push(addressAdd({ index, nic: name, cidr }))
  if (ownLinkLocal) requests.push(addressAdd({ index, nic: name, cidr: linkLocalOf(mac) }))
  requests.push(linkChange({ index, nic: name, up: true }))
}

/**
 * Waits until the links carry traffic, which the kernel finds out some milliseconds after they went up, and then has the
 * kernel announce their addresses: gratuitous ARP (RFC 5227) and unsolicited neighbour advertisement (RFC 4861, 7.2.6).
 * It does so when a link goes up as well, but what is sent without a carrier is lost. Setting the Ethernet address that a
 * link has makes it do it once more (inetdev_event and ndisc_netdev_event, NETDEV_CHANGEADDR). Asking for a link first
 * brings its state up to date (rtnl_getlink, since Linux 6.9), for which the kernel takes up to a second otherwise.
 * @returns which links have no carrier, in words
 */
export function announce({ nics }: AnnounceStep, configured: ReadonlyMap<string, Nic>): string[] {
  const known = nics.flatMap((name) => configured.get(name) ?? [])
  const requests = known.flatMap(({ index, name, mac }) => [
    linkGet(index),
    linkChange({ index, nic: name, mac }),
  ])
  const waiting = awaitCarriers(known)
  const session = openSession()
  // A NIC that refuses has announced itself when it went up, or nobody can make it.
  for (const error of transact(session, requests)) if (error !== undefined) debug(() => error.message)
  closeSession(session)
  return waiting.map(({ name }) => `${name} has no carrier: is it connected on the host?`)
}

/**
 * Looks again and again: the kernel's own announcement of a carrier comes up to a second after there is one
 * (net/core/link_watch.c).
 * @returns those that have none after CARRIER_PATIENCE
 */
function awaitCarriers(nics: readonly Nic[]): readonly Nic[] {
  const deadline = uptime() + CARRIER_PATIENCE
  let waiting = nics
  for (let nap = CARRIER_NAP; ; nap *= 2) {
    waiting = waiting.filter(({ name }) => !hasCarrier(name))
    const left = deadline - uptime()
    if (waiting.length === 0 || left <= 0) return waiting
    pollOrStop([], Math.min(nap, left))
  }
}
