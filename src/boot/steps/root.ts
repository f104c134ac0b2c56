/** Mounts the root file system, adds what it lacks, makes it `/`, and empties the initramfs. */

import { S_IFDIR, S_IFMT, S_IFREG } from '../../lib/file-mode.ts'
import { MS_BIND, MS_MOVE, MS_NODEV, MS_NOSUID, MS_RDONLY, MS_REMOUNT } from '../../lib/mount-flags.ts'
import { EARLY_MOUNTS } from '../../plan/plan.ts'
import type { EnterStep, RootStep } from '../../plan/step.ts'
import { EEXIST, ENOTEMPTY, EROFS, must } from '../../sys/errno.ts'
import {
  AT_EMPTY_PATH,
  AT_REMOVEDIR,
  DT_DIR,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
} from '../../sys/flags.ts'
import {
  chdir,
  chmod,
  chroot,
  close,
  mkdir,
  mount,
  open,
  openInRoot,
  readDirectory,
  stat,
  unlink,
} from '../../sys/linux.ts'
import type { Modules } from '../io/modules.ts'
import { mountWhenThere } from './mount.ts'
import { loadFileSystem, type Mounted } from './mount-attempt.ts'

/** The directory of the initramfs where the root is mounted before it becomes `/`. */
const NEW_ROOT = '/root'
const OVERLAY = '/overlay'

export interface Root extends Mounted {
  /** An overlay in memory holds what a read-only root lacked. */
  readonly overlaid: boolean
}

/**
 * Mounts the root, aside for now.
 * @param deadline until when it may take to appear, as `uptime()` counts
 */
export const mountRoot = (
  { source, type, flags, data }: RootStep,
  deadline: number,
  modules: Modules,
): Mounted => mountWhenThere({ source, target: NEW_ROOT, type, flags, data }, deadline, modules)

/** Makes the mounted root `/`, with /proc, /sys and /dev in it. */
export function enterRoot(mounted: Mounted, step: EnterStep, modules: Modules): Root {
  const readOnly = mounted.readOnly || !addDirectories(NEW_ROOT, step.directories)
  const overlaid = readOnly && isIncomplete(step)
  const root = overlaid ? overlay(step.directories, modules) : NEW_ROOT
  for (const { target } of EARLY_MOUNTS) {
    must(mount(target, `${root}${target}`, '', MS_MOVE), () => `move ${target} into the root`)
  }
  must(chdir(root), () => `chdir ${root}`)
  must(mount('.', '/', '', MS_MOVE), () => 'move the root to /')
  must(chroot('.'), () => 'chroot to the root')
  return { type: mounted.type, readOnly, overlaid }
}

/** Makes directories that every root needs and some images lack; false if the root is read-only. */
function addDirectories(root: string, directories: readonly string[]): boolean {
  for (const directory of directories) {
    const result = mkdir(root + directory, 0o755)
    if (result === -EROFS) return false
    // mkdir applied the umask.
    if (result >= 0 && directory === '/tmp') chmod(root + directory, 0o1777)
    if (result !== -EEXIST) must(result, () => `mkdir ${directory} in the root`)
  }
  return true
}

function isIncomplete({ directories, targets, files }: EnterStep): boolean {
  const root = open(NEW_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC)
  const has = (path: string, type: number, flags: number): boolean => {
    const fd = openInRoot(root, path, O_PATH | O_CLOEXEC | flags)
    if (fd < 0) return false
    const found = stat('', AT_EMPTY_PATH, fd)
    close(fd)
    return typeof found !== 'number' && (found.mode & S_IFMT) === type
  }
  const complete =
    [...directories, ...targets].every((path) => has(path, S_IFDIR, 0)) &&
    files.every((path) => has(path, S_IFREG, O_NOFOLLOW))
  close(root)
  return !complete
}

/** Mounts a writable layer in memory over the read-only root; `sealRoot` makes it read-only. It holds names, hardly any data. */
function overlay(directories: readonly string[], modules: Modules): string {
  loadFileSystem(modules, 'overlay')
  const merged = `${OVERLAY}/root`
  mkdir(OVERLAY, 0o755)
  must(
    mount('overlay', OVERLAY, 'tmpfs', MS_NOSUID | MS_NODEV, 'mode=0755,size=4m'),
    () => `mount tmpfs on ${OVERLAY}`,
  )
  for (const name of ['upper', 'work', 'root']) mkdir(`${OVERLAY}/${name}`, 0o755)
  const data = `lowerdir=${NEW_ROOT},upperdir=${OVERLAY}/upper,workdir=${OVERLAY}/work`
  must(
    mount('overlay', merged, 'overlay', 0, data),
    () => 'mount an overlay over the read-only root, which lacks directories that a container needs',
  )
  addDirectories(merged, directories)
  return merged
}

/** Makes the overlay read-only: the container finds `/` as it was requested. */
export function sealRoot(): void {
  must(mount('', '/', '', MS_REMOUNT | MS_BIND | MS_RDONLY), () => 'remount / read-only')
}

/** A descriptor of the initramfs' root, to empty it once something else is `/`. */
export const openInitramfs = (): number => open('/', O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/**
 * Frees the initramfs' memory: deletes everything in it but what is mounted there. This program's own file goes too; its
 * pages stay as long as it runs.
 */
export function freeInitramfs(fd: number): void {
  const own = stat('', AT_EMPTY_PATH, fd)
  if (typeof own !== 'number') empty(fd, own.dev)
  close(fd)
}

function empty(directory: number, device: number): void {
  const entries = readDirectory(directory)
  if (typeof entries === 'number') return
  for (const { name, type } of entries) {
    // Most directories are empty: deleting them tells.
    if (unlink(name, type === DT_DIR ? AT_REMOVEDIR : 0, directory) !== -ENOTEMPTY) continue
    const fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, directory)
    if (fd < 0) continue
    const found = stat('', AT_EMPTY_PATH, fd)
    if (typeof found !== 'number' && found.dev === device) empty(fd, device)
    close(fd)
    unlink(name, AT_REMOVEDIR, directory)
  }
}
