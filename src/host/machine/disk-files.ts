/** The disks of a machine: those that there are, checked; new ones made; and the first of a VM filled with its image. */

import { spawnSync } from 'node:child_process'
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { PROBES } from '../../lib/superblock.ts'
import type { DiskRequest } from '../cli/run-options.ts'
import type { Report } from '../image/unpack.ts'
import { failure } from '../lib/child.ts'
import { errorCode, readAt } from '../lib/input.ts'
import { needProgram } from '../lib/programs.ts'
import { UsageError } from '../lib/usage.ts'
import type { Disk } from './options.ts'

/** What makes a file system of each type that a new disk may have, and the package it is in. */
const MAKERS: Readonly<Record<string, readonly [program: string, debianPackage: string, ...args: string[]]>> =
  {
    ext4: ['mkfs.ext4', 'e2fsprogs', '-q', '-F'],
    btrfs: ['mkfs.btrfs', 'btrfs-progs', '-q', '-f'],
    xfs: ['mkfs.xfs', 'xfsprogs', '-q', '-f'],
    vfat: ['mkfs.vfat', 'dosfstools'],
  }

/** The files for what was asked for. New ones are made in the folder, which goes with the machine. */
export function prepareDisks(requests: readonly DiskRequest[], folder: string): Disk[] {
  return requests.map((request, at) => {
    const { source, target, type, options } = request
    if ('bytes' in source) {
      return { file: makeDisk(join(folder, `disk${at}.raw`), source.bytes, type) }
    }
    const readOnly = options.split(',').includes('ro')
    check(source.file, target, readOnly)
    return { file: source.file, readOnly }
  })
}

function makeDisk(file: string, bytes: number, type: string): string {
  const wanted = type === 'auto' ? 'ext4' : type
  const maker = Object.hasOwn(MAKERS, wanted) ? MAKERS[wanted] : undefined
  if (maker === undefined) {
    throw new UsageError(
      `--disk new: of type ${JSON.stringify(type)} can't be made here`,
      `one of ${Object.keys(MAKERS).join(', ')}`,
    )
  }
  const [name, debianPackage, ...args] = maker
  const fd = openSync(file, 'wx', 0o600)
  ftruncateSync(fd, bytes)
  closeSync(fd)
  const program = needProgram(name, debianPackage)
  const { status, stderr } = spawnSync(program, [...args, file], { encoding: 'utf8' })
  if (status !== 0) {
    throw failure(
      program,
      [...args, file],
      stderr ?? '',
      'look at its words above; the disk may be too small',
    )
  }
  return file
}

/** A disk with a target is mounted, so it must have been formatted, as a zos host does it. */
function check(file: string, target: string | undefined, readOnly: boolean): void {
  const named = `--disk ${JSON.stringify(file)}`
  const fd = open(file, readOnly ? 'r' : 'r+', named)
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile() && !stat.isBlockDevice()) throw new UsageError(`${named} is no file and no disk`)
    if (stat.isFile() && stat.size % 512 !== 0) {
      throw new UsageError(`${named}: ${stat.size} bytes are no whole sectors of 512`, 'a raw disk image')
    }
    if (target !== undefined && !isFormatted(fd)) {
      throw new UsageError(
        `${named} has no file system that could be mounted on ${target}`,
        `mkfs.ext4 ${file}; or --disk new:SIZE:${target} for one that is gone with the machine`,
      )
    }
  } finally {
    closeSync(fd)
  }
}

function open(file: string, flags: string, named: string): number {
  try {
    return openSync(file, flags)
  } catch (error) {
    const code = errorCode(error)
    throw new UsageError(
      `${named}: ${code}`,
      code === 'ENOENT' ? `make it: truncate -s 10G ${file} && mkfs.ext4 ${file}` : undefined,
    )
  }
}

/** By the functions that PID 1 tells a disk by. */
const isFormatted = (fd: number): boolean =>
  PROBES.some(({ offset, length, parse }) => parse(readAt(fd, offset, length)) !== undefined)

/** How much is copied at a time, and the start of a volume that must be empty. */
const CHUNK = 4 << 20

/**
 * Copies a VM's image to its first disk, where that is empty, as a zos host does; a disk that holds something is an
 * earlier run's and stays. Without a disk it is a temporary one: what the VM writes is gone with it.
 * @throws UsageError where the image is larger than the disk, before anything is written
 */
export function fillFirstDisk(image: string, disks: readonly Disk[], folder: string, report: Report): Disk[] {
  const [first, ...others] = disks
  const source = openSync(image, 'r')
  try {
    const { size } = fstatSync(source)
    if (first === undefined) {
      report('no --disk: what the VM writes is lost when it ends')
      const file = join(folder, 'image.raw')
      const fd = openSync(file, 'wx+', 0o600)
      ftruncateSync(fd, wholeSectors(size))
      copy(source, fd, size, report)
      closeSync(fd)
      return [{ file }]
    }
    const fd = openSync(first.file, 'r+')
    try {
      const room = capacity(fd)
      if (size > room) {
        throw new UsageError(
          `/image.raw has ${size} bytes, and the disk ${first.file} only ${room}`,
          `truncate -s ${wholeSectors(size)} ${first.file}`,
        )
      }
      if (isEmpty(fd)) copy(source, fd, size, report)
      else report(`${first.file} is not empty, so that the image is not written to it again`)
    } finally {
      closeSync(fd)
    }
    return [first, ...others]
  } finally {
    closeSync(source)
  }
}

/** What a disk has, whatever the image is. */
const wholeSectors = (bytes: number): number => Math.ceil(bytes / 512) * 512

/** A block device tells no size by stat(2), but by where its end is. */
function capacity(fd: number): number {
  const stat = fstatSync(fd)
  if (stat.isFile()) return stat.size
  let low = 0
  let high = 2 ** 52
  const byte = Buffer.alloc(1)
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (readSync(fd, byte, 0, 1, middle) === 1) low = middle + 1
    else high = middle
  }
  return low
}

const isEmpty = (fd: number): boolean => readAt(fd, 0, CHUNK).every((byte) => byte === 0)

/**
 * Holes stay holes: what is all zero is not written to a disk that is empty. The begin comes last, since by it a disk
 * counts as filled: a copy that was ended halfway is done again.
 */
function copy(source: number, target: number, size: number, report: Report): void {
  const chunk = Buffer.alloc(CHUNK)
  const zero = Buffer.alloc(CHUNK)
  let told = performance.now()
  for (let at = Math.floor(size / CHUNK) * CHUNK; at >= 0; at -= CHUNK) {
    const length = readSync(source, chunk, 0, CHUNK, at)
    if (!chunk.subarray(0, length).equals(zero.subarray(0, length))) writeSync(target, chunk, 0, length, at)
    if (performance.now() - told < 250) continue
    told = performance.now()
    report(`copying the image: ${Math.floor(((size - at) / size) * 100)} %`)
  }
}
