/** Makes disk images of every type: data disks, and seeds as hosts make them. */

import { readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../../../build/command.ts'
import { needProgram } from '../../../src/host/lib/programs.ts'
import type { Disk } from '../../../src/host/machine/options.ts'
import { type Tree, writeTree } from './files.ts'

interface DiskType {
  readonly type: string
  readonly program: string
  readonly debianPackage: string
  readonly args: (file: string, tree: string) => string[]
  /** 0: as large as it needs to be. */
  readonly megabytes: number
  readonly readOnly: boolean
  /** Its program fills it. */
  readonly filled: boolean
}

/** Every type that PID 1 recognizes, except for ext4 (files.ts). */
export const DISK_TYPES: readonly DiskType[] = [
  {
    type: 'btrfs',
    program: 'mkfs.btrfs',
    debianPackage: 'btrfs-progs',
    args: (file, tree) => ['-q', '--rootdir', tree, file],
    megabytes: 128,
    readOnly: false,
    filled: true,
  },
  {
    type: 'xfs',
    program: 'mkfs.xfs',
    debianPackage: 'xfsprogs',
    args: (file) => ['-q', file],
    megabytes: 320,
    readOnly: false,
    filled: false,
  },
  {
    type: 'vfat',
    program: 'mkfs.vfat',
    debianPackage: 'dosfstools',
    args: (file) => [file],
    megabytes: 8,
    readOnly: false,
    filled: false,
  },
  {
    type: 'erofs',
    program: 'mkfs.erofs',
    debianPackage: 'erofs-utils',
    args: (file, tree) => ['--quiet', file, tree],
    megabytes: 0,
    readOnly: true,
    filled: true,
  },
  {
    type: 'squashfs',
    program: 'mksquashfs',
    debianPackage: 'squashfs-tools',
    args: (file, tree) => [tree, file, '-noappend', '-quiet'],
    megabytes: 0,
    readOnly: true,
    filled: true,
  },
  {
    type: 'iso9660',
    program: 'xorriso',
    debianPackage: 'xorriso',
    args: (file, tree) => ['-as', 'mkisofs', '-quiet', '-R', '-o', file, tree],
    megabytes: 0,
    readOnly: true,
    filled: true,
  },
]

/** Makes an image of a type, with the tree in it if its program can fill it. */
export async function makeDisk(
  file: string,
  { program, debianPackage, args, megabytes }: DiskType,
  tree: string,
): Promise<string> {
  writeFileSync(file, '')
  truncateSync(file, megabytes << 20)
  await run(needProgram(program, debianPackage), args(file, tree))
  return file
}

/** `iso` has Rock Ridge and Joliet names, as cloud-localds makes it; `joliet` has no others. */
export type SeedKind = 'fat12' | 'fat16' | 'fat32' | 'iso' | 'joliet'

export interface SeedOptions {
  /** Default `fat16`. */
  readonly kind?: SeedKind
  /** Default `cidata`. */
  readonly label?: string
}

/** In megabytes: the number of clusters decides which kind of FAT it is. */
const FAT_SIZE = { fat12: 1, fat16: 16, fat32: 40 } as const

/** A seed's disk, read-only as hosts attach it. */
export async function makeSeed(file: string, tree: Tree, options: SeedOptions = {}): Promise<Disk> {
  const { kind = 'fat16', label = 'cidata' } = options
  const contents = `${file}.tree`
  writeTree(contents, tree)
  if (kind === 'iso' || kind === 'joliet') {
    const names = kind === 'iso' ? ['-J', '-R'] : ['-J', '--norock']
    const args = ['-as', 'mkisofs', '-quiet', ...names, '-V', label, '-o', file, contents]
    await run(needProgram('xorriso', 'xorriso'), args)
  } else {
    await makeFat(file, contents, label, kind)
  }
  rmSync(contents, { recursive: true })
  return { file, readOnly: true }
}

async function makeFat(file: string, contents: string, label: string, kind: keyof typeof FAT_SIZE) {
  writeFileSync(file, '')
  truncateSync(file, FAT_SIZE[kind] << 20)
  const shape = ['-F', kind.slice('fat'.length), '-s', '1']
  await run(needProgram('mkfs.vfat', 'dosfstools'), [...shape, '-n', label, file])
  const sources = readdirSync(contents).map((name) => join(contents, name))
  if (sources.length > 0) await run(needProgram('mcopy', 'mtools'), ['-s', '-i', file, ...sources, '::'])
}

/** The files of a seed as a zos host's serializer wrote them. */
export function seedFixture(name: string): Tree {
  const folder = fileURLToPath(new URL(`../../fixtures/seeds/${name}`, import.meta.url))
  return Object.fromEntries(readdirSync(folder).map((file) => [file, { copy: join(folder, file) }]))
}
