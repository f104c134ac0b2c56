import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { findProgram } from '../../../src/host/lib/programs.ts'
import { encodeSeed } from '../../../src/host/seed/encode-seed.ts'
import { seedImage } from '../../../src/host/seed/seed-image.ts'
import { readSeedInput } from '../../../src/host/seed/seed-reader.ts'
import { identify } from '../../../src/lib/superblock.ts'
import { temporaryFolder } from '../plan/plan-helpers.ts'

type Files = Readonly<Record<string, string | Uint8Array>>

const folder = temporaryFolder()
const image = join(folder, 'seed.img')
const fsck = findProgram('fsck.vfat')
const canRead = findProgram('mcopy') !== undefined && findProgram('mdir') !== undefined

/** Fixed content of any length, different in each sector. */
const content = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => (at * 7 + (at >> 9)) & 0xff)

/** mtools with its own checks of the geometry, and without a user's settings. */
const mtools = (program: string, ...args: readonly string[]): Buffer =>
  execFileSync(program, args, {
    env: { ...process.env, MTOOLSRC: '/dev/null', LC_ALL: 'C' },
    maxBuffer: 1 << 22,
  })

function expectReadable(files: Files): void {
  writeFileSync(image, seedImage(files))
  if (canRead) {
    const names = mtools('mdir', '-b', '-i', image, '::')
      .toString()
      .split('\n')
      .filter((line) => line !== '')
    expect(names).toEqual(Object.keys(files).map((name) => `::/${name}`))
    for (const [name, expected] of Object.entries(files)) {
      const found = mtools('mcopy', '-n', '-i', image, `::${name}`, '-')
      expect(Buffer.compare(found, Buffer.from(expected)), name).toBe(0)
    }
  }
  if (fsck !== undefined) {
    const { status, stdout, stderr } = spawnSync(fsck, ['-n', image], { encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    // Its version and what it counted; a complaint would be a line more.
    expect(stdout).toMatch(/^fsck\.fat .*\n.*: \d+ files, \d+\/\d+ clusters\n$/)
  }
}

const length = fc.oneof(fc.constantFrom(0, 1, 511, 512, 513, 1023, 1024, 1025), fc.nat(5000))
const name = fc
  .string({ unit: fc.constantFrom(...'abcXYZ019_-.'), minLength: 1, maxLength: 60 })
  .filter((text) => /^[^.].*[^.]$|^[^.]$/.test(text))
const anyFiles = fc
  .uniqueArray(fc.tuple(name, fc.tuple(length, fc.nat(255))), {
    maxLength: 12,
    selector: ([each]) => each.toLowerCase(),
  })
  .map(
    (entries): Files =>
      Object.fromEntries(
        entries
          // An object has its numbers first.
          .filter(([each]) => !/^\d+$/.test(each))
          .map(([each, [size, seed]]) => [each, content(size).map((byte) => byte ^ seed)]),
      ),
  )

describe('seedImage', () => {
  const files = encodeSeed({ hostname: 'web', environment: { A: 'héllo' } })

  it('is known as a seed by PID 1', () => {
    const bytes = new Uint8Array(seedImage(files))
    expect(identify((offset, length) => bytes.slice(offset, offset + length))).toEqual({
      type: 'vfat',
      label: 'CIDATA',
      uuid: 'c1da-7a00',
    })
  })

  it.runIf(canRead)('holds the files that go in', () => {
    writeFileSync(image, seedImage(files))
    expect(readSeedInput(image)).toEqual({
      files: {
        metaData: files['meta-data'],
        networkConfig: files['network-config'],
        userData: files['user-data'],
        zosrc: Buffer.from(files.zosrc).toString('latin1'),
      },
      problems: [],
    })
    expectReadable(files)
    expect(mtools('mlabel', '-s', '-i', image, '::').toString()).toContain('CIDATA')
  })

  it('is small, and the same each time', () => {
    expect(seedImage(files)).toHaveLength(64 * 1024)
    expect(seedImage(files)).toEqual(seedImage({ ...files }))
  })

  test.each([
    ['no file', {}],
    ['an empty file', { zosrc: '' }],
    ['1 MB, and that in the largest FAT12', { a: content(1 << 20), b: content(4000 * 512 - (1 << 20)) }],
    ['the smallest FAT16', { a: content(1 << 20), b: content(4000 * 512 - (1 << 20) + 1) }],
    [
      'names of each length to 255',
      Object.fromEntries(
        Array.from({ length: 100 }, (_, i) => [`${i}-`.padEnd(i < 50 ? i + 3 : i + 156, 'x'), '']),
      ),
    ],
    [
      'names that are short ones, or nearly',
      Object.fromEntries(
        ['ZOSRC', 'a.b.c', 'ab.c', 'readme.text', 'READM.TXT', 'con', '-x', '_'].map((n) => [n, n]),
      ),
    ],
    [
      'names with one beginning',
      Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`user-data-${i}`, `${i}`])),
    ],
  ])('can be read: %s', (_, files: Files) => {
    expectReadable(files)
  })

  it.runIf(fsck)('can be read at its largest: a hundred files of 1 MB', () => {
    const large = content(1 << 20)
    const bytes = seedImage(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`file-${i}`, large])))
    writeFileSync(image, bytes)
    expect(spawnSync(fsck ?? '', ['-n', image]).status).toBe(0)
    expect(bytes.length).toBeLessThan(101 << 20)
    if (canRead) expect(Buffer.compare(mtools('mcopy', '-n', '-i', image, '::file-99', '-'), large)).toBe(0)
  })

  it('can be read, whatever the files are', () => {
    fc.assert(fc.property(anyFiles, expectReadable), { numRuns: 25 })
  }, 60_000)

  test.each<[message: string, files: Files]>([
    ['"a": 1048577 bytes; PID 1 reads', { a: content((1 << 20) + 1) }],
    ['a seed: 101 files', Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`f${i}`, '']))],
    ['"": not a file name', { '': '' }],
    ['"a/b": not a file name', { 'a/b': '' }],
    ['"..": not a file name', { '..': '' }],
    ['"a.": not a file name', { 'a.': '' }],
    ['"ä": not a file name', { ä: '' }],
    ['not a file name', { ['a'.repeat(256)]: '' }],
    ['"A": another file has this name', { a: '', A: '' }],
    ['"a": contains half a surrogate pair', { a: '\ud800' }],
  ])('refuses what no seed has: %s', (message, files) => {
    expect(() => seedImage(files)).toThrow(RangeError)
    expect(() => seedImage(files)).toThrow(message)
  })
})
