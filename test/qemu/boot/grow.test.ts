/** Disks that grew between two boots, as when a deployment is enlarged. */

import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { booted } from '../lib/boot.ts'
import { makeExt4, writeTree } from '../lib/files.ts'
import { DISK_TYPES, makeDisk, makeSeed } from '../lib/images.ts'

const MIB = 1 << 20

/** The file systems that can grow, by their disks. */
const GROWING = [
  ['vda', 'ext4', 1024],
  ['vdb', 'btrfs', 512],
  ['vdc', 'xfs', 640],
] as const

describe('disks that were enlarged', () => {
  const boot = booted(async (folder) => {
    const tree = join(folder, 'tree')
    writeTree(tree, { 'hello.txt': 'hello' })
    const files = [await makeExt4(join(folder, 'ext4'), { 'hello.txt': 'hello' })]
    for (const type of DISK_TYPES.filter(({ type }) => type === 'btrfs' || type === 'xfs'))
      files.push(await makeDisk(join(folder, type.type), type, tree))
    const kept = await makeExt4(join(folder, 'kept'), {})
    GROWING.forEach(([, , megabytes], at) => {
      truncateSync(files[at] ?? '', megabytes * MIB)
    })
    truncateSync(kept, 1024 * MIB)
    const lines = GROWING.map(([name, type]) => `- [/dev/${name}, /disks/${type}, auto, defaults, "0", "0"]`)
    lines.push('- [/dev/vdd, /disks/kept, auto, "defaults,x-zmachine.nogrow", "0", "0"]')
    return {
      disks: [
        ...files.map((file) => ({ file })),
        { file: kept },
        await makeSeed(join(folder, 'seed'), {
          'user-data': `#cloud-config\nmounts:\n${lines.join('\n')}\n`,
        }),
      ],
      probe: 'df /disks/ext4 /disks/btrfs /disks/xfs /disks/kept'.split(' '),
    }
  })

  /** The size of the mounted file system, in MiB. */
  const size = (target: string): number =>
    Number(new RegExp(`probe: df ${target}: (\\d+) MiB`).exec(boot().console)?.[1])

  test.each(GROWING)('%s is grown, whose %s is told of in one line', (_, type, megabytes) => {
    const lines = boot()
      .console.split('\n')
      .filter((line) => line.includes(`: grew ${type} from `))
    expect(lines).toHaveLength(1)
    expect(size(`/disks/${type}`)).toBeGreaterThan(megabytes * 0.8)
  })

  test('one that says x-zmachine.nogrow is as large as it was', () => {
    expect(size('/disks/kept')).toBeLessThan(100)
    expect(boot().console).not.toContain('/disks/kept: grew')
    expect(boot().container?.code).toBe(0)
  })
})
