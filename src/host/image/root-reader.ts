/** Files of a root directory, as PID 1 finds them once that directory is `/`: no symlink leads out of it. */

import { constants, lstatSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { readBounded } from '../lib/input.ts'

/** As many symlinks as the kernel follows for one path (path_resolution(7)). */
const MOST_LINKS = 40

/**
 * Where a path inside a root is on this computer, all symlinks resolved as after a chroot(2): an absolute target
 * begins at the root, and `..` stops there. undefined: a part of it is missing, or the links go round.
 */
export function resolveInRoot(root: string, path: string): string | undefined {
  const left = path.split('/').reverse()
  const done: string[] = []
  let links = 0
  while (left.length > 0) {
    const part = left.pop()
    if (part === undefined || part === '' || part === '.') continue
    if (part === '..') {
      done.pop()
      continue
    }
    const target = readLink(join(root, ...done, part))
    if (target === undefined) {
      done.push(part)
      continue
    }
    if (++links > MOST_LINKS) return undefined
    if (target.startsWith('/')) done.length = 0
    left.push(...target.split('/').reverse())
  }
  const resolved = join(root, ...done)
  return exists(resolved) ? resolved : undefined
}

/** A regular file's text of at most 1 MB as a byte string; undefined for anything else, as PID 1 sees it. */
export function readInRoot(root: string, path: string): string | undefined {
  const place = resolveInRoot(root, path)
  if (place === undefined) return undefined
  const read = readBounded(place, constants.O_NOFOLLOW)
  return 'text' in read ? read.text : undefined
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
