/** The command as tests call it, and seeds as folders and images. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'
import { zmachine } from '../../../src/host/cli/command.ts'
import { findProgram } from '../../../src/host/lib/programs.ts'

export interface Ran {
  readonly code: number
  readonly out: string
  readonly errors: string
}

/** Runs the command in this process. Output is text, as a terminal would read its bytes. */
export function run(...args: readonly string[]): Ran {
  return runAs({ colours: false }, ...args)
}

export function runAs({ colours }: { colours: boolean }, ...args: readonly string[]): Ran {
  const chunks: Uint8Array[] = []
  let errors = ''
  const code = zmachine(args, {
    colours,
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    write: (bytes: Uint8Array): unknown => chunks.push(bytes),
    errors: (text) => {
      errors += text
    },
  })
  if (typeof code !== 'number') throw new Error('a subcommand that is not done at once')
  return { code, out: Buffer.concat(chunks).toString(), errors }
}

/** A folder that is gone when the file's tests are done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'zmachine-test-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  return folder
}

export const SEEDS = fileURLToPath(new URL('../../fixtures/seeds', import.meta.url))
export const seedNames = readdirSync(SEEDS).sort()

/** Fills a folder with files. */
export function writeFiles(folder: string, files: Readonly<Record<string, string | Buffer>>): string {
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  return folder
}

const has = (...programs: readonly string[]): boolean =>
  programs.every((name) => findProgram(name) !== undefined)
export const canMakeFat = has('mkfs.vfat', 'mcopy', 'mdir')
export const canMakeIso = has('xorriso')

/** A FAT image of a folder's files. */
export function makeFat(folder: string, image: string, label = 'CIDATA'): string {
  writeFileSync(image, '')
  truncateSync(image, 4 << 20)
  execFileSync(findProgram('mkfs.vfat') ?? '', ['-n', label, image], { stdio: 'ignore' })
  const files = readdirSync(folder).map((name) => join(folder, name))
  if (files.length > 0) execFileSync('mcopy', ['-i', image, ...files, '::'])
  return image
}

/** An ISO 9660 image of a folder's files. */
export function makeIso(folder: string, image: string, ...extensions: readonly string[]): string {
  const args = ['-as', 'mkisofs', '-quiet', '-V', 'cidata', ...extensions, '-o', image, folder]
  execFileSync('xorriso', args, { stdio: 'ignore' })
  return image
}
