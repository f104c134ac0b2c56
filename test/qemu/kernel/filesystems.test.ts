/**
 * File systems mounted for real, beside those of disks.test.ts: each compression that an image may have, what containers
 * stack on them, and what lies below: loop devices, device-mapper, memory that is a disk.
 */

import { createHash } from 'node:crypto'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { run } from '../../../build/command.ts'
import { privateFolder } from '../../../src/host/lib/guard.ts'
import { needProgram } from '../../../src/host/lib/programs.ts'
import { booted } from '../lib/boot.ts'
import { guestProgram, makeExt4, writeTree } from '../lib/files.ts'
import { type Checks, hostPrograms, shellChecks, WENT_WELL } from '../lib/host-programs.ts'

const featuresProgram = (): Promise<string> => guestProgram(new URL('../guest/features.c', import.meta.url))

/** Compressible, and more than a block of any of them. */
const TEXT = 'what is said again and again\n'.repeat(20_000)
const SUM = createHash('sha256').update(TEXT).digest('hex')

const SQUASHFS = ['gzip', 'lzo', 'lz4', 'xz', 'zstd']
/** Those that this computer's mkfs.erofs can make: 1.5 (Debian 12) knows lz4 only, 1.8 (Debian 13) all. */
const EROFS = await availableErofs(['lz4', 'lz4hc', 'lzma', 'deflate', 'zstd'])

/** The file of an image that is mounted through a loop device is the one that went in. */
const compressed = (type: string, name: string): Checks => ({
  [`${type}, ${name}`]: `
mkdir -p /mnt
mount -t ${type} -o loop,ro /images/${type}-${name} /mnt
sha256sum /mnt/text | grep ${SUM}
umount /mnt`,
})

/** No udev makes nodes in /dev/mapper: dmsetup(8) does it itself then. */
const PRELUDE = 'dmsetup() { DM_DISABLE_UDEV=1 /host/dmsetup "$@"; }'

