/** The disks of a machine: checks the user's own, makes new ones, and copies a VM's image to its first disk. */

import { spawnSync } from 'node:child_process'
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { identify } from '../../lib/superblock.ts'
import { failure } from '../lib/child.ts'
import { errorCode, readAt } from '../lib/input.ts'
import type { Report } from '../lib/output.ts'
import { needProgram } from '../lib/programs.ts'
import { UsageError } from '../lib/usage.ts'
import type { Disk } from './options.ts'

/** A disk that the user asks for. */
export interface DiskRequest {
  /** A file, or the size in bytes of a new one. */
  readonly source: { readonly file: string } | { readonly bytes: number }
  readonly target?: string
  /** `auto` where none is given. */
  readonly type: string
  /** As in fstab(5). */
  readonly options: string
}

interface Maker {
  readonly name: string
  readonly debianPackage: string
  readonly options: readonly string[]
}

/** The program for each file system that a new disk may have. */
const MAKERS: Readonly<Record<string, Maker>> = {
  ext4: { name: 'mkfs.ext4', debianPackage: 'e2fsprogs', options: ['-q', '-F'] },
  btrfs: { name: 'mkfs.btrfs', debianPackage: 'btrfs-progs', options: ['-q', '-f'] },
  xfs: { name: 'mkfs.xfs', debianPackage: 'xfsprogs', options: ['-q', '-f'] },
  vfat: { name: 'mkfs.vfat', debianPackage: 'dosfstools', options: [] },
}

/**
 * The files of the requested disks. New ones are made in `folder`, which is removed with the machine.
 * @param blankFirst leaves the first disk without a file system if it is new: a VM's image goes there
 */
export function prepareDisks(
  requests: readonly DiskRequest[],
  folder: string,
  { blankFirst = false }: { readonly blankFirst?: boolean } = {},
): Disk[] {
  return requests.map((request, at) => {
    const { source, target, type, options } = request
    if ('bytes' in source) {
      const maker = makerOf(type)
      const file = newDiskName(folder, at)
      makeBlank(file, source.bytes)
      if (!blankFirst || at > 0) format(file, maker)
      return { file }
    }
    const disk = { file: source.file, readOnly: isReadOnly(options) }
    check(disk.file, target, disk.readOnly)
    return disk
  })
}

const newDiskName = (folder: string, at: number): string => join(folder, `disk${at}.raw`)

const isReadOnly = (options: string): boolean => options.split(',').includes('ro')

/** The same disks, and the shell commands that make the new ones. */
export function scriptDisks(
  requests: readonly DiskRequest[],
  folder: string,
  { blankFirst = false }: { readonly blankFirst?: boolean } = {},
): { readonly disks: Disk[]; readonly commands: (readonly string[])[] } {
  const commands: (readonly string[])[] = []
  const disks = requests.map(({ source, type, options }, at) => {
    if ('file' in source) return { file: source.file, readOnly: isReadOnly(options) }
    const file = newDiskName(folder, at)
    const maker = makerOf(type)
    commands.push(['truncate', '-s', String(source.bytes), file])
    if (!blankFirst || at > 0) commands.push([maker.name, ...maker.options, file])
    return { file }
  })
  return { disks, commands }
}

function makerOf(type: string): Maker {
  const wanted = type === 'auto' ? 'ext4' : type
  const maker = Object.hasOwn(MAKERS, wanted) ? MAKERS[wanted] : undefined
  if (maker !== undefined) return maker
  throw new UsageError(
    `--disk new: can't be formatted as ${JSON.stringify(type)}`,
    `one of ${Object.keys(MAKERS).join(', ')}`,
  )
}

function makeBlank(file: string, bytes: number): void {
  const fd = openSync(file, 'wx', 0o600)
  ftruncateSync(fd, bytes)
  closeSync(fd)
}

function format(file: string, { name, debianPackage, options }: Maker): void {
  const program = needProgram(name, debianPackage)
  const args = [...options, file]
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status === 0) return
  throw failure(program, args, stderr ?? '', 'see its message above; the disk may be too small')
}

/** A disk with a target is mounted, so it must have been formatted, as a zos host does it. */
function check(file: string, target: string | undefined, readOnly: boolean): void {
  const named = `--disk ${JSON.stringify(file)}`
  const fd = open(file, readOnly ? 'r' : 'r+', named)
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile() && !stat.isBlockDevice()) {
      throw new UsageError(`${named} is neither a file nor a block device`)
    }
    if (stat.isFile() && stat.size % 512 !== 0) {
      throw new UsageError(
        `${named}: its ${stat.size} bytes are not a whole number of 512-byte sectors`,
        'a raw disk image',
      )
    }
    if (target !== undefined && !isFormatted(fd)) {
      const make = stat.isFile() ? `mkfs.ext4 ${file}` : `attach it without :${target}`
      throw new UsageError(
        `${named} has no file system that could be mounted on ${target}`,
        `${make}; or --disk new:SIZE:${target} for one that is gone with the machine`,
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
    if (code === 'EISDIR') {
      throw new UsageError(`${named} is a directory`, `share a directory: --volume ${file}:/target`)
    }
    throw new UsageError(`${named}: cannot be opened (${code})`, adviceFor(code, file))
  }
}

