/** Reads files of a root as PID 1 will find them: symlinks are resolved inside the root. */

import { constants, lstatSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { followSymlinks } from '../../lib/paths.ts'
import { readBounded } from '../lib/input.ts'

/**
 * Where a path inside a root is on this computer, with symlinks resolved as after chroot(2). undefined if a part of it
 * is missing, or the links loop.
 */
export function resolveInRoot(root: string, path: string): string | undefined {
  const resolved = followSymlinks(path, (each) => readLink(join(root, each)))
  const place = resolved === undefined ? undefined : join(root, resolved)
  return place !== undefined && exists(place) ? place : undefined
}

/** The text of a regular file of at most 1 MB, as a byte string; undefined for anything else, which PID 1 ignores. */
export function readInRoot(root: string, path: string): string | undefined {
  const place = resolveInRoot(root, path)
  if (place === undefined) return undefined
  const read = readBounded(place, constants.O_NOFOLLOW)
  return 'text' in read ? read.text : undefined
}

export function isDirectoryInRoot(root: string, path: string): boolean {
  const place = resolveInRoot(root, path)
  return place !== undefined && lstatSync(place).isDirectory()
}

/** The target of a symlink; undefined if it is none. */
export function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

function exists(path: string): boolean {
  try {
    lstatSync(path)
    return true
  } catch {
    // Missing, below something that is not a directory, or not readable.
    return false
  }
}
