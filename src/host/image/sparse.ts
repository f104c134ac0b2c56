/** Makes holes of the zeros in unpacked files: most archives, those of `docker export` among them, keep no holes. */

import { spawnSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { findProgram } from '../lib/programs.ts'

/** How often a file is looked at: a run of zeros that is longer has at least one block between two of these places. */
const STRIDE = 1 << 20
const BLOCK = 4096

/**
 * Only a file that has a block of zeros at one of these places is read as a whole, by fallocate(1): looking costs one
 * block in 256. Where the file system has no holes, or there is no such program, the files stay as they are.
 */
export function digHoles(folder: string): void {
  const [find, fallocate] = [findProgram('find'), findProgram('fallocate')]
  if (find === undefined || fallocate === undefined) return
  const large = ['-xdev', '-type', 'f', '-size', `+${STRIDE / 1024}k`, '-print0']
  const { stdout } = spawnSync(find, [folder, ...large], { maxBuffer: 1 << 28 })
  for (const file of stdout.toString().split('\0')) {
    if (file !== '' && hasZeros(file)) spawnSync(fallocate, ['--dig-holes', file], { stdio: 'ignore' })
  }
}

function hasZeros(file: string): boolean {
  let fd: number
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch {
    return false
  }
  try {
    const block = Buffer.alloc(BLOCK)
    for (let at = 0; readSync(fd, block, 0, BLOCK, at) === BLOCK; at += STRIDE) {
      if (block.equals(ZEROS)) return true
    }
    return false
  } finally {
    closeSync(fd)
  }
}

const ZEROS = Buffer.alloc(BLOCK)
