/** Mounts a pseudo file system: /proc, /run and the like. */

import type { PseudoStep } from '../../plan/step.ts'
import { EBUSY, EINVAL, ENODEV, ENOENT, must, SysError } from '../../sys/errno.ts'
import { AT_SYMLINK_NOFOLLOW } from '../../sys/flags.ts'
import { chmod, chown, mkdir, mount, stat } from '../../sys/linux.ts'
import { listDirectories, makeDirectories } from '../io/files.ts'

/**
 * One that the kernel has mounted already is fine (devtmpfs, with CONFIG_DEVTMPFS_MOUNT).
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
  // An older kernel may not know the options: better without them than not at all.
  if (result === -EINVAL && data !== '' && mount(source, target, type, flags) >= 0) return
  if (optional && (result === -ENODEV || result === -ENOENT)) return
  throw new SysError(`mount ${type} on ${target}`, result)
}

/** More than any image needs; a hostile one ends here. */
const MOST_DIRECTORIES = 100

interface Directory {
  readonly path: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** The directories below one, parents first. Files are left out: a fresh machine has none in /run. */
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
