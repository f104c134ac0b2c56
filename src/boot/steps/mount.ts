/** Mounting a disk or a share: the root's and the user's alike. */

import { MS_RDONLY } from '../../lib/mount-flags.ts'
import { quote, trim } from '../../lib/text.ts'
import type { MountStep, PseudoStep } from '../../plan/step.ts'
import {
  EACCES,
  EBADMSG,
  EBUSY,
  EINVAL,
  EIO,
  ENODEV,
  ENOENT,
  ENOTDIR,
  ENXIO,
  EROFS,
  EUCLEAN,
  must,
  SysError,
} from '../../sys/errno.ts'
import { AT_SYMLINK_NOFOLLOW } from '../../sys/flags.ts'
import { chmod, chown, mkdir, mount, stat } from '../../sys/linux.ts'
import { warn } from '../io/console.ts'
import {
  blockDevices,
  type Disk,
  findDevice,
  isDeviceSource,
  probe,
  probeDisk,
  readError,
} from '../io/device.ts'
import { listDirectories, listNames, makeDirectories, readText } from '../io/files.ts'
import { loadModules } from '../io/modules.ts'
import { waitFor } from '../io/wait.ts'

export interface Mountable {
  readonly source: string
  /** Where it must be mounted; a directory that exists. */
  readonly target: string
  /** `auto` where it is to be found out. */
  readonly type: string
  readonly flags: number
  readonly data: string
  /** Its disk is looked at, to be grown to; left out for the root. */
  readonly grow?: boolean
}

export interface Mounted {
  readonly type: string
  readonly readOnly: boolean
  /** The disk, where it was looked at. */
  readonly disk?: Disk
}

/**
 * Mounts a pseudo file system. One that the kernel mounted already (devtmpfs, where CONFIG_DEVTMPFS_MOUNT is on)
 * is fine.
 */
export function mountPseudo(step: PseudoStep): void {
  const { source, target, type, flags, data, optional, keepsDirectories } = step
  const made = makeDirectories(target)
  if (made < 0 && optional) return
  must(made, () => `mkdir ${target}`)
  const kept = keepsDirectories === true ? directoriesIn(target) : []
  const result = mount(source, target, type, flags, data)
  if (result >= 0) {
    for (const { path, mode, uid, gid } of kept) {
      mkdir(path, 0o755)
      chown(path, uid, gid)
      chmod(path, mode & 0o7777)
    }
    return
  }
  if (result === -EBUSY) return
  // Options that an older kernel does not know are worth less than the mount.
  if (result === -EINVAL && data !== '' && mount(source, target, type, flags) >= 0) return
  if (optional && (result === -ENODEV || result === -ENOENT)) return
  throw new SysError(`mount ${type} on ${target}`, result)
}

/** As many as an image has a use for; hostile ones end here. */
const MOST_DIRECTORIES = 100

