/** Finds block devices by path, `LABEL=` or `UUID=`, and identifies what they hold. */

import { S_IFBLK, S_IFMT } from '../../lib/file-mode.ts'
import { identify, type Superblock } from '../../lib/superblock.ts'
import { O_CLOEXEC, O_RDONLY, SEEK_END } from '../../sys/flags.ts'
import { close, lseek, open, pread, stat } from '../../sys/linux.ts'
import { listNames } from './files.ts'
import { DISK_PATIENCE, watch } from './watchdog.ts'

/**
 * `/dev/…`, `LABEL=…` or `UUID=…`. Everything else is the tag of a share, `/dev/root` too: no driver has a device of this
 * name, and it is what older hosts call the root's share.
 */
export const isDeviceSource = (source: string): boolean =>
  (source.startsWith('/dev/') && source !== '/dev/root') ||
  source.startsWith('LABEL=') ||
  source.startsWith('UUID=')

/** The device's path once it is there, or undefined. */
export function findDevice(source: string): string | undefined {
  if (source.startsWith('LABEL=')) {
    const label = unquoted(source.slice('LABEL='.length))
    return findBySuperblock((superblock) => superblock.label === label)
  }
  if (source.startsWith('UUID=')) {
    const uuid = unquoted(source.slice('UUID='.length)).toLowerCase()
    return findBySuperblock((superblock) => superblock.uuid.toLowerCase() === uuid)
  }
  const found = stat(source)
  return typeof found !== 'number' && (found.mode & S_IFMT) === S_IFBLK ? source : undefined
}

const unquoted = (text: string): string =>
  text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text

function findBySuperblock(matches: (superblock: Superblock) => boolean): string | undefined {
  for (const name of blockDevices()) {
    const superblock = probe(`/dev/${name}`)
    if (superblock !== undefined && matches(superblock)) return `/dev/${name}`
  }
  return undefined
}

export interface Labelled {
  readonly path: string
  readonly type: string
}

/** Disks with the FAT or ISO 9660 label of a NoCloud seed, in either case. The last disk first: hosts attach the seed last. */
export function seedDisks(): Labelled[] {
  const found: Labelled[] = []
  for (const name of blockDevices().reverse()) {
    const path = `/dev/${name}`
    watch(path, DISK_PATIENCE)
    const superblock = probe(path)
    if (superblock === undefined || superblock.label.toLowerCase() !== 'cidata') continue
    const { type } = superblock
    if (type === 'vfat' || type === 'iso9660') found.push({ path, type })
  }
  return found
}

/** The sorted names of all disks and partitions but memory-backed ones: `vda`, `vda1`, `vdb`. */
export function blockDevices(): string[] {
  return (listNames('/sys/class/block') ?? [])
    .map((name) => name.split('!').join('/'))
    .filter((name) => !name.startsWith('loop') && !name.startsWith('ram') && !name.startsWith('zram'))
    .sort()
}

/** A device's superblock, or undefined if it has no known one, or can't be read. */
export function probe(path: string): Superblock | undefined {
  const fd = open(path, O_RDONLY | O_CLOEXEC)
  if (fd < 0) return undefined
  const found = probeOpen(fd)
  close(fd)
  return found
}

const probeOpen = (fd: number): Superblock | undefined =>
  identify((offset, length) => {
    const bytes = new Uint8Array(length)
    // What can't be read stays zero, which is no magic number.
    pread(fd, bytes, offset)
    return bytes
  })

export interface Disk {
  readonly superblock: Superblock
  /** In bytes. */
  readonly size: number
}

/** What a device holds and how large it is, or undefined as `probe`. */
export function probeDisk(path: string): Disk | undefined {
  const fd = open(path, O_RDONLY | O_CLOEXEC)
  if (fd < 0) return undefined
  const superblock = probeOpen(fd)
  const size = superblock === undefined ? 0 : lseek(fd, 0, SEEK_END)
  close(fd)
  return superblock === undefined ? undefined : { superblock, size }
}

/** Why a device can't be read, as a negative errno; 0 if it can. */
export function readError(path: string): number {
  const fd = open(path, O_RDONLY | O_CLOEXEC)
  if (fd < 0) return fd
  const count = pread(fd, new Uint8Array(512), 0)
  close(fd)
  return Math.min(count, 0)
}
