/** Tells whether a root carries our kernel and initramfs, and which version: by a marker file, checked against the files. */

import { lstatSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { followSymlinks } from '../../lib/paths.ts'
import { shown, toByteText } from '../lib/byte-text.ts'
import { member, readJson, textOf } from '../lib/json.ts'
import { crypto } from '../lib/lazy.ts'
import { packagedFolder } from '../lib/packaged.ts'
import { version } from '../lib/version.ts'
import { readLink } from './root-reader.ts'

/** Where zos hosts look for a kernel of the root's own. */
export const KERNEL = '/boot/vmlinuz'
export const INITRD = '/boot/initrd.img'

/** What `zmachine adopt` writes beside them. */
export const MARKER = '/boot/zmachine.json'

/** What a root carries, and the names in the package. */
export const CARRIED = [
  { path: KERNEL, packaged: 'kernel' },
  { path: INITRD, packaged: 'initramfs-linux.img' },
] as const

export interface Description {
  readonly bytes: number
  readonly sha256: string
}

/** Version of the package and release of the kernel. */
export interface Version {
  readonly version: string
  /** As in uname(2), if it is known. */
  readonly kernel?: string
}

export interface Marker extends Version {
  /** By path. */
  readonly files: ReadonlyMap<string, Description>
  /** Whether `/boot` was made for them. */
  readonly madeFolder: boolean
}

/** The version of the kernel and initramfs that a root carries, if both are ours. */
export function adoptionOf(root: string): Version | undefined {
  const folder = bootFolder(root)
  if (folder === undefined) return undefined
  const marker = readMarker(join(root, folder))
  const hasAll = (known: (path: string) => Description | undefined): boolean =>
    CARRIED.every(({ path }) => isCopy(placeIn(join(root, folder), path), known(path)))
  if (marker !== undefined && hasAll((path) => marker.files.get(path))) {
    return { version: marker.version, ...(marker.kernel !== undefined && { kernel: marker.kernel }) }
  }
  return hasAll(packaged) ? packagedVersion() : undefined
}

/** Where `/boot` of a root leads, from the root, whether it is there or not; undefined if its symlinks loop. */
export const bootFolder = (root: string): string | undefined =>
  followSymlinks('/boot', (each) => readLink(join(root, each)))

/** @param folder where `/boot` is on this computer */
export const placeIn = (folder: string, path: string): string => join(folder, path.slice('/boot/'.length))

/** The marker in a folder; undefined if there is none, or something else under its name. */
export function readMarker(folder: string): Marker | undefined {
  const place = placeIn(folder, MARKER)
  if (lstatSync(place, { throwIfNoEntry: false })?.isFile() !== true) return undefined
  const json = readJson(place)
  const text = textOf(member(json, 'version'))
  if (member(json, 'format') !== 1 || text === undefined) return undefined
  const files = new Map<string, Description>()
  for (const { path } of CARRIED) {
    const bytes = member(json, 'files', path, 'bytes')
    const sha256 = textOf(member(json, 'files', path, 'sha256'))
    if (typeof bytes !== 'number' || sha256 === undefined) return undefined
    files.set(path, { bytes, sha256 })
  }
  const kernel = textOf(member(json, 'kernel'))
  const madeFolder = member(json, 'madeFolder') === true
  return { version: text, ...(kernel !== undefined && { kernel }), files, madeFolder }
}

export const formatMarker = ({ version, kernel, files, madeFolder }: Marker): string =>
  `${JSON.stringify({ format: 1, version, kernel, files: Object.fromEntries(files), madeFolder }, null, 2)}\n`

/**
 * What is at a place, if it is not ours; undefined if it is, or if nothing is there.
 * @param ours what it may be, besides what a marker says
 */
export function strangerAt(
  path: string,
  place: string,
  marker: Marker | undefined,
  ours: Description | undefined,
): string | undefined {
  const stat = lstatSync(place, { throwIfNoEntry: false })
  if (stat === undefined) return undefined
  if (stat.isSymbolicLink()) return `a link to ${shown(toByteText(readLink(place) ?? ''))}`
  if (!stat.isFile()) return stat.isDirectory() ? 'a directory' : 'not a regular file'
  if (isCopy(place, marker?.files.get(path)) || isCopy(place, ours)) return undefined
  return `a file of ${stat.size} bytes that is not ours`
}

/** This package's file for a path; undefined if it is not built. */
export function packaged(path: string): Description | undefined {
  const folder = packagedFolder()
  const name = CARRIED.find((each) => each.path === path)?.packaged
  return folder === undefined || name === undefined ? undefined : describe(readFileSync(join(folder, name)))
}

export function packagedVersion(): Version {
  const folder = packagedFolder()
  const manifest = folder === undefined ? undefined : readJson(join(folder, 'manifest.json'))
  const kernel = textOf(member(manifest, 'kernel', 'release'))
  return { version: version(), ...(kernel !== undefined && { kernel }) }
}

/** In words: `zmachine-init 0.1.0 with Linux 6.12.117-zmachine`. */
export const formatVersion = ({ version, kernel }: Version): string =>
  `zmachine-init ${version}${kernel === undefined ? '' : ` with Linux ${kernel}`}`

/** Whether a regular file at a place is as described; another size costs no reading. */
function isCopy(place: string, description: Description | undefined): boolean {
  const stat = lstatSync(place, { throwIfNoEntry: false })
  if (description === undefined || stat?.isFile() !== true || stat.size !== description.bytes) return false
  return describe(readFileSync(place)).sha256 === description.sha256
}

export const describe = (bytes: Uint8Array): Description => ({
  bytes: bytes.length,
  sha256: crypto().createHash('sha256').update(bytes).digest('hex'),
})
