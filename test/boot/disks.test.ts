/** Data disks of each type that PID 1 tells apart by their superblocks. */

import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { run } from '../../build/command.ts'
import { needProgram } from '../../src/launcher/programs.ts'
import { booted } from './boot.ts'
import { makeExt4, writeTree } from './files.ts'

/** Of each type: the program that makes it, its package, its arguments for a file and a tree, its size. */
const TYPES: readonly (readonly [
  type: string,
  program: string,
  debianPackage: string,
  args: (file: string, tree: string) => string[],
  megabytes: number,
])[] = [
  ['btrfs', 'mkfs.btrfs', 'btrfs-progs', (file, tree) => ['-q', '--rootdir', tree, file], 128],
  ['xfs', 'mkfs.xfs', 'xfsprogs', (file) => ['-q', file], 320],
  ['vfat', 'mkfs.vfat', 'dosfstools', (file) => [file], 8],
  ['erofs', 'mkfs.erofs', 'erofs-utils', (file, tree) => ['--quiet', file, tree], 0],
  ['squashfs', 'mksquashfs', 'squashfs-tools', (file, tree) => [tree, file, '-noappend', '-quiet'], 0],
  ['iso9660', 'xorriso', 'xorriso', (file, tree) => ['-as', 'mkisofs', '-quiet', '-R', '-o', file, tree], 0],
]

const READ_ONLY = ['erofs', 'squashfs', 'iso9660']
const WITH_TREE = ['btrfs', ...READ_ONLY]

describe('disks of every type', () => {
  const boot = booted(async (folder) => {
    const tree = join(folder, 'tree')
    writeTree(tree, { 'hello.txt': 'hello' })
    const disks = [{ file: await makeExt4(join(folder, 'ext4'), { 'hello.txt': 'hello' }) }]
    for (const [type, program, debianPackage, args, megabytes] of TYPES) {
      const file = join(folder, type)
      writeFileSync(file, '')
      truncateSync(file, megabytes << 20)
      await run(needProgram(program, debianPackage), args(file, tree))
      disks.push({ file })
    }
    const types = ['ext4', ...TYPES.map(([type]) => type)]
    const letter = (at: number): string => String.fromCharCode(0x61 + at)
    // The kernel takes no more than 32 arguments after `--`, and panics on more: they come from the root.
    const perType = (type: string): string => `, write /disks/${type}/new x , cat /disks/${type}/hello.txt`
    const commands = `report ${types.map(perType).join(' ')}`.split(' ')
    return {
      disks,
      cmdline: types.map((type, at) => `vd${letter(at)}=/disks/${type}`).join(' '),
      files: { '.zosrc': `set -- ${commands.map((word) => `'${word}'`).join(' ')}\n` },
    }
  })

  test.each(['ext4', ...TYPES.map(([type]) => type)])('%s is mounted where it was asked for', (type) => {
    expect(boot().report().mounts).toContainEqual(expect.objectContaining({ target: `/disks/${type}`, type }))
    const wrote = READ_ONLY.includes(type)
      ? `probe: write /disks/${type}/new: Read-only file system`
      : `probe: wrote /disks/${type}/new`
    expect(boot().console).toContain(wrote)
    if (WITH_TREE.includes(type))
      expect(boot().console).toContain(`probe: cat /disks/${type}/hello.txt: hello`)
  })
})
