/**
 * Disks for a test file, in a mount namespace of its own: images behind loop devices, in a /dev and a /sys/class/block
 * that hold nothing else and are the test's alone. There a disk has the name that a guest would give it (`vdb`), and
 * the machine's own disks are out of sight.
 *
 * Everything is let go by the kernel when the test's process ends, however it ends: the images are in a tmpfs of the
 * namespace, and a loop device clears itself with its last user.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { openLog } from '../../src/boot/io/console.ts'
import { needProgram } from '../../src/host/lib/programs.ts'
import { S_IFBLK, S_IFCHR } from '../../src/lib/file-mode.ts'
import { MS_RDONLY } from '../../src/lib/mount-flags.ts'
import { EBUSY, ENODEV, must } from '../../src/sys/errno.ts'
import { AT_FDCWD, O_CLOEXEC, O_RDONLY, O_RDWR } from '../../src/sys/flags.ts'
import { close, ioctl, mount, open, syscall, umount } from '../../src/sys/linux.ts'
import { enterMountNamespace } from './namespace.ts'

const SYS_mknodat = 259

// linux/loop.h
const LOOP_CTL_GET_FREE = 0x4c82
const LOOP_CONFIGURE = 0x4c0a
const LO_FLAGS_READ_ONLY = 1
const LO_FLAGS_AUTOCLEAR = 4
/** struct loop_config has 304 bytes; info.lo_flags is at 60. */
const LOOP_CONFIG_WORDS = 76
const LO_FLAGS_WORD = 15

/** Of the kernel's own list (devices.txt). */
const NODES = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['loop-control', 10, 237],
] as const

/** Where images and targets are. */
export const WORK = '/run/disks'
/** A file in place of a terminal. */
const CONSOLE = '/dev/console'
const LISTED = '/sys/class/block'

/** What PID 1 has said since the last call. */
export function said(): string {
  // The log goes on where it was, and the kernel fills what was cut off with zeros.
  const text = readFileSync(CONSOLE, 'latin1').replaceAll('\0', '')
  truncateSync(CONSOLE)
  return text
}

/** Why there can be no disks here, for a test's title; undefined where there can. */
export function whyNoDisks(): string | undefined {
  // Root of a user namespace may not make device nodes; only the first namespace has all the ids.
  const isFirst = /^\s*0\s+0\s+4294967295\n$/.test(readFileSync('/proc/self/uid_map', 'latin1'))
  if (process.getuid?.() !== 0 || !isFirst) return 'needs root'
  return existsSync('/dev/loop-control') ? undefined : 'this kernel has no loop devices'
}

/** As `enterMountNamespace`; afterwards there are no disks but those attached. */
export function enterDiskNamespace(): void {
  enterMountNamespace()
  for (const path of ['/dev', LISTED]) must(mount('tmpfs', path, 'tmpfs', 0), () => `mount tmpfs on ${path}`)
  for (const [name, major, minor] of NODES) makeNode(`/dev/${name}`, S_IFCHR, major, minor)
  writeFileSync(CONSOLE, '')
  openLog()
  mkdirSync(WORK)
}

export function makeNode(path: string, type: number, major: number, minor: number): void {
  const device = major * 256 + (minor & 0xff) + (minor >> 8) * 0x100000
  must(syscall(SYS_mknodat, AT_FDCWD, path, type | 0o666, device), () => `mknod ${path}`)
}

/** An image that is a disk now, though one without a name. */
export interface Loop {
  /** Of /sys/block: `loop3`. */
  readonly name: string
  readonly major: number
  readonly minor: number
  /** Lets it go once nothing of it is mounted any more. */
  detach(): void
}

