/** Data disks with every file system that PID 1 recognizes. */

import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { booted } from '../lib/boot.ts'
import { makeExt4, writeTree } from '../lib/files.ts'
import { DISK_TYPES, makeDisk } from '../lib/images.ts'

const TYPES = ['ext4', ...DISK_TYPES.map(({ type }) => type)]
const READ_ONLY = DISK_TYPES.filter(({ readOnly }) => readOnly).map(({ type }) => type)
const WITH_TREE = DISK_TYPES.filter(({ filled }) => filled).map(({ type }) => type)

describe('disks of every type', () => {
  const boot = booted(async (folder) => {
    const tree = join(folder, 'tree')
    writeTree(tree, { 'hello.txt': 'hello' })
    const disks = [{ file: await makeExt4(join(folder, 'ext4'), { 'hello.txt': 'hello' }) }]
    for (const type of DISK_TYPES) disks.push({ file: await makeDisk(join(folder, type.type), type, tree) })
    const letter = (at: number): string => String.fromCharCode(0x61 + at)
    // The kernel accepts at most 32 arguments after `--`, and panics if there are more; so they come from the root.
    const perType = (type: string): string => `, write /disks/${type}/new x , cat /disks/${type}/hello.txt`
    const commands = `report ${TYPES.map(perType).join(' ')}`.split(' ')
    return {
      disks,
      cmdline: TYPES.map((type, at) => `vd${letter(at)}=/disks/${type}`).join(' '),
      files: { '.zosrc': `set -- ${commands.map((word) => `'${word}'`).join(' ')}\n` },
    }
  })

  test.each(TYPES)('%s is mounted where it was asked for', (type) => {
    expect(boot().report().mounts).toContainEqual(expect.objectContaining({ target: `/disks/${type}`, type }))
    const wrote = READ_ONLY.includes(type)
      ? `probe: write /disks/${type}/new: Read-only file system`
      : `probe: wrote /disks/${type}/new`
    expect(boot().console).toContain(wrote)
    if (WITH_TREE.includes(type))
      expect(boot().console).toContain(`probe: cat /disks/${type}/hello.txt: hello`)
  })
})
