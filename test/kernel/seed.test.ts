/** Which of several disks that look like a seed is read, in a mount namespace of its own. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { seedDisks } from '../../src/boot/io/device.ts'
import { NO_MODULES } from '../../src/boot/io/modules.ts'
import { readSeed } from '../../src/boot/steps/seed.ts'
import { seedImage } from '../../src/host/seed/seed-image.ts'
import {
  attach,
  blankImage,
  type Disk,
  enterDiskNamespace,
  fileSystem,
  makeImage,
  WORK,
  whyNoDisks,
} from './disks.ts'

const missing = whyNoDisks()
if (missing === undefined) enterDiskNamespace()

const disks: Disk[] = []
let trees = 0

function fat(name: string): string {
  const image = blankImage(0, 'fat')
  writeFileSync(image, seedImage({ 'meta-data': `local-hostname: ${name}\n` }))
  disks.push(attach(name, image))
  return `/dev/${name}`
}

/** An ext4 disk: unlike FAT, every kernel that runs the tests can mount it. */
function ext4(name: string, files: Readonly<Record<string, string>>): { path: string; type: string } {
  const tree = `${WORK}/seed-${++trees}`
  mkdirSync(tree)
  for (const [file, text] of Object.entries(files)) writeFileSync(`${tree}/${file}`, text)
  disks.push(attach(name, makeImage(fileSystem('ext4'), tree)))
  return { path: `/dev/${name}`, type: 'ext4' }
}

const hostname = (name: string): Readonly<Record<string, string>> => ({
  'meta-data': `local-hostname: ${name}\n`,
})

afterEach(() => {
  for (const disk of disks.splice(0)) disk.detach()
})

const title = missing === undefined ? 'of two seeds' : `of two seeds (${missing})`

describe.skipIf(missing !== undefined)(title, () => {
  test('the last disk comes first, where hosts attach it', () => {
    const paths = ['vda', 'vdc', 'vdb'].map(fat)
    expect(paths).toHaveLength(3)
    expect(seedDisks()).toEqual([
      { path: '/dev/vdc', type: 'vfat' },
      { path: '/dev/vdb', type: 'vfat' },
      { path: '/dev/vda', type: 'vfat' },
    ])
  })

  test('the first that holds a seed’s files is read, and no other', () => {
    const both = [ext4('vdb', hostname('first')), ext4('vda', hostname('second'))]
    const seed = readSeed(both, NO_MODULES)
    expect(seed.device).toBe('/dev/vdb')
    expect(seed.problems).toEqual([])
    expect(seed.layers.map(({ hostname }) => hostname)).toContain('first')
    expect(seed.layers.map(({ hostname }) => hostname)).not.toContain('second')
  })

  test('a data disk with the same label is passed over in silence', () => {
    const seed = readSeed([ext4('vdb', { 'data.txt': 'x' }), ext4('vda', hostname('behind'))], NO_MODULES)
    expect([seed.device, seed.problems]).toEqual(['/dev/vda', []])
  })

  test('a data disk with the same label is reported where there is no seed', () => {
    const seed = readSeed([ext4('vda', { 'data.txt': 'x' })], NO_MODULES)
    expect([seed.device, seed.layers]).toEqual([undefined, []])
    expect(seed.problems).toEqual([expect.stringMatching(/^seed: \/dev\/vda .*is the disk damaged\?$/)])
  })

  test('one that can’t be mounted is reported, and the next one read', () => {
    fat('vdb')
    const seed = readSeed([{ path: '/dev/vdb', type: 'ext4' }, ext4('vda', hostname('next'))], NO_MODULES)
    expect(seed.device).toBe('/dev/vda')
    expect(seed.problems).toEqual([expect.stringMatching(/^seed: mount \/dev\/vdb as ext4: E/)])
  })

  test('is unmounted again', () => {
    readSeed([ext4('vda', hostname('gone'))], NO_MODULES)
    expect(() => disks.splice(0).map((disk) => disk.detach())).not.toThrow()
    expect(
      readSeed([ext4('vda', hostname('again'))], NO_MODULES).layers.map(({ hostname }) => hostname),
    ).toContain('again')
  })
})