export function attachLoop(image: string, { readOnly = false } = {}): Loop {
  const control = must(open('/dev/loop-control', O_RDWR | O_CLOEXEC), () => 'open /dev/loop-control')
  const file = must(open(image, (readOnly ? O_RDONLY : O_RDWR) | O_CLOEXEC), () => `open ${image}`)
  try {
    for (;;) {
      const number = must(ioctl(control, LOOP_CTL_GET_FREE), () => 'find a free loop device')
      const name = `loop${number}`
      const [major = 0, minor = 0] = readFileSync(`/sys/block/${name}/dev`, 'latin1').split(':').map(Number)
      const fd = openNode(name, major, minor, readOnly ? O_RDONLY : O_RDWR)
      const config = new Uint32Array(LOOP_CONFIG_WORDS)
      config[0] = file
      config[LO_FLAGS_WORD] = LO_FLAGS_AUTOCLEAR | (readOnly ? LO_FLAGS_READ_ONLY : 0)
      const result = ioctl(fd, LOOP_CONFIGURE, new Uint8Array(config.buffer))
      if (result >= 0) return { name, major, minor, detach: () => close(fd) }
      close(fd)
      // Another program was faster.
      if (result !== -EBUSY) must(result, () => `attach ${image} to ${name}`)
    }
  } finally {
    close(file)
    close(control)
  }
}

/** As it is opened when it is configured, so it will be: write-protected or not. */
function openNode(name: string, major: number, minor: number, flags: number): number {
  const path = `/dev/.${name}`
  makeNode(path, S_IFBLK, major, minor)
  const fd = open(path, flags | O_CLOEXEC)
  rmSync(path)
  return must(fd, () => `open ${name}`)
}

export interface Disk {
  /** `/dev/vdb` */
  readonly path: string
  detach(): void
}

/** Makes an image the disk `name`. */
export function attach(name: string, image: string, options: { readOnly?: boolean } = {}): Disk {
  const { major, minor, detach } = attachLoop(image, options)
  const path = `/dev/${name}`
  const listed = `${LISTED}/${name.replaceAll('/', '!')}`
  makeNode(path, S_IFBLK, major, minor)
  writeFileSync(listed, '')
  return {
    path,
    detach() {
      rmSync(path)
      rmSync(listed)
      detach()
    },
  }
}

export interface FileSystem {
  readonly type: string
  readonly megabytes: number
  readonly debianPackage: string
  /** The arguments that make one in `image`; `tree` is what to put into it. */
  readonly make: (
    image: string,
    tree: string,
    label: string,
    uuid: string,
  ) => readonly [program: string, ...args: string[]]
  /** `make` puts the tree into it. */
  readonly filled: boolean
  readonly writable: boolean
  /** `label` made into one that it can have. */
  readonly label?: (label: string) => string
  /** `uuid` made into what it has instead. */
  readonly uuid?: (uuid: string) => string
}

const asIs = (text: string): string => text

/** A time in this century, YYYYMMDDhhmmsscc, made of the digits of a uuid: what an ISO 9660 has in place of one. */
const dateOf = (uuid: string): string =>
  `20${[0, 1, 2, 3, 4, 5, 6].map((at) => (Number.parseInt(uuid.charAt(at), 16) % 3) + 10).join('')}`

