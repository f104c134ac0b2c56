/** One attempt to mount something, and what a failure means. */

import { MS_RDONLY } from '../../lib/mount-flags.ts'
import { EACCES, EINVAL, ENODEV, ENOENT, ENOTDIR, ENXIO, EROFS } from '../../sys/errno.ts'
import { mount } from '../../sys/linux.ts'
import { warn } from '../io/console.ts'
import type { Disk } from '../io/device.ts'
import { loadModules, type Modules } from '../io/modules.ts'

export interface Mountable {
  readonly source: string
  /** An existing directory. */
  readonly target: string
  /** `auto`: probed. */
  readonly type: string
  readonly flags: number
  readonly data: string
  /** Whether its file system is to be grown to its disk; left out for the root. */
  readonly grow?: boolean
}

export interface Mounted {
  readonly type: string
  readonly readOnly: boolean
  /** The disk, if it was probed. */
  readonly disk?: Disk
}

/** File systems that are always read-only. */
const READ_ONLY_TYPES: readonly string[] = ['erofs', 'squashfs', 'iso9660']

/** Mounts, read-only if the device or file system can't be written. Returns a negative errno if that fails too. */
export function tryMount(what: Mountable): Mounted | number {
  const { source, target, type, flags } = what
  const data = type === '9p' ? nineP(what.data) : what.data
  const result = mount(source, target, type, flags, data)
  const readOnly = (flags & MS_RDONLY) !== 0
  const sealed = READ_ONLY_TYPES.includes(type)
  // Some of these accept to be mounted writable, and then aren't.
  if (result >= 0) return { type, readOnly: readOnly || sealed }
  if (readOnly || (result !== -EROFS && result !== -EACCES)) return result
  const again = mount(source, target, type, flags | MS_RDONLY, data)
  // EROFS even so: it has to be written to, for a journal.
  if (again < 0) return again === -EROFS ? again : result
  if (!sealed) warn(`${source} is write-protected: mounted read-only on ${target}`)
  return { type, readOnly: true }
}

/** Adds 9p's transport here, virtio, and the version of its protocol for Linux. */
function nineP(data: string): string {
  return ['trans=virtio', 'version=9p2000.L', ...(data === '' ? [] : [data])].join(',')
}

export function loadFileSystem(modules: Modules, type: string): void {
  if (type === '9p') loadModules(modules, '9pnet_virtio', '9p')
  else if (type === 'iso9660') loadModules(modules, 'isofs')
  else if (type === 'vfat') loadModules(modules, 'vfat', 'nls_cp437', 'nls_ascii', 'nls_iso8859_1')
  else loadModules(modules, type)
}

export function hint(result: number, type: string): string {
  switch (-result) {
    case ENODEV:
      return `this kernel has no ${type}`
    case EINVAL:
      return `not a valid ${type} file system, or an unknown option`
    case EROFS:
      return 'it was not unmounted cleanly and needs repair: attach it writable once'
    case ENXIO:
    case ENOENT:
      return 'the device is gone'
    case ENOTDIR:
      return 'the target is not a directory'
    default:
      return ''
  }
}

/** For the end of a message. */
export const listing = (what: string, found: readonly string[]): string =>
  found.length === 0 ? `there are no ${what}` : `${what} found: ${found.join(', ')}`