/** Does not advise to create or format a device: the name may be a typo, and the device may hold data. */
function adviceFor(code: string, file: string): string | undefined {
  const isDevice = resolve(file).startsWith('/dev/')
  if (code === 'ENOENT') {
    return isDevice ? 'lsblk lists the disks' : `make it: truncate -s 10G ${file} && mkfs.ext4 ${file}`
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return isDevice ? 'run as root, or as a member of the group that owns the device' : undefined
  }
  return undefined
}

/** By the same functions as PID 1. */
const isFormatted = (fd: number): boolean =>
  identify((offset, length) => readAt(fd, offset, length)) !== undefined

/** How much is copied at a time, and how much of a disk's start must be zero for it to count as empty. */
const CHUNK = 4 << 20

/**
 * Copies a VM's image to its first disk if that is empty, as a zos host does; a disk that holds something comes from an
 * earlier run and stays. Without a disk, the VM gets a temporary one: what it writes is gone with it.
 * @throws UsageError if the image is larger than the disk, before anything is written
 */
export function fillFirstDisk(image: string, disks: readonly Disk[], folder: string, report: Report): Disk[] {
  const [first, ...others] = disks
  const source = openSync(image, 'r')
  try {
    const { size } = fstatSync(source)
    if (first === undefined) {
      report('no --disk: what the VM writes is lost when it ends')
      const file = join(folder, 'image.raw')
      makeBlank(file, wholeSectors(size))
      fill(source, file, size, report)
      return [{ file }]
    }
    checkRoom(first.file, size, folder)
    fill(source, first.file, size, report)
    return [first, ...others]
  } finally {
    closeSync(source)
  }
}

function checkRoom(file: string, size: number, folder: string): void {
  const { room, isFile } = capacity(file)
  if (size <= room) return
  const isNew = dirname(file) === folder
  const larger = isFile ? `truncate -s ${wholeSectors(size)} ${file}` : 'a larger disk'
  throw new UsageError(
    `/image.raw has ${size} bytes, and the disk ${isNew ? '--disk new:' : file} only ${room}`,
    isNew ? `--disk new:${Math.ceil(size / 2 ** 20)}M` : larger,
  )
}

function fill(source: number, file: string, size: number, report: Report): void {
  const fd = openSync(file, 'r+')
  try {
    if (isEmpty(fd)) copy(source, fd, size, report)
    else report(`${file} is not empty: it keeps what it has, and the image is not copied`)
  } catch (error) {
    if (!['ENOSPC', 'EDQUOT', 'EFBIG'].includes(errorCode(error))) throw error
    throw new UsageError(
      `the image of ${size} bytes cannot be copied to ${file} (${errorCode(error)})`,
      'make room there, or --disk FILE on a file system with more of it',
    )
  } finally {
    closeSync(fd)
  }
}

/** Disks end at a sector's end, wherever the image does. */
const wholeSectors = (bytes: number): number => Math.ceil(bytes / 512) * 512

/** A block device has no size in stat(2), so its last readable byte is searched for. */
function capacity(file: string): { readonly room: number; readonly isFile: boolean } {
  const fd = openSync(file, 'r')
  try {
    const stat = fstatSync(fd)
    if (stat.isFile()) return { room: stat.size, isFile: true }
    let low = 0
    let high = 2 ** 52
    const byte = Buffer.alloc(1)
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (readSync(fd, byte, 0, 1, middle) === 1) low = middle + 1
      else high = middle
    }
    return { room: low, isFile: false }
  } finally {
    closeSync(fd)
  }
}

const isEmpty = (fd: number): boolean => readAt(fd, 0, CHUNK).every((byte) => byte === 0)

/**
 * Copies from the end to the start. A disk counts as filled once its start is, so an interrupted copy is done again.
 * Chunks of zeros are skipped, which keeps holes.
 */
function copy(source: number, target: number, size: number, report: Report): void {
  const chunk = Buffer.alloc(CHUNK)
  const zero = Buffer.alloc(CHUNK)
  let reported = performance.now()
  for (let at = Math.floor(size / CHUNK) * CHUNK; at >= 0; at -= CHUNK) {
    const length = readSync(source, chunk, 0, CHUNK, at)
    if (!chunk.subarray(0, length).equals(zero.subarray(0, length))) writeSync(target, chunk, 0, length, at)
    if (performance.now() - reported < 250) continue
    reported = performance.now()
    report(`copying the image: ${Math.floor(((size - at) / size) * 100)} %`)
  }
}
