/** Files of a root directory, as PID 1 finds them once that directory is `/`: no symlink leads out of it. */

import { constants, lstatSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { followSymlinks } from '../../lib/paths.ts'
import { readBounded } from '../lib/input.ts'

/**
 * Where a path inside a root is on this computer, all symlinks resolved as after a chroot(2): an absolute target
 * begins at the root, and `..` stops there. undefined: a part of it is missing, or the links go round.
 */
export function resolveInRoot(root: string, path: string): string | undefined {
  const resolved = followSymlinks(path, (each) => readLink(join(root, each)))
  const place = resolved === undefined ? undefined : join(root, resolved)
  return place !== undefined && exists(place) ? place : undefined
}

/** A regular file's text of at most 1 MB as a byte string; undefined for anything else, as PID 1 sees it. */
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

function readLink(path: string): string | undefined {
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
    // Not there, below something that is no directory, or not ours to see.
    return false
  }
}
