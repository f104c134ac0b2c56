/** Reads the files of a seed that PID 1 would find: from a folder, or from a FAT or ISO 9660 image. */

import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { SEED_FILE_NAMES, type SeedFiles } from '../../config/seed.ts'
import type { Problem } from '../../lib/problem.ts'
import { identify, type Superblock } from '../../lib/superblock.ts'
import { shown } from '../lib/byte-text.ts'
import { errorCode, kindOf, readAt, readBounded } from '../lib/input.ts'
import { UsageError } from '../lib/usage.ts'
import { type ImageReader, openFat, openIso } from './image-reader.ts'

export interface SeedInput {
  readonly files: SeedFiles
  /** What PID 1 could not read, or would not accept as a seed. */
  readonly problems: readonly Problem[]
}

/** PID 1's name for the seed in its messages. */
const SOURCE = 'seed'

const OPTION = '--seed'

/** @throws UsageError if the path is neither a folder nor an image */
export function readSeedInput(path: string): SeedInput {
  if (kindOf(path, OPTION) === 'directory') {
    return collect((name) => readBounded(join(path, name)), 'the folder')
  }
  const superblock = probe(path)
  const reader = readerOf(path, superblock)
  if (superblock?.label.toLowerCase() !== 'cidata') {
    const message = `the image is labelled ${shown(superblock?.label ?? '')}, not cidata, so PID 1 ignores it`
    return { files: {}, problems: [{ source: SOURCE, message }] }
  }
  return collect(reader, 'the image')
}

function collect(read: ImageReader, what: string): SeedInput {
  const files: { -readonly [K in keyof SeedFiles]: string } = {}
  const problems: Problem[] = []
  for (const [key, name] of SEED_FILE_NAMES) {
    const found = read(name)
    if ('text' in found) files[key] = found.text
    else if (found.failed === 'unusable') {
      problems.push({ source: `${SOURCE}/${name}`, message: `${found.why}; not read` })
    }
  }
  if (Object.keys(files).length === 0 && problems.length === 0) {
    const names = SEED_FILE_NAMES.map(([, name]) => name).join(', ')
    problems.push({ source: SOURCE, message: `${what} has none of ${names}: it is not a seed` })
  }
  return { files, problems }
}

function readerOf(path: string, superblock: Superblock | undefined): ImageReader {
  if (superblock?.type === 'vfat') return openFat(path)
  if (superblock?.type === 'iso9660') return openIso(path)
  throw new UsageError(
    `${OPTION} ${JSON.stringify(path)}: it holds ${superblock?.type ?? 'no known file system'}`,
    `a folder with ${SEED_FILE_NAMES.map(([, name]) => name).join(', ')}, or a FAT or ISO 9660 image of one`,
  )
}

/** What an image holds, by the same functions as PID 1. */
function probe(path: string): Superblock | undefined {
  try {
    const fd = openSync(path, 'r')
    try {
      return identify((offset, length) => readAt(fd, offset, length))
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw new UsageError(`${OPTION} ${JSON.stringify(path)}: cannot be read (${errorCode(error)})`)
  }
}
