/** Configures NICs, addresses and routes, in two messages to the kernel: everything but routes, then the routes. */

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
import { loadModules, type Modules } from '../io/modules.ts'
import { pollOrStop } from '../io/requests.ts'
import { waitFor } from '../io/wait.ts'
import { findNic, hasCarrier, listNics, type Nic } from './nics.ts'

/** How long a link may take to get a carrier, in milliseconds. Virtual ones need a few. */
const CARRIER_PATIENCE = 1000

/** The first nap between two looks for a carrier, in milliseconds; it doubles each time. */
const CARRIER_NAP = 1

/** How long to wait for a missing NIC, in milliseconds. The container starts without it. */
const NIC_PATIENCE = 5000

/** The loopback's index in every network namespace (LOOPBACK_IFINDEX). */
const LO_INDEX = 1

/** NICs by their configured names, with the kernel's present ones. */
export type Nics = Map<string, Nic>

/**
 * @param configured collects the NICs that are found
 * @returns what failed, in words; the rest is done
 */
export function configureNetwork(step: NetworkStep, configured: Nics, modules: Modules): string[] {
  if (step.nics.length > 0) loadModules(modules, 'virtio_net', 'af_packet')
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
  request(session, requests, problems)

  const routeRequests: Request[] = []
  for (const route of routes) {
    const nic = configured.get(route.nic) ?? findNic(route.nic)
    if (nic === undefined) problems.push(`route ${describeRoute(route)}: no NIC ${route.nic}; skipped`)
    else routeRequests.push(routeAdd({ ...route, nic: nic.name, index: nic.index }))
  }
  request(session, routeRequests, problems)
  return problems
}

function request(session: Session, requests: readonly Request[], problems: string[]): void {
  if (requests.length === 0) return
  for (const error of transact(session, requests)) if (error !== undefined) problems.push(error.message)
}

/** Finds the NICs, waiting up to NIC_PATIENCE. @returns which are missing, in words */
function findNics(nics: readonly NicStep[], configured: Nics): string[] {
  let missing = nics
  waitFor(
    () => {
      // NICs with a MAC are searched among all, which are listed once.
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
  /** In the configuration. */
  readonly name: string
  readonly nic: Nic
  readonly to: string
}

/**
 * Applies `set-name`. If another NIC has the name until it is renamed itself, ours gets a temporary one first. Links are
 * still down, as older kernels require. A NIC that can't be renamed keeps its name.
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
  request(session, requests, problems)
  for (const { name, nic, to } of renames) {
    const isRenamed = findNic(to)?.index === nic.index
    // The kernel refused, which is reported already: away from the temporary name.
    if (!isRenamed) transact(session, [linkChange({ index: nic.index, name: nic.name })])
    const now = isRenamed ? to : listNics().find(({ index }) => index === nic.index)?.name
    configured.set(name, { ...nic, name: now ?? nic.name })
  }
}

/** Without renames to the name of a NIC that keeps it, be it that its own rename is left out here. */
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
 * Addresses first: when the link goes up, the kernel announces those that it has (arp_notify, ndisc_notify). With
 * configured addresses, router advertisements are ignored, and we add the link-local address too: the kernel's own would
 * be tentative for a second or more, and fe80:: gateways unreachable.
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
    // Not for `all`: the loopback would announce its own address, and the kernel would complain.
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
 * Waits until the links have a carrier, some milliseconds after they went up, and then has the kernel announce their
 * addresses: gratuitous ARP (RFC 5227) and unsolicited neighbour advertisement (RFC 4861, 7.2.6).
 * It does that when a link goes up, but without a carrier the packets are lost. Setting a link's present Ethernet address
 * makes it do it again (inetdev_event and ndisc_netdev_event, NETDEV_CHANGEADDR). Asking for a link first
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
  // Not a problem: the kernel announced the NIC when it went up.
  for (const error of transact(session, requests)) if (error !== undefined) debug(() => error.message)
  closeSession(session)
  return waiting.map(({ name }) => `${name} has no carrier: is it connected on the host?`)
}

/**
 * Looks repeatedly: the kernel reports a carrier up to a second late (net/core/link_watch.c).
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
