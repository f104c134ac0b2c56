import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { type RunRequest, readRunOptions } from '../../../src/host/cli/run-options.ts'
import { readAt } from '../../../src/host/lib/input.ts'
import { UsageError } from '../../../src/host/lib/usage.ts'
import { fillFirstDisk, prepareDisks } from '../../../src/host/machine/disk-files.ts'
import type { Disk } from '../../../src/host/machine/options.ts'
import { identify } from '../../../src/lib/superblock.ts'
import { testWith } from '../../programs.ts'
import { temporaryFolder } from '../plan/plan-helpers.ts'

const parent = temporaryFolder()
const newFolder = (): string => mkdtempSync(join(parent, 'disks-'))

/** Options as they are typed. */
function requests(...disks: readonly string[]): RunRequest['disks'] {
  const request = readRunOptions([...disks.map((each) => `--disk=${each}`), 'root'])
  if (request === 'help') throw new Error('help')
  return request.disks
}

const prepare = (folder: string, ...disks: readonly string[]): Disk[] =>
  prepareDisks(requests(...disks), folder)

/** What the error says, and what to do. */
function refusal(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof UsageError) return `${error.message}\n${error.hint}`
    throw error
  }
  return 'none'
}

/** Which file system PID 1 would find. */
function typeOf(file: string): string | undefined {
  const fd = openSync(file, 'r')
  const found = identify((offset, length) => readAt(fd, offset, length))
  closeSync(fd)
  return found?.type
}

/** A file of so many bytes, all of them a hole. */
function hole(file: string, bytes: number): string {
  writeFileSync(file, '')
  truncateSync(file, bytes)
  return file
}

/** What a file takes of its disk, in bytes. */
const used = (file: string): number => statSync(file).blocks * 512

const withMakers = testWith('mkfs.ext4', 'mkfs.btrfs', 'mkfs.xfs', 'mkfs.vfat')

