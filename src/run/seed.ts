/** The seed: found by what its superblock says, read with bounds, and gone again before anything else is mounted. */

import { MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY } from '../lib/mount-flags.ts'
import { SysError } from '../sys/errno.ts'
import { MNT_DETACH, O_CLOEXEC, O_NONBLOCK, O_RDONLY } from '../sys/flags.ts'
import { close, mkdir, mount, open, umount } from '../sys/linux.ts'
import { debug } from './console.ts'
import { blockDevices, probe } from './device.ts'
import { readAll } from './files.ts'
import { loadModules } from './modules.ts'
import { loadFileSystem } from './mount.ts'

/** A directory of the initramfs: nobody but PID 1 sees it. */
const PLACE = '/seed'

/** The files of a NoCloud seed, as zos writes them (protocol, section 3). */
export const SEED_FILES = ['meta-data', 'network-config', 'user-data', 'zosrc'] as const
export type SeedFile = (typeof SEED_FILES)[number]

export interface Seed {
  /** `/dev/vdc` */
  readonly device: string
  readonly files: Readonly<Partial<Record<SeedFile, string>>>
}

export interface SeedSearch {
  readonly seed: Seed | undefined
  /** What was wrong with devices that are labelled as a seed, in words. */
  readonly problems: readonly string[]
}

/**
 * Looks at all disks, the last one first, since hosts attach the seed last. A data disk may bear the same label: the
 * seed is the one that holds the seed's files.
 */
export function findSeed(): SeedSearch {
  loadModules('virtio_blk')
  const problems: string[] = []
  for (const name of blockDevices().reverse()) {
    const device = `/dev/${name}`
    const superblock = probe(device)
    if (superblock === undefined || (superblock.type !== 'vfat' && superblock.type !== 'iso9660')) continue
    if (superblock.label.toLowerCase() !== 'cidata') continue
    const files = readSeed(device, superblock.type, problems)
    if (files !== undefined) return { seed: { device, files }, problems }
  }
  return { seed: undefined, problems }
}

function readSeed(device: string, type: string, problems: string[]): Seed['files'] | undefined {
  loadFileSystem(type)
  mkdir(PLACE, 0o700)
  const result = mount(device, PLACE, type, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
  if (result < 0) {
    problems.push(
      new SysError(`seed ${device}: mount as ${type}`, result, 'the disk is labelled cidata').message,
    )
    return undefined
  }
  const files: Partial<Record<SeedFile, string>> = {}
  for (const name of SEED_FILES) {
    const content = readFile(`${PLACE}/${name}`)
    if (typeof content === 'string') files[name] = content
    else if (content !== undefined)
      problems.push(new SysError(`seed ${device}: read ${name}`, content).message)
  }
  if (umount(PLACE) < 0) umount(PLACE, MNT_DETACH)
  if (Object.keys(files).length > 0) return files
  debug(() => `${device} is labelled cidata and holds no seed`)
  return undefined
}

/** The text, undefined where there is no such file, or a negative errno (-EINVAL: larger than 1 MB). */
function readFile(path: string): string | number | undefined {
  const fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  if (fd < 0) return undefined
  const content = readAll(fd)
  close(fd)
  return content
}
