/**
 * The unpacked roots in the user's cache:
 *
 *     ~/.cache/zmachine/roots/NAME-HASH          a root
 *     ~/.cache/zmachine/roots/NAME-HASH.new-…    a root that is being unpacked or removed
 *     ~/.cache/zmachine/records/NAME-HASH.json   where it comes from and how large it is; its mtime: the last use
 *     ~/.cache/zmachine/uses/NAME-HASH.…         a process that uses it
 */

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { errorCode } from '../lib/input.ts'
import { unique } from '../lib/unique.ts'
import { UsageError } from '../lib/usage.ts'
import { diskUsage } from './disk-usage.ts'
import { removeTree } from './remove-tree.ts'
import { registerUse, usersOf } from './uses.ts'

export interface CachedRoot {
  /** Of its folder. */
  readonly name: string
  readonly directory: string
  /** The archive that it was last used by; undefined if no record of it was kept. */
  readonly archive: string | undefined
  /** The archive's own stamp then. */
  readonly stamp: string | undefined
  /** On the disk. */
  readonly bytes: number
  readonly lastUsed: Date
  /** The processes that use it. */
  readonly users: readonly number[]
}

/** A root that this process uses. */
export interface Use {
  /** The others that use it. */
  readonly others: readonly number[]
  /** Notes the size and the time. */
  release(): void
}

interface RootRecord {
  readonly archive: string
  readonly stamp: string
  /** Undefined while it is in use, and after a process that was killed: then it is measured when it is asked for. */
  readonly bytes?: number
}

/** Below the user's cache (XDG Base Directory Specification). */
function cacheFolder(): string {
  const { XDG_CACHE_HOME = '' } = process.env
  return join(isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(homedir(), '.cache'), 'zmachine')
}

const rootsFolder = (): string => join(cacheFolder(), 'roots')
const usesFolder = (): string => join(cacheFolder(), 'uses')
const recordOf = (name: string): string => join(cacheFolder(), 'records', `${name}.json`)

/** Makes the folders, closed to others: an image may have set-uid programs. */
export function openCache(): void {
  const roots = rootsFolder()
  try {
    mkdirSync(roots, { recursive: true })
    mkdirSync(join(cacheFolder(), 'records'), { recursive: true })
    chmodSync(roots, 0o700)
  } catch (error) {
    throw unusable(error)
  }
  sweep(roots)
}

/** For an error of the cache's own files. */
export const unusable = (error: unknown): UsageError =>
  new UsageError(
    `${JSON.stringify(rootsFolder())}, where archives are unpacked: cannot be written to (${errorCode(error)})`,
    MORE_ROOM,
  )

export const MORE_ROOM = 'zmachine cache prune --all, or XDG_CACHE_HOME=/some/other/folder zmachine …'

/** Where a root of the cache is, or would be. */
export const directoryOf = (name: string): string => join(rootsFolder(), name)

/** Keeps a root from being removed. To be called before it is looked for, so that nobody removes it in between. */
export function useRoot(name: string, { archive, stamp }: Pick<RootRecord, 'archive' | 'stamp'>): Use {
  const release = register(name)
  try {
    writeRecord(name, { archive, stamp })
  } catch (error) {
    release()
    throw unusable(error)
  }
  const users = usersOf(usesFolder()).get(name) ?? []
  return {
    others: users.filter((pid) => pid !== process.pid),
    release() {
      if (existsSync(directoryOf(name)))
        writeRecord(name, { archive, stamp, bytes: diskUsage(directoryOf(name)) })
      else rmSync(recordOf(name), { force: true })
      release()
    },
  }
}

function register(name: string): () => void {
  try {
    return registerUse(usesFolder(), name)
  } catch (error) {
    throw unusable(error)
  }
}

/** All of them, the longest unused first. */
export function cachedRoots(): readonly CachedRoot[] {
  const users = usersOf(usesFolder())
  const names = namesIn(rootsFolder()).filter((name) => !UNFINISHED.test(name))
  return names
    .map((name) => describe(name, users.get(name) ?? []))
    .sort((one, other) => one.lastUsed.getTime() - other.lastUsed.getTime())
}

function describe(name: string, users: readonly number[]): CachedRoot {
  const directory = directoryOf(name)
  const { record, written } = readRecord(name)
  return {
    name,
    directory,
    archive: record?.archive,
    stamp: record?.stamp,
    bytes: record?.bytes ?? diskUsage(directory),
    // Without a record it is of an earlier version, and its folder's own time is the best that there is.
    lastUsed: written ?? statSync(directory).ctime,
    users,
  }
}

/**
 * Removes a root, unless somebody uses it. It goes under another name first: who came before that is seen then, and who
 * comes later finds it gone, and unpacks it anew.
 * @returns whether it is gone
 */
export function removeRoot(name: string): boolean {
  const inUse = (): boolean => usersOf(usesFolder()).has(name)
  const directory = directoryOf(name)
  const removed = unfinishedName(directory)
  if (inUse() || !tryRename(directory, removed)) return false
  // Without success where that somebody has unpacked it already.
  if (inUse() && tryRename(removed, directory)) return false
  if (!existsSync(directory)) rmSync(recordOf(name), { force: true })
  removeTree(removed)
  return true
}

/** @returns whether it has the name now: not so if it is gone, or the name is taken */
export function tryRename(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if (['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(errorCode(error))) return false
    throw error
  }
}

/** A name beside a root's own, with the process that it belongs to. */
export const unfinishedName = (directory: string): string => `${directory}.new-${process.pid}-${unique()}`

const UNFINISHED = /-[0-9a-f]{16}\.new-(\d{1,9})-\w*$/

/** Removes what a process left that was killed while it unpacked a root, or removed one. */
function sweep(roots: string): void {
  for (const name of readdirSync(roots)) {
    const [, pid] = UNFINISHED.exec(name) ?? []
    if (pid !== undefined && !isAlive(Number(pid))) removeTree(join(roots, name))
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: another user's, and alive.
    return errorCode(error) !== 'ESRCH'
  }
}

function writeRecord(name: string, record: RootRecord): void {
  const file = recordOf(name)
  const unfinished = `${file}.${process.pid}`
  writeFileSync(unfinished, `${JSON.stringify(record)}\n`)
  renameSync(unfinished, file)
}

function readRecord(name: string): { readonly record?: RootRecord; readonly written?: Date } {
  const file = recordOf(name)
  try {
    const record: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return isRecord(record) ? { record, written: statSync(file).mtime } : {}
  } catch {
    return {}
  }
}

const isRecord = (value: unknown): value is RootRecord =>
  typeof value === 'object' &&
  value !== null &&
  'archive' in value &&
  typeof value.archive === 'string' &&
  'stamp' in value &&
  typeof value.stamp === 'string' &&
  (!('bytes' in value) || typeof value.bytes === 'number')

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
