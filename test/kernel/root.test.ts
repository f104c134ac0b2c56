/**
 * The root as `run/root.ts` enters and completes it, out of an initramfs that is a tmpfs of the test's own: chroot(2)
 * moves this thread alone, as its file system context is not shared any more once it has a mount namespace of its own.
 */

import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeDirectories, readText } from '../../src/boot/io/files.ts'
import { NO_MODULES } from '../../src/boot/io/modules.ts'
import {
  enterRoot,
  freeInitramfs,
  mountRoot,
  openInitramfs,
  type Root,
  sealRoot,
} from '../../src/boot/steps/root.ts'
import { MS_BIND, MS_RDONLY } from '../../src/lib/mount-flags.ts'
import { NEEDED_DIRECTORIES } from '../../src/plan/plan.ts'
import type { EnterStep } from '../../src/plan/step.ts'
import { EROFS, must } from '../../src/sys/errno.ts'
import { MNT_DETACH, O_CLOEXEC, O_DIRECTORY, O_PATH, O_RDONLY } from '../../src/sys/flags.ts'
import {
  chdir,
  chroot,
  close,
  mkdir,
  mount,
  open,
  readDirectory,
  syscall,
  umount,
  uptime,
} from '../../src/sys/linux.ts'
import {
  attach,
  type Disk,
  enterDiskNamespace,
  type FileSystem,
  fileSystem,
  isKnown,
  makeImage,
  mounts,
  parseMountInfo,
  WORK,
  whyNoDisks,
} from './disks.ts'

const MS_REC = 16384

const SYS_fchdir = 81

const missing = whyNoDisks()
if (missing === undefined) enterDiskNamespace()

let here: string
let tests = 0
const disks: Disk[] = []

beforeEach((context) => {
  if (missing !== undefined) context.skip(missing)
  here = `${WORK}/test-${++tests}`
  mkdirSync(here)
})

afterEach(() => {
  if (missing !== undefined) return
  for (const { target } of mounts().reverse()) if (target.startsWith(`${WORK}/`)) umount(target, MNT_DETACH)
  for (const attached of disks.splice(0)) attached.detach()
})

function tmpfs(path: string): string {
  mkdirSync(path, { recursive: true })
  must(mount('tmpfs', path, 'tmpfs', 0), () => `mount tmpfs on ${path}`)
  return path
}

/** A disk that holds these directories and files. */
function rootDisk(system: FileSystem, directories: readonly string[], files: readonly string[]): string {
  const tree = `${here}/tree`
  for (const path of ['', ...directories]) mkdirSync(tree + path, { recursive: true })
  for (const path of ['/hello', ...files]) writeFileSync(tree + path, `${path}\n`)
  const disk = attach('vdb', makeImage(system, tree))
  disks.push(disk)
  return disk.path
}

/** What there is when the kernel starts PID 1, and after `prepare`. */
function initramfs(): string {
  const path = tmpfs(`${here}/initramfs`)
  for (const name of ['root', 'dev', 'proc', 'sys', 'modules']) mkdirSync(`${path}/${name}`)
  for (const name of ['init', 'modules/a.ko']) writeFileSync(`${path}/${name}`, 'x'.repeat(10_000))
  for (const name of ['dev', 'proc', 'sys']) {
    must(mount(`/${name}`, `${path}/${name}`, '', MS_BIND | MS_REC), () => `bind /${name}`)
  }
  return path
}

/** Does it with `path` as `/`. No code may be loaded meanwhile. */
function within<T>(path: string, work: () => T): T {
  const outside = must(open('/', O_PATH | O_DIRECTORY | O_CLOEXEC), () => 'open /')
  const directory = process.cwd()
  try {
    must(chroot(path), () => `chroot ${path}`)
    must(chdir('/'), () => 'chdir /')
    return work()
  } finally {
    must(syscall(SYS_fchdir, outside), () => 'back to the outside')
    must(chroot('.'), () => 'back to the outside')
    must(chdir(directory), () => `chdir ${directory}`)
    close(outside)
  }
}

