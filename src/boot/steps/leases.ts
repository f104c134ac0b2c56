/**
 * The NICs with `dhcp4`: asked for when the links are up, waited for when everything else is done, renewed as long as the
 * container runs. Loaded only where a NIC wants it (see `lazy.ts`).
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
import { updateFile } from '../io/files.ts'
import { pollOrStop } from '../io/requests.ts'
import { waitingFor } from '../io/wait.ts'
import { configuredNic } from './network.ts'

/** How long a lease may take before the container starts without it, in milliseconds. The client goes on asking. */
const PATIENCE = 10_000

interface Client {
  readonly dhcp: DhcpClient
  lease: Lease | undefined
}

const clients: Client[] = []
let step: DhcpStep | undefined

/** Sends the first DISCOVERs. @returns what could not be done, in words */
export function askForLeases(wanted: DhcpStep): string[] {
  step = wanted
  const problems: string[] = []
  for (const name of wanted.nics) {
    const nic = configuredNic(name)
    if (nic === undefined) continue
    try {
      const dhcp = startDhcp(
        { nic: nic.name, index: nic.index, mac: nic.mac, hostname: wanted.hostname },
        uptime(),
      )
      clients.push({ dhcp, lease: undefined })
    } catch (error) {
      problems.push(`dhcp4 on ${nic.name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return problems
}

/** Waits until each has a lease, or for PATIENCE. @returns who has none, in words */
export function awaitLeases(): string[] {
  const deadline = uptime() + PATIENCE
  const tell = waitingFor(() => `a DHCP lease on ${missing().join(', ')}`, deadline)
  while (missing().length > 0) {
    const now = uptime()
    if (now >= deadline) break
    const wake = Math.min(deadline, leaseDeadline(), tell(now))
    pollOrStop(leaseFds(), Math.max(0, wake - now))
    handleLeases(uptime())
  }
  return missing().map(
    (name) => `${name}: no DHCP server has answered in ${PATIENCE / 1000} s; it is asked on`,
  )
}

const missing = (): string[] => clients.filter(({ lease }) => lease === undefined).map(({ dhcp }) => dhcp.nic)

export const leaseFds = (): PollFd[] => clients.map(({ dhcp }) => ({ fd: dhcp.fd, events: POLLIN }))

/** When `handleLeases` is to be called even if nothing comes, as `uptime()` counts. */
export const leaseDeadline = (): number =>
  clients.reduce((least, { dhcp }) => Math.min(least, deadlineOf(dhcp)), Number.POSITIVE_INFINITY)

/** Takes what has come and does what is due. To be called when one of `leaseFds` is ready or `leaseDeadline` is over. */
export function handleLeases(now: number): void {
  for (const client of clients) {
    try {
      const change = handle(client.dhcp, now)
      if (change !== undefined) apply(client, change.is === 'lease' ? change.lease : undefined)
    } catch (error) {
      warn(`dhcp4 on ${client.dhcp.nic}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}

function apply(client: Client, lease: Lease | undefined): void {
  const { nic, index } = client.dhcp
  const requests = leaseRequests(index, nic, lease, client.lease)
  client.lease = lease
  // With a NIC's last address the kernel takes its routes away, the configured ones too.
  for (const route of step?.routes ?? []) {
    const configured = configuredNic(route.nic)
    if (configured?.name === nic) requests.push(routeAdd({ ...route, nic, index }))
  }
  const session = openSession()
  for (const error of transact(session, requests))
    if (error !== undefined) warn(`dhcp4 on ${nic}: ${error.message}`)
  closeSession(session)
  if (lease === undefined) {
    warn(`${nic}: the DHCP lease is lost`)
    return
  }
  info(`${nic}: ${formatCidr(lease.address)} by DHCP`)
  nameServers()
  if (step?.hostname === undefined && lease.hostname !== undefined) {
    const { hostname } = lease
    must(setHostname(hostname), () => `hostname ${hostname}`)
  }
}

/** What is configured comes first, then what the leases say. */
function nameServers(): void {
  const servers: Ip[] = [...(step?.dns.servers ?? [])]
  const search = new Set(step?.dns.search)
  for (const { lease } of clients) {
    for (const ip of lease?.nameServers ?? [])
      if (!servers.some((known) => sameIp(known, ip))) servers.push(ip)
    for (const domain of lease?.searchDomains ?? []) search.add(domain)
  }
  if (servers.length === 0 && search.size === 0) return
  const done = updateFile('/etc/resolv.conf', renderResolvConf({ servers, search: [...search] }))
  debug(() => `/etc/resolv.conf ${done}`)
}