const MOUNTED: Checks = {
  'squashfs of a loop device, whose file it names': `
mkdir -p /mnt
mount -t squashfs -o loop,ro /images/squashfs-gzip /mnt
grep -q squashfs-gzip /sys/block/loop*/loop/backing_file
umount /mnt`,
  'erofs of a file, without a loop device': `
/features mount erofs /images/erofs-lz4 /mnt
sha256sum /mnt/text | grep ${SUM}
umount /mnt`,
  'an iso9660 whose files are compressed': `
mount -t iso9660 -o loop,ro /images/zisofs /mnt
sha256sum /mnt/text | grep ${SUM}
umount /mnt`,
  'overlayfs, with what is removed and what is copied up': `
mkdir -p /layers
mount -t tmpfs tmpfs /layers
mkdir /layers/lower /layers/upper /layers/work
echo lower >/layers/lower/changed
echo lower >/layers/lower/removed
mount -t overlay -o lowerdir=/layers/lower,upperdir=/layers/upper,workdir=/layers/work overlay /mnt
echo upper >>/mnt/changed
rm /mnt/removed
test "$(cat /layers/lower/changed)" = lower
test "$(echo $(cat /mnt/changed))" = 'lower upper'
test ! -e /mnt/removed
test -c /layers/upper/removed
/features xattr /mnt/attributes
umount /mnt`,
  'tmpfs, with attributes user.* and ACLs': `
mount -t tmpfs -o size=1m tmpfs /mnt
/features xattr /mnt/attributes
! dd if=/dev/zero of=/mnt/large bs=1M count=2
umount /mnt`,
  'ext4 of a loop device, with attributes and ACLs': `
mount -t ext4 -o loop /images/ext4 /mnt
/features xattr /mnt/attributes
umount /mnt`,
  'ext2, which ext4 mounts': `
mke2fs /dev/vdb
mount -t ext2 /dev/vdb /mnt
echo text >/mnt/file
umount /mnt`,
  'btrfs, which compresses': `
mount -t btrfs -o compress=zstd /dev/vda /mnt
grep '/mnt btrfs .*compress=zstd' /proc/mounts
cat /text >/mnt/text
sync
umount /mnt
mount -t btrfs /dev/vda /mnt
sha256sum /mnt/text | grep ${SUM}
umount /mnt`,
  'swap on a disk': `
mkswap /dev/vdb
swapon /dev/vdb
grep /dev/vdb /proc/swaps
swapoff /dev/vdb`,
  ...Object.fromEntries(
    ['proc', 'sysfs', 'devpts', 'mqueue', 'hugetlbfs', 'bpf', 'cgroup2', 'binfmt_misc', 'ramfs'].map(
      (type) => [type, `mount -t ${type} ${type} /mnt\numount /mnt`],
    ),
  ),
  ...Object.fromEntries(
    ['fuse', 'fuseblk', 'autofs', '9p', 'virtiofs', 'ext3', 'xfs', 'vfat'].map((type) => [
      `${type} is known`,
      `grep -w ${type} /proc/filesystems`,
    ]),
  ),
  'FUSE has its device': 'test -c /dev/fuse',
  'device-mapper, of two pieces in another order': `
dmsetup create pieces <<E
0 8 linear /dev/vdb 1000
8 8 linear /dev/vdb 0
E
test -b /dev/mapper/pieces
printf 'second piece' | dd of=/dev/mapper/pieces bs=512 seek=8 conv=fsync
dd if=/dev/vdb bs=512 count=1 | grep -a 'second piece'
dmsetup remove pieces`,
  'dm-crypt, as LUKS has it': `
key=$(head -c 64 /dev/urandom | od -An -v -tx1 | tr -d ' \\n')
dmsetup create secret --table "0 2048 crypt aes-xts-plain64 $key 0 /dev/vdb 0"
test -b /dev/mapper/secret
printf 'in the clear' | dd of=/dev/mapper/secret bs=512 conv=fsync,notrunc
dd if=/dev/mapper/secret bs=512 count=1 | grep -a 'in the clear'
! dd if=/dev/vdb bs=512 count=1 | grep -a 'in the clear'
dmsetup remove secret`,
  'dm-thin': `
dd if=/dev/zero of=/dev/vdb bs=4096 count=1
dmsetup create metadata --table '0 4096 linear /dev/vdb 0'
dmsetup create data --table '0 8192 linear /dev/vdb 4096'
dmsetup create pool --table '0 8192 thin-pool /dev/mapper/metadata /dev/mapper/data 128 0'
dmsetup message /dev/mapper/pool 0 'create_thin 0'
dmsetup create thin --table '0 4096 thin /dev/mapper/pool 0'
mke2fs /dev/mapper/thin
mount -t ext2 /dev/mapper/thin /mnt
umount /mnt
dmsetup remove thin pool data metadata`,
  'dm-verity is known': 'dmsetup targets | grep verity',
  'virtiofs with dax=never and dax=inode, whatever its device has': `
mount -t virtiofs -o dax=never share /mnt
test "$(cat /mnt/hello)" = shared
umount /mnt
mount -t virtiofs -o dax=inode share /mnt
test "$(cat /mnt/hello)" = shared
umount /mnt`,
}

describe('a container mounts', () => {
  const checks = shellChecks(
    Object.assign(
      {},
      ...SQUASHFS.map((name) => compressed('squashfs', name)),
      ...EROFS.map((name) => compressed('erofs', name)),
      MOUNTED,
    ),
    PRELUDE,
  )
  const boot = booted(async (folder) => {
    const tree = join(folder, 'tree')
    const images = join(folder, 'root/images')
    writeTree(tree, { text: TEXT })
    const files = {
      ...checks.files,
      ...(await hostPrograms({ dmsetup: 'dmsetup' })),
      features: { copy: await featuresProgram() },
      text: TEXT,
      images: { directory: true },
    } as const
    writeTree(join(folder, 'root'), files)
    await makeImages(images, tree)
    for (const name of EROFS) await makeErofs(join(images, `erofs-${name}`), tree, name)
    writeTree(join(folder, 'share'), { hello: 'shared\n' })
    return {
      init: '/checks/run',
      disks: [{ file: await emptyBtrfs(join(folder, 'btrfs')) }, { file: empty(join(folder, 'empty'), 16) }],
      shares: [{ tag: 'share', directory: join(folder, 'share') }],
    }
  })

  test.each(checks.names)('%s', (name) => expect(checks.outcome(boot(), name)).toMatch(WENT_WELL))
})

