/** On images as the real programs make them, compared with what blkid(8) says of each. */

import { execFileSync, spawnSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { identify, type Superblock } from '../../src/lib/superblock.ts'
import { utf8 } from '../bytes.ts'
import { testWith } from '../programs.ts'

const MIB = 1 << 20
const UUID = '0c0ffee0-1111-2222-3333-4444aaaabbbb'
/** mkfs lives where a user's PATH does not look. */
const env = {
  ...process.env,
  PATH: `${process.env['PATH']}:/usr/sbin:/sbin`,
  SOURCE_DATE_EPOCH: '1700000000',
}

interface Image {
  readonly what: string
  readonly type: string
  readonly label: string
  /** undefined: whatever blkid says. */
  readonly uuid?: string
  readonly size?: number
  /** `IMAGE` and `FILES` stand for the image, and for a directory with a file in it. */
  readonly make: readonly [program: string, ...args: string[]]
}

const ISO = ['-as', 'mkisofs', '-quiet', '-o', 'IMAGE'] as const

const IMAGES: readonly Image[] = [
  {
    what: 'ext4',
    type: 'ext4',
    label: 'data',
    uuid: UUID,
    make: ['mkfs.ext4', '-q', '-L', 'data', '-U', UUID, 'IMAGE'],
  },
  { what: 'ext4 without a label', type: 'ext4', label: '', make: ['mkfs.ext4', '-q', 'IMAGE'] },
  {
    what: 'ext4 with the longest label, in UTF-8',
    type: 'ext4',
    label: utf8('voilà-012345678'),
    make: ['mkfs.ext4', '-q', '-L', 'voilà-012345678', 'IMAGE'],
  },
  {
    what: 'ext4 of 1 KiB blocks',
    type: 'ext4',
    label: 'k',
    make: ['mkfs.ext4', '-q', '-b', '1024', '-L', 'k', 'IMAGE'],
  },
  { what: 'ext2', type: 'ext4', label: 'old', make: ['mkfs.ext2', '-q', '-L', 'old', 'IMAGE'] },
  { what: 'ext3', type: 'ext4', label: 'old', make: ['mkfs.ext3', '-q', '-L', 'old', 'IMAGE'] },
  {
    what: 'btrfs',
    type: 'btrfs',
    label: 'a longer label than ext4 could have',
    uuid: UUID,
    size: 128,
    make: ['mkfs.btrfs', '-q', '-L', 'a longer label than ext4 could have', '-U', UUID, 'IMAGE'],
  },
  {
    what: 'xfs',
    type: 'xfs',
    label: 'twelve_chars',
    uuid: UUID,
    size: 320,
    make: ['mkfs.xfs', '-q', '-L', 'twelve_chars', '-m', `uuid=${UUID}`, 'IMAGE'],
  },
  {
    what: 'FAT12',
    type: 'vfat',
    label: 'CIDATA',
    uuid: 'abcd-0123',
    size: 2,
    make: ['mkfs.vfat', '-F12', '-n', 'CIDATA', '-i', 'abcd0123', 'IMAGE'],
  },
  {
    what: 'FAT16',
    type: 'vfat',
    label: 'SIXTEEN',
    size: 16,
    make: ['mkfs.vfat', '-F16', '-n', 'SIXTEEN', 'IMAGE'],
  },
  {
    what: 'FAT32',
    type: 'vfat',
    label: 'ELEVEN CHAR',
    size: 64,
    make: ['mkfs.vfat', '-F32', '-n', 'ELEVEN CHAR', 'IMAGE'],
  },
  {
    what: 'FAT with a label in lower case',
    type: 'vfat',
    label: 'cidata',
    size: 2,
    make: ['mkfs.vfat', '-n', 'cidata', 'IMAGE'],
  },
  { what: 'FAT without a label', type: 'vfat', label: '', size: 2, make: ['mkfs.vfat', 'IMAGE'] },
  { what: 'erofs', type: 'erofs', label: '', uuid: UUID, make: ['mkfs.erofs', '-U', UUID, 'IMAGE', 'FILES'] },
  {
    what: 'squashfs',
    type: 'squashfs',
    label: '',
    uuid: '',
    make: ['mksquashfs', 'FILES', 'IMAGE', '-quiet', '-noappend'],
  },
  { what: 'ISO 9660', type: 'iso9660', label: 'cidata', make: ['xorriso', ...ISO, '-V', 'cidata', 'FILES'] },
  {
    what: 'ISO 9660 with Joliet and Rock Ridge',
    type: 'iso9660',
    label: 'CIDATA',
    make: ['xorriso', ...ISO, '-J', '-R', '-V', 'CIDATA', 'FILES'],
  },
]

let folder: string
const pathOf = ({ what }: Image): string => join(folder, what.replaceAll(' ', '-'))

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'superblock-'))
  mkdirSync(join(folder, 'files'))
  writeFileSync(join(folder, 'files', 'meta-data'), 'instance-id: 1\n')
})

afterAll(() => rmSync(folder, { recursive: true }))

