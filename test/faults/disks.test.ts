/** Disks that can't be read, can't be written, hold nothing or nonsense, are missing, full or pulled out. */

import { closeSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { run } from '../../build/command.ts'
import { needProgram } from '../../src/host/lib/programs.ts'
import { booted } from '../qemu/lib/boot.ts'
import { makeExt4, readExt4 } from '../qemu/lib/files.ts'
import { makeSeed } from '../qemu/lib/images.ts'
import { end, HOLD, press, record, said, scripted, scriptFiles, told } from './faults.ts'

const debugfs = async (image: string, command: string): Promise<string> =>
  (await run(needProgram('debugfs', 'e2fsprogs'), ['-w', '-R', command, image])).toString()

/** As its superblock says. */
const state = async (image: string): Promise<string> =>
  /Filesystem state: +(.*)/.exec(
    (await run(needProgram('dumpe2fs', 'e2fsprogs'), ['-h', image])).toString(),
  )?.[1] ?? ''

/** The first block of a file in an image, and the size of a block. */
async function firstBlock(image: string, path: string): Promise<{ block: number; size: number }> {
  const [block = 0] = (await debugfs(image, `blocks ${path}`)).trim().split(' ').map(Number)
  return { block, size: 1024 << readFileSync(image).readUInt32LE(1024 + 24) }
}

function overwrite(image: string, offset: number, bytes: Uint8Array): void {
  const fd = openSync(image, 'r+')
  writeSync(fd, bytes, 0, bytes.length, offset)
  closeSync(fd)
}

const NOISE = new Uint8Array(4096).fill(0xa5)

/** A disk behind QEMU's blkdebug, which fails what it is told to: everything, or what touches one sector of 512 bytes. */
function failingDisk(file: string, iotype: 'read' | 'write', id: string, sector?: number): string[] {
  const rule = { event: 'none', iotype, errno: 5, once: false, ...(sector === undefined ? {} : { sector }) }
  const image = { driver: 'file', filename: file }
  const node = {
    driver: 'raw',
    'node-name': id,
    file: { driver: 'blkdebug', image, 'inject-error': [rule] },
  }
  return ['-blockdev', JSON.stringify(node), '-device', `virtio-blk-pci,drive=${id}`]
}

interface Fault {
  readonly name: string
  /** Makes the image. */
  readonly make: (file: string) => Promise<void>
  readonly readOnly?: boolean
  /** What QEMU does to it. */
  readonly failing?: (file: string) => Promise<string[]>
  /** The type and options in the seed. */
  readonly type?: string
  readonly told: RegExp
}

const KNOWN = 'ext4, btrfs, xfs, vfat, iso9660, erofs, squashfs'
const UNKNOWN = new RegExp(
  `^mount /dev/vd. on /d: no known file system \\(${KNOWN}\\); is the disk formatted\\?$`,
)
const DAMAGED =
  /^mount \/dev\/vd. on \/d as ext4: (EINVAL|EUCLEAN|EIO|EBADMSG) \(.*\): the file system is damaged: run fsck\.ext4 on the host; the kernel's messages are above$/

const ext4 = async (file: string): Promise<void> => void (await makeExt4(file, { 'd.txt': 'disk' }))

/** As a crash leaves it: its journal has to be replayed. */
async function unclean(file: string): Promise<void> {
  await ext4(file)
  await debugfs(file, 'feature needs_recovery')
}

const FAULTS: readonly Fault[] = [
  {
    name: 'that is not formatted',
    make: async (file) => writeFileSync(file, new Uint8Array(1 << 20)),
    told: UNKNOWN,
  },
  {
    name: 'with a file system that nobody knows',
    make: async (file) => writeFileSync(file, Buffer.alloc(1 << 20, 'NTFS    swap LVM2 ')),
    told: UNKNOWN,
  },
  {
    name: 'smaller than a sector',
    make: async (file) => writeFileSync(file, 'tiny'),
    told: UNKNOWN,
  },
  {
    name: 'of another type than was said',
    make: ext4,
    type: 'xfs',
    told: /^mount \/dev\/vd. on \/d as xfs: EINVAL \(invalid argument\): the disk holds ext4, not xfs$/,
  },
  {
    name: 'of a type that the kernel does not have',
    make: ext4,
    type: 'reiserfs',
    told: /^mount \/dev\/vd. on \/d as reiserfs: ENODEV \(no such device\): this kernel has no reiserfs$/,
  },
  {
    name: 'whose superblock is damaged',
    // A wrong checksum is EBADMSG (EFSBADCRC).
    async make(file) {
      await ext4(file)
      overwrite(file, 1024 + 0x3fc, NOISE.subarray(0, 4))
    },
    told: DAMAGED,
  },
  {
    name: 'whose journal is damaged',
    async make(file) {
      await unclean(file)
      const { block, size } = await firstBlock(file, '<8>')
      overwrite(file, block * size, NOISE)
    },
    told: DAMAGED,
  },
  {
    name: 'whose group descriptors are damaged',
    async make(file) {
      await ext4(file)
      const { size } = await firstBlock(file, '<8>')
      overwrite(file, size === 1024 ? 2048 : size, NOISE.subarray(0, 1024))
    },
    told: DAMAGED,
  },
  {
    name: 'that was cut off',
    async make(file) {
      await ext4(file)
      truncateSync(file, 5 << 20)
    },
    told: DAMAGED,
  },
  {
    name: 'that can’t be read at all',
    make: ext4,
    failing: async (file) => failingDisk(file, 'read', 'unreadable'),
    // Not «is the disk formatted?»: people format what is asked about.
    told: /^mount \/dev\/vd. on \/d: EIO/,
  },
  {
    name: 'whose inodes can’t be read',
    make: ext4,
    async failing(file) {
      const { size } = await firstBlock(file, '<8>')
      const block = Number(/located at block (\d+)/.exec(await debugfs(file, 'imap <2>'))?.[1])
      return failingDisk(file, 'read', 'unread', (block * size) / 512)
    },
    told: DAMAGED,
  },
  {
    name: 'that can’t be written',
    make: ext4,
    failing: async (file) => failingDisk(file, 'write', 'unwritable'),
    told: DAMAGED,
  },
  {
    name: 'that is write-protected, with a journal to be replayed',
    make: unclean,
    readOnly: true,
    told: /^mount \/dev\/vd. on \/d as ext4: EROFS \(read-only file system\)/,
  },
]

const letter = (at: number): string => String.fromCharCode(0x61 + at)

describe('disks with a fault each, that may fail', () => {
  const boot = booted(async (folder) => {
    const late: string[] = []
    const disks: { file: string; readOnly: boolean }[] = []
    const rows: string[] = []
    // Those that fail in QEMU come behind the others.
    const sorted = [...FAULTS].sort(
      (a, b) => Number(a.failing !== undefined) - Number(b.failing !== undefined),
    )
    for (const { make, failing, readOnly = false, name } of sorted) {
      const file = join(folder, `disk${FAULTS.findIndex((other) => other.name === name)}`)
      await make(file)
      if (failing === undefined) disks.push({ file, readOnly })
      else late.push(...(await failing(file)))
    }
    const good = join(folder, 'good')
    await ext4(good)
    const seed = join(folder, 'seed')
    sorted.forEach(({ type = 'auto', name, failing }, at) => {
      const device = `/dev/vd${letter(failing === undefined ? at : at + 2)}`
      rows.push(`- [${device}, /d${FAULTS.findIndex((other) => other.name === name)}, ${type}, nofail]`)
    })
    const goodAt = sorted.filter(({ failing }) => failing === undefined).length
    rows.push(`- [/dev/vd${letter(goodAt)}, /good, auto, defaults]`, '- [/dev/vdz, /missing, auto, nofail]')
    return {
      ...scripted(`cat /good/d.txt; ${HOLD}`),
      disks: [
        ...disks,
        { file: good },
        await makeSeed(seed, { 'user-data': `#cloud-config\nmounts:\n${rows.join('\n')}\n` }),
      ],
      qemuArgs: late,
      cmdline: 'rootdelay=1',
      during: press,
    }
  })

  test.each(FAULTS.map((each, at) => [each.name, at, each.told] as const))('one %s', (_, at, words) => {
    const warning = said(boot()).find((line) => line.startsWith('warning: ') && line.includes(` on /d${at}`))
    expect(warning?.slice('warning: '.length).replace(` on /d${at}`, ' on /d')).toMatch(words)
  })

  test('one that is missing is told, with those that there are', () =>
    expect(said(boot())).toContainEqual(
      expect.stringMatching(
        /^warning: mount \/dev\/vdz on \/missing: no such disk; disks found: \/dev\/vda, \/dev\/vdb, /,
      ),
    ))

  test('do not keep the good one, nor the entrypoint, nor the end', () => {
    expect(boot().console).toContain('disk')
    expect(told(boot())).toContain('holds')
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
    expect(record(boot())).toMatchObject({ code: 143 })
  })
})

describe.each([
  ['that is not formatted', 'auto'],
  ['of another type than was said', 'xfs'],
  ['whose superblock is damaged', 'auto'],
])('a disk %s, that must not fail', (name, type) => {
  const found = FAULTS.find((each) => each.name === name)
  const boot = booted(async (folder) => {
    const file = join(folder, 'disk')
    await found?.make(file)
    const user = `#cloud-config\nmounts:\n- [/dev/vda, /d, ${type}, defaults]\n`
    return {
      ...scripted('echo script: ran'),
      disks: [{ file }, await makeSeed(join(folder, 'seed'), { 'user-data': user })],
    }
  })

  test('is fatal, in the same words', () => {
    const fatal = said(boot()).find((line) => line.startsWith('fatal: '))
    expect(fatal?.slice('fatal: '.length)).toMatch(found?.told ?? '')
    expect(told(boot())).toEqual([])
    expect(end(boot())).toBe('code=125 signal=none reason=failed powerdown')
    expect(record(boot())).toMatchObject({ code: 125, reason: 'failed' })
  })
})

describe('disks with faults below a container', () => {
  const boot = booted(async (folder) => {
    const [sealed = '', full = '', bad = ''] = ['sealed', 'full', 'bad'].map((name) => join(folder, name))
    await ext4(sealed)
    await makeExt4(full, {}, { megabytes: 4 })
    await makeExt4(bad, { file: 'x'.repeat(4096) })
    const { block, size } = await firstBlock(bad, '/file')
    return {
      ...scripted(`
        cat /sealed/d.txt
        dd if=/dev/zero of=/full/x bs=64k || echo script: full
        dd if=/dev/zero of=/bad/file bs=1k count=4 conv=notrunc,fsync || echo script: bad
        exit 5`),
      disks: [{ file: sealed, readOnly: true }, { file: full }],
      qemuArgs: failingDisk(bad, 'write', 'bad', (block * size) / 512),
      cmdline: 'vda=/sealed vdb=/full vdc=/bad',
    }
  })
  const disk = (name: string): string => boot().root.replace(/root$/, name)

  test('one that is write-protected and was asked for writable is told, and mounted read-only', () =>
    expect(said(boot())).toContain('warning: /dev/vda is write-protected: mounted read-only on /sealed'))

  test('one that is full is unmounted as it should be', async () => {
    expect(told(boot())).toContain('full')
    expect(await state(disk('full'))).toBe('clean')
  })

  test('one that does not take a write fails the write, and not the end', () => {
    expect(told(boot())).toContain('bad')
    expect(end(boot())).toBe('code=5 signal=none reason=exit powerdown')
    expect(record(boot())).toMatchObject({ code: 5, reason: 'exit' })
  })
})

describe('a root disk that is full', () => {
  let disk = ''
  const boot = booted(async (folder) => {
    disk = await makeExt4(join(folder, 'disk'), scriptFiles('cat dd'), { megabytes: 8 })
    await debugfs(disk, 'mkdir /etc')
    return {
      init: '/busybox',
      root: 'none',
      disks: [{ file: disk }],
      cmdline: 'root=/dev/vda',
      probe: ['dd', 'if=/dev/zero', 'of=/x', 'bs=1k'],
    }
  })

  test('takes no record, and is clean', async () => {
    expect(boot().console).toContain('No space left on device')
    expect(end(boot())).toBe('code=1 signal=none reason=exit powerdown')
    expect(await readExt4(disk, '/.zmachine/exit.json')).toBe('')
    expect(await state(disk)).toBe('clean')
  })
})

/** Pulls the first disk out once the script holds, and presses the button. */
const PULLED = {
  cmdline: 'zmachine.grace=1',
  qemuArgs: ['-device', 'virtio-blk-pci,drive=pulled,id=pulled'],
}

describe('a disk that is pulled out while it is mounted', () => {
  const boot = booted(async (folder) => {
    const file = await makeExt4(join(folder, 'data'), {})
    return {
      ...scripted(`exec 3> /data/open; ${HOLD}`),
      ...PULLED,
      qemuArgs: ['-drive', `if=none,id=pulled,format=raw,file=${file}`, ...PULLED.qemuArgs],
      cmdline: `vda=/data ${PULLED.cmdline}`,
      during: async (machine) => {
        await machine.console.waitFor('script: holds')
        await machine.qmp('device_del', { id: 'pulled' })
        await machine.console.waitFor(/vda/)
        await machine.powerdown()
      },
    }
  })

  test('does not keep the machine from its end, nor from its record', () => {
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
    expect(record(boot())).toMatchObject({ code: 143, reason: 'stop' })
    expect(said(boot()).filter((line) => line.startsWith('internal'))).toEqual([])
  })
})

describe('a root disk that is pulled out', () => {
  const boot = booted(async (folder) => {
    const file = await makeExt4(join(folder, 'disk'), scriptFiles(HOLD), { megabytes: 16 })
    return {
      ...PULLED,
      init: '/script',
      root: 'none',
      qemuArgs: ['-drive', `if=none,id=pulled,format=raw,file=${file}`, ...PULLED.qemuArgs],
      cmdline: `root=/dev/vda ${PULLED.cmdline}`,
      during: async (machine) => {
        await machine.console.waitFor('script: holds')
        await machine.qmp('device_del', { id: 'pulled' })
        await machine.powerdown()
      },
    }
  })

  test('does not keep the machine from its end', () =>
    expect(end(boot())).toMatch(
      /^code=(143 signal=SIGTERM|137 signal=SIGKILL|135 signal=SIGBUS) reason=stop powerdown$/,
    ))
})
