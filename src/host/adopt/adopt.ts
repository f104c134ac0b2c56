/** Puts our kernel and initramfs into a root's `/boot`, and takes them away again: all of it or nothing. */

import {
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import {
  bootFolder,
  CARRIED,
  type Description,
  describe,
  formatMarker,
  INITRD,
  KERNEL,
  MARKER,
  type Marker,
  packaged,
  packagedVersion,
  placeIn,
  readMarker,
  strangerAt,
  type Version,
} from '../image/adoption.ts'
import { resolveInRoot } from '../image/root-reader.ts'
import { errorCode } from '../lib/input.ts'
import { formatSize } from '../lib/size.ts'
import { unique } from '../lib/unique.ts'
import { UsageError } from '../lib/usage.ts'

/** A file that was put there or taken away. */
export interface ChangedFile extends Description {
  /** From the root. */
  readonly path: string
}

export interface Adopted {
  readonly action: 'added' | 'updated' | 'unchanged'
  readonly adoption: Version
  /** What was there before. */
  readonly before: Version | undefined
  readonly files: readonly ChangedFile[]
  readonly warning: string | undefined
}

export interface Removed {
  readonly action: 'removed' | 'nothing'
  readonly before: Version | undefined
  readonly files: readonly string[]
}

/** A root's `/boot`, with what is ours in it. */
interface Boot {
  readonly root: string
  /** On this computer; symlinks are resolved inside the root. */
  readonly folder: string
  readonly marker: Marker | undefined
}

/**
 * @param root a directory that is a root
 * @param sources where the package has the files
 * @throws UsageError if something else is in the way, or there is no room; nothing has changed then
 */
export function adopt(
  root: string,
  sources: { readonly kernel: string; readonly initramfs: string },
): Adopted {
  refuseDiskImage(root)
  const contents: Readonly<Record<(typeof CARRIED)[number]['path'], Buffer>> = {
    [KERNEL]: readFileSync(sources.kernel),
    [INITRD]: readFileSync(sources.initramfs),
  }
  const carried = CARRIED.map(({ path }) => ({ path, content: contents[path] }))
  const files = carried.map(({ path, content }) => ({ path, ...describe(content) }))
  const boot = openBoot(root, (path) => files.find((file) => file.path === path))
  const adoption = packagedVersion()
  const { marker: before } = boot
  const result = { adoption, before, files }
  const madeFolder = before?.madeFolder ?? !isThere(boot.folder)
  const marker = formatMarker({
    ...adoption,
    files: new Map(files.map(({ path, bytes, sha256 }) => [path, { bytes, sha256 }])),
    madeFolder,
  })
  const wanted = [
    // The marker is last: until then what is there is known by the old marker, or by being the package's.
    ...[...carried].reverse(),
    { path: MARKER, content: Buffer.from(marker) },
  ]
  guarded(boot, () => removeLeftovers(boot.folder))
  if (wanted.every(({ path, content }) => holds(placeIn(boot.folder, path), content))) {
    return { action: 'unchanged', ...result, warning: warningOf(boot) }
  }
  write(boot, wanted)
  return { action: before === undefined ? 'added' : 'updated', ...result, warning: warningOf(boot) }
}

/** @throws UsageError if a kernel is there that is not ours; nothing has changed then */
export function removeAdopted(root: string): Removed {
  const boot = openBoot(root, packaged)
  const { folder, marker: before } = boot
  guarded(boot, () => removeLeftovers(folder))
  // Without the kernel a host takes its own, whatever else is left.
  const paths = [...CARRIED.map(({ path }) => path), MARKER].filter((path) => isThere(placeIn(folder, path)))
  if (paths.length === 0) return { action: 'nothing', before, files: [] }
  guarded(boot, () =>
    commit(
      boot,
      paths.map((path) => ({ path, staged: undefined })),
    ),
  )
  if (before?.madeFolder === true && readdirSync(folder).length === 0) rmdirSync(folder)
  return { action: 'removed', before, files: paths }
}

function refuseDiskImage(root: string): void {
  if (resolveInRoot(root, '/image.raw') === undefined) return
  throw new UsageError(
    `the root ${JSON.stringify(root)} has /image.raw, so a zos host boots that and no kernel of /boot`,
    'name the root of a container',
  )
}

/**
 * @param ours what is ours without a marker, by path
 * @throws UsageError if anything in it that counts is not ours
 */
function openBoot(root: string, ours: (path: string) => Description | undefined): Boot {
  const inside = bootFolder(root)
  if (inside === undefined) throw new UsageError(`/boot of the root: its symlinks go round (ELOOP)`)
  const folder = join(root, inside)
  return guarded({ root, folder }, () => {
    const stat = lstatSync(folder, { throwIfNoEntry: false })
    if (stat?.isDirectory() === false) throw new UsageError(`/boot of the root is not a directory`)
    const marker = readMarker(folder)
    if (marker === undefined && isThere(placeIn(folder, MARKER))) throw foreign(MARKER, 'not a file of ours')
    for (const { path } of CARRIED) {
      const stranger = strangerAt(path, placeIn(folder, path), marker, ours(path))
      if (stranger !== undefined) throw foreign(path, stranger)
    }
    return { root, folder, marker }
  })
}

const foreign = (path: string, what: string): UsageError =>
  new UsageError(
    `${path} of the root is ${what}; zmachine adopt neither replaces nor removes it`,
    'zmachine inspect shows what it is; remove it yourself if nothing needs it',
  )

/** A host follows the links of `/boot` from its own `/`. */
function warningOf({ root, folder }: Boot): string | undefined {
  const link = lstatSync(join(root, 'boot'), { throwIfNoEntry: false })
  if (link?.isSymbolicLink() !== true) return undefined
  try {
    if (realpathSync(join(root, 'boot')) === realpathSync(folder)) return undefined
  } catch {
    // It leads nowhere on this computer, as on a host.
  }
  return 'the link /boot is absolute or leads out of the root, and a zos host would follow it among its own files: make it relative'
}

function holds(place: string, content: Uint8Array): boolean {
  const stat = lstatSync(place, { throwIfNoEntry: false })
  return stat?.isFile() === true && stat.size === content.length && readFileSync(place).equals(content)
}

interface Wanted {
  readonly path: string
  readonly content: Uint8Array
}

interface Change {
  readonly path: string
  /** The new file, under another name; undefined: there will be none. */
  readonly staged: string | undefined
}

/** Everything is written under other names first, so that what can fail has failed before anything changes. */
function write(boot: Boot, wanted: readonly Wanted[]): void {
  const { folder } = boot
  guarded(boot, () => {
    const made = mkdirSync(folder, { recursive: true })
    const staged: string[] = []
    try {
      refuseFull(folder, wanted)
      const changes = wanted.map(({ path, content }): Change => {
        const name = temporary(folder)
        staged.push(name)
        writeDurably(name, content)
        return { path, staged: name }
      })
      commit(boot, changes)
    } catch (error) {
      for (const name of staged) rmSync(name, { force: true })
      if (made !== undefined) removeEmpty(folder, dirname(made))
      throw error
    }
  })
}

/** Removes the folders that were made, up to `until`, which was there before. */
function removeEmpty(folder: string, until: string): void {
  for (let at = folder; at !== until; at = dirname(at)) rmdirSync(at)
}

const temporary = (folder: string): string => join(folder, `.zmachine-${unique()}.part`)

/** In milliseconds. An adoption takes a second. */
const LONGEST = 600_000

/** Removes what an earlier adoption left that was killed; the root may be packed next. */
function removeLeftovers(folder: string): void {
  if (!isThere(folder)) return
  for (const name of readdirSync(folder)) {
    if (!/^\.zmachine-[a-z0-9]{12}\.part$/.test(name)) continue
    const place = join(folder, name)
    // A hard link to an older kernel has its times: what counts is when it was linked.
    if (lstatSync(place).ctimeMs < Date.now() - LONGEST) rmSync(place)
  }
}

function writeDurably(place: string, content: Uint8Array): void {
  const fd = openSync(place, 'wx', 0o644)
  try {
    writeFileSync(fd, content)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Renames, one after another; what was there goes to other names until all is done, and back if one fails. */
function commit({ folder }: Boot, changes: readonly Change[]): void {
  const undo: (() => void)[] = []
  const old: string[] = []
  try {
    for (const { path, staged } of changes) {
      const place = placeIn(folder, path)
      if (isThere(place)) {
        const aside = temporary(folder)
        setAside(place, aside, staged !== undefined)
        old.push(aside)
        undo.push(() => restore(aside, place))
      } else undo.push(() => rmSync(place, { force: true }))
      if (staged !== undefined) renameSync(staged, place)
    }
  } catch (error) {
    for (const step of undo.reverse()) step()
    throw error
  }
  for (const name of old) rmSync(name, { force: true })
}

/** @param stays whether the file keeps its name as well, so that its successor replaces it in one step */
function setAside(place: string, aside: string, stays: boolean): void {
  if (stays) {
    try {
      linkSync(place, aside)
      return
    } catch {
      // A file system without hard links.
    }
  }
  renameSync(place, aside)
}

function restore(aside: string, place: string): void {
  renameSync(aside, place)
  // If both are the same file still, rename(2) has done nothing.
  rmSync(aside, { force: true })
}

const isThere = (place: string): boolean => lstatSync(place, { throwIfNoEntry: false }) !== undefined

/** For the file system's own tables. */
const SPARE = 2 ** 20

function refuseFull(folder: string, wanted: readonly Wanted[]): void {
  const { blocks, bavail, bsize } = statfsSync(folder)
  const free = bavail * bsize
  const needed = wanted.reduce((sum, { content }) => sum + content.length, SPARE)
  // Some file servers count no blocks at all.
  if (blocks === 0 || free >= needed) return
  throw new UsageError(
    `/boot of the root needs ${formatSize(needed)}, and its file system has ${formatSize(free)} free`,
    'free some space, or copy the root to a larger file system',
  )
}

/** Failed calls as messages. */
function guarded<T>({ root, folder }: { readonly root: string; readonly folder: string }, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (error instanceof UsageError || !(error instanceof Error) || !('code' in error)) throw error
    throw new UsageError(
      `the root ${JSON.stringify(root)}: ${folder} cannot be read or written (${errorCode(error)}); nothing has changed`,
    )
  }
}
