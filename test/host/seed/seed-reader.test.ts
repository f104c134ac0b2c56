import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { readSeedInput } from '../../../src/host/seed/seed-reader.ts'
import {
  canMakeFat,
  canMakeIso,
  makeFat,
  makeIso,
  temporaryFolder,
  writeFiles,
} from '../plan/plan-helpers.ts'

const folder = temporaryFolder()

const newFolder = (name: string, files: Readonly<Record<string, string | Buffer>>): string => {
  const path = join(folder, name)
  mkdirSync(path)
  return writeFiles(path, files)
}

const HUGE = Buffer.alloc(1024 * 1024 + 1, 'a')

afterEach(() => vi.unstubAllEnvs())

describe('readSeedInput', () => {
  it('reads the files that there are, every byte', () => {
    const bytes = Buffer.from([0, 0xff, 0x0d, 0x0a, 0x1a, 0xc3])
    const seed = newFolder('bytes', { zosrc: bytes, 'meta-data': '' })
    const expected = { files: { metaData: '', zosrc: bytes.toString('latin1') }, problems: [] }
    expect(readSeedInput(seed)).toEqual(expected)
    if (canMakeFat) expect(readSeedInput(makeFat(seed, join(folder, 'bytes.fat')))).toEqual(expected)
    if (canMakeIso) expect(readSeedInput(makeIso(seed, join(folder, 'bytes.iso'), '-R'))).toEqual(expected)
  })

  it('tells of what holds no seed', () => {
    const seed = newFolder('other', { 'readme.txt': '' })
    const message = (what: string) =>
      `${what} has none of meta-data, network-config, user-data, zosrc: it is not a seed`
    expect(readSeedInput(seed).problems).toEqual([{ source: 'seed', message: message('the folder') }])
    if (!canMakeFat) return
    const image = makeFat(seed, join(folder, 'other.fat'))
    expect(readSeedInput(image).problems).toEqual([{ source: 'seed', message: message('the image') }])
  })

  it('tells of a file that is too large, or none, and reads the rest', () => {
    const seed = newFolder('huge', { 'user-data': HUGE, zosrc: 'init=/a' })
    const expected = {
      files: { zosrc: 'init=/a' },
      problems: [{ source: 'seed/user-data', message: 'larger than 1 MB; not read' }],
    }
    expect(readSeedInput(seed)).toEqual(expected)
    if (canMakeFat) expect(readSeedInput(makeFat(seed, join(folder, 'huge.fat')))).toEqual(expected)
    if (canMakeIso) expect(readSeedInput(makeIso(seed, join(folder, 'huge.iso'), '-R'))).toEqual(expected)
    mkdirSync(join(seed, 'meta-data'))
    expect(readSeedInput(seed).problems[0]).toEqual({
      source: 'seed/meta-data',
      message: 'not a regular file; not read',
    })
  })

  it.runIf(canMakeFat)('uses nothing of an image that PID 1 would not take for a seed', () => {
    const image = makeFat(newFolder('label', { zosrc: 'init=/a' }), join(folder, 'label.fat'), 'DATA')
    expect(readSeedInput(image)).toEqual({
      files: {},
      problems: [
        {
          source: 'seed',
          message: expect.stringContaining('labelled DATA, not cidata, so PID 1 ignores it'),
        },
      ],
    })
  })

  it.runIf(canMakeFat)('takes the label in either case, and names in capital letters', () => {
    const image = makeFat(newFolder('capitals', { ZOSRC: 'init=/a' }), join(folder, 'capitals.fat'), 'cidata')
    expect(readSeedInput(image).files).toEqual({ zosrc: 'init=/a' })
  })

  it('refuses what is neither a folder nor an image', () => {
    const file = join(folder, 'text')
    writeFileSync(file, 'no image')
    expect(() => readSeedInput(file)).toThrow(/it holds no known file system/)
    symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling'))
    expect(() => readSeedInput(join(folder, 'dangling'))).toThrow('ENOENT')
  })

  it.runIf(canMakeFat && canMakeIso)('names the package that brings a missing program', () => {
    const seed = newFolder('tools', { zosrc: '' })
    const fat = makeFat(seed, join(folder, 'tools.fat'))
    const iso = makeIso(seed, join(folder, 'tools.iso'), '-R')
    vi.stubEnv('PATH', folder)
    const hint = (wanted: string) => expect.objectContaining({ hint: wanted })
    expect(() => readSeedInput(fat)).toThrow(hint('apt-get install mtools'))
    expect(() => readSeedInput(iso)).toThrow(hint('apt-get install xorriso'))
  })

  it.runIf(canMakeFat)('shows what the program says of a broken image, and what was run', () => {
    const image = makeFat(newFolder('broken', { zosrc: '' }), join(folder, 'broken.fat'))
    const bytes = Buffer.alloc(512)
    bytes.write('FAT16   ', 54)
    bytes.write('CIDATA     ', 43)
    bytes.writeUInt16LE(0xaa55, 510)
    writeFileSync(image, bytes)
    expect(() => readSeedInput(image)).toThrow(/^the seed image cannot be read\n/)
  })
})