export const FILE_SYSTEMS: readonly FileSystem[] = [
  {
    type: 'ext4',
    megabytes: 8,
    debianPackage: 'e2fsprogs',
    make: (image, tree, label, uuid) => ['mkfs.ext4', '-q', '-d', tree, '-L', label, '-U', uuid, image],
    filled: true,
    writable: true,
    label: asIs,
    uuid: asIs,
  },
  {
    type: 'btrfs',
    megabytes: 128,
    debianPackage: 'btrfs-progs',
    make: (image, tree, label, uuid) => ['mkfs.btrfs', '-q', '-r', tree, '-L', label, '-U', uuid, image],
    filled: true,
    writable: true,
    label: asIs,
    uuid: asIs,
  },
  {
    type: 'xfs',
    megabytes: 320,
    debianPackage: 'xfsprogs',
    make: (image, _, label, uuid) => ['mkfs.xfs', '-q', '-L', label, '-m', `uuid=${uuid}`, image],
    filled: false,
    writable: true,
    label: asIs,
    uuid: asIs,
  },
  {
    type: 'vfat',
    megabytes: 8,
    debianPackage: 'dosfstools',
    make: (image, _, label, uuid) => ['mkfs.vfat', '-n', label, '-i', uuid.slice(0, 8), image],
    filled: false,
    writable: true,
    label: (label) => label.toUpperCase(),
    uuid: (uuid) => `${uuid.slice(0, 4)}-${uuid.slice(4, 8)}`.toUpperCase(),
  },
  {
    type: 'iso9660',
    megabytes: 0,
    debianPackage: 'xorriso',
    make: (image, tree, label, uuid) => [
      ...(['xorriso', '-as', 'mkisofs', '-quiet', '-R', '-V', label] as const),
      ...[`--modification-date=${dateOf(uuid)}`, '-o', image, tree],
    ],
    filled: true,
    writable: false,
    label: (label) => label.toUpperCase(),
    uuid: (uuid) => dateOf(uuid).replace(/(?<=^....(?:..)*)(?=(?:..)+$)/g, '-'),
  },
  {
    type: 'erofs',
    megabytes: 0,
    debianPackage: 'erofs-utils',
    make: (image, tree, _, uuid) => ['mkfs.erofs', '--quiet', '-U', uuid, image, tree],
    filled: true,
    writable: false,
    uuid: asIs,
  },
  {
    type: 'squashfs',
    megabytes: 0,
    debianPackage: 'squashfs-tools',
    make: (image, tree) => ['mksquashfs', tree, image, '-quiet', '-noappend', '-no-progress'],
    filled: true,
    writable: false,
  },
]

export function fileSystem(type: string): FileSystem {
  const found = FILE_SYSTEMS.find((candidate) => candidate.type === type)
  if (found === undefined) throw new Error(`no file system ${type}`)
  return found
}

/** Whether this kernel can mount it, or can load what it needs for that. */
export function isKnown(type: string): boolean {
  if (whyNoDisks() !== undefined) return false
  const listed = readFileSync('/proc/filesystems', 'latin1').split(/\s+/)
  // mount(2) loads the module, and looks at the source only then.
  return listed.includes(type) || mount('/dev/none', WORK, type, MS_RDONLY) !== -ENODEV
}

let images = 0

/** An image with a file system in it, which holds the tree where its program can put it there. Sparse. */
export function makeImage(
  { type, megabytes, debianPackage, make }: FileSystem,
  tree: string,
  label = 'data',
  uuid: string = crypto.randomUUID(),
): string {
  const image = blankImage(megabytes, type)
  const [program, ...args] = make(image, tree, label, uuid)
  execFileSync(needProgram(program, debianPackage), args, { stdio: ['ignore', 'ignore', 'pipe'] })
  return image
}

export function blankImage(megabytes: number, name = 'blank'): string {
  const image = `${WORK}/${++images}.${name}`
  writeFileSync(image, '')
  truncateSync(image, megabytes << 20)
  return image
}

export interface MountInfo {
  readonly target: string
  readonly type: string
  readonly source: string
  /** Of this mount. */
  readonly options: readonly string[]
  /** Of the file system, wherever it is mounted. */
  readonly data: readonly string[]
}

/** What proc_pid_mountinfo(5) says, topmost last. */
export function parseMountInfo(text: string): MountInfo[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [mount = '', superblock = ''] = line.split(' - ')
      const [, , , , target = '', options = ''] = mount.split(' ')
      const [type = '', source = '', data = ''] = superblock.split(' ')
      return { target, type, source, options: options.split(','), data: data.split(',') }
    })
}

export const mounts = (): MountInfo[] => parseMountInfo(readFileSync('/proc/thread-self/mountinfo', 'latin1'))

/** Unmounts everything below a directory, the last mounted first. */
export function unmountBelow(directory: string): void {
  const targets = mounts().map(({ target }) => target)
  for (const target of targets.reverse()) {
    if (target.startsWith(`${directory}/`)) must(umount(target), () => `unmount ${basename(target)}`)
  }
}