describe('a new disk', () => {
  withMakers.each([
    ['new:8M:/d', 'ext4', 8],
    ['new:8M:/d:auto', 'ext4', 8],
    ['new:8M', 'ext4', 8],
    ['new:8M:/d:ext4', 'ext4', 8],
    ['new:128M:/d:btrfs', 'btrfs', 128],
    ['new:320M:/d:xfs', 'xfs', 320],
    ['new:8M:/d:vfat', 'vfat', 8],
  ])('%s is made as %s', (text, type, megabytes) => {
    const folder = newFolder()
    const [disk] = prepare(folder, text)
    expect(disk).toEqual({ file: join(folder, 'disk0.raw') })
    const file = disk?.file ?? ''
    expect([typeOf(file), statSync(file).size]).toEqual([type, megabytes << 20])
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  withMakers('takes only what is in it', () => {
    const [disk] = prepare(newFolder(), 'new:1G:/d')
    expect(used(disk?.file ?? '')).toBeLessThan(64 << 20)
  })

  withMakers('is one of its own each time', () => {
    const files = prepare(newFolder(), 'new:8M:/a', 'new:8M:/b').map(({ file }) => file)
    expect(new Set(files).size).toBe(2)
  })

  withMakers.each(['new:4K:/d:ext4', 'new:16M:/d:btrfs', 'new:16M:/d:xfs', 'new:4K:/d:vfat'])(
    '%s is too small, in the program’s own words',
    (text) => {
      const maker = new RegExp(`^mkfs\\.${text.split(':').at(-1)} failed\n`)
      expect(() => prepare(newFolder(), text)).toThrow(maker)
      expect(() => prepare(newFolder(), text)).toThrow(/the disk may be too small/)
    },
  )

  test.each(['ntfs', 'swap', 'constructor', '__proto__'])('of the type %s can’t be made', (type) => {
    const folder = newFolder()
    expect(refusal(() => prepare(folder, `new:8M:/d:${type}`))).toBe(
      `--disk new: can't be formatted as "${type}"\none of ext4, btrfs, xfs, vfat`,
    )
    expect(existsSync(join(folder, 'disk0.raw'))).toBe(false)
  })
})

describe('a file', () => {
  const folder = newFolder()
  const ext4 = hole(join(folder, 'data.ext4'), 8 << 20)
  // As much as it is known by: the magic number in the superblock.
  const opened = openSync(ext4, 'r+')
  writeSync(opened, Uint8Array.of(0x53, 0xef), 0, 2, 1024 + 0x38)
  closeSync(opened)

  test('that is formatted is a disk, and is not changed', () => {
    const before = readFileSync(ext4)
    expect(prepare(folder, `${ext4}:/d`, ext4)).toEqual([
      { file: ext4, readOnly: false },
      { file: ext4, readOnly: false },
    ])
    expect(readFileSync(ext4).equals(before)).toBe(true)
  })

  test.each([
    ['ro', true],
    ['nofail,ro', true],
    ['rw', false],
    ['errors=remount-ro', false],
  ])('with the options %s is read-only: %s', (options, readOnly) => {
    expect(prepare(folder, `${ext4}:/d:ext4:${options}`)).toEqual([{ file: ext4, readOnly }])
  })

  test('without a file system is refused where it would be mounted, and only there', () => {
    const raw = hole(join(folder, 'raw.img'), 8 << 20)
    expect(prepare(folder, raw)).toHaveLength(1)
    expect(refusal(() => prepare(folder, `${raw}:/data`))).toMatch(
      /^--disk ".*raw.img" has no file system that could be mounted on \/data\nmkfs\.ext4 .*--disk new:SIZE:/,
    )
  })

  test('that is not there is refused, with how to make it', () => {
    const missing = join(folder, 'missing.img')
    expect(refusal(() => prepare(folder, `${missing}:/d`))).toBe(
      `--disk "${missing}": cannot be opened (ENOENT)\nmake it: truncate -s 10G ${missing} && mkfs.ext4 ${missing}`,
    )
    expect(existsSync(missing)).toBe(false)
  })

  test('of no whole sectors is refused', () => {
    const odd = join(folder, 'odd.img')
    writeFileSync(odd, 'x'.repeat(513))
    expect(refusal(() => prepare(folder, odd))).toMatch(
      /513 bytes are not a whole number of 512-byte sectors/,
    )
  })

  test('that is a directory or a device is refused', () => {
    mkdirSync(join(folder, 'directory'))
    expect(refusal(() => prepare(folder, join(folder, 'directory')))).toMatch(
      /^--disk .* is a directory\nshare a directory: --volume /,
    )
    expect(refusal(() => prepare(folder, '/dev/null'))).toMatch(/is neither a file nor a block device/)
  })
})

describe('a device', () => {
  test('that is not there is looked for, and nobody is told to make or to format one', () => {
    expect(refusal(() => prepare(parent, '/dev/no-such-disk:/d'))).toBe(
      '--disk "/dev/no-such-disk": cannot be opened (ENOENT)\nlsblk lists the disks',
    )
  })
})

describe('a VM’s image', () => {
  const MEGABYTE = 1 << 20
  const reports: string[] = []
  const report = (text: string): unknown => reports.push(text)
  const said = (): string => reports.splice(0).join('\n')

  /** 9 MB and a bit: data at its begin and its end, which is not that of a sector, and a hole between. */
  const image = join(parent, 'image.raw')
  const SIZE = 9 * MEGABYTE + 100
  const fd = openSync(image, 'w')
  writeSync(fd, Buffer.from('begin'), 0, 5, 0)
  writeSync(fd, Buffer.from('end'), 0, 3, SIZE - 3)
  ftruncateSync(fd, SIZE)
  closeSync(fd)

  /** What the image was and zeros behind it. */
  const expectCopied = (file: string): void => {
    const copy = readFileSync(file)
    const original = readFileSync(image)
    expect(copy.subarray(0, SIZE).equals(original)).toBe(true)
    expect(copy.subarray(SIZE).every((byte) => byte === 0)).toBe(true)
    expect(used(file)).toBeLessThan(9 * MEGABYTE)
  }

  test('is copied to a disk that is empty, and the holes stay', () => {
    const file = hole(join(newFolder(), 'vm.raw'), 16 * MEGABYTE)
    const second = { file: '/second' }
    expect(fillFirstDisk(image, [{ file, readOnly: false }, second], parent, report)).toEqual([
      { file, readOnly: false },
      second,
    ])
    expect(statSync(file).size).toBe(16 * MEGABYTE)
    expectCopied(file)
    expect(said()).toBe('')
  })

  test('is copied to a new disk, which is not formatted before', () => {
    const folder = newFolder()
    const disks = prepareDisks(requests('new:16M', 'new:8M'), folder, { blankFirst: true })
    const [first, second] = fillFirstDisk(image, disks, folder, report)
    expectCopied(first?.file ?? '')
    expect(typeOf(second?.file ?? '')).toBe('ext4')
    expect(said()).toBe('')
  })

  test('that is larger than a new disk says how large it has to be', () => {
    const folder = newFolder()
    const disks = prepareDisks(requests('new:8M'), folder, { blankFirst: true })
    expect(refusal(() => fillFirstDisk(image, disks, folder, report))).toBe(
      `/image.raw has ${SIZE} bytes, and the disk --disk new: only ${8 * MEGABYTE}\n--disk new:10M`,
    )
  })

  test('that finds no room is refused, with where it was to go', () => {
    // Reads as zeros without an end, and has no room for a byte.
    expect(refusal(() => fillFirstDisk(image, [{ file: '/dev/full' }], parent, report))).toMatch(
      /^the image of \d+ bytes cannot be copied to \/dev\/full \(ENOSPC\)\nmake room there/,
    )
  })

  test('fits a disk of its own size', () => {
    const file = hole(join(newFolder(), 'vm.raw'), SIZE)
    fillFirstDisk(image, [{ file }], parent, report)
    expectCopied(file)
  })

  test('that is larger than the disk is refused, and nothing is written', () => {
    const file = hole(join(newFolder(), 'vm.raw'), 9 * MEGABYTE)
    expect(refusal(() => fillFirstDisk(image, [{ file }], parent, report))).toBe(
      `/image.raw has ${SIZE} bytes, and the disk ${file} only ${9 * MEGABYTE}\ntruncate -s ${SIZE + 412} ${file}`,
    )
    expect(used(file)).toBe(0)
    expect(statSync(file).size).toBe(9 * MEGABYTE)
  })

  test('is not written to a disk that holds something', () => {
    const file = hole(join(newFolder(), 'vm.raw'), 16 * MEGABYTE)
    const disk = openSync(file, 'r+')
    writeSync(disk, Buffer.from('x'), 0, 1, 1000)
    closeSync(disk)
    fillFirstDisk(image, [{ file }], parent, report)
    expect(said()).toBe(`${file} is not empty: it keeps what it has, and the image is not copied`)
    expect(readFileSync(file).subarray(0, 5).toString()).toBe('\0\0\0\0\0')
    expect(readFileSync(file)[1000]).toBe(0x78)
  })

  test('is copied again where a run was ended before all of it was', () => {
    const file = hole(join(newFolder(), 'vm.raw'), 16 * MEGABYTE)
    const disk = openSync(file, 'r+')
    // The end comes first.
    writeSync(disk, Buffer.from('end'), 0, 3, SIZE - 3)
    closeSync(disk)
    fillFirstDisk(image, [{ file }], parent, report)
    expectCopied(file)
    expect(said()).toBe('')
  })

  test('that a run was ended in the middle of copying is copied again', () => {
    const file = hole(join(newFolder(), 'vm.raw'), 16 * MEGABYTE)
    // A second passes between two looks at the clock, so that progress is reported after each piece.
    let now = 0
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 1000))
    const end = (): never => {
      throw new Error('ended')
    }
    expect(() => fillFirstDisk(image, [{ file }], parent, end)).toThrow('ended')
    clock.mockRestore()
    expect(used(file)).toBeGreaterThan(0)
    fillFirstDisk(image, [{ file }], parent, report)
    expectCopied(file)
    expect(said()).toBe('')
  })

  test('without a disk is copied to one of whole sectors, gone with the machine', () => {
    const folder = newFolder()
    const [disk, ...others] = fillFirstDisk(image, [], folder, report)
    expect([disk, others]).toEqual([{ file: join(folder, 'image.raw') }, []])
    const file = disk?.file ?? ''
    expect(statSync(file).size % 512).toBe(0)
    expectCopied(file)
    expect(said()).toMatch(/no --disk: what the VM writes is lost when it ends/)
  })
})
