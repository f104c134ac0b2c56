/**
 * A root directory from what the user names: a directory as it is; an archive unpacked into the cache.
 *
 * An archive is unpacked once, and what the container writes is there at the next run, as on a zos host's volume. All
 * runs of the same archive share it, even at the same time; docker, in contrast, gives each container a copy. `fresh`
 * unpacks anew, and what was written is gone. It is also gone when the cache is pruned (`zmachine cache`).
 *
 * The folder is named after the archive's content, not after its place, size and times: since it holds what was
 * written, a copied or touched archive must not seem to lose that. SHA-256 runs at more than 1 GB/s here (300 MB in
 * 0.23 s), far below what a boot costs.
 */

import { existsSync, mkdirSync, realpathSync, statSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { shortDigest, stampOf } from '../cache/archive-state.ts'
import { directoryOf, openCache, tryRename, unfinishedName, unusable, useRoot } from '../cache/cache.ts'
import { removeTree } from '../cache/remove-tree.ts'
import { sha256 } from '../lib/digest.ts'
import { errorCode } from '../lib/input.ts'
import type { Report } from '../lib/output.ts'
import { UsageError } from '../lib/usage.ts'
import { compressionOf, unpackArchive } from './archive.ts'
import { refuseMissingRoot } from './mistaken-path.ts'
import { refuseMistakenRoot } from './mistaken-root.ts'
import { folderName } from './root-name.ts'

export interface RootDirectory {
  readonly directory: string
  /** Whether it comes from an archive, unpacked now or by an earlier run. */
  readonly unpacked: boolean
  /** The cache may remove it from now on. */
  release(): void
}

export interface RootOptions {
  /** Unpacks anew what an earlier run unpacked. */
  readonly fresh?: boolean
  /** Whether somebody will write to it. */
  readonly writable?: boolean
}

/** @throws UsageError if it is neither a directory nor an archive, or not a root, or damaged; nothing is left of it */
export async function rootDirectory(
  path: string,
  report: Report,
  { fresh = false, writable = false }: RootOptions = {},
): Promise<RootDirectory> {
  if (isDirectory(path)) {
    if (writable) refuseOwnRoot(path, '--read-only, or a copy')
    refuseMistakenRoot(path)
    return { directory: path, unpacked: false, release: () => {} }
  }
  const compression = compressionOf(path)
  const stamp = stampOf(path) ?? ''
  const name = folderName(path) + shortDigest(await digest(path))
  openCache()
  const use = useRoot(name, { archive: resolve(path), stamp })
  const directory = directoryOf(name)
  const root = { directory, unpacked: true, release: use.release }
  if (existsSync(directory) && !fresh) return root
  const folder = unfinishedName(directory)
  try {
    if (fresh && use.others.length > 0) throw inUse(path, use.others)
    report(`unpacking ${basename(path)} to ${directory}`)
    makeFolder(folder)
    await unpackArchive(path, compression, folder, report)
    putInPlace(folder, directory, fresh)
    return root
  } catch (error) {
    use.release()
    throw error
  } finally {
    removeTree(folder)
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder)
  } catch (error) {
    throw unusable(error)
  }
}

export function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT') refuseMissingRoot(path)
    throw new UsageError(`the root ${JSON.stringify(path)}: cannot be read (${code})`)
  }
}

/** PID 1 writes hostname, hosts and resolv.conf into a root's /etc: not into that of this computer. */
export function refuseOwnRoot(path: string, hint: string): void {
  if (realpathSync(path) !== '/') return
  throw new UsageError(
    `the root ${JSON.stringify(path)} is that of this computer, and the container would write to it`,
    hint,
  )
}

async function digest(path: string): Promise<string> {
  try {
    return await sha256(path)
  } catch (error) {
    throw new UsageError(`the root ${JSON.stringify(path)}: cannot be read (${errorCode(error)})`)
  }
}

const inUse = (path: string, pids: readonly number[]): UsageError =>
  new UsageError(
    `--fresh: the root of ${JSON.stringify(path)} is in use by another machine (process ${pids.join(', ')})`,
    'end that machine first',
  )

/** The complete folder gets its name in one step, so that whoever finds the name finds everything. */
function putInPlace(folder: string, directory: string, fresh: boolean): void {
  // Unless it is to be new, that of a run that has unpacked the same archive meanwhile is as good.
  if (tryRename(folder, directory) || !fresh) return
  const old = unfinishedName(directory)
  tryRename(directory, old)
  tryRename(folder, directory)
  removeTree(old)
}
