/** Reads NICs from sysfs, which is cheaper than a dump over netlink. */

import { parseDecimal, trim } from '../../lib/text.ts'
import { listNames, readText } from '../io/files.ts'

const NET = '/sys/class/net'

export interface Nic {
  /** The kernel's present name for it. */
  readonly name: string
  readonly index: number
  /** As returned by `parseMac`. */
  readonly mac: string
}

/** A NIC by its name, or undefined. */
export function findNic(name: string): Nic | undefined {
  const index = parseDecimal(trim(readText(`${NET}/${name}/ifindex`) ?? ''))
  return index === undefined
    ? undefined
    : { name, index, mac: trim(readText(`${NET}/${name}/address`) ?? '') }
}

/** All NICs. The loopback, whose address is all zeros, isn't one. */
export function listNics(): Nic[] {
  const nics: Nic[] = []
  for (const name of listNames(NET) ?? []) {
    const nic = findNic(name)
    if (nic !== undefined && nic.mac !== '00:00:00:00:00:00' && nic.mac !== '') nics.push(nic)
  }
  return nics
}

/** Whether the link has a carrier and takes packets. The operational state follows up to a second later. */
export const hasCarrier = (name: string): boolean => readText(`${NET}/${name}/carrier`) === '1\n'
