/** Summarizes a machine's configuration in one line for its log. Pure. */

import type { MachineConfig, NicConfig } from '../config/machine.ts'
import { formatCidr, formatIp } from '../lib/ip.ts'
import { brief } from '../lib/text.ts'

/** How many of a kind are named; the rest are counted. */
const NAMED = 8

/** `eth0 10.0.0.2/24, eth1 DHCP; name servers 8.8.8.8, 1.1.1.1; mounts /data; 2 SSH keys`; '' if there is nothing to say. */
export function summarize({ nics, dns, mounts, authorizedKeys }: MachineConfig): string {
  const parts: string[] = []
  if (nics.length > 0) parts.push(list(nics.map(describeNic)))
  if (dns.servers.length > 0) parts.push(`name servers ${list(dns.servers.map(formatIp))}`)
  if (mounts.length > 0) parts.push(`mounts ${list(mounts.map(({ target }) => brief(target)))}`)
  const keys = authorizedKeys.length
  if (keys > 0) parts.push(keys === 1 ? '1 SSH key' : `${keys} SSH keys`)
  return parts.join('; ')
}

function list(items: readonly string[]): string {
  const more = items.length - NAMED
  return more > 0 ? `${items.slice(0, NAMED).join(', ')} and ${more} more` : items.join(', ')
}

function describeNic({ name, setName, addresses, dhcp4 }: NicConfig): string {
  let text = setName ?? name
  for (const cidr of addresses) text += ` ${formatCidr(cidr)}`
  return dhcp4 === true ? `${text} DHCP` : text
}