async function makeErofs(file: string, tree: string, compressor: string): Promise<void> {
  await run(needProgram('mkfs.erofs', 'erofs-utils'), ['--quiet', `-z${compressor}`, file, tree])
}

/** Which of these compressors mkfs.erofs knows: it fails for another. */
async function availableErofs(names: readonly string[]): Promise<string[]> {
  const { path, remove } = privateFolder()
  const tree = join(path, 'tree')
  writeTree(tree, { text: 'text' })
  const tries = names.map((name) =>
    makeErofs(join(path, name), tree, name).then(
      () => [name],
      () => [],
    ),
  )
  const found = (await Promise.all(tries)).flat()
  remove()
  return found
}

async function makeImages(images: string, tree: string): Promise<void> {
  const squash = needProgram('mksquashfs', 'squashfs-tools')
  for (const name of SQUASHFS) {
    await run(squash, [tree, join(images, `squashfs-${name}`), '-noappend', '-quiet', '-comp', name])
  }
  const zisofs = [
    '-outdev',
    join(images, 'zisofs'),
    '-map',
    tree,
    '/',
    '-set_filter_r',
    '--zisofs',
    '/',
    '--',
  ]
  await run(needProgram('xorriso', 'xorriso'), zisofs)
  await makeExt4(join(images, 'ext4'), {})
}

function empty(file: string, megabytes: number): string {
  writeFileSync(file, '')
  truncateSync(file, megabytes << 20)
  return file
}

async function emptyBtrfs(file: string): Promise<string> {
  await run(needProgram('mkfs.btrfs', 'btrfs-progs'), ['-q', empty(file, 128)])
  return file
}

/** This QEMU's virtiofs device (7.2, Debian 12) has no window for DAX, so only the kernel's half is there to test. */
describe('virtiofs with DAX', () => {
  const checks = shellChecks({
    'dax=always': 'mkdir -p /mnt\n! mount -t virtiofs -o dax=always share /mnt\ndmesg',
  })
  const boot = booted((folder) => {
    writeTree(join(folder, 'share'), {})
    return {
      init: '/checks/run',
      files: checks.files,
      shares: [{ tag: 'share', directory: join(folder, 'share') }],
    }
  })

  test('is refused for the device’s sake, not the kernel’s', () => {
    const said = checks.outcome(boot(), 'dax=always')
    expect(said).toMatch(WENT_WELL)
    expect(said).toContain("virtio-fs: dax can't be enabled as filesystem device does not support it")
  })
})

/** A disk that is the guest's memory: what is mapped of it is the host's own page cache. */
describe('a pmem disk', () => {
  const checks = shellChecks({
    'a file system with DAX': `
mkdir -p /mnt
mount -t ext4 -o dax /dev/pmem0 /mnt
grep '/dev/pmem0 /mnt ext4 .*dax=always' /proc/mounts
test "$(cat /mnt/hello)" = 'from the host'
echo written >/mnt/written
sync
umount /mnt`,
  })
  const boot = booted(async (folder) => {
    // DAX needs blocks as large as pages, and QEMU a backing file of whole 2 MB.
    const file = empty(join(folder, 'pmem'), 64)
    writeTree(join(folder, 'tree'), { hello: 'from the host\n' })
    await run(needProgram('mkfs.ext4', 'e2fsprogs'), ['-q', '-b', '4096', '-d', join(folder, 'tree'), file])
    return {
      init: '/checks/run',
      files: checks.files,
      qemuArgs: [
        ...['-m', 'maxmem=1G'],
        ...['-object', `memory-backend-file,id=pmem,share=on,mem-path=${file},size=64M`],
        ...['-device', 'virtio-pmem-pci,memdev=pmem'],
      ],
    }
  })

  test('is mounted with DAX, and what is written to it is in the host’s file', async () => {
    expect(checks.outcome(boot(), 'a file system with DAX')).toMatch(WENT_WELL)
    const file = boot().root.replace(/root$/, 'pmem')
    expect((await run(needProgram('debugfs', 'e2fsprogs'), ['-R', 'cat /written', file])).toString()).toBe(
      'written\n',
    )
  })
})