interface Directory {
  readonly path: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** The directories below one, parents first; files are nothing that a fresh machine should find in /run. */
function directoriesIn(top: string): Directory[] {
  const found: Directory[] = []
  const pending = [top]
  for (const parent of pending) {
    for (const name of listDirectories(parent)) {
      const path = `${parent}/${name}`
      const status = stat(path, AT_SYMLINK_NOFOLLOW)
      if (typeof status === 'number' || found.length >= MOST_DIRECTORIES) continue
      found.push({ path, mode: status.mode, uid: status.uid, gid: status.gid })
      pending.push(path)
    }
  }
  return found
}

/** Mounts what the user asked for: makes the target, waits for the source. Throws with what was tried. */
export function mountStep(step: MountStep, deadline: number): Mounted {
  must(makeDirectories(step.target), () => `mkdir ${step.target} for ${step.source}`)
  return mountWhenThere(step, deadline)
}

/** Waits for the source until the deadline (as `uptime()` counts) and mounts it. */
export function mountWhenThere(what: Mountable, deadline: number): Mounted {
  const isDevice = isDeviceSource(what.source) && what.type !== 'virtiofs' && what.type !== '9p'
  return isDevice ? mountDevice(what, deadline) : mountShare(what, deadline)
}

function mountDevice(what: Mountable, deadline: number): Mounted {
  const { source, target, type } = what
  loadModules('virtio_blk')
  const path = waitFor(
    () => findDevice(source),
    deadline,
    () => source,
  )
  if (path === undefined) {
    throw new Error(
      `mount ${source} on ${target}: no such disk; ${listing(
        'disks',
        blockDevices().map((name) => `/dev/${name}`),
      )}`,
    )
  }
  const mayGrow = what.grow === true && GROWING_TYPES.includes(type)
  const disk = type === 'auto' || mayGrow ? probeDisk(path) : undefined
  const found = type === 'auto' ? disk?.superblock.type : type
  const unreadable = found === undefined ? readError(path) : 0
  if (unreadable < 0)
    throw new SysError(`mount ${path} on ${target}`, unreadable, 'nothing can be read of the disk')
  if (found === undefined) {
    throw new Error(
      `mount ${path} on ${target}: no file system that is known here (ext4, btrfs, xfs, vfat, iso9660, erofs, squashfs); is the disk formatted?`,
    )
  }
  loadFileSystem(found)
  const attempt = tryMount({ ...what, source: path, type: found })
  if (typeof attempt !== 'number') return disk === undefined ? attempt : { ...attempt, disk }
  throw new SysError(
    `mount ${path} on ${target} as ${found}`,
    attempt,
    diskHint(attempt, path, found, what.data),
  )
}

/** File systems that can grow with their disk; those of other types need no look at it. */
const GROWING_TYPES: readonly string[] = ['ext4', 'btrfs', 'xfs']

/** What is wrong with a disk, as far as its superblock and the options tell. */
function diskHint(result: number, path: string, type: string, data: string): string {
  const held = probe(path)?.type
  if (result === -ENODEV || held === undefined) return hint(result, type)
  if (held !== type) return `the disk holds ${held}, not ${type}`
  const isDamaged = [EINVAL, EUCLEAN, EIO, EBADMSG].includes(-result)
  if (!isDamaged) return hint(result, type)
  const option =
    result === -EINVAL && data !== '' ? `it does not know one of the options ${quote(data)}, or ` : ''
  return `${option}the file system is damaged: check it on the host by fsck.${type}; the kernel's own words are above`
}

/** A virtiofs or 9p tag. Without a type virtiofs is tried first: it is what hosts use. */
function mountShare(what: Mountable, deadline: number): Mounted {
  const { source, target, type } = what
  const types = type === 'auto' ? ['virtiofs', '9p'] : [type]
  for (const candidate of types) loadFileSystem(candidate)
  let last = -ENOENT
  const mounted = waitFor(
    () => {
      const attempt = tryTypes(what, types)
      if (typeof attempt === 'number') last = attempt
      return typeof attempt === 'number' ? undefined : attempt
    },
    deadline,
    () => `the share ${quote(source)}`,
  )
  if (mounted !== undefined) return mounted
  throw new SysError(
    `mount ${quote(source)} on ${target}, tried as ${types.join(' and ')}`,
    last,
    `no share has this tag${listTags()}`,
  )
}

/**
 * Tries each type once.
 * @returns the negative errno of one that knows no such tag, which may still appear
 * @throws SysError where one has the tag and refuses, or the kernel has none of the types: that will not get better
 */
function tryTypes(what: Mountable, types: readonly string[]): Mounted | number {
  const { source, target, data } = what
  let absent = 0
  let refusal: SysError | undefined
  let unknown: SysError | undefined
  for (const type of types) {
    const attempt = tryMount({ ...what, type })
    if (typeof attempt !== 'number') return attempt
    const call = `mount ${quote(source)} on ${target} as ${type}`
    if (attempt === -EINVAL && data !== '' && shareTags()?.includes(source) === true)
      throw new SysError(call, attempt, `it does not know one of the options ${quote(data)}`)
    if (isAbsent(type, attempt)) absent = attempt
    else if (attempt === -ENODEV) unknown ??= new SysError(call, attempt, hint(attempt, type))
    else refusal ??= new SysError(call, attempt, hint(attempt, type))
  }
  if (refusal !== undefined) throw refusal
  if (unknown !== undefined && absent === 0) throw unknown
  return absent
}

/** Whether this is the answer for a tag that no device has (virtio_fs_get_tree, p9_virtio_create). */
const isAbsent = (type: string, result: number): boolean =>
  result === -ENOENT || (result === -EINVAL && type === 'virtiofs')

/** File systems that can't be written, wherever they are. */
const READ_ONLY_TYPES: readonly string[] = ['erofs', 'squashfs', 'iso9660']

/** Mounts, read-only where the device or file system can't be written. The negative errno where that fails too. */
function tryMount(what: Mountable): Mounted | number {
  const { source, target, type, flags } = what
  const data = type === '9p' ? nineP(what.data) : what.data
  const result = mount(source, target, type, flags, data)
  const readOnly = (flags & MS_RDONLY) !== 0
  const sealed = READ_ONLY_TYPES.includes(type)
  // Some of these are content to be mounted for writing, and then are not.
  if (result >= 0) return { type, readOnly: readOnly || sealed }
  if (readOnly || (result !== -EROFS && result !== -EACCES)) return result
  const again = mount(source, target, type, flags | MS_RDONLY, data)
  // EROFS now: what it would need is to be written to.
  if (again < 0) return again === -EROFS ? again : result
  if (!sealed) warn(`${source} is write-protected: mounted read-only on ${target}`)
  return { type, readOnly: true }
}

/** 9p's transport is virtio here, and its newest protocol is the one that knows Linux' files. */
function nineP(data: string): string {
  return ['trans=virtio', 'version=9p2000.L', ...(data === '' ? [] : [data])].join(',')
}

export function loadFileSystem(type: string): void {
  if (type === '9p') loadModules('9pnet_virtio', '9p')
  else if (type === 'iso9660') loadModules('isofs')
  else if (type === 'vfat') loadModules('vfat', 'nls_cp437', 'nls_ascii', 'nls_iso8859_1')
  else loadModules(type)
}

function hint(result: number, type: string): string {
  switch (-result) {
    case ENODEV:
      return `this kernel has no ${type}`
    case EINVAL:
      return `not a valid ${type} file system, or an option that it does not know`
    case EROFS:
      return 'it was not unmounted cleanly and needs repair: attach it writable once'
    case ENXIO:
    case ENOENT:
      return 'the device has gone'
    case ENOTDIR:
      return 'the target is not a directory'
    default:
      return ''
  }
}

const listing = (what: string, found: readonly string[]): string =>
  found.length === 0 ? `there are no ${what}` : `the ${what} there are: ${found.join(', ')}`

/** The tags of all virtiofs devices; undefined where the kernel does not tell (before Linux 6.9). */
function shareTags(): string[] | undefined {
  return listNames('/sys/fs/virtiofs')?.flatMap((name) => {
    const tag = readText(`/sys/fs/virtiofs/${name}/tag`)
    return tag === undefined ? [] : [trim(tag)]
  })
}

/** For the end of an error. */
function listTags(): string {
  const tags = shareTags()
  return tags === undefined ? '' : `; ${listing('tags', tags.map(quote))}`
}
