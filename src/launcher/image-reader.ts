/** Files in the top folder of a FAT or ISO 9660 image, by programs that need no root: mtools, xorriso, bsdtar. */

import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { commandLine } from './child.ts'
import { LARGEST, type readBounded } from './input.ts'
import { findProgram } from './programs.ts'
import { UsageError } from './usage.ts'

/** Reads one file by its name. */
export type ImageReader = (name: string) => ReturnType<typeof readBounded>

/** @throws UsageError where mtools is not installed or can't read the image */
export function openFat(path: string): ImageReader {
  const mcopy = findProgram('mcopy')
  const mdir = findProgram('mdir')
  if (mcopy === undefined || mdir === undefined) throw missing('FAT', 'mcopy of mtools', 'mtools')
  const image = resolve(path)
  // Real disks have their geometry in the first sector, which mtools would check. A user's own settings don't count.
  const env = { MTOOLS_SKIP_CHECK: '1', MTOOLSRC: '/dev/null' }
  const list = run(mdir, ['-b', '-i', image, '::'], env).split('\n')
  const names = list.map((line) => line.replace(/^::\//, ''))
  return among(names, (name) => [mcopy, ['-n', '-i', image, `::${name}`, '-'], env])
}

/** @throws UsageError where neither xorriso nor bsdtar is installed, or the image can't be read */
export function openIso(path: string): ImageReader {
  const image = resolve(path)
  const xorriso = findProgram('xorriso')
  if (xorriso !== undefined) {
    // -no_rc: without the user's own settings, which may write.
    const start = ['-no_rc', '-indev', image]
    const list = run(xorriso, [...start, '-find', '/', '-maxdepth', '1', '-type', 'f']).split('\n')
    const names = list.map((line) => line.replace(/^'\/(.*)'$/, '$1'))
    return among(names, (name) => [
      xorriso,
      [...start, '-osirrox', 'on', '-concat', 'overwrite', '-', `/${name}`],
    ])
  }
  const bsdtar = findProgram('bsdtar')
  if (bsdtar === undefined) throw missing('ISO 9660', 'neither xorriso nor bsdtar', 'xorriso')
  const names = run(bsdtar, ['-tf', image]).split('\n')
  return among(names, (name) => [bsdtar, ['-xOf', image, name]])
}

type Command = readonly [program: string, args: readonly string[], env?: Readonly<Record<string, string>>]

/** Looks a name up without regard to case, as the kernel's drivers do for FAT and for ISO 9660 without extensions. */
function among(names: readonly string[], command: (name: string) => Command): ImageReader {
  return (wanted) => {
    const name = names.find((each) => each === wanted) ?? names.find((each) => each.toLowerCase() === wanted)
    if (name === undefined) return { failed: 'missing', why: 'ENOENT' }
    const [program, args, env] = command(name)
    try {
      return { text: run(program, args, env) }
    } catch (error) {
      if (error instanceof TooLarge) return { failed: 'unusable', why: 'larger than 1 MB' }
      throw error
    }
  }
}

class TooLarge extends Error {}

/** A program's standard output as a byte string; what it says when it fails is shown with what was run. */
function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    env: { ...process.env, LC_ALL: 'C', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: LARGEST,
  })
  if (error !== undefined && 'code' in error && error.code === 'ENOBUFS') throw new TooLarge()
  if (status === 0) return stdout.toString('latin1')
  const said = (error?.message ?? stderr.toString()).trim().split('\n').slice(-3).join('\n  ')
  throw new UsageError(`the seed's image cannot be read\n  ${said}`, commandLine(program, args))
}

const missing = (kind: string, what: string, debianPackage: string): UsageError =>
  new UsageError(
    `the seed is a ${kind} image, and ${what} is installed to read it`.replace(
      'and mcopy of mtools is',
      'and mcopy (mtools) is not',
    ),
    `apt-get install ${debianPackage}`,
  )
