/** Which file systems are not grown to their disks, on this machine's kernel; test/qemu/boot/grow.test.ts has those that are. */

import { execFileSync } from 'node:child_process'
import { mkdirSync, statfsSync, truncateSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { newBoot, runSteps } from '../../src/boot/run-steps.ts'
import { parseMountOptions } from '../../src/config/mount-options.ts'
import { needProgram } from '../../src/host/lib/programs.ts'
import {
  attach,
  blankImage,
  type Disk,
  enterDiskNamespace,
  fileSystem,
  makeImage,
  said,
  unmountBelow,
  WORK,
  whyNoDisks,
} from './disks.ts'

const missing = whyNoDisks()
if (missing === undefined) enterDiskNamespace()

const MIB = 1 << 20
const TREE = `${WORK}/tree`
const TARGET = `${WORK}/data`
let disk: Disk | undefined

/** Mounts the image as a seed's line with these options has it; PID 1's words. */
function mountImage(image: string, options = '', { type = 'auto', readOnly = false } = {}): string {
  disk = attach('vdb', image, { readOnly })
  const { flags, data, nofail, grow } = parseMountOptions(options)
  const step = {
    kind: 'mount',
    source: '/dev/vdb',
    target: TARGET,
    type,
    flags,
    data,
    nofail,
    grow,
    from: 'test',
  } as const
  runSteps([step], newBoot())
  return said()
}

/** Of the mounted file system, less what it keeps for itself; in MiB. */
function mounted(): number {
  const { blocks, bsize } = statfsSync(TARGET)
  return (blocks * bsize) / MIB
}

function enlarged(type: string, from: number, to: number): string {
  const image = makeImage({ ...fileSystem(type), megabytes: from }, TREE)
  truncateSync(image, to * MIB)
  return image
}

describe.skipIf(missing !== undefined)(`this kernel ${missing === undefined ? '' : `(${missing})`}`, () => {
  beforeEach(() => {
    mkdirSync(TREE, { recursive: true })
    said()
  })

  afterEach(() => {
    unmountBelow(WORK)
    disk?.detach()
    disk = undefined
  })

  it.each([
    ['with x-zmachine.nogrow', 'x-zmachine.nogrow', false],
    ['mounted read-only', 'ro', false],
    ['that is write-protected', '', true],
  ])('does not grow one %s', (_, options, readOnly) => {
    expect(mountImage(enlarged('ext4', 16, 64), options, { readOnly })).not.toContain('grew')
    expect(mounted()).toBeLessThan(16)
  })

  it('does not grow one whose disk is hardly larger', () => {
    expect(mountImage(enlarged('ext4', 16, 30))).toBe('')
  })

  it.each([['auto'], ['ext4']])(
    'goes on with one that the kernel can’t grow, and says why, for the type %s',
    (type) => {
      const image = blankImage(16, 'ext4')
      execFileSync(needProgram('mkfs.ext4', 'e2fsprogs'), ['-q', '-O', 'sparse_super2', image])
      truncateSync(image, 64 * MIB)
      expect(mountImage(image, '', { type })).toMatch(
        /^zmachine: warning: .*: cannot grow ext4 from 16 MB to 67 MB, the size of its disk: E[A-Z]+ \(.*\)\n$/,
      )
      expect(mounted()).toBeLessThan(17)
    },
  )
})
