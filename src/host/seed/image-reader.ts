/** Reads files in the top folder of a FAT or ISO 9660 image with programs that need no root: mtools, xorriso, bsdtar. */

import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { MAX_FILE_SIZE } from '../../lib/limits.ts'
import { commandLine } from '../lib/child.ts'
import type { readBounded } from '../lib/input.ts'
import { findProgram } from '../lib/programs.ts'
import { UsageError } from '../lib/usage.ts'

/** Reads one file by its name. */
export type ImageReader = (name: string) => ReturnType<typeof readBounded>

/** @throws UsageError if mtools is not installed or can't read the image */
export function openFat(path: string): ImageReader {
  const mcopy = findProgram('mcopy')
  const mdir = findProgram('mdir')
  if (mcopy === undefined || mdir === undefined) throw notInstalled('FAT', 'mcopy (mtools)', 'mtools')
  const image = resolve(path)
  // mtools would check the geometry, which real disks do not have here. The user's own settings don't count.
  const env = { MTOOLS_SKIP_CHECK: '1', MTOOLSRC: '/dev/null' }
  const names = lines(mdir, ['-b', '-i', image, '::'], env).map((line) => line.replace(/^::\//, ''))
  return among(names, (name) => [mcopy, ['-n', '-i', image, `::${name}`, '-'], env])
}

/** @throws UsageError if neither xorriso nor bsdtar is installed, or the image can't be read */
export function openIso(path: string): ImageReader {
  const image = resolve(path)
  const xorriso = findProgram('xorriso')
  if (xorriso !== undefined) {
    // -no_rc: without the user's own settings, which may write.
    const start = ['-no_rc', '-indev', image]
    const list = lines(xorriso, [...start, '-find', '/', '-maxdepth', '1', '-type', 'f'])
    const names = list.map((line) => line.replace(/^'\/(.*)'$/, '$1'))
    return among(names, (name) => [
      xorriso,
      [...start, '-osirrox', 'on', '-concat', 'overwrite', '-', `/${name}`],
    ])
  }
  const bsdtar = findProgram('bsdtar')
  if (bsdtar === undefined) throw notInstalled('ISO 9660', 'xorriso or bsdtar', 'xorriso')
  const names = lines(bsdtar, ['-tf', image])
  return among(names, (name) => [bsdtar, ['-xOf', image, name]])
}

type Command = readonly [program: string, args: readonly string[], env?: Readonly<Record<string, string>>]

/** Looks a name up ignoring case, as the kernel's drivers do for FAT and for ISO 9660 without extensions. */
function among(names: readonly string[], command: (name: string) => Command): ImageReader {
  return (wanted) => {
    const name = names.find((each) => each === wanted) ?? names.find((each) => each.toLowerCase() === wanted)
    if (name === undefined) return { failed: 'missing', why: 'ENOENT' }
    const text = run(...command(name))
    return text === undefined ? { failed: 'unusable', why: 'larger than 1 MB' } : { text }
  }
}

function lines(...command: Command): string[] {
  const text = run(...command)
  if (text === undefined) throw new UsageError('the seed image has too many files in its top folder')
  return text.split('\n')
}

/** A program's standard output as a byte string; undefined if it is larger than 1 MB. */
function run(...[program, args, env = {}]: Command): string | undefined {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    env: { ...process.env, LC_ALL: 'C', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: MAX_FILE_SIZE,
  })
  if (error !== undefined && 'code' in error && error.code === 'ENOBUFS') return undefined
  if (status === 0) return stdout.toString('latin1')
  const said = (error?.message ?? stderr.toString()).trim().split('\n').slice(-3).join('\n  ')
  throw new UsageError(
    `the seed image cannot be read\n  ${said}`,
    `run it yourself: ${commandLine(program, args)}`,
  )
}

const notInstalled = (kind: string, programs: string, debianPackage: string): UsageError =>
  new UsageError(
    `the seed is a ${kind} image; ${programs}, which can read it, is not installed`,
    `apt-get install ${debianPackage}`,
  )
