/** Renders resolv.conf(5). Pure. */

import type { MachineConfig } from '../config/machine.ts'
import { formatIp } from '../lib/ip.ts'

/** Name servers in their order. The C library uses the first three. */
export function renderResolvConf({ servers, search }: MachineConfig['dns']): string {
  let text = search.length === 0 ? '' : `search ${search.join(' ')}\n`
  for (const ip of servers) text += `nameserver ${formatIp(ip)}\n`
  return text
}