function list(path: string): string[] {
  const fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  const entries = readDirectory(fd)
  close(fd)
  return typeof entries === 'number' ? [] : entries.map(({ name }) => name).sort()
}

interface Found {
  readonly root: Root
  readonly entries: string[]
  readonly hello: string | undefined
  /** `/dev devtmpfs` */
  readonly mounted: string[]
  /** What mkdir(2) says to /new. */
  readonly made: number
  /** What is left of the initramfs. */
  readonly left: string[]
}

/** Boots from a disk as far as `main.ts` does before the entrypoint. */
function boot(source: string, { readOnly = false, targets = [] as string[] } = {}): Found {
  return within(initramfs(), () => {
    const old = openInitramfs()
    const after = openInitramfs()
    const flags = readOnly ? MS_RDONLY : 0
    const step = { kind: 'root', source, type: 'auto', flags, data: '', delay: 0 } as const
    const root = enterRoot(mountRoot(step, uptime(), NO_MODULES), enter(targets), NO_MODULES)
    for (const target of targets) must(makeDirectories(target), () => `mkdir ${target}`)
    freeInitramfs(old)
    if (root.overlaid) sealRoot()
    const entries = readDirectory(after)
    close(after)
    return {
      root,
      entries: list('/'),
      hello: readText('/hello'),
      mounted: parseMountInfo(readText('/proc/thread-self/mountinfo') ?? '').map(
        ({ target, type }) => `${target} ${type}`,
      ),
      made: mkdir('/new', 0o755),
      left: typeof entries === 'number' ? [] : entries.map(({ name }) => name).sort(),
    }
  })
}

const enter = (targets: readonly string[]): EnterStep => ({
  kind: 'enter',
  directories: NEEDED_DIRECTORIES,
  targets,
  files: FILES,
})

const COMPLETE = [...NEEDED_DIRECTORIES, '/data']
const FILES = ['/etc/hosts', '/etc/hostname', '/etc/resolv.conf']
const names = (paths: readonly string[]): string[] => paths.map((path) => path.slice(1)).sort()

describe('enterRoot', () => {
  it('makes a disk the root, with what it lacks, and takes /proc, /sys and /dev along', () => {
    const { root, entries, hello, mounted, made } = boot(rootDisk(fileSystem('ext4'), ['/etc'], []))
    expect(root).toMatchObject({ type: 'ext4', readOnly: false, overlaid: false })
    expect(entries).toEqual(['hello', 'lost+found', ...names(NEEDED_DIRECTORIES)].sort())
    expect([hello, made]).toEqual(['/hello\n', 0])
    expect(mounted).toEqual(expect.arrayContaining(['/ ext4', '/proc proc', '/sys sysfs', '/dev tmpfs']))
    expect(mounted.filter((mount) => mount.startsWith('/ '))).toEqual(['/ ext4'])
  })

  it('leaves a read-only root as it is where nothing is missing', () => {
    const disk = rootDisk(fileSystem('ext4'), COMPLETE, FILES)
    const { root, hello, made } = boot(disk, { readOnly: true, targets: ['/data'] })
    expect(root).toMatchObject({ type: 'ext4', readOnly: true, overlaid: false })
    expect([hello, made]).toEqual(['/hello\n', -EROFS])
  })

  for (const type of ['squashfs', 'erofs', 'iso9660', 'ext4']) {
    const system = fileSystem(type)
    // What this machine's kernel has not, the boot tests try on a kernel that has it.
    if (missing === undefined && !isKnown(type)) continue
    const title = `lays a layer in memory over a read-only ${type} that lacks something${missing === undefined ? '' : ` (${missing})`}`
    describe.skipIf(missing !== undefined)(title, () => {
      it.each([
        ['everything', [], []],
        ['a mount’s target', NEEDED_DIRECTORIES, FILES],
        ['a file of /etc', COMPLETE, FILES.slice(1)],
      ])('%s', (_, directories, files) => {
        const disk = rootDisk(system, directories, files)
        const { root, entries, hello, mounted, made } = boot(disk, {
          readOnly: system.writable,
          targets: ['/data'],
        })
        expect(root).toMatchObject({ type, readOnly: true, overlaid: true })
        expect(entries.filter((name) => name !== 'lost+found')).toEqual(['hello', ...names(COMPLETE)].sort())
        expect([hello, made]).toEqual(['/hello\n', -EROFS])
        expect(mounted).toEqual(expect.arrayContaining(['/ overlay', '/proc proc', '/dev tmpfs']))
      })
    })
  }

  it('knows that a complete squashfs is read-only, though nobody asked for that', () => {
    const { root, made } = boot(rootDisk(fileSystem('squashfs'), COMPLETE, FILES), { targets: ['/data'] })
    expect(root).toMatchObject({ type: 'squashfs', readOnly: true, overlaid: false })
    expect(made).toBe(-EROFS)
  })

  it('tells of a disk that is not there, and the initramfs stays as it was', () => {
    const path = initramfs()
    const step = { kind: 'root', source: '/dev/vdx', type: 'auto', flags: 0, data: '', delay: 0 } as const
    expect(() => within(path, () => mountRoot(step, uptime(), NO_MODULES))).toThrow(
      'mount /dev/vdx on /root: no such disk',
    )
    expect(readdirSync(path).sort()).toEqual(['dev', 'init', 'modules', 'proc', 'root', 'sys'])
  })
})