function makeImage(image: Image): string {
  const path = pathOf(image)
  writeFileSync(path, '')
  truncateSync(path, (image.size ?? 8) * MIB)
  const [program, ...args] = image.make.map((arg) =>
    arg.replace('IMAGE', path).replace('FILES', join(folder, 'files')),
  )
  if (program === undefined) throw new Error('no program')
  const made = spawnSync(program, args, { env, encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`${program}: ${made.stderr}`)
  return path
}

function probe(path: string): Superblock | undefined {
  const fd = openSync(path, 'r')
  try {
    return identify((offset, length) => {
      const bytes = new Uint8Array(length)
      readSync(fd, bytes, 0, length, offset)
      return bytes
    })
  } finally {
    closeSync(fd)
  }
}

const NOTHING = new Uint8Array(0)
const OFFSETS = [0, 32768, 65536]

/** A disk that has these bytes at this place, and nothing elsewhere. */
const at = (place: number, bytes: Uint8Array<ArrayBuffer>) => (offset: number, length: number) =>
  offset === place ? bytes.slice(0, length) : NOTHING

function blkid(path: string): { type: string; label: string; uuid: string } {
  const output = execFileSync('blkid', ['-p', '-o', 'udev', path], { env, encoding: 'latin1' })
  const value = (name: string): string =>
    output
      .split('\n')
      .find((line) => line.startsWith(`${name}=`))
      ?.slice(name.length + 1)
      .replaceAll(/\\x([0-9a-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))) ?? ''
  return {
    type: value('ID_FS_TYPE'),
    label: value('ID_FS_LABEL_ENC'),
    uuid: value('ID_FS_UUID').toLowerCase(),
  }
}

describe('identify', () => {
  for (const image of IMAGES) {
    testWith(image.make[0], 'blkid')(`finds ${image.what}, its label and uuid, as blkid does`, () => {
      const path = makeImage(image)
      const found = probe(path)
      expect(found).toMatchObject({ type: image.type, label: image.label })
      if (image.uuid !== undefined) expect(found?.uuid).toBe(image.uuid)
      const judge = blkid(path)
      expect({ label: found?.label, uuid: found?.uuid }).toEqual({ label: judge.label, uuid: judge.uuid })
      expect(judge.type.replace(/^ext[23]$/, 'ext4')).toBe(found?.type)
      // mkfs takes whole blocks, and of the disk all of them.
      if (['ext4', 'btrfs', 'xfs'].includes(image.type))
        expect(found?.space?.size).toBe((image.size ?? 8) * MIB)
      else expect(found?.space).toBeUndefined()
    })
  }

  it('takes a uuid of zeros for none', () => {
    const bytes = new Uint8Array(2048)
    bytes.set([0x53, 0xef], 1024 + 0x38)
    expect(identify(at(0, bytes))).toMatchObject({ type: 'ext4', label: '', uuid: '' })
  })

  it('reads little, and nothing twice', () => {
    const reads = new Map<number, number>()
    identify((offset, length) => {
      expect(reads.has(offset)).toBe(false)
      reads.set(offset, length)
      return NOTHING
    })
    for (const length of reads.values()) expect(length).toBeLessThanOrEqual(4096)
    expect([...reads.keys()].sort((a, b) => a - b)).toEqual(OFFSETS)
  })

  it('finds nothing on a disk that is empty, full of ones, or only partitioned', () => {
    const partitioned = new Uint8Array(2048)
    partitioned.set([0x55, 0xaa], 510)
    for (const start of [new Uint8Array(2048), new Uint8Array(2048).fill(0xff), partitioned]) {
      for (const offset of OFFSETS) expect(identify(at(offset, start))).toBeUndefined()
    }
  })

  it('never throws, whatever the bytes, and however few there are', () => {
    const magics: readonly [number, string][] = [
      [1024 + 0x38, '\x53\xef'],
      [0, 'XFSB'],
      [1024, '\xe2\xe1\xf5\xe0'],
      [0, 'hsqs'],
      [54, 'FAT16   '],
      [82, 'FAT32   '],
      [510, '\x55\xaa'],
      [64, '_BHRfS_M'],
      [1, 'CD001'],
    ]
    const bytes = fc
      .tuple(fc.uint8Array({ maxLength: 64 }), fc.subarray([...magics]), fc.nat(2048))
      .map(([pattern, magics, length]) => {
        const bytes = new Uint8Array(2048)
        for (let i = 0; i < bytes.length; i++) bytes[i] = pattern[i % pattern.length] ?? 0
        for (const [at, magic] of magics) bytes.set(Buffer.from(magic, 'latin1'), at)
        return bytes.slice(0, length)
      })
    fc.assert(
      fc.property(bytes, (bytes) => {
        for (const offset of OFFSETS) {
          const found = identify(at(offset, bytes))
          if (found === undefined) continue
          expect(found.label).not.toContain('\0')
          expect(found.label.length).toBeLessThanOrEqual(256)
        }
      }),
    )
  })
})
