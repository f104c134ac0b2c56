/**
 * Leases for the NICs with `dhcp4`: requested when the links are up, awaited when everything else is done, renewed as long
 * as the container runs. Loaded only if a NIC wants one (see `lazy.ts`).
 */

import { type DhcpClient, deadlineOf, handle, startDhcp } from '../../dhcp/dhcp.ts'
import type { Lease } from '../../dhcp/lease.ts'
import { leaseRequests } from '../../dhcp/requests.ts'
import { formatCidr, type Ip, sameIp } from '../../lib/ip.ts'
import { routeAdd } from '../../netlink/route.ts'
import { closeSession, openSession, transact } from '../../netlink/session.ts'
import { renderResolvConf } from '../../plan/resolv-conf.ts'
import type { DhcpStep } from '../../plan/step.ts'
import { must } from '../../sys/errno.ts'
import { POLLIN } from '../../sys/flags.ts'
import { type PollFd, setHostname, uptime } from '../../sys/linux.ts'
import { debug, info, warn } from '../io/console.ts'
import { pollOrStop } from '../io/requests.ts'
import { waitNotice } from '../io/wait.ts'
import { updateFile } from './file.ts'
import type { Nic } from './nics.ts'

/** How long a lease may take before the container starts without it, in milliseconds. The client keeps trying. */
const PATIENCE = 10_000

interface Client {
  readonly dhcp: DhcpClient
  lease: Lease | undefined
}

/** Started by `requestLeases`; the supervisor keeps them renewed. */
export interface Leases {
  readonly step: DhcpStep
  readonly nics: ReadonlyMap<string, Nic>
  readonly clients: Client[]
  /** resolv.conf has a lease's name servers. */
  wroteNameServers: boolean
}

/**
 * Sends the first DISCOVERs.
 * @param nics by their configured names
 * @param problems collects what failed, in words
 */
export function requestLeases(step: DhcpStep, nics: ReadonlyMap<string, Nic>, problems: string[]): Leases {
  const clients: Client[] = []
  for (const configured of step.nics) {
    const nic = nics.get(configured)
    if (nic === undefined) continue
    try {
      const { name, index, mac } = nic
      const dhcp = startDhcp({ nic: name, index, mac, hostname: step.hostname }, uptime())
      clients.push({ dhcp, lease: undefined })
    } catch (error) {
      problems.push(`dhcp4 on ${nic.name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return { step, nics, clients, wroteNameServers: false }
}

/** Waits until each NIC has a lease, or for PATIENCE. @returns which have none, in words */
export function awaitLeases(leases: Leases): string[] {
  const missing = (): string[] =>
    leases.clients.filter(({ lease }) => lease === undefined).map(({ dhcp }) => dhcp.nic)
  const deadline = uptime() + PATIENCE
  const notice = waitNotice(() => `a DHCP lease on ${missing().join(', ')}`, deadline)
  while (missing().length > 0) {
    const now = uptime()
    if (now >= deadline) break
    const wake = Math.min(deadline, leaseDeadline(leases), notice(now))
    pollOrStop(leaseFds(leases), Math.max(0, wake - now))
    handleLeases(leases, uptime())
  }
  return missing().map((name) => `${name}: no DHCP server answered within ${PATIENCE / 1000} s; still trying`)
}

export const leaseFds = ({ clients }: Leases): PollFd[] =>
  clients.map(({ dhcp }) => ({ fd: dhcp.fd, events: POLLIN }))

/** When `handleLeases` has to be called even if nothing arrives, as `uptime()` counts. */
export const leaseDeadline = ({ clients }: Leases): number =>
  clients.reduce((least, { dhcp }) => Math.min(least, deadlineOf(dhcp)), Number.POSITIVE_INFINITY)

/** Handles what arrived and what is due. To be called when one of `leaseFds` is ready, or at `leaseDeadline`. */
export function handleLeases(leases: Leases, now: number): void {
  for (const client of leases.clients) {
    try {
      const change = handle(client.dhcp, now)
      if (change !== undefined) apply(leases, client, change.is === 'lease' ? change.lease : undefined)
    } catch (error) {
      warn(`dhcp4 on ${client.dhcp.nic}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}

/** @param lease undefined if the previous one was lost */
function apply(leases: Leases, client: Client, lease: Lease | undefined): void {
  const { step, nics } = leases
  const { nic, index } = client.dhcp
  const requests = leaseRequests(index, nic, lease, client.lease)
  client.lease = lease
  // With a NIC's last address the kernel removes all its routes, configured ones too.
  for (const route of step.routes)
    if (nics.get(route.nic)?.name === nic) requests.push(routeAdd({ ...route, nic, index }))
  const session = openSession()
  for (const error of transact(session, requests))
    if (error !== undefined) warn(`dhcp4 on ${nic}: ${error.message}`)
  closeSession(session)
  if (lease === undefined) warn(`${nic}: the DHCP lease is lost`)
  else info(`${nic}: ${formatCidr(lease.address)} by DHCP`)
  writeNameServers(leases)
  if (step.hostname === undefined && lease?.hostname !== undefined) {
    const { hostname } = lease
    must(setHostname(hostname), () => `hostname ${hostname}`)
  }
}

/** The configured ones first, then the leases'. Those of a lost lease go, even if none is left. */
function writeNameServers(leases: Leases): void {
  const { dns } = leases.step
  const servers: Ip[] = [...dns.servers]
  const search = new Set(dns.search)
  for (const { lease } of leases.clients) {
    for (const ip of lease?.nameServers ?? [])
      if (!servers.some((known) => sameIp(known, ip))) servers.push(ip)
    for (const domain of lease?.searchDomains ?? []) search.add(domain)
  }
  // Until a lease has some, the image's own file stays.
  if (servers.length === 0 && search.size === 0 && !leases.wroteNameServers) return
  leases.wroteNameServers = true
  const done = updateFile('/etc/resolv.conf', renderResolvConf({ servers, search: [...search] }))
  debug(() => `/etc/resolv.conf ${done}`)
}