describe('freeInitramfs', () => {
  it('leaves only what is mounted in it, once the root is another', () => {
    expect(boot(rootDisk(fileSystem('ext4'), [], [])).left).toEqual([])
    disks.splice(0).forEach((disk) => {
      disk.detach()
    })
    here = `${here}/again`
    mkdirSync(here)
    const { left } = boot(rootDisk(fileSystem('squashfs'), [], []))
    // The overlay's layers: the read-only root, and the memory over it.
    expect(left).toEqual(['overlay', 'root'])
  })

  it('empties a tree of everything, and follows no symlink out of it', () => {
    const tree = tmpfs(`${here}/tree`)
    mkdirSync(`${here}/outside`)
    writeFileSync(`${here}/outside/kept`, 'kept\n')
    mkdirSync(`${tree}/a/b/c`, { recursive: true })
    for (let i = 0; i < 300; i++) writeFileSync(`${tree}/a/b/file-${i}`, '')
    linkSync(`${tree}/a/b/file-0`, `${tree}/a/hard`)
    symlinkSync(`${here}/outside`, `${tree}/a/absolute`)
    symlinkSync('../../outside', `${tree}/a/relative`)
    symlinkSync('nowhere', `${tree}/dangling`)
    freeInitramfs(within(tree, openInitramfs))
    expect(readdirSync(tree)).toEqual([])
    expect(readdirSync(`${here}/outside`)).toEqual(['kept'])
  })

  it('leaves alone what is mounted in it, directories and files', () => {
    const tree = tmpfs(`${here}/tree`)
    writeFileSync(`${tree}/gone`, '')
    const inner = tmpfs(`${tree}/a/inner`)
    mkdirSync(`${inner}/deep`)
    writeFileSync(`${inner}/deep/kept`, 'kept\n')
    writeFileSync(`${tree}/a/bound`, '')
    writeFileSync(`${here}/source`, 'kept\n')
    must(mount(`${here}/source`, `${tree}/a/bound`, '', MS_BIND), () => 'bind')
    freeInitramfs(within(tree, openInitramfs))
    expect([existsSync(`${tree}/gone`), readdirSync(`${tree}/a`).sort()]).toEqual([false, ['bound', 'inner']])
    for (const path of [`${inner}/deep/kept`, `${tree}/a/bound`]) {
      expect(readFileSync(path, 'latin1')).toBe('kept\n')
    }
    expect(lstatSync(`${here}/source`).isFile()).toBe(true)
  })
})
