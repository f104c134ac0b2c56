/** The NICs that there are, as sysfs shows them: cheaper than a dump of all that the kernel knows about each. */

import { parseDecimal, trim } from '../lib/text.ts'
import { O_CLOEXEC, O_DIRECTORY, O_RDONLY } from '../sys/flags.ts'
import { close, open, readDirectory } from '../sys/linux.ts'
import { readText } from './files.ts'

const NET = '/sys/class/net'

export interface Nic {
  /** The kernel's name for it now. */
  readonly name: string
  readonly index: number
  /** As `parseMac` writes it. */
  readonly mac: string
}

/** A NIC by its name, or undefined. */
export function findNic(name: string): Nic | undefined {
  const index = parseDecimal(trim(readText(`${NET}/${name}/ifindex`) ?? ''))
  return index === undefined
    ? undefined
    : { name, index, mac: trim(readText(`${NET}/${name}/address`) ?? '') }
}

/** All of them; the loopback, whose address is all zeros, is none. */
export function listNics(): Nic[] {
  const fd = open(NET, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  if (fd < 0) return []
  const entries = readDirectory(fd)
  close(fd)
  const nics: Nic[] = []
  if (typeof entries === 'number') return nics
  for (const { name } of entries) {
    const nic = findNic(name)
    if (nic !== undefined && nic.mac !== '00:00:00:00:00:00' && nic.mac !== '') nics.push(nic)
  }
  return nics
}

/** Whether there is a carrier. The operational state follows up to a second later; packets are taken from now on. */
export const hasCarrier = (name: string): boolean => readText(`${NET}/${name}/carrier`) === '1\n'
