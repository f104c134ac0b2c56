/** Mounts a disk or a share, the root or one of the user's, once it is there. */

import { quote } from '../../lib/text.ts'
import type { MountStep } from '../../plan/step.ts'
import { EBADMSG, EINVAL, EIO, ENODEV, EUCLEAN, must, SysError } from '../../sys/errno.ts'
import { blockDevices, findDevice, isDeviceSource, probe, probeDisk, readError } from '../io/device.ts'
import { makeDirectories } from '../io/files.ts'
import { loadModules, type Modules } from '../io/modules.ts'
import { waitFor } from '../io/wait.ts'
import { hint, listing, loadFileSystem, type Mountable, type Mounted, tryMount } from './mount-attempt.ts'
import { mountShare } from './mount-share.ts'

/** Mounts a disk or share of the user's: makes the target, waits for the source. Throws with what was tried. */
export function mountStep(step: MountStep, deadline: number, modules: Modules): Mounted {
  must(makeDirectories(step.target), () => `mkdir ${step.target} for ${step.source}`)
  return mountWhenThere(step, deadline, modules)
}

/** Waits for the source until the deadline (as `uptime()` counts) and mounts it. */
export function mountWhenThere(what: Mountable, deadline: number, modules: Modules): Mounted {
  const isDevice = isDeviceSource(what.source) && what.type !== 'virtiofs' && what.type !== '9p'
  return isDevice ? mountDevice(what, deadline, modules) : mountShare(what, deadline, modules)
}

function mountDevice(what: Mountable, deadline: number, modules: Modules): Mounted {
  const { source, target, type } = what
  loadModules(modules, 'virtio_blk')
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
  if (unreadable < 0) throw new SysError(`mount ${path} on ${target}`, unreadable, "the disk can't be read")
  if (found === undefined) {
    throw new Error(
      `mount ${path} on ${target}: no known file system (ext4, btrfs, xfs, vfat, iso9660, erofs, squashfs); is the disk formatted?`,
    )
  }
  loadFileSystem(modules, found)
  const attempt = tryMount({ ...what, source: path, type: found })
  if (typeof attempt !== 'number') return disk === undefined ? attempt : { ...attempt, disk }
  throw new SysError(
    `mount ${path} on ${target} as ${found}`,
    attempt,
    diskHint(attempt, path, found, what.data),
  )
}

/** File systems that can grow with their disk; others need no look at its size. */
const GROWING_TYPES: readonly string[] = ['ext4', 'btrfs', 'xfs']

/** Why a disk can't be mounted, by its superblock and the options. */
function diskHint(result: number, path: string, type: string, data: string): string {
  const held = probe(path)?.type
  if (result === -ENODEV || held === undefined) return hint(result, type)
  if (held !== type) return `the disk holds ${held}, not ${type}`
  const isDamaged = [EINVAL, EUCLEAN, EIO, EBADMSG].includes(-result)
  if (!isDamaged) return hint(result, type)
  const option = result === -EINVAL && data !== '' ? `unknown option in ${quote(data)}, or ` : ''
  return `${option}the file system is damaged: run fsck.${type} on the host; the kernel's messages are above`
}
